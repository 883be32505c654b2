"""How bytes become plain values and back: CBOR, YANG-CBOR, YANG-JSON, DER, link format, multipart."""
