"""The built-in domain CA (est.md 13): a certificate is in the table before anybody gets it.

Issuing is one signature and one transaction. The signature is made first, outside the transaction,
so that a slow token holds up nobody; the transaction then decides whether it counts.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from sztb.codepoints.resources import Operation
from sztb.errors import Refused
from sztb.pki import certificates
from sztb.pki.csr import RequestKey
from sztb.pki.idevid import DeviceRef
from sztb.pki.keys import FileKey
from sztb.pki.numbers import NUMBER_BYTES, certificate_number
from sztb.pki.profiles import make_ldevid

from ..interfaces import AlongWith, CertificationAuthority
from ..records import (
    CaCertificates,
    CertificateStatus,
    EnrollRequest,
    GeneratedKey,
    Instant,
    Issued,
    Pending,
    Rejected,
)
from . import revocation
from .authority import Authority
from .interfaces import CaStore, CaTransaction, StoredCertificate
from .profile import Content, LdevidProfile, choose_content, choose_validity
from .renewal import check_renewal
from .revocation import CrlRules


@dataclass(frozen=True, slots=True)
class CaRules:
    """What an operator may change about the CA.

    Attributes:
        profile: of the devices' certificates.
        crl: how long CRLs last.
        keep_results: for so long a retry gets the certificate it missed (est-D18).
        renewal_grace: so long after its end a certificate may be renewed (est-D22).
        csr_attributes: DER CsrAttrs for /att; None when there is nothing to say.
    """

    profile: LdevidProfile = field(default_factory=LdevidProfile)
    crl: CrlRules = field(default_factory=CrlRules)
    keep_results: timedelta = timedelta(hours=1)
    renewal_grace: timedelta = timedelta(0)
    csr_attributes: bytes | None = None


class DomainCa(CertificationAuthority):
    """Issues, renews and revokes the LDevIDs of one domain.

    Several instances may work on one database, and the command line beside them.
    """

    def __init__(
        self,
        authority: Authority,
        store: CaStore,
        rules: CaRules,
        random: Callable[[int], bytes],
    ) -> None:
        self._authority = authority
        self._store = store
        self._rules = rules
        self._random = random

    @override
    async def ca_certs(self) -> CaCertificates:
        return self._authority.certificates

    @override
    async def csr_attrs(self, client: x509.Certificate) -> bytes | None:
        return self._rules.csr_attributes

    @override
    async def enroll(
        self, request: EnrollRequest, now: Instant, together: AlongWith
    ) -> Issued | Pending | Rejected:
        try:
            return Issued(await self._issue(request, request.csr.public_key, now, together))
        except Refused as error:
            return Rejected(error.refusal, error.detail)

    @override
    async def generate_key(
        self, request: EnrollRequest, now: Instant, together: AlongWith
    ) -> GeneratedKey | Pending | Rejected:
        key = FileKey.generate()  # E-32: the key in the CSR counts for nothing
        once = replace(request, request_id=b"")  # a retry gets another key: this one is not kept
        try:
            certificate = await self._issue(once, key.public_key, now, together)
        except Refused as error:
            return Rejected(error.refusal, error.detail)
        return GeneratedKey(key.pkcs8_der(), certificate)

    @override
    async def lookup(self, certificate: x509.Certificate) -> CertificateStatus | None:
        number, der = certificate.serial_number, certificates.der(certificate)
        row = await self._store.read(lambda tables: tables.certificates.by_number(number))
        if row is None or row.certificate != der:
            return None
        return CertificateStatus(row.device, revoked=row.revoked is not None)

    @override
    async def revoke(self, certificate_number: int, reason: x509.ReasonFlags, now: Instant) -> bool:
        return await self._store.write(
            lambda tables: revocation.revoke(tables, certificate_number, reason, now)
        )

    async def revoke_device(
        self, device: DeviceRef, reason: x509.ReasonFlags, now: Instant
    ) -> Sequence[int]:
        """Revoke every certificate of a device that is still good, and return their numbers."""
        return await self._store.write(
            lambda tables: revocation.revoke_device(tables, device, reason, now)
        )

    @override
    async def crl(self, now: Instant) -> bytes:
        key_id, rules = self._authority.key_id, self._rules.crl
        stored = await self._store.read(lambda tables: tables.crls.get(key_id))
        if stored is None or not revocation.is_fresh(stored, now, rules):
            stored = await self._store.write(
                lambda tables: revocation.renew_crl(tables, self._authority, rules, now)
            )
        return stored.crl

    async def _issue(
        self, request: EnrollRequest, key: RequestKey, now: Instant, together: AlongWith
    ) -> x509.Certificate:
        """Sign, store, and only then return.

        Raises:
            Refused: see `choose_content`, `check_renewal`, and whatever `together` refuses.
            Unavailable: the CA's own dates, or the store.
        """
        signed = self._sign(request, await self._content(request, now), key, now)
        return await self._store.write(
            lambda tables: self._record(tables, signed, request, now, together)
        )

    async def _content(self, request: EnrollRequest, now: Instant) -> Content:
        """Decide what the certificate says; a renewal must be of a good certificate (E-26)."""
        if request.operation is not Operation.SIMPLEREENROLL:
            return choose_content(request.csr, request.client, self._rules.profile)
        return await self._store.read(lambda tables: self._renewed(tables, request, now))

    def _renewed(self, tables: CaTransaction, request: EnrollRequest, now: Instant) -> Content:
        old = tables.certificates.by_number(request.client.serial_number)
        return check_renewal(request, old, now, self._rules.renewal_grace)

    def _sign(
        self, request: EnrollRequest, content: Content, key: RequestKey, now: Instant
    ) -> "_Signed":
        """Make the certificate and its row; neither counts until the row is stored."""
        profile = self._rules.profile
        validity = choose_validity(now, profile, self._authority.certificates.chain)
        number = certificate_number(self._random(NUMBER_BYTES))
        certificate = make_ldevid(
            content.subject, key, self._authority.issuer, validity, number,
            content.alternative_names, profile.usages, profile.crl_url,
        )  # fmt: skip
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        row = StoredCertificate(
            number=number,
            certificate=certificates.der(certificate),
            issuer_key_id=self._authority.key_id,
            device=request.device,
            spki_sha256=hashlib.sha256(spki).digest(),
            issued=now,
            not_after=validity.not_after,
            request_id=request.request_id or None,
            content_sha256=content.sha256,
        )
        return _Signed(row, certificate)

    def _record(
        self,
        tables: CaTransaction,
        signed: "_Signed",
        request: EnrollRequest,
        now: Instant,
        together: AlongWith,
    ) -> x509.Certificate:
        """Store the row, or find the one that answered this request before (est-D18)."""
        certificate = self._kept(tables, signed.row, now)
        if certificate is None:
            if request.operation is Operation.SIMPLEREENROLL:
                self._renewed(tables, request, now)  # it may have been revoked while we signed
            tables.certificates.add(signed.row)
            certificate = signed.certificate
        together(tables, certificate)
        return certificate

    def _kept(
        self, tables: CaTransaction, row: StoredCertificate, now: Instant
    ) -> x509.Certificate | None:
        if row.request_id is None:
            return None
        before = tables.certificates.by_request(row.request_id)
        if before is None:
            return None
        same = (before.content_sha256, before.spki_sha256) == (row.content_sha256, row.spki_sha256)
        if same and now - before.issued < self._rules.keep_results:
            return certificates.load(before.certificate)
        tables.certificates.forget_request(before.number)
        return None


@dataclass(frozen=True, slots=True)
class _Signed:
    """A certificate that nobody has seen, and its row."""

    row: StoredCertificate
    certificate: x509.Certificate
