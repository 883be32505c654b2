"""Vouchers and CSRs that are not for this device, at a running registrar, with the real pledge."""

from dataclasses import replace
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registrar.records import DeviceState
from sztb.brski.telemetry import VoucherStatus, encode_cbor
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.daemon.clock import utc_now
from sztb.errors import Refusal, Refused
from sztb.pki.certificates import pem
from sztb.voucher.model import VoucherRequest
from tests.fakes.https_stub import https_stub
from tests.fakes.pki import make_pki
from tests.registrar.test_enroll import BAD_CSR

from .pledges import SimulatedPledge

SEN = Operation.SIMPLEENROLL
PKI, STRANGER = make_pki(), make_pki("stranger")
SERVER = PKI.tls_server("localhost")


def leaves(**changes):
    return {"change": lambda voucher: replace(voucher, **changes)}


def in_lower_case(voucher):
    return replace(voucher, serial_number=voucher.serial_number.lower())


def a_request(voucher):
    """Type confusion: signed by the MASA, but a voucher-request (X-10)."""
    return VoucherRequest(serial_number=voucher.serial_number, nonce=voucher.nonce)


BAD = {  # what the MASA does; why the pledge refuses; whether the registrar can see it
    "for another serial number": (leaves(serial_number="SN-2"), Refusal.SERIAL_NUMBER, True),
    "in another case": ({"change": in_lower_case}, Refusal.SERIAL_NUMBER, True),
    "with another nonce": (leaves(nonce=b"of yesterday"), Refusal.NONCE, True),
    "without a nonce": (leaves(nonce=None), Refusal.NONCELESS, False),
    "with nonce and end": (leaves(expires_on=utc_now()), Refusal.NONCE_AND_EXPIRY, False),
    "of another manufacturer": (leaves(idevid_issuer=bytes(20)), Refusal.IDEVID_ISSUER, False),
    "without a pin": (leaves(pinned_domain_cert=None), Refusal.NO_PIN, True),
    "for another domain": (
        leaves(pinned_domain_cert=STRANGER.domain_ca.der), Refusal.PIN_MISMATCH, True,
    ),
    "signed by a stranger": (
        {"signer": STRANGER.masa_signer}, Refusal.VOUCHER_SIGNATURE, False,
    ),
    "signed by another device": (
        {"signer": PKI.device("SN-2")}, Refusal.VOUCHER_SIGNATURE, False,
    ),
    "that is a request": ({"change": a_request}, Refusal.CONTAINER, True),
}  # fmt: skip
RULES = pytest.mark.rule("P-18", "P-19", "P-20", "P-21", "P-24", "P-27", "P-56", "R-29", "R-36")


def simulated(folder, device):
    """A device with factory data on disk."""
    (folder / "idevid.pem").write_bytes(b"".join(map(pem, device.path)))
    (folder / "idevid.key").write_bytes(device.key.to_pem())
    (folder / "masa.pem").write_bytes(pem(PKI.masa_signer.certificate))
    return SimulatedPledge(folder)


@RULES
@pytest.mark.parametrize("name", BAD)
async def test_a_voucher(registrar, tmp_path, name):
    """The pledge refuses and says so; EST stays shut; a good voucher mends it."""
    edit, refusal, seen = BAD[name]
    async with https_stub(SERVER, partial(registrar.voucher, **edit)) as masa:
        device = PKI.device(f"BAD-VOUCHER-{list(BAD).index(name)}", masa.authority)
        pledge = simulated(tmp_path, device)
        with pytest.raises(Refused) as caught:
            await pledge.onboard(registrar.endpoint)
        assert caught.value.refusal is refusal
        record = await registrar.record(device)
        assert record.state is DeviceState.VOUCHER_FAILED
        events = {entry.event for entry in await registrar.journal(device) if entry.alert}
        assert events == {"voucher-status"} | ({"voucher-objection"} if seen else set())
        async with registrar.visited(device) as visit:
            assert (await visit.ask(SEN, visit.csr())).code == Code.FORBIDDEN
        masa.behaviour = registrar.voucher
        await pledge.onboard(registrar.endpoint)
    assert (await registrar.record(device)).state is DeviceState.ENROLLED


@pytest.fixture
async def admitted(registrar):
    """A device to which EST is open."""
    async with https_stub(SERVER, registrar.voucher) as masa:
        device = PKI.device("SN-1", masa.authority)
        async with registrar.visited(device) as visit:
            assert (await visit.ask_voucher(nonce=b"%08d" % masa.port)).code == Code.CHANGED
            status = encode_cbor(VoucherStatus(True))
            assert (await visit.ask(Operation.VOUCHER_STATUS, status)).code == Code.CHANGED
            yield visit


def on_an_unknown_curve(visit):
    private = ec.derive_private_key(7, ec.SECP521R1())
    builder = x509.CertificateSigningRequestBuilder(visit.device.certificate.subject)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


CSRS = [
    *(pytest.param(make, code, id=name, marks=pytest.mark.rule(number))
      for name, make, code, number in BAD_CSR),
    pytest.param(on_an_unknown_curve, Code.BAD_REQUEST, id="unknown curve"),
    pytest.param(lambda visit: visit.csr()[:40], Code.BAD_REQUEST, id="truncated"),
    pytest.param(lambda _: b"\x30\x84\xff\xff\xff\xff", Code.BAD_REQUEST, id="huge length"),
    pytest.param(lambda _: b"\x30\x80" * 4000, Code.BAD_REQUEST, id="deep"),
]  # fmt: skip


@pytest.mark.rule("R-34")
@pytest.mark.parametrize(("make", "code"), CSRS)
async def test_a_csr(registrar, admitted, make, code):
    answer = await admitted.ask(SEN, make(admitted))
    assert answer.code == code
    assert len(answer.payload) < 50
    assert (await registrar.record(admitted.device)).state is DeviceState.AUDITED
    good = await admitted.ask(SEN, admitted.csr())
    assert good.code == Code.CHANGED
