"""Currencies of ISO 4217 and how many digits their minor unit has: 2 for most."""

from __future__ import annotations

from decimal import Decimal

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_TWO = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
    CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
    KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
    NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
    TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DIGITS = frozenset(_NONE.split())
_THREE_DIGITS = frozenset(_THREE.split())
KNOWN = _NO_DIGITS | _THREE_DIGITS | frozenset(_TWO.split())


def digits(currency: str) -> int:
    """How many decimal digits the minor unit of a currency is away from its unit: 2 for EUR, 0 for JPY."""
    return 0 if currency in _NO_DIGITS else 3 if currency in _THREE_DIGITS else 2


def units(minor: int, currency: str) -> Decimal:
    """An amount in minor units, in units of the currency: 1234 in EUR is 12.34."""
    return Decimal(minor).scaleb(-digits(currency))


def words(minor: Decimal, currency: str) -> str:
    """A price or an amount for people: 45 in EUR is `0.45 EUR`, 45.67 is `0.4567 EUR`."""
    places = digits(currency)
    amount = minor.scaleb(-places).normalize()
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)  # no price is infinite
    return f"{amount:.{max(places, -exponent)}f} {currency}"
