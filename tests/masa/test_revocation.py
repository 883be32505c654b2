"""Revocation lists of registrars' CAs (M-25, M-30, M-35): real lists, fetched over real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from masa.revocation.crl import CrlCheck, check_list, distribution_points, load_list
from masa.revocation.fetch import MAX_LIST, Fetcher, FetchRules
from masa.revocation.off import Off
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.pki.crl import Revoked, make_crl
from sztb.pki.keys import certificate_hash
from tests.fakes.pki import NOW, Identity, make_pki

PKI, OTHER = make_pki(), make_pki("other")
DAY = timedelta(days=1)


def crl(ca: Identity = PKI.domain_ca, *revoked: int, now=NOW, days: int = 2) -> bytes:
    rows = [Revoked(number, NOW - DAY) for number in revoked]
    return make_crl(ca.issuer, rows, now, now + days * DAY, 1).public_bytes(Encoding.DER)


def partial_list() -> bytes:
    """A list for some reasons only, which says so in a critical extension."""
    reasons = x509.IssuingDistributionPoint(
        None, None, False, False, frozenset({x509.ReasonFlags.key_compromise}), False, False
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(PKI.domain_ca.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_extension(reasons, critical=True)
    )
    key = PKI.domain_ca.key
    return builder.sign(key.certificate_key(), certificate_hash(key.algorithm)).public_bytes(
        Encoding.DER
    )


def registrar_naming(*urls: str) -> tuple[x509.Certificate, ...]:
    """A registrar's chain whose end entity says where the list is."""
    certificate, ca = PKI.registrar.certificate, PKI.domain_ca
    points = [
        x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
        for url in urls
    ]
    builder = x509.CertificateBuilder(
        issuer_name=certificate.issuer,
        subject_name=certificate.subject,
        public_key=certificate.public_key(),
        serial_number=4711,
        not_valid_before=certificate.not_valid_before_utc,
        not_valid_after=certificate.not_valid_after_utc,
        extensions=[
            *certificate.extensions,
            x509.Extension(
                x509.CRLDistributionPoints.oid, False, x509.CRLDistributionPoints(points)
            ),
        ],
    )
    signed = builder.sign(ca.key.certificate_key(), certificate_hash(ca.key.algorithm))
    return (signed, *ca.path)


@dataclass
class Site:
    """An HTTP server that gives what is put into it, and counts."""

    lists: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    base: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/moved":
            raise web.HTTPFound("/ca.crl")
        if request.path not in self.lists:
            raise web.HTTPNotFound
        return web.Response(body=self.lists[request.path])


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site, application = Site(), web.Application()
    application.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.base = f"http://localhost:{runner.addresses[0][1]}"
    yield site
    await runner.cleanup()


@pytest.fixture
async def check() -> AsyncIterator[CrlCheck]:
    check = CrlCheck(Fetcher(FetchRules(seconds=2.0, private_addresses=True)))
    yield check
    await check.close()


@pytest.mark.rule("M-25", "M-30", "M-35")
async def test_registrar_that_is_not_revoked(site, check):
    site.lists["/ca.crl"] = crl()
    chain = registrar_naming(f"{site.base}/ca.crl")
    assert await check.check(chain, NOW) == NOW + 2 * DAY
    await check.check(chain, NOW + timedelta(minutes=59))
    assert site.asked == ["/ca.crl"]
    await check.check(chain, NOW + timedelta(minutes=61))
    assert site.asked == ["/ca.crl", "/ca.crl"]


@pytest.mark.rule("M-25")
async def test_revoked_registrar(site, check):
    site.lists["/ca.crl"] = crl(PKI.domain_ca, 4711)
    with pytest.raises(Refused) as refused:
        await check.check(registrar_naming(f"{site.base}/ca.crl"), NOW)
    assert refused.value.refusal is Refusal.CERTIFICATE_REVOKED


@pytest.mark.rule("M-25")
async def test_a_revoked_registrar_gets_no_voucher(world, site, check):
    chain = registrar_naming(f"{site.base}/ca.crl")
    ask = world.ask().signed_by(Identity(chain[0], PKI.registrar.key, PKI.domain_ca.path))
    world.service = replace(world.service, revocation=check)
    with pytest.raises(Unavailable):
        await world.issue(ask)
    site.lists["/ca.crl"] = crl()
    await world.issue(ask)
    await check.close()
    world.service = replace(
        world.service, revocation=CrlCheck(Fetcher(FetchRules(2.0, private_addresses=True)))
    )
    site.lists["/ca.crl"] = crl(PKI.domain_ca, 4711)
    with pytest.raises(Refused):
        await world.issue(ask)
    await world.service.revocation.close()
    assert len(world.store.log) == 1


@pytest.mark.rule("M-30")
async def test_strangers_without_a_device_of_ours_make_us_fetch_nothing(world, site, check):
    chain = registrar_naming(f"{site.base}/ca.crl")
    ask = world.ask().signed_by(Identity(chain[0], PKI.registrar.key, PKI.domain_ca.path))
    world.service = replace(world.service, revocation=check)
    for stranger in (replace(ask, pvr=None), replace(ask, pvr_signer=PKI.registrar.key)):
        with pytest.raises(Refused):
            await world.issue(stranger)
    assert site.asked == []


@pytest.mark.rule("M-30")
async def test_second_address_is_tried(site, check):
    site.lists["/b.crl"] = b"-----BEGIN" + b"garbage"
    site.lists["/c.crl"] = load_list(crl()).public_bytes(Encoding.PEM)
    urls = [f"{site.base}/{name}.crl" for name in "abc"]
    assert await check.check(registrar_naming(*urls), NOW) is not None
    assert site.asked == ["/a.crl", "/b.crl", "/c.crl"]


BAD = {
    "missing": None,
    "garbage": b"\x30\x03abc",
    "of another CA": crl(OTHER.domain_ca),
    "over": crl(now=NOW - 3 * DAY),
    "of tomorrow": crl(now=NOW + DAY),
    "partial": partial_list(),
    "too large": bytes(MAX_LIST + 1),
}


@pytest.mark.rule("M-30")
@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
async def test_unusable_list(site, check, data):
    if data is not None:
        site.lists["/ca.crl"] = data
    with pytest.raises(Unavailable):
        await check.check(registrar_naming(f"{site.base}/ca.crl"), NOW)


async def test_redirects_are_not_followed(site, check):
    site.lists["/ca.crl"] = crl()
    with pytest.raises(Unavailable, match="302"):
        await check.check(registrar_naming(f"{site.base}/moved"), NOW)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254"])
async def test_strangers_cannot_make_us_ask_our_own_network(site, host):
    port = site.base.rpartition(":")[2]
    fetcher = Fetcher(FetchRules(seconds=2.0))
    with pytest.raises(Unavailable):
        await fetcher.fetch(f"http://{host}:{port}/ca.crl")
    await fetcher.close()
    assert site.asked == []


async def test_slow_server_is_given_up(check):
    import asyncio

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fetcher = Fetcher(FetchRules(seconds=0.05, private_addresses=True))
    with pytest.raises(Unavailable, match="Timeout"):
        await fetcher.fetch(f"http://127.0.0.1:{port}/")
    await fetcher.close()
    server.close()
    await server.wait_closed()


async def test_chain_without_points(check):
    assert await check.check(PKI.registrar.path, NOW) is None
    assert await check.check(PKI.registrar.path[:1], NOW) is None


def test_only_http_addresses_count():
    chain = registrar_naming("ldap://x/", "https://x/", "HTTP://x/a")
    assert distribution_points(chain[0]) == ("HTTP://x/a",)


async def test_memory_is_bounded(site, check, monkeypatch):
    monkeypatch.setattr("masa.revocation.crl.MAX_KEPT", 2)
    for name in "abc":
        site.lists[f"/{name}"] = crl()
        await check.check(registrar_naming(f"{site.base}/{name}"), NOW)
    assert len(check._kept) == 2


def test_what_is_no_list():
    with pytest.raises(Malformed):
        load_list(b"")


GOOD = crl(PKI.domain_ca, 1, 2, 4711)


@given(st.integers(0, 8 * len(GOOD) - 1))
def test_one_flipped_bit_in_a_list_is_refused(bit):
    flipped = bytearray(GOOD)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Malformed, Unavailable)):
        check_list(load_list(bytes(flipped)), PKI.domain_ca.certificate, NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_list(data):
    with pytest.raises(Malformed):
        load_list(data)


async def test_off():
    off = Off()
    assert await off.check(PKI.registrar.path, NOW) is None
    await off.close()
