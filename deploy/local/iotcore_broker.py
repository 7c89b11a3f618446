"""Runs iotcore's broker until it is told to stop. argv: its configuration, and the port that is in there.

A part of it that fails leaves the process running and deaf. So it is asked every few seconds whether it answers; one
that does not is ended, for the supervisor to start anew.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from iotcore import IotCoreBroker

from protocol.mqtt import Broker, Link

CHECK_S = 3.0
ANSWER_S = 5.0


def main(path: str, port: int) -> None:
    # The broker runs outside of Python, where no signal handler would get a turn.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=IotCoreBroker(config_path=path).run_forever, daemon=True).start()
    while answers(port):
        time.sleep(CHECK_S)
    print("the broker does not answer any more", file=sys.stderr, flush=True)
    os._exit(1)


def answers(port: int) -> bool:
    """Whether a client can connect."""
    link = Link(Broker(port=port), "alive", on_message=lambda message: None, session_expiry_s=0)
    link.start()
    up = link.wait_up(ANSWER_S)
    link.stop()
    return up


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
