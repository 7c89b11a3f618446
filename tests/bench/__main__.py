"""Runs the benchmarks that are named on the command line; all of them when none is."""

from __future__ import annotations

import sys

from tests.bench import books, decode, fleet, ingest, machine, station, tap, trip

BENCHMARKS = {
    "decode": decode.run,
    "machine": machine.run,
    "ingest": ingest.run,
    "books": books.run,
    "tap": tap.run,
    "trip": trip.run,
    "fleet": fleet.run,
    "station": station.run,
}

for name in sys.argv[1:] or BENCHMARKS:
    if name not in BENCHMARKS:
        sys.exit(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    print(f"\n== {name} ==", flush=True)
    BENCHMARKS[name]()
