"""Asking on every link: the shell around the query plan, without sockets."""

import pytest

from pledge.discovery import LOOK_EVERY, MulticastDiscovery
from sztb.discovery.coap_links import join_port_link, make_answer, parse_query
from sztb.discovery.offers import Endpoint
from sztb.errors import Unavailable
from sztb.transport.multicast import Arrival

LINK = 3


class Querier:
    """Remembers what was asked; can refuse."""

    def __init__(self):
        self.asked, self.forgotten, self.down, self.closed = [], [], False, False

    def ask(self, ifindex, datagram):
        if self.down:
            raise Unavailable("down")
        self.asked.append((ifindex, datagram))

    def forget(self, ifindex):
        self.forgotten.append(ifindex)

    def close(self):
        self.closed = True


class Link:
    """A discovery with what it told."""

    def __init__(self, *present):
        self.present, self.offers, self.interfaces = present, [], []
        self.drawn = 0
        self.discovery = MulticastDiscovery(
            present=lambda: self.present,
            offer=self.offers.append,
            interfaces=self.interfaces.append,
            random_bytes=self._random_bytes,
        )
        self.querier = self.discovery._querier = Querier()

    def _random_bytes(self, length):
        self.drawn += 1
        return (self.drawn % 256).to_bytes(length)

    def answer(self, *ports, source="fe80::1", scope=LINK, ifindex=LINK):
        message, _ = parse_query(self.querier.asked[-1][1])
        datagram = make_answer([join_port_link(each) for each in ports], to=message, message_id=1)
        self.discovery._answered(Arrival(datagram, (source, 5683, 0, scope), ifindex))


@pytest.fixture
def link():
    made = Link(LINK)
    made.discovery.tick(0.0)
    return made


@pytest.mark.rule("D-01")
def test_it_asks_at_once_and_counts_the_bytes(link):
    [(ifindex, datagram)] = link.querier.asked
    assert ifindex == LINK
    assert parse_query(datagram)[1] == ("brski-jp=*",)
    assert link.discovery.bytes_sent == len(datagram) == 36
    assert link.interfaces == [(LINK,)]


@pytest.mark.rule("P-02", "P-03", "D-02", "J-28")
def test_every_port_is_offered_at_the_source_of_the_answer(link):
    link.answer(8485, 8486)
    assert [offer.endpoint for offer in link.offers] == [
        Endpoint("fe80::1", 8485, LINK),
        Endpoint("fe80::1", 8486, LINK),
    ]
    assert link.discovery.bytes_received > 0


@pytest.mark.rule("D-02", "D-34")
def test_answers_from_beyond_the_link_are_not_offers(link):
    link.answer(8485, source="2001:db8::1", scope=0)
    assert link.offers == []


def test_foreign_answers_are_not_counted(link):
    link.discovery._answered(Arrival(b"\xff", ("fe80::1", 5683, 0, LINK), LINK))
    assert link.discovery.bytes_received == 0


@pytest.mark.rule("D-05")
def test_links_come_and_go(link):
    link.present = (7,)
    link.discovery.tick(LOOK_EVERY / 2)
    assert len(link.querier.asked) == 1
    link.discovery.tick(LOOK_EVERY)
    assert link.querier.asked[-1][0] == 7
    assert link.querier.forgotten == [LINK]
    assert link.interfaces[-1] == (7,)
    link.discovery.tick(LOOK_EVERY * 1.5)
    assert len(link.interfaces) == 2


def test_a_link_that_cannot_send_is_asked_again_later(link):
    link.querier.down = True
    link.discovery.tick(5.0)
    assert link.discovery.bytes_sent == 36
    link.querier.down = False
    link.discovery.tick(20.0)
    assert link.discovery.bytes_sent == 72


def test_deadlines(link):
    assert link.discovery.next_deadline() == LOOK_EVERY
    assert Link().discovery.next_deadline() == 0.0


@pytest.mark.rule("D-08")
def test_it_pauses_and_asks_again(link):
    link.discovery.pause()
    link.discovery.tick(100.0)
    assert len(link.querier.asked) == 1
    link.discovery.refresh(100.0)
    link.discovery.tick(100.0)
    assert len(link.querier.asked) == 2


@pytest.mark.rule("J-29")
def test_closed_it_takes_no_more_answers(link):
    link.discovery.close()
    assert link.querier.closed
