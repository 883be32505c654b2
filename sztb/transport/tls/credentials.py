"""An identity as GnuTLS holds it: parsed once per endpoint, shared by all its sessions."""

from sztb.errors import Misuse
from sztb.pki.keys import FileKey, SignatureAlgorithm, Signer, spki_der
from sztb.transport.tls import gnutls
from sztb.transport.tls.callbacks import INT, POINTER, UNSIGNED, callback, owner
from sztb.transport.tls.config import DigestSigner, TlsIdentity
from sztb.transport.tls.gnutls import CData, datum, ffi, lib

# What a key of ours can sign, as GnuTLS names it; the first is preferred. A P-384 key does not
# sign with SHA-256 here, though TLS 1.2 would allow it: a Signer has one algorithm.
_ALGORITHMS: dict[SignatureAlgorithm, tuple[int, tuple[int, ...], int]] = {
    SignatureAlgorithm.ES256: (
        gnutls.PK_ECDSA,
        (gnutls.SIGN_ECDSA_SHA256, gnutls.SIGN_ECDSA_SECP256R1_SHA256),
        256,
    ),
    SignatureAlgorithm.ES384: (
        gnutls.PK_ECDSA,
        (gnutls.SIGN_ECDSA_SHA384, gnutls.SIGN_ECDSA_SECP384R1_SHA384),
        384,
    ),
    SignatureAlgorithm.EDDSA: (gnutls.PK_ED25519, (gnutls.SIGN_EDDSA_ED25519,), 256),
}


class Credentials:
    """One `gnutls_certificate_credentials_t`; freed with the last engine that uses it.

    Attributes:
        pointer: for `gnutls_credentials_set`.
    """

    def __init__(self, identity: TlsIdentity | None, *, raw_public_key: bool = False) -> None:
        """Parse and check an identity.

        Args:
            identity: what to show; None shows nothing.
            raw_public_key: can also show the bare key (RFC 7250).

        Raises:
            Misuse: the chain cannot be parsed or the key does not belong to it.
        """
        allocated = ffi.new("gnutls_certificate_credentials_t *")
        _check(lib.gnutls_certificate_allocate_credentials(allocated))
        self.pointer: CData = ffi.gc(allocated[0], lib.gnutls_certificate_free_credentials)
        self._signer_handle: CData = None
        if identity is None:
            return
        self._add(_parse_chain(identity.chain), len(identity.chain), identity.key)
        if raw_public_key:
            self._add(_parse_key(spki_der(identity.key.public_key)), 1, identity.key)

    def _add(self, parsed: CData, count: int, signer: Signer) -> None:
        key = self._import_key(signer)
        # Where this fails, the library may own key and certificates already or not; a wrong
        # configuration leaks them rather than have them freed twice.
        _check(lib.gnutls_certificate_set_key(self.pointer, ffi.NULL, 0, parsed, count, key))

    def _import_key(self, signer: Signer) -> CData:
        allocated = ffi.new("gnutls_privkey_t *")
        _check(lib.gnutls_privkey_init(allocated))
        key = allocated[0]
        if isinstance(signer, FileKey):
            der, _copy = datum(signer.pkcs8_der())
            error = lib.gnutls_privkey_import_x509_raw(key, der, gnutls.FORMAT_DER, ffi.NULL, 0)
        else:
            error = self._delegate(key, signer)
        if error < 0:
            lib.gnutls_privkey_deinit(key)
        _check(error)
        return key

    def _delegate(self, key: CData, signer: Signer) -> int:
        if isinstance(signer, DigestSigner):
            sign_digest: CData = _sign_digest
        elif signer.algorithm is SignatureAlgorithm.EDDSA:
            sign_digest = ffi.NULL
        else:
            raise Misuse("TLS identity: an ECDSA key must be exportable or a DigestSigner")
        self._signer_handle = self._signer_handle or ffi.new_handle(signer)
        return int(
            lib.gnutls_privkey_import_ext4(
                key, self._signer_handle, _sign_data, sign_digest, ffi.NULL, ffi.NULL, _key_info, 0
            )
        )


def _parse_chain(chain: tuple[bytes, ...]) -> CData:
    if not chain:
        raise Misuse("TLS identity: no certificate")
    parsed = ffi.new("gnutls_pcert_st[]", len(chain))
    for index, certificate in enumerate(chain):
        der, _copy = datum(certificate)
        error = lib.gnutls_pcert_import_x509_raw(parsed + index, der, gnutls.FORMAT_DER, 0)
        if error < 0:
            for done in range(index):
                lib.gnutls_pcert_deinit(parsed + done)
        _check(error)
    return parsed


def _parse_key(spki: bytes) -> CData:
    parsed = ffi.new("gnutls_pcert_st[]", 1)
    der, _copy = datum(spki)
    _check(
        lib.gnutls_pcert_import_rawpk_raw(
            parsed, der, gnutls.FORMAT_DER, gnutls.KEY_DIGITAL_SIGNATURE, 0
        )
    )
    return parsed


def _check(error: int) -> None:
    if error < 0:
        raise Misuse(f"TLS identity: {gnutls.message(error)}")


_SIGN = (POINTER, INT, POINTER, UNSIGNED, POINTER, POINTER)


@callback("gnutls_privkey_sign_data_func", INT, *_SIGN, failed=gnutls.E_PK_SIGN_FAILED)
def _sign_data(
    _key: int, _algorithm: int, signer: int, _flags: int, data: int, signature: int
) -> int:
    return _hand_over(owner(signer).sign(_read(data)), signature)


@callback("gnutls_privkey_sign_hash_func", INT, *_SIGN, failed=gnutls.E_PK_SIGN_FAILED)
def _sign_digest(
    _key: int, _algorithm: int, signer: int, _flags: int, digest: int, signature: int
) -> int:
    return _hand_over(owner(signer).sign_digest(_read(digest)), signature)


def _read(data: int) -> bytes:
    return gnutls.datum_bytes(ffi.cast("gnutls_datum_t *", data))


def _hand_over(made: bytes, signature: int) -> int:
    target: CData = ffi.cast("gnutls_datum_t *", signature)
    target.data = lib.gnutls_malloc(len(made))  # the library frees it
    ffi.memmove(target.data, made, len(made))
    target.size = len(made)
    return 0


@callback("gnutls_privkey_info_func", INT, POINTER, UNSIGNED, POINTER)
def _key_info(_key: int, flags: int, signer: int) -> int:
    pk_algorithm, can_sign, bits = _ALGORITHMS[owner(signer).algorithm]
    if flags & gnutls.INFO_PK_ALGORITHM:
        return pk_algorithm
    if flags & gnutls.INFO_SIGN_ALGORITHM:
        return can_sign[0]
    if flags & gnutls.INFO_HAVE_SIGN_ALGORITHM:
        return int((flags >> 20) in can_sign)
    if flags & gnutls.INFO_PK_ALGORITHM_BITS:
        return bits
    return -1
