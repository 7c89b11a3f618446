"""A PostgreSQL of our own for tests: on 127.0.0.1, in a folder, as a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import free_port, wait_for


def find_programs() -> Path | None:
    """The folder with PostgreSQL's own programs, which distributions keep out of PATH."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return versions[-1].parent if versions else None


@contextmanager
def a_postgres() -> Iterator[str]:
    """Its URL for SQLAlchemy. Nothing of it outlives the test, so that it need not be safe on disk either."""
    programs = find_programs()
    assert programs is not None, "PostgreSQL is not installed: tests/install-programs.sh installs it"
    # Not below pytest's folder, which only its own user may enter.
    folder = Path(tempfile.mkdtemp(prefix="colonnina-postgres-"))
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None  # it refuses to run as root
    as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    port = free_port()
    data, log = folder / "data", folder / "log"
    make = [programs / "initdb", "-D", data, "-U", "colonnina", "-A", "trust", "-E", "UTF8", "--no-sync"]
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    run = {"cwd": folder, "env": environment, **as_user}
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, **run)  # type: ignore[call-overload]
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "fsync=off", "-c", "deadlock_timeout=100ms"]
    with log.open("wb") as output:
        server = subprocess.Popen(  # type: ignore[call-overload]
            [programs / "postgres", "-D", data, *options], stdout=output, stderr=output, **run
        )
    try:
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "colonnina", "-d", "postgres"]
        wait_for(lambda: subprocess.run(ready, check=False).returncode == 0, 30, 0.1)
        yield f"postgresql+psycopg://colonnina@127.0.0.1:{port}/postgres"
        if "deadlock detected" in log.read_text():
            raise AssertionError(log.read_text())
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder)
