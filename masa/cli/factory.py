"""``sztb-masa device mint`` and ``device import``: the factory's commands."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sztb.daemon.cli import report_errors
from sztb.daemon.clock import random_bytes, utc_now
from sztb.daemon.files import read_limited
from sztb.errors import Malformed, SztbError
from sztb.pki.keys import SignatureAlgorithm

from .. import signer
from ..assembly import make_manufacturer
from ..credentials import MAX_FILE, read_chain, read_issuer, read_password
from ..factory.line import Line, register
from ..factory.mint import IdevidCa, Order, imported
from ..factory.orders import MAX_BATCH_BYTES, read_orders
from ..records import Abilities, Action, Keys, Pins
from ..settings import Settings
from .common import config_option, file_type, operator, with_store

if TYPE_CHECKING:
    from ..store.sql_store import SqlStore

_ABILITIES = (
    click.option(
        "--keys",
        type=click.Choice([each.value for each in Keys]),
        default=Keys.SID.value,
        show_default=True,
        help="Coding of the keys in vouchers: what the device's firmware reads.",
    ),
    click.option(
        "--pins",
        type=click.Choice([each.value for each in Pins]),
        default=Pins.CERTIFICATE.value,
        show_default=True,
        help="What vouchers may pin: what the device's firmware can compare.",
    ),
    click.option("--sold-to", metavar="CUSTOMER", help="Who bought the devices."),
)


def _with_abilities(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_ABILITIES):
        command = option(command)
    return command


@click.command("mint")
@config_option
@click.option("--serial", "serial_numbers", multiple=True, help="Serial number; repeatable.")
@click.option(
    "--csv",
    "batch",
    type=file_type,
    help="Many devices; columns: serial_number and, as wanted, common_name, sold_to, keys, pins,"
    " csr (a file).",
)
@click.option("--csr", type=file_type, help="PKCS#10 of the one device; else a key is made.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for each device is made here: idevid.pem, idevid.key, masa.pem.",
)
@click.option("--common-name", help="Added to the subject, for example the product's name.")
@click.option(
    "--key-type",
    type=click.Choice([each.value for each in SignatureAlgorithm]),
    default=SignatureAlgorithm.ES256.value,
    show_default=True,
    help="Of the keys that are made here.",
)
@_with_abilities
@click.option(
    "--password-file", type=file_type, help="Encrypt the keys with the first line of this file."
)
@report_errors
def mint_devices(
    config: Path,
    serial_numbers: tuple[str, ...],
    batch: Path | None,
    csr: Path | None,
    out: Path,
    common_name: str | None,
    key_type: str,
    keys: str,
    pins: str,
    sold_to: str | None,
    password_file: Path | None,
) -> None:
    """Make devices: an IDevID and a key for each, registered with the MASA.

    Run it again after an interruption: devices that are finished are registered and left alone.
    """
    if csr and (batch or len(serial_numbers) != 1):
        raise click.UsageError("--csr goes with exactly one --serial (a CSV has a column for it)")
    if not serial_numbers and not batch:
        raise click.UsageError("name devices with --serial or --csv")
    request = read_request(csr) if csr else None
    abilities = Abilities(Keys(keys), Pins(pins))
    default = Order("", request, common_name, abilities, sold_to, SignatureAlgorithm(key_type))
    orders = [replace(default, serial_number=one) for one in serial_numbers]
    orders += _batch(batch, default) if batch else []
    password = read_password(password_file)

    async def work(store: "SqlStore", settings: Settings) -> int:
        return await _run(make_line(store, settings, out, password), orders)

    new = with_store(config, work)
    click.echo(f"{len(orders)} devices in {out}, {new} of them new")


def _batch(path: Path, default: Order) -> list[Order]:
    data = read_limited(path, MAX_BATCH_BYTES)
    try:
        return read_orders(data, default, lambda name: read_request(path.parent / name))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error


async def _run(line: Line, orders: Sequence[Order]) -> int:
    """Run the line, with a progress bar where somebody looks."""
    terminal = sys.stderr
    if not terminal.isatty():
        return await line.run(orders, lambda: None)
    with click.progressbar(length=len(orders), label="minting", file=terminal) as bar:
        return await line.run(orders, partial(bar.update, 1))


def make_line(store: "SqlStore", settings: Settings, out: Path, password: bytes | None) -> Line:
    """Put the production line together.

    Raises:
        Malformed: there is no ``[factory]``, or one of its files is not what it should be.
        OSError: a file cannot be read.
    """
    if settings.factory is None:
        raise Malformed("the configuration has no [factory]: devices are minted elsewhere")
    manufacturer = make_manufacturer(settings)
    above = read_chain(settings.factory.certificate)[1:]
    ca = IdevidCa(
        issuer=read_issuer(settings.factory),
        above=tuple(one for one in above if not manufacturer.anchors.contains(one)),
        masa_url=settings.factory.masa_url,
        voucher_key=signer.load(settings.signer),
    )
    if not manufacturer.issued(ca.issuer.certificate, above):
        raise Malformed(f"{settings.factory.certificate}: not under manufacturer.anchors")
    return Line(
        ca=ca,
        manufacturer=manufacturer,
        store=store,
        folder=out,
        password=password,
        operator=operator(),
        serials_unique=settings.policy.serial_numbers_unique,
        now=utc_now,
        random=random_bytes,
    )


def read_request(path: Path) -> bytes:
    """Return the DER of a PKCS#10 file, PEM or DER.

    Raises:
        Malformed: PEM of something else.
        OSError: it cannot be read.
    """
    data = read_limited(path, MAX_FILE)
    if not data.lstrip().startswith(b"-----BEGIN"):
        return data
    try:
        return x509.load_pem_x509_csr(data).public_bytes(Encoding.DER)
    except ValueError as error:
        raise Malformed(f"{path}: not a certification request") from error


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=file_type)
@config_option
@_with_abilities
@report_errors
def import_devices(
    files: tuple[Path, ...], config: Path, keys: str, pins: str, sold_to: str | None
) -> None:
    """Register devices whose IDevIDs were made elsewhere.

    FILES are PEM, the IDevID first, then the CAs between it and an anchor of the configuration.
    """
    order = Order("", abilities=Abilities(Keys(keys), Pins(pins)), sold_to=sold_to)

    async def work(store: "SqlStore", settings: Settings) -> int:
        manufacturer, now = make_manufacturer(settings), utc_now()
        records = []
        for path in files:
            idevid, *above = read_chain(path)
            if not manufacturer.issued(idevid, above):
                raise Malformed(f"{path}: not under manufacturer.anchors")
            try:
                records.append(imported(idevid, now, order))
            except SztbError as error:
                raise Malformed(f"{path}: {error}") from error
        action = Action(now, "devices-imported", operator(), "", f"{len(records)} devices")
        unique = settings.policy.serial_numbers_unique
        return await store.write(
            lambda transaction: register(transaction, records, action, serials_unique=unique)
        )

    new = with_store(config, work)
    click.echo(f"{len(files)} devices, {new} of them new")
