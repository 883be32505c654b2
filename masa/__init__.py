"""The MASA: vouches for the devices of a manufacturer."""
