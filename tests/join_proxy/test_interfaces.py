"""Which interfaces are served."""

from join_proxy.interfaces import JoinInterface, missing, usable

TABLE = """\
00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000000000fffe000001 02 40 20 80     eth0
fe80000000000000000000fffe000009 02 40 20 80     eth0
20010db8000000000000000000000001 02 40 00 80     eth0
fe80000000000000000000fffe000002 03 40 20 c0    wpan0
"""


def test_first_link_local_address_of_chosen_interfaces_that_are_ready():
    assert usable(["eth0", "lo", "wpan0", "none"], TABLE) == {
        JoinInterface(2, "eth0", "fe80::ff:fe00:1")
    }


def test_the_real_table_can_be_read():
    assert usable([]) == set()
    assert missing(["lo", "no-such-if"]) == ["no-such-if"]
