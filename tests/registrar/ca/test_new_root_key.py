"""A new key for the root: members from before stay members, and renew under the new one."""

from datetime import timedelta
from itertools import count

import pytest

from registrar.ca.authority import check_authority
from registrar.ca.domain_ca import CaRules, DomainCa
from registrar.clients import Clients, Member
from registrar.records import Issued
from registrar.store.sql_store import SqlStore
from sztb.codepoints.resources import Operation
from sztb.errors import Refusal, Refused
from sztb.pki.certificates import der
from sztb.pki.path import build_path
from sztb.pki.profiles import Issuer, Validity, make_ldevid
from tests.fakes.pki import NOW, Identity, key
from tests.registrar.ca.conftest import DEVICE, Ca, NewRoot, a_request, journalled


@pytest.mark.rule("E-18", "E-26")
async def test_members_go_on(store: SqlStore) -> None:
    before = Ca(store, CaRules(), Identity(NewRoot.old, NewRoot.old_key), count(1))
    certificate = await before.issued(a_request(DEVICE, key("member")))
    ldevid = Identity(certificate, key("member"))

    authority = check_authority(
        (NewRoot.new,), NewRoot.new_key,
        (NewRoot.old, NewRoot.old_with_new, NewRoot.new_with_old),
    )  # fmt: skip
    after = DomainCa(authority, store, CaRules(), before._random)
    client = await Clients(store, after).identify([der(certificate)], NOW)
    assert client == Member(certificate, DEVICE.ref)

    request = a_request(ldevid, key("member"), Operation.SIMPLEREENROLL)
    renewed = await after.enroll(request, NOW, journalled(request))
    assert isinstance(renewed, Issued)
    assert build_path(renewed.certificate, (), [NewRoot.new], now=NOW)


async def test_a_certificate_forged_with_the_old_key_is_no_member(store: SqlStore) -> None:
    """Only what is in the table counts, so an old key that leaked is of no use."""
    validity = Validity(NOW, NOW + timedelta(days=1))
    forged = make_ldevid(
        DEVICE.certificate.subject, key("forger").public_key,
        Issuer(NewRoot.old, NewRoot.old_key), validity, 77,
    )  # fmt: skip
    authority = check_authority((NewRoot.new,), NewRoot.new_key)
    after = DomainCa(authority, store, CaRules(), bytes)
    with pytest.raises(Refused) as refused:
        await Clients(store, after).identify([der(forged)], NOW)
    assert refused.value.refusal is Refusal.CERTIFICATE_PATH
