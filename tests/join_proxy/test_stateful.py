"""The stateful machine: each test is a conversation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from join_proxy.limits import Rate, RateLimits
from join_proxy.stateful import (
    CloseCircuit,
    Dropped,
    Left,
    Limits,
    OpenCircuit,
    StatefulProxy,
    ToPledge,
    ToRegistrar,
    Unreachable,
)

PLENTY = RateLimits(Rate(1e6, 10**6), Rate(1e6, 10**6), Rate(1e6, 10**6))


def pledge(number=1, *, port=49152, ifindex=3, join="fe80::1"):
    return Left(ifindex, f"fe80::a:{number:x}", port, join, 61616)


@pytest.fixture
def proxy():
    return StatefulProxy(Limits(rates=PLENTY))


def open_circuit(proxy, left, now=0.0):
    effects = proxy.from_pledge(b"hello", left, now)
    [number] = [effect.circuit for effect in effects if isinstance(effect, OpenCircuit)]
    return number


@pytest.mark.rule("J-04", "J-09")
def test_a_conversation(proxy):
    assert proxy.from_pledge(b"hello", pledge(), 0.0) == [OpenCircuit(1), ToRegistrar(1, b"hello")]
    assert proxy.from_registrar(1, b"verify", 0.1) == [ToPledge(pledge(), b"verify")]
    assert proxy.from_pledge(b"hello again", pledge(), 0.2) == [ToRegistrar(1, b"hello again")]
    assert len(proxy) == 1


@pytest.mark.rule("J-04")
def test_every_pledge_port_and_interface_has_its_own_circuit(proxy):
    numbers = {
        open_circuit(proxy, left)
        for left in (pledge(), pledge(port=49153), pledge(ifindex=4), pledge(2))
    }
    assert len(numbers) == 4


@pytest.mark.rule("J-01", "J-08")
@pytest.mark.parametrize(
    "left",
    [
        Left(3, "2001:db8::5", 5000, "fe80::1", 61616),
        Left(3, "fe80::5", 5000, "2001:db8::1", 61616),
        Left(3, "::1", 5000, "::1", 61616),
        Left(3, "169.254.0.1", 5000, "fe80::1", 61616),
        Left(3, "not an address", 5000, "fe80::1", 61616),
    ],
)
def test_only_link_local_to_link_local(proxy, left):
    assert proxy.from_pledge(b"hello", left, 0.0) == []
    assert proxy.dropped == {Dropped.NOT_LINK_LOCAL: 1}
    assert len(proxy) == 0


@pytest.mark.rule("J-08")
@pytest.mark.parametrize(
    ("datagram", "port"),
    [
        pytest.param(b"", 5000, id="empty"),
        pytest.param(b"x", 0, id="port 0"),
        pytest.param(b"x" * 1233, 5000, id="over the MTU"),
    ],
)
def test_bad_shapes_are_dropped(proxy, datagram, port):
    assert proxy.from_pledge(datagram, pledge(port=port), 0.0) == []
    assert proxy.dropped == {Dropped.SHAPE: 1}


def test_the_registrar_cannot_send_too_much_or_to_nobody(proxy):
    number = open_circuit(proxy, pledge())
    assert proxy.from_registrar(number, b"x" * 1233, 0.0) == []
    assert proxy.from_registrar(99, b"x", 0.0) == []
    assert proxy.dropped == {Dropped.SHAPE: 1, Dropped.NO_CIRCUIT: 1}


@pytest.mark.rule("J-05")
def test_a_circuit_ends_30_seconds_after_the_last_packet_in_either_direction(proxy):
    assert proxy.next_deadline() is None
    number = open_circuit(proxy, pledge(), now=100.0)
    assert proxy.next_deadline() == 130.0
    proxy.from_registrar(number, b"x", 120.0)
    assert proxy.expire(149.9) == []
    proxy.from_pledge(b"x", pledge(), 149.9)
    assert proxy.expire(179.8) == []
    assert proxy.expire(179.9) == [CloseCircuit(number)]
    assert (len(proxy), proxy.next_deadline()) == (0, None)
    assert open_circuit(proxy, pledge(), now=180.0) != number


@pytest.mark.rule("J-06", "J-07")
def test_at_most_two_circuits_per_pledge(proxy):
    for port in (1, 2):
        proxy.from_registrar(open_circuit(proxy, pledge(port=port)), b"x", 0.0)
    assert proxy.from_pledge(b"third", pledge(port=3), 0.1) == [
        Unreachable(pledge(port=3), 1, 1, b"third")
    ]
    assert proxy.dropped == {Dropped.FULL: 1}
    open_circuit(proxy, pledge(2))  # another pledge is not concerned


@pytest.mark.rule("J-06", "J-07")
def test_at_most_ten_circuits_per_interface(proxy):
    for number in range(10):
        assert proxy.has_room(3)
        proxy.from_registrar(open_circuit(proxy, pledge(number)), b"x", 0.0)
    assert not proxy.has_room(3)
    assert proxy.from_pledge(b"no", pledge(99), 0.0) == [Unreachable(pledge(99), 1, 1, b"no")]
    open_circuit(proxy, pledge(99, ifindex=4))


@pytest.mark.rule("J-19")
def test_when_full_the_oldest_unanswered_circuit_gives_way_after_3_seconds(proxy):
    numbers = [open_circuit(proxy, pledge(n), now=float(n) / 10) for n in range(10)]
    proxy.from_registrar(numbers[0], b"verify", 1.0)
    assert isinstance(proxy.from_pledge(b"x", pledge(50), 3.0)[0], Unreachable)
    effects = proxy.from_pledge(b"x", pledge(50), 3.2)
    assert effects[0] == CloseCircuit(numbers[1])  # 0 was answered
    assert isinstance(effects[1], OpenCircuit)
    assert proxy.from_registrar(numbers[1], b"late", 3.3) == []


def test_a_full_pledge_only_evicts_its_own_circuits(proxy):
    other = open_circuit(proxy, pledge(7), now=0.0)
    first = open_circuit(proxy, pledge(1, port=1), now=1.0)
    open_circuit(proxy, pledge(1, port=2), now=2.0)
    effects = proxy.from_pledge(b"x", pledge(1, port=3), 9.0)
    assert effects[0] == CloseCircuit(first)
    assert proxy.from_registrar(other, b"x", 9.0) == [ToPledge(pledge(7), b"x")]


@pytest.mark.rule("J-07")
def test_icmp_errors_of_the_registrar_reach_the_pledge_with_its_datagram(proxy):
    number = open_circuit(proxy, pledge())
    proxy.from_pledge(b"latest", pledge(), 0.1)
    assert proxy.registrar_error(number, 1, 4) == [Unreachable(pledge(), 1, 4, b"latest")]
    assert proxy.registrar_error(77, 1, 4) == []


@pytest.mark.rule("J-19")
def test_a_flood_of_spoofed_sources_leaves_confirmed_circuits_alone():
    proxy = StatefulProxy()
    honest = pledge(0xFFFF)
    number = open_circuit(proxy, honest)
    proxy.from_registrar(number, b"verify", 0.01)
    assert proxy.from_pledge(b"again", honest, 0.02) == [ToRegistrar(number, b"again")]
    for spoofed in range(100_000):
        proxy.from_pledge(b"flood", pledge(spoofed % 60_000), 0.03 + spoofed * 1e-4)
    assert len(proxy) <= 10
    assert len(proxy._strangers._sources) <= 1024
    assert proxy.from_pledge(b"still here", honest, 10.1) == [ToRegistrar(number, b"still here")]
    assert proxy.dropped[Dropped.RATE] > 99_000


@pytest.mark.rule("J-19")
def test_one_loud_source_does_not_empty_the_interface_for_others():
    proxy = StatefulProxy()
    for attempt in range(1000):
        proxy.from_pledge(b"loud", pledge(1, port=1 + attempt % 2), 0.0)
    assert isinstance(proxy.from_pledge(b"quiet", pledge(2), 0.0)[0], OpenCircuit)


def test_a_confirmed_circuit_has_a_limit_too():
    proxy = StatefulProxy(Limits(rates=RateLimits(circuit=Rate(1, 3))))
    number = open_circuit(proxy, pledge())
    proxy.from_registrar(number, b"x", 0.0)
    answers = [proxy.from_pledge(b"x", pledge(), 0.0) for _ in range(10)]
    assert [bool(answer) for answer in answers] == [True] * 4 + [False] * 6


def test_interfaces_and_upstreams_that_fail(proxy):
    here, there = open_circuit(proxy, pledge(1)), open_circuit(proxy, pledge(2, ifindex=4))
    assert proxy.interface_gone(3) == [CloseCircuit(here)]
    assert proxy.upstream_failed(there) == [CloseCircuit(there)]
    assert proxy.upstream_failed(there) == []
    assert len(proxy) == 0


STEP = st.one_of(
    st.tuples(st.just("pledge"), st.integers(0, 5), st.integers(0, 3), st.binary(max_size=8)),
    st.tuples(st.just("registrar"), st.integers(0, 20), st.just(0), st.binary(max_size=8)),
    st.tuples(st.just("time"), st.integers(0, 40), st.just(0), st.just(b"")),
)


@given(st.lists(STEP, max_size=60))
@pytest.mark.rule("J-06", "J-09")
def test_the_table_is_always_consistent_and_bytes_pass_unchanged(steps):
    proxy, now, alive = StatefulProxy(Limits(rates=PLENTY, per_interface=4)), 0.0, set()
    for kind, number, port, datagram in steps:
        if kind == "time":
            now += number
            effects = proxy.expire(now)
        elif kind == "pledge":
            effects = proxy.from_pledge(datagram, pledge(number, port=port), now)
        else:
            effects = proxy.from_registrar(number, datagram, now)
        for effect in effects:
            match effect:
                case OpenCircuit(circuit):
                    alive.add(circuit)
                case CloseCircuit(circuit):
                    alive.remove(circuit)
                case ToRegistrar(circuit, sent):
                    assert circuit in alive
                    assert sent == datagram
                case ToPledge(left, sent):
                    assert sent == datagram
                    assert left in proxy._by_left
        assert alive == set(proxy._by_number)
        assert len(proxy) == sum(proxy._per_interface.values()) == sum(proxy._per_pledge.values())
        assert max(proxy._per_pledge.values(), default=0) <= 2
        assert max(proxy._per_interface.values(), default=0) <= 4
