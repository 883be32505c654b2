"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    _chain_heads()
    _devices()
    _issues()
    _actions()


def _chain_heads() -> None:
    op.create_table(
        "chain_heads",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("idevid_issuer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("serial_number", sa.String(length=64), nullable=False),
        sa.Column("idevid", sa.LargeBinary(), nullable=False),
        sa.Column("registered", sa.BigInteger(), nullable=False),
        sa.Column("coding", sa.String(length=16), nullable=False),
        sa.Column("pins", sa.String(length=32), nullable=False),
        sa.Column("blocked", sa.Text(), nullable=True),
        sa.Column("sold_to", sa.String(length=64), nullable=True),
        sa.Column("owner_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=True),
        sa.Column("owner_since", sa.BigInteger(), nullable=True),
        sa.Column("vouchers", sa.Integer(), nullable=False),
        sa.Column("last_issued", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("idevid_issuer", "serial_number"),
    )
    op.create_index("ix_devices_sold_to", "devices", ["sold_to"], unique=False)
    op.create_index("devices_by_serial_number", "devices", ["serial_number"], unique=False)


def _issues() -> None:
    op.create_table(
        "issues",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("idevid_issuer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("serial_number", sa.String(length=64), nullable=False),
        sa.Column("domain_id", sa.String(length=128), nullable=False),
        sa.Column("domain_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pinned_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nonce", sa.String(length=128), nullable=True),
        sa.Column("assertion", sa.String(length=16), nullable=False),
        sa.Column("expires_on", sa.BigInteger(), nullable=True),
        sa.Column("registrar", sa.Text(), nullable=False),
        sa.Column("registrar_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tls_client_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("rvr_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index("issues_by_device", "issues", ["serial_number", "idevid_issuer"], unique=False)


def _actions() -> None:
    op.create_table(
        "actions",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
