"""What the manufacturer does before a device leaves: keys, IDevIDs, registration."""
