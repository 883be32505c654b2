"""CoAP over one secured association as machines: datagrams and time in, effects out."""
