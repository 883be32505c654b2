"""What operators did (`masa.interfaces.Actions`): a chained table that only grows."""

import sqlalchemy as sa
from typing_extensions import override

from sztb.store import chain
from sztb.store.times import to_ms

from ..interfaces import Actions
from ..records import Action
from .schema import actions


class SqlActions(Actions):
    """On one connection, inside a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @override
    def append(self, action: Action) -> None:
        row = {
            "at": to_ms(action.at),
            "name": action.name,
            "operator": action.operator,
            "device": action.device,
            "detail": action.detail,
        }
        chain.append(self._connection, actions, row)
