"""The options of `proxy` and `browse` from a file and from variables, and which source wins."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.child_lifetime import environment_without_settings
from inspector.cli.options.configured_command import TABLES, ConfiguredCommand
from inspector.pytest_plugin import RecordingProxy
from inspector.watch.alerts_file import load
from tests.cli.conftest import in_this_process
from tools.command_page import group_context

UPSTREAM = 'upstream = "ws://csms.example:9000/ocpp"\n'


def command(name: str) -> ConfiguredCommand:
    found = group_context().command.get_command(group_context(), name)  # type: ignore[attr-defined]
    assert isinstance(found, ConfiguredCommand)
    return found


def written(folder: Path, text: str) -> Path:
    path = folder / "chargesentinel.toml"
    path.write_text(text)
    return path


def printed(*arguments: object) -> str:
    """Return what --print-config prints."""
    ended = in_this_process(*arguments, "--print-config")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def values(*arguments: object) -> dict[str, object]:
    """Return the options that --print-config prints, as a TOML reader reads them."""
    return tomllib.loads(printed(*arguments))[str(arguments[0])]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", TABLES)
def test_every_option_has_a_variable_and_is_in_the_printed_configuration(name: str) -> None:
    text = printed(name)
    offered = {
        max(one.opts, key=len).removeprefix("--")
        for one in command(name).params
        if isinstance(one, click.Option) and one.name not in ("config", "print_config")
    }
    assert len(offered) >= 5
    for option in offered:
        assert f"\n{option} = " in text or f"\n# {option} is " in text
        variable = f"CHARGESENTINEL_{name}_{option}".upper().replace("-", "_")
        assert variable in (command(name).settings()[option].envvar or ())


@pytest.mark.parametrize("name", TABLES)
def test_a_printed_configuration_is_a_file_with_the_same_settings(name: str, tmp_path: Path) -> None:
    some = "file-mode = '0640'\nlisten = ['1', '2']\nquiet = true\nrules = 'a \\u007f.toml'\n"
    first = printed(name, "--config", written(tmp_path, f"[proxy]\n{UPSTREAM}{some.replace(chr(39), chr(34))}"))
    again = printed(name, "--config", written(tmp_path, first))
    assert tomllib.loads(again) == tomllib.loads(first)


def test_the_command_line_wins_over_variables_these_over_the_file_and_this_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, f"[proxy]\n{UPSTREAM}max-connections = 1\nconnect-timeout = 1\nhandshake-timeout = 1\n")
    monkeypatch.setenv("CHARGESENTINEL_CONFIG", str(file))
    monkeypatch.setenv("CHARGESENTINEL_PROXY_MAX_CONNECTIONS", "2")
    monkeypatch.setenv("CHARGESENTINEL_PROXY_CONNECT_TIMEOUT", "2")
    lines = printed("proxy", "--max-connections", 3).splitlines()
    assert "max-connections = 3  # command line" in lines
    assert "connect-timeout = 2.0  # CHARGESENTINEL_PROXY_CONNECT_TIMEOUT" in lines
    assert f"handshake-timeout = 1.0  # {file}" in lines
    assert "max-frame-size = 16777216  # default" in lines


def test_a_variable_turns_off_what_the_file_turns_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, f"[proxy]\n{UPSTREAM}quiet = true\n")
    assert values("proxy", "--config", file)["quiet"] is True
    monkeypatch.setenv("CHARGESENTINEL_PROXY_QUIET", "0")
    assert values("proxy", "--config", file)["quiet"] is False


def test_a_file_in_the_current_folder_has_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "[proxy]\nmistake = 1\n")
    monkeypatch.chdir(tmp_path)
    assert values("proxy", "--upstream", "ws://csms.example")["quiet"] is False


def test_the_printed_configuration_says_which_required_option_is_missing() -> None:
    assert "# upstream is not set, and is required\n" in printed("proxy")
    assert in_this_process("proxy").returncode == 2


def test_names_of_files_are_relative_to_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    files = 'db = "a.db"\ntls-cert = "/etc/cert.pem"\ninterventions = "mine.toml"\n'
    found = values("proxy", "--config", written(tmp_path, f"[proxy]\n{UPSTREAM}{files}"))
    assert found["db"] == str(tmp_path / "a.db")
    assert found["tls-cert"] == "/etc/cert.pem"
    assert found["interventions"] == str(tmp_path / "mine.toml")
    shipped = written(tmp_path, f'[proxy]\n{UPSTREAM}interventions = "slow-boot"\n')
    assert values("proxy", "--config", shipped)["interventions"] == "slow-boot"


def test_alerts_may_be_in_the_same_file(tmp_path: Path) -> None:
    alerts = 'time_zone = "UTC"\n[[target]]\nname = "a"\ncommand = ["true"]\n[[alert]]\nname = "b"\nsilence = "1m"\n'
    file = written(tmp_path, f'{alerts}[proxy]\n{UPSTREAM}alerts = "chargesentinel.toml"\n')
    assert values("proxy", "--config", file)["alerts"] == str(file)
    assert [one.name for one in load(file).alerts] == ["b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('upsteam = "x"', "proxy.upsteam: unknown name; did you mean upstream?"),
        ("max_connections = 3", "proxy.max_connections: unknown name; did you mean max-connections?"),
        ('max-connections = "3"', "proxy.max-connections: expected a whole number, got a string"),
        ("max-connections = true", "proxy.max-connections: expected a whole number, got true"),
        ("max-connections = 0", "proxy.max-connections: 0 is not in the range x>=1"),
        ("connect-timeout = nan", "proxy.connect-timeout: nan is not a finite number"),
        ('ocpp = "1.5"', "proxy.ocpp: '1.5' is not one of '1.6', '2.0.1', '2.1'"),
        ("quiet = 1", "proxy.quiet: expected true or false, got a whole number"),
        ("listen = [9100]", "proxy.listen: expected a list of strings, got a list with other values"),
        ("listen = []", "proxy.listen: expected a list of strings, got an empty list"),
        ("file-mode = 640", "proxy.file-mode: expected a string, got a whole number"),
        ("rotate = 2026-01-01", "proxy.rotate: expected a string, got a date or time"),
        ('config = "other.toml"', "proxy.config: unknown name"),
        ("[prxy]", "prxy: unknown name; did you mean proxy?"),
        ("quiet = ", "not TOML: "),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_its_place(line: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"[proxy]\n{line}\n")
    ended = in_this_process("proxy", "--upstream", "ws://127.0.0.1:1", "--config", path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"chargesentinel: {path}: {said}")
    assert ended.stderr.count("\n") == 1


def test_a_wrong_value_in_a_variable_is_one_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGESENTINEL_PROXY_MAX_CONNECTIONS", "many")
    ended = in_this_process("proxy", "--upstream", "ws://csms.example")
    said = "chargesentinel: CHARGESENTINEL_PROXY_MAX_CONNECTIONS: 'many' is not a valid integer range\n"
    assert (ended.returncode, ended.stderr) == (2, said)


def test_a_mistyped_variable_is_reported_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGESENTINEL_PROXY_UPSTRAEM", "ws://csms.example")
    ended = in_this_process("proxy", "--print-config")
    assert ended.stderr == (
        "WARNING: CHARGESENTINEL_PROXY_UPSTRAEM is not a variable of this command; "
        "did you mean CHARGESENTINEL_PROXY_UPSTREAM?\n"
    )


def test_a_variable_has_several_values_with_spaces_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGESENTINEL_PROXY_LISTEN", "9100 0.0.0.0:9200")
    assert values("proxy")["listen"] == ["9100", "0.0.0.0:9200"]


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2),
)


@given(name=st.sampled_from(TABLES), data=st.data(), value=VALUES)
def test_no_value_in_the_file_is_a_crash(
    name: str, data: st.DataObject, value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A value is printed as the same value, or refused."""
    setting = data.draw(st.sampled_from(sorted(command(name).settings())))
    path = tmp_path_factory.getbasetemp() / f"{name}-any.toml"
    path.write_text(f"[{name}]\n{setting} = {toml(value)}\n", encoding="utf-8")
    ended = in_this_process(name, "--config", path, "--print-config")
    assert ended.returncode in (0, 2)
    if not ended.returncode and isinstance(value, str) and setting in ("rotate", "queue-limit"):
        again = tomllib.loads(ended.stdout)[name]
        assert again.get(setting, value) == value


def toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(one):08x}" for one in value) + '"'
    return json.dumps(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("browse", 'token = "hush"'),
        ("browse", "token = 8472636459"),
        ("proxy", 'upstream = "ws://me:hush@csms.example"'),
        ("proxy", 'upstream = "ws://me:hush@csms.example"\nmax-connections = 0'),
        ("proxy", 'otlp = "http://collector.example/v1?key=hush"'),
        ("proxy", 'route = ["CP-*=ws://me:hush@csms.example"]'),
        ("proxy", 'route = ["CP-*=ws://me:hush@csms.example", 8472636459]'),
        ("proxy", '"ocpp" = "ws://me:hush@csms.example"'),
        ("proxy", 'upstream = "hush\n'),
    ],
)
def test_no_secret_is_printed(name: str, text: str, tmp_path: Path) -> None:
    ended = in_this_process(name, "--config", written(tmp_path, f"[{name}]\n{text}\n"), "--print-config")
    assert ended.stdout + ended.stderr
    assert "hush" not in ended.stdout + ended.stderr
    assert "8472636459" not in ended.stdout + ended.stderr


def test_a_secret_in_a_variable_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGESENTINEL_TOKEN", "hush")
    text = printed("browse")
    assert "# token is set (CHARGESENTINEL_TOKEN), and not shown" in text
    assert "hush" not in text


def test_demo_and_the_pytest_plugin_start_proxies_without_the_settings_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CONFIG", "PROXY_METRICS", "BROWSE_LISTEN"):
        monkeypatch.setenv(f"CHARGESENTINEL_{name}", "x")
    monkeypatch.setenv("CHARGESENTINEL_CONTROL_TOKEN", "kept")
    left = environment_without_settings()
    assert [one for one in left if one.startswith("CHARGESENTINEL_")] == ["CHARGESENTINEL_CONTROL_TOKEN"]
    monkeypatch.setattr(os, "environ", left)
    assert "# upstream is not set" in printed("proxy")


@pytest.mark.system
def test_the_proxy_of_the_pytest_plugin_ignores_modules_and_settings_of_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inspector").mkdir()
    (tmp_path / "inspector/__init__.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARGESENTINEL_CONFIG", str(written(tmp_path, "[proxy]\nmistake = 1\n")))
    proxy = RecordingProxy("ws://127.0.0.1:9", tmp_path / "p.db")
    proxy.stop()
    assert proxy.findings() == []
