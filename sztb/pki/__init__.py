"""Keys, certificates, device identities and path building; no I/O, no clock (RFC 5280)."""

import warnings

# What the X.509 library only warns about is an error here: numbers that are not positive, names
# beyond their upper bounds, wrong characters, parameters that may not be there. One filter for
# good, because `warnings.catch_warnings` changes state that all threads share.
warnings.filterwarnings(
    "error",
    message=r"Attribute's length must be|Parsed a (negative )?serial number|Invalid ASN\.1 \(UTF-8"
    r"|The parsed certificate contains a NULL",
    category=UserWarning,
)
