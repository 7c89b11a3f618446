"""A pseudo-terminal whose one end is a device's serial port, under a name that stays.

The kernel tells the emulator's end when nobody has the device's end open any more (EIO, and a hang-up at every look).
That is how a bench learns that a station died; it then looks every 50 ms whether somebody has opened it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from hardware.emulators.loop import EmulatorLoop

REOPEN_POLL_S = 0.05
CHUNK = 4096


class Pty:
    """on_data: bytes from the driver. on_hang_up: the last driver closed its end. Both in the loop's thread."""

    def __init__(self, path: Path, loop: EmulatorLoop) -> None:
        self.path = path
        self.on_data: Callable[[bytes], object] = lambda data: None
        self.on_hang_up: Callable[[], object] = lambda: None
        self._loop = loop
        self._master = -1
        self._write_lock = threading.Lock()
        self._target = ""
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Make the pair and the link to it. Raises OSError."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._target = os.ttyname(slave)
        # Closing it now begins the story as every other one: hung up, until a driver opens the device's end.
        os.close(slave)
        self._master = master
        link = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        link.unlink(missing_ok=True)
        link.symlink_to(self._target)
        link.replace(self.path)
        self._loop.run(self._look_for_opening)

    def stop(self) -> None:
        """Hang up on the driver and take the name away. May be called twice."""
        if self._master < 0:
            return
        self._loop.run(self._close)
        if self.path.is_symlink() and os.readlink(self.path) == self._target:
            self.path.unlink()

    def write(self, data: bytes) -> None:
        """To the driver, from any thread. As on a wire, what nobody takes is lost."""
        # The lock: a number that was closed may be another file by now.
        with self._write_lock, contextlib.suppress(OSError):
            os.write(self._master, data)

    def _close(self) -> None:
        self._loop.loop.remove_reader(self._master)
        if self._timer is not None:
            self._timer.cancel()
        with self._write_lock:
            os.close(self._master)
            self._master = -1

    def _look_for_opening(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        events = poll.poll(0)
        if events and events[0][1] & select.POLLHUP and not events[0][1] & select.POLLIN:
            self._timer = self._loop.loop.call_later(REOPEN_POLL_S, self._look_for_opening)
        else:
            self._timer = None
            self._loop.loop.add_reader(self._master, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the other end
            self._loop.loop.remove_reader(self._master)
            self.on_hang_up()
            self._look_for_opening()
            return
        self.on_data(data)
