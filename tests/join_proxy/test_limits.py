"""Token buckets."""

from join_proxy.limits import Rate, RateLimits, StrangerLimiter, TokenBucket


def test_burst_then_rate():
    bucket = TokenBucket(Rate(2, 3))
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.5), bucket.take(0.5)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_sources_share_their_interface_but_not_other_interfaces():
    limiter = StrangerLimiter(RateLimits(source=Rate(1, 2), interface=Rate(1, 3)))
    assert [limiter.allow(1, "a", 0) for _ in range(3)] == [True, True, False]
    assert [limiter.allow(1, "b", 0) for _ in range(3)] == [True, False, False]
    assert limiter.allow(2, "a", 0)
