"""Keeps a set of processes running: starts them, starts anew what dies, stops them all at once."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

#: A process that died is started again after this, s; each further death in a row doubles it, up to LONGEST_S.
FIRST_S, LONGEST_S = 0.3, 10.0
#: One that has lived so long has not died in a row, s.
SETTLED_S = 20.0
#: How long processes may take to stop before they are killed, s.
STOP_S = 4.0

_PR_SET_PDEATHSIG = 1


class Child:
    """One process. log: file that its output is added to."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self._argv = list(argv)
        self._log = log
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = FIRST_S
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._process = self._spawn(output)
        self._started = time.monotonic()

    def look(self) -> str | None:
        """Start it again if it died and its pause is over. Answers what there is to tell."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._due:
                self.start()
                return f"{self.name} is started again"
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._pause = FIRST_S if now - self._started >= SETTLED_S else min(LONGEST_S, self._pause * 2)
        self._process, self._due = None, now + self._pause
        return f"{self.name} ended with {code}; see {self._log}"

    def terminate(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def finish(self, deadline: float) -> None:
        """Wait until it has ended; kill it at the deadline, on the monotonic clock."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _spawn(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=self._env,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )


class Supervisor:
    """Starts and stops a list of processes together."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)

    def start(self) -> None:
        for child in self.children:
            child.start()

    def look(self) -> list[str]:
        """Start anew what died. Call it a few times a second. Answers what there is to tell."""
        return [said for child in self.children if (said := child.look()) is not None]

    def stop(self) -> None:
        """Stop all, at once; those that will not are killed after STOP_S."""
        for child in reversed(self.children):
            child.terminate()
        deadline = time.monotonic() + STOP_S
        for child in self.children:
            child.finish(deadline)


def _die_with_parent() -> None:
    """In the child, before it becomes its program: ask the kernel to end it when its parent dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
