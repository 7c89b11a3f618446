"""Id tokens from a file: what people have in their spreadsheets, checked row by row, then written as a whole or not.

The header may be in English or Italian, or missing; the separator and the encoding are guessed. Nothing is written
while one row is bad, so that a file can be put right and given again.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, select
from sqlite_utils.utils import Format, RowsFromFileError, rows_from_file

from cloud.domain import tokens
from cloud.domain.tokens import TokenError
from cloud.errors import CloudError
from cloud.store.registry import find_user, put_id_token
from cloud.store.tables import id_tokens

#: Rows that one file may have.
MAX_ROWS = 100_000

_NAMES: Mapping[str, Sequence[str]] = {
    "id_token": (
        *("id_token", "idtoken", "idtag", "token", "uid", "carduid", "card", "cardid", "cardnumber", "rfid", "tag"),
        *("tagid", "badge", "tessera", "carta", "codicetessera", "numerotessera", "numerocarta"),
    ),
    "type": ("type", "kind", "tokentype", "tipo"),
    "status": ("status", "state", "stato"),
    "driver": ("driver", "email", "user", "owner", "useremail", "driveremail", "utente", "conducente", "proprietario"),
    "expires_at": ("expires_at", "expires", "expiry", "expirydate", "validuntil", "scadenza", "validofinoal"),
    "group": ("group", "groupid", "parentidtag", "parent", "gruppo"),
}
_FIELDS = {name.replace("_", ""): field for field, names in _NAMES.items() for name in names}
_STATUSES = {status.lower(): status for status in tokens.STATUSES} | {
    word: status
    for status, words in {
        "Accepted": ("active", "enabled", "ok", "yes", "valid", "attivo", "attiva", "valido", "valida"),
        "Blocked": ("disabled", "inactive", "lost", "no", "bloccato", "bloccata", "disattivo", "disattiva", "persa"),
    }.items()
    for word in words
}
_TYPES = {kind.lower(): kind for kind in tokens.TYPES} | {"rfid": "ISO14443", "mifare": "ISO14443", "nfc": "ISO14443"}
_EXTRA = "\0more"
_FORMULA = ("=", "+", "-", "@")


class FileError(CloudError, ValueError):
    """A file that cannot be read at all. The message says why."""


@dataclass(frozen=True, slots=True)
class Card:
    """One good row. line: where it is in the file. columns: those of id_tokens that it tells."""

    line: int
    id_token: str
    type: str
    columns: Mapping[str, Any]
    change: Literal["added", "changed", "same"] = "same"


@dataclass(slots=True)
class Read:
    """What a file holds. taken: field -> column of the file. faults: (line, why) of the rows that are bad."""

    encoding: str
    taken: dict[str, str]
    cards: list[Card] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def count(self, change: str) -> int:
        return sum(card.change == change for card in self.cards)


def read(connection: Connection, data: bytes, encoding: str | None = None) -> Read:
    """Take a file apart, and tell what writing it would change. Raises FileError."""
    encoding = encoding or _encoding(data)
    try:
        text = data.decode(encoding)
    except (LookupError, ValueError) as error:  # such as a name with a NUL, or what is not of that encoding
        raise FileError(f"the file is not {encoding[:30]}: {error}") from error
    header, rows = _rows(text.lstrip("\ufeff"))
    taken = _columns(header)
    if "id_token" not in taken:
        raise FileError(
            f"no column holds the tokens: the header is {', '.join(header)[:200]}; name one id_token, and if you like"
            " others type, status, driver, expires_at, group"
        )
    result = Read(encoding, {field: header[place] for field, place in taken.items()})
    known: dict[tuple[str, str], int] = {}
    for line, cells in rows:
        try:
            if len(cells) > len(header):
                raise ValueError("more cells than the header has")
            told = {field: cells[place].strip() for field, place in taken.items() if place < len(cells)}
            card = _card(connection, line, told)
            if (card.id_token, card.type) in known:
                raise ValueError(f"{card.id_token} is in line {known[card.id_token, card.type]} already")
        except ValueError as error:
            result.faults.append((line, str(error)))
            continue
        known[card.id_token, card.type] = line
        result.cards.append(card)
    return result


def write(connection: Connection, cards: Sequence[Card]) -> None:
    """Write good rows; the commit follows."""
    for card in cards:
        put_id_token(connection, card.id_token, card.type, **card.columns)


def _encoding(data: bytes) -> str:
    for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            return name
    try:
        data.decode()
    except UnicodeDecodeError:
        return "cp1252"  # as spreadsheets in the west of Europe write it
    return "utf-8"


def _rows(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each row with its line. Where there is no header, the columns are called by their number."""
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip(" ,;\t")]
    if not numbered:
        raise FileError("the file is empty")
    if len(numbered) > MAX_ROWS + 1:
        raise FileError(f"the file has more than {MAX_ROWS} rows")
    lines = [number for number, _ in numbered]
    first, rows = _parse("\n".join(line for _, line in numbered))
    parsed = [(lines[min(place, len(lines) - 1)], cells) for place, cells in enumerate(rows, 1)]
    if _looks_like_header(first):
        return first, parsed
    width = max(len(cells) for cells in [first, *rows])
    header = [_guess([cells[place] for cells in [first, *rows] if place < len(cells)]) for place in range(width)]
    return [name or f"column {place}" for place, name in enumerate(header, 1)], [(lines[0], first), *parsed]


def _parse(text: str) -> tuple[list[str], list[list[str]]]:
    """The cells of the first row, and of all others."""
    data, json = io.BytesIO(text.encode()), text.startswith(("[", "{"))
    try:
        if json:
            rows, _ = rows_from_file(data, Format.JSON)
        else:
            # A sniffer would find a separator in the digits of a single column.
            rows, _ = rows_from_file(data, Format.CSV, _dialect(text), encoding="utf-8", extras_key=_EXTRA)
        found = list(rows)
    except (csv.Error, RowsFromFileError, ValueError, RecursionError) as error:
        raise FileError(f"the file is no table: {error}") from error
    if not all(isinstance(row, dict) for row in found):
        raise FileError("the file is no table: a JSON list of objects is one")
    if not found:
        if json:
            raise FileError("the file is empty")
        return next(csv.reader([text], _dialect(text))), []
    header = [str(name) for name in found[0] if name != _EXTRA]
    return header, [[*_texts(row.get(name) for name in header), *_texts(row.get(_EXTRA) or [])] for row in found]


def _dialect(text: str) -> type[csv.Dialect]:
    first = text.partition("\n")[0]

    class Found(csv.excel):
        delimiter = max(",;\t|", key=first.count)

    return Found


def _texts(values: Any) -> Iterator[str]:
    return ("" if value is None else str(value) for value in values)


def _looks_like_header(cells: Sequence[str]) -> bool:
    return any(_plain(cell) in _FIELDS for cell in cells) or not any(_guess([cell]) for cell in cells)


def _guess(cells: Sequence[str]) -> str:
    """The field that a column without a name holds; empty where it does not show."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    for name, fits in (
        ("driver", lambda cell: "@" in cell),
        ("status", lambda cell: cell.lower() in _STATUSES),
        ("type", lambda cell: cell.lower() in _TYPES),
        ("id_token", _is_token),
    ):
        if filled and all(map(fits, filled[:5])):
            return name
    return ""


def _is_token(cell: str) -> bool:
    try:
        tokens.normal(_bare(cell), _type_of(_bare(cell)))
    except TokenError:
        return False
    return True


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Which column holds which field: the first that is called so."""
    taken: dict[str, int] = {}
    for place, name in enumerate(header):
        known = _FIELDS.get(_plain(name))
        if known is not None:
            taken.setdefault(known, place)
    return taken


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _card(connection: Connection, line: int, told: Mapping[str, str]) -> Card:
    """Raises ValueError, saying what is wrong with the row."""
    text = _bare(told["id_token"])
    if not text:
        raise ValueError("no token")
    given = told.get("type", "")
    kind = _TYPES.get(given.lower()) if given else _type_of(text)
    if kind is None:
        raise ValueError(f"{given[:20]!r} is not a type: {', '.join(tokens.TYPES)}")
    id_token = tokens.normal(text, kind)
    columns: dict[str, Any] = {}
    if told.get("status"):
        status = _STATUSES.get(told["status"].lower())
        if status is None:
            raise ValueError(f"{told['status'][:30]!r} is not a status: {', '.join(tokens.STATUSES)}")
        columns["status"] = status
    if told.get("driver"):
        columns["driver"] = find_user(connection, told["driver"])
        if columns["driver"] is None:
            raise ValueError(f"there is no user {told['driver'][:80]}")
    if told.get("expires_at"):
        columns["expires_at"] = _moment(told["expires_at"])
    if told.get("group"):
        columns["group_id"] = tokens.check(_bare(told["group"]))
    key = (id_tokens.c.id_token == id_token) & (id_tokens.c.type == kind)
    row = connection.execute(select(id_tokens).where(key)).first()
    if row is None:
        return Card(line, id_token, kind, columns, "added")
    same = all(row._mapping[name] == value for name, value in columns.items())
    return Card(line, id_token, kind, columns, "same" if same else "changed")


def _bare(text: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _type_of(text: str) -> str:
    for kind in ("ISO15693", "eMAID"):
        try:
            tokens.normal(text, kind)
        except TokenError:
            continue
        return kind
    return "ISO14443"


def _moment(text: str) -> datetime:
    """A date is good until its end, in UTC. Raises ValueError."""
    for pattern in ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y"):
        try:
            day = datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
        return day + timedelta(days=1) if day.date() < date.max else day
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:40]!r} is not a date: such as 2026-12-31, 31/12/2026 or RFC 3339") from error
