"""BRSKI beside the voucher: telemetry, audit log, MASA URL, provisional state."""
