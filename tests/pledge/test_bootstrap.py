"""The whole story against a registrar behind real DTLS and CoAP on loopback."""

import asyncio
from dataclasses import replace

import pytest

from pledge.bootstrap import VOUCHER_NOT_ACCEPTED, onboard, search_for_voucher
from pledge.search import GiveUp, NotOnboarded
from pledge.state import MemoryStore
from sztb.brski import telemetry
from sztb.brski.telemetry import EnrollStatus, VoucherStatus
from sztb.codepoints import media, oid
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.discovery.candidates import CandidateRules
from sztb.discovery.offers import Endpoint, Offer, OfferSource
from sztb.est import messages
from sztb.pki import certificates, profiles
from sztb.pki.csr import check_csr
from sztb.pki.keys import spki_der
from sztb.transport.exchange import Answer
from sztb.voucher.formats import open_voucher_request
from tests.fakes.pki import LIFETIME, Identity, key, make_pki
from tests.fakes.registrar import FakeRegistrar

FAST = CandidateRules(gap=(0.0, 0.0), stall=0.5, first_back_off=0.05, longest_back_off=0.1)
ONCE = GiveUp(after=20.0, when_refused=True)
TWO_TIERS = make_pki("deep", intermediate=True)


def search_for(device, *endpoints, record, give_up=ONCE):
    search = search_for_voucher(device, record, give_up, rules=FAST)
    for number, endpoint in enumerate(endpoints):
        search.offer(Offer(endpoint, OfferSource.COAP, number))
    return search


async def run(device, *endpoints, store=None, give_up=ONCE):
    """Onboard over these endpoints; returns the store and the records of the attempts."""
    records = []
    store = store or MemoryStore()
    search = search_for(device, *endpoints, record=records.append, give_up=give_up)
    await onboard(device, store, search, records.append)
    return store, records


async def onboarded(device, registrar, **arguments):
    async with registrar.serve() as endpoint:
        store, [record] = await run(device, endpoint, **arguments)
    return store, record


async def refused(device, registrar):
    """Onboarding that must fail; returns what the one attempt was refused for."""
    async with registrar.serve() as endpoint:
        records = []
        search = search_for(device, endpoint, record=records.append)
        store = MemoryStore()
        with pytest.raises(NotOnboarded) as caught:
            await onboard(device, store, search, records.append)
    assert caught.value.refused
    assert store.credential() is None
    assert all(record["outcome"] == "refused" for record in records)
    return records[0]["reason"]


@pytest.mark.rule("P-28", "P-34", "P-48")
async def test_a_device_onboards(pki, device):
    registrar = FakeRegistrar(pki)
    store, record = await onboarded(device, registrar)
    assert registrar.operations == ["rv", "vs", "sen", "es"]
    assert record["outcome"] == "onboarded"
    credential = store.credential()
    assert certificates.is_signed_by(credential.certificate, pki.domain_ca.certificate)
    assert credential.anchors.anchors == (pki.domain_ca.certificate,)
    assert record["ldevid_sha256"] == certificates.fingerprint(credential.certificate).hex()


@pytest.mark.rule("P-10")
async def test_it_shows_the_idevid_until_it_has_an_ldevid(pki, device):
    registrar = FakeRegistrar(pki)
    store, _ = await onboarded(device, registrar)
    *before, after = registrar.requests
    assert {each.peer.chain for each in before} == {pki.device().chain}
    assert after.peer.chain == store.credential().tls.chain


@pytest.mark.rule("P-35")
async def test_success_is_reported_on_a_fresh_session(pki, device):
    registrar = FakeRegistrar(pki)
    await onboarded(device, registrar)
    assert len({each.peer.session for each in registrar.requests[:-1]}) == 1
    assert registrar.requests[-1].peer.session != registrar.requests[0].peer.session
    [report] = registrar.asked(Operation.ENROLL_STATUS)
    assert telemetry.decode(media.CBOR, report.payload, EnrollStatus) == EnrollStatus(True)


@pytest.mark.rule("P-28")
async def test_voucher_status_is_sent_in_cbor(pki, device):
    registrar = FakeRegistrar(pki)
    await onboarded(device, registrar)
    [report] = registrar.asked(Operation.VOUCHER_STATUS)
    assert report.content_format == 60
    assert telemetry.decode(media.CBOR, report.payload, VoucherStatus) == VoucherStatus(True)


@pytest.mark.rule("P-31", "P-32", "E-23")
async def test_the_csr_has_the_subject_of_the_idevid_and_is_tied_to_the_session(pki, device):
    registrar = FakeRegistrar(pki)
    store, _ = await onboarded(device, registrar)
    [request] = registrar.asked(Operation.SIMPLEENROLL)
    csr = check_csr(request.payload)
    assert csr.subject.public_bytes() == device.factory.certificate.subject.public_bytes()
    assert csr.spki == spki_der(store.credential().key.public_key)
    assert csr.challenge_password is not None
    assert request.accept == 287
    assert not registrar.asked(Operation.CSRATTRS)


async def test_linking_can_be_switched_off(pki, device):
    registrar = FakeRegistrar(pki)
    await onboarded(replace(device, link_identity=False), registrar)
    [request] = registrar.asked(Operation.SIMPLEENROLL)
    assert check_csr(request.payload).challenge_password is None


async def test_every_step_is_in_the_record(pki, device):
    _, record = await onboarded(device, FakeRegistrar(pki))
    steps = {step["name"]: step for step in record["steps"]}
    assert list(steps) == ["discovery", "handshake", "rv", "vs", "sen", "es"]
    assert steps.pop("discovery")["bytes_sent"] == 0
    assert all(step["bytes_sent"] > 0 for step in steps.values())
    assert all(step["bytes_received"] > 0 for step in steps.values())
    assert record["seconds"] >= sum(step["seconds"] for step in steps.values()) * 0.9


@pytest.mark.rule("P-04")
async def test_every_attempt_has_its_own_nonce(pki, device):
    registrar = FakeRegistrar(pki)
    registrar.on(
        Operation.REQUEST_VOUCHER,
        Answer(Code.SERVICE_UNAVAILABLE, max_age=0), *[Answer(Code.BAD_GATEWAY)] * 3,
        registrar.usual,
    )  # fmt: skip
    async with registrar.serve() as endpoint:
        await run(device, endpoint, give_up=GiveUp(after=20.0))
    payloads = [each.payload for each in registrar.asked(Operation.REQUEST_VOUCHER)]
    nonces = [open_voucher_request(media.VOUCHER_COSE, each).data.nonce for each in payloads]
    assert payloads[0] == payloads[1]  # P-16: waiting is not a new attempt
    assert len(set(nonces)) == 4
    assert all(len(nonce) == 16 for nonce in nonces)


# What is refused before anything is believed.


@pytest.mark.rule("P-27", "P-29", "P-30", "P-49")
@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        pytest.param(
            {"voucher": lambda voucher: replace(voucher, nonce=bytes(16))}, "nonce", id="nonce"
        ),
        pytest.param({"signer": make_pki("foreign").masa_signer}, "voucher signature", id="signer"),
        pytest.param(
            {
                "voucher": lambda voucher: replace(
                    voucher, pinned_domain_cert=make_pki("foreign").domain_ca.der
                )
            },
            "pin mismatch",
            id="pin",
        ),
    ],
)
async def test_a_bad_voucher_is_reported_once_and_in_general_words(pki, device, edit, reason):
    registrar = replace(FakeRegistrar(pki), **edit)
    assert reason in await refused(device, registrar)
    assert registrar.operations == ["rv", "vs"]
    [report] = registrar.asked(Operation.VOUCHER_STATUS)
    status = telemetry.decode(media.CBOR, report.payload, VoucherStatus)
    assert status == VoucherStatus(False, VOUCHER_NOT_ACCEPTED)


@pytest.mark.rule("P-26")
async def test_another_member_of_the_domain_cannot_pose_as_registrar(pki, device):
    own = key("member")
    certificate = profiles.make_ldevid(
        profiles.common_name("member"), own.public_key, pki.domain_ca.issuer, LIFETIME, 78,
        usages=(oid.SERVER_AUTH,),
    )  # fmt: skip
    member = Identity(certificate, own, pki.domain_ca.path)
    registrar = FakeRegistrar(pki, identity=member)
    assert "certificate purpose" in await refused(device, registrar)


@pytest.mark.rule("R-30")
@pytest.mark.parametrize("code", [Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND])
async def test_a_registrar_that_refuses_gets_no_report(pki, device, code):
    registrar = FakeRegistrar(pki)
    registrar.on(Operation.REQUEST_VOUCHER, Answer(code, b"go away", close=True))
    assert "go away" in await refused(device, registrar)
    assert registrar.operations == ["rv"]


# Pins of other kinds.


@pytest.mark.rule("P-25", "P-33")
@pytest.mark.parametrize("kind", ["end entity", "key"])
async def test_a_pinned_end_entity_or_key_gives_no_anchor_so_crts_is_asked(pki, device, kind):
    def pin(voucher):
        if kind == "key":
            spki = spki_der(pki.registrar.key.public_key)
            return replace(voucher, pinned_domain_cert=None, pinned_domain_pubk=spki)
        return replace(voucher, pinned_domain_cert=pki.registrar.der)

    registrar = FakeRegistrar(pki, voucher=pin)
    store, _ = await onboarded(device, registrar)
    assert registrar.operations == ["rv", "vs", "sen", "crts", "es"]
    assert store.credential().anchors.anchors == (pki.domain_ca.certificate,)
    assert store.state.cacerts_etag == b"one".hex()


@pytest.mark.rule("P-33", "P-47")
async def test_a_pinned_intermediate_is_not_enough(new_device):
    registrar = FakeRegistrar(TWO_TIERS)
    store, _ = await onboarded(new_device(TWO_TIERS), registrar)
    assert registrar.operations == ["rv", "vs", "sen", "crts", "es"]
    [asked] = registrar.asked(Operation.CACERTS)
    assert (asked.accept, asked.etags) == (62, ())
    credential = store.credential()
    assert credential.anchors.anchors == (TWO_TIERS.domain_root.certificate,)
    assert credential.chain == (credential.certificate, TWO_TIERS.domain_ca.certificate)


@pytest.mark.rule("P-33")
async def test_a_pinned_root_that_did_not_sign_the_ldevid_is_not_enough(new_device):
    def pin_the_root(voucher):
        return replace(voucher, pinned_domain_cert=TWO_TIERS.domain_root.der)

    registrar = FakeRegistrar(TWO_TIERS, voucher=pin_the_root)
    await onboarded(new_device(TWO_TIERS), registrar)
    assert registrar.operations == ["rv", "vs", "sen", "crts", "es"]


@pytest.mark.rule("P-38")
async def test_answers_of_many_blocks_arrive(new_device):
    others = tuple(make_pki(f"ca {number}").domain_root.certificate for number in range(6))
    registrar = FakeRegistrar(TWO_TIERS, cacerts=(*TWO_TIERS.domain_ca.path, *others))
    store, record = await onboarded(new_device(TWO_TIERS), registrar)
    assert len(store.credential().anchors.anchors) == 7
    [crts] = [step for step in record["steps"] if step["name"] == "crts"]
    assert crts["bytes_received"] > 3000


# Enrolment that fails.


def cacerts(*given):
    body = messages.encode_cacerts_multipart(given)
    return Answer(Code.CONTENT, body, media.MULTIPART_CORE.content_format)


FOREIGN = make_pki("foreign")
SEN, CRTS = Operation.SIMPLEENROLL, Operation.CACERTS


def certificate_of(pki, subject="SN-1", *, ca=False):
    """An answer to /sen that ignores what was asked except for the key."""

    def answer(request):
        csr = check_csr(request.payload)
        name = pki.device(subject).certificate.subject
        certificate = profiles.make_ldevid(name, csr.public_key, pki.domain_ca.issuer, LIFETIME, 1)
        if ca:
            certificate = profiles.make_intermediate_ca(
                "ca", csr.public_key, pki.domain_ca.issuer, LIFETIME, 2
            )
        body = certificates.der(certificate)
        return Answer(Code.CHANGED, body, media.PKIX_CERT.content_format)

    return answer


@pytest.mark.rule("P-33", "P-34")
@pytest.mark.parametrize(
    ("operation", "answer", "reason"),
    [
        pytest.param(SEN, Answer(Code.CHANGED, b"x", 287), "", id="no certificate"),
        pytest.param(SEN, certificate_of(TWO_TIERS, "SN-2"), "other identity", id="SN-2"),
        pytest.param(SEN, certificate_of(TWO_TIERS, ca=True), "purpose", id="CA:TRUE"),
        pytest.param(SEN, certificate_of(FOREIGN), "certificate path", id="foreign LDevID"),
        pytest.param(
            CRTS, cacerts(*FOREIGN.domain_ca.path), "certificate path", id="foreign /crts"
        ),
        pytest.param(CRTS, Answer(Code.CONTENT, b"\x80", 62), "", id="empty /crts"),
    ],
)  # fmt: skip
async def test_what_is_not_acceptable_is_reported_on_the_same_connection(
    new_device, operation, answer, reason
):
    registrar = FakeRegistrar(TWO_TIERS)
    registrar.on(operation, answer)
    device = new_device(TWO_TIERS)
    records = []
    async with registrar.serve() as endpoint:
        search = search_for(
            device, endpoint, record=records.append, give_up=GiveUp(0.5, when_refused=True)
        )
        with pytest.raises(NotOnboarded):
            await onboard(device, MemoryStore(), search, records.append)
    assert reason in records[0]["reason"]
    first = [each for each in registrar.requests if each.peer.session == _first(registrar)]
    report = first[-1]
    assert report.path == Operation.ENROLL_STATUS.coap_path
    status = telemetry.decode(media.CBOR, report.payload, EnrollStatus)
    assert not status.status
    assert status.reason


def _first(registrar):
    return registrar.requests[0].peer.session


async def test_a_registrar_that_is_gone_cannot_be_told(pki, device):
    """It fails in the middle of the enrolment, and so does the report of that."""
    registrar = FakeRegistrar(pki)
    opened, real = [], device.environment.connect

    async def connect(endpoint, identity):
        opened.append(await real(endpoint, identity))
        return opened[-1]

    registrar.on(Operation.SIMPLEENROLL, Answer(Code.CHANGED, b"x", 287, close=True))
    device = replace(device, environment=replace(device.environment, connect=connect))
    async with registrar.serve() as endpoint:
        with pytest.raises(NotOnboarded):
            await run(device, endpoint, give_up=GiveUp(0.3))
    assert "es" not in registrar.operations


@pytest.mark.rule("P-54", "E-45")
async def test_a_registrar_outside_the_anchors_it_gives_is_refused(pki, device):
    """The LDevID chains to what /crts gives, the registrar does not."""

    def pin_the_key(voucher):
        spki = spki_der(pki.registrar.key.public_key)
        return replace(voucher, pinned_domain_cert=None, pinned_domain_pubk=spki)

    registrar = FakeRegistrar(pki, voucher=pin_the_key)
    registrar.on(Operation.SIMPLEENROLL, certificate_of(FOREIGN))
    registrar.on(Operation.CACERTS, cacerts(*FOREIGN.domain_ca.path))
    assert "certificate path" in await refused(device, registrar)
    assert registrar.operations == ["rv", "vs", "sen", "crts", "es"]


@pytest.mark.parametrize("code", [Code.BAD_REQUEST, Code.NOT_FOUND, Code.SERVICE_UNAVAILABLE])
async def test_a_registrar_that_does_not_enrol_is_not_told_what_it_knows(pki, device, code):
    registrar = FakeRegistrar(pki)
    registrar.on(Operation.SIMPLEENROLL, Answer(code, max_age=60))
    async with registrar.serve() as endpoint:
        task = asyncio.ensure_future(run(device, endpoint, give_up=GiveUp(0.3, when_refused=True)))
        if code is Code.SERVICE_UNAVAILABLE:  # it waits
            await _until(lambda: registrar.asked(Operation.SIMPLEENROLL))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return
        with pytest.raises(NotOnboarded):
            await task
    assert not registrar.asked(Operation.ENROLL_STATUS)


async def _until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # nothing there to wait on
            await asyncio.sleep(0.005)


# The report of success.


@pytest.mark.rule("P-35")
async def test_without_a_fresh_session_the_old_one_carries_the_report(pki, device):
    """cbrski D10: one try."""
    registrar = FakeRegistrar(pki)
    real, opened = device.environment.connect, []

    async def connect(endpoint, identity):
        opened.append(identity)
        return await real(Endpoint("::1", 9) if len(opened) > 1 else endpoint, identity)

    once = replace(device, environment=replace(device.environment, connect=connect))
    store, _ = await onboarded(once, registrar)
    assert len(opened) == 2
    assert registrar.operations == ["rv", "vs", "sen", "es"]
    assert len({each.peer.session for each in registrar.requests}) == 1
    assert not store.state.report_due


async def test_an_est_server_without_es_is_fine(pki, device):
    registrar = FakeRegistrar(pki)
    registrar.on(Operation.ENROLL_STATUS, Answer(Code.NOT_FOUND))
    store, record = await onboarded(device, registrar)
    assert record["outcome"] == "onboarded"
    assert not store.state.report_due


async def test_a_report_that_could_not_be_sent_stays_due(pki, device):
    registrar = FakeRegistrar(pki)
    real, opened = device.environment.connect, []

    async def connect(endpoint, identity):
        if opened:
            await opened[0].close()  # the old connection breaks as well
            return await real(Endpoint("::1", 9), identity)
        opened.append(await real(endpoint, identity))
        return opened[0]

    device = replace(device, environment=replace(device.environment, connect=connect))
    store, record = await onboarded(device, registrar)
    assert record["outcome"] == "onboarded"
    assert store.credential() is not None
    assert store.state.report_due


# Several proxies.


@pytest.mark.rule("P-24", "P-27", "P-49", "J-28")
async def test_after_a_failure_the_others_are_tried(pki, device):
    wrong = FakeRegistrar(FOREIGN, voucher=lambda voucher: voucher)
    right = FakeRegistrar(pki)
    async with wrong.serve() as first, right.serve() as second:
        store, records = await run(device, Endpoint("::1", 9), first, second)
    assert [record["outcome"] for record in records] == ["failed", "refused", "onboarded"]
    assert store.state.registrar.endpoint == second


@pytest.mark.rule("P-49")
async def test_a_proxy_that_failed_is_tried_again_later(pki, device):
    registrar = FakeRegistrar(pki)
    broken = replace(registrar, voucher=lambda voucher: replace(voucher, nonce=bytes(16)))
    answers = [broken.usual, registrar.usual]
    registrar.on(Operation.REQUEST_VOUCHER, *answers)
    async with registrar.serve() as endpoint:
        _, records = await run(device, endpoint, give_up=GiveUp(20.0))
    assert [record["outcome"] for record in records] == ["refused", "onboarded"]


@pytest.mark.rule("P-51")
async def test_two_registrars_at_once_the_second_voucher_is_no_error(pki, device):
    slow, fast = FakeRegistrar(pki), FakeRegistrar(pki)
    waits = Answer(Code.SERVICE_UNAVAILABLE, max_age=60)
    slow.on(Operation.REQUEST_VOUCHER, waits)
    async with slow.serve() as first, fast.serve() as second:
        store, records = await run(device, first, second)
    assert slow.operations == ["rv"]
    assert fast.operations == ["rv", "vs", "sen", "es"]
    assert [record["outcome"] for record in records] == ["onboarded"]
    assert store.state.registrar.endpoint == second


async def test_nobody_there(device):
    with pytest.raises(NotOnboarded) as caught:
        await run(device, Endpoint("::1", 9), give_up=GiveUp(0.2, when_refused=True))
    assert not caught.value.refused


async def test_many_devices_in_one_process(pki, new_device):
    registrar = FakeRegistrar(pki)
    devices = [new_device(pki, f"SN-{number}") for number in range(10)]
    async with registrar.serve() as endpoint:
        done = await asyncio.gather(*(run(device, endpoint) for device in devices))
    assert all(store.credential() is not None for store, _ in done)
    assert len({store.credential().certificate for store, _ in done}) == 10
