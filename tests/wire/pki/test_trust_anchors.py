"""A set of anchors: no repeats, exact membership, look-up by name."""

from sztb.pki import profiles
from sztb.pki.trust_anchors import TrustAnchors
from tests.fakes.pki import LIFETIME, key, make_pki

ROOT = make_pki().domain_root.certificate
TWIN = profiles.make_root_ca("example domain root", key("twin"), LIFETIME, 2)


def test_set() -> None:
    anchors = TrustAnchors([ROOT, TWIN, ROOT])
    assert anchors.certificates == tuple(anchors) == (ROOT, TWIN)
    assert len(anchors) == 2
    assert anchors.contains(ROOT)
    assert not anchors.contains(make_pki().registrar.certificate)


def test_cas_may_share_a_name() -> None:
    anchors = TrustAnchors([ROOT, TWIN])
    assert anchors.named(ROOT.subject) == (ROOT, TWIN)
    assert anchors.named(make_pki().registrar.certificate.subject) == ()


def test_empty() -> None:
    assert len(TrustAnchors()) == 0
    assert not TrustAnchors().contains(ROOT)
