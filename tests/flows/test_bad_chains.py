"""Devices with bad certificate chains at a running registrar: what they hear over DTLS."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from sztb.brski.telemetry import VoucherStatus, encode_cbor
from sztb.codepoints.coap import Code
from sztb.codepoints.media import VOUCHER_COSE
from sztb.codepoints.resources import Operation
from sztb.daemon.clock import utc_now
from sztb.pki import certificates, issuing, profiles
from sztb.pki.issuing import Issuer, Validity, common_name
from sztb.voucher.formats import open_voucher_request
from tests.fakes.https_stub import https_stub
from tests.fakes.pki import Device, key, make_pki

RV = Operation.REQUEST_VOUCHER
STATUS = encode_cbor(VoucherStatus(True))
PKI = make_pki()
ROOT = PKI.manufacturer_root.issuer
DAY = timedelta(days=1)
NOW = utc_now().replace(microsecond=0)
LONG = Validity(NOW - 100 * DAY, NOW + 3650 * DAY)
PAST, FUTURE = Validity(NOW - 100 * DAY, NOW - DAY), Validity(NOW + DAY, NOW + 100 * DAY)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.999.1"), b"\x05\x00")
KEY = key("bad chains device")
NOWHERE = "localhost:1"


def ca(name, above=ROOT, validity=LONG, length=None):
    """A proper CA."""
    made = profiles.make_intermediate_ca(name, key(name).public_key, above, validity, 7, length)
    return Issuer(made, key(name))


def odd_ca(name, *extensions):
    """A CA below the root with exactly these extensions, all critical."""
    builder = issuing.start(common_name(name), key(name).public_key, LONG, 7)
    builder = builder.issuer_name(ROOT.certificate.subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return Issuer(issuing.sign(builder, ROOT.signer), key(name))


def usage(*, cert_sign):
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=cert_sign, crl_sign=cert_sign,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def device(issuer=ROOT, *above, validity=LONG, serial=("CHAIN-1",), critical=(), masa_url=NOWHERE):
    """A device whose IDevID is signed by `issuer`; it presents `issuer` and `above`, no root."""
    subject = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "device")]
        + [x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, each) for each in serial]
    )
    builder = issuing.start(subject, KEY.public_key, validity, 8)
    builder = issuing.under(builder, issuer)
    builder = builder.add_extension(profiles.masa_url_extension(masa_url), critical=False)
    for extension in critical:
        builder = builder.add_extension(extension, critical=True)
    chain = [each.certificate for each in (issuer, *above) if each is not ROOT]
    return Device(issuing.sign(builder, issuer.signer), KEY, tuple(chain))


def chain_of(length, masa_url=NOWHERE):
    """A device with a path of `length` certificates, of which it presents all but the root."""
    issuers = [ROOT]
    for depth in range(length - 2):
        issuers.append(ca(f"CA {depth}", issuers[-1]))
    return device(*issuers[:0:-1], masa_url=masa_url)


def under_narrow_ca():
    narrow = ca("narrow", length=0)
    return device(ca("below narrow", narrow), narrow)


def without_ca():
    return Device(device(ca("missing")).certificate, KEY)


def forged():
    return device(Issuer(ROOT.certificate, key("forger")))


BAD = {  # 4.04: the device's identity is not acceptable
    "expired": lambda: device(validity=PAST),
    "not yet valid": lambda: device(validity=FUTURE),
    "under an expired CA": lambda: device(ca("past", validity=PAST)),
    "under a future CA": lambda: device(ca("future", validity=FUTURE)),
    "under a CA that is none": lambda: device(odd_ca("false", x509.BasicConstraints(False, None))),
    "under a CA without constraints": lambda: device(odd_ca("nothing")),
    "under a CA that must not sign": lambda: device(
        odd_ca("no sign", x509.BasicConstraints(True, None), usage(cert_sign=False))
    ),
    "under a CA with an unknown critical extension": lambda: device(
        odd_ca("critical", x509.BasicConstraints(True, None), UNKNOWN)
    ),
    "under another device": lambda: device(
        Issuer(PKI.device("SN-1").certificate, PKI.device("SN-1").key), PKI.idevid_ca.issuer
    ),
    "path length": under_narrow_ca,
    "nine certificates in the path": lambda: chain_of(9),
    "the CA between is missing": without_ca,
    "forged": forged,
    "of an unknown manufacturer": lambda: make_pki("stranger").device("CHAIN-1"),
    "without serial number": lambda: device(serial=()),
    "with two serial numbers": lambda: device(serial=("CHAIN-1", "CHAIN-2")),
    "with an unknown critical extension": lambda: device(critical=(UNKNOWN,)),
}


@pytest.mark.rule("R-13", "R-30", "R-61")
@pytest.mark.parametrize("name", BAD)
async def test_a_device(registrar, name):
    bad = BAD[name]()
    async with registrar.visited(bad) as visit:
        answer = await visit.ask(RV, b"")
        assert answer.code == Code.NOT_FOUND
        assert len(answer.payload) < 50
        assert (await visit.ask(Operation.CACERTS)).code == Code.UNAUTHORIZED  # EST: E-41
        assert (await visit.ask(Operation.VOUCHER_STATUS, STATUS)).code == Code.NOT_FOUND


@pytest.mark.rule("R-13")
async def test_more_certificates_than_anybody_needs(registrar):
    """Nine are presented; no path is even looked for."""
    nine = chain_of(9)
    async with registrar.visited(replace(nine, above=(*nine.above, ROOT.certificate))) as visit:
        assert (await visit.ask(RV, b"")).code == Code.BAD_REQUEST


@pytest.mark.rule("R-13", "R-23")
@pytest.mark.parametrize("root_too", [False, True])
async def test_eight_certificates_are_not_too_many(registrar, root_too):
    """The longest path, through DTLS fragments, to the MASA and back."""
    async with https_stub(PKI.tls_server("localhost"), registrar.voucher) as masa:
        longest = chain_of(8, masa.authority)
        assert len(longest.chain) == 7
        if root_too:
            longest = replace(longest, above=(*longest.above, ROOT.certificate))
        async with registrar.visited(longest) as visit:
            answer = await visit.ask_voucher(nonce=b"nonce-0%d" % root_too)
    assert answer.code == Code.CHANGED
    bag = open_voucher_request(VOUCHER_COSE, masa.requests[0].body).envelope.certificates
    assert set(longest.chain) | {certificates.der(ROOT.certificate)} <= set(bag)
