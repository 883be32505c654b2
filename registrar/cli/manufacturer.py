"""``sztb-registrar manufacturer``: whose devices may come (R-13, R-37, R-61)."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography import x509

from sztb.daemon.cli import report_errors
from sztb.daemon.clock import utc_now
from sztb.daemon.output import Value, print_json, print_table
from sztb.pki import certificates

from ..policy.operator import OperatorError
from ..records import AuditPolicy, JournalEntry, Manufacturer
from .common import config_option, file_type, json_option, read, write
from .manufacturer_values import check_masa_url, check_serial_field, read_anchors

if TYPE_CHECKING:
    from ..store.sql_store import SqlTransaction


@click.group()
def manufacturer() -> None:
    """Manufacturers whose devices may onboard here.

    A manufacturer is known by the CA certificates (anchors) its devices' IDevIDs chain to. The
    running registrar sees changes within seconds.
    """


@manufacturer.command()
@click.argument("name")
@click.option(
    "--anchor", "anchors", type=file_type, multiple=True, required=True,
    help="PEM file with CA certificates of its IDevIDs; repeatable.",
)  # fmt: skip
@click.option("--masa-url", help="Use this MASA instead of the one named in the IDevIDs.")
@click.option("--default-masa-url", help="The MASA of IDevIDs that name none.")
@click.option(
    "--masa-anchor", "masa_anchors", type=file_type, multiple=True,
    help="PEM file with CAs of its MASA's TLS certificate; default: the system's; repeatable.",
)  # fmt: skip
@click.option(
    "--serial-field", default="serialNumber", show_default=True,
    help="Subject attribute with the serial number: serialNumber, CN, UID or a dotted OID.",
)  # fmt: skip
@click.option(
    "--honour-lifetime/--ignore-lifetime", default=True, show_default=True,
    help="Whether the validity dates of its IDevIDs count.",
)  # fmt: skip
@click.option(
    "--client-certificate/--no-client-certificate", default=True, show_default=True,
    help="Show the registrar certificate to its MASA.",
)  # fmt: skip
@click.option("--ignore-history", is_flag=True, help="Do not ask for audit logs.")
@click.option(
    "--known-domain", "known_domains", multiple=True, metavar="DOMAIN_ID",
    help="Former owner (base64 domainID) whose entries in an audit log are fine; repeatable.",
)  # fmt: skip
@click.option(
    "--nonceless-domain", "nonceless_domains", multiple=True, metavar="DOMAIN_ID",
    help="Known domain that may have got nonceless vouchers; repeatable.",
)  # fmt: skip
@click.option("--accept-unknown-domains", is_flag=True, help="Any former owner is fine.")
@click.option("--accept-incomplete-log", is_flag=True, help="A truncated audit log is fine.")
@click.option("--replace", "replacing", is_flag=True, help="Replace it if it is there already.")
@config_option
@report_errors
def add(  # one parameter per option
    name: str,
    anchors: tuple[Path, ...],
    masa_url: str | None,
    default_masa_url: str | None,
    masa_anchors: tuple[Path, ...],
    serial_field: str,
    honour_lifetime: bool,
    client_certificate: bool,
    ignore_history: bool,
    known_domains: tuple[str, ...],
    nonceless_domains: tuple[str, ...],
    accept_unknown_domains: bool,
    accept_incomplete_log: bool,
    replacing: bool,
    config: Path,
) -> None:
    """Accept the devices of manufacturer NAME."""
    new = Manufacturer(
        name=name,
        anchors=read_anchors(anchors),
        masa_url=check_masa_url(masa_url),
        default_masa_url=check_masa_url(default_masa_url),
        masa_tls_anchors=read_anchors(masa_anchors),
        masa_client_certificate=client_certificate,
        serial_attribute=check_serial_field(serial_field),
        ignore_lifetime=not honour_lifetime,
        audit=AuditPolicy(
            required=not ignore_history,
            known_domain_ids=frozenset(known_domains) | frozenset(nonceless_domains),
            allow_unknown_domains=accept_unknown_domains,
            nonceless_domain_ids=frozenset(nonceless_domains),
            allow_arbitrary_truncation=accept_incomplete_log,
        ),
    )
    write(config, lambda tables: _save(tables, new, replacing=replacing))
    click.echo(f"{name}: accepted, {len(new.anchors)} anchor(s)")


def _save(tables: "SqlTransaction", new: Manufacturer, *, replacing: bool) -> None:
    if not replacing and any(one.name == new.name for one in tables.manufacturers.all()):
        raise OperatorError(f"{new.name} is there already; --replace changes it")
    tables.manufacturers.save(new)
    _note(tables, "manufacturer-accepted", new.name)


def _note(tables: "SqlTransaction", event: str, name: str) -> None:
    tables.journal.append(JournalEntry(utc_now(), event, None, detail=name))


@manufacturer.command("list")
@json_option
@config_option
@report_errors
def show_all(as_json: bool, config: Path) -> None:
    """Show the accepted manufacturers."""
    found = read(config, lambda tables: tables.manufacturers.all())
    if as_json:
        print_json({"manufacturers": [_document(one) for one in found]})
        return
    rows = [
        (
            one.name,
            "yes" if one.enabled else "no",
            one.masa_url or (one.default_masa_url and f"{one.default_masa_url} (default)")
            or "as the IDevID says",
            "\n".join(anchor.subject.rfc4514_string() for anchor in one.anchors),
        )
        for one in found
    ]  # fmt: skip
    print_table(
        ("name", "enabled", "MASA", "anchors"), rows,
        "no manufacturer yet: 'manufacturer add NAME --anchor FILE' accepts one",
    )  # fmt: skip


def _document(one: Manufacturer) -> dict[str, Value]:
    return {
        "name": one.name,
        "enabled": one.enabled,
        "masa_url": one.masa_url,
        "default_masa_url": one.default_masa_url,
        "serial_attribute": one.serial_attribute,
        "ignore_lifetime": one.ignore_lifetime,
        "masa_client_certificate": one.masa_client_certificate,
        "anchors": [_anchor(anchor) for anchor in one.anchors],
        "masa_tls_anchors": [_anchor(anchor) for anchor in one.masa_tls_anchors],
        "audit": {
            "required": one.audit.required,
            "known_domain_ids": sorted(one.audit.known_domain_ids),
            "allow_unknown_domains": one.audit.allow_unknown_domains,
            "nonceless_domain_ids": sorted(one.audit.nonceless_domain_ids),
            "allow_arbitrary_truncation": one.audit.allow_arbitrary_truncation,
        },
    }


def _anchor(anchor: x509.Certificate) -> dict[str, Value]:
    return {
        "subject": anchor.subject.rfc4514_string(),
        "sha256": certificates.fingerprint(anchor).hex(),
    }


@manufacturer.command()
@click.argument("name")
@config_option
@report_errors
def enable(name: str, config: Path) -> None:
    """Admit new devices of it again."""
    _switch(config, name, enabled=True)


@manufacturer.command()
@click.argument("name")
@config_option
@report_errors
def disable(name: str, config: Path) -> None:
    """Admit no new devices of it; members stay."""
    _switch(config, name, enabled=False)


def _switch(config: Path, name: str, *, enabled: bool) -> None:
    def unit(tables: "SqlTransaction") -> None:
        for one in tables.manufacturers.all():
            if one.name == name:
                tables.manufacturers.save(replace(one, enabled=enabled))
                _note(tables, f"manufacturer-{'enabled' if enabled else 'disabled'}", name)
                return
        raise _unknown(name)

    write(config, unit)
    click.echo(f"{name}: {'enabled' if enabled else 'disabled'}")


@manufacturer.command()
@click.argument("name")
@config_option
@report_errors
def remove(name: str, config: Path) -> None:
    """Forget a manufacturer.

    Its devices cannot onboard any more; members stay until they are removed.
    """

    def unit(tables: "SqlTransaction") -> None:
        if not tables.manufacturers.remove(name):
            raise _unknown(name)
        _note(tables, "manufacturer-removed", name)

    write(config, unit)
    click.echo(f"{name}: removed; 'device list --manufacturer {name}' shows what is left of it")


def _unknown(name: str) -> OperatorError:
    return OperatorError(f"no manufacturer '{name}'; 'manufacturer list' shows those there are")
