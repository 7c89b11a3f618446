"""An Eastron SDM120-Modbus meter, at the bytes: Modbus RTU, function 4.

Written without pymodbus, which the driver uses: one and the same misunderstanding on both sides would not show.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

READ_INPUT_REGISTERS = 0x04
REQUEST_LENGTH = 8
MAX_REGISTERS = 80  # 40 values in one request, Eastron's protocol document
LAST_REGISTER = 0x0157
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class MeterState:
    """What the meter shows now. energy_wh: the import register, Wh."""

    voltage_v: float = 230.0
    current_a: float = 0.0
    power_w: float = 0.0
    frequency_hz: float = 50.0
    energy_wh: float = 0.0


class Sdm120Slave:
    """One meter. state: asked at every request. silent: True, and it answers nothing."""

    def __init__(self, state: Callable[[], MeterState], send: Callable[[bytes], None], unit: int = 1) -> None:
        self.silent = False
        self._state = state
        self._send = send
        self._unit = unit
        self._received = b""

    def feed(self, data: bytes) -> None:
        """Bytes from the line. Other meters' requests and noise are passed over."""
        self._received += data
        while len(self._received) >= REQUEST_LENGTH:
            request = self._received[:REQUEST_LENGTH]
            if crc(request) != b"\x00\x00":
                self._received = self._received[1:]
                continue
            self._received = self._received[REQUEST_LENGTH:]
            if request[0] == self._unit and not self.silent:
                answer = bytes([self._unit]) + self._answer(request)
                self._send(answer + crc(answer))

    def _answer(self, request: bytes) -> bytes:
        function, first, count = struct.unpack(">BHH", request[1:6])
        if function != READ_INPUT_REGISTERS:
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        if not 0 < count <= MAX_REGISTERS or first + count - 1 > LAST_REGISTER:
            return bytes([function | 0x80, ILLEGAL_ADDRESS])
        state = self._state()
        values = {
            0x00: state.voltage_v,
            0x06: state.current_a,
            0x0C: state.power_w,
            0x46: state.frequency_hz,
            0x48: state.energy_wh / 1000,
            0x156: state.energy_wh / 1000,
        }
        data = bytearray(2 * count)
        for address, value in values.items():
            for half, word in enumerate(struct.unpack(">2s2s", struct.pack(">f", value))):
                place = 2 * (address + half - first)
                if 0 <= place < len(data):
                    data[place : place + 2] = word
        return bytes([function, len(data)]) + bytes(data)


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first as it is sent. Zero for a message that carries its right one."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)
