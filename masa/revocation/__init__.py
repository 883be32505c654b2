"""Whether the registrars' CAs are asked about revocation: one module per way."""
