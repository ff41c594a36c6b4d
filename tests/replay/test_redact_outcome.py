"""Reports of `replay` and `diff` contain no credentials, in any format."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import command_line

FRAMES = """[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"SECRET"}]
[4,"1","SECRET","no such value: SECRET",{}]
[2,"2","SECRET",{}]
[2,"3","StatusNotification",{"connectorId":1,"errorCode":"SECRET","status":"Available","SECRET":1}]
"""


@pytest.mark.parametrize("style", ["text", "json", "junit", "html"])
def test_a_comparison_shows_no_secret_of_either_side(tmp_path: Path, style: str) -> None:
    secrets = ("Geheim-001122334", "Anders-998877")
    for secret in secrets:
        (tmp_path / f"{secret}.txt").write_text(FRAMES.replace("SECRET", secret))
    one, other = (str((tmp_path / f"{secret}.txt").rename(tmp_path / f"{n}.txt")) for n, secret in enumerate(secrets))
    shown = CliRunner().invoke(
        command_line, ["diff", one, other, "--ocpp", "1.6", "--format", style], standalone_mode=False
    )
    assert shown.exception is None and "StatusNotification" in shown.output
    assert not any(secret[:6] in shown.output for secret in secrets)


@pytest.mark.parametrize("style", ["text", "json", "junit", "sarif", "github"])
def test_a_check_quotes_no_secret(tmp_path: Path, style: str) -> None:
    (tmp_path / "frames.txt").write_text(FRAMES.replace("SECRET", "Geheim-001122334"))
    arguments = ["check", str(tmp_path / "frames.txt"), "--ocpp", "1.6", "--format", style]
    shown = CliRunner().invoke(command_line, arguments, standalone_mode=False)
    assert "rpc.unknown-action" in shown.output
    assert "Geheim" not in shown.output


def test_a_value_that_was_starred_out_is_no_difference(tmp_path: Path) -> None:
    """The recording hides the password that the live peer sends, so the two cannot be compared."""
    frame = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"}]\n[3,"1",{"status":"Accepted"}]\n'
    (tmp_path / "recorded.txt").write_text(frame % ("*" * 16))
    (tmp_path / "live.txt").write_text(frame % "Geheim-001122334")
    arguments = ["diff", str(tmp_path / "recorded.txt"), str(tmp_path / "live.txt"), "--ocpp", "1.6"]
    shown = CliRunner().invoke(command_line, arguments, standalone_mode=False)
    assert shown.return_value == 0, shown.output
