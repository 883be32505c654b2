"""TLS and DTLS without sockets: what an engine is, and the one built on GnuTLS."""
