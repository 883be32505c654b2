"""Durable state on SQL: one unit-of-work interface, hash-chained tables, migrations."""
