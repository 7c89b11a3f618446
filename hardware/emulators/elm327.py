"""An ELM327 dongle with a vehicle, or none, behind it: answers as the data sheet says, prompt and all."""

from __future__ import annotations

from collections.abc import Callable

VERSION = "ELM327 v1.5"


class Elm327Dongle:
    """soc_pct: asked at every question; None when no vehicle answers."""

    def __init__(self, soc_pct: Callable[[], float | None], send: Callable[[bytes], None]) -> None:
        self._soc_pct = soc_pct
        self._send = send
        self._received = b""
        self._echo = True

    def feed(self, data: bytes) -> None:
        """Bytes from the host, in pieces of any size."""
        self._received += data
        while b"\r" in self._received:
            line, _, self._received = self._received.partition(b"\r")
            echo = line + b"\r" if self._echo else b""
            answer = self._answer(line.decode("ascii", "replace").replace(" ", "").upper())
            self._send(echo + answer.encode("ascii") + b"\r\r>")

    def _answer(self, command: str) -> str:
        if command == "ATZ":
            self._echo = True
            return f"\r\r{VERSION}"
        if command in ("ATE0", "ATE1"):
            self._echo = command == "ATE1"
            return "OK"
        if command.startswith("AT"):
            return "OK"
        soc_pct = self._soc_pct()
        if soc_pct is None:
            return "NO DATA"
        return f"41 5B {round(soc_pct * 255 / 100):02X}" if command == "015B" else "NO DATA"
