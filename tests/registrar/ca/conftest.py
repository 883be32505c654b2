"""A domain CA on a real store, and requests as the procedures make them."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from registrar.ca.authority import check_authority
from registrar.ca.domain_ca import CaRules, DomainCa
from registrar.interfaces import Transaction
from registrar.records import EnrollRequest, Issued, JournalEntry, ProofOfPossession, Rejected
from registrar.store.sql_store import SqlStore
from sztb.codepoints.resources import Operation
from sztb.pki import profiles
from sztb.pki.csr import check_csr, make_csr
from sztb.pki.keys import FileKey
from tests.fakes.pki import LIFETIME, NOW, Device, Identity, key, make_pki

PKI = make_pki()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(f"sqlite:///{tmp_path}/registrar.db")
    yield store
    await store.close()


def a_request(
    client: Device | Identity,
    key: FileKey,
    operation: Operation = Operation.SIMPLEENROLL,
    subject: x509.Name | None = None,
    names: x509.SubjectAlternativeName | None = None,
) -> EnrollRequest:
    """A request that the procedures let pass: identity checked, possession proven."""
    extensions = () if names is None else (x509.Extension(names.oid, False, names),)
    csr = check_csr(make_csr(key, subject or client.certificate.subject, extensions=extensions))
    parts = operation.name.encode() + client.der + csr.spki
    return EnrollRequest(
        operation, csr, DEVICE.ref, client.certificate, ProofOfPossession.ABSENT,
        hashlib.sha256(parts).digest(),
    )  # fmt: skip


DEVICE = PKI.device("SN-1")


class NewRoot:
    """A root CA before and after a change of its key, and the links between the two."""

    old_key, new_key = key("old root key"), key("new root key")
    old = profiles.make_root_ca("site root", old_key, LIFETIME, 1)
    new = profiles.make_root_ca("site root", new_key, LIFETIME, 2)
    old_with_new = profiles.make_intermediate_ca(
        "site root", old_key.public_key, profiles.Issuer(new, new_key), LIFETIME, 3, None
    )
    new_with_old = profiles.make_intermediate_ca(
        "site root", new_key.public_key, profiles.Issuer(old, old_key), LIFETIME, 4, None
    )


@dataclass
class Ca:
    """A CA under test; `rules` may be replaced."""

    store: SqlStore
    rules: CaRules
    identity: Identity
    numbers: Any

    def open(self, **changes: Any) -> DomainCa:
        rules = replace(self.rules, **changes)
        authority = check_authority(self.identity.path, self.identity.key)
        return DomainCa(authority, self.store, rules, self._random)

    def _random(self, length: int) -> bytes:
        return next(self.numbers).to_bytes(length, "big")

    async def issue(self, request: EnrollRequest, now: datetime = NOW, **changes: Any) -> Any:
        return await self.open(**changes).enroll(request, now, journalled(request))

    async def issued(self, request: EnrollRequest, now: datetime = NOW, **changes: Any) -> Any:
        """Issue, insist on success, and return the certificate."""
        outcome = await self.issue(request, now, **changes)
        assert isinstance(outcome, Issued), outcome
        return outcome.certificate

    async def refusal(self, request: EnrollRequest, now: datetime = NOW, **changes: Any) -> Any:
        outcome = await self.issue(request, now, **changes)
        assert isinstance(outcome, Rejected), outcome
        return outcome.refusal

    async def rows(self) -> Any:
        return await self.store.read(lambda tables: tables.certificates.newest())


def journalled(request: EnrollRequest) -> Any:
    """What a procedure stores together with the certificate."""

    def unit(tables: Transaction, certificate: x509.Certificate) -> None:
        detail = f"{certificate.serial_number:x}"
        tables.journal.append(JournalEntry(NOW, "issued", request.device, detail=detail))

    return unit


@pytest.fixture
def ca(store: SqlStore) -> Ca:
    return Ca(store, CaRules(), PKI.domain_ca, count(1))
