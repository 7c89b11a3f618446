"""`colonnina-station selftest`: asks every device once and says in words what it answered. No power is switched on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from edge.config import Devices
from hardware.ports import (
    CardReader,
    Contactor,
    ControlPilot,
    Device,
    DeviceError,
    Meter,
    PilotState,
    PlugSensor,
    Thermometer,
    TripSensor,
    VehicleLink,
)


class Result(NamedTuple):
    """What came of asking one device. said: for a person."""

    name: str
    good: bool
    said: str


def check(devices: Devices) -> Iterator[Result]:
    """One result after the other. Every device is let go of again."""
    if devices.reader is not None:
        yield _ask("card reader", devices.reader, partial(_card, devices.reader))
    for reason, sensor in devices.trips:
        yield _ask(f"trip {reason}", sensor, partial(_trip, sensor))
    if devices.thermometer is not None:
        yield _ask("thermometer", devices.thermometer, partial(_heat, devices.thermometer))
    for number, evse in devices.evses.items():
        yield _ask(f"EVSE {number}: meter", evse.meter, partial(_meter, evse.meter))
        if evse.indicator is not None:
            yield _ask(f"EVSE {number}: indicator", evse.indicator, lambda: "its pins are ours")
        if evse.vehicle is not None:
            yield _ask(f"EVSE {number}: vehicle link", evse.vehicle, partial(_vehicle, evse.vehicle))
        for place, connector in evse.connectors.items():
            where = f"EVSE {number}, connector {place}"
            yield _ask(f"{where}: contactor", connector.contactor, partial(_contactor, connector.contactor))
            if connector.plug is not None:
                yield _ask(f"{where}: plug", connector.plug, partial(_plug, connector.plug))
            if connector.pilot is not None:
                yield _ask(f"{where}: pilot", connector.pilot, partial(_pilot, connector.pilot))


def _ask(name: str, device: Device, question: Callable[[], str]) -> Result:
    try:
        device.start()
        return Result(name, True, question())
    except (DeviceError, ValueError) as error:  # PinError is a ValueError
        return Result(name, False, str(error))
    finally:
        device.stop()


def _card(reader: CardReader) -> str:
    uid = reader.read()
    return "answers; no card is on it" if uid is None else f"answers; it reads card {uid}"


def _trip(sensor: TripSensor) -> str:
    if sensor.tripped:
        raise DeviceError("it has tripped, or its wire is off")
    return "not tripped"


def _heat(thermometer: Thermometer) -> str:
    return f"{thermometer.celsius():.1f} degrees Celsius"


def _meter(meter: Meter) -> str:
    reading = meter.read()
    return f"{reading.energy_wh / 1000:.3f} kWh, {reading.voltage_v:.0f} V, {reading.current_a:.1f} A"


def _vehicle(link: VehicleLink) -> str:
    soc_pct = link.soc_pct()
    return "answers; no vehicle does" if soc_pct is None else f"the vehicle's battery is at {soc_pct:.0f} %"


def _contactor(contactor: Contactor) -> str:
    if contactor.closed:
        raise DeviceError("its contacts are closed though nobody closed them: welded, or the feedback wire is off")
    return "open, as it must be"


def _plug(sensor: PlugSensor) -> str:
    return "a plug is in" if sensor.plugged else "no plug is in"


_PILOT = {
    PilotState.A: "no vehicle",
    PilotState.B: "a vehicle is plugged in",
    PilotState.C: "a vehicle asks for power",
    PilotState.D: "a vehicle asks for power and ventilation",
}


def _pilot(pilot: ControlPilot) -> str:
    state = pilot.state
    if state not in _PILOT:
        raise DeviceError(f"state {state.value}: shorted, or its stage has no supply")
    return f"state {state.value}: {_PILOT[state]}"
