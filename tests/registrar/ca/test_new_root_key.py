"""A new key for the root: members from before stay members, and renew under the new one."""

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


async def test_without_the_rollover_certificates_they_are_strangers(store: SqlStore) -> None:
    before = Ca(store, CaRules(), Identity(NewRoot.old, NewRoot.old_key), count(1))
    certificate = await before.issued(a_request(DEVICE, key("member")))
    authority = check_authority((NewRoot.new,), NewRoot.new_key)
    after = DomainCa(authority, store, CaRules(), before._random)
    with pytest.raises(Refused) as refused:
        await Clients(store, after).identify([der(certificate)], NOW)
    assert refused.value.refusal is Refusal.CERTIFICATE_PATH
