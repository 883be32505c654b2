"""The manufacturer's rules: who owns a device, and what is signed for whom."""
