"""The tables of the MASA, in SQL that every dialect has.

Times are milliseconds since 1970 (`times`), enumerations their text, certificates DER. Devices are
known by IDevID issuer and serial number together (design.md 6). Changes here need a migration in
``migrations/versions``.
"""

import sqlalchemy as sa

from sztb.store.chain import chained_table

metadata = sa.MetaData()

KEY_ID = sa.LargeBinary(20)
SHA256 = sa.LargeBinary(32)
SERIAL_NUMBER = sa.String(64)
CUSTOMER = sa.String(64)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("idevid_issuer", KEY_ID, primary_key=True),
    sa.Column("serial_number", SERIAL_NUMBER, primary_key=True),
    sa.Column("idevid", sa.LargeBinary, nullable=False),
    sa.Column("registered", sa.BigInteger, nullable=False),
    sa.Column("coding", sa.String(16), nullable=False),
    sa.Column("pins", sa.String(32), nullable=False),
    sa.Column("blocked", sa.Text),
    sa.Column("sold_to", CUSTOMER, index=True),
    sa.Column("owner_key", SHA256),
    sa.Column("owner_name", sa.Text),
    sa.Column("owner_since", sa.BigInteger),
    sa.Column("vouchers", sa.Integer, nullable=False),
    sa.Column("last_issued", sa.BigInteger),
    sa.Index("devices_by_serial_number", "serial_number"),
)

issues = chained_table(
    "issues",
    metadata,
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("idevid_issuer", KEY_ID, nullable=False),
    sa.Column("serial_number", SERIAL_NUMBER, nullable=False),
    sa.Column("domain_id", sa.String(128), nullable=False),
    sa.Column("domain_key", SHA256, nullable=False),
    sa.Column("pinned_key", SHA256, nullable=False),
    sa.Column("nonce", sa.String(128)),
    sa.Column("assertion", sa.String(16), nullable=False),
    sa.Column("expires_on", sa.BigInteger),
    sa.Column("registrar", sa.Text, nullable=False),
    sa.Column("registrar_sha256", SHA256, nullable=False),
    sa.Column("tls_client_sha256", SHA256),
    sa.Column("rvr_sha256", SHA256, nullable=False),
)
sa.Index("issues_by_device", issues.c.serial_number, issues.c.idevid_issuer)

actions = chained_table(
    "actions",
    metadata,
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("operator", sa.String(64), nullable=False),
    sa.Column("device", sa.String(128), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
