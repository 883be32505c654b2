"""The records that cross between the registrar's procedures and its back ends; data only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from sztb.codepoints.resources import Operation
from sztb.daemon.journal import Outcome
from sztb.errors import Refusal
from sztb.pki.csr import CertificationRequest
from sztb.pki.idevid import DeviceRef

Instant = datetime


class Standing(StrEnum):
    """What the operator says about a device; only the admission policy reads it."""

    UNDECIDED = "undecided"
    WAITING = "waiting"  # it asked, and waits for an operator's decision
    LISTED = "listed"
    APPROVED = "approved"
    REFUSED = "refused"
    REMOVED = "removed"


class DeviceState(StrEnum):
    """How far a device has come in the order of RFC 8995 5; see `device_states` for the moves."""

    NEW = "new"
    VOUCHER_REQUESTED = "voucher-requested"  # the RVR is on its way to the MASA
    VOUCHER_DENIED = "voucher-denied"  # the MASA said no
    VOUCHER_ISSUED = "voucher-issued"  # the voucher went to the pledge
    VOUCHER_ACCEPTED = "voucher-accepted"  # /vs with status true
    VOUCHER_FAILED = "voucher-failed"  # /vs with status false
    AUDITED = "audited"  # the audit log is acceptable: EST is open
    AUDIT_REFUSED = "audit-refused"  # no EST
    ENROLLED = "enrolled"  # it holds an LDevID of ours
    ENROLL_FAILED = "enroll-failed"  # /es with status false


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """One row per device ever admitted, listed or waiting.

    Attributes:
        ref: the key: IDevID issuer and serial number.
        manufacturer: name of the `Manufacturer` it was validated under.
        standing: the operator's word.
        state: progress of the newest onboarding.
        first_seen, updated: UTC.
        reason: why it is in this state, for people; never from secrets.
        idevid: DER of the IDevID certificate, None for a listed device never seen.
        pvr_sha256: SHA-256 of the PVR of the newest onboarding (32 bytes).
        rvr, rvr_media_type: the signed RVR and its type, sent again for the audit log (R-52).
        masa_url: the MASA URL in use (authority or whole URI, cbrski.md 10).
        ldevid_sha256: SHA-256 of the newest LDevID certificate (32 bytes).
    """

    ref: DeviceRef
    manufacturer: str
    first_seen: Instant
    updated: Instant
    standing: Standing = Standing.UNDECIDED
    state: DeviceState = DeviceState.NEW
    reason: str = ""
    idevid: bytes | None = None
    pvr_sha256: bytes | None = None
    rvr: bytes | None = None
    rvr_media_type: str | None = None
    masa_url: str | None = None
    ldevid_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class PendingKey:
    """By what a repeated request is known: the PVR bytes and who sent them (cbrski.md 5.5).

    Attributes:
        pvr_sha256: SHA-256 of the PVR as received (32 bytes).
        client_sha256: SHA-256 of the DTLS client's EE certificate (32 bytes).
    """

    pvr_sha256: bytes
    client_sha256: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The answer to a PVR was this voucher, stripped as it goes to the pledge (R-28)."""

    media_type: str
    voucher: bytes


@dataclass(frozen=True, slots=True)
class Denied:
    """The answer to a PVR was a refusal; `sztb.errors.REPLY` has its codes."""

    refusal: Refusal
    detail: str


VoucherAnswer = Delivered | Denied


class Begun(StrEnum):
    """What `PendingVouchers.begin` found, when it found no answer."""

    NEW = "new"  # the caller asks the MASA now and holds the lease
    IN_PROGRESS = "in-progress"  # somebody else does, perhaps another instance


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One decision about one device: who, what, by which rule, with which outcome.

    Attributes:
        at: UTC.
        event: kind, for example ``voucher-issued``.
        device: whom it concerns, None where no device is known.
        outcome: how it ended.
        rule: number of the rule that decided, for example ``R-33``; may be empty.
        detail: short text for people; no secrets.
        alert: a human should look at it now.
    """

    at: Instant
    event: str
    device: DeviceRef | None
    outcome: Outcome = "done"
    rule: str = ""
    detail: str = ""
    alert: bool = False


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """What an audit log may contain (R-53 to R-56, RFC 8995 5.8.3).

    Attributes:
        required: False: history is ignored, whatever it says or whether it can be had (R-56).
        known_domain_ids: domainIDs (base64 text) accepted besides our own.
        allow_unknown_domains: entries of domains we do not know are no reason to refuse.
        nonceless_domain_ids: domainIDs that may have got nonceless vouchers besides our own.
        allow_arbitrary_truncation: an incomplete log (`arbitrary` > 0) is accepted.
    """

    required: bool = True
    known_domain_ids: frozenset[str] = frozenset()
    allow_unknown_domains: bool = False
    nonceless_domain_ids: frozenset[str] = frozenset()
    allow_arbitrary_truncation: bool = False


@dataclass(frozen=True, slots=True)
class Manufacturer:
    """A maker of devices whose IDevIDs are accepted (R-13, R-37, R-61).

    Attributes:
        name: what people call it; unique.
        anchors: certificates its IDevIDs must chain to; one anchor belongs to one manufacturer.
        enabled: False: known, but its devices are not admitted now (4.03).
        masa_url: used instead of the URL in the IDevID (RFC 8995 2.8).
        default_masa_url: used when the IDevID names none.
        masa_tls_anchors: who may have signed the MASA's TLS certificate, apart from `anchors`
            (R-61); empty: the system's web anchors.
        masa_client_certificate: present the registrar certificate to the MASA (R-26, R-59).
        serial_attribute: dotted OID of the subject attribute with the serial number (R-37).
        ignore_lifetime: validity dates of its IDevIDs do not count (R-37, R-62).
        audit: what its audit logs may contain.
    """

    name: str
    anchors: tuple[x509.Certificate, ...]
    enabled: bool = True
    masa_url: str | None = None
    default_masa_url: str | None = None
    masa_tls_anchors: tuple[x509.Certificate, ...] = ()
    masa_client_certificate: bool = True
    serial_attribute: str = "2.5.4.5"
    ignore_lifetime: bool = False
    audit: AuditPolicy = AuditPolicy()


@dataclass(frozen=True, slots=True)
class Admit:
    """The device may have a voucher."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not decided yet: 5.03 with Max-Age (cbrski.md 5.5).

    Attributes:
        retry_after: seconds.
    """

    retry_after: int = 20


@dataclass(frozen=True, slots=True)
class Deny:
    """The device may not have a voucher: 4.03, 4.04 or 4.06 by the refusal's row (5.4)."""

    refusal: Refusal
    detail: str = ""


Admission = Admit | Wait | Deny


@dataclass(frozen=True, slots=True)
class CaCertificates:
    """The certificates of the domain CA (est.md 9).

    Attributes:
        chain: the issuer of LDevIDs first, up to and including the root.
        rollover: OldWithOld, OldWithNew, NewWithOld, as far as they exist.
    """

    chain: tuple[x509.Certificate, ...]
    rollover: tuple[x509.Certificate, ...] = ()


class ProofOfPossession(StrEnum):
    """How the CSR is linked to the client's session (est.md 6)."""

    ABSENT = "absent"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class EnrollRequest:
    """What the registrar asks of a CA (est.md 13); the CSR was validated before (R-34).

    Attributes:
        operation: SIMPLEENROLL, SIMPLEREENROLL, SERVERKEYGEN or SERVERKEYGEN_CERT.
        csr: the request; `csr.raw` goes to a remote CA unchanged (E-51).
        device: for whom.
        client: the certificate the client authenticated with: IDevID, or the LDevID to renew.
        pop: whether the CSR was bound to the session.
        request_id: 32 bytes by which a repeated request is known (est-D18).
    """

    operation: Operation
    csr: CertificationRequest
    device: DeviceRef
    client: x509.Certificate
    pop: ProofOfPossession
    request_id: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """The certificate exists, and the CA has it in its table already."""

    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Pending:
    """The CA needs time: the same request again after `retry_after` seconds."""

    retry_after: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The CA refuses; `detail` is for the log only."""

    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A key made for the client, as PKCS#8 DER, and its certificate."""

    private_key: bytes
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """What the CA knows about a certificate it issued.

    Attributes:
        device: to whom.
        revoked: no longer good.
    """

    device: DeviceRef
    revoked: bool
