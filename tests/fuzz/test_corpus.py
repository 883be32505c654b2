"""Any input decodes, or raises Malformed or Refused: each target over its corpus and cuts."""

from contextlib import suppress

import pytest

from sztb.errors import Malformed, Refused
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_corpus(target: Target) -> None:
    corpus = target.corpus()
    assert corpus
    for raw in corpus:
        step = max(1, len(raw) // 40)
        for end in range(0, len(raw) + 1, step):
            with suppress(Malformed, Refused):
                target.decode(raw[:end])
            with suppress(Malformed, Refused):
                target.decode(raw[:end] + b"\xff" + raw[end + 1 :])
