"""What the operator of the site wants: who may onboard, and what a device's past may look like."""
