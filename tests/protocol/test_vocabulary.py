"""The allowlist has exactly the actions of the installed schemas, each with its sender."""

from __future__ import annotations

import pytest

from inspector.protocol.schemas import schema, schema_folder
from inspector.protocol.vocabulary import (
    ACTIONS,
    ACTIONS_FROM,
    ERROR_CODES,
    SEND_ACTIONS,
    Direction,
    OcppVersion,
)

CP, CSMS = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS


@pytest.mark.parametrize("version", OcppVersion)
def test_every_schema_file_has_its_action_and_every_action_its_schemas(version: OcppVersion) -> None:
    """The allowlist and the schema files have exactly the same actions."""
    files = {path.stem for path in schema_folder(version).glob("*.json")}
    known = {
        f"{action}{'' if version is OcppVersion.V16 and kind == 'request' else kind.capitalize()}"
        for action in ACTIONS[version]
        for kind in ("request", "response")
        if schema(version, action, kind) is not None  # type: ignore[arg-type]
    }
    streams = {f"{action}Request" for action in SEND_ACTIONS} if version is OcppVersion.V21 else set()
    assert {name for name in known if name not in streams} | SEND_ACTIONS & files == files
    for action in ACTIONS[version] - SEND_ACTIONS:
        assert schema(version, action, "request") is not None
        assert schema(version, action, "response") is not None


@pytest.mark.parametrize(
    ("version", "from_charge_point", "from_csms"),
    [(OcppVersion.V16, 13, 25), (OcppVersion.V201, 24, 39), (OcppVersion.V21, 36, 54)],
)
def test_each_action_has_one_sender_but_data_transfer(
    version: OcppVersion, from_charge_point: int, from_csms: int
) -> None:
    """Each side has as many actions as in the specifications; both may send DataTransfer."""
    senders = ACTIONS_FROM[version]
    assert senders[CP] & senders[CSMS] == {"DataTransfer"}
    assert len(senders[CP]) == from_charge_point + 1
    assert len(senders[CSMS]) == from_csms + 1


def test_the_two_spellings_of_error_codes_are_told_apart() -> None:
    """1.6 writes FormationViolation and Occurence, 2.x FormatViolation and Occurrence."""
    assert ERROR_CODES[OcppVersion.V16] - ERROR_CODES[OcppVersion.V201] == {
        "FormationViolation",
        "OccurenceConstraintViolation",
    }
    assert ERROR_CODES[OcppVersion.V201] == ERROR_CODES[OcppVersion.V21]
    assert {len(codes) for codes in ERROR_CODES.values()} == {10, 12}
