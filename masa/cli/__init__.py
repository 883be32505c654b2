"""The manufacturer's commands: devices and audit log."""
