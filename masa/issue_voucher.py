"""The requestvoucher procedure (cbrski.md 9.3; RFC 8995 5.5 and 5.6).

A shell: it reads like the standard's list, and every step is a decision from elsewhere.
"""

import hashlib
from dataclasses import dataclass

from cryptography import x509

from sztb.brski.audit_log import domain_id
from sztb.codepoints.media import Media
from sztb.errors import Refusal, Refused
from sztb.pki import certificates
from sztb.voucher.formats import FORMATS
from sztb.voucher.model import Voucher
from sztb.voucher.nonce import nonce_text

from .customers import Customer
from .interfaces import Transaction
from .pinning import choose_pin
from .policy.ownership import Domain, domain_of, owner_after, spki_sha256
from .policy.rules import Rules
from .prior_request import Proof, check_prior_request
from .records import DeviceRecord, Instant, IssueRecord
from .rvr import Rvr
from .service import Service, TlsClient
from .voucher import (
    CODINGS,
    Ends,
    Terms,
    check_age,
    check_nonceless,
    choose_assertion,
    choose_expiry,
    make_voucher,
)


@dataclass(frozen=True, slots=True)
class Application:
    """A request for a voucher in which everything that needs no database is proven.

    Attributes:
        rvr: the registrar's request.
        idevid: the device's certificate.
        proof: what the pledge's request proved.
        domain: who asks.
        client: who opened the connection.
        lists_end: end of the revocation lists that were looked at.
        now: the time of the voucher, whole seconds.
    """

    rvr: Rvr
    idevid: x509.Certificate
    proof: Proof
    domain: Domain
    client: TlsClient
    lists_end: Instant | None
    now: Instant


@dataclass(frozen=True, slots=True)
class Grant:
    """A voucher that is in the audit log, ready to be signed."""

    voucher: Voucher
    terms: Terms
    device: DeviceRecord


async def handle(service: Service, client: TlsClient, rvr: Rvr, accepted: Media) -> bytes:
    """Decide on one proven RVR (steps 1 to 4: `resources`, `rvr.open_rvr`) and issue the voucher.

    Args:
        service: this MASA.
        client: who opened the connection.
        rvr: from `open_rvr`.
        accepted: the format the answer has to have.

    Returns:
        The signed voucher; it is in the audit log, on disk.

    Raises:
        Refused: the rule that is broken.
        Unavailable: the database or a revocation list cannot be used now.
    """
    now = service.now().replace(microsecond=0)
    rules = service.rules
    check_age(rvr, rules.max_age, now)
    idevid = await find_idevid(service, rvr)  # (4)
    proof = check_prior_request(  # (5) to (8)
        rvr, idevid, service.voucher_key.signer.public_key, required=rules.proximity_required
    )
    customer = service.customers.authenticate(rvr, client.chain, now)  # (9)
    check_nonceless(rvr, customer, allowed=rules.nonceless)
    # (3) M-25, M-30: this late, so that only who has a device of ours can make us fetch lists
    lists_end = await service.revocation.check(rvr.chain, now)
    domain = domain_of(rvr.chain, customer)
    application = Application(rvr, idevid, proof, domain, client, lists_end, now)
    grant = await service.store.write(  # (10), (11), (13): the log is on disk before the answer
        lambda transaction: decide(transaction, application, rules)
    )
    raw = FORMATS[accepted].seal(  # (12) M-16, M-17
        grant.voucher,
        service.voucher_key.signer,
        service.voucher_key.chain_der,
        coding=CODINGS[grant.device.abilities.keys],  # M-03
    )
    _tell(service, application, grant)
    return raw


async def find_idevid(service: Service, rvr: Rvr) -> x509.Certificate:
    """Return the IDevID of the device: from the bag, else from the device table (9.3 step 4).

    Raises:
        Refused: DEVICE_UNKNOWN; IDEVID when the table's certificate is no longer under an anchor.
    """
    manufacturer = service.manufacturer
    found = manufacturer.find_idevid(rvr.bag, rvr.device)
    if found is not None:
        return found
    # Registrars of before constrained-voucher-30 do not send the pledge's certificate.
    record = await service.store.read(lambda transaction: transaction.devices.get(rvr.device))
    if record is None:
        raise Refused(Refusal.DEVICE_UNKNOWN, str(rvr.device))
    idevid = certificates.load(record.idevid)
    if not manufacturer.is_idevid(idevid, rvr.device):
        raise Refused(Refusal.IDEVID, "registered certificate is not under an anchor")
    return idevid


def decide(transaction: Transaction, application: Application, rules: Rules) -> Grant:
    """Decide what needs the database, and record it, in one unit (steps 10, 11 and 13).

    Raises:
        Refused: DEVICE_UNKNOWN, DEVICE_BLOCKED, IDEVID or OWNED_BY_ANOTHER.
    """
    rvr, now = application.rvr, application.now
    device = _device(transaction, application, rules)
    check_device(device, application.idevid)
    verified = rules.ownership.admit(device, application.domain)  # (10)
    pinned = choose_pin(  # (11)
        rvr.chain,
        application.proof.proximate or rvr.signer,
        device.abilities.pins,
        highest_ca(rvr, application.domain.customer),
    )
    terms = Terms(
        pinned,
        choose_assertion(rvr, application.proof, verified=verified),
        choose_expiry(rvr, pinned, Ends(rules.nonceless_lifetime, application.lists_end), now),
    )
    transaction.issues.append(_entry(application, terms))  # (13) M-19
    owner = owner_after(device, application.domain, now, verified=verified)
    transaction.devices.count_issue(device.ref, now, owner)
    voucher = make_voucher(rvr, application.idevid, terms, now, serials_unique=rules.serials_unique)
    return Grant(voucher, terms, device)


def _device(transaction: Transaction, application: Application, rules: Rules) -> DeviceRecord:
    device = transaction.devices.get(application.rvr.device)
    if device is not None:
        return device
    if not rules.unregistered:
        raise Refused(Refusal.DEVICE_UNKNOWN, str(application.rvr.device))
    device = DeviceRecord(
        application.rvr.device, certificates.der(application.idevid), application.now
    )
    transaction.devices.add(device)
    return device


def check_device(device: DeviceRecord, idevid: x509.Certificate) -> None:
    """Check that the device may have vouchers and that this is its certificate.

    Raises:
        Refused: DEVICE_BLOCKED; IDEVID for another key than the registered one's.
    """
    if device.blocked is not None:
        raise Refused(Refusal.DEVICE_BLOCKED, device.blocked)
    if device.idevid == certificates.der(idevid):
        return
    known = certificates.load(device.idevid)
    if certificates.spki(known) != certificates.spki(idevid):
        raise Refused(Refusal.IDEVID, "another key than the registered certificate's")


def highest_ca(rvr: Rvr, customer: Customer | None) -> x509.Certificate | None:
    """M-12: a nonceless voucher outlives registrars, so it pins the highest CA that is allowed.

    That is the customer's CA on our list; where only the TLS client proved the customer, nothing
    says that higher CAs are its own, and the lowest one is pinned.
    """
    if rvr.data.nonce is not None or customer is None:
        return None
    return customer.anchor


def _entry(application: Application, terms: Terms) -> IssueRecord:
    rvr, nonce = application.rvr, application.rvr.data.nonce
    return IssueRecord(
        device=rvr.device,
        at=application.now,
        domain_id=domain_id(terms.pinned.certificate),
        domain_key=application.domain.key,
        pinned_key=spki_sha256(terms.pinned.certificate),
        nonce=None if nonce is None else nonce_text(nonce),  # M-34
        assertion=terms.assertion,
        expires_on=terms.expires_on,
        registrar=rvr.signer.subject.rfc4514_string()[:200],
        registrar_sha256=certificates.fingerprint(rvr.signer),
        tls_client_sha256=application.client.fingerprint,
        rvr_sha256=hashlib.sha256(rvr.sealed.raw).digest(),
    )


def _tell(service: Service, application: Application, grant: Grant) -> None:
    customer = application.domain.customer
    service.metrics.issued(grant.terms.assertion)
    service.journal.event(
        "voucher-issued", "accepted", device=str(application.rvr.device), rule="M-19",
        domain=application.domain.name,
        customer=customer.name if customer else None,
        assertion=grant.terms.assertion.name.lower(),
        pin=type(grant.terms.pinned.pin).__name__,
        nonced=grant.voucher.nonce is not None,
        renewal=application.domain.owns(grant.device),
        client=application.client.name,
        address=application.client.address,
    )  # fmt: skip
