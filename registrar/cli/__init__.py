"""The operator's commands beside the running registrar: manufacturers, devices, CA, journal."""
