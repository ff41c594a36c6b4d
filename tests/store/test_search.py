"""A search with any index finds the same frames as a look at every frame."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector.store.files.connection import open_recording
from inspector.store.reading import search as searching
from inspector.store.reading import text_index
from inspector.store.reading.filter import Filter, names_transaction
from inspector.store.reading.search import Search
from tests.browse.charging import START_NS, Recording, charge_201, charge_badly, charge_well
from tests.examples import examples

_LOWER = str.maketrans({chr(upper): chr(upper + 32) for upper in range(65, 91)})


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write seven sessions, two of them concurrent; the text index lacks the last two."""
    recording = Recording(tmp_path_factory.mktemp("searching") / "many.db")
    charge_well(recording, samples=40)
    charge_badly(recording)
    charge_201(recording)
    odd = recording.connect("CP-ODD")
    odd.boot()
    odd.say(True, '[2,"a\\/b","DataTransfer",{"vendorId":"Zürich","data":"100%_\\u00e9"}]')
    odd.say(True, '[2,"nul\0in","DataTransfer",{"vendorId":"behind"}]')
    odd.say(True, b'\xff[2,"bytes","Heartbeat"')
    charge_badly(recording, "CP-DEPOT-08")
    path = recording.finish()
    with closing(open_recording(path)) as db:
        text_index.build(db, path, lambda done: None)
    later = Recording(path, start_ns=recording.now)
    charge_201(later, "CS-LATER")
    charge_badly(later, "CP-DEPOT-09")
    return later.finish()


TEXTS = st.sampled_from(
    [
        "volta",
        "VOLTA",
        "zürich",
        "100%_",
        "%",
        "behind",
        "bytes",
        "a\\/b",
        "idTag",
        "04A7",
        "nothing like it",
        "x",
        "é",
        "\\u00e9",
    ]
)
NAMES = st.sampled_from(["CP-GARAGE-01", "CP-DEPOT-*", "CS-*", "CP-ODD", "CP-DEPOT-0[89]", "nobody", "*"])
ACTIONS = st.sampled_from(["Heartbeat", "metervalues", "Status*", "DataTransfer", "Nothing"])


@st.composite
def wanteds(draw: st.DrawFn) -> Filter:
    def some(strategy: st.SearchStrategy[str]) -> tuple[str, ...]:
        return tuple(draw(st.lists(strategy, max_size=2)))

    since = draw(st.none() | st.integers(0, 9000))
    return Filter(
        charge_points=some(NAMES),
        actions=some(ACTIONS),
        direction=draw(st.sampled_from([None, None, "cp-to-csms", "csms-to-cp"])),
        message_types=tuple(draw(st.lists(st.sampled_from([2, 3, 4, 0]), max_size=2))),
        severity=draw(st.sampled_from([None, None, "info", "warning", "error"])),
        rules=some(st.sampled_from(["payload.*", "rpc.orphan-answer", "time.format"])),
        since_ns=None if since is None else START_NS + since * 10**9,
        until_ns=draw(st.none() | st.integers(0, 9000).map(lambda s: START_NS + s * 10**9)),
        text=draw(st.none() | TEXTS),
        message_id=draw(st.sampled_from([None, None, None, "cp-2-1", "a/b", "nul"])),
        id_tokens=some(st.sampled_from(["04E91C5A2B", "04a7"])),
    )


def looked_through(path: Path, wanted: Filter) -> list[int]:
    """Return the expected result, by looking at each frame in Python."""
    found = []
    with closing(open_recording(path)) as db:
        findings: dict[int, list[tuple[str, str]]] = {}
        for first, last, severity, rule in db.execute(
            "SELECT frame_id, last_frame_id, severity, rule_id FROM findings"
        ):
            for frame in {first, last} - {None}:
                findings.setdefault(frame, []).append((severity, rule))
        rows = db.execute(
            "SELECT f.id, s.charge_point_id, f.action, f.direction, f.msg_type, f.ts_ns, f.message_id, f.raw,"
            " f.max_severity FROM frames f JOIN sessions s ON s.id = f.session_id ORDER BY f.id"
        )
        for frame, name, action, direction, kind, ts_ns, message_id, raw, worst in rows:
            text = (raw if isinstance(raw, str) else raw.decode("utf-8", "replace")).translate(_LOWER)
            tokens = [json.dumps(token, ensure_ascii=False).translate(_LOWER) for token in wanted.id_tokens]
            rules = [r for s, r in findings.get(frame, []) if not wanted.severity or s in wanted.severities]
            if (
                (not wanted.charge_points or any(_globs(name, one) for one in wanted.charge_points))
                and (not wanted.actions or (action and searching.fits(action, wanted.actions)))
                and wanted.direction in (None, direction)
                and (not wanted.message_types or (kind if kind in (2, 3, 4, 5, 6) else 0) in wanted.message_types)
                and (wanted.rules or not wanted.severity or worst in wanted.severities)
                and (not wanted.rules or any(searching.fits(rule, wanted.rules) for rule in rules))
                and (wanted.since_ns is None or ts_ns >= wanted.since_ns)
                and (wanted.until_ns is None or ts_ns <= wanted.until_ns)
                and (wanted.text is None or wanted.text.translate(_LOWER) in text)
                and wanted.message_id in (None, message_id)
                and (not tokens or any(token in text for token in tokens))
            ):
                found.append(frame)
    return found


def _globs(name: str, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(wanted=wanteds(), few=st.sampled_from([0, 30, 20_000]), stretch=st.sampled_from([7, 100_000]))
def test_every_way_into_the_frames_finds_what_looking_at_each_finds(
    indexed: Path, wanted: Filter, few: int, stretch: int
) -> None:
    expected = looked_through(indexed, wanted)
    with pytest.MonkeyPatch.context() as patch, closing(open_recording(indexed)) as db:
        patch.setattr(searching, "FEW", few)
        patch.setattr(searching, "STRETCH", stretch)
        covered = text_index.attach(db, indexed)
        assert 0 < covered < db.execute("SELECT max(id) FROM frames").fetchone()[0]
        for known in (0, covered):
            search = Search(db, wanted, known)
            assert [frame.id for frame in search.frames()] == expected
            assert [frame.id for frame in search.frames(newest_first=True, limit=3)] == expected[::-1][:3]
            assert [frame.id for frame in search.frames(after=50, before=250)] == [n for n in expected if 50 < n < 250]


def test_an_index_of_another_recording_is_not_used(indexed: Path, tmp_path: Path) -> None:
    other = Recording(tmp_path / "other.db", start_ns=5)
    charge_well(other)
    charge_well(other)
    path = other.finish()
    text_index.place(path).write_bytes(text_index.place(indexed).read_bytes())
    with closing(open_recording(path)) as db:
        assert text_index.attach(db, path) == 0
        text_index.place(path).write_text("not a database, though long enough to be taken for one" * 100)
        assert text_index.attach(db, path) == 0
        assert list(Search(db, Filter(text="volta")).frames())


def test_frames_that_came_later_are_indexed_on_demand(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "grows.db")
    charge_badly(recording)
    path = recording.finish()
    with closing(open_recording(path)) as db:
        assert text_index.build(db, path, lambda done: None) == 18
        assert text_index.build(db, path, lambda done: None) == 0
    more = Recording(path, start_ns=recording.now)
    charge_badly(more)
    more.finish()
    with closing(open_recording(path)) as db:
        assert text_index.attach(db, path) == 18
        db.execute("DETACH text_index")
        assert text_index.build(db, path, lambda done: None) == 36
        assert text_index.attach(db, path) == 36
    text_index.forget(path)
    assert not text_index.place(path).exists()


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ('[2,"1","StopTransaction",{"transactionId":17}]', True),
        ('[2,"1","StopTransaction",{"transactionId" : 17 , "x":1}]', True),
        ('[2,"1","TransactionEvent",{"transactionInfo":{"transactionId":"17"}}]', True),
        ('[2,"1","StopTransaction",{"transactionId":171}]', False),
        ('[2,"1","StopTransaction",{"transactionId":1.7}]', False),
        ('[2,"1","StopTransaction",{"meterStop":17}]', False),
        ('[2,"17","X",{"transactionId":"x17"}]', False),
        (b'\xff{"transactionId":17}', True),
    ],
)
def test_a_frame_names_a_transaction_by_its_whole_id(raw: str | bytes, named: bool) -> None:
    assert names_transaction("17", raw) is named
