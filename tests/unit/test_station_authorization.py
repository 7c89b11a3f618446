"""Who may charge, who may stop it, and what the CSMS is answered about lists of tokens (OCPP 2.0.1, C, D and E05)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge.station import machine
from edge.station.authorization import (
    Ask,
    Bearer,
    Deauthorize,
    Grant,
    Refuse,
    Suspend,
    admit,
    after_refusal,
    decide,
    is_master_pass,
    judge,
    may_remember,
    may_start,
    may_stop,
)
from edge.station.handlers import clear_cache, get_local_list_version, send_local_list
from edge.station.ports import CallReceived
from edge.station.state import IdToken, Now, Settings, Station
from edge.station.token_orders import ClearTokenCache, TellListVersion, TokenOrder, UpdateLocalList, answer
from edge.station.tokens import (
    AuthorizationSettings,
    Cached,
    Known,
    ListEntry,
    ListUpdate,
    ListVerdict,
    TokenInfo,
    read_info,
)
from protocol.messages import Version, make_request, make_response

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
CARD = IdToken("04A1B2C3", "ISO14443")
OTHER = IdToken("04D4E5F6", "ISO14443")

UNKNOWN = Known()
GOOD, BAD = TokenInfo("Accepted", "family"), TokenInfo("Blocked", "family")
OURS = Grant("family")


def settings(**more: Any) -> AuthorizationSettings:
    """Everything is on, but for letting strangers in."""
    return AuthorizationSettings(**{"local_pre_authorize": True, **more})


def cached(info: TokenInfo, age_s: float = 0.0) -> Cached:
    return Cached(info, NOW - timedelta(seconds=age_s))


ONLINE: dict[str, tuple[Known, dict[str, Any], Grant | Refuse | Ask]] = {
    "an unknown token is asked about": (UNKNOWN, {}, Ask()),
    "a good one on the list is let in": (Known(listed=GOOD), {}, OURS),
    "a good one in the cache is let in": (Known(cached=cached(GOOD)), {}, OURS),
    "a good one on the list is asked about without LocalPreAuthorize": (
        Known(listed=GOOD),
        {"local_pre_authorize": False},
        Ask(),
    ),
    "a good one in the cache is asked about without LocalPreAuthorize": (
        Known(cached=cached(GOOD)),
        {"local_pre_authorize": False},
        Ask(),
    ),
    "a bad one on the list is asked about, it may be good by now": (Known(listed=BAD), {}, Ask()),
    "a bad one in the cache is asked about, it may be good by now": (Known(cached=cached(BAD)), {}, Ask()),
    "the list goes before the cache where it says more": (Known(GOOD, cached(BAD)), {}, OURS),
    "the list goes before the cache where it says less": (Known(BAD, cached(GOOD)), {}, Ask()),
    "a list that is off is not read": (Known(listed=GOOD), {"local_auth_list_enabled": False}, Ask()),
    "a cache that is off is not read": (Known(cached=cached(GOOD)), {"auth_cache_enabled": False}, Ask()),
    "behind a list that is off is the cache": (Known(BAD, cached(GOOD)), {"local_auth_list_enabled": False}, OURS),
    "an entry past its time is asked about": (Known(listed=TokenInfo("Accepted", until=NOW)), {}, Ask()),
    "an entry within its time is let in": (Known(listed=TokenInfo("Accepted", until=FUTURE)), {}, Grant()),
    "a cached one past AuthCacheLifeTime is asked about": (
        Known(cached=cached(GOOD, 60)),
        {"auth_cache_life_time_s": 60},
        Ask(),
    ),
    "a cached one within AuthCacheLifeTime is let in": (
        Known(cached=cached(GOOD, 59)),
        {"auth_cache_life_time_s": 60},
        OURS,
    ),
    "the CSMS's own time for a cached one goes before AuthCacheLifeTime": (
        Known(cached=cached(TokenInfo("Accepted", until=FUTURE), 60)),
        {"auth_cache_life_time_s": 60},
        Grant(),
    ),
    "strangers are asked about, whatever is done offline": (
        UNKNOWN,
        {"offline_tx_for_unknown_id_enabled": True},
        Ask(),
    ),
    "one that is good for some EVSEs is let in there": (
        Known(listed=TokenInfo("Accepted", evses=(2, 3))),
        {},
        Grant(evses=(2, 3)),
    ),
}

OFFLINE: dict[str, tuple[Known, dict[str, Any], Grant | Refuse | Ask]] = {
    "an unknown token is turned away": (UNKNOWN, {}, Refuse("Offline")),
    "an unknown token is let in with OfflineTxForUnknownIdEnabled": (
        UNKNOWN,
        {"offline_tx_for_unknown_id_enabled": True},
        Grant(),
    ),
    "a good one on the list is let in": (Known(listed=GOOD), {}, OURS),
    "a good one in the cache is let in": (Known(cached=cached(GOOD)), {}, OURS),
    "LocalPreAuthorize is for stations online": (Known(listed=GOOD), {"local_pre_authorize": False}, OURS),
    "a good one on the list is turned away without LocalAuthorizeOffline": (
        Known(listed=GOOD),
        {"local_authorize_offline": False},
        Refuse("Offline"),
    ),
    "a good one in the cache is turned away without LocalAuthorizeOffline": (
        Known(cached=cached(GOOD)),
        {"local_authorize_offline": False},
        Refuse("Offline"),
    ),
    "a good one is not worse off than a stranger": (
        Known(listed=GOOD),
        {"local_authorize_offline": False, "offline_tx_for_unknown_id_enabled": True},
        OURS,
    ),
    "a bad one on the list is turned away": (Known(listed=BAD), {}, Refuse("Blocked")),
    "a bad one in the cache is turned away": (Known(cached=cached(BAD)), {}, Refuse("Blocked")),
    "a bad one is no stranger": (Known(listed=BAD), {"offline_tx_for_unknown_id_enabled": True}, Refuse("Blocked")),
    "a bad one stays bad without LocalAuthorizeOffline": (
        Known(cached=cached(BAD)),
        {"local_authorize_offline": False, "offline_tx_for_unknown_id_enabled": True},
        Refuse("Blocked"),
    ),
    "the list goes before the cache where it says more": (Known(GOOD, cached(BAD)), {}, OURS),
    "the list goes before the cache where it says less": (Known(BAD, cached(GOOD)), {}, Refuse("Blocked")),
    "a list that is off is not read": (Known(listed=GOOD), {"local_auth_list_enabled": False}, Refuse("Offline")),
    "a cache that is off is not read": (Known(cached=cached(GOOD)), {"auth_cache_enabled": False}, Refuse("Offline")),
    "an entry past its time is turned away": (
        Known(listed=TokenInfo("Accepted", until=PAST)),
        {},
        Refuse("Expired"),
    ),
    "an entry past its time is no stranger": (
        Known(listed=TokenInfo("Accepted", until=PAST)),
        {"offline_tx_for_unknown_id_enabled": True},
        Refuse("Expired"),
    ),
    "an entry past its time is not saved by the cache": (
        Known(TokenInfo("Accepted", until=PAST), cached(GOOD)),
        {},
        Refuse("Expired"),
    ),
    "a cached one past AuthCacheLifeTime is turned away": (
        Known(cached=cached(GOOD, 60)),
        {"auth_cache_life_time_s": 60},
        Refuse("Expired"),
    ),
    "a cached one past the CSMS's own time is turned away": (
        Known(cached=cached(TokenInfo("Accepted", until=PAST))),
        {},
        Refuse("Expired"),
    ),
    "a bad one does not get better with time": (
        Known(cached=cached(BAD, 60)),
        {"auth_cache_life_time_s": 60, "offline_tx_for_unknown_id_enabled": True},
        Refuse("Blocked"),
    ),
}


class TestDecide:
    @pytest.mark.parametrize("case", ONLINE)
    def test_online(self, case: str) -> None:
        known, more, decision = ONLINE[case]
        assert decide(CARD, known, settings(**more), online=True, now=NOW) == decision

    @pytest.mark.parametrize("case", OFFLINE)
    def test_offline(self, case: str) -> None:
        known, more, decision = OFFLINE[case]
        assert decide(CARD, known, settings(**more), online=False, now=NOW) == decision

    @pytest.mark.parametrize("kind", ["Central", "NoAuthorization"])
    @pytest.mark.parametrize("online", [True, False])
    def test_nobody_is_asked_about_a_token_of_the_csms_or_a_button(self, kind: str, online: bool) -> None:
        assert decide(IdToken("", kind), UNKNOWN, AuthorizationSettings(), online=online, now=NOW) == Grant()

    @pytest.mark.parametrize(
        ("id_token", "more", "remembered"),
        [
            (CARD, {}, True),
            (CARD, {"auth_cache_enabled": False}, False),
            (IdToken("D1", "Central"), {}, False),
            (IdToken("", "NoAuthorization"), {}, False),
        ],
    )
    def test_only_tokens_that_are_asked_about_are_remembered(
        self, id_token: IdToken, more: dict[str, Any], remembered: bool
    ) -> None:
        assert may_remember(id_token, settings(**more)) == remembered

    def test_the_csms_word_is_taken(self) -> None:
        assert admit(TokenInfo("Accepted", "family", evses=(1,))) == Grant("family", (1,))
        assert admit(TokenInfo("ConcurrentTx", "family")) == Refuse("ConcurrentTx")


MASTER = settings(master_pass_group_id="POLICE")


class TestStop:
    @pytest.mark.parametrize(
        ("presented", "starter", "stops"),
        [
            (Bearer(CARD), Bearer(CARD), True),
            (Bearer(IdToken("04a1b2c3", "ISO14443")), Bearer(CARD), True),
            (Bearer(IdToken("04A1B2C3", "KeyCode")), Bearer(CARD), False),
            (Bearer(OTHER), Bearer(CARD), False),
            (Bearer(OTHER, "family"), Bearer(CARD, "Family"), True),
            (Bearer(OTHER, "family"), Bearer(CARD, "neighbours"), False),
            (Bearer(OTHER, "family"), Bearer(CARD), False),
            (Bearer(OTHER), Bearer(CARD, "family"), False),
            (Bearer(OTHER, ""), Bearer(CARD, ""), False),
            (Bearer(OTHER, "police"), Bearer(CARD, "family"), True),
            (Bearer(OTHER, "family"), Bearer(CARD, "police"), False),
        ],
    )
    def test_the_same_token_the_same_group_and_a_master_pass_stop(
        self, presented: Bearer, starter: Bearer, stops: bool
    ) -> None:
        assert may_stop(presented, starter, MASTER) == stops

    def test_a_master_pass_starts_nothing(self) -> None:
        assert not may_start(Grant("Police"), MASTER)
        assert may_start(Grant("family"), MASTER)
        assert may_start(Grant(), MASTER)

    def test_without_a_master_group_nothing_is_a_master_pass(self) -> None:
        assert not is_master_pass("", settings())
        assert not is_master_pass(None, settings())

    @pytest.mark.parametrize(
        ("more", "then"),
        [
            ({}, Deauthorize()),
            ({"max_energy_on_invalid_id_wh": 500}, Deauthorize()),
            ({"stop_tx_on_invalid_id": False}, Suspend(0)),
            ({"stop_tx_on_invalid_id": False, "max_energy_on_invalid_id_wh": 500}, Suspend(500)),
        ],
    )
    def test_a_token_that_the_csms_does_not_accept_after_all(
        self, more: dict[str, Any], then: Deauthorize | Suspend
    ) -> None:
        assert after_refusal(settings(**more)) == then


def update(version: int, *tokens: str, full: bool = False, info: TokenInfo | None = GOOD) -> ListUpdate:
    return ListUpdate(version, full, tuple(ListEntry(token, "ISO14443", info) for token in tokens))


class TestJudge:
    @pytest.mark.parametrize(
        ("change", "verdict"),
        [
            (update(6, "A", "B"), ListVerdict("Accepted")),
            (update(6), ListVerdict("Accepted")),
            (update(6, "A", info=None), ListVerdict("Accepted")),
            (update(1, "A", "B", full=True), ListVerdict("Accepted")),
            (update(1, full=True), ListVerdict("Accepted")),
            (update(5, "A"), ListVerdict("VersionMismatch")),
            (update(4, "A"), ListVerdict("VersionMismatch")),
            (update(0, "A", full=True), ListVerdict("Failed", "ValueOutOfRange")),
            (update(-1, "A"), ListVerdict("Failed", "ValueOutOfRange")),
            (update(2**31, "A"), ListVerdict("Failed", "ValueOutOfRange")),
            (update(6, "A", "a"), ListVerdict("Failed", "InvalidValue")),
            (update(6, "A", "A", full=True), ListVerdict("Failed", "InvalidValue")),
            (update(6, "A", full=True, info=None), ListVerdict("Failed", "MissingParam")),
        ],
    )
    def test_an_update_of_version_5(self, change: ListUpdate, verdict: ListVerdict) -> None:
        assert judge(change, 5) == verdict

    def test_the_same_identifier_in_two_types_is_two_tokens(self) -> None:
        entries = (ListEntry("A", "ISO14443", GOOD), ListEntry("A", "KeyCode", GOOD))
        assert judge(ListUpdate(1, True, entries), 0) == ListVerdict("Accepted")


APPLIED = ListVerdict("Accepted")


class Memory:
    """A memory that answers as it is told, and notes what it was told."""

    list_version = 7

    def __init__(self, verdict: ListVerdict = APPLIED, *, forgets: bool = True) -> None:
        self.verdict = verdict
        self.forgets = forgets
        self.updates: list[ListUpdate] = []

    def lookup(self, id_token: str, type: str) -> Known:
        return Known()

    def remember(self, id_token: str, type: str, info: TokenInfo, now: datetime) -> None:
        pass

    def update_list(self, update: ListUpdate) -> ListVerdict:
        self.updates.append(update)
        return self.verdict

    def forget_all(self) -> bool:
        return self.forgets


HANDLERS = {
    "SendLocalList": send_local_list.handle,
    "GetLocalListVersion": get_local_list_version.handle,
    "ClearCache": clear_cache.handle,
}
OFF = AuthorizationSettings(local_auth_list_enabled=False, auth_cache_enabled=False)


@pytest.fixture
def station() -> Station:
    return machine.initial([(1, [1])], "seed", Settings(), {})


def order(station: Station, action: str, payload: dict[str, Any]) -> TokenOrder:
    """What the machine orders when the CSMS calls."""
    actions: list[Any] = []
    call = CallReceived("m-1", action, make_request(Version.V201, action, payload))
    assert HANDLERS[action](station, call, Now(NOW, 0.0), actions) is station
    (ordered,) = actions
    assert (ordered.message_id, ordered.action) == ("m-1", action)
    assert isinstance(ordered, TokenOrder)
    return ordered


def told(ordered: TokenOrder, memory: Memory, how: AuthorizationSettings) -> dict[str, Any]:
    payload = answer(ordered, memory, how)
    make_response(Version.V201, ordered.action, payload)
    return payload


class TestCalls:
    def test_send_local_list_is_taken_over_as_it_was_sent(self, station: Station) -> None:
        payload = {
            "versionNumber": 3,
            "updateType": "Differential",
            "localAuthorizationList": [
                {
                    "idToken": {"idToken": "04A1B2C3", "type": "ISO14443"},
                    "idTokenInfo": {
                        "status": "Accepted",
                        "groupIdToken": {"idToken": "family", "type": "Central"},
                        "cacheExpiryDateTime": "2026-12-31T00:00:00Z",
                        "evseId": [2],
                    },
                },
                {"idToken": {"idToken": "04D4E5F6", "type": "ISO14443"}},
            ],
        }
        info = TokenInfo("Accepted", "family", datetime(2026, 12, 31, tzinfo=UTC), (2,))
        entries = (ListEntry("04A1B2C3", "ISO14443", info), ListEntry("04D4E5F6", "ISO14443", None))
        ordered = order(station, "SendLocalList", payload)
        assert ordered == UpdateLocalList("m-1", "SendLocalList", ListUpdate(3, False, entries))
        memory = Memory()
        assert told(ordered, memory, settings()) == {"status": "Accepted"}
        assert memory.updates == [ListUpdate(3, False, entries)]

    def test_a_full_list_may_be_empty(self, station: Station) -> None:
        ordered = order(station, "SendLocalList", {"versionNumber": 3, "updateType": "Full"})
        assert ordered == UpdateLocalList("m-1", "SendLocalList", ListUpdate(3, True, ()))

    @pytest.mark.parametrize(
        ("verdict", "payload"),
        [
            (ListVerdict("VersionMismatch"), {"status": "VersionMismatch"}),
            (
                ListVerdict("Failed", "InvalidValue"),
                {"status": "Failed", "statusInfo": {"reasonCode": "InvalidValue"}},
            ),
        ],
    )
    def test_what_the_memory_says_of_a_list_is_answered(
        self, station: Station, verdict: ListVerdict, payload: dict[str, Any]
    ) -> None:
        ordered = order(station, "SendLocalList", {"versionNumber": 3, "updateType": "Full"})
        assert told(ordered, Memory(verdict), settings()) == payload

    def test_a_list_that_is_off_is_not_changed(self, station: Station) -> None:
        memory = Memory()
        ordered = order(station, "SendLocalList", {"versionNumber": 3, "updateType": "Full"})
        assert told(ordered, memory, OFF) == {"status": "Failed", "statusInfo": {"reasonCode": "NotEnabled"}}
        assert memory.updates == []

    def test_the_version_is_that_of_the_memory_and_0_where_the_list_is_off(self, station: Station) -> None:
        ordered = order(station, "GetLocalListVersion", {})
        assert ordered == TellListVersion("m-1", "GetLocalListVersion")
        assert told(ordered, Memory(), settings()) == {"versionNumber": 7}
        assert told(ordered, Memory(), OFF) == {"versionNumber": 0}

    def test_clear_cache(self, station: Station) -> None:
        ordered = order(station, "ClearCache", {})
        assert ordered == ClearTokenCache("m-1", "ClearCache")
        assert told(ordered, Memory(), settings()) == {"status": "Accepted"}
        failed = {"status": "Rejected", "statusInfo": {"reasonCode": "InternalError"}}
        assert told(ordered, Memory(forgets=False), settings()) == failed
        off = {"status": "Rejected", "statusInfo": {"reasonCode": "NotEnabled"}}
        assert told(ordered, Memory(), OFF) == off

    def test_a_time_without_a_zone_is_utc(self) -> None:
        payload = {"idTokenInfo": {"status": "Accepted", "cacheExpiryDateTime": "2026-12-31T00:00:00"}}
        response = make_response(Version.V201, "Authorize", payload)
        assert read_info(response.id_token_info).until == datetime(2026, 12, 31, tzinfo=UTC)
