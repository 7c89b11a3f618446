"""Logs: lines of key=value on standard error, for journald, a supervisor or a person; the last of them are kept.

Under systemd each line begins with its priority, `<3>` and so on (sd-daemon(3)), so that `journalctl -p warning` finds
it, and has no time, which the journal knows. Secrets are masked before a line is made.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

from protocol import redact

#: Lines that `recent` remembers, and the bytes of each of the two files of `keep`.
REMEMBERED, FILE_BYTES = 2_000, 512 * 1024
#: syslog(3)'s priorities.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2, "fatal": 2}

_lines: deque[str] = deque(maxlen=REMEMBERED)
_lock = threading.Lock()
_file: RotatingFileHandler | None = None
_to_journal = False


def set_up(level: int = logging.INFO, environ: Mapping[str, str] = os.environ) -> None:
    """Call it once, in a process's composition root. level: as in `logging`."""
    global _to_journal
    _to_journal = _is_journal(environ)
    others = _Others()
    others.setFormatter(logging.Formatter("level=%(levelname)s %(message)s"))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[others])
    stamp = [] if _to_journal else [structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            *stamp,
            structlog.processors.format_exc_info,
            _masked,
            structlog.processors.LogfmtRenderer(
                key_order=["level", "event"] if _to_journal else ["timestamp", "level", "event"], bool_as_flag=False
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Logger,
        cache_logger_on_first_use=True,
    )


def keep(path: Path) -> None:
    """Write lines to this file from now on, too, and to one before it; not where the journal keeps them."""
    global _file
    if not _to_journal:
        with suppress(OSError):  # a disk that cannot be written; there is standard error still
            path.parent.mkdir(parents=True, exist_ok=True)
        _file = _Quiet(path, maxBytes=FILE_BYTES, backupCount=1, encoding="utf-8", delay=True)


def close() -> None:
    """Let go of the file of `keep`."""
    global _file
    if _file is not None:
        _file.close()
        _file = None


def recent() -> list[str]:
    """The last lines of this process."""
    with _lock:
        return list(_lines)


class _Logger:
    """What structlog hands finished lines to."""

    def __init__(self, *args: Any) -> None:
        pass

    def __getattr__(self, level: str) -> Callable[[str], None]:
        return lambda line: _write(_PRIORITIES[level], line)


class _Others(logging.Handler):
    """What libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        line = redact.text(self.format(record)).replace("\n", "\\n")
        _write(_PRIORITIES.get(record.levelname.lower(), 6), line)


class _Quiet(RotatingFileHandler):
    """A log that cannot be written, on a full disk, say, must not disturb the work."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass


def _write(priority: int, line: str) -> None:
    with _lock:
        _lines.append(line)
        if _file is not None:
            _file.emit(logging.makeLogRecord({"msg": line}))
        print(f"<{priority}>{line}" if _to_journal else line, file=sys.stderr, flush=True)


def _masked(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        key: redact.MASK if redact.secret_key(key) else redact.text(value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _is_journal(environ: Mapping[str, str]) -> bool:
    """Whether standard error is the journal's (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        standard_error = os.fstat(2)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{standard_error.st_dev}:{standard_error.st_ino}"
