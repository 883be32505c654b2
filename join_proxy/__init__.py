"""The join proxy: relays strangers to the registrar and knows nothing about them."""
