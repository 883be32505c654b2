"""Revocation and the CRL: what is on it, how long it is kept, that numbers only grow."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from registrar.ca.authority import check_authority
from registrar.ca.domain_ca import CaRules, DomainCa
from registrar.ca.revocation import REASONS, CrlRules
from registrar.store.sql_store import SqlStore
from sztb.errors import Misuse
from sztb.pki import certificates
from sztb.pki.idevid import DeviceRef
from tests.fakes.pki import NOW, key
from tests.registrar.ca.conftest import DEVICE, PKI, Ca, a_request

REASON = x509.ReasonFlags.key_compromise
RULES = CrlRules(lifetime=timedelta(days=7), renew_after=timedelta(days=1))


async def crl(ca: Ca, now: datetime = NOW) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(await ca.open(crl=RULES).crl(now))


def number(one: x509.CertificateRevocationList) -> int:
    return one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


async def issued(ca: Ca, name: str = "new ldevid") -> x509.Certificate:
    certificate = await ca.issued(a_request(DEVICE, key(name)))
    assert isinstance(certificate, x509.Certificate)
    return certificate


async def test_the_first_crl_is_empty(ca: Ca) -> None:
    empty = await crl(ca)
    assert (number(empty), list(empty)) == (1, [])
    assert empty.is_signature_valid(PKI.domain_ca.certificate.public_key())
    assert empty.issuer == PKI.domain_ca.certificate.subject
    assert (empty.last_update_utc, empty.next_update_utc) == (NOW, NOW + timedelta(days=7))
    key_id = empty.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert key_id.key_identifier == certificates.subject_key_id(PKI.domain_ca.certificate)


@pytest.mark.parametrize("reason", REASONS)
async def test_a_revoked_certificate_is_on_the_next_one(ca: Ca, reason: x509.ReasonFlags) -> None:
    certificate = await issued(ca)
    await crl(ca)
    revoked_at = NOW + timedelta(hours=1)
    assert await ca.open().revoke(certificate.serial_number, reason, revoked_at)
    now = NOW + timedelta(hours=2)
    second = await crl(ca, now)
    assert number(second) == 2
    [entry] = second
    assert entry.serial_number == certificate.serial_number
    assert entry.revocation_date_utc == revoked_at
    said = [extension.value.reason for extension in entry.extensions]
    assert said == ([] if reason is x509.ReasonFlags.unspecified else [reason])
    status = await ca.open().lookup(certificate)
    assert status is not None
    assert status.revoked


async def test_revoking_is_for_good_and_once(ca: Ca) -> None:
    certificate = await issued(ca)
    results = [await ca.open().revoke(certificate.serial_number, REASON, NOW) for _ in range(2)]
    assert results == [True, False]
    assert not await ca.open().revoke(4711, REASON, NOW)
    for reason in (x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl):
        with pytest.raises(Misuse):
            await ca.open().revoke(certificate.serial_number, reason, NOW)
    entries = await ca.store.read(lambda tables: tables.journal.newest(device=DEVICE.ref))
    assert [entry.event for entry in entries] == ["certificate-revoked", "issued"]
    assert f"{certificate.serial_number:x}: keyCompromise" in entries[0].detail


async def test_a_device_loses_what_is_still_good(ca: Ca) -> None:
    first, second = await issued(ca), await issued(ca, "another key")
    await ca.open().revoke(first.serial_number, REASON, NOW)
    gone = await ca.open().revoke_device(DEVICE.ref, REASON, NOW)
    assert gone == [second.serial_number]
    assert await ca.open().revoke_device(DeviceRef(bytes(20), "none"), REASON, NOW) == []
    await issued(ca, "third key")
    assert await ca.open().revoke_device(DEVICE.ref, REASON, NOW + timedelta(days=400)) == []


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (timedelta(0), 1),
        (RULES.renew_after - timedelta(seconds=1), 1),
        (RULES.renew_after, 2),
        (timedelta(days=30), 2),
    ],
)
async def test_an_unchanged_crl_is_kept_for_a_while(
    ca: Ca, later: timedelta, expected: int
) -> None:
    first = await ca.open(crl=RULES).crl(NOW)
    again = await ca.open(crl=RULES).crl(NOW + later)
    assert number(x509.load_der_x509_crl(again)) == expected
    assert (again == first) is (expected == 1)


async def test_an_expired_certificate_leaves_after_one_more_crl(ca: Ca) -> None:
    certificate = await issued(ca)
    await ca.open().revoke(certificate.serial_number, REASON, NOW)
    end = certificate.not_valid_after_utc
    assert len(list(await crl(ca, end - timedelta(days=1)))) == 1
    assert len(list(await crl(ca, end + timedelta(days=1)))) == 1
    assert len(list(await crl(ca, end + timedelta(days=3)))) == 0


async def test_instances_agree_on_one_crl(ca: Ca, tmp_path: object) -> None:
    second = await SqlStore.open(f"sqlite:///{tmp_path}/registrar.db")
    authority = check_authority(PKI.domain_ca.path, PKI.domain_ca.key)
    other = DomainCa(authority, second, CaRules(crl=RULES), bytes)
    made = await asyncio.gather(*(one.crl(NOW) for one in (ca.open(crl=RULES), other) * 5))
    assert len(set(made)) == 1
    await second.close()


async def test_each_ca_key_has_its_own(ca: Ca) -> None:
    certificate = await issued(ca)
    await ca.open().revoke(certificate.serial_number, REASON, NOW)
    assert len(list(await crl(ca))) == 1
    another = replace(ca, identity=PKI.idevid_ca)
    authority = check_authority(PKI.idevid_ca.path, PKI.idevid_ca.key)
    theirs = DomainCa(authority, another.store, CaRules(), bytes)
    assert list(x509.load_der_x509_crl(await theirs.crl(NOW))) == []
