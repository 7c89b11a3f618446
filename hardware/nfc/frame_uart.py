"""A serial port that knows where a PN532 frame ends.

The library asks for the longest answer there could be (73 bytes), and a plain serial port then waits out its time-out
at every shorter one: 50 ms of every tap. This one returns as soon as the frame is complete.
"""

from __future__ import annotations

import select
import time

import serial  # type: ignore[import-untyped]

BAUD = 115200
READ_TIMEOUT_S = 0.05
START = b"\x00\xff"


class FrameUart:
    """What `adafruit_pn532.uart` needs of a UART, on a pyserial port. Raises OSError when the port is gone."""

    def __init__(self, port: str) -> None:
        # No other process may read our frames: exclusive.
        self._serial = serial.Serial(port, BAUD, timeout=0, write_timeout=READ_TIMEOUT_S, exclusive=True)

    def close(self) -> None:
        self._serial.close()

    def wait(self, timeout_s: float) -> bool:
        """Whether something can be read, at once when it can. Also true when the port was lost: the read tells."""
        ready, _, _ = select.select([self._serial], [], [], timeout_s)
        return bool(ready)

    def write(self, data: bytes) -> None:
        self._serial.write(data)

    def reset_input_buffer(self) -> None:
        self._serial.reset_input_buffer()

    def read(self, count: int) -> bytes:
        """At most `count` bytes, and not more than to the end of the first frame among them."""
        received = b""
        deadline = time.monotonic() + READ_TIMEOUT_S
        while (missing := min(count, frame_length(received)) - len(received)) > 0:
            if not self.wait(max(0.0, deadline - time.monotonic())):
                break
            received += self._serial.read(missing)
        return received


def frame_length(received: bytes) -> int:
    """How long these bytes are when the frame that they begin is complete; a lower bound until its length is known."""
    start = received.find(START)
    if start < 0:
        return len(received) + 1
    if len(received) <= start + len(START):
        return start + len(START) + 3  # an ACK, the shortest frame: LEN, LCS and postamble follow
    length = received[start + len(START)]
    # LEN, LCS, the data, then a checksum where there is data, and the postamble.
    return start + len(START) + 2 + length + (2 if length else 1)
