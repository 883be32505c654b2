"""Keys, certificates, device identities and path building; no I/O, no clock (RFC 5280)."""
