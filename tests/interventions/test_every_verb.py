"""Every verb between charge points and a CSMS of the library `ocpp`: what each end saw is in the recording."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from inspector.proxy.certificates import Authority
from tests.interventions.third_party import LIBRARIES, Station, ThirdPartyCsms, station, third_party_csms
from tests.processes import Program
from tests.waiting import until

pytestmark = pytest.mark.system


class Verb(NamedTuple):
    """One verb and what it does to a session.

    Attributes:
        match, do: the rule, as TOML; every condition may use `{Authorize}`-like actions of both dialects.
        noted: which frames the recording must have notes of, as (message type, action).
        ends: whether the session ends early.
    """

    match: str
    do: str
    noted: tuple[tuple[int, str], ...]
    ends: bool = False


_BEAT = 'action = "Heartbeat", type = "CALLRESULT", times = 1'
_ASK = 'action = "Heartbeat", type = "CALL", times = 1'
CALLED, ANSWERED = (2, "Heartbeat"), (3, "Heartbeat")
VERBS = {
    "none": Verb('action = "Reset"', "{ drop = true }", ()),
    "delay": Verb(_BEAT, '{ delay = "300ms" }', (ANSWERED,)),
    "drop": Verb(_ASK, "{ drop = true }", (CALLED,)),
    "duplicate": Verb(_BEAT, "{ duplicate = 3 }", (ANSWERED,) * 3),
    "reorder": Verb(_BEAT, "{ reorder = 1 }", (ANSWERED,)),
    "edit": Verb(_BEAT, '{ edit = [{ pointer = "/currentTime", value = "2001-01-01T00:00:00Z" }] }', (ANSWERED,) * 2),
    "replace": Verb(_BEAT, '{ replace = "[3,{no json" }', (ANSWERED, (0, ""))),
    "answer": Verb(_ASK, '{ answer = { currentTime = "2002-02-02T00:00:00Z" } }', (CALLED, ANSWERED)),
    "error": Verb(_ASK, '{ error = { code = "InternalError" } }', (CALLED, (4, "Heartbeat"))),
    "hold": Verb(_ASK, '{ hold = "300ms" }', (CALLED,)),
    "inject": Verb(
        _BEAT,
        '{ inject = { to = "charge_point", action = "TriggerMessage", payload = { requestedMessage = "Heartbeat" } } }',
        (ANSWERED, (2, "TriggerMessage"), (3, "TriggerMessage")),
    ),
    "throttle": Verb(_BEAT, "{ throttle = 3000 }", (ANSWERED,)),
    "stall": Verb(_ASK, '{ stall = "300ms" }', (CALLED,)),
    "close": Verb(_ASK, '{ close = { code = 4001, reason = "by rule" } }', (CALLED,), ends=True),
    "reset": Verb(_ASK, "{ reset = true }", (CALLED,), ends=True),
}


def rules() -> str:
    """Return a rules file in which each verb has a charge point of its own."""
    return "\n".join(
        f'[[intervention]]\nname = "{name}"\nmatch = {{ charge_point = "{name}-*", {verb.match} }}\ndo = {verb.do}\n'
        for name, verb in VERBS.items()
    )


def parsed(text: str) -> list[Any]:
    try:
        return list(json.loads(text))
    except ValueError:
        return [0, text, "", text]


def frames(db: sqlite3.Connection, name: str) -> list[tuple[bool, str, bool, dict[str, Any], int, str]]:
    """Return (from the CSMS, text, forwarded, notes, message type, action) of the frames of a charge point."""
    rows = db.execute(
        "SELECT from_csms, raw, forwarded, (SELECT detail FROM events e WHERE after_frame_id = f.id"
        " AND kind = 'intervention'), coalesce(msg_type, 0), coalesce(action, '') FROM frames f"
        " JOIN sessions s ON s.id = f.session_id WHERE s.charge_point_id = ? ORDER BY f.id",
        [name],
    )
    return [(bool(way), raw, bool(sent), json.loads(notes or "{}"), *more) for way, raw, sent, notes, *more in rows]


def assert_told(db: sqlite3.Connection, name: str, one: Station, csms: ThirdPartyCsms) -> None:
    """Fail unless the recording has what each end sent and received, and notes on the frames of the rule alone."""
    verb, stored = VERBS[name.split("-", maxsplit=1)[0]], frames(db, name)
    sent = {
        way: [raw for side, raw, _, notes, *_ in stored if side is way and "made_by" not in notes]
        for way in (False, True)
    }
    got = {way: [raw for side, raw, on, *_ in stored if side is way and on] for way in (False, True)}
    if verb.ends:  # what a peer sent while the session ended may have got lost on the way
        assert got[0] == csms.heard(name) and got[1] == one.wire.heard
        assert sent[0] == one.wire.said[: len(sent[0])] and sent[1] == csms.said(name)[: len(sent[1])]
    elif name.startswith("reorder"):
        assert sorted(got[1]) == sorted(one.wire.heard) and got[1] != one.wire.heard
        assert got[0] == csms.heard(name) and sent[0] == one.wire.said and sent[1] == csms.said(name)
    else:
        assert sent[0] == one.wire.said and sent[1] == csms.said(name)
        assert got[0] == csms.heard(name) and got[1] == one.wire.heard
    changed = [(kind, action) for *_, notes, kind, action in stored if notes.keys() - {"later"}]
    assert changed == list(verb.noted)
    assert {rule for *_, notes, _, _ in stored for rule in _rules(notes)} <= {name.split("-", maxsplit=1)[0]}


def _rules(notes: dict[str, Any]) -> list[str]:
    return [rule for rule, _ in notes.get("interventions", [])] + ([notes["made_by"]] if "made_by" in notes else [])


def assert_done(name: str, one: Station, csms: ThirdPartyCsms) -> None:
    """Fail unless each end saw what the rule says."""
    heard, at_csms = one.wire.heard, csms.heard(name)
    beats = [
        frame for frame in map(parsed, heard) if frame[0] == 3 and "currentTime" in frame[2] and len(frame[2]) == 1
    ]
    asked = [frame for frame in map(parsed, at_csms) if frame[2:3] == ["Heartbeat"]]
    match name.split("-", maxsplit=1)[0]:
        case "drop":
            assert len(asked) == 2 and len(beats) == 2
        case "duplicate":
            assert len(beats) == 5 and beats[0] == beats[1] == beats[2]
        case "edit":
            assert [beat[2]["currentTime"] for beat in beats].count("2001-01-01T00:00:00Z") == 1
        case "replace":
            assert heard.count("[3,{no json") == 1 and len(beats) == 2
        case "answer":
            assert beats[0][2] == {"currentTime": "2002-02-02T00:00:00Z"} and len(asked) == 2 and len(beats) == 3
        case "error":
            assert [frame[2] for frame in map(parsed, heard) if frame[0] == 4] == ["InternalError"] and len(asked) == 2
        case "inject":
            assert [frame[2] for frame in map(parsed, heard) if frame[0] == 2] == ["TriggerMessage"]
            assert len(at_csms) == 8 and not any(frame[0] == 3 for frame in map(parsed, at_csms))
        case "close":
            assert one.wire.connection.close_code == 4001 and csms.wires[name][0].connection.close_code == 4001
        case "reset":
            assert one.wire.connection.close_code == 1006 and csms.wires[name][0].connection.close_code == 1006
        case _:
            assert len(beats) == len(asked) == 3


async def every_verb(tmp_path: Path, cases: list[tuple[str, str]], *, secure: bool, deflate: bool) -> None:
    """Run one session for each (verb, version), all at once through one proxy, and check each of them."""
    (tmp_path / "rules.toml").write_text(rules())
    server_tls = client_tls = None
    options: list[object] = []
    if secure:
        authority = Authority(tmp_path / "ca")
        issued = authority.server(["127.0.0.1"])
        server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_tls.load_cert_chain(issued.cert, issued.key)
        client_tls = ssl.create_default_context(cafile=authority.ca.cert)
        options = ["--tls-cert", issued.cert, "--tls-key", issued.key, "--upstream-ca", authority.ca.cert]
    async with third_party_csms(tls=server_tls, deflate=deflate) as (csms, upstream):
        db = tmp_path / "traffic.db"
        with Program(
            *("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", db, "--quiet"),
            *("--interventions", tmp_path / "rules.toml", *options),
        ) as proxy:
            url = (await asyncio.to_thread(proxy.wait_for, r"listening on (wss?://\S+)"))[1]
            assert url.startswith("wss" if secure else "ws:")

            async def run(verb: str, version: str) -> tuple[str, Station]:
                name = f"{verb}-{version}"
                patience = 1 if verb in ("drop", "replace", "reorder") else 10
                async with station(url, name, version, tls=client_tls, deflate=deflate, timeout_s=patience) as one:
                    await one.session()
                    if VERBS[verb].ends:
                        await until(lambda: one.wire.connection.close_code is not None)
                        await until(lambda: csms.wires[name][0].connection.close_code is not None)
                    else:
                        await until(lambda: len(csms.heard(name)) >= 8 - (verb in ("drop", "answer", "error")))
                        await until(lambda: len(one.wire.heard) >= 8 - (verb == "drop") + 2 * (verb == "duplicate"))
                    return name, one

            ran = await asyncio.gather(*(run(*case) for case in cases))
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
        with closing(sqlite3.connect(db)) as recording:
            for name, one in ran:
                assert_done(name, one, csms)
                assert_told(recording, name, one, csms)


@pytest.mark.parametrize(("secure", "deflate"), [(False, True), (True, False)])
async def test_every_verb_does_what_it_says_between_third_party_peers(
    tmp_path: Path, secure: bool, deflate: bool
) -> None:
    versions = list(LIBRARIES)
    cases = [(verb, versions[(number + secure) % 3]) for number, verb in enumerate(VERBS)]
    await every_verb(tmp_path, cases, secure=secure, deflate=deflate)


@pytest.mark.long
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
async def test_every_verb_in_every_version_over_ws_and_wss_with_and_without_deflate(
    tmp_path: Path, secure: bool, deflate: bool
) -> None:
    cases = [(verb, version) for verb in VERBS for version in LIBRARIES]
    await every_verb(tmp_path, cases, secure=secure, deflate=deflate)
