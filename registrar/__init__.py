"""The registrar: admits devices for a domain and enrols them."""
