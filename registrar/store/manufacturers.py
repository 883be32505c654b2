"""The manufacturer table (`registrar.interfaces.Manufacturers`)."""

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa
from cryptography import x509
from typing_extensions import override

from sztb.errors import Misuse
from sztb.pki import certificates

from ..interfaces import Manufacturers
from ..records import AuditPolicy, Manufacturer
from .schema import manufacturer_anchors, manufacturers, masa_tls_anchors

_ANCHORS = sa.select(manufacturer_anchors).order_by(manufacturer_anchors.c.position)
_MASA_ANCHORS = sa.select(masa_tls_anchors).order_by(masa_tls_anchors.c.position)


class SqlManufacturers(Manufacturers):
    """One row per manufacturer and one per anchor; R-61 keeps the two kinds in two tables."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @override
    def all(self) -> Sequence[Manufacturer]:
        anchors = self._certificates(_ANCHORS)
        masa_anchors = self._certificates(_MASA_ANCHORS)
        rows = self._connection.execute(sa.select(manufacturers).order_by(manufacturers.c.name))
        return [
            _manufacturer(row, anchors.get(row.name, ()), masa_anchors.get(row.name, ()))
            for row in rows
        ]

    def _certificates(
        self, query: sa.Select[tuple[object, ...]]
    ) -> dict[str, tuple[x509.Certificate, ...]]:
        found: dict[str, tuple[x509.Certificate, ...]] = {}
        for row in self._connection.execute(query):
            one = certificates.load(row.certificate)
            found[row.manufacturer] = (*found.get(row.manufacturer, ()), one)
        return found

    @override
    def save(self, manufacturer: Manufacturer) -> None:
        self._check_anchors(manufacturer)
        self.remove(manufacturer.name)
        self._connection.execute(sa.insert(manufacturers), _row(manufacturer))
        for position, anchor in enumerate(_distinct(manufacturer.anchors)):
            self._connection.execute(
                sa.insert(manufacturer_anchors),
                {"sha256": certificates.fingerprint(anchor)}
                | _anchor_row(manufacturer.name, position, anchor),
            )
        for position, anchor in enumerate(_distinct(manufacturer.masa_tls_anchors)):
            self._connection.execute(
                sa.insert(masa_tls_anchors), _anchor_row(manufacturer.name, position, anchor)
            )

    def _check_anchors(self, manufacturer: Manufacturer) -> None:
        for anchor in manufacturer.anchors:
            owner = self._connection.execute(
                sa.select(manufacturer_anchors.c.manufacturer).where(
                    manufacturer_anchors.c.sha256 == certificates.fingerprint(anchor)
                )
            ).scalar_one_or_none()
            if owner not in {None, manufacturer.name}:
                raise Misuse(f"the anchor {anchor.subject.rfc4514_string()} belongs to {owner}")

    @override
    def remove(self, name: str) -> bool:
        for table in (manufacturer_anchors, masa_tls_anchors):
            self._connection.execute(sa.delete(table).where(table.c.manufacturer == name))
        gone = self._connection.execute(
            sa.delete(manufacturers).where(manufacturers.c.name == name)
        )
        return gone.rowcount == 1


def _distinct(anchors: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    return list({certificates.fingerprint(one): one for one in anchors}.values())


def _anchor_row(name: str, position: int, anchor: x509.Certificate) -> dict[str, object]:
    return {
        "manufacturer": name,
        "position": position,
        "certificate": certificates.der(anchor),
    }


def _row(manufacturer: Manufacturer) -> dict[str, object]:
    return {
        "name": manufacturer.name,
        "enabled": manufacturer.enabled,
        "masa_url": manufacturer.masa_url,
        "default_masa_url": manufacturer.default_masa_url,
        "masa_client_certificate": manufacturer.masa_client_certificate,
        "serial_attribute": manufacturer.serial_attribute,
        "ignore_lifetime": manufacturer.ignore_lifetime,
        "audit": msgspec.json.encode(manufacturer.audit, order="sorted").decode(),
    }


def _manufacturer(
    row: sa.Row[tuple[object, ...]],
    anchors: tuple[x509.Certificate, ...],
    masa_tls_anchors: tuple[x509.Certificate, ...],
) -> Manufacturer:
    return Manufacturer(
        name=row.name,
        anchors=anchors,
        enabled=row.enabled,
        masa_url=row.masa_url,
        default_masa_url=row.default_masa_url,
        masa_tls_anchors=masa_tls_anchors,
        masa_client_certificate=row.masa_client_certificate,
        serial_attribute=row.serial_attribute,
        ignore_lifetime=row.ignore_lifetime,
        audit=msgspec.json.decode(row.audit, type=AuditPolicy),
    )
