"""``sztb-registrar ca``: what the domain CA issued, revocation, CRL."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography import x509

from sztb.daemon.cli import report_errors
from sztb.daemon.clock import utc_now
from sztb.daemon.files import write_atomic
from sztb.daemon.output import print_json, print_table

from ..ca.revocation import REASONS, revoke_device
from ..ca.revocation import revoke as revoke_certificate
from ..policy import operator
from ..policy.operator import OperatorError
from .common import config_option, json_option, limit_option, read, with_store, write
from .rows import CERTIFICATE_COLUMNS, certificate_document, certificate_row

if TYPE_CHECKING:
    from ..ca.interfaces import StoredCertificate
    from ..settings import Settings
    from ..store.sql_store import SqlStore, SqlTransaction


@click.group()
def ca() -> None:
    """The certificates of this domain's devices (LDevIDs)."""


@ca.command("list")
@click.option("--device", help="Only those of one device.")
@click.option("--revoked", is_flag=True, help="Only revoked ones.")
@limit_option
@json_option
@config_option
@report_errors
def show_all(device: str | None, revoked: bool, limit: int, as_json: bool, config: Path) -> None:
    """Show issued certificates, the newest first."""

    def unit(tables: "SqlTransaction") -> "list[StoredCertificate]":
        if device is None:
            return list(tables.certificates.newest(limit, revoked=revoked))
        found = tables.certificates.of_device(operator.find_device(tables, device).ref)
        return [one for one in found if one.revoked or not revoked][:limit]

    rows = read(config, unit)
    if as_json:
        print_json({"certificates": [certificate_document(one) for one in rows]})
        return
    print_table(CERTIFICATE_COLUMNS, map(certificate_row, rows), "no certificates")


@ca.command()
@click.argument("numbers", nargs=-1, metavar="NUMBER...")
@click.option("--device", help="All certificates of a device that are still good.")
@click.option(
    "--reason", type=click.Choice([one.value for one in REASONS]), show_default=True,
    default=x509.ReasonFlags.unspecified.value, help="As it will stand in the CRL.",
)  # fmt: skip
@config_option
@report_errors
def revoke(numbers: tuple[str, ...], device: str | None, reason: str, config: Path) -> None:
    """Revoke certificates for good and make a new CRL.

    NUMBER is the certificate's number in hex, or its first digits. The device may enrol again;
    'device refuse' or 'device remove' end its membership as well.
    """
    if not numbers and device is None:
        raise click.UsageError("name certificate numbers, or give --device")
    why, now = x509.ReasonFlags(reason), utc_now()

    def unit(tables: "SqlTransaction") -> list[int]:
        meant = [find_certificate(tables, text).number for text in numbers]
        revoked = [number for number in meant if revoke_certificate(tables, number, why, now)]
        if device is not None:
            ref = operator.find_device(tables, device).ref
            revoked += revoke_device(tables, ref, why, now)
        return revoked

    revoked = write(config, unit)
    for number in revoked:
        click.echo(f"{number:x}: revoked")
    if not revoked:
        click.echo("nothing to revoke: all of them were revoked before or have ended")
        return
    click.echo(f"CRL number {_crl_number(_current_crl(config))} made")


def find_certificate(tables: "SqlTransaction", text: str) -> "StoredCertificate":
    """Return the certificate whose number begins with these hex digits.

    Raises:
        OperatorError: none, or several.
    """
    digits = text.lower().removeprefix("0x").replace(":", "").lstrip("0")
    found = tables.certificates.starting_with(digits) if digits else []
    if len(found) != 1:
        what = "several certificates begin" if found else "no certificate begins"
        raise OperatorError(f"{what} with '{text}'; 'ca list' shows the numbers")
    return found[0]


@ca.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file instead of standard output.",
)  # fmt: skip
@click.option("--pem", is_flag=True, help="PEM instead of DER.")
@config_option
@report_errors
def crl(out: Path | None, pem: bool, config: Path) -> None:
    """Write the current revocation list.

    A new one is made when it is due.
    """
    data = _current_crl(config)
    if pem:
        from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

        data = x509.load_der_x509_crl(data).public_bytes(Encoding.PEM)
    if out is None:
        sys.stdout.buffer.write(data)
        return
    write_atomic(out, data, mode=0o644)
    click.echo(f"wrote {out}")


def _current_crl(config: Path) -> bytes:
    from ..assembly import make_ca  # noqa: PLC0415  # reads the CA's key: only where needed

    async def work(store: "SqlStore", settings: "Settings") -> bytes:
        return await make_ca(settings.ca, store).crl(utc_now())

    return with_store(config, work)


def _crl_number(data: bytes) -> int:
    extensions = x509.load_der_x509_crl(data).extensions
    return extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
