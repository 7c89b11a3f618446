"""Drivers are found by name, and an unknown name says what there is."""

from __future__ import annotations

import pytest

from hardware.meter.sdm120 import Sdm120
from hardware.ports import HardwareError
from hardware.registry import driver


def test_a_driver_is_found_by_kind_and_name() -> None:
    assert driver("meter", "sdm120") is Sdm120


def test_an_unknown_name_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(HardwareError, match=r"'pn533'.*pn532-i2c, pn532-spi, pn532-uart"):
        driver("nfc", "pn533")


def test_an_unknown_kind_has_none() -> None:
    with pytest.raises(HardwareError, match="there are: none"):
        driver("teapot", "brown-betty")
