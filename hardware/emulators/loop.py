"""The one thread in which emulated devices answer: an asyncio loop with the pty ends of any number of benches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class EmulatorLoop:
    """A selector thread. Each user calls `start` and `stop`; the last to stop ends the thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="emulators", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def run(self, call: Callable[[], T]) -> T:
        """Run this in the loop's thread and give back what it gives or raises."""
        if threading.current_thread() is self._thread:
            return call()

        async def in_loop() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(in_loop(), self.loop).result()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the emulators' loop is not started")
        return self._loop
