"""Room on the disk that is kept for a time when there is no other: a file that only takes up space.

Without it a full disk cannot even be tidied up: to delete rows SQLite has to write first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Spare:
    """size_bytes: how much; 0: none is kept."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def keep(self) -> bool:
        """Have the room reserved. False: there is not so much."""
        if self._size_bytes == 0:
            return True
        try:
            with self._path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, self._size_bytes)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let others have it: us."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
