"""When what is renewed (est D24, D22)."""

import itertools
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from pledge.renewal import DAY, Due, Renewal, RenewalRules, part_of_lifetime
from sztb.pki.profiles import Validity
from tests.fakes.pki import NOW, make_pki

PKI = make_pki()
HUNDRED_DAYS = Validity(NOW, NOW + timedelta(days=100))
CERTIFICATE = PKI.ldevid(PKI.device(), 7, HUNDRED_DAYS).certificate


def day(number):
    return NOW + timedelta(days=number)


def made(seed=1, **rules):
    return Renewal(random.Random(seed).random, replace(RenewalRules(), **rules))


def due_on(renewal, number, *, cacerts_on=None, uptime=0.0):
    asked = day(number if cacerts_on is None else cacerts_on)
    return renewal.due(CERTIFICATE, asked, day(number), uptime)


@pytest.mark.parametrize(
    ("number", "part"), [(0, 0.0), (50, 0.5), (100, 1.0), (200, 2.0), (-1, None)]
)
def test_part_of_lifetime(number, part):
    assert part_of_lifetime(CERTIFICATE, day(number)) == part


def test_a_fresh_certificate_needs_nothing():
    assert due_on(made(), 0) is None
    assert due_on(made(), 49) is None


def test_renewal_falls_uniformly_between_half_and_two_thirds():
    times = [(made(seed).renew_at(CERTIFICATE) - NOW).days for seed in range(300)]
    assert min(times) in {50, 51}
    assert max(times) in {65, 66}
    assert due_on(made(), 67) is Due.RENEW


def test_each_renewal_draws_a_new_time():
    renewal = made()
    before = renewal.renew_at(CERTIFICATE)
    renewal.succeeded(Due.RENEW, 0.0)
    assert renewal.renew_at(CERTIFICATE) != before


@pytest.mark.rule("E-27")
def test_an_expired_certificate_is_not_renewed_but_recovered():
    assert due_on(made(), 100) is Due.RECOVER
    assert due_on(made(), 500) is Due.RECOVER


def test_failures_back_off_from_a_minute_to_six_hours_with_jitter():
    renewal = made()
    delays = [renewal.failed(0.0) for _ in range(14)]
    assert 45 <= delays[0] <= 75
    assert 90 <= delays[1] <= 150
    assert all(6 * 3600 * 0.75 <= delay <= 6 * 3600 * 1.25 for delay in delays[-3:])
    assert renewal.failures == 14


def test_nothing_is_due_while_backing_off():
    renewal = made()
    delay = renewal.failed(10.0)
    assert due_on(renewal, 70, uptime=10.0 + delay - 1) is None
    assert due_on(renewal, 70, uptime=10.0 + delay) is Due.RENEW
    renewal.succeeded(Due.RENEW, 20.0 + delay)
    assert renewal.failures == 0


def test_at_ninety_percent_it_is_late():
    renewal = made()
    assert not renewal.is_late(CERTIFICATE, day(89))
    assert renewal.is_late(CERTIFICATE, day(90))
    assert not renewal.is_late(CERTIFICATE, day(-1))


@pytest.mark.rule("P-37")
def test_anchors_are_refreshed_about_monthly():
    renewal = made()
    assert due_on(renewal, 26, cacerts_on=0) is None
    assert due_on(renewal, 34, cacerts_on=0) is Due.REFRESH
    renewal.succeeded(Due.REFRESH, 0.0)
    assert due_on(renewal, 34, cacerts_on=34) is None


@pytest.mark.rule("P-37")
def test_anchors_never_asked_for_are_asked_once_per_boot():
    renewal = made()
    assert renewal.due(CERTIFICATE, None, day(1), 0.0) is Due.REFRESH
    renewal.succeeded(Due.REFRESH, 0.0)
    assert renewal.due(CERTIFICATE, None, day(1), 26 * DAY) is None
    assert renewal.due(CERTIFICATE, None, day(1), 34 * DAY) is Due.REFRESH


def test_without_a_clock_each_boot_renews_and_then_about_monthly():
    renewal = made()
    assert due_on(renewal, -100) is Due.RENEW
    renewal.succeeded(Due.RENEW, 5.0)
    assert due_on(renewal, -100, uptime=26 * DAY) is None
    assert due_on(renewal, -100, uptime=34 * DAY) is Due.RENEW


@pytest.mark.parametrize(
    ("number", "wait"), [(0, 3600.0), (70, 1.0), (-100, 3600.0)], ids=["later", "now", "no clock"]
)
def test_the_clock_is_looked_at_at_least_hourly(number, wait):
    assert made().next_look(CERTIFICATE, day(number), 0.0) == wait


def test_the_next_look_is_at_the_renewal_or_the_end_of_the_back_off():
    renewal = made()
    shortly = renewal.renew_at(CERTIFICATE) - timedelta(seconds=90)
    assert renewal.next_look(CERTIFICATE, shortly, 0.0) == 90.0
    delay = renewal.failed(0.0)
    assert renewal.next_look(CERTIFICATE, shortly, 0.0) == delay


def test_a_year_of_life():
    """Renewed within the window again and again, anchors in between, never late."""
    renewal, certificate, asked, renewals = made(), CERTIFICATE, NOW, []
    for hour in itertools.count():
        wall = NOW + timedelta(hours=hour)
        if wall > day(365):
            break
        due = renewal.due(certificate, asked, wall, hour * 3600.0)
        assert not renewal.is_late(certificate, wall)
        if due is None:
            continue
        asked = wall
        if due is Due.RENEW:
            renewals.append(wall)
            validity = Validity(wall, wall + timedelta(days=100))
            certificate = PKI.ldevid(PKI.device(), hour + 1, validity).certificate
        renewal.succeeded(due, hour * 3600.0)
    assert 5 <= len(renewals) <= 7
