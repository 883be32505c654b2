"""How bytes travel: DTLS, TLS, CoAPS, HTTPS, memory."""
