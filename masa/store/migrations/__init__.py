"""Migrations of the MASA's schema, run by Alembic."""
