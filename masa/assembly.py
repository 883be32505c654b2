"""From the configuration to the parts: files are read, nothing is opened."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from sztb.daemon.journal import Journal
from sztb.errors import Malformed, Refused
from sztb.pki import certificates
from sztb.pki.path import build_path
from sztb.pki.trust_anchors import TrustAnchors
from sztb.transport.tls.config import ServerTls, TlsIdentity

from . import signer
from .credentials import read_chain, read_key
from .customers import Customers
from .interfaces import Revocation, Store, VoucherKey
from .manufacturer import Manufacturer
from .policy.ownership import OWNERSHIP
from .policy.rules import Rules
from .revocation.off import Off
from .service import Clock, Service
from .settings import PolicySettings, RevocationSettings, Settings, TlsSettings

if TYPE_CHECKING:
    from .metrics import Metrics


def make_service(
    settings: Settings, store: Store, journal: Journal, metrics: "Metrics", now: Clock
) -> Service:
    """Put the parts together.

    Raises:
        SztbError, OSError: a file is not what it should be; the text names it.
    """
    manufacturer = make_manufacturer(settings)
    voucher_key = signer.load(settings.signer)
    check_voucher_key(voucher_key)
    return Service(
        manufacturer=manufacturer,
        voucher_key=voucher_key,
        customers=make_customers(settings.policy.customers, manufacturer),
        rules=make_rules(settings.policy),
        store=store,
        revocation=make_revocation(settings.revocation),
        journal=journal,
        metrics=metrics,
        now=now,
    )


def make_manufacturer(settings: Settings) -> Manufacturer:
    """Read the manufacturer's CAs.

    Raises:
        Malformed: a file is not PEM, an anchor is no CA, or an authority not under an anchor.
        OSError: it cannot be read.
    """
    anchors = _read_all(settings.manufacturer.anchors)
    for anchor in anchors:
        if not certificates.is_ca(anchor):
            raise Malformed(f"manufacturer.anchors: {_name(anchor)} is not a CA")
    authorities = _read_all(settings.manufacturer.authorities)
    for authority in authorities:
        if not certificates.is_ca(authority) or not Manufacturer(TrustAnchors(anchors)).issued(
            authority, authorities
        ):
            raise Malformed(f"manufacturer.authorities: {_name(authority)} is no CA of an anchor")
    return Manufacturer(TrustAnchors(anchors), authorities)


def check_voucher_key(voucher_key: VoucherKey) -> None:
    """Check that what goes out as the signing chain is one (M-16).

    Raises:
        Malformed: the certificates do not stand one above the other.
    """
    first, *above = voucher_key.chain
    if not above:
        return
    try:
        build_path(first, above, above[-1:], now=None)
    except Refused as error:
        raise Malformed(f"signer.certificate: not a chain ({error.detail})") from error


def make_customers(folder: Path | None, manufacturer: Manufacturer) -> Customers:
    """Read one PEM file for each customer.

    Raises:
        Malformed: a file is not PEM, a certificate no CA, listed twice, or the manufacturer's
            (M-11).
        OSError: a file or the folder cannot be read.
    """
    if folder is None:
        return Customers({})
    if not folder.is_dir():
        raise Malformed(f"{folder}: no such folder (policy.customers)")
    anchors = {path.stem: read_chain(path) for path in sorted(folder.glob("*.pem"))}
    seen: dict[x509.Certificate, str] = {}
    for name, listed in anchors.items():
        for anchor in listed:
            if not certificates.is_ca(anchor) or manufacturer.issued(anchor):
                raise Malformed(f"{folder / name}.pem: {_name(anchor)} is no CA of a customer")
            if anchor in seen:
                raise Malformed(f"{folder}: {_name(anchor)} is of {seen[anchor]} and of {name}")
            seen[anchor] = name
    return Customers(anchors)


def make_rules(settings: PolicySettings) -> Rules:
    """Translate the policy."""
    max_age = settings.max_request_days
    return Rules(
        ownership=OWNERSHIP[settings.ownership],
        nonceless=settings.nonceless == "known-registrars",
        nonceless_lifetime=timedelta(days=settings.nonceless_days),
        proximity_required=settings.proximity == "required",
        unregistered=settings.unregistered == "accept",
        serials_unique=settings.serial_numbers_unique,
        max_age=timedelta(days=max_age) if max_age else None,
    )


def make_revocation(settings: RevocationSettings) -> Revocation:
    """Make the way in which registrars' CAs are asked."""
    if settings.check == "off":
        return Off()
    # The HTTP client is loaded only where lists are fetched: the command line does not need it.
    from .revocation.crl import CrlCheck  # noqa: PLC0415
    from .revocation.fetch import Fetcher, FetchRules  # noqa: PLC0415

    rules = FetchRules(settings.seconds, settings.private_addresses)
    return CrlCheck(Fetcher(rules), timedelta(hours=settings.keep_hours))


def make_server_tls(settings: TlsSettings) -> ServerTls:
    """Read what the HTTPS server shows; clients of any CA are asked for certificates (M-29).

    Raises:
        SztbError, OSError: a file is not what it should be.
    """
    chain = read_chain(settings.certificate)
    key = read_key(settings, chain[0])
    identity = TlsIdentity(tuple(map(certificates.der, chain)), key)
    return ServerTls(identity, client_certificate="requested", alpn=("http/1.1",))


def _read_all(paths: list[Path]) -> tuple[x509.Certificate, ...]:
    return tuple(one for path in paths for one in read_chain(path))


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:100]
