"""The built-in domain CA: what it signs, for whom, and what it keeps (est.md 7, 9, 13)."""
