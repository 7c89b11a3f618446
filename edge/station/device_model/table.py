"""The whole table, in the order in which it is reported."""

from __future__ import annotations

from edge.station.device_model.controllers import ROWS as CONTROLLERS
from edge.station.device_model.equipment import ROWS as EQUIPMENT

ROWS = EQUIPMENT + CONTROLLERS
