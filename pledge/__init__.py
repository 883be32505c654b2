"""The device (pledge): from factory identity to a certificate of its new domain."""
