"""A housing that is too hot: the real loop, the real drivers, a bench behind the ports, a thermometer's file."""

from __future__ import annotations

from pathlib import Path

from tests.support import wait_for
from tests.support.real_station import a_station


def show(path: Path, celsius: float) -> None:
    scratchpad = "72 01 4b 46 7f ff 0e 10 57"
    path.write_text(f"{scratchpad} : crc=57 YES\n{scratchpad} t={round(celsius * 1000)}\n")


def test_what_is_too_hot_is_out_of_service_until_it_has_cooled_down(tmp_path: Path) -> None:
    chip = tmp_path / "w1_slave"
    heat = f'[heat]\nmax_c = 70.0\n[heat.device]\ndriver = "ds18b20"\npath = "{chip}"\n'
    show(chip, 70.5)
    with a_station(tmp_path, more=heat) as station:
        wait_for(lambda: station.evse.faults == {"OverTemperature"}, 15)
        show(chip, 59.5)
        wait_for(lambda: station.evse.faults == frozenset(), 15)
        chip.unlink()
        wait_for(lambda: station.evse.faults == {"ThermometerSilent"}, 30)
