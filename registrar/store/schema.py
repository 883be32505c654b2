"""The tables of the registrar, in SQL that every dialect has.

Times are milliseconds since 1970 (`times`), enumerations their text, certificates DER. Devices are
known by IDevID issuer and serial number together (design.md 6). Changes here need a migration in
``migrations/versions``.
"""

import sqlalchemy as sa

from sztb.store.chain import chained_table

metadata = sa.MetaData()

KEY_ID = sa.LargeBinary(20)
SHA256 = sa.LargeBinary(32)
NUMBER = sa.String(40)  # a certificate number, lower-case hex

manufacturers = sa.Table(
    "manufacturers",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("masa_url", sa.Text),
    sa.Column("default_masa_url", sa.Text),
    sa.Column("masa_client_certificate", sa.Boolean, nullable=False),
    sa.Column("serial_attribute", sa.String(64), nullable=False),
    sa.Column("ignore_lifetime", sa.Boolean, nullable=False),
    sa.Column("audit", sa.Text, nullable=False),  # JSON of AuditPolicy
)

# who may have made a device, and whom we call as its MASA, are two tables
manufacturer_anchors = sa.Table(
    "manufacturer_anchors",
    metadata,
    sa.Column("sha256", SHA256, primary_key=True),  # so that an anchor has one manufacturer
    sa.Column("manufacturer", sa.ForeignKey("manufacturers.name"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
)

masa_tls_anchors = sa.Table(
    "masa_tls_anchors",
    metadata,
    sa.Column("manufacturer", sa.ForeignKey("manufacturers.name"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("idevid_issuer", KEY_ID, primary_key=True),
    sa.Column("serial_number", sa.String(255), primary_key=True),
    sa.Column("manufacturer", sa.String(64), nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False, index=True),
    sa.Column("standing", sa.String(16), nullable=False),
    sa.Column("state", sa.String(24), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("idevid", sa.LargeBinary),
    sa.Column("pvr_sha256", SHA256),
    sa.Column("rvr", sa.LargeBinary),
    sa.Column("rvr_media_type", sa.String(128)),
    sa.Column("masa_url", sa.Text),
    sa.Column("ldevid_sha256", SHA256),
    sa.Index("devices_by_serial_number", "serial_number"),
)

# Listed before they were ever seen: which CA of the manufacturer issued the IDevID is open yet
listed_devices = sa.Table(
    "listed_devices",
    metadata,
    sa.Column("manufacturer", sa.String(64), primary_key=True),
    sa.Column("serial_number", sa.String(255), primary_key=True),
    sa.Column("listed", sa.BigInteger, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

pending_vouchers = sa.Table(
    "pending_vouchers",
    metadata,
    sa.Column("pvr_sha256", SHA256, primary_key=True),
    sa.Column("client_sha256", SHA256, primary_key=True),
    sa.Column("idevid_issuer", KEY_ID, nullable=False),
    sa.Column("serial_number", sa.String(255), nullable=False),
    sa.Column("begun", sa.BigInteger, nullable=False, index=True),
    sa.Column("lease_until", sa.BigInteger),  # somebody asks the MASA until then
    sa.Column("keep_until", sa.BigInteger),  # set with the answer
    sa.Column("media_type", sa.String(128)),
    sa.Column("voucher", sa.LargeBinary),
    sa.Column("refusal", sa.String(64)),
    sa.Column("detail", sa.Text),
    sa.Index("pending_vouchers_by_device", "serial_number", "idevid_issuer"),
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Column("issuer_key_id", KEY_ID, nullable=False),
    sa.Column("idevid_issuer", KEY_ID, nullable=False),
    sa.Column("serial_number", sa.String(255), nullable=False),
    sa.Column("spki_sha256", SHA256, nullable=False),
    sa.Column("issued", sa.BigInteger, nullable=False, index=True),
    sa.Column("not_after", sa.BigInteger, nullable=False),
    sa.Column("request_id", SHA256, unique=True),  # est-D18; NULL once it answers no retry
    sa.Column("content_sha256", SHA256, nullable=False),
    sa.Column("revoked", sa.BigInteger, index=True),
    sa.Column("reason", sa.String(32)),
    sa.Index("certificates_by_device", "serial_number", "idevid_issuer"),
)

crls = sa.Table(
    "crls",
    metadata,
    sa.Column("issuer_key_id", KEY_ID, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("this_update", sa.BigInteger, nullable=False),
    sa.Column("next_update", sa.BigInteger, nullable=False),
    sa.Column("stale", sa.Boolean, nullable=False),  # something was revoked since
    sa.Column("crl", sa.LargeBinary, nullable=False),
)

journal = chained_table(
    "journal",
    metadata,
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("idevid_issuer", KEY_ID),
    sa.Column("serial_number", sa.String(255)),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("rule", sa.String(32), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("alert", sa.Boolean, nullable=False),
)
