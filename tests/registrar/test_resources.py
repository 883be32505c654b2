"""Paths, methods, formats, discovery: the registrar as CoAP resources (cbrski.md 3.3, 5)."""

from dataclasses import replace
from typing import Any

import pytest

from registrar.negotiation import negotiate
from registrar.resources import PATHS
from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.media import Media
from sztb.codepoints.resources import ABBREVIATED_PATHS, Operation
from sztb.encoding.link_format import parse
from sztb.errors import Refusal, Refused
from tests.fakes.registrar_site import World

CORE = (".well-known", "core")


@pytest.mark.rule("R-05", "E-38")
@pytest.mark.parametrize("operation", Operation)
def test_paths_of_every_operation(operation: Operation) -> None:
    row = operation.value
    assert PATHS[".well-known", row.root, row.short_name] is operation
    assert PATHS[row.root[0], row.short_name] is operation
    assert PATHS[".well-known", row.root, row.long_name].value.long_name == row.long_name


@pytest.mark.rule("R-08")
def test_every_abbreviation_leads_to_a_resource() -> None:
    assert all(path in PATHS or path == CORE for path in ABBREVIATED_PATHS.values())


@pytest.mark.rule("R-05")
@pytest.mark.parametrize(
    "path",
    [("b", "rv"), (".well-known", "brski", "rv"), (".well-known", "brski", "requestvoucher")],
)
async def test_short_and_long_paths_behave_the_same(world: World, path: tuple[str, ...]) -> None:
    answer = await world.ask(Operation.REQUEST_VOUCHER, world.pvr(), path=path)
    assert answer.code == Code.CHANGED


@pytest.mark.parametrize(
    "path",
    [
        (), ("b",), ("e",), ("rv",), ("b", "sen"), ("e", "rv"), ("b", "rv", ""),
        (".well-known",), (".well-known", "est", "fullcmc"),
        (".well-known", "est", "label", "sen"),  # est-D8: we have no labels
        ("..", "etc"), ("x" * 500,),
    ],
)  # fmt: skip
@pytest.mark.rule("E-02", "E-12")
async def test_no_such_resource(world: World, path: tuple[str, ...]) -> None:
    answer = await world.ask(Operation.REQUEST_VOUCHER, world.pvr(), path=path)
    assert answer.code == Code.NOT_FOUND


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("method", [Code.GET, Code.POST, Code.PUT, Code.DELETE])
async def test_methods(world: World, operation: Operation, method: Code) -> None:
    answer = await world.ask(operation, b"", method=method)
    is_right = method == operation.value.method
    assert (answer.code == Code.METHOD_NOT_ALLOWED) is not is_right


# --- formats -------------------------------------------------------------------------------------

AGREED = [
    (Operation.REQUEST_VOUCHER, 836, None, media.VOUCHER_COSE),
    (Operation.REQUEST_VOUCHER, 836, 836, media.VOUCHER_COSE),
    (Operation.VOUCHER_STATUS, 60, None, None),
    (Operation.VOUCHER_STATUS, 50, 60, None),  # the answer is empty, whatever is accepted
    (Operation.CACERTS, None, None, media.CERTS_ONLY),
    (Operation.CACERTS, 836, 62, media.MULTIPART_CORE),  # without a body its format is nothing
    (Operation.CACERTS, None, 287, media.PKIX_CERT),
    (Operation.SIMPLEENROLL, 286, None, media.CERTS_ONLY),
    (Operation.SIMPLEREENROLL, 286, 287, media.PKIX_CERT),
    (Operation.CSRATTRS, None, None, media.CSRATTRS),
    (Operation.SERVERKEYGEN, 286, 62, media.MULTIPART_CORE),
]
NOT_AGREED = [
    (Operation.REQUEST_VOUCHER, None, None, Refusal.CONTENT_FORMAT),
    (Operation.REQUEST_VOUCHER, 60, 836, Refusal.CONTENT_FORMAT),
    (Operation.REQUEST_VOUCHER, 836, 287, Refusal.ACCEPT),
    (Operation.VOUCHER_STATUS, None, None, Refusal.CONTENT_FORMAT),
    (Operation.CACERTS, None, 286, Refusal.ACCEPT),
    (Operation.SIMPLEENROLL, 287, None, Refusal.CONTENT_FORMAT),
    (Operation.SIMPLEENROLL, 286, 62, Refusal.ACCEPT),
    (Operation.CSRATTRS, None, 60, Refusal.ACCEPT),
]


@pytest.mark.rule("R-06", "R-07", "E-40")
@pytest.mark.parametrize(("operation", "content_format", "accept", "given"), AGREED)
def test_agreed(
    operation: Operation, content_format: int | None, accept: int | None, given: Media | None
) -> None:
    assert negotiate(operation, content_format, accept).given is given


@pytest.mark.rule("R-30")
@pytest.mark.parametrize(("operation", "content_format", "accept", "why"), NOT_AGREED)
def test_not_agreed(
    operation: Operation, content_format: int | None, accept: int | None, why: Refusal
) -> None:
    with pytest.raises(Refused) as caught:
        negotiate(operation, content_format, accept)
    assert caught.value.refusal is why


# --- discovery -----------------------------------------------------------------------------------


async def discovered(world: World, *query: str, **changes: Any) -> list[str]:
    request = {"path": CORE, "query": query, "content_format": None} | changes
    answer = await world.ask(Operation.CACERTS, **request)
    assert (answer.code, answer.content_format) == (Code.CONTENT, 40)
    return [link.target for link in parse(answer.payload)]


@pytest.mark.rule("E-46")
@pytest.mark.parametrize(
    ("query", "targets"),
    [
        ("rt=brski", ["/b"]),
        ("rt=brski*", ["/b", "/b/rv", "/b/vs", "/b/es"]),
        ("rt=brski.rv", ["/b/rv"]),
        ("rt=ace.est*", ["/e/crts", "/e/sen", "/e/sren", "/e/att"]),
        ("rt=ace.est.sen", ["/e/sen"]),
        ("rt=nothing", []),
    ],
)
async def test_discovery(world: World, query: str, targets: list[str]) -> None:
    assert await discovered(world, query) == targets


@pytest.mark.rule("E-46", "E-34")
async def test_discovery_of_everything(world: World) -> None:
    assert "/e/skg" not in await discovered(world)
    world.rule(est=replace(world.site.rules.est, serverkeygen=True))
    assert {"/e/skg", "/e/skc"} <= set(await discovered(world))
    assert len(await discovered(world, "rt=brski", "ct=60")) > 4  # RFC 6690 4.1: not supported


async def test_links_name_their_formats(world: World) -> None:
    answer = await world.ask(Operation.CACERTS, path=CORE)
    formats = {link.target: link.value("ct") for link in parse(answer.payload)}
    assert formats["/b/rv"] == "836"
    assert formats["/b/vs"] == "50 60"
    assert formats["/e/crts"] == "62 281 287"
    assert formats["/e/sen"] == "281 287"


async def test_discovery_options(world: World) -> None:
    assert (await world.ask(Operation.CACERTS, path=CORE, accept=50)).code == Code.NOT_ACCEPTABLE
    post = await world.ask(Operation.CACERTS, path=CORE, method=Code.POST)
    assert post.code == Code.METHOD_NOT_ALLOWED
    assert await discovered(world, accept=40) != []


# --- what is counted and logged ------------------------------------------------------------------


async def test_answers_are_counted(world: World) -> None:
    await world.ask(Operation.CACERTS)
    await world.ask(Operation.CACERTS)
    await world.ask(Operation.CACERTS, accept=1)
    await world.ask(Operation.CACERTS, path=("nowhere",))
    text = world.site.metrics.text().decode()
    assert 'sztb_registrar_answers_total{code="2.05",operation="crts"} 2.0' in text
    assert 'sztb_registrar_answers_total{code="4.06",operation="crts"} 1.0' in text
    assert 'sztb_registrar_answers_total{code="4.04",operation="other"} 1.0' in text
    assert "sztb_registrar_alerts_total 0.0" in text


@pytest.mark.rule("R-30")
async def test_errors_tell_the_peer_nothing_beyond_the_table(world: World) -> None:
    answer = await world.ask(Operation.REQUEST_VOUCHER, world.pvr(signer=world.pki.device("SN-2")))
    assert answer.payload == b"voucher-request signature does not verify"
    assert answer.content_format is None
