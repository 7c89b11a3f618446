"""What every time-series store promises the CSMS."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.series.port import Point, SeriesError, SeriesStore, Value
from cloud.series.sqlite import SqliteSeries

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def point(seconds: float = 0, station: str = "cs-1", evse: int = 1, **fields: float) -> Point:
    return Point(station, evse, at(seconds), fields or {"power_w": 7_000.0})


@pytest.fixture(params=["sqlite"])
def series(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SeriesStore]:
    store = SqliteSeries(tmp_path / "series.sqlite")
    store.start()
    yield store
    store.stop()


def read(
    series: SeriesStore, field: str = "power_w", station: str = "cs-1", evse: int = 1
) -> list[tuple[float, float]]:
    values = series.read(station, evse, field, NOON - DAY, NOON + DAY)
    return [((value.at - NOON).total_seconds(), value.value) for value in values]


def test_what_was_written_is_read_back_in_the_order_of_time(series: SeriesStore) -> None:
    series.write([point(20, power_w=2.0), point(10, power_w=1.5)])
    series.write([point(15, power_w=3.25)])
    assert series.read("cs-1", 1, "power_w", NOON, NOON + DAY) == [
        Value(at(10), 1.5),
        Value(at(15), 3.25),
        Value(at(20), 2.0),
    ]


def test_evses_and_stations_are_kept_apart(series: SeriesStore) -> None:
    series.write([point(power_w=1.0), point(evse=2, power_w=2.0), point(station="cs-10", power_w=3.0)])
    assert [read(series), read(series, evse=2), read(series, station="cs-10"), read(series, station="cs")] == [
        [(0, 1.0)],
        [(0, 2.0)],
        [(0, 3.0)],
        [],
    ]


def test_both_ends_of_a_time_belong_to_it(series: SeriesStore) -> None:
    series.write([point(seconds, power_w=seconds) for seconds in (0, 1, 2, 3)])
    assert [value.value for value in series.read("cs-1", 1, "power_w", at(1), at(2))] == [1, 2]
    assert series.read("cs-1", 1, "power_w", at(2), at(1)) == []


def test_the_same_point_twice_is_kept_once(series: SeriesStore) -> None:
    for _ in range(2):
        series.write([point(), point()])
    assert read(series) == [(0, 7_000.0)]


def test_fields_of_one_moment_add_up_and_the_last_word_counts(series: SeriesStore) -> None:
    series.write([point(power_w=1.0, soc_pct=40.0)])
    series.write([point(power_w=2.0), point(voltage_v=230.0)])
    assert [read(series, field) for field in ("power_w", "soc_pct", "voltage_v")] == [
        [(0, 2.0)],
        [(0, 40.0)],
        [(0, 230.0)],
    ]


def test_fields_are_those_that_have_a_value_in_that_time(series: SeriesStore) -> None:
    series.write([point(0, power_w=1.0), point(10, soc_pct=2.0, power_l1_w=3.0), point(20, voltage_v=4.0)])
    assert series.fields("cs-1", 1, at(0), at(10)) == ["power_l1_w", "power_w", "soc_pct"]
    assert series.fields("cs-1", 1, at(30), at(40)) == []
    assert series.fields("cs-1", 2, at(0), at(10)) == []


def test_a_field_that_was_never_written_has_no_values(series: SeriesStore) -> None:
    series.write([point()])
    assert read(series, "energy_wh") == []


@pytest.mark.parametrize("value", [0.0, -1.5, 1e12, 123456789.125, 1e-9])
def test_values_are_kept_as_they_are(series: SeriesStore, value: float) -> None:
    series.write([point(power_w=value)])
    assert read(series) == [(0, value)]


def test_times_are_kept_to_the_millisecond_in_utc(series: SeriesStore) -> None:
    moment = datetime(2026, 11, 23, 13, 0, 0, 123_000, tzinfo=UTC)
    series.write([Point("cs-1", 1, moment, {"power_w": 1.0})])
    assert series.read("cs-1", 1, "power_w", moment, moment) == [Value(moment, 1.0)]


@pytest.mark.parametrize("year", [1970, 2199])
def test_far_away_times_are_times(series: SeriesStore, year: int) -> None:
    moment = datetime(year, 1, 1, tzinfo=UTC)
    series.write([Point("cs-1", 1, moment, {"power_w": 1.0})])
    assert series.read("cs-1", 1, "power_w", moment - DAY, moment + DAY) == [Value(moment, 1.0)]


def test_nothing_is_written_without_points(series: SeriesStore) -> None:
    series.write([])
    assert read(series) == []


def test_what_was_written_is_there_after_a_restart(series: SeriesStore) -> None:
    series.write([point()])
    series.stop()
    series.stop()
    series.start()
    assert read(series) == [(0, 7_000.0)]


class TestSqlite:
    def test_what_was_written_survives_a_kill(self, series: SeriesStore, tmp_path: Path) -> None:
        series.write([point()])
        other = SqliteSeries(tmp_path / "series.sqlite")
        other.start()
        assert read(other) == [(0, 7_000.0)]
        other.stop()

    def test_two_processes_may_write(self, series: SeriesStore, tmp_path: Path) -> None:
        other = SqliteSeries(tmp_path / "series.sqlite")
        other.start()
        for number in range(10):
            (series if number % 2 else other).write([point(number, power_w=number)])
        other.stop()
        assert len(read(series)) == 10

    def test_a_store_that_cannot_be_used_says_so_and_keeps_none(self, series: SeriesStore, tmp_path: Path) -> None:
        connection = sqlite3.connect(tmp_path / "series.sqlite", isolation_level=None)
        connection.execute("ALTER TABLE points RENAME TO away")
        with pytest.raises(SeriesError):
            series.write([point(1), point(2)])
        connection.execute("ALTER TABLE away RENAME TO points")
        connection.close()
        series.write([point(3)])
        assert read(series) == [(3, 7_000.0)]


def test_old_samples_become_one_for_each_step_and_registers_stay_readings(series: SeriesStore) -> None:
    series.write([point(n * 60, power_w=float(n), energy_wh=1000.0 + n) for n in range(40)])
    series.write([point(300, evse=2, soc_pct=40.0), point(360, evse=2, soc_pct=50.0)])
    assert series.thin(at(35 * 60), timedelta(minutes=15)) == (32, 3)  # the third step is not over by then
    assert read(series)[:4] == [(0, 7.0), (900, 22.0), (1800, 30.0), (1860, 31.0)]
    assert read(series, "energy_wh")[:3] == [(0, 1000.0), (900, 1015.0), (1800, 1030.0)]
    assert read(series, "soc_pct", evse=2) == [(0, 45.0)]
    assert series.thin(at(35 * 60), timedelta(minutes=15)) == (0, 0)
    assert series.thin(at(60 * 60), timedelta(minutes=15)) == (10, 1)
    assert [when for when, _ in read(series)] == [0, 900, 1800]


def test_samples_that_are_too_old_go(series: SeriesStore) -> None:
    series.write([point(seconds) for seconds in (-3 * 86_400, -86_400, 0)] + [point(-86_400, evse=2)])
    assert series.forget(NOON) == 3
    assert read(series) == [(0, 7_000.0)]
