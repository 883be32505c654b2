"""Signed envelopes around voucher data; the received bytes are always kept."""
