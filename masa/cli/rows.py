"""How records look: as rows of tables, as facts, as JSON."""

from cryptography import x509

from sztb.daemon.output import Value, instant, iso
from sztb.pki import certificates

from ..records import DeviceRecord, History, IssueRecord

DEVICE_COLUMNS = ("serial number", "issuer", "state", "owner", "vouchers", "last voucher")
ISSUE_COLUMNS = ("date", "assertion", "nonce", "domainID", "registrar")


def device_row(record: DeviceRecord) -> tuple[str, ...]:
    """One row of `device list`."""
    return (
        record.ref.serial_number,
        record.ref.idevid_issuer.hex()[:8],
        "blocked" if record.blocked is not None else "ok",
        record.sold_to or (record.owner.name if record.owner else ""),
        str(record.vouchers),
        instant(record.last_issued),
    )


def device_facts(record: DeviceRecord) -> list[tuple[str, str]]:
    """What `device show` prints."""
    idevid = certificates.load(record.idevid)
    return [
        ("serial number", record.ref.serial_number),
        ("IDevID issuer", f"{record.ref.idevid_issuer.hex()}  {_name(idevid.issuer)}"),
        ("IDevID subject", _name(idevid.subject)),
        ("IDevID SHA-256", certificates.fingerprint(idevid).hex()),
        ("registered", instant(record.registered)),
        ("voucher keys", record.abilities.keys),
        ("pins", record.abilities.pins),
        ("blocked", record.blocked or ""),
        ("sold to", record.sold_to or ""),
        ("owner", record.owner.name if record.owner else ""),
        ("owner since", instant(record.owner.since) if record.owner else ""),
        ("vouchers", str(record.vouchers)),
        ("last voucher", instant(record.last_issued)),
    ]


def device_json(record: DeviceRecord) -> dict[str, Value]:
    """One device for machines."""
    idevid = certificates.load(record.idevid)
    owner = record.owner
    return {
        "serial_number": record.ref.serial_number,
        "idevid_issuer": record.ref.idevid_issuer.hex(),
        "idevid_sha256": certificates.fingerprint(idevid).hex(),
        "registered": iso(record.registered),
        "keys": record.abilities.keys.value,
        "pins": record.abilities.pins.value,
        "blocked": record.blocked,
        "sold_to": record.sold_to,
        "owner": None
        if owner is None
        else {"name": owner.name, "key": owner.key.hex(), "since": iso(owner.since)},
        "vouchers": record.vouchers,
        "last_issued": iso(record.last_issued),
    }


def issue_row(issue: IssueRecord) -> tuple[str, ...]:
    """One row of `audit-log show`."""
    return (
        instant(issue.at),
        issue.assertion.name.lower(),
        issue.nonce or "(nonceless)",
        issue.domain_id,
        issue.registrar,
    )


def history_json(record: DeviceRecord, history: History) -> dict[str, Value]:
    """The log of one device for machines."""
    return {
        "serial_number": record.ref.serial_number,
        "idevid_issuer": record.ref.idevid_issuer.hex(),
        "total": history.total,
        "events": [_issue_json(issue) for issue in history.issues],
    }


def _issue_json(issue: IssueRecord) -> dict[str, Value]:
    client = issue.tls_client_sha256
    return {
        "date": iso(issue.at),
        "assertion": issue.assertion.name.lower(),
        "nonce": issue.nonce,
        "expires_on": iso(issue.expires_on),
        "domain_id": issue.domain_id,
        "registrar": issue.registrar,
        "registrar_sha256": issue.registrar_sha256.hex(),
        "tls_client_sha256": None if client is None else client.hex(),
        "rvr_sha256": issue.rvr_sha256.hex(),
    }


def _name(name: x509.Name) -> str:
    return name.rfc4514_string()
