"""Keys, certificates, device identities and path building; no I/O, no clock (RFC 5280)."""

import warnings

# What the X.509 library only warns about: names beyond their upper bounds are in the field
# ("C=Canada") and taken; numbers that are not positive, wrong characters, and parameters that may
# not be there are errors. Filters for good, because `warnings.catch_warnings` changes state that
# all threads share.
warnings.filterwarnings("ignore", message="Attribute's length must be", category=UserWarning)
warnings.filterwarnings(
    "error",
    message=r"Parsed a (negative )?serial number|Invalid ASN\.1 \(UTF-8"
    r"|The parsed certificate contains a NULL",
    category=UserWarning,
)
