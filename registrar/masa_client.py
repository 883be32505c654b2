"""BRSKI-MASA over HTTPS, the registrar's end (cbrski.md 10; RFC 8995 5.4, 5.5, 5.8).

A shell: connections are pooled and kept open, TLS is verified in full by the standard library.
What an answer means is decided in `masa_answers`.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from cryptography import x509

from sztb.brski import masa_url
from sztb.codepoints.media import JSON, Media
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.pki import certificates

from .masa_answers import RETRY_AFTER, MasaAnswer
from .records import Manufacturer


@dataclass(frozen=True, slots=True)
class MasaLimits:
    """How long a MASA may take and how much it may say.

    Attributes:
        connect: seconds to a finished TLS handshake.
        total: seconds to the end of the answer.
        max_body: bytes of an answer.
        connections: open connections to one MASA.
        keep_alive: seconds an idle connection stays open.
    """

    connect: float = 5.0
    total: float = 60.0
    max_body: int = 256 * 1024
    connections: int = 16
    keep_alive: float = 60.0


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM files with which the registrar shows who it is (R-26)."""

    chain: Path
    key: Path
    password: bytes | None = field(default=None, repr=False)


class MasaClient:
    """Asks the MASAs of all manufacturers; one pool of connections."""

    def __init__(self, limits: MasaLimits, certificate: ClientCertificate | None) -> None:
        self._limits = limits
        self._certificate = certificate
        self._contexts: dict[object, ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=limits.connections, keepalive_timeout=limits.keep_alive
            ),
            timeout=aiohttp.ClientTimeout(total=limits.total, connect=limits.connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers={"User-Agent", "Accept-Encoding"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def request_voucher(
        self, location: str, manufacturer: Manufacturer, media: Media, rvr: bytes
    ) -> MasaAnswer:
        """POST the RVR to ``requestvoucher``; Content-Type and Accept are the RVR's (R-24).

        Args:
            location: the MASA URL, an authority or a whole URI.
            manufacturer: whose TLS anchors and client certificate setting count (R-61).
            media: format of the RVR.
            rvr: the signed bytes.

        Raises:
            Refused: MASA_FAILED: TLS, name or HTTP is wrong there.
            Unavailable: not reachable now, too slow, or broken off.
        """
        url = _built(masa_url.request_voucher_url, location)
        return await self._post(url, manufacturer, media, rvr, accept=media)

    async def request_audit_log(
        self, location: str, manufacturer: Manufacturer, media: Media, rvr: bytes
    ) -> MasaAnswer:
        """POST the same RVR to ``requestauditlog``; follows 201 + Location (R-52).

        Raises: as `request_voucher`.
        """
        url = _built(masa_url.request_audit_log_url, location)
        answer = await self._post(url, manufacturer, media, rvr, accept=JSON)
        if answer.status != 201:
            return answer
        return await self._exchange(
            "GET", same_origin(url, answer.location), manufacturer, {"Accept": JSON.media_type}
        )

    async def _post(
        self, url: str, manufacturer: Manufacturer, media: Media, body: bytes, *, accept: Media
    ) -> MasaAnswer:
        headers = {"Content-Type": media.content_type, "Accept": accept.media_type}
        return await self._exchange("POST", url, manufacturer, headers, body)

    async def _exchange(
        self,
        method: str,
        url: str,
        manufacturer: Manufacturer,
        headers: dict[str, str],
        body: bytes | None = None,
    ) -> MasaAnswer:
        context = self._context(manufacturer)
        try:
            try:
                return await self._once(method, url, headers, body, context)
            except aiohttp.ServerDisconnectedError:
                # A kept connection may have been closed while idle: once more, on another one.
                return await self._once(method, url, headers, body, context)
        except TimeoutError as error:
            raise Unavailable("MASA: time-out", RETRY_AFTER) from error
        except aiohttp.ClientError as error:
            raise _failure(error) from error

    async def _once(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        context: ssl.SSLContext,
    ) -> MasaAnswer:
        if self._session is None:
            raise Unavailable("MASA client is not open")
        async with self._session.request(
            method,
            url,
            data=body,
            headers=headers,
            ssl=context,
            allow_redirects=False,  # only where the IDevID or the operator says
        ) as response:
            return MasaAnswer(
                response.status,
                response.headers.get("Content-Type", ""),
                await self._body(response),
                response.headers.get("Location"),
            )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._limits.max_body:
                raise Refused(Refusal.MASA_FAILED, f"answer of more than {len(body)} bytes")
        return bytes(body)

    def _context(self, manufacturer: Manufacturer) -> ssl.SSLContext:
        certificate = self._certificate if manufacturer.masa_client_certificate else None
        key = (manufacturer.masa_tls_anchors, certificate is not None)
        if key not in self._contexts:
            self._contexts[key] = make_context(manufacturer.masa_tls_anchors, certificate)
        return self._contexts[key]


def make_context(
    anchors: Sequence[x509.Certificate], certificate: ClientCertificate | None
) -> ssl.SSLContext:
    """Return a client context with full verification (R-25): SNI, DNS-ID, TLS 1.2 or newer.

    Args:
        anchors: who may vouch for the MASA's name; empty: the system's web anchors.
        certificate: what is presented when the MASA asks (R-26).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an anchor need not be self-signed
    if anchors:
        context.load_verify_locations(cadata=b"".join(map(certificates.der, anchors)))
    else:
        context.load_default_certs()
    if certificate is not None:
        context.load_cert_chain(certificate.chain, certificate.key, certificate.password)
    return context


def same_origin(url: str, location: str | None) -> str:
    """Return the absolute URL of a Location on the same https origin.

    Raises:
        Refused: MASA_FAILED when there is none, or it points elsewhere.
    """
    target = urljoin(url, location or "")
    if location is None or urlsplit(target)[:2] != urlsplit(url)[:2]:
        raise Refused(Refusal.MASA_FAILED, "Location missing or at another origin")
    return target


def _built(build: Callable[[str], str], location: str) -> str:
    try:
        return build(location)
    except Malformed as error:
        raise Refused(Refusal.MASA_FAILED, f"MASA URL: {error}") from error


def _failure(error: aiohttp.ClientError) -> Refused | Unavailable:
    """D26: what an operator must see (5.02), and what may pass (5.03)."""
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.InvalidURL | aiohttp.ClientResponseError):
        return Refused(Refusal.MASA_FAILED, f"{type(error).__name__}: {error}"[:200])
    return Unavailable(f"MASA: {type(error).__name__}: {error}"[:200], RETRY_AFTER)
