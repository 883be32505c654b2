"""What is on the wire of secure zero-touch bootstrapping, and how it travels; knows no role."""
