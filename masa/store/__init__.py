"""The MASA's tables on SQL."""
