"""EST as it is on the wire: messages, CSR attributes, who may ask for what (RFC 7030, RFC 9148)."""
