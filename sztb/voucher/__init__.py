"""The voucher and voucher-request: one leaf table, one model, several codings."""
