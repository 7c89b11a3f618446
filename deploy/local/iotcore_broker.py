"""Runs iotcore's broker until it is told to stop. argv: its configuration."""

from __future__ import annotations

import os
import signal
import sys

from iotcore import IotCoreBroker


def main(path: str) -> None:
    # The broker runs outside of Python, where no signal handler would get a turn.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    IotCoreBroker(config_path=path).run_forever()


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)
