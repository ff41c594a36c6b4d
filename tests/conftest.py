"""What every test may ask for (a Chromium, the npm peers), and the rule that CI skips nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, expect

from tests import chromium as chromiums
from tests import npm_peers as peers
from tests.journeys.page_bench import browsing

PATIENT = [hypothesis.HealthCheck.too_slow]
"""What says how fast the machine is, not how good the code."""
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=PATIENT)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the path of a Chromium; skips where there is none (`make test` installs one)."""
    path = chromiums.find()
    if path is None:
        pytest.skip("no Chromium: `make test` installs one where it can")
    return path


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """Return a running Chromium, one for all tests of a worker: Playwright cannot be started twice side by side."""
    expect.set_options(timeout=10_000)
    with browsing(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def npm_peers() -> Path:
    """Return the folder whose node_modules holds the npm peers, installed on first use; run `node` in it."""
    try:
        return peers.install()
    except peers.NoPeers as reason:
        pytest.skip(f"no npm peers: {reason}")


@contextmanager
def _beside_playwright() -> Iterator[None]:
    # Playwright's sync API suspends a loop between two calls and lets it stand as the running one, so that no async
    # test could run in the same worker while a browser is open. Each call of Playwright's sets it again.
    suspended = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(suspended)


def pytest_configure() -> None:
    """Let async tests and open browsers share a worker, and have the commands under test heed Ctrl-C."""
    # A run in the background inherits an ignored SIGINT, and its children would too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run, close = asyncio.Runner.run, asyncio.Runner.close
    asyncio.Runner.run = _beside_playwright()(run)
    asyncio.Runner.close = _beside_playwright()(close)


def _fail_in_ci[R: (pytest.TestReport, pytest.CollectReport)](report: R) -> R:
    """Turn a skip into a failure under CI, where everything a test may need is installed."""
    # An expected failure reports itself as skipped too, and is none.
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and CI skips nothing: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no test be skipped in CI."""
    return _fail_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let no module be skipped in CI."""
    return _fail_in_ci((yield))
