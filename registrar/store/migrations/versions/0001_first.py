"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "certificates",
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("issuer_key_id", sa.LargeBinary(length=20), nullable=False),
        sa.Column("idevid_issuer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("serial_number", sa.String(length=255), nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("issued", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.LargeBinary(length=32), nullable=True),
        sa.Column("content_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index(
        "certificates_by_device", "certificates", ["serial_number", "idevid_issuer"], unique=False
    )
    op.create_index("ix_certificates_issued", "certificates", ["issued"], unique=False)
    op.create_index("ix_certificates_revoked", "certificates", ["revoked"], unique=False)
    op.create_table(
        "chain_heads",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "crls",
        sa.Column("issuer_key_id", sa.LargeBinary(length=20), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("this_update", sa.BigInteger(), nullable=False),
        sa.Column("next_update", sa.BigInteger(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("crl", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer_key_id"),
    )
    op.create_table(
        "devices",
        sa.Column("idevid_issuer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("serial_number", sa.String(length=255), nullable=False),
        sa.Column("manufacturer", sa.String(length=64), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("idevid", sa.LargeBinary(), nullable=True),
        sa.Column("pvr_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("rvr", sa.LargeBinary(), nullable=True),
        sa.Column("rvr_media_type", sa.String(length=128), nullable=True),
        sa.Column("masa_url", sa.Text(), nullable=True),
        sa.Column("ldevid_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("idevid_issuer", "serial_number"),
    )
    op.create_index("devices_by_serial_number", "devices", ["serial_number"], unique=False)
    op.create_index("ix_devices_updated", "devices", ["updated"], unique=False)
    op.create_table(
        "journal",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("idevid_issuer", sa.LargeBinary(length=20), nullable=True),
        sa.Column("serial_number", sa.String(length=255), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("alert", sa.Boolean(), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_table(
        "listed_devices",
        sa.Column("manufacturer", sa.String(length=64), nullable=False),
        sa.Column("serial_number", sa.String(length=255), nullable=False),
        sa.Column("listed", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("manufacturer", "serial_number"),
    )
    op.create_table(
        "manufacturers",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("masa_url", sa.Text(), nullable=True),
        sa.Column("default_masa_url", sa.Text(), nullable=True),
        sa.Column("masa_client_certificate", sa.Boolean(), nullable=False),
        sa.Column("serial_attribute", sa.String(length=64), nullable=False),
        sa.Column("ignore_lifetime", sa.Boolean(), nullable=False),
        sa.Column("audit", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "pending_vouchers",
        sa.Column("pvr_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("idevid_issuer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("serial_number", sa.String(length=255), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("keep_until", sa.BigInteger(), nullable=True),
        sa.Column("media_type", sa.String(length=128), nullable=True),
        sa.Column("voucher", sa.LargeBinary(), nullable=True),
        sa.Column("refusal", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pvr_sha256", "client_sha256"),
    )
    op.create_index("ix_pending_vouchers_begun", "pending_vouchers", ["begun"], unique=False)
    op.create_index(
        "pending_vouchers_by_device",
        "pending_vouchers",
        ["serial_number", "idevid_issuer"],
        unique=False,
    )
    op.create_table(
        "manufacturer_anchors",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("manufacturer", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manufacturer"],
            ["manufacturers.name"],
        ),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index(
        "ix_manufacturer_anchors_manufacturer",
        "manufacturer_anchors",
        ["manufacturer"],
        unique=False,
    )
    op.create_table(
        "masa_tls_anchors",
        sa.Column("manufacturer", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manufacturer"],
            ["manufacturers.name"],
        ),
        sa.PrimaryKeyConstraint("manufacturer", "position"),
    )
