"""A request must fit the client that sends it."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from sztb.errors import Refusal, Refused
from sztb.est.identity import check_enrol_identity, check_renewal_identity, prepared_name
from sztb.pki.csr import CertificationRequest, check_csr, make_csr
from tests.fakes.pki import NOW, key, make_pki
from tests.wire.est.est_vectors import PLEDGE, certificate, read


def request(name: str) -> CertificationRequest:
    return check_csr(read(f"made/csr/{name}.der"))


def name(
    *attributes: tuple[x509.ObjectIdentifier, str], kind: _ASN1Type | None = None
) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value, kind) for oid, value in attributes])


SERIAL, CN = NameOID.SERIAL_NUMBER, NameOID.COMMON_NAME
ROW = name((CN, "Stok IoT sensor Y-42"), (SERIAL, "JADA123456789"))


@pytest.mark.rule("E-28", "R-34", "P-32")
def test_idevid_subject_unmodified_is_good() -> None:
    check_enrol_identity(request("idevid-subject"), certificate(PLEDGE))


@pytest.mark.rule("E-28")
@pytest.mark.parametrize(
    ("subject", "why"),
    [
        pytest.param(name((SERIAL, "JADA999")), Refusal.OTHER_IDENTITY, id="another device"),
        pytest.param(name((SERIAL, "jada123456789")), Refusal.OTHER_IDENTITY, id="case differs"),
        pytest.param(name((CN, "JADA123456789")), Refusal.CSR_SUBJECT, id="no serialNumber"),
        pytest.param(
            name((SERIAL, "JADA123456789"), (SERIAL, "JADA999")), Refusal.CSR_SUBJECT, id="two"
        ),
    ],
)
def test_enrolment_in_another_name_is_refused(subject: x509.Name, why: Refusal) -> None:
    with pytest.raises(Refused) as refused:
        check_enrol_identity(replace(request("rekey"), subject=subject), certificate(PLEDGE))
    assert refused.value.refusal is why


@pytest.mark.rule("E-28")
def test_vector_of_another_device() -> None:
    with pytest.raises(Refused) as refused:
        check_enrol_identity(request("neg-other-serial"), certificate(PLEDGE))
    assert refused.value.refusal is Refusal.OTHER_IDENTITY


@pytest.mark.rule("E-28")
def test_client_without_serial_number_cannot_be_compared() -> None:
    registrar = make_pki().registrar.certificate
    with pytest.raises(Refused) as refused:
        check_enrol_identity(request("idevid-subject"), registrar)
    assert refused.value.refusal is Refusal.IDEVID


@pytest.mark.rule("R-37")
def test_serial_number_in_another_attribute() -> None:
    subject = name((CN, "make_pki registrar"))
    asked = replace(request("rekey"), subject=subject)
    with pytest.raises(Refused) as refused:
        check_enrol_identity(asked, make_pki().registrar.certificate, CN.dotted_string)
    assert refused.value.refusal is Refusal.OTHER_IDENTITY
    same = replace(asked, subject=make_pki().registrar.certificate.subject)
    check_enrol_identity(same, make_pki().registrar.certificate, CN.dotted_string)


@pytest.mark.rule("E-26")
@pytest.mark.parametrize("csr", ["idevid-subject", "rekey"])
def test_renewal_and_rekey_keep_the_identity(csr: str) -> None:
    check_renewal_identity(request(csr), certificate("made/certs/ldevid.der"))


@pytest.mark.rule("E-26")
@pytest.mark.parametrize("csr", ["neg-other-serial", "san"])
def test_renewal_with_another_subject_or_alternative_name_is_refused(csr: str) -> None:
    with pytest.raises(Refused) as refused:
        check_renewal_identity(request(csr), certificate("made/certs/ldevid.der"))
    assert refused.value.refusal is Refusal.OTHER_IDENTITY


@pytest.mark.rule("E-26")
def test_alternative_names_are_a_set() -> None:
    pki = make_pki()
    own = key("renewing")
    names = [x509.DNSName("a.example"), x509.DNSName("b.example")]
    renewed = pki.ldevid(pki.device(), alternative_names=x509.SubjectAlternativeName(names))
    asked = x509.Extension(
        x509.SubjectAlternativeName.oid, False, x509.SubjectAlternativeName(names[::-1])
    )
    csr = check_csr(make_csr(own, renewed.certificate.subject, extensions=(asked,)))
    check_renewal_identity(csr, renewed.certificate)
    with pytest.raises(Refused):
        check_renewal_identity(csr, pki.ldevid(pki.device()).certificate)
    assert renewed.certificate.not_valid_before_utc < NOW


@pytest.mark.rule("E-26")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(name((CN, "stok  IOT sensor Y-42 "), (SERIAL, "JADA123456789")), id="spaces"),
        pytest.param(
            name(
                (CN, "Stok IoT sensor Y-42"), (SERIAL, "JADA123456789"),
                kind=_ASN1Type.PrintableString,
            ),
            id="PrintableString",
        ),
    ],
)  # fmt: skip
def test_names_equal_after_string_preparation(other: x509.Name) -> None:
    assert prepared_name(other) == prepared_name(ROW)


@pytest.mark.rule("E-26")
def test_names_with_another_order_differ() -> None:
    assert prepared_name(x509.Name(list(ROW)[::-1])) != prepared_name(ROW)


def test_values_that_are_not_text_are_compared_as_they_are() -> None:
    unique = x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x01\x02", _ASN1Type.BitString)
    [[(_, value)]] = prepared_name(x509.Name([unique]))
    assert value == b"\x01\x02"
