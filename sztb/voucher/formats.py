"""Voucher formats: media type to envelope and coding, one row each.

A new format is a new row here; procedures ask `FORMATS[media]` and never name one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol, TypeVar

from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.envelope import cose_sign1
from sztb.envelope.sealed import Sealed, SignedEnvelope
from sztb.errors import Refusal, Refused
from sztb.pki.keys import Signer
from sztb.voucher import codec
from sztb.voucher.codec import Coding
from sztb.voucher.model import Voucher, VoucherRequest

Data = Voucher | VoucherRequest
_T = TypeVar("_T", Voucher, VoucherRequest)


class Seal(Protocol):
    """Encodes and signs voucher data."""

    def __call__(
        self,
        data: Data,
        signer: Signer,
        certificates: Sequence[bytes] = (),
        *,
        coding: Coding = Coding.SID,
        kid: bytes | None = None,
    ) -> bytes:
        """Return the signed artifact.

        Args:
            data: voucher or voucher-request.
            signer: whose key signs.
            certificates: DER, sent along unprotected; none for a PVR (P-14).
            coding: what CBOR keys are written as.
            kid: key identifier in the unprotected header.

        Raises:
            Refused: FORMAT_UNAVAILABLE: this format can only be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One voucher format.

    Attributes:
        media: its names on the wire.
        open_envelope: bytes to envelope; raises `Malformed` or `Refused`.
        decode: payload to data; raises `Malformed`.
        seal: data to signed bytes.
        strip: signed bytes to what goes on to the pledge: without unsigned certificates, all
            else untouched (R-28); raises `Malformed`.
    """

    media: Media
    open_envelope: Callable[[bytes], SignedEnvelope]
    decode: Callable[[bytes], Data]
    seal: Seal
    strip: Callable[[bytes], bytes]

    def open(self, raw: bytes) -> Sealed[Data]:
        """Decode envelope and data; the signature is not verified yet.

        Raises:
            Malformed: not decodable.
            Refused: ALGORITHM.
        """
        envelope = self.open_envelope(raw)
        return Sealed(self.decode(envelope.payload), raw, envelope)


def open_voucher(media_type: Media, raw: bytes) -> Sealed[Voucher]:
    """Open a voucher; its signature is not verified yet.

    Args:
        media_type: a key of `FORMATS`.
        raw: as received.

    Raises:
        Malformed: not decodable.
        Refused: CONTAINER for a voucher-request (X-10), CONTENT_FORMAT for another media type,
            ALGORITHM.
    """
    return _open(media_type, raw, Voucher)


def open_voucher_request(media_type: Media, raw: bytes) -> Sealed[VoucherRequest]:
    """Open a voucher-request; its signature is not verified yet.

    Args:
        media_type: a key of `FORMATS`.
        raw: as received.

    Raises:
        Malformed: not decodable.
        Refused: CONTAINER for a voucher (X-10), CONTENT_FORMAT for another media type,
            ALGORITHM.
    """
    return _open(media_type, raw, VoucherRequest)


def _open(media_type: Media, raw: bytes, kind: type[_T]) -> Sealed[_T]:
    if media_type not in FORMATS:
        raise Refused(Refusal.CONTENT_FORMAT, media_type.media_type)
    sealed = FORMATS[media_type].open(raw)
    if not isinstance(sealed.data, kind):
        raise Refused(
            Refusal.CONTAINER, f"{type(sealed.data).__name__} in place of {kind.__name__}"
        )
    return Sealed(sealed.data, raw, sealed.envelope)


def _open_cose(raw: bytes) -> SignedEnvelope:
    return cose_sign1.decode(raw, untagged_ok=True)  # D13: the media type says what it is


def _seal_cose(
    data: Data,
    signer: Signer,
    certificates: Sequence[bytes] = (),
    *,
    coding: Coding = Coding.SID,
    kid: bytes | None = None,
) -> bytes:
    payload = codec.encode_cbor(data, coding=coding)
    return cose_sign1.sign(payload, signer, x5bag=certificates, kid=kid)


def _open_cms(raw: bytes) -> SignedEnvelope:
    from sztb.envelope import cms  # noqa: PLC0415 - its library is not for small devices' start

    return cms.decode(raw)


def _open_jws(raw: bytes) -> SignedEnvelope:
    from sztb.envelope import jws  # noqa: PLC0415 - its library is not on small devices

    return jws.decode(raw)


def _read_only(*_: object, **__: object) -> NoReturn:
    raise Refused(Refusal.FORMAT_UNAVAILABLE, "this voucher format can only be read")


def _unchanged(raw: bytes) -> bytes:
    """In CMS and JWS the certificates are part of what was sent."""
    return raw


FORMATS: Final[dict[Media, Format]] = {
    row.media: row
    for row in (
        Format(
            media.VOUCHER_COSE,
            _open_cose,
            codec.decode_cbor,
            _seal_cose,
            cose_sign1.without_unprotected_certs,
        ),
        Format(media.VOUCHER_CMS, _open_cms, codec.decode_json, _read_only, _unchanged),
        Format(media.VOUCHER_JWS, _open_jws, codec.decode_json, _read_only, _unchanged),
    )
}
