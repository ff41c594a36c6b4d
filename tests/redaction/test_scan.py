"""Secrets in real traffic appear in no file, log, export or report."""

from __future__ import annotations

import asyncio
import base64
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.database import rows
from tests.processes import Program
from tests.redaction import planted
from tests.redaction.planted import Step, Vault, forms, personal_frames, secret_frames
from tests.redaction.planted_forms import form_frames, handshakes, name_frames

pytestmark = pytest.mark.long

VERSIONS = ("1.6", "2.0.1", "2.1")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def found(places: dict[str, bytes], values: list[str]) -> dict[str, list[str]]:
    """Return the places that contain any form of a value, by value."""
    hits: dict[str, list[str]] = {}
    beginning = values[0][:6]
    if all(value.startswith(beginning) for value in values):  # skips text that does not contain the common beginning
        places = {name: data for name, data in places.items() if any(form in data for form in forms(beginning))}
    for value in values:
        for form in forms(value):
            hits.setdefault(value, []).extend(name for name, data in places.items() if form in data)
    return {value: names for value, names in hits.items() if names}


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def ours(*arguments: object) -> bytes:
    """Return everything that a command prints, on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "inspector", *map(str, arguments)], capture_output=True, check=False, timeout=100
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    return done.stdout + done.stderr


def everything_printed(path: Path, folder: Path) -> dict[str, bytes]:
    """Return the output of every export and every report of a recording."""
    printed = {f"check {style}": ours("check", path, "--format", style) for style in ("text", "json", "junit", "sarif")}
    for style in ("trace", "har", "csv", "raw"):
        target = folder / f"export.{style}"
        printed[f"export {style}"] = ours("export", path, "--format", style, "-o", target)
    for style in ("text", "json", "junit", "html"):
        printed[f"diff {style}"] = ours("diff", path, path, "--other-session", 2, "--format", style)
    printed["sessions"] = ours("sessions", path)
    for session in (1, 2, 3):
        printed[f"show {session}"] = ours("show", path, session)
    printed["search"] = ours("search", path, "Authorize")
    return printed


def record(folder: Path, speak: Callable[[Callable[[], str], int], Any], *options: object) -> dict[str, bytes]:
    """Run a real proxy while `speak` uses it; return copies of its files from during the run, and its output."""
    folder.mkdir(exist_ok=True)
    port, metrics = free_port(), free_port()
    arguments = ("proxy", "--upstream", f"ws://127.0.0.1:{port}", "--listen", "127.0.0.1:0", "--db", folder / "t.db")
    with Program(*arguments, "--metrics", metrics, *options) as proxy:
        # In a separate thread: a browser that other tests left open keeps an event loop in this one.
        talk = speak(lambda: proxy.wait_for(r"listening on (ws://\S+)")[1], port)
        with ThreadPoolExecutor(1) as apart:
            apart.submit(asyncio.run, talk).result()
        with socket.create_connection(("127.0.0.1", metrics)) as asked:
            asked.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            told = b"".join(iter(lambda: asked.recv(65536), b""))
        wait_for_frames(folder / "t.db")
        places = {f"live {name}": data for name, data in files(folder).items()}
        assert proxy.stop() == 0, proxy.report()
        places |= {"metrics": told, "output": "\n".join([*proxy.out, *proxy.err]).encode()}
    return places


def wait_for_frames(path: Path) -> None:
    """Wait until all sessions are written as closed."""
    deadline = time.monotonic() + 30
    while rows(path, "SELECT count(*) FROM sessions WHERE closed_ns IS NULL") != [(0,)]:
        assert time.monotonic() < deadline, "the recording does not settle"
        time.sleep(0.05)


def test_none_of_forty_secrets_is_found_anywhere(tmp_path: Path) -> None:
    vault = Vault("Geheim{number:02d}-{check:05d}")
    basic = [vault.new() for _ in range(3)]
    headers = [
        {"Authorization": "Basic " + base64.b64encode(f"CP-{n}:{password}".encode()).decode()}
        for n, password in enumerate(basic)
    ]
    cookie, token, refused = vault.new(), vault.new(), vault.new()
    headers[0]["Cookie"] = f"session={cookie}; theme=dark"
    headers[1]["X-Api-Key"] = token
    query = vault.new()
    plans: list[tuple[str, str, list[Step], dict[str, str], str]] = [
        (
            f"/CP-{n}" + (f"?token={query}" if n == 2 else ""),
            f"ocpp{version}",
            list(secret_frames(version, vault.new)),
            headers[n],
            f"bad password {basic[n]}",
        )
        for n, version in enumerate(VERSIONS)
    ]
    wrong = {"Authorization": "Basic " + base64.b64encode(f"CP-9:{refused}".encode()).decode()}
    assert len(vault.values) >= 40
    folder = tmp_path / "recorded"

    def speak(url: Callable[[], str], port: int) -> Any:
        return planted.speak(url, port, plans, [("/CP-9", wrong, f"no {refused} for CP-9")])

    places = record(folder, speak)
    places |= everything_printed(folder / "t.db", folder)
    places |= files(folder)
    assert rows(folder / "t.db", "SELECT count(*) FROM events WHERE kind = 'rejected-upgrade'") == [(1,)]
    assert rows(folder / "t.db", "SELECT count(*) FROM frames") == [
        (sum(not who.startswith("ping") for _, _, steps, _, _ in plans for who, _ in steps),)
    ]
    assert rows(folder / "t.db", "SELECT sum(redacted) > 30 FROM frames") == [(1,)]
    assert {"export.trace", "export.har", "export.csv", "export.raw"} <= places.keys()
    assert not found(places, vault.values)
    # Prove that the scan works: it finds a value that was not hidden.
    assert found(places, ["csms.example", "CP-9"]).keys() == {"csms.example", "CP-9"}


def test_none_of_two_hundred_secrets_in_all_forms_and_places_is_found_anywhere(tmp_path: Path) -> None:
    vault = Vault("Geheim{number:03d}x{check:05d}Ab")
    plans: list[tuple[str, str, list[Step], dict[str, str], str]] = [
        (f"/CP-{n}", f"ocpp{version}", list(form_frames(version, vault.new, 5 * n)), {}, f"password={vault.new()}")
        for n, version in enumerate(VERSIONS)
    ]
    plans.append(
        ("/CP-3", "ocpp1.6", list(name_frames(vault.new)), {}, f"bad token {vault.new()}: token={vault.new()}")
    )
    for path, subprotocols, headers in handshakes(vault.new):
        plans.append((path, subprotocols, [(">", "[2]")], headers, "bye"))
    cookie = vault.new()
    assert len(vault.values) > 300
    folder = tmp_path / "recorded"

    def speak(url: Callable[[], str], port: int) -> Any:
        wrong = {"X-Api-Key": vault.values[0], "Authorization": f"Bearer {vault.values[1]}"}
        refused = [("/CP-9", wrong, f"no {vault.values[0]}, {vault.values[1]}")]
        return planted.speak(url, port, plans, refused, f"sid={cookie}; Path=/")

    places = record(folder, speak)
    places |= everything_printed(folder / "t.db", folder)
    places |= files(folder)
    assert not found(places, vault.values)
    assert rows(folder / "t.db", "SELECT count(*) FROM frames") == [
        (sum(not who.startswith("ping") for _, _, steps, _, _ in plans for who, _ in steps),)
    ]


@pytest.fixture(scope="module")
def personal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, bytes], Vault]:
    """Record the same sessions twice: unchanged, and with pseudonyms."""
    base = tmp_path_factory.mktemp("personal")
    vault = Vault("PX{number:02d}Q{check:05d}")
    tags = [vault.new() for _ in VERSIONS]
    plans: list[tuple[str, str, list[Step], dict[str, str], str]] = [
        (
            f"/CP-{n}" + (f"?idTag={tags[n]}" if n == 2 else ""),
            f"ocpp{version}",
            list(personal_frames(version, vault.new, tags[n])),
            {},
            f"no more for {tags[n]}",
        )
        for n, version in enumerate(VERSIONS)
    ]
    assert len(vault.values) >= 40, len(vault.values)

    def speak(url: Callable[[], str], port: int) -> Any:
        return planted.speak(url, port, plans)

    record(base / "plain", speak, "--redact", "none")
    options = ("--redact", "personal", "--redact-key", base / "a.key")
    places = record(base / "hidden", speak, *options)
    return base / "plain" / "t.db", base / "hidden" / "t.db", places, vault


def test_none_of_forty_personal_values_is_found_anywhere(
    personal: tuple[Path, Path, dict[str, bytes], Vault], tmp_path: Path
) -> None:
    plain, hidden, places, vault = personal
    places = {**places, **everything_printed(hidden, tmp_path), **files(tmp_path), **files(hidden.parent)}
    values = [*vault.values, *(value.lower() for value in vault.values)]
    assert not found(places, values)
    assert found(files(plain.parent), vault.values).keys() == set(vault.values)
    assert (hidden.parent.parent / "a.key").stat().st_mode & 0o777 == 0o600


CORRELATED = {
    "exchanges": "SELECT id, call_id, msg_type, action, message_id, session_id FROM frames ORDER BY id",
    "sessions": "SELECT id, charge_point_id, ocpp_version, frame_count, error_count FROM sessions ORDER BY id",
    "findings": "SELECT rule_id, severity, side, pointer, count, frame_id, last_frame_id, session_id FROM findings"
    " ORDER BY session_id, frame_id, rule_id, pointer",
    "transactions": "SELECT session_id, charge_point_id, transaction_id, connector_id, start_frame_id, stop_frame_id,"
    " meter_start_wh, meter_stop_wh FROM transactions ORDER BY id",
    "validity": "SELECT valid, max_severity FROM frames ORDER BY id",
}


@pytest.mark.parametrize("what", CORRELATED)
def test_all_correlates_as_without_pseudonyms(personal: tuple[Path, Path, dict[str, bytes], Vault], what: str) -> None:
    plain, hidden, _, _ = personal
    assert rows(hidden, CORRELATED[what]) == rows(plain, CORRELATED[what])


def test_the_same_card_has_one_pseudonym_everywhere(personal: tuple[Path, Path, dict[str, bytes], Vault]) -> None:
    """It is in the start, the stop (in lower case), a sentence of an answer, a status and the derived transaction."""
    plain, hidden, _, vault = personal
    ((tag,),) = rows(hidden, "SELECT id_token FROM transactions WHERE session_id = 1 LIMIT 1")
    ((was,),) = rows(plain, "SELECT id_token FROM transactions WHERE session_id = 1 LIMIT 1")
    assert was == vault.values[0] and tag.startswith("anon") and len(tag) == 16
    sql = "SELECT count(*) FROM frames WHERE session_id = 1 AND instr(lower(raw), lower('{}')) > 0"
    assert rows(hidden, sql.format(tag)) == rows(plain, sql.format(was)) != [(0,)]


def test_two_recordings_can_be_joined_by_their_key_alone(
    personal: tuple[Path, Path, dict[str, bytes], Vault], tmp_path: Path
) -> None:
    plain, hidden, _, vault = personal
    key = hidden.parent.parent / "a.key"
    ours("anonymize", plain, tmp_path / "same.db", "--redact-key", key)
    ours("anonymize", plain, tmp_path / "other.db", "--redact-key", tmp_path / "other.key")
    tokens = "SELECT DISTINCT id_token FROM transactions ORDER BY 1"
    assert rows(tmp_path / "same.db", tokens) == rows(hidden, tokens) != rows(tmp_path / "other.db", tokens)
    assert rows(tmp_path / "same.db", "SELECT raw FROM frames ORDER BY id") == rows(
        hidden, "SELECT raw FROM frames ORDER BY id"
    )
    assert not found(files(tmp_path), vault.values)
