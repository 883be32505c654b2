"""The independent check: it reads files and asks `cryptography`, none of the suite's own code."""

import base64
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .build import World


class NotAccepted(Exception):
    """What a device ended with is not what it should be."""


def check_device(world: World, serial_number: str, issued: set[str]) -> str:
    """Check one device and return the SHA-256 of its LDevID in hex.

    The LDevID is signed by the domain CA, is in the CA's list, carries the device's serial number
    and is on a key that is not the factory's.

    Args:
        world: where to look.
        serial_number: the device.
        issued: numbers of the certificates the CA says it issued, in lower-case hex.

    Raises:
        NotAccepted: says what is wrong.
    """
    current = world.device(serial_number) / "state" / "current"
    if not current.exists():
        raise NotAccepted("no LDevID")
    ldevid = x509.load_pem_x509_certificates((current / "ldevid.pem").read_bytes())[0]
    idevid = x509.load_pem_x509_certificates(_factory(world, serial_number).read_bytes())[0]
    ca = x509.load_pem_x509_certificate(world.domain_ca.read_bytes())
    key = serialization.load_pem_private_key((current / "key.pem").read_bytes(), None)
    ldevid.verify_directly_issued_by(ca)
    digest = ldevid.fingerprint(hashes.SHA256())
    numbers = [row.value for row in ldevid.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)]
    if numbers != [serial_number]:
        raise NotAccepted(f"LDevID names {numbers}")
    if ldevid.public_key() != key.public_key():
        raise NotAccepted("the key does not belong to the LDevID")
    if ldevid.public_key() == idevid.public_key():
        raise NotAccepted("the LDevID is on the factory's key")
    if f"{ldevid.serial_number:x}" not in issued:
        raise NotAccepted("the CA does not know the LDevID")
    return digest.hex()


def _factory(world: World, serial_number: str) -> Path:
    return world.device(serial_number) / "factory" / "idevid.pem"


def check_keys_stayed(world: World, serial_numbers: list[str]) -> None:
    """Look into every file of manufacturer, site, proxy and logs for the devices' private keys.

    Raises:
        NotAccepted: names the file.
    """
    secrets: list[bytes] = []
    for serial_number in serial_numbers:
        path = world.device(serial_number) / "state" / "current" / "key.pem"
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            number = key.private_numbers().private_value
            raw = number.to_bytes((key.key_size + 7) // 8, "big")
            secrets += [raw, raw.hex().encode(), base64.b64encode(raw)[:40]]
    places = (world.masa_config.parent, world.registrar_config.parent, world.folder / "logs")
    for place in places:
        for path in place.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            if any(secret in content for secret in secrets):
                raise NotAccepted(f"a device's private key is in {path}")
