"""An HTTPS server on real sockets that says exactly what a test tells it to.

async with https_stub(identity, lambda request: response(200, b"..")) as stub:
    stub.authority        # "localhost:40123"
    stub.requests[-1]     # what came in
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sztb.pki.certificates import pem
from tests.fakes.pki import Identity


@dataclass(frozen=True)
class HttpRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int  # counts TCP connections
    client: bytes | None  # DER of the TLS client certificate


Behaviour = Callable[[HttpRequest], bytes | Awaitable[bytes]]


@dataclass
class HttpsStub:
    behaviour: Behaviour
    port: int = 0
    requests: list[HttpRequest] = field(default_factory=list)
    connections: int = 0
    handlers: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def authority(self) -> str:
        return f"localhost:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        own = asyncio.current_task()
        assert own is not None
        self.handlers.add(own)
        try:
            while await self._one(reader, writer, self.connections):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            return
        finally:
            writer.transport.abort()

    async def stop(self) -> None:
        """End the connections that are still open."""
        for handler in self.handlers:
            handler.cancel()
        await asyncio.gather(*self.handlers, return_exceptions=True)

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        client = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        request = HttpRequest(method, path, headers, body, connection, client)
        self.requests.append(request)
        said = self.behaviour(request)
        data = said if isinstance(said, bytes) else await said
        writer.write(data)
        await writer.drain()
        return bool(data) and b"Connection: close" not in data


def response(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A correct HTTP/1.1 response; header names with underscores for hyphens."""
    fields = {"Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def https_stub(
    identity: Identity, behaviour: Behaviour, port: int = 0
) -> AsyncIterator[HttpsStub]:
    stub = HttpsStub(behaviour)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", port, ssl=_context(identity))
    stub.port = server.sockets[0].getsockname()[1]
    try:
        yield stub
    finally:
        server.close()
        await stub.stop()


def write_pem(identity: Identity, folder: Path) -> tuple[Path, Path]:
    """Write chain and key to files."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(pem(one) for one in identity.path))
    key.write_bytes(identity.key.to_pem())
    return chain, key


def _context(identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        context.load_cert_chain(*write_pem(identity, Path(folder)))
    # Any client certificate is asked for; ours is the only one these tests show.
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=_anchor())
    return context


def _anchor() -> bytes:
    from tests.fakes.pki import make_pki

    return make_pki().domain_root.der
