"""The configuration that `init` writes."""

TEMPLATE = """\
# Configuration of sztb-masa; every key is explained in docs/configuration.md.
# Paths are taken from the folder of this file.

[listen]                          # HTTPS, for the registrars of all customers
address = "::"                    # all addresses, IPv6 and IPv4
port = {port}

[tls]                             # what the server shows; end entity first
certificate = "tls.pem"
key = "tls.key"
{password}
[signer]                          # signs vouchers; its certificate is built into the devices
certificate = "signer.pem"
key = "signer.key"
{password}
[manufacturer]                    # whose devices these are
anchors = ["manufacturer-ca.pem"]
authorities = ["idevid-ca.pem"]   # CAs below the root; registrars need not send them

[store]                           # devices and audit log
file = "masa.db"

[policy]
ownership = "first-come"          # open | first-come | sales-records
customers = "customers"           # <customer>.pem: the CAs of a customer's registrars
nonceless = "never"               # never | known-registrars
unregistered = "refuse"           # refuse | accept devices that were never minted or imported here

[factory]                         # only for 'sztb-masa device mint': keep the key off the server
certificate = "idevid-ca.pem"
key = "idevid-ca.key"
{password}masa_url = "{masa_url}"

# [health]                        # /healthz and /metrics on loopback
# port = 9100

[log]
format = "console"                # console | json
"""
