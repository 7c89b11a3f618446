"""What a driver says of the vehicle, for a state of charge that the vehicle itself does not tell: cloud.domain.soc."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from cloud.domain import soc
from cloud.errors import ConflictError, NotFoundError
from cloud.present import OPEN
from cloud.store.tables import preferences, sessions


def battery_kwh(connection: Connection, user: str | None) -> float | None:
    """How much this driver's battery holds; None where nobody said."""
    size: float | None = connection.scalar(select(preferences.c.battery_kwh).where(preferences.c.user == user))
    return size


def typed(connection: Connection, user: str | None, soc_pct: float, energy_wh: int) -> dict[str, Any]:
    """The columns of a session whose driver typed a state of charge when it had so much energy.

    Raises ConflictError when it is not known how much the driver's battery holds.
    """
    size = battery_kwh(connection, user)
    if size is None:
        raise ConflictError(
            "battery_unknown", "say first how much your battery holds: vehicle.battery_kwh in your preferences"
        )
    return {
        "soc_typed_pct": soc_pct,
        "soc_typed_wh": energy_wh,
        "battery_kwh": size,
        "soc_pct": soc.estimate(soc_pct, 0, size),
        "soc_source": soc.ESTIMATED,
    }


def type_soc(connection: Connection, session: str, soc_pct: float, now: datetime) -> None:
    """The driver of a session says how full the battery is now. Raises NotFoundError, or ConflictError when it is over.

    What the vehicle tells itself counts for more.
    """
    # Locked, where the database knows that: a worker may be adding energy to it.
    row = connection.execute(select(sessions).where(sessions.c.id == session).with_for_update()).first()
    if row is None:
        raise NotFoundError(f"no session {session[:60]}")
    if row.state not in OPEN:
        raise ConflictError("ended", "this session is over already")
    columns = typed(connection, row.driver, soc_pct, row.energy_wh)
    if row.soc_pct is not None and row.soc_source != soc.ESTIMATED:
        columns |= {"soc_pct": row.soc_pct, "soc_source": row.soc_source}
    connection.execute(update(sessions).where(sessions.c.no == row.no).values(**columns, updated_at=now))
