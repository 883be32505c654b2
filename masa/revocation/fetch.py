"""Fetching revocation lists from addresses that strangers name: kept narrow.

Plain http as RFC 5280 4.2.1.13 recommends, public addresses only, no redirects, one limit of size
and one of time.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from typing_extensions import override

from sztb.errors import Unavailable

MAX_LIST = 4 << 20  # bytes
PIECE = 65536  # bytes


@dataclass(frozen=True, slots=True)
class FetchRules:
    """Limits.

    Attributes:
        seconds: time limit of one fetch.
        private_addresses: also fetch from addresses that are not public.
    """

    seconds: float = 5.0
    private_addresses: bool = False


class Fetcher:
    """The HTTP client for lists."""

    def __init__(self, rules: FetchRules) -> None:
        self._rules = rules
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, url: str) -> bytes:
        """Fetch one list.

        Raises:
            Unavailable: not reachable, not allowed, too slow or too large.
        """
        try:
            self._check_literal(url)
            async with self._client().get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise Unavailable(f"{url}: status {answer.status}")
                return await _limited(answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unavailable(f"{url}: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_PublicResolver(self._rules), limit=8, force_close=True
                ),
                timeout=aiohttp.ClientTimeout(total=self._rules.seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _check_literal(self, url: str) -> None:
        """An address in place of a name never reaches the resolver."""
        host = urlsplit(url).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if not (self._rules.private_addresses or address.is_global):
            raise Unavailable(f"{url}: not a public address")


class _PublicResolver(AbstractResolver):
    """Leaves out addresses that are not public, so that no name leads into our own network."""

    def __init__(self, rules: FetchRules) -> None:
        self._all = rules.private_addresses
        self._resolver = ThreadedResolver()

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [one for one in found if self._all or ipaddress.ip_address(one["host"]).is_global]
        if not public:
            raise OSError(None, f"{host} has no public address")
        return public

    @override
    async def close(self) -> None:
        await self._resolver.close()


async def _limited(answer: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for piece in answer.content.iter_chunked(PIECE):
        data += piece
        if len(data) > MAX_LIST:
            raise Unavailable(f"list of more than {MAX_LIST} bytes")
    return bytes(data)
