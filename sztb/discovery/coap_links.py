"""Discovery by CoAP multicast: the queries, the answers and what they offer (discovery.md 3).

Bytes in, bytes out: who asks when is `candidates`, who may be answered is `responder`, and the
sockets are `sztb.transport.multicast`. Nothing here is secured: each result is only a hint.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from sztb.codepoints import links as names
from sztb.codepoints.coap import COAPS_PORT, Code, Option
from sztb.codepoints.media import LINK_FORMAT
from sztb.encoding import coap_message, link_format
from sztb.encoding.coap_message import CoapMessage, MessageType
from sztb.encoding.link_format import Link
from sztb.errors import Malformed

TOKEN_LENGTH = 4  # bytes; 4 to 8 random ones per query and interface (discovery.md 3.1)
MAX_PORT_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one of our queries.

    Attributes:
        token: matches it with the query; the source address differs from the group (D-04).
        links: what the payload lists.
    """

    token: bytes
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class RegistrarLookup:
    """What a join proxy of one mode asks for (constrained-join-proxy 5.1; D-13).

    Attributes:
        query: the one Uri-Query, never with a wildcard.
        rt: resource type that a link must carry.
        scheme: URI scheme of the target.
        default_port: used when the URI has none; None when the port is mandatory (D-14).
        older_schemes: read only with the legacy setting.
    """

    query: str
    rt: str
    scheme: str
    default_port: int | None
    older_schemes: tuple[str, ...] = ()


STATEFUL = RegistrarLookup(names.QUERY_REGISTRAR, names.RT_BRSKI, names.SCHEME_COAPS, COAPS_PORT)
STATELESS = RegistrarLookup(
    names.QUERY_REGISTRAR_JPY,
    names.RT_BRSKI_RJP,
    names.SCHEME_JPY,
    None,
    older_schemes=(names.SCHEME_COAPS_JPY,),
)


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Which registrar addresses a join proxy takes from an answer (discovery.md 3.3).

    Attributes:
        ipv4: upstream over IPv4 is switched on.
        link_local: the registrar may sit on the link of the answer.
        loopback: for tests on one machine.
        legacy: older drafts' schemes are read too (DD4).
    """

    ipv4: bool = False
    link_local: bool = False
    loopback: bool = False
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class RegistrarAddress:
    """Where a registrar takes datagrams.

    Attributes:
        host: IP literal; None for the source address of the answer.
        port: UDP port.
    """

    host: str | None
    port: int


def make_query(query: str, *, message_id: int, token: bytes) -> bytes:
    """Build ``GET /.well-known/core?query``, non-confirmable, without ETag (D-01, D-37)."""
    path = tuple((Option.URI_PATH, segment.encode()) for segment in names.WELL_KNOWN_CORE)
    message = CoapMessage(
        MessageType.NON, Code.GET, message_id, token, (*path, (Option.URI_QUERY, query.encode()))
    )
    return coap_message.encode(message)


def make_answer(links: Sequence[Link], *, to: CoapMessage, message_id: int) -> bytes:
    """Build the answer to a query: piggybacked for a confirmable one, else non-confirmable.

    Args:
        links: what to list; none gives 2.05 with an empty payload (RFC 6690 4).
        to: the query.
        message_id: our own number, used when the answer is not an acknowledgement.
    """
    confirmable = to.type is MessageType.CON
    payload = link_format.serialize(links)
    content_format = (Option.CONTENT_FORMAT, bytes([LINK_FORMAT.content_format or 0]))
    return coap_message.encode(
        CoapMessage(
            MessageType.ACK if confirmable else MessageType.NON,
            Code.CONTENT,
            to.message_id if confirmable else message_id,
            to.token,
            (content_format,) if payload else (),
            payload,
        )
    )


def parse_answer(datagram: bytes) -> Answer:
    """Read an answer to a multicast query.

    Raises:
        Malformed: not a 2.05 of Content-Format 40.
    """
    message = coap_message.decode(datagram)
    if message.code != Code.CONTENT or not _reads_all(message, {Option.CONTENT_FORMAT}):
        raise Malformed("not a 2.05 that we can read")
    if message.payload and message.uint(Option.CONTENT_FORMAT) != LINK_FORMAT.content_format:
        raise Malformed("answer is not in link format")
    return Answer(message.token, tuple(link_format.parse(message.payload)))


def parse_query(datagram: bytes) -> tuple[CoapMessage, tuple[str, ...]]:
    """Read a query for ``/.well-known/core``.

    Returns:
        The message and its Uri-Query options.

    Raises:
        Malformed: anything else, also a message with a critical option we do not know.
    """
    message = coap_message.decode(datagram)
    asks = message.type in {MessageType.CON, MessageType.NON} and message.code == Code.GET
    if not asks or message.texts(Option.URI_PATH) != names.WELL_KNOWN_CORE:
        raise Malformed("not a GET of /.well-known/core")
    known = {Option.URI_PATH, Option.URI_QUERY, Option.URI_HOST, Option.URI_PORT, Option.ACCEPT}
    if not _reads_all(message, known):
        raise Malformed("critical option not understood")
    if message.uint(Option.ACCEPT) not in {None, LINK_FORMAT.content_format}:
        raise Malformed("accepts only another format")
    return message, message.texts(Option.URI_QUERY)


def join_port_link(port: int) -> Link:
    """The link by which a join proxy tells its join-port: ``<>;brski-jp=port`` (D-18)."""
    return Link("", ((names.BRSKI_JP, str(port)),))


def registrar_link(lookup: RegistrarLookup, address: str, port: int) -> Link:
    """The link by which a registrar tells where it is; an IP literal and a port (D-14)."""
    literal = f"[{address}]" if ":" in address else address
    return Link(f"{lookup.scheme}://{literal}:{port}", (("rt", lookup.rt),))


def join_ports(links: Iterable[Link]) -> tuple[int, ...]:
    """The join-ports a pledge finds in an answer, without duplicates, in order (P-03, D-17).

    The target URI is not used: the destination is the source address of the answer (P-02).
    """
    offered = (_port(link.value(names.BRSKI_JP) or "") for link in links if link.is_hosted)
    return tuple(dict.fromkeys(port for port in offered if port is not None))


def registrars(
    links: Iterable[Link], lookup: RegistrarLookup, rules: AddressRules
) -> tuple[RegistrarAddress, ...]:
    """The registrars a join proxy finds in an answer; a link's path is not used (J-32)."""
    found = (_registrar(link, lookup, rules) for link in links if _is_meant(link, lookup))
    return tuple(dict.fromkeys(address for address in found if address is not None))


def _is_meant(link: Link, lookup: RegistrarLookup) -> bool:
    return link.is_hosted and lookup.rt in link.values("rt")


def _registrar(link: Link, lookup: RegistrarLookup, rules: AddressRules) -> RegistrarAddress | None:
    if link.target.startswith("/") and not link.target.startswith("//"):
        # Tolerated where a default port exists, although the draft wants an absolute URI.
        return RegistrarAddress(None, lookup.default_port) if lookup.default_port else None
    try:
        uri = urlsplit(link.target)
        host = ip_address(uri.hostname or "")
    except ValueError:  # not a URI, or a name: names are not resolved
        return None
    schemes = (lookup.scheme, *(lookup.older_schemes if rules.legacy else ()))
    if uri.scheme not in schemes or "@" in uri.netloc or not _is_usable(host, rules):
        return None
    port = _uri_port(uri, lookup.default_port)
    return None if port is None else RegistrarAddress(str(host), port)


def _uri_port(uri: SplitResult, default: int | None) -> int | None:
    # SplitResult.port takes signs and foreign digits, so the text after the host is read here.
    text = uri.netloc.rpartition("]")[2] if "]" in uri.netloc else uri.netloc
    _, colon, digits = text.rpartition(":")
    return _port(digits) if colon else default


def _is_usable(host: IPv4Address | IPv6Address, rules: AddressRules) -> bool:
    if host.is_multicast or host.is_unspecified:
        return False
    if host.is_loopback:
        return rules.loopback
    if host.is_link_local:
        return rules.link_local
    return host.version == 6 or rules.ipv4


def _port(text: str) -> int | None:
    """Read 1 to 5 ASCII digits, 1..65535; plain int() would take ``+1`` and ``8_485``."""
    digits = text.isascii() and text.isdigit() and len(text) <= MAX_PORT_DIGITS
    port = int(text) if digits else 0
    return port if 0 < port <= 0xFFFF else None


def _reads_all(message: CoapMessage, known: set[Option]) -> bool:
    """Tell whether every critical option (odd number, RFC 7252 5.4.6) is one we know."""
    return all(number in known for number, _ in message.options if number & 1)
