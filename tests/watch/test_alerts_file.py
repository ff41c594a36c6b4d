"""Mistakes in an alerts file are one line with the place and the name that was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import SettingsMistake
from inspector.watch.alerts_file import load

TARGET = '[[target]]\nname = "ops"\nwebhook = "https://hooks.example/x"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[alert]]\nname = "a"\nsilense = "5m"\n', "alert 1.silense: unknown name; did you mean silence?"),
        ('[[alert]]\nname = "a"\nsilence = "5 min"\n', "alert 1.silence: expected a time such as"),
        ('[[alert]]\nname = "a"\n', "needs exactly one of"),
        ('[[alert]]\nname = "a"\nsilence = "5m"\ngap = true\n', "it has silence and gap"),
        ('[[alert]]\nsilence = "5m"\n', "alert 1.name: is missing"),
        ('[[alert]]\nname = "a"\nrule = "rpc.orphan-anwser"\n', "did you mean rpc.orphan-answer?"),
        ('[[alert]]\nname = "a"\nrule = "nothing.*"\n', "no rule 'nothing.*'"),
        ('[[alert]]\nname = "a"\nseverity = "bad"\n', "expected error, warning or info, got 'bad'"),
        ('[[alert]]\nname = "a"\nsilence = "5m"\nto = ["opps"]\n', "did you mean ops?"),
        ('[[alert]]\nname = "a"\nsilence = "5m"\nquiet = ["22-6"]\n', 'expected times such as "22:00-06:00"'),
        ('[[alert]]\nname = "a"\nsilence = "5m"\nwithin = "5m"\n', "has no meaning with silence"),
        ('[[alert]]\nname = "a"\nfailed_attempts = 0\n', "expected a number from 1 to 1000"),
        ('[[alert]]\nname = "a"\ngap = true\n[[alert]]\nname = "a"\ngap = true\n', "two alerts named 'a'"),
        ('[[alerts]]\nname = "a"\n', "alerts: unknown name; did you mean alert?"),
        ('[alert]\nname = "a"\n', "expected [[alert]] in double brackets"),
        ('time_zone = "Mars/Base"\n[[alert]]\nname = "a"\ngap = true\n', 'expected a name such as "Europe/Berlin"'),
        ("", "has no [[alert]]"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "alerts.toml"
    # A name at the top level must come before the tables.
    path.write_text(text + TARGET)
    with pytest.raises(SettingsMistake) as raised:
        load(path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ('name = "ops"\n', "needs either webhook or command"),
        ('name = "ops"\nwebhook = "hooks.example"\n', "expected an address such as https://"),
        ('name = "ops"\nwebhook = "https://h.example"\nstyle = "slak"\n', "did you mean slack?"),
        ('name = "ops"\ncommand = []\n', "expected the program and its arguments"),
        ('name = "ops"\ncommand = ["x"]\nstyle = "json"\n', "style belongs to a webhook"),
    ],
)
def test_a_mistake_in_a_target_is_named(tmp_path: Path, target: str, said: str) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text(f'[[target]]\n{target}[[alert]]\nname = "a"\ngap = true\n')
    with pytest.raises(SettingsMistake) as raised:
        load(path)
    assert said in str(raised.value)


def test_an_alert_without_a_target_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text('[[alert]]\nname = "a"\ngap = true\n')
    with pytest.raises(SettingsMistake, match=r"add a \[\[target\]\]"):
        load(path)
