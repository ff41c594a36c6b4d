"""Credentials never reach the disk, and nothing else of their frame is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.recorder import records
from inspector.recorder.start import start_recorder

SECRET = 'S3cr3t"ü/0011223344556677'
ESCAPED = 'S3cr3t\\"ü/0011223344556677'
STARS = "*" * len(SECRET)

CASES = {
    "1.6 ChangeConfiguration": (
        "ocpp1.6",
        False,
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{ESCAPED}"}}]',
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{STARS}"}}]',
    ),
    "2.0.1 SetVariables": (
        "ocpp2.0.1",
        False,
        f'[2,"1","SetVariables",{{"setVariableData":[{{"attributeValue":"{ESCAPED}","component":{{"name":'
        '"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}]',
        f'[2,"1","SetVariables",{{"setVariableData":[{{"attributeValue":"{STARS}","component":{{"name":'
        '"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}]',
    ),
    "a PIN": (
        "ocpp2.0.1",
        True,
        f'[2,"1","Authorize",{{"idToken":{{"idToken":"{ESCAPED}","type":"KeyCode"}}}}]',
        f'[2,"1","Authorize",{{"idToken":{{"idToken":"{STARS}","type":"KeyCode"}}}}]',
    ),
    "a VPN password": (
        "ocpp2.0.1",
        False,
        f'[2,"1","SetNetworkProfile",{{"connectionData":{{"vpn":{{"password":"{ESCAPED}","key":"{ESCAPED}"}}}}}}]',
        f'[2,"1","SetNetworkProfile",{{"connectionData":{{"vpn":{{"password":"{STARS}","key":"{STARS}"}}}}}}]',
    ),
    "a password in a URL": (
        "ocpp1.6",
        False,
        '[2,"1","GetDiagnostics",{"location":"ftp://user:geheim0011@host/x"}]',
        '[2,"1","GetDiagnostics",{"location":"ftp://user:**********@host/x"}]',
    ),
    "a name spelt with escapes": (
        "ocpp1.6",
        False,
        f'[2,"1","ChangeConfiguration",{{"key":"Authorization\\u004bey","value":"{ESCAPED}"}}]',
        f'[2,"1","ChangeConfiguration",{{"key":"Authorization\\u004bey","value":"{STARS}"}}]',
    ),
    "a frame cut off": (
        "ocpp1.6",
        False,
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{ESCAPED}',
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{STARS}',
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_secret_is_starred_out_at_its_length_and_the_frame_marked(
    tmp_path: Path, case: tuple[str, bool, str, str]
) -> None:
    subprotocol, from_charge_point, sent, stored = case
    path = tmp_path / "secrets.db"
    recorder = start_recorder(path, holder="test")
    recorder.put(records.opened(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": subprotocol}))
    recorder.put(records.frame(1, 2, 2, from_charge_point, records.TEXT, sent.encode()))
    # An answer may quote what it was asked.
    quoted = ESCAPED if ESCAPED in sent else "geheim0011"
    refusal = f'[4,"1","GenericError","no: {quoted}",{{}}]'
    recorder.put(records.frame(1, 3, 3, not from_charge_point, records.TEXT, refusal.encode()))
    recorder.close()
    from inspector.store.opening import open_recording

    rows = open_recording(path).execute("SELECT raw, redacted, size FROM frames ORDER BY id").fetchall()
    assert tuple(rows[0]) == (stored, 1, len(sent.encode()))
    everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (SECRET, ESCAPED, SECRET[:6], "geheim"):
        assert secret.encode() not in everything


def test_an_ordinary_frame_is_stored_untouched_and_unmarked(tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    raw = '[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"300"}]'
    recorder = start_recorder(path, holder="test")
    recorder.put(records.opened(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    recorder.put(records.frame(1, 2, 2, False, records.TEXT, raw.encode()))
    recorder.close()
    from inspector.store.opening import open_recording

    assert tuple(open_recording(path).execute("SELECT raw, redacted FROM frames").fetchone()) == (raw, 0)
