"""Signed meter values: a changed byte is found, keys are read in each of their forms, and nothing else is judged."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import SettingsMistake
from inspector.rules.settings_file import judging
from inspector.rules.topics.example_frames import cp, script
from inspector.rules.topics.metering import ocmf
from inspector.rules.topics.metering.signed_examples import BEGIN, END, KEY, sampled_2x
from simulator.certificates import CertificateStore
from simulator.charging.meter import Reading
from simulator.signing import signed_data
from tests.browse.charging import Recording
from tests.cli.conftest import in_this_process
from tests.database import rows

PAYLOAD = END.index("|") + 1, END.rindex("|")


@given(st.integers(PAYLOAD[0], PAYLOAD[1] - 1), st.characters(min_codepoint=32, max_codepoint=126))
def test_each_change_of_the_signed_text_is_found(at: int, character: str) -> None:
    changed = END[:at] + character + END[at + 1 :]
    one = ocmf.parsed(changed)
    if one is not None:  # otherwise it is no longer OCMF
        assert ocmf.is_genuine(one, KEY) is (changed == END)


def _forms() -> dict[str, str]:
    der = bytes.fromhex(KEY)
    key = load_der_public_key(der)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    named = f"oca:base16:asn1:{KEY}"
    return {
        "hexadecimal": KEY,
        "with its form named": named,
        "named, in Base64": base64.b64encode(named.encode()).decode(),
        "Base64": base64.b64encode(der).decode(),
        "PEM": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "point": key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex(),
    }


@pytest.mark.parametrize("form", _forms())
def test_a_public_key_is_read_in_each_form(form: str, tmp_path: Path) -> None:
    one = ocmf.parsed(END)
    assert one is not None
    assert ocmf.is_genuine(one, _forms()[form]) is True
    path = tmp_path / "key"
    path.write_text(_forms()[form])
    assert judging(None, path).meter_keys == {"*": _forms()[form].strip()}


@pytest.mark.parametrize("form", [str, lambda text: text.encode().hex(), lambda text: text.encode().hex().upper()])
def test_the_text_is_read_in_each_form(form: Callable[[str], str]) -> None:
    assert ocmf.found_in(form(END)) == (END, None)
    in_base64 = base64.b64encode(END.encode()).decode()
    assert ocmf.found_in(in_base64) == (END, None)
    assert ocmf.found_in({"signedMeterData": in_base64, "publicKey": KEY}) == (END, KEY)


def test_a_file_of_keys_has_one_for_each_charge_point(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'"CP-1" = "{KEY}"\n"CP-2/1" = "{KEY}"\n')
    assert set(judging(None, path).meter_keys) == {"CP-1", "CP-2/1"}
    path.write_text('"CP-1" = "not a key"\n')
    with pytest.raises(SettingsMistake, match=r"meter_keys\.CP-1: expected a public key"):
        judging(None, path)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_makes_the_reader_fail(payload: str, signature: str) -> None:
    for text in (
        payload,
        f"OCMF|{payload}|{signature}",
        f'OCMF|{{"RD":[{{"RV":"{payload}"}}]}}|{{"SD":"{signature}"}}',
    ):
        found, _ = ocmf.found_in(text)
        one = ocmf.parsed(found) if found is not None else None
        if one is not None:
            assert ocmf.is_genuine(one, KEY) in (False, None)
    assert ocmf.key_bytes(payload) is None or isinstance(ocmf.key_bytes(payload), bytes)


def test_the_simulated_charge_point_signs_values_that_verify() -> None:
    store = CertificateStore("CP-1")
    text = signed_data(store, "CP-1", Reading(1234, 0, 0, 0, None), "2026-01-01T12:00:00Z")
    one = ocmf.parsed(text)
    assert one is not None
    assert ocmf.is_genuine(one, base64.b64encode(store.public_key()).decode()) is True
    assert ocmf.is_genuine(one, KEY) is False
    assert [float(energy.wh) for energy in one.energies] == [1234]


def test_recording_check_and_import_find_the_same(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "live.db")
    link = recording.connect("CP-1", "ocpp2.0.1")
    forged = END.replace('"RV":1.500', '"RV":1.520')
    for text, watt_hours in ((BEGIN, 1000), (END, 1510), (forged, 1520)):
        link.call("MeterValues", sampled_2x(watt_hours, text, "Transaction.End"), {})
    path = recording.finish()
    sql = "SELECT rule_id, pointer, message FROM findings WHERE rule_id LIKE 'meter.%sign%' OR rule_id LIKE '%pagin%'"
    live = rows(path, f"{sql} ORDER BY id")
    assert [rule for rule, *_ in live] == ["meter.signed-value", "meter.signature", "meter.pagination"]
    assert in_this_process("export", path, "-o", tmp_path / "t.jsonl").returncode == 0
    assert in_this_process("import", tmp_path / "t.jsonl", "--db", tmp_path / "again.db").returncode == 0
    assert rows(tmp_path / "again.db", f"{sql} ORDER BY id") == live
    for source in (path, tmp_path / "t.jsonl"):
        found = json.loads(in_this_process("check", source, "--json").stdout)["findings"]
        assert [one["message"] for one in found if one["rule"] in {rule for rule, *_ in live}] == [
            message for *_, message in live
        ]


def test_check_takes_the_keys_of_meters_from_a_file(tmp_path: Path) -> None:
    sample = {"value": END.replace("1.500", "1.700"), "format": "SignedData"}
    payload = {"connectorId": 1, "meterValue": [{"timestamp": "2026-01-01T12:00:00Z", "sampledValue": [sample]}]}
    frames = [line[2:] for line in script(cp("MeterValues", payload)).splitlines()]
    (tmp_path / "frames.txt").write_text("\n".join(frames))
    (tmp_path / "key").write_text(KEY)
    line = ("check", tmp_path / "frames.txt", "--ocpp", "1.6")
    assert "meter.signature" not in in_this_process(*line).stdout
    assert "meter.signature" in in_this_process(*line, "--meter-keys", tmp_path / "key").stdout
