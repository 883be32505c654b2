"""Hypothesis strategies for voucher data, CBOR items and damaged bytes."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from sztb.encoding.cbor import Tag
from sztb.voucher.model import Assertion, Voucher, VoucherRequest

instants = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda instant: instant.replace(microsecond=0))

texts = st.text(st.characters(codec="utf-8"), max_size=20)
blobs = st.binary(max_size=40)
keys = st.integers(-(2**63), 2**63) | texts | blobs

items = st.recursive(
    st.none() | st.booleans() | keys | st.floats(allow_nan=False, width=32),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.builds(Tag, st.integers(100, 200), inner)
    ),
    max_leaves=8,
)

_common = {
    "serial_number": texts,
    "assertion": st.none() | st.sampled_from(Assertion),
    "created_on": st.none() | instants,
    "domain_cert_revocation_checks": st.none() | st.booleans(),
    "expires_on": st.none() | instants,
    "idevid_issuer": st.none() | blobs,
    "last_renewal_date": st.none() | instants,
    "nonce": st.none() | st.binary(min_size=8, max_size=32),
    "pinned_domain_cert": st.none() | st.binary(min_size=1, max_size=40),
    "pinned_domain_pubk": st.none() | st.binary(min_size=1, max_size=40),
    "pinned_domain_pubk_sha256": st.none() | st.binary(min_size=32, max_size=32),
    "additional_configuration_url": st.none() | texts,
    "est_domain": st.none() | texts,
    "manufacturer_proprietary": st.none() | blobs,
    "extensions": st.none() | st.lists(texts, max_size=3).map(tuple),
}
vouchers = st.builds(Voucher, **_common)
requests = st.builds(
    VoucherRequest,
    **_common,
    prior_signed_voucher_request=st.none() | blobs,
    proximity_registrar_cert=st.none() | st.binary(min_size=1, max_size=40),
    proximity_registrar_pubk=st.none() | st.binary(min_size=1, max_size=40),
    proximity_registrar_pubk_sha256=st.none() | st.binary(min_size=32, max_size=32),
)


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """A valid artifact with a few bytes changed, inserted or cut off."""
    raw = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        match draw(st.sampled_from(["change", "insert", "delete", "cut"])):
            case "change" if raw:
                raw[at] = draw(st.integers(0, 255))
            case "insert":
                raw[at:at] = draw(st.binary(min_size=1, max_size=4))
            case "delete":
                del raw[at : at + draw(st.integers(1, 4))]
            case "cut":
                del raw[at:]
    return bytes(raw)
