"""A CA back end in memory that issues real certificates.

ca.answer = Pending(30)        # instead of issuing
ca.issued[-1]; ca.revoked.add(number)
"""

from __future__ import annotations

from cryptography import x509
from typing_extensions import override

from registrar.interfaces import AlongWith, CertificationAuthority, Store
from registrar.records import (
    CaCertificates,
    CertificateStatus,
    EnrollRequest,
    GeneratedKey,
    Instant,
    Issued,
    Pending,
    Rejected,
)
from sztb.errors import Unavailable
from sztb.pki.idevid import DeviceRef
from sztb.pki.keys import FileKey
from sztb.pki.profiles import make_ldevid
from tests.fakes.pki import LIFETIME, Pki


class FakeCa(CertificationAuthority):
    def __init__(self, pki: Pki, store: Store) -> None:
        self.certificates = CaCertificates(pki.domain_ca.path)
        self.attributes: bytes | None = None
        self.answer: Pending | Rejected | Unavailable | None = None
        self.subject: x509.Name | None = None  # issue for this one instead
        self.requests: list[EnrollRequest] = []
        self.issued: list[x509.Certificate] = []
        self.owners: dict[x509.Certificate, DeviceRef] = {}
        self.revoked: set[int] = set()
        self._issuer = pki.domain_ca.issuer
        self._store = store

    @override
    async def ca_certs(self) -> CaCertificates:
        return self.certificates

    @override
    async def csr_attrs(self, client: x509.Certificate) -> bytes | None:
        return self.attributes

    @override
    async def enroll(
        self, request: EnrollRequest, now: Instant, together: AlongWith
    ) -> Issued | Pending | Rejected:
        self.requests.append(request)
        if (said := self._said()) is not None:
            return said
        return Issued(await self._issue(request, request.csr.public_key, together))

    @override
    async def generate_key(
        self, request: EnrollRequest, now: Instant, together: AlongWith
    ) -> GeneratedKey | Pending | Rejected:
        self.requests.append(request)
        if (said := self._said()) is not None:
            return said
        key = FileKey.generate()
        return GeneratedKey(key.pkcs8_der(), await self._issue(request, key.public_key, together))

    @override
    async def lookup(self, certificate: x509.Certificate) -> CertificateStatus | None:
        owner = self.owners.get(certificate)
        revoked = certificate.serial_number in self.revoked
        return None if owner is None else CertificateStatus(owner, revoked)

    @override
    async def revoke(self, certificate_number: int, reason: x509.ReasonFlags, now: Instant) -> bool:
        self.revoked.add(certificate_number)
        return any(one.serial_number == certificate_number for one in self.owners)

    @override
    async def crl(self, now: Instant) -> bytes:
        raise NotImplementedError

    def adopt(self, certificate: x509.Certificate, device: DeviceRef) -> None:
        """Pretend to have issued a certificate."""
        self.owners[certificate] = device

    def _said(self) -> Pending | Rejected | None:
        if isinstance(self.answer, Unavailable):
            raise self.answer
        return self.answer

    async def _issue(
        self, request: EnrollRequest, key: object, together: AlongWith
    ) -> x509.Certificate:
        number = 9000 + len(self.issued)
        certificate = make_ldevid(
            self.subject or request.csr.subject, key, self._issuer, LIFETIME, number,  # type: ignore[arg-type]
            request.csr.alternative_names,
        )  # fmt: skip
        self.issued.append(certificate)
        self.adopt(certificate, request.device)
        await self._store.write(lambda tables: together(tables, certificate))
        return certificate
