"""The groups that ``registrar.__main__`` adds to its own commands."""

from .ca import ca
from .device import device
from .device_decisions import approve, refuse, remove
from .device_list import add, import_list
from .journal import journal
from .manufacturer import manufacturer

for command in (add, import_list, approve, refuse, remove):
    device.add_command(command)

GROUPS = (manufacturer, device, ca, journal)
