"""Issuing: what the certificate says, that it is stored first, and that a retry finds it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import count, repeat

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from registrar.ca.domain_ca import CaRules
from registrar.ca.profile import LdevidProfile, Names
from registrar.enroll import enrolled
from registrar.interfaces import Transaction
from registrar.records import DeviceRecord, Rejected, Standing
from registrar.store.sql_store import SqlStore, SqlTransaction
from sztb.codepoints import oid
from sztb.codepoints.resources import Operation
from sztb.errors import Refusal, Refused, Unavailable
from sztb.pki import certificates
from sztb.pki.keys import FileKey, SignatureAlgorithm
from sztb.pki.path import build_path
from tests.fakes.pki import NOW, key, make_pki
from tests.registrar.ca.conftest import DEVICE, PKI, Ca, a_request, journalled

KEY = key("new ldevid")
FIRST = a_request(DEVICE, KEY)


@pytest.mark.rule("E-28", "E-51")
async def test_the_ldevid(ca: Ca) -> None:
    certificate = await ca.issued(FIRST)
    assert certificate.subject == DEVICE.certificate.subject
    assert certificates.public_key(certificate) == KEY.public_key
    assert build_path(certificate, (), PKI.domain_ca.path, now=NOW)
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificates.subject_key_id(certificate)
    issuer_key_id = certificates.subject_key_id(PKI.domain_ca.certificate)
    assert certificates.authority_key_id(certificate) == issuer_key_id
    assert not certificates.is_ca(certificate)


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
async def test_every_key_type_on_both_sides(store: SqlStore, algorithm: SignatureAlgorithm) -> None:
    pki = make_pki("typed", algorithm=algorithm)
    ca = Ca(store, CaRules(), pki.domain_ca, count(1))
    certificate = await ca.issued(a_request(DEVICE, FileKey.generate(algorithm)))
    assert build_path(certificate, (), pki.domain_ca.path, now=NOW)


async def test_profile_options(ca: Ca) -> None:
    profile = LdevidProfile(
        lifetime=timedelta(days=3), backdate=timedelta(0), server_auth=True,
        crl_url="http://ca.example/crl",
    )  # fmt: skip
    certificate = await ca.issued(FIRST, profile=profile)
    assert certificate.not_valid_before_utc == NOW
    assert certificate.not_valid_after_utc == NOW + timedelta(days=3)
    for purpose in (oid.CLIENT_AUTH, oid.SERVER_AUTH):
        assert certificates.has_eku(certificate, purpose)
    assert not certificates.has_eku(certificate, oid.CMC_RA)
    [point] = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier("http://ca.example/crl")]


class TestRecord:
    async def test_the_row_is_there_when_the_certificate_is(self, ca: Ca) -> None:
        certificate = await ca.issued(FIRST)
        [row] = await ca.rows()
        assert row.certificate == certificates.der(certificate)
        assert row.number == certificate.serial_number
        assert (row.device, row.issued, row.revoked) == (DEVICE.ref, NOW, None)
        assert row.not_after == certificate.not_valid_after_utc
        status = await ca.open().lookup(certificate)
        assert status is not None
        assert (status.device, status.revoked) == (DEVICE.ref, False)

    async def test_lookup_compares_the_whole_certificate(self, ca: Ca) -> None:
        certificate = await ca.issued(FIRST)
        impostor = PKI.ldevid(DEVICE, certificate.serial_number)
        assert await ca.open().lookup(impostor.certificate) is None
        assert await ca.open().lookup(DEVICE.certificate) is None

    async def test_what_belongs_together_is_stored_together(self, ca: Ca) -> None:
        def refuse(tables: Transaction, certificate: x509.Certificate) -> None:
            journalled(FIRST)(tables, certificate)
            raise Refused(Refusal.NOT_ENROLLABLE, "removed meanwhile")

        outcome = await ca.open().enroll(FIRST, NOW, refuse)
        assert outcome == Rejected(Refusal.NOT_ENROLLABLE, "removed meanwhile")
        assert await ca.rows() == []
        assert await ca.store.read(lambda tables: tables.journal.newest()) == []


@pytest.mark.rule("R-33")
@pytest.mark.parametrize("standing", [Standing.REFUSED, Standing.REMOVED, None])
async def test_who_was_barred_meanwhile_gets_nothing(ca: Ca, standing: Standing | None) -> None:
    """An operator's command in another process falls between the gate and the certificate."""

    def bar(tables: SqlTransaction) -> None:
        tables.devices.get(DEVICE.ref)
        if standing is not None:
            tables.devices.save(DeviceRecord(DEVICE.ref, "acme", NOW, NOW, standing))

    await ca.store.write(bar)
    outcome = await ca.open().enroll(FIRST, NOW, enrolled(DEVICE.ref, NOW))
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.NOT_ENROLLABLE
    assert await ca.rows() == []
    assert await ca.store.read(lambda tables: tables.journal.newest()) == []


class TestRetry:
    """est-D18: the same operation, client and key within the hour get the same certificate."""

    async def test_it_gets_the_certificate_it_missed(self, ca: Ca) -> None:
        first = await ca.issued(FIRST)
        again = await ca.issued(a_request(DEVICE, KEY), NOW + timedelta(minutes=59))
        assert again == first
        assert len(await ca.rows()) == 1
        entries = await ca.store.read(lambda tables: tables.journal.newest())
        assert len(entries) == 2  # device state and journal follow each time

    async def test_at_the_same_time(self, ca: Ca) -> None:
        requests = [ca.issued(a_request(DEVICE, KEY)) for _ in range(8)]
        assert len(set(await asyncio.gather(*requests))) == 1

    async def test_after_an_hour_it_is_a_new_request(self, ca: Ca) -> None:
        first = await ca.issued(FIRST)
        again = await ca.issued(FIRST, NOW + timedelta(hours=1))
        assert again != first
        assert again == await ca.issued(FIRST, NOW + timedelta(hours=1, minutes=1))

    async def test_another_key_is_another_request(self, ca: Ca) -> None:
        assert await ca.issued(FIRST) != await ca.issued(a_request(DEVICE, key("another key")))

    async def test_another_content_replaces_it(self, ca: Ca) -> None:
        profile = LdevidProfile(subject=Names.ASKED)
        first = await ca.issued(FIRST, profile=profile)
        name = x509.Name(
            [*DEVICE.certificate.subject, x509.NameAttribute(NameOID.COMMON_NAME, "pump")]
        )
        second = await ca.issued(a_request(DEVICE, KEY, subject=name), profile=profile)
        assert second.subject == name
        assert second != first

    async def test_a_revoked_result_is_not_handed_out_again(self, ca: Ca) -> None:
        first = await ca.issued(FIRST)
        await ca.open().revoke(first.serial_number, x509.ReasonFlags.key_compromise, NOW)
        assert await ca.issued(FIRST) != first


class TestNames:
    """E-28: which names the CA puts its signature under."""

    OWN = DEVICE.certificate.subject
    PUMP = x509.NameAttribute(NameOID.COMMON_NAME, "pump")
    HOST = x509.SubjectAlternativeName([x509.DNSName("admin.example")])

    @pytest.mark.rule("E-28")
    async def test_foreign_subject_attributes_need_a_setting(self, ca: Ca) -> None:
        request = a_request(DEVICE, KEY, subject=x509.Name([*self.OWN, self.PUMP]))
        assert await ca.refusal(request) is Refusal.CSR_SUBJECT
        assert await ca.rows() == []
        certificate = await ca.issued(request, profile=LdevidProfile(subject=Names.ASKED))
        assert certificate.subject == x509.Name([*self.OWN, self.PUMP])

    @pytest.mark.rule("E-28")
    async def test_foreign_alternative_names_need_a_setting(self, ca: Ca) -> None:
        request = a_request(DEVICE, KEY, names=self.HOST)
        assert await ca.refusal(request) is Refusal.CSR
        profile = LdevidProfile(alternative_names=Names.ASKED)
        certificate = await ca.issued(request, profile=profile)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert found.value == self.HOST

    async def test_alternative_names_of_the_client_certificate_pass(self, ca: Ca) -> None:
        profile = LdevidProfile(alternative_names=Names.ASKED)
        first = await ca.issued(a_request(DEVICE, KEY, names=self.HOST), profile=profile)
        named = replace(PKI.ldevid(DEVICE), certificate=first)
        assert await ca.issued(a_request(named, key("third"), names=self.HOST))
        other = x509.SubjectAlternativeName([*self.HOST, x509.DNSName("b.example")])
        assert await ca.refusal(a_request(named, key("third"), names=other)) is Refusal.CSR

    async def test_string_types_and_case_of_names_do_not_matter(self, ca: Ca) -> None:
        profile = LdevidProfile(subject=Names.ASKED)
        with_cn = x509.Name([*self.OWN, self.PUMP])
        first = await ca.issued(a_request(DEVICE, KEY, subject=with_cn), profile=profile)
        named = replace(PKI.ldevid(DEVICE), certificate=first)
        shouted = x509.Name([*self.OWN, x509.NameAttribute(NameOID.COMMON_NAME, "PUMP")])
        assert await ca.issued(a_request(named, key("third"), subject=shouted))


class TestDates:
    @pytest.mark.parametrize("intermediate", [False, True])
    async def test_never_beyond_the_ca(self, store: SqlStore, intermediate: bool) -> None:
        pki = make_pki("short", intermediate=intermediate)
        end = pki.domain_ca.certificate.not_valid_after_utc
        ca = Ca(store, CaRules(), pki.domain_ca, count(1))
        certificate = await ca.issued(FIRST, end - timedelta(days=1))
        assert certificate.not_valid_after_utc == end

    async def test_not_before_the_ca(self, ca: Ca) -> None:
        start = PKI.domain_ca.certificate.not_valid_before_utc
        assert (await ca.issued(FIRST, start)).not_valid_before_utc == start

    @pytest.mark.parametrize("at", ["early", "late"])
    async def test_a_ca_out_of_its_dates_issues_nothing(self, ca: Ca, at: str) -> None:
        own = PKI.domain_ca.certificate
        early = own.not_valid_before_utc - timedelta(seconds=1)
        now = {"early": early, "late": own.not_valid_after_utc}[at]
        with pytest.raises(Unavailable, match="not valid now"):
            await ca.issue(FIRST, now)
        assert await ca.rows() == []


class TestServerKeyGeneration:
    REQUEST = a_request(DEVICE, KEY, Operation.SERVERKEYGEN)

    @pytest.mark.rule("E-32")
    async def test_the_key_is_new_and_fits_the_certificate(self, ca: Ca) -> None:
        made = await ca.open().generate_key(self.REQUEST, NOW, journalled(self.REQUEST))
        own = FileKey.from_pkcs8_der(made.private_key)
        assert certificates.public_key(made.certificate) == own.public_key
        assert own.public_key != KEY.public_key
        assert made.certificate.subject == DEVICE.certificate.subject

    @pytest.mark.rule("E-32")
    async def test_the_key_is_kept_nowhere(self, ca: Ca, tmp_path: object) -> None:
        made = await ca.open().generate_key(self.REQUEST, NOW, journalled(self.REQUEST))
        again = await ca.open().generate_key(self.REQUEST, NOW, journalled(self.REQUEST))
        assert again.private_key != made.private_key
        secret = FileKey.from_pkcs8_der(made.private_key).certificate_key()
        octets = secret.private_numbers().private_value.to_bytes(32, "big")
        for row in await ca.rows():
            assert octets not in row.certificate
            assert row.request_id is None

    async def test_refusals(self, ca: Ca) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
        request = replace(self.REQUEST, csr=a_request(DEVICE, KEY, subject=subject).csr)
        outcome = await ca.open().generate_key(request, NOW, journalled(request))
        assert isinstance(outcome, Rejected)
        assert outcome.refusal is Refusal.CSR_SUBJECT


async def test_ca_certs_and_csr_attributes(ca: Ca) -> None:
    assert (await ca.open().ca_certs()).chain == PKI.domain_ca.path
    assert await ca.open().csr_attrs(DEVICE.certificate) is None
    assert await ca.open(csr_attributes=b"\x30\x00").csr_attrs(DEVICE.certificate) == b"\x30\x00"


async def test_numbers_are_unique_in_the_table(ca: Ca) -> None:
    ca.numbers = repeat(7)
    await ca.issued(FIRST)
    with pytest.raises(Unavailable):
        await ca.issue(a_request(DEVICE, key("another key")))
    assert len(await ca.rows()) == 1
