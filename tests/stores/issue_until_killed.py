"""A registrar's CA in a process of its own: issues without end, says each number handed out.

    python tests/stores/issue_until_killed.py DATABASE_URL

Run by `test_registrar_crash`, which kills it.
"""

import asyncio
import sys
from datetime import timedelta

from cryptography import x509

from registrar.ca.authority import check_authority
from registrar.ca.domain_ca import CaRules, DomainCa
from registrar.ca.profile import LdevidProfile
from registrar.interfaces import Transaction
from registrar.records import Issued, JournalEntry
from registrar.store.sql_store import SqlStore
from sztb.daemon.clock import random_bytes
from sztb.pki.keys import FileKey
from tests.fakes.pki import NOW, make_pki
from tests.registrar.ca.conftest import DEVICE, a_request

AT_ONCE = 8


async def issue(ca: DomainCa) -> None:
    while True:
        request = a_request(DEVICE, FileKey.generate())

        def together(tables: Transaction, certificate: x509.Certificate) -> None:
            detail = f"{certificate.serial_number:x}"
            tables.journal.append(JournalEntry(NOW, "issued", DEVICE.ref, detail=detail))

        outcome = await ca.enroll(request, NOW, together)
        assert isinstance(outcome, Issued)
        print(f"{outcome.certificate.serial_number:x}", flush=True)


async def main(url: str) -> None:
    domain = make_pki().domain_ca
    rules = CaRules(profile=LdevidProfile(lifetime=timedelta(days=1)))
    store = await SqlStore.open(url)
    ca = DomainCa(check_authority(domain.path, domain.key), store, rules, random_bytes)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(issue(ca))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
