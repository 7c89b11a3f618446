"""`colonnina-station safe`: takes every contactor's pin, open, and lets go of it. For when the station is not there.

systemd runs it after every end of the station, however that came (`ExecStopPost`): a process that was killed has opened
nothing, and the kernel may leave an output as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from edge.config import Devices
from edge.selftest import Result
from hardware.ports import Contactor, Device, DeviceError


def open_all(devices: Devices) -> Iterator[Result]:
    """Each contactor first, then each control pilot. One that cannot be had keeps no other from being opened."""
    places = [
        (f"EVSE {number}, connector {place}", connector)
        for number, evse in devices.evses.items()
        for place, connector in evse.connectors.items()
    ]
    for where, connector in places:
        yield _let_go(f"{where}: contactor", connector.contactor, partial(_contactor, connector.contactor))
    for where, connector in places:
        if connector.pilot is not None:
            yield _let_go(f"{where}: pilot", connector.pilot, lambda: None)


def _let_go(name: str, device: Device, look: Callable[[], None]) -> Result:
    try:
        device.start()
        look()
        return Result(name, True, "off")
    except (DeviceError, ValueError) as error:  # PinError is a ValueError
        return Result(name, False, str(error))
    finally:
        device.stop()


def _contactor(contactor: Contactor) -> None:
    if contactor.closed:
        raise DeviceError("its contacts are closed though its coil is off: welded, or the feedback wire is off")
