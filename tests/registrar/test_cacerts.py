"""GET /crts (cbrski.md 5.3)."""

import hashlib
from dataclasses import replace

import pytest

from registrar.records import CaCertificates
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.encoding import multipart
from sztb.est.messages import decode_certs_only
from tests.fakes.pki import make_pki
from tests.fakes.registrar_site import World, make_world

CRTS = Operation.CACERTS


@pytest.mark.rule("R-07", "R-11", "E-18")
@pytest.mark.parametrize("intermediate", [False, True])
async def test_multipart_is_ordered_issuer_first(intermediate: bool) -> None:
    async with make_world(intermediate=intermediate) as world:
        answer = await world.ask(CRTS, accept=62)
    assert (answer.code, answer.content_format) == (Code.CONTENT, 62)
    parts = multipart.decode(answer.payload)
    assert parts == [(287, one) for one in world.pki.domain_ca.chain]
    assert answer.payload[0] == 0x80 + 2 * len(parts)  # D25


@pytest.mark.rule("R-07", "E-06", "E-40")
async def test_certs_only_is_the_default(world: World) -> None:
    answer = await world.ask(CRTS)
    assert answer.content_format == 281
    assert decode_certs_only(answer.payload) == world.pki.domain_ca.path


@pytest.mark.rule("R-10")
async def test_one_bare_certificate(world: World) -> None:
    answer = await world.ask(CRTS, accept=287)
    assert (answer.content_format, answer.payload) == (287, world.pki.domain_ca.der)


@pytest.mark.rule("R-10")
async def test_one_bare_certificate_where_one_is_not_enough(world: World) -> None:
    """LDevIDs come from another CA than the registrar's certificate."""
    world.ca.certificates = CaCertificates(make_pki("stranger").domain_ca.path)
    assert (await world.ask(CRTS, accept=287)).code == Code.NOT_ACCEPTABLE
    assert (await world.ask(CRTS, accept=62)).code == Code.CONTENT


@pytest.mark.rule("R-11", "E-18")
async def test_rollover_certificates_and_extra_anchors_come_after_our_own(world: World) -> None:
    extra, old = make_pki("extra").domain_root, make_pki("old").domain_root
    world.ca.certificates = replace(world.ca.certificates, rollover=(old.certificate,))
    anchors = (extra.certificate, world.pki.domain_root.certificate)  # one of them is ours anyway
    world.rule(est=replace(world.site.rules.est, extra_anchors=anchors))
    parts = multipart.decode((await world.ask(CRTS, accept=62)).payload)
    assert [part for _, part in parts] == [world.pki.domain_ca.der, old.der, extra.der]


@pytest.mark.rule("R-12")
async def test_etag_names_the_representation(world: World) -> None:
    tags = {accept: (await world.ask(CRTS, accept=accept)).etag for accept in (62, 281, 287)}
    assert len(set(tags.values())) == 3
    body = (await world.ask(CRTS, accept=62)).payload
    assert tags[62] == hashlib.sha256(body).digest()[:8]
    world.ca.certificates = CaCertificates(make_pki("stranger").domain_ca.path)
    assert (await world.ask(CRTS, accept=62)).etag != tags[62]


async def test_a_member_gets_them_too(world: World) -> None:
    world.client = await world.become_enrolled()
    assert (await world.ask(CRTS)).code == Code.CONTENT
