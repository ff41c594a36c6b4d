"""How a charging station puts things in OCPP 2.1, where that differs from 2.0.1."""

from __future__ import annotations

from collections.abc import Callable

from simulator.answers import routes
from simulator.connection import Identity
from simulator.v2x.charge_point import ChargePoint201
from simulator.v2x.v21_answers import Answers21, Streams21


class ChargePoint21(ChargePoint201):
    """A charging station that speaks OCPP 2.1."""

    version = "2.1"

    def __init__(self, identity: Identity, say: Callable[[str], None] = lambda line: None) -> None:
        super().__init__(identity, say)
        self.routes |= routes(Answers21(self), Streams21(self))
