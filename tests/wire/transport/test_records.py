"""What datagrams show without any key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.transport.tls.client_hello import extensions, record_limit
from sztb.transport.tls.records import (
    SeenRecords,
    client_hello_random,
    is_dtls,
    is_one_record,
    is_protected_traffic,
    record_number,
    share_datagrams,
    whole_records,
)


def record(kind: int = 22, epoch: int = 0, number: int = 0, body: bytes = b"x") -> bytes:
    return (
        bytes([kind, 0xFE, 0xFD])
        + epoch.to_bytes(2, "big")
        + number.to_bytes(6, "big")
        + len(body).to_bytes(2, "big")
        + body
    )


@pytest.mark.parametrize("first", [20, 22, 23, 25, 26, 32, 63])
def test_dtls_is_known_by_its_first_byte(first):
    assert is_dtls(bytes([first, 0]))


@pytest.mark.parametrize("datagram", [b"", b"\x13", b"\x1b", b"\x1f", b"\x40", b"\xff"])
def test_other_datagrams_are_not_dtls(datagram):
    assert not is_dtls(datagram)


@pytest.mark.parametrize(
    ("datagram", "protected"),
    [
        pytest.param(record(23, epoch=1), True, id="data"),
        pytest.param(record(21, epoch=1), True, id="alert under keys"),
        pytest.param(record(22, epoch=1), False, id="Finished"),
        pytest.param(record(21, epoch=0), False, id="plain alert"),
        pytest.param(record(20, epoch=1), False, id="ChangeCipherSpec"),
        pytest.param(record(23, epoch=1)[:12], False, id="cut"),
    ],
)
def test_protected_traffic(datagram, protected):
    assert is_protected_traffic(datagram) is protected


@pytest.mark.parametrize(
    ("datagram", "one"),
    [
        pytest.param(record(23, 1), True, id="one"),
        pytest.param(record(23, 1, body=b""), True, id="an empty one"),
        pytest.param(record(23, 1) * 2, False, id="two"),
        pytest.param(record(23, 1) + b"x", False, id="one and more"),
        pytest.param(record(23, 1)[:-1], False, id="cut off"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_a_datagram_of_one_record(datagram, one):
    assert is_one_record(datagram) is one


def test_the_number_of_a_record_includes_its_epoch():
    assert record_number(record(23, epoch=1, number=5)) == (1 << 48) + 5


SHORT, LONG = record(body=bytes(10)), record(body=bytes(40))


@pytest.mark.parametrize(
    ("datagram", "size", "part"),
    [
        pytest.param(SHORT + LONG, 80, 76, id="all fit"),
        pytest.param(SHORT + LONG, 50, 23, id="the first fits"),
        pytest.param(LONG + SHORT, 50, 50, id="none fits: cut off"),
        pytest.param(SHORT + b"junk" * 10, 30, 23, id="junk behind"),
        pytest.param(b"junk", 3, 3, id="junk"),
    ],
)
def test_a_datagram_is_handed_on_in_whole_records(datagram, size, part):
    assert whole_records(datagram, size) == part


def test_records_of_a_flight_share_datagrams_up_to_the_size():
    flight = [record(body=bytes(30)) for _ in range(5)]
    datagrams = share_datagrams(flight, 100)
    assert [len(datagram) for datagram in datagrams] == [86, 86, 43]
    assert b"".join(datagrams) == b"".join(flight)


def test_data_and_alerts_keep_datagrams_of_their_own():
    mixed = [record(22), record(23, 1), record(23, 1), record(21, 1), record(20)]
    assert share_datagrams(mixed, 1000) == mixed


@given(st.lists(st.integers(0, 200), max_size=60))
def test_seen_records_are_those_added_or_too_old_to_tell(numbers):
    seen, highest = SeenRecords(), 0
    for number in numbers:
        seen.add(number)
        highest = max(highest, number)
    for number in range(220):
        expected = number in numbers if highest - number < 64 else True
        if numbers:
            assert (number in seen) == expected, number


@given(st.binary(max_size=200))
def test_any_bytes_can_be_looked_at(data):
    is_dtls(data)
    is_protected_traffic(data)
    is_one_record(data)
    record_number(data)
    random = client_hello_random(data)
    assert random is None or len(random) == 32
    record_limit(data)
    assert 0 < whole_records(data + b"x", 50) <= max(50, len(data) + 1)


@given(st.binary(max_size=120))
def test_extensions_of_any_bytes_are_read_or_refused(tail):
    hello = record(body=b"\x01" + (40 + len(tail)).to_bytes(3, "big") + bytes(5)
                   + (40 + len(tail)).to_bytes(3, "big") + bytes(40) + tail)  # fmt: skip
    found = extensions(hello)
    assert found is None or all(isinstance(value, bytes) for value in found.values())
