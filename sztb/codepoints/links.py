"""Multicast groups, discovery queries and link attributes; drafts move these (cbrski.md 13)."""

ALL_COAP_NODES_LINK_LOCAL = "ff02::fd"  # RFC 7252 12.8
ALL_COAP_NODES_REALM_LOCAL = "ff03::fd"
ALL_COAP_NODES_SITE_LOCAL = "ff05::fd"  # RFC 7252 12.8

WELL_KNOWN_CORE = (".well-known", "core")  # RFC 6690 7.1

BRSKI_JP = "brski-jp"  # link attribute: join-port, constrained-join-proxy 5
QUERY_JOIN_PROXY = "brski-jp=*"  # constrained-voucher 10.1
QUERY_REGISTRAR = "rt=brski"  # constrained-join-proxy 5.1, stateful
QUERY_REGISTRAR_JPY = "rt=brski.rjp"  # constrained-join-proxy 5.1, stateless
RT_BRSKI = "brski"  # constrained-voucher 15.1
RT_BRSKI_RJP = "brski.rjp"  # constrained-join-proxy 5.1
SCHEME_COAPS = "coaps"
SCHEME_JPY = "jpy"  # constrained-join-proxy, IANA considerations
SCHEME_COAPS_JPY = "coaps+jpy"  # before draft -18; read only with the legacy setting (DD4)
