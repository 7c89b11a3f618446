"""The station's device model (OCPP 2.0.1 part 2, B05 to B08): what the CSMS may read, and what it may set. Pure.

`controllers.py` and `equipment.py` are the table, a row for each variable; `row.py` says what a row is. `model.py`
makes of it the variables of one station, `setting.py` changes them and brings them back after a power cut, `reports.py`
tells them, `limits.py` says how much fits into one message. `docs/reference/variables.md` shows the table:

    python -m edge.station.device_model > docs/reference/variables.md
"""

from __future__ import annotations

from edge.station.device_model.limits import (
    BYTES_PER_MESSAGE,
    ITEMS_PER_MESSAGE,
    RECORDS_PER_MESSAGE,
    within_limit,
)
from edge.station.device_model.model import Model, Variable
from edge.station.device_model.reports import base_report, custom_report, notify
from edge.station.device_model.row import Row, View
from edge.station.device_model.setting import apply_kept, set_variable
from edge.station.device_model.table import ROWS

__all__ = [
    "BYTES_PER_MESSAGE",
    "ITEMS_PER_MESSAGE",
    "RECORDS_PER_MESSAGE",
    "ROWS",
    "Model",
    "Row",
    "Variable",
    "View",
    "apply_kept",
    "base_report",
    "custom_report",
    "notify",
    "set_variable",
    "within_limit",
]
