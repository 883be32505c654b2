"""YANG SIDs of the voucher modules (rfc8366bis 8.5, 9.3); the leaves are in voucher.leaves."""

VOUCHER = 2451  # ietf-voucher:voucher
VOUCHER_REQUEST = 2501  # ietf-voucher-request:voucher

VOUCHER_NAME = "ietf-voucher:voucher"
VOUCHER_REQUEST_NAME = "ietf-voucher-request:voucher"

ABSOLUTE_SID_TAG = 47  # RFC 9254 4.2.1, 9.3
