"""Migrations of the registrar's schema, run by Alembic."""
