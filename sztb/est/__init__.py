"""EST messages."""
