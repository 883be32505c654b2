"""A whole world of processes on one machine: manufacturer, site, join proxy, new devices."""
