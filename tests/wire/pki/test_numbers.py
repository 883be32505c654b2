"""Certificate numbers: positive, of one length, never zero, with enough random bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.pki.numbers import NUMBER_BYTES, certificate_number


@given(st.binary(min_size=9, max_size=20))
def test_positive_and_as_long_as_it_was_drawn(random: bytes) -> None:
    number = certificate_number(random)
    assert number.bit_length() == 8 * len(random) - 1
    assert number < 1 << 159
    keep = (1 << (8 * len(random) - 2)) - 1
    assert number & keep == int.from_bytes(random, "big") & keep


@pytest.mark.parametrize("length", [0, 8, 21])
def test_other_lengths_are_our_bug(length: int) -> None:
    with pytest.raises(ValueError, match="octets"):
        certificate_number(bytes(length))


def test_we_draw_more_than_64_bits() -> None:
    assert 8 * NUMBER_BYTES - 2 > 64
