"""EST operations: who may, with which CSR, and what comes back (est.md 7)."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from registrar.records import DeviceState, Pending, ProofOfPossession, Rejected, Standing
from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.encoding import der as asn1
from sztb.errors import Refusal, Unavailable
from sztb.est.messages import decode_certs_only, decode_serverkeygen
from sztb.pki import certificates
from sztb.transport.exchange import Answer
from tests.fakes.pki import LIFETIME, Identity, key, make_pki
from tests.fakes.registrar_site import World

SEN, SREN = Operation.SIMPLEENROLL, Operation.SIMPLEREENROLL
BINDING = bytes(range(12))


def name(**attributes: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(getattr(NameOID, oid), value) for oid, value in attributes.items()]
    )


def san(*hosts: str) -> x509.Extension[x509.SubjectAlternativeName]:
    value = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    return x509.Extension(value.oid, False, value)


@pytest.fixture
async def audited(world: World) -> World:
    """EST is open to the device."""
    await world.get_voucher()
    await world.say(Operation.VOUCHER_STATUS)
    return world


@pytest.fixture
async def member(audited: World) -> World:
    """The device has its LDevID, and its session runs on it."""
    audited.client = await audited.become_enrolled()
    return audited


# --- enrol ---------------------------------------------------------------------------------------


@pytest.mark.rule("R-07", "E-06", "E-07", "E-40")
@pytest.mark.parametrize("accept", [None, 281, 287])
async def test_formats_of_the_answer(audited: World, accept: int | None) -> None:
    answer = await audited.ask(SEN, audited.csr(), accept=accept)
    assert (answer.code, answer.content_format) == (Code.CHANGED, accept or 281)
    [issued] = audited.ca.issued
    if accept == 287:
        assert answer.payload == certificates.der(issued)
    else:
        assert decode_certs_only(answer.payload) == (issued,)


@pytest.mark.rule("R-34", "E-51")
async def test_what_the_ca_gets(audited: World) -> None:
    csr = audited.csr()
    await audited.ask(SEN, csr)
    [request] = audited.ca.requests
    assert request.csr.raw == csr
    assert request.device == audited.device.ref
    assert request.client == audited.device.certificate
    assert len(request.request_id) == 32


@pytest.mark.rule("E-10", "E-44")
async def test_a_retry_is_known_by_key_and_client_not_by_bytes(audited: World) -> None:
    for csr in (audited.csr(), audited.csr(), audited.csr("other key")):
        await audited.ask(SEN, csr)
    first, again, other = (request.request_id for request in audited.ca.requests)
    assert first == again != other


BAD_CSR = [
    ("empty", lambda _: b"", Code.BAD_REQUEST, "E-39"),
    ("base64", lambda world: base64.b64encode(world.csr()), Code.BAD_REQUEST, "E-39"),
    ("trailing byte", lambda world: world.csr() + b"\0", Code.BAD_REQUEST, "E-39"),
    ("bad signature", lambda world: world.csr()[:-1] + b"\0", Code.BAD_REQUEST, "E-21"),
    ("empty subject", lambda world: world.csr(subject=x509.Name([])), Code.BAD_REQUEST, "E-28"),
    ("no serial number", lambda world: world.csr(subject=name(COMMON_NAME="x")),
     Code.BAD_REQUEST, "E-28"),
    ("serial number of another device",
     lambda world: world.csr(subject=name(SERIAL_NUMBER="SN-2")), Code.FORBIDDEN, "E-28"),
    ("serial number in another case",
     lambda world: world.csr(subject=name(SERIAL_NUMBER="sn-1")), Code.FORBIDDEN, "E-28"),
    ("asks for a CA", lambda world: world.csr(extensions=[
        x509.Extension(x509.BasicConstraints.oid, True, x509.BasicConstraints(True, None))]),
     Code.BAD_REQUEST, "E-28"),
    ("too large", lambda world: world.csr(extensions=[san(*(f"{n}.example" for n in range(700)))]),
     Code.BAD_REQUEST, "E-50"),
]  # fmt: skip


@pytest.mark.rule("R-34")
@pytest.mark.parametrize(
    ("make", "code"),
    [pytest.param(make, code, id=name, marks=pytest.mark.rule(number))
     for name, make, code, number in BAD_CSR],
)  # fmt: skip
async def test_bad_csr(audited: World, make: Any, code: Code) -> None:
    assert (await audited.ask(SEN, make(audited))).code == code
    assert audited.ca.requests == []


@pytest.mark.rule("E-22", "E-24")
@pytest.mark.parametrize(
    ("password", "binding", "code", "pop"),
    [
        (None, BINDING, Code.CHANGED, ProofOfPossession.ABSENT),
        (BINDING, BINDING, Code.CHANGED, ProofOfPossession.VERIFIED),
        (BINDING, bytes(12), Code.BAD_REQUEST, None),
        (BINDING, None, Code.BAD_REQUEST, None),
    ],
)
async def test_proof_of_possession(
    audited: World, password: bytes | None, binding: bytes | None, code: Code, pop: Any
) -> None:
    text = None if password is None else base64.b64encode(password).decode()
    csr = audited.csr(challenge_password=text)
    answer = await audited.ask(SEN, csr, peer=audited.peer(channel_binding=binding))
    assert answer.code == code
    assert [request.pop for request in audited.ca.requests] == ([pop] if pop else [])


@pytest.mark.rule("R-33", "R-34", "E-09")
@pytest.mark.parametrize("state", sorted(DeviceState))
async def test_est_is_open_in_these_states_only(audited: World, state: DeviceState) -> None:
    audited.edit_record(state=state)
    code = (await audited.ask(SEN, audited.csr())).code
    open_to = {
        DeviceState.VOUCHER_ISSUED, DeviceState.VOUCHER_ACCEPTED,  # after the audit log
        DeviceState.AUDITED, DeviceState.ENROLLED, DeviceState.ENROLL_FAILED,
    }  # fmt: skip
    assert code == (Code.CHANGED if state in open_to else Code.FORBIDDEN)


@pytest.mark.rule("E-09")
async def test_a_device_nobody_knows(world: World) -> None:
    assert (await world.ask(SEN, world.csr())).code == Code.FORBIDDEN


@pytest.mark.rule("E-09")
@pytest.mark.parametrize("standing", [Standing.REFUSED, Standing.REMOVED])
async def test_barred_by_the_operator(member: World, standing: Standing) -> None:
    member.edit_record(standing=standing)
    assert (await member.ask(SREN, member.csr())).code == Code.FORBIDDEN
    member.client = member.device
    assert (await member.ask(SEN, member.csr())).code == Code.FORBIDDEN


async def test_manufacturer_disabled_meanwhile(audited: World) -> None:
    audited.maker(enabled=False)
    assert (await audited.ask(SEN, audited.csr())).code == Code.FORBIDDEN


@pytest.mark.rule("P-55")
@pytest.mark.parametrize(
    ("allowed", "standing", "code"),
    [
        (True, Standing.APPROVED, Code.CHANGED),
        (True, Standing.LISTED, Code.CHANGED),
        (True, Standing.UNDECIDED, Code.FORBIDDEN),
        (False, Standing.APPROVED, Code.FORBIDDEN),
    ],
)
async def test_without_a_voucher(
    world: World, allowed: bool, standing: Standing, code: Code
) -> None:
    world.rule(est=replace(world.site.rules.est, without_voucher=allowed))
    world.know_device(standing)
    assert (await world.ask(SEN, world.csr())).code == code


@pytest.mark.rule("E-41", "E-42")
@pytest.mark.parametrize("operation", [SEN, SREN, Operation.CACERTS, Operation.CSRATTRS])
@pytest.mark.parametrize("chain", [(), (b"garbage",), make_pki("stranger").device().chain])
async def test_clients_est_does_not_know(
    world: World, operation: Operation, chain: tuple[bytes, ...]
) -> None:
    answer = await world.ask(operation, world.csr(), peer=world.peer(chain=chain))
    assert (answer.code, answer.close) == (Code.UNAUTHORIZED, False)


@pytest.mark.rule("E-10", "E-44")
@pytest.mark.parametrize(
    ("says", "answer"),
    [
        (Pending(17), (Code.SERVICE_UNAVAILABLE, 17)),
        (Unavailable("CA down", 40), (Code.SERVICE_UNAVAILABLE, 40)),
        (Rejected(Refusal.CSR_KEY, "P-384 only"), (Code.BAD_REQUEST, None)),
    ],
)
@pytest.mark.parametrize("operation", [SEN, Operation.SERVERKEYGEN])
async def test_the_ca_does_not_issue(
    audited: World, operation: Operation, says: Any, answer: Any
) -> None:
    audited.rule(est=replace(audited.site.rules.est, serverkeygen=True))
    audited.ca.answer = says
    got = await audited.ask(operation, audited.csr())
    assert (got.code, got.max_age) == answer
    assert audited.record.state is DeviceState.AUDITED


@pytest.mark.rule("E-51")
async def test_a_certificate_that_was_not_asked_for_is_not_sent(audited: World) -> None:
    audited.ca.subject = name(SERIAL_NUMBER="SN-2")
    assert (await audited.ask(SEN, audited.csr())).code == Code.SERVICE_UNAVAILABLE
    assert audited.store.last("certificate-not-sent").alert


@pytest.mark.rule("R-34")
async def test_enrolment_needs_the_idevid(member: World) -> None:
    assert (await member.ask(SEN, member.csr())).code == Code.FORBIDDEN


# --- re-enrol ------------------------------------------------------------------------------------


@pytest.mark.rule("E-26", "E-27")
@pytest.mark.parametrize("key_name", ["new key", "another key"], ids=["renewal", "rekey"])
async def test_renewal(member: World, key_name: str) -> None:
    member.clock.advance(days=180)
    answer = await member.ask(SREN, member.csr(key_name), accept=287)
    assert answer.code == Code.CHANGED
    renewed = certificates.load(answer.payload)
    assert certificates.spki(renewed) == certificates.spki(member.ca.issued[-1])
    assert renewed.subject == member.client.certificate.subject
    assert member.record.ldevid_sha256 == certificates.fingerprint(renewed)


@pytest.mark.rule("E-26")
@pytest.mark.parametrize(
    "changes",
    [
        {"subject": name(SERIAL_NUMBER="SN-2")},
        {"subject": name(SERIAL_NUMBER="sn-1")},
        {"subject": name(SERIAL_NUMBER="SN-1", COMMON_NAME="more")},
        {"extensions": [san("more.example")]},
    ],
)
async def test_renewal_for_another_identity(member: World, changes: dict[str, Any]) -> None:
    assert (await member.ask(SREN, member.csr(**changes))).code == Code.FORBIDDEN
    assert len(member.ca.issued) == 1


@pytest.mark.rule("R-33")
async def test_no_renewal_after_a_bad_history(member: World) -> None:
    """It was reset, onboarded again, and the log of that time was refused."""
    member.edit_record(state=DeviceState.AUDIT_REFUSED)
    assert (await member.ask(SREN, member.csr())).code == Code.FORBIDDEN


@pytest.mark.rule("E-27")
async def test_renewal_needs_the_ldevid(member: World) -> None:
    member.client = member.device
    assert (await member.ask(SREN, member.csr())).code == Code.FORBIDDEN


@pytest.mark.rule("E-09")
async def test_a_revoked_ldevid(member: World) -> None:
    """At once, although the client is remembered from an earlier request."""
    assert (await member.ask(Operation.CACERTS)).code == Code.CONTENT
    member.ca.revoked.add(member.client.certificate.serial_number)
    assert (await member.ask(SREN, member.csr())).code == Code.FORBIDDEN
    member.clock.advance(seconds=31)
    assert (await member.ask(Operation.CACERTS)).code == Code.UNAUTHORIZED


@pytest.mark.rule("E-09")
async def test_an_expired_ldevid(member: World) -> None:
    """est-D22."""
    member.clock.time = LIFETIME.not_after
    assert (await member.ask(SREN, member.csr())).code == Code.CHANGED
    member.clock.advance(seconds=31)
    assert (await member.ask(SREN, member.csr())).code == Code.UNAUTHORIZED


@pytest.mark.rule("E-09")
async def test_a_certificate_of_our_ca_that_is_in_no_table(world: World) -> None:
    world.client = world.pki.ldevid(world.device)
    assert (await world.ask(Operation.CACERTS)).code == Code.UNAUTHORIZED


@pytest.mark.rule("E-09")
async def test_a_certificate_of_a_ca_with_our_name(world: World) -> None:
    stranger = make_pki("stranger")
    forged = replace(stranger, domain_ca=Identity(world.pki.domain_ca.certificate, key("forger")))
    world.client = forged.ldevid(world.device)
    assert (await world.ask(Operation.CACERTS)).code == Code.UNAUTHORIZED


# --- server-generated keys and attributes --------------------------------------------------------


@pytest.mark.rule("E-34")
@pytest.mark.parametrize("operation", [Operation.SERVERKEYGEN, Operation.SERVERKEYGEN_CERT])
async def test_serverkeygen_is_off(audited: World, operation: Operation) -> None:
    assert (await audited.ask(operation, audited.csr())).code == Code.NOT_FOUND


@pytest.mark.rule("E-32", "E-33")
@pytest.mark.parametrize("operation", [Operation.SERVERKEYGEN, Operation.SERVERKEYGEN_CERT])
async def test_serverkeygen(audited: World, operation: Operation) -> None:
    audited.rule(est=replace(audited.site.rules.est, serverkeygen=True))
    csr = audited.csr()[:-1] + b"\0"  # E-32: its signature does not count
    answer = await audited.ask(operation, csr)
    assert (answer.code, answer.content_format) == (Code.CHANGED, 62)
    made, certificate = decode_serverkeygen(answer.payload).open_plain()
    assert certificate.subject == audited.device.certificate.subject
    assert audited.record.state is DeviceState.ENROLLED
    assert made.public_key != key("new key").public_key


@pytest.mark.rule("E-30", "P-31")
async def test_csr_attributes(world: World) -> None:
    assert await world.ask(Operation.CSRATTRS) == Answer(
        Code.CONTENT, bytes.fromhex("3000"), media.CSRATTRS.content_format
    )
    world.ca.attributes = bytes.fromhex("300b06092a864886f70d010907")
    assert (await world.ask(Operation.CSRATTRS)).payload == world.ca.attributes


@pytest.mark.rule("E-32", "E-33")
async def test_a_key_that_was_to_be_encrypted_is_not_sent_in_the_clear(audited: World) -> None:
    """est-D17."""
    audited.rule(est=replace(audited.site.rules.est, serverkeygen=True))
    identifier = bytes.fromhex("301806092a864886f70d01090f310b3009") + bytes.fromhex(
        "06072a8648ce3d0201"
    )
    key_id = bytes.fromhex("3014060b2a864886f70d0109100225310504030102ff")
    csr = with_attributes(audited.csr(), identifier, key_id)
    assert (await audited.ask(Operation.SERVERKEYGEN, csr)).code == Code.BAD_REQUEST
    assert audited.ca.requests == []


def with_attributes(csr: bytes, *attributes: bytes) -> bytes:
    """Put attributes into a CSR; its signature does not fit any more."""
    info, algorithm, signature = (one.raw for one in asn1.children(asn1.read(csr)))
    version, subject, spki, _ = (one.raw for one in asn1.children(asn1.read(info)))
    listed = asn1.encode_set_of(attributes, asn1.context(0))
    changed = asn1.encode(asn1.SEQUENCE, version, subject, spki, listed)
    return asn1.encode(asn1.SEQUENCE, changed, algorithm, signature)
