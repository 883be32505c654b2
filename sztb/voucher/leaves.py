"""THE leaf table: SIDs, types and presence of every voucher leaf (rfc8366bis 8.5 and 9.3).

Codecs, presence checks and documents read it. Keys on the wire are differences to the container's
SID: the two SID columns are why keys 9 to 22 mean other leaves in a voucher than in a request.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from sztb.codepoints import sid
from sztb.encoding.yang import (
    BOOLEAN,
    DATE_AND_TIME,
    NAMES_OR_SIDS,
    TEXT,
    Container,
    Node,
    YangType,
    binary,
    enumeration,
)
from sztb.voucher.model import Assertion
from sztb.voucher.nonce import NONCE


class Presence(Enum):
    """Where a leaf belongs (cbrski.md 6.3)."""

    M = "must be there"
    S = "should be there"
    C = "copied from the request, there when it was there"
    ONE = "one of its kind must be there"
    O = "may be there"  # noqa: E741 - the digest's letter
    NO = "must not be there, ignored when it is"


M, S, C, ONE, O, NO = Presence  # noqa: E741

ASSERTION: Final = enumeration(Assertion)
ANY: Final = binary()
CERT: Final = binary(1)  # DER certificate
SPKI: Final = binary(1)  # DER SubjectPublicKeyInfo
HASH: Final = binary(32, 32)  # SHA-256


@dataclass(frozen=True, slots=True)
class Leaf:
    """One row.

    Attributes:
        name: YANG name.
        voucher: absolute SID in a voucher; None where the leaf does not exist there.
        request: absolute SID in a voucher-request.
        type: how values are coded.
        pvr: presence in a pledge voucher-request.
        rvr: presence in a registrar voucher-request.
        issued: presence in a voucher.
    """

    name: str
    voucher: int | None
    request: int
    type: YangType
    pvr: Presence
    rvr: Presence
    issued: Presence

    @property
    def attribute(self) -> str:
        """Its name in `voucher.model`."""
        return self.name.replace("-", "_")


LEAVES: Final = (  # name           voucher request   type            PVR  RVR voucher
    Leaf("assertion",                  2452, 2502, ASSERTION,     M,   C,  O),  # D36
    Leaf("created-on",                 2453, 2503, DATE_AND_TIME, S,   S,  O),  # D36
    Leaf("domain-cert-revocation-checks",
                                       2454, 2504, BOOLEAN,       NO,  NO, O),
    Leaf("expires-on",                 2455, 2505, DATE_AND_TIME, NO,  NO, O),
    Leaf("idevid-issuer",              2456, 2506, ANY,           O,   M,  O),
    Leaf("last-renewal-date",          2457, 2507, DATE_AND_TIME, NO,  NO, O),
    Leaf("nonce",                      2458, 2508, NONCE,         M,   C,  C),
    Leaf("pinned-domain-cert",         2459, 2509, CERT,          NO,  NO, ONE),
    Leaf("pinned-domain-pubk",         2460, 2518, SPKI,          NO,  NO, ONE),
    Leaf("pinned-domain-pubk-sha256",  2461, 2519, HASH,          NO,  NO, ONE),
    Leaf("serial-number",              2462, 2514, TEXT,          M,   M,  M),
    Leaf("additional-configuration-url",
                                       2463, 2520, TEXT,          NO,  NO, O),
    Leaf("est-domain",                 2464, 2521, TEXT,          NO,  NO, O),
    Leaf("manufacturer-proprietary",   2465, 2523, ANY,           O,   O,  O),
    Leaf("extensions",                 2466, 2522, NAMES_OR_SIDS, O,   O,  O),
    Leaf("prior-signed-voucher-request",
                                       None, 2510, ANY,           NO,  S,  NO),
    Leaf("proximity-registrar-cert",   None, 2511, CERT,          ONE, NO, NO),
    Leaf("proximity-registrar-pubk-sha256",
                                       None, 2512, HASH,          ONE, NO, NO),
    Leaf("proximity-registrar-pubk",   None, 2513, SPKI,          ONE, NO, NO),
    Leaf("agent-provided-proximity-registrar-cert",
                                       None, 2515, ANY,           O,   O,  NO),
    Leaf("agent-sign-cert",            None, 2516, ANY,           O,   O,  NO),
    Leaf("agent-signed-data",          None, 2517, ANY,           O,   O,  NO),
)  # fmt: skip


def _container(name: str, number: int, nodes: list[Node]) -> Container:
    return Container(name, number, tuple(sorted(nodes, key=lambda node: node.sid)))


VOUCHER: Final = _container(
    sid.VOUCHER_NAME,
    sid.VOUCHER,
    [Node(row.name, row.voucher, row.type) for row in LEAVES if row.voucher is not None],
)
VOUCHER_REQUEST: Final = _container(
    sid.VOUCHER_REQUEST_NAME,
    sid.VOUCHER_REQUEST,
    [Node(row.name, row.request, row.type) for row in LEAVES],
)
