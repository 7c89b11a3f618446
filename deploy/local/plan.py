"""What the demo consists of: ports, folders, accounts, stations. Pure, but for the secrets it makes once."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from cloud.store.registry import ConnectorSpec, EvseSpec
from hardware.emulators.bench import ConnectorBench, EvseBench

HOST = "127.0.0.1"
PASSWORD = "colonnina"  # noqa: S105 - the demo's, printed on the console, for accounts that only loopback can reach

#: Demo cards: UID -> the e-mail of its driver. All may charge.
CARDS = {
    "04A1B2C3D4E5F6": "driver@demo.test",
    "04B1C2D3E4F506": "giulia@demo.test",
    "04C1D2E3F40516": "marco@demo.test",
    "A1B2C3D4": "sara@demo.test",
}
#: A card that nobody knows.
UNKNOWN_CARD = "04FFEEDDCCBBAA"

_TYPE2 = ("Type2", 7.4)
_SCHUKO = ("Schuko", 2.3)


@dataclass(frozen=True, slots=True)
class DemoStation:
    """One emulated station. evses: for each EVSE its connectors, each (type, max kW).

    piloted: its first connector has a control pilot; all others have plug switches.
    """

    id: str
    evses: tuple[tuple[tuple[str, float], ...], ...]
    piloted: bool = False

    @property
    def specs(self) -> tuple[EvseSpec, ...]:
        """As it is registered at the CSMS."""
        return tuple(
            EvseSpec(
                number,
                tuple(ConnectorSpec(place, kind, "AC", max_kw) for place, (kind, max_kw) in enumerate(sockets, 1)),
            )
            for number, sockets in enumerate(self.evses, 1)
        )

    @property
    def bench(self) -> tuple[EvseBench, ...]:
        """As its bench emulates it. Connectors take the pin sets 1, 2, ... in turn."""
        pin_set = 0
        result = []
        for number, sockets in enumerate(self.evses, 1):
            connectors = []
            for _, max_kw in sockets:
                pin_set += 1
                connector = ConnectorBench.numbered(pin_set, max_kw * 1000 / 230)
                connectors.append(replace(connector, pilot=PILOT) if self.piloted and pin_set == 1 else connector)
            result.append(EvseBench(tuple(connectors), f"led_{number}", register_wh=1_000.0 * number))
        return tuple(result)


#: The same in OCPP's words, ConnectorEnumType.
_OCPP_TYPES = {"Type2": "sType2", "Schuko": "Other1PhMax16A"}
PILOT = "pilot_1"
#: Every third station has a control pilot.
_LAYOUTS = (((_TYPE2,),), ((_TYPE2, _SCHUKO),), ((_TYPE2,), (_TYPE2,)))


class Plan(msgspec.Struct, frozen=True):
    """port: of the pages; the broker is at port + 2, the workbench at + 3, the letterbox at + 4 and + 5.

    data: folder, absolute. speed: by how much batteries are smaller. visitors: whether cars come and go by themselves.
    """

    port: int
    stations: int
    speed: float
    data: Path
    visitors: bool = True

    @property
    def mqtt_port(self) -> int:
        return self.port + 2

    @property
    def workbench_port(self) -> int:
        return self.port + 3

    @property
    def letterbox_port(self) -> int:
        return self.port + 4

    @property
    def smtp_port(self) -> int:
        return self.port + 5

    @property
    def letterbox_folder(self) -> Path:
        return self.data / "letterbox"

    @property
    def ports(self) -> dict[str, int]:
        ours = {"pages": self.port, "MQTT": self.mqtt_port, "workbench": self.workbench_port}
        return ours | {"letterbox": self.letterbox_port, "SMTP": self.smtp_port}

    @property
    def demo_stations(self) -> list[DemoStation]:
        return [
            DemoStation(f"cs-{number}", _LAYOUTS[(number - 1) % 3], piloted=number % 3 == 1)
            for number in range(1, self.stations + 1)
        ]

    @property
    def visited(self) -> list[str]:
        """Stations whose cars come and go by themselves. The last of several is left to whoever is watching."""
        ids = [station.id for station in self.demo_stations] if self.visitors else []
        return ids[:-1] if len(ids) > 1 else ids

    def bench_folder(self, station: str) -> Path:
        return self.data / "bench" / station

    def station_file(self, station: str) -> Path:
        return self.data / "stations" / f"{station}.toml"

    @property
    def bench_file(self) -> Path:
        return self.data / "bench.json"

    def save(self) -> None:
        """For the bench process, which reads it with `load`."""
        self.bench_file.write_bytes(msgspec.json.encode(msgspec.structs.replace(self, data=str(self.data))))

    @property
    def csms_file(self) -> Path:
        return self.data / "csms.toml"

    def secrets(self) -> dict[str, str]:
        """Broker passwords by account: made once, kept in `data`, readable by their owner only."""
        path = self.data / "secrets.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        for account in ("csms", *(station.id for station in self.demo_stations)):
            known.setdefault(account, secrets.token_urlsafe(16))
        path.touch(0o600)
        path.write_text(json.dumps(known))
        return known


def load(path: Path) -> Plan:
    """A plan that was saved."""
    return msgspec.json.decode(path.read_bytes(), type=Plan, dec_hook=lambda kind, value: kind(value))


def station_toml(plan: Plan, station: DemoStation, password: str) -> str:
    """The configuration of one emulated station: the real drivers, on the bench's serial ports."""
    bench = plan.bench_folder(station.id)
    lines = [
        "[station]",
        f'id = "{station.id}"',
        f'data = "{plan.data / "stations" / station.id}"',
        'model = "Demo"',
        "[broker]",
        f'host = "{HOST}"',
        f"port = {plan.mqtt_port}",
        f'username = "{station.id}"',
        f'password = "{password}"',
        "[pins]",
        f'wire = "{bench / "pins"}"',
        "[behaviour]",
        "sample_s = 5.0",
        "answer_s = 5.0",
        "[reader]",
        'driver = "pn532-uart"',
        f'port = "{bench / "nfc"}"',
    ]
    for reason, pin in (("EmergencyStop", "emergency_stop"), ("ResidualCurrent", "rcd_trip")):
        lines += ["[[trip]]", f'reason = "{reason}"', "[trip.device]", 'driver = "nc-contact"', f'pin = "{pin}"']
    pin_set = 0
    for number, sockets in enumerate(station.evses, 1):
        lines += [
            "[[evse]]",
            f"number = {number}",
            "[evse.meter]",
            'driver = "sdm120"',
            f'port = "{bench / f"meter-{number}"}"',
            "[evse.vehicle]",
            'driver = "elm327"',
            f'port = "{bench / f"vehicle-{number}"}"',
            "[evse.indicator]",
            'driver = "rgb-led"',
            *(f'{colour} = "led_{number}_{colour}"' for colour in ("red", "green", "blue")),
        ]
        for place in range(1, len(sockets) + 1):
            pin_set += 1
            lines += [
                "[[evse.connector]]",
                f"number = {place}",
                f'type = "{_OCPP_TYPES[sockets[place - 1][0]]}"',
                "[evse.connector.contactor]",
                'driver = "contactor"',
                f'pin = "contactor_{pin_set}"',
                f'feedback = "contactor_{pin_set}_feedback"',
            ]
            if station.piloted and pin_set == 1:
                lines += ["[evse.connector.pilot]", 'driver = "pwm-ads1115"', f'pin = "{PILOT}"']
            else:
                lines += ["[evse.connector.plug]", 'driver = "plug-switch"', f'pin = "plug_{pin_set}"']
    return "\n".join(lines) + "\n"


def csms_toml(plan: Plan, password: str, *, manages_accounts: bool = False) -> str:
    """The configuration of the demo's CSMS. manages_accounts: the broker makes accounts while it runs."""
    return "\n".join(
        [
            "[csms]",
            f'data = "{plan.data / "csms"}"',
            "heartbeat_s = 10",
            "[broker]",
            f'host = "{HOST}"',
            f"port = {plan.mqtt_port}",
            'username = "csms"',
            f'password = "{password}"',
            "[web]",
            f'host = "{HOST}"',
            f"port = {plan.port}",
            "[accounts]",
            f'manager = "{"dynamic-security" if manages_accounts else "none"}"',
            "[notify]",
            f'smtp_host = "{HOST}"',
            f"smtp_port = {plan.smtp_port}",
            'smtp_security = "none"',
            'sender = "Colonnina <csms@demo.test>"',
            'contact = "mailto:operator@demo.test"',
            f'push_services = ["http://{HOST}:{plan.letterbox_port}"]',
            'apprise_schemes = ["ntfy"]',
            f'apprise_hosts = ["{HOST}:{plan.letterbox_port}"]',
            "",
        ]
    )
