"""What is pinned, beyond what whole requests show."""

import pytest

from masa.pinning import choose_pin
from masa.records import Pins
from sztb.errors import Misuse
from sztb.voucher.pins import PinnedCert
from tests.fakes.pki import make_pki

PKI = make_pki("pins", intermediate=True)
CHAIN = PKI.registrar.path
EE = PKI.registrar.certificate


@pytest.mark.rule("M-13")
def test_a_ca_key_is_never_pinned():
    with pytest.raises(Misuse):
        choose_pin(CHAIN, PKI.domain_ca.certificate, Pins.KEY, None)


@pytest.mark.rule("M-12")
def test_a_ca_is_pinned_for_a_pledge_that_could_take_the_key_too():
    pinned = choose_pin(CHAIN, EE, Pins.CERTIFICATE_OR_KEY, None)
    assert pinned.pin == PinnedCert(PKI.domain_ca.der)


@pytest.mark.rule("M-12")
def test_the_highest_ca_that_is_allowed():
    pinned = choose_pin(CHAIN, EE, Pins.CERTIFICATE, PKI.domain_root.certificate)
    assert pinned.certificate == PKI.domain_root.certificate


@pytest.mark.rule("M-13")
def test_a_pledge_without_pkix_gets_a_key_in_a_nonceless_voucher_too():
    pinned = choose_pin(CHAIN, EE, Pins.KEY, PKI.domain_root.certificate)
    assert pinned.certificate == EE
