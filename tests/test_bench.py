"""The ledger of the benchmarks gives each sample to the step that was running."""

from __future__ import annotations

import pytest

from bench.ledger import BEGIN, END, RECORDER, RELAY, kept, renewed, shares

_MAIN = (
    "<module> (/x/inspector/recorder/worker/process.py:289);Process.run (/x/inspector/recorder/worker/process.py:126)"
)
_RULE = (
    f"{_MAIN};Pipeline.take (/x/inspector/recorder/pipeline.py:9);SessionJudge._run (/x/inspector/rules/judge.py:7)"
    ";Registers.register_falls (/x/inspector/rules/topics/metering/registers.py:72);loads (/lib/json/__init__.py:3)"
)


def test_a_sample_belongs_to_the_innermost_function_of_the_project() -> None:
    """What a rule calls in a library is the rule's; the shares add up to 1."""
    samples = f"{_RULE} 3\n{_MAIN};WaitingRows.insert (/x/inspector/store/writing/waiting_rows.py:40) 1\n"
    assert shares(samples, RECORDER) == {"rules: metering": 0.75, "INSERT": 0.25}


def test_a_thread_that_waits_costs_nothing() -> None:
    """The watch of the file's name sleeps in the kernel, but its stack is sampled too."""
    waiting = "Thread.run (/lib/threading.py:992);NameWatch._run (/x/inspector/store/files/name_watch.py:58)"
    assert shares(f"{waiting} 90\n{_RULE} 1", RECORDER) == {"rules: metering": 1.0}


@pytest.mark.parametrize(
    ("stack", "step"),
    [
        ("proxy (/x/inspector/cli/commands/proxy.py:3);Runner.run (/lib/asyncio/runners.py:1)", "event loop"),
        (
            "proxy (/x/inspector/cli/commands/proxy.py:3);Pipe.data_received (/x/inspector/proxy/pipe.py:8)",
            "relaying: receive and send",
        ),
    ],
)
def test_the_event_loop_is_told_from_what_it_calls(stack: str, step: str) -> None:
    """Both run below the command `proxy`."""
    assert shares(f"{stack} 5", RELAY) == {step: 1.0}


def test_the_page_keeps_its_ledger_and_gets_a_new_one_in_its_place() -> None:
    """`make bench` writes the rest of the page, `make profile` only the ledger."""
    page = renewed("# Benchmarks\n\ntable\n", "old")
    again = renewed(page, "new")
    assert again.startswith("# Benchmarks\n\ntable\n")
    assert "old" not in again
    assert again.count(BEGIN) == again.count(END) == 1
    assert "new" in kept(again)
    assert kept("# Benchmarks\n") == ""
