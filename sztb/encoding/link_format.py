"""CoRE link format: links, filters and their bytes (RFC 6690 2, 4.1; discovery.md 3.3).

Tolerant where the digest asks for it: a broken link is skipped and the others count. Bounded: at
most `MAX_LINKS` links in `MAX_BYTES` bytes are looked at. Nothing here follows a target URI.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sztb.errors import Malformed

MAX_BYTES = 1024
MAX_LINKS = 16
HOSTS = "hosts"  # the relation of a link without rel (RFC 6690 2.2)

_MULTIPLE = frozenset({"rt", "if", "rel"})  # RFC 6690 4.1: values separated by blanks
_NAME = re.compile(r"[A-Za-z0-9!#$&+\-.^_`|~]+\*?")
_TOKEN = re.compile(r"[!#$%&'()*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~]+")  # RFC 6690 2: ptoken
_BARE = re.compile(r"[A-Za-z0-9.\-]+")  # what we write without quotes
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_QUOTE, _BACKSLASH, _LESS, _GREATER = b'"\\<>'


@dataclass(frozen=True, slots=True)
class Link:
    """One typed link.

    Attributes:
        target: the URI reference between the angle brackets, possibly empty.
        attributes: name and value in order of appearance, quotes removed; None for a bare name.
    """

    target: str
    attributes: tuple[tuple[str, str | None], ...] = ()

    def value(self, name: str) -> str | None:
        """The value of the first attribute of that name; None when absent or without value."""
        return next((value for key, value in self.attributes if key == name), None)

    def values(self, name: str) -> tuple[str, ...]:
        """The blank-separated values of the first attribute of that name."""
        return tuple((self.value(name) or "").split())

    @property
    def is_hosted(self) -> bool:
        """True for the relation ``hosts`` without a foreign anchor (constrained-join-proxy 8.2)."""
        has_anchor = any(name == "anchor" for name, _ in self.attributes)
        relations = self.values("rel") or (HOSTS,)
        return HOSTS in relations and not has_anchor


@dataclass(frozen=True, slots=True)
class Filter:
    """One ``name=value`` of a query (RFC 6690 4.1).

    Attributes:
        name: attribute name, or ``href`` for the target.
        value: what is compared, without quotes and without the trailing ``*``.
        prefix: True when the query ended in ``*``.
    """

    name: str
    value: str
    prefix: bool

    def matches(self, link: Link) -> bool:
        """Tell whether the link passes; values are compared as strings."""
        return any(self._equals(candidate) for candidate in self._candidates(link))

    def _equals(self, candidate: str) -> bool:
        return candidate.startswith(self.value) if self.prefix else candidate == self.value

    def _candidates(self, link: Link) -> tuple[str, ...]:
        if self.name == "href":
            return (link.target,)
        if self.name in _MULTIPLE:
            return link.values(self.name)
        value = link.value(self.name)
        return () if value is None else (value,)


def parse_filter(queries: Sequence[str]) -> Filter | None:
    """Turn the Uri-Query options of a request into the one filter there may be.

    Returns:
        The filter, or None when the request asks for everything.

    Raises:
        Malformed: more than one filter or not ``name=value``; such a filter is not supported.
    """
    if not queries:
        return None
    name, equals, value = queries[0].partition("=")
    if len(queries) > 1 or not equals or not _NAME.fullmatch(name):
        raise Malformed("unsupported link filter")
    value = value.removeprefix('"').removesuffix('"')
    return Filter(name, value.removesuffix("*"), prefix=value.endswith("*"))


def matches(link: Link, query: str) -> bool:
    """Tell whether a link passes the filter ``query``, for example ``brski-jp=*``.

    Raises:
        Malformed: the query is not ``name=value``.
    """
    wanted = parse_filter([query])
    return wanted is None or wanted.matches(link)


def parse(payload: bytes) -> list[Link]:
    """Read the links of a payload of Content-Format 40; broken ones are left out (D-17).

    Args:
        payload: any bytes; what lies beyond `MAX_BYTES` is not looked at.

    Returns:
        At most `MAX_LINKS` links in the order of the payload.
    """
    links: list[Link] = []
    for piece in _split(payload, b",", MAX_BYTES):
        link = _parse_link(piece)
        if link is not None:
            links.append(link)
        if len(links) == MAX_LINKS:
            break
    return links


def serialize(links: Iterable[Link]) -> bytes:
    """Write links as a payload of Content-Format 40."""
    return ",".join(_write_link(link) for link in links).encode()


def _split(data: bytes, separator: bytes, limit: int) -> Iterator[bytes]:
    """Cut at a separator outside angle brackets and quotes; pieces that end past limit are lost."""
    start, inside, position = 0, 0, 0
    while position < min(len(data), limit):
        byte = data[position]
        if inside == _QUOTE and byte == _BACKSLASH:
            position += 1
        elif inside:
            inside = 0 if byte == inside else inside
        elif byte in {_QUOTE, _LESS}:
            inside = _QUOTE if byte == _QUOTE else _GREATER
        elif byte == separator[0]:
            yield data[start:position]
            start = position + 1
        position += 1
    if len(data) <= limit:
        yield data[start:]


def _parse_link(piece: bytes) -> Link | None:
    try:
        text = piece.decode().strip()
    except UnicodeDecodeError:
        return None
    target, bracket, rest = text[1:].partition(">")
    rest = rest.strip()
    if not text.startswith("<") or not bracket or "<" in target:
        return None
    if rest and not rest.startswith(";"):
        return None
    parts = _split(rest[1:].encode(), b";", MAX_BYTES)
    attributes = tuple(_parse_attribute(part) for part in parts if part.strip())
    known = tuple(attribute for attribute in attributes if attribute is not None)
    return Link(target, known) if len(known) == len(attributes) else None


def _parse_attribute(piece: bytes) -> tuple[str, str | None] | None:
    name, equals, value = piece.decode().strip().partition("=")
    if not _NAME.fullmatch(name):
        return None
    if not equals:
        return name, None
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return name, _ESCAPE.sub(r"\1", value[1:-1])
    return (name, value) if _TOKEN.fullmatch(value) else None


def _write_link(link: Link) -> str:
    return "".join([f"<{link.target}>", *(_write_attribute(*pair) for pair in link.attributes)])


def _write_attribute(name: str, value: str | None) -> str:
    if value is None:
        return f";{name}"
    if _BARE.fullmatch(value):
        return f";{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f';{name}="{escaped}"'
