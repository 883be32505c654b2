"""GET /.well-known/core inside DTLS: which resources there are (cbrski.md 3.3; E-46)."""

from collections.abc import Iterator, Sequence

from sztb.codepoints.links import RT_BRSKI
from sztb.codepoints.resources import SHORT_ROOTS, Operation
from sztb.encoding.link_format import Filter, Link, parse_filter, serialize
from sztb.errors import Malformed

from .rules import EstRules

_KEYGEN = frozenset({Operation.SERVERKEYGEN, Operation.SERVERKEYGEN_CERT})


def discover(queries: Sequence[str], rules: EstRules) -> bytes:
    """Return the links that pass the query's filter, Content-Format 40.

    Args:
        queries: Uri-Query options, for example ``("rt=brski*",)``.
        rules: which operations are on.
    """
    wanted = _filter(queries)
    return serialize(link for link in links(rules) if wanted is None or wanted.matches(link))


def links(rules: EstRules) -> Iterator[Link]:
    """Return one link for the root of BRSKI and one per operation, by their short paths."""
    yield Link(f"/{SHORT_ROOTS['brski']}", (("rt", RT_BRSKI),))
    for operation in Operation:
        if rules.serverkeygen or operation not in _KEYGEN:  # E-34
            row = operation.value
            target = f"/{SHORT_ROOTS[row.root]}/{row.short_name}"
            yield Link(target, (("rt", row.rt), ("ct", _content_formats(operation))))


def _content_formats(operation: Operation) -> str:
    """The formats of the answer; of the request where the answer is empty."""
    row = operation.value
    formats = (media.content_format for media in row.gives or row.takes)
    return " ".join(str(number) for number in sorted(n for n in formats if n is not None))


def _filter(queries: Sequence[str]) -> Filter | None:
    try:
        return parse_filter(queries)
    except Malformed:
        return None  # RFC 6690 4.1: who does not support a filter answers with everything
