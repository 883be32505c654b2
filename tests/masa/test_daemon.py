"""The daemon as a real process: serving, reloading, stopping."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from masa.credentials import read_issuer
from masa.settings import TlsSettings
from sztb.codepoints.media import VOUCHER_COSE
from sztb.pki import certificates
from sztb.pki.keys import FileKey
from sztb.pki.profiles import Validity, make_tls_server
from sztb.voucher.formats import open_voucher
from sztb.voucher.model import Assertion
from tests.fakes.masa_process import (
    COSE,
    Manufacturer,
    ask_for,
    free_port,
    make_manufacturer,
    read_device,
)
from tests.fakes.pki import LIFETIME, NOW, make_pki

VOUCHER, LOG = "/.well-known/brski/requestvoucher", "/.well-known/brski/requestauditlog"
OTHER = make_pki("other")


@pytest.fixture
def made(tmp_path: Path) -> Manufacturer:
    made = make_manufacturer(tmp_path)
    made.mint("D-1")
    return made


async def post(session: aiohttp.ClientSession, path: str, body: bytes) -> tuple[int, bytes]:
    async with session.post(path, data=body, headers=COSE) as answer:
        return answer.status, await answer.read()


async def until(condition) -> None:
    """Ask again and again for something the daemon does by itself."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(0.02)


@pytest.mark.rule("M-01", "M-19", "M-20")
async def test_voucher_and_log(made):
    device = read_device(made.folder / "devices" / "D-1")
    ask = ask_for(device, b"nonce no 1")
    with made.serving():
        async with made.session() as session:
            status, body = await post(session, VOUCHER, ask.raw)
            assert status == 200
            voucher = open_voucher(VOUCHER_COSE, body).data
            assert voucher.assertion is Assertion.PROXIMITY
            status, body = await post(session, LOG, ask.raw)
            assert (status, len(json.loads(body)["events"])) == (200, 1)
    assert "proximity" in made.spawn("audit-log", "show", "D-1")
    assert "1 entries" in made.spawn("check")
    assert "voucher-issued" in (made.folder / "log").read_text()


async def test_a_device_blocked_while_the_daemon_runs(made):
    device = read_device(made.folder / "devices" / "D-1")
    with made.serving():
        async with made.session() as session:
            await asyncio.to_thread(made.spawn, "device", "block", "D-1")
            assert (await post(session, VOUCHER, ask_for(device, b"nonce no 1").raw))[0] == 403


async def test_reload_takes_policy_and_certificate_and_refuses_nonsense(made):
    device = read_device(made.folder / "devices" / "D-1")
    with made.serving() as process:

        async def status(registrar=None) -> int:
            async with made.session() as session:
                ask = ask_for(device, b"nonce no 1", registrar)
                return (await post(session, VOUCHER, ask.raw))[0]

        assert await status() == 200
        assert await status(OTHER.registrar) == 403
        log = made.folder / "log"

        made.edit('ownership = "first-come"', 'ownership = "nonsense"')
        process.send_signal(signal.SIGHUP)
        await until(lambda: asyncio.to_thread(lambda: "reload failed" in log.read_text()))
        assert await status(OTHER.registrar) == 403

        made.edit('ownership = "nonsense"', 'ownership = "open"')
        new_server_certificate(made)
        process.send_signal(signal.SIGHUP)

        async def reloaded() -> bool:
            return await status(OTHER.registrar) == 200

        await until(reloaded)
        assert await presented(made.port) == (made.folder / "tls.pem").read_bytes()[:400]


def new_server_certificate(made: Manufacturer, validity: Validity = LIFETIME) -> None:
    """Put another TLS certificate in place, as its renewal would."""
    root, key = made.folder / "manufacturer-ca.pem", FileKey.generate()
    issuer = read_issuer(TlsSettings(root, root.with_suffix(".key")))
    certificate = make_tls_server(("localhost",), key.public_key, issuer, validity, 77)
    (made.folder / "tls.pem").write_bytes(certificates.pem(certificate))
    (made.folder / "tls.key").write_bytes(key.to_pem())


async def presented(port: int) -> bytes:
    text = await asyncio.to_thread(ssl.get_server_certificate, ("localhost", port))
    return text.encode()[:400]


async def test_health_and_metrics(made):
    port = free_port()
    made.edit("# [health]", f"[health]\nport = {port}\n#")
    with made.serving():
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with session.get("/metrics") as answer:
                assert "sztb_masa_answers" in await answer.text()
            async with session.get("/other") as answer:
                assert answer.status == 404


async def test_stops_at_once_although_connections_are_open(made):
    with made.serving() as process:
        async with made.session() as session:
            assert (await post(session, VOUCHER, b""))[0] == 400
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 5) == 0


def test_address_in_use(made):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", made.port))
        taken.listen()
        made.edit('address = "::"', 'address = "127.0.0.1"')
        done = subprocess.run(made.command("run"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_dates_of_certificates_are_checked(made):
    new_server_certificate(made, Validity(NOW.replace(year=2020), NOW.replace(year=2021)))
    assert "TLS server: the certificate is out of its dates" in made.run("check", code=1)
