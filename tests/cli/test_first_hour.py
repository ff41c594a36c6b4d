"""What a new user types in the first hour: a misspelled command, none, a topic of rules, an address with the id."""

from __future__ import annotations

import pytest

from inspector.cli.option_types import without_id
from inspector.errors import UserMistake
from inspector.rules.catalogue import rules
from tests.cli.conftest import in_this_process


def test_a_misspelled_command_is_answered_with_the_nearest() -> None:
    ended = in_this_process("chek", "traffic.db")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "did you mean check?" in ended.stderr


def test_without_a_command_the_help_is_printed() -> None:
    ended = in_this_process()
    assert ended.stderr == ""
    assert ended.stdout.rstrip() == in_this_process("--help").stdout.rstrip()


@pytest.mark.parametrize("topic", ["meter", "meter.", "meter.*"])
def test_rules_lists_the_rules_of_a_topic(topic: str) -> None:
    printed = in_this_process("rules", topic).stdout
    slugs = [line.split()[0] for line in printed.splitlines() if "." in line.split(" ")[0]]
    assert slugs == [rule.slug for rule in rules() if rule.slug.startswith("meter.")]


def test_a_pipe_gets_the_title_of_every_rule_whole() -> None:
    lines = in_this_process("rules").stdout.splitlines()
    for rule in rules():
        assert any(line.strip().startswith(rule.title) for line in lines), rule.slug


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("ws://csms:9000/ocpp", "ws://csms:9000/ocpp"),
        ("ws://csms:9000/ocpp/CP-1", "ws://csms:9000/ocpp"),
        ("ws://csms:9000/CP-1/", "ws://csms:9000"),
        ("ws://csms:9000/XCP-1", "ws://csms:9000/XCP-1"),
    ],
)
def test_an_address_that_ends_with_the_id_is_not_given_the_id_again(url: str, base: str) -> None:
    assert without_id(url, "CP-1") == base


def test_an_address_that_ends_with_the_id_twice_is_refused() -> None:
    with pytest.raises(UserMistake, match="twice"):
        without_id("ws://csms:9000/CP-1/CP-1", "CP-1")
