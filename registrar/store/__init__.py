"""The registrar's database: SQL behind the Protocols of `registrar.interfaces` (design.md 6)."""
