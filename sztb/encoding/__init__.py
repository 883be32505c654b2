"""How bytes become plain values and back: CBOR, YANG, JSON, DER, CoAP messages, links."""
