"""Life after onboarding against a registrar behind real DTLS (cbrski.md 5.7)."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from pledge.anchors import ExplicitTrustAnchors
from pledge.identity import Credential
from pledge.link import ProvenLink
from pledge.state import MemoryStore, Registrar, State
from pledge.upkeep import Upkeep
from sztb.brski import telemetry
from sztb.brski.telemetry import EnrollStatus
from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.errors import Misuse, Unavailable
from sztb.pki import profiles
from sztb.pki.certificates import der
from sztb.pki.csr import check_csr
from sztb.pki.keys import spki_der
from sztb.pki.profiles import Validity
from sztb.transport.exchange import Answer
from tests.fakes.pki import NOW, make_pki
from tests.fakes.registrar import FakeRegistrar

PKI = make_pki()
LIFE = Validity(NOW - timedelta(days=80), NOW + timedelta(days=20))  # renewal is due
FRESH = Validity(NOW - timedelta(days=1), NOW + timedelta(days=99))


@dataclass
class Hooked:
    """Hooks that only remember."""

    store: MemoryStore
    events: list[str] = field(default_factory=list)

    async def run(self, event, reason=""):
        self.events.append(event)

    async def run_due(self):
        await self.run(self.store.state.hook_due)


def credential(validity=LIFE, pki=PKI, anchors=None):
    own = pki.ldevid(pki.device(), 5000, validity)
    anchors = anchors or (pki.domain_root.certificate,)
    helpers = tuple(each for each in pki.domain_ca.path if each not in anchors)
    return Credential(own.key, (own.certificate,), ExplicitTrustAnchors(anchors, helpers))


class Life:
    """An onboarded device, its registrar, and its upkeep."""

    def __init__(self, device, registrar, endpoint, held=None, state=None):
        self.device, self.registrar = device, registrar
        self.store, self.shown = MemoryStore(), []
        self.hooks = Hooked(self.store)
        self.held = held or credential()
        self.store.commit(
            self.held,
            state or State(registrar=Registrar(endpoint.host, endpoint.port), cacerts_at=NOW),
        )

        async def find(identity, credential):
            self.shown.append(identity.chain)
            return await ProvenLink.connect(
                endpoint, identity, credential.anchors, device.environment
            )

        self.upkeep = Upkeep(device, self.store, find, self.hooks)

    @property
    def renewed(self):
        return self.store.credential().certificate != self.held.certificate


@pytest.fixture
def registrar():
    return FakeRegistrar(PKI, validity=FRESH)


@pytest.fixture
async def endpoint(registrar):
    async with registrar.serve() as served:
        yield served


@pytest.fixture
def life(device, registrar, endpoint):
    return Life(device, registrar, endpoint)


@pytest.mark.rule("P-36", "E-26", "E-27")
async def test_it_renews_with_the_ldevid_and_a_new_key(life):
    assert await life.upkeep.step()
    assert life.registrar.operations == ["sren", "es"]
    renewal, report = life.registrar.requests
    new = life.store.credential()
    assert renewal.peer.chain == life.held.tls.chain
    csr = check_csr(renewal.payload)
    assert csr.subject == life.held.certificate.subject
    assert csr.spki == spki_der(new.key.public_key) != spki_der(life.held.key.public_key)
    assert report.peer.chain == new.tls.chain
    assert life.hooks.events == ["renewed"]
    assert not life.store.state.report_due
    assert not await life.upkeep.step()


@pytest.mark.rule("E-26")
async def test_alternative_names_are_asked_for_again(device, registrar, endpoint):
    names = profiles.x509.SubjectAlternativeName([profiles.x509.DNSName("pump.example")])
    own = PKI.ldevid(PKI.device())
    named = profiles.make_ldevid(
        own.certificate.subject, own.key.public_key, PKI.domain_ca.issuer, LIFE, 12,
        alternative_names=names,
    )  # fmt: skip
    held = Credential(own.key, (named,), ExplicitTrustAnchors((PKI.domain_root.certificate,)))
    life = Life(device, registrar, endpoint, held)
    await life.upkeep.step()
    assert check_csr(registrar.requests[0].payload).alternative_names == names


@pytest.mark.rule("P-36")
async def test_a_new_ca_is_learnt_from_crts(device, endpoint, registrar):
    other = make_pki("next domain")
    life = Life(device, registrar, endpoint)
    registrar.on(Operation.SIMPLEREENROLL, _issued_by(other))
    registrar.cacerts = (*other.domain_ca.path, *PKI.domain_ca.path)
    assert await life.upkeep.step()
    assert registrar.operations == ["sren", "crts", "es"]
    assert set(life.store.credential().anchors.anchors) == {
        other.domain_root.certificate,
        PKI.domain_root.certificate,
    }
    assert life.store.state.cacerts_etag == b"one".hex()


def _issued_by(pki):
    def answer(request):
        csr = check_csr(request.payload)
        certificate = profiles.make_ldevid(
            csr.subject, csr.public_key, pki.domain_ca.issuer, FRESH, 13
        )
        return Answer(Code.CHANGED, der(certificate), media.PKIX_CERT.content_format)

    return answer


@pytest.mark.rule("P-36")
async def test_without_a_path_the_old_credential_stays_and_it_is_reported(life):
    life.registrar.on(Operation.SIMPLEREENROLL, _issued_by(make_pki("foreign")))
    assert not await life.upkeep.step()
    assert life.registrar.operations == ["sren", "crts", "es"]
    report = life.registrar.requests[-1]
    assert not telemetry.decode(media.CBOR, report.payload, EnrollStatus).status
    assert report.peer.session == life.registrar.requests[0].peer.session
    assert not life.renewed
    assert life.hooks.events == ["failed"]
    assert life.store.state.renewal_failures == 1
    assert "certificate path" in life.store.state.last_error


@pytest.mark.parametrize("code", [Code.UNAUTHORIZED, Code.FORBIDDEN])
async def test_a_revoked_ldevid_falls_back_to_the_idevid(life, code):
    life.registrar.on(Operation.SIMPLEREENROLL, Answer(code))
    assert await life.upkeep.step()
    assert life.registrar.operations == ["sren", "sen", "es"]
    assert life.shown[:2] == [life.held.tls.chain, PKI.device().chain]
    assert life.renewed


async def test_an_expired_ldevid_falls_back_to_the_idevid(device, registrar, endpoint):
    over = Validity(NOW - timedelta(days=80), NOW - timedelta(days=1))
    life = Life(device, registrar, endpoint, credential(over))
    assert await life.upkeep.step()
    assert registrar.operations == ["sen", "es"]
    assert registrar.requests[0].peer.chain == PKI.device().chain
    csr = check_csr(registrar.requests[0].payload)
    assert csr.subject == PKI.device().certificate.subject
    assert life.renewed


async def test_other_refusals_are_tried_again_later(life):
    life.registrar.on(Operation.SIMPLEREENROLL, Answer(Code.BAD_REQUEST))
    assert not await life.upkeep.step()
    assert not await life.upkeep.step()  # backing off
    assert life.registrar.operations == ["sren"]
    assert not life.renewed


@pytest.mark.rule("P-01")
async def test_even_when_everything_is_refused_it_stays_in_its_domain(life):
    for operation in (Operation.SIMPLEREENROLL, Operation.SIMPLEENROLL):
        life.registrar.on(operation, Answer(Code.FORBIDDEN))
    assert not await life.upkeep.step()
    assert life.registrar.operations == ["sren", "sen"]
    assert life.store.credential() is not None


@pytest.mark.rule("P-54")
async def test_a_foreign_registrar_is_told_nothing(device):
    foreign = FakeRegistrar(make_pki("foreign"))
    async with foreign.serve() as endpoint:
        life = Life(device, foreign, endpoint)
        assert not await life.upkeep.step()
    assert foreign.requests == []
    assert not life.renewed


@pytest.mark.rule("P-37", "E-37")
async def test_anchors_are_refreshed_with_their_etag(device, registrar, endpoint):
    month_ago = NOW - timedelta(days=40)
    state = State(cacerts_at=month_ago, cacerts_etag=b"one".hex())
    life = Life(device, registrar, endpoint, credential(FRESH), state)
    assert await life.upkeep.step()
    [asked] = registrar.requests
    assert asked.etags == (b"one",)  # answered 2.03
    assert life.store.state.cacerts_at == NOW
    assert not life.renewed


@pytest.mark.rule("P-37")
async def test_changed_anchors_are_stored(device, registrar, endpoint):
    other = make_pki("next domain")
    registrar.cacerts, registrar.etag = (*PKI.domain_ca.path, *other.domain_ca.path), b"two"
    month_ago = NOW - timedelta(days=40)
    state = State(cacerts_at=month_ago, cacerts_etag=b"one".hex())
    life = Life(device, registrar, endpoint, credential(FRESH), state)
    assert await life.upkeep.step()
    assert other.domain_root.certificate in life.store.credential().anchors.anchors
    assert life.store.state.cacerts_etag == b"two".hex()


@pytest.mark.rule("P-37")
async def test_anchors_that_do_not_fit_the_ldevid_are_kept_beside_the_old_ones(
    device, registrar, endpoint
):
    """The previous anchor stays until it expires (est D12), so the LDevID keeps its path."""
    registrar.cacerts = make_pki("next domain").domain_ca.path
    state = State(cacerts_at=NOW - timedelta(days=40))
    life = Life(device, registrar, endpoint, credential(FRESH), state)
    assert await life.upkeep.step()
    assert PKI.domain_root.certificate in life.store.credential().anchors.anchors


async def test_a_report_that_was_left_is_sent_once_after_the_start(device, registrar, endpoint):
    state = State(cacerts_at=NOW, report_due=True)
    life = Life(device, registrar, endpoint, credential(FRESH), state)
    await life.upkeep.step()
    await life.upkeep.step()
    assert registrar.operations == ["es"]
    assert not life.store.state.report_due


async def test_a_report_that_cannot_be_sent_does_not_hold_up_the_rest(device, registrar):
    async with registrar.serve() as endpoint:
        state = State(report_due=True, cacerts_at=NOW)
        life = Life(device, registrar, endpoint, credential(FRESH), state)
    await life.upkeep.step()  # nobody listens any more
    await life.upkeep.step()
    assert life.store.state.report_due
    assert life.hooks.events == ["failed"]


async def test_a_late_renewal_is_an_alert(device, registrar, endpoint):
    late = Validity(NOW - timedelta(days=95), NOW + timedelta(days=5))
    registrar.on(Operation.SIMPLEREENROLL, Answer(Code.BAD_GATEWAY))
    events = []
    journal = type(device.journal)("pledge", events.append)
    life = Life(replace(device, journal=journal), registrar, endpoint, credential(late))
    assert not await life.upkeep.step()
    assert [event.name for event in events if event.outcome == "alert"] == ["renewal-overdue"]


async def test_it_runs_until_it_is_told_to_stop(life):
    stop = asyncio.Event()
    running = asyncio.ensure_future(life.upkeep.run(stop))
    async with asyncio.timeout(10):
        while not life.hooks.events:  # noqa: ASYNC110  # nothing there to wait on
            await asyncio.sleep(0.005)
        stop.set()
        await running
    assert life.renewed


async def test_with_nothing_to_do_it_waits(device, registrar, endpoint):
    life = Life(device, registrar, endpoint, credential(FRESH))
    stop = asyncio.Event()
    running = asyncio.ensure_future(life.upkeep.run(stop))
    await asyncio.sleep(0)
    assert not running.done()
    stop.set()
    await running
    assert registrar.requests == []


async def test_it_looks_again_when_the_time_has_come(device, registrar, endpoint):
    """The clock reaches the renewal while it waits."""
    held = credential(FRESH)
    begin, end = held.certificate.not_valid_before_utc, held.certificate.not_valid_after_utc
    times = iter([begin, begin + (end - begin) * 0.69, *[end - (end - begin) * 0.31] * 50])
    environment = replace(device.environment, wall_clock=lambda: next(times))
    device = replace(device, environment=environment)
    life = Life(device, registrar, endpoint, held, State(cacerts_at=begin))
    stop = asyncio.Event()
    running = asyncio.ensure_future(life.upkeep.run(stop))
    async with asyncio.timeout(10):
        while not life.hooks.events:  # noqa: ASYNC110  # nothing there to wait on
            await asyncio.sleep(0.01)
    stop.set()
    await running
    assert life.hooks.events[0] == "renewed"


async def test_upkeep_of_a_new_device_is_a_bug(device):
    async def find(identity, credential):
        raise Unavailable("nobody")

    store = MemoryStore()
    upkeep = Upkeep(device, store, find, Hooked(store))
    with pytest.raises(Misuse):
        await upkeep.step()
