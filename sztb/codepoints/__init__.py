"""Registered numbers and names, one registry per module, each value with its source; no logic."""
