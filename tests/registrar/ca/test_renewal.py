"""Re-enrolment: only for a good certificate of ours, and only to the same identity (E-26)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from registrar.ca.profile import LdevidProfile, Names
from registrar.records import EnrollRequest
from sztb.codepoints.resources import Operation
from sztb.errors import Refusal
from sztb.pki.idevid import DeviceRef
from tests.fakes.pki import NOW, Identity, key
from tests.registrar.ca.conftest import DEVICE, PKI, Ca, a_request

KEY = key("new ldevid")
NAMES = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("b.example")])
TURNED = x509.SubjectAlternativeName([*reversed(list(NAMES))])
ASKED = LdevidProfile(subject=Names.ASKED, alternative_names=Names.ASKED)


async def member(ca: Ca, names: x509.SubjectAlternativeName | None = None) -> Identity:
    """Enrol the device and return its LDevID."""
    certificate = await ca.issued(a_request(DEVICE, KEY, names=names), profile=ASKED)
    return Identity(certificate, KEY, PKI.domain_ca.path)


def renewal(ldevid: Identity, **changes: Any) -> EnrollRequest:
    wanted = {"key": KEY, "operation": Operation.SIMPLEREENROLL} | changes
    return a_request(ldevid, **wanted)


@pytest.mark.rule("E-26", "E-27")
@pytest.mark.parametrize("new_key", [KEY, key("rekeyed")], ids=["renewal", "rekey"])
async def test_the_same_identity_goes_on(ca: Ca, new_key: Any) -> None:
    old = await member(ca, NAMES)
    later = NOW + timedelta(days=200)
    new = await ca.issued(renewal(old, key=new_key, names=TURNED), later)
    assert new.subject == old.certificate.subject
    assert new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == NAMES
    assert new.public_key() == new_key.public_key
    assert new.not_valid_after_utc == later + timedelta(days=365)
    assert len(await ca.rows()) == 2


@pytest.mark.rule("E-26")
async def test_another_subject_is_refused_under_any_profile(ca: Ca) -> None:
    old = await member(ca)
    name = x509.Name([*old.certificate.subject, x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    refusal = await ca.refusal(renewal(old, subject=name), profile=ASKED)
    assert refusal is Refusal.OTHER_IDENTITY


@pytest.mark.rule("E-26")
@pytest.mark.parametrize(
    "asked",
    [None, x509.SubjectAlternativeName([x509.DNSName("a.example")])],
    ids=["none", "fewer"],
)
async def test_other_alternative_names_are_refused(ca: Ca, asked: Any) -> None:
    old = await member(ca, NAMES)
    refusal = await ca.refusal(renewal(old, names=asked), profile=ASKED)
    assert refusal is Refusal.OTHER_IDENTITY


async def test_only_certificates_from_our_table_are_renewed(ca: Ca) -> None:
    old = await member(ca)
    forged = PKI.ldevid(DEVICE, old.certificate.serial_number)  # the CA's key, but no row
    assert await ca.refusal(renewal(forged)) is Refusal.CLIENT_CERTIFICATE
    unknown = PKI.ldevid(DEVICE, 4711)
    assert await ca.refusal(renewal(unknown)) is Refusal.CLIENT_CERTIFICATE


async def test_a_certificate_of_another_device_is_not_renewed(ca: Ca) -> None:
    old = await member(ca)
    request = replace(renewal(old), device=DeviceRef(bytes(20), "SN-2"))
    assert await ca.refusal(request) is Refusal.OTHER_IDENTITY


async def test_a_revoked_certificate_is_not_renewed(ca: Ca) -> None:
    old = await member(ca)
    await ca.open().revoke(old.certificate.serial_number, x509.ReasonFlags.superseded, NOW)
    assert await ca.refusal(renewal(old)) is Refusal.CERTIFICATE_REVOKED


async def test_revoked_while_we_signed(ca: Ca, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision is repeated in the transaction that stores the certificate."""
    old = await member(ca)
    domain_ca = ca.open()
    content = domain_ca._content

    async def and_then_revoke(request: EnrollRequest, now: Any) -> Any:
        decided = await content(request, now)
        await domain_ca.revoke(old.certificate.serial_number, x509.ReasonFlags.superseded, now)
        return decided

    monkeypatch.setattr(domain_ca, "_content", and_then_revoke)
    outcome = await domain_ca.enroll(renewal(old), NOW, lambda *_: None)
    assert outcome.refusal is Refusal.CERTIFICATE_REVOKED
    assert len(await ca.rows()) == 1


@pytest.mark.parametrize(
    ("late", "grace", "renewed"),
    [
        (timedelta(0), timedelta(0), True),
        (timedelta(seconds=1), timedelta(0), False),
        (timedelta(days=30), timedelta(days=30), True),
        (timedelta(days=30, seconds=1), timedelta(days=30), False),
    ],
)
async def test_after_its_end_within_the_grace_period_only(
    ca: Ca, late: timedelta, grace: timedelta, renewed: bool
) -> None:
    old = await member(ca)
    now = old.certificate.not_valid_after_utc + late
    if renewed:
        assert await ca.issued(renewal(old), now, renewal_grace=grace)
    else:
        refusal = await ca.refusal(renewal(old), now, renewal_grace=grace)
        assert refusal is Refusal.CERTIFICATE_DATES
