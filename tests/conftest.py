"""Fixtures for all tests (Chromium, the npm peers), and the rule that CI skips nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import chromium as chromiums
from tests import examples
from tests import npm_peers as peers
from tests.journeys.page_bench import browsing

examples.load_profile()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the path of a Chromium; skip where there is none (`make test-system` installs one)."""
    path = chromiums.find()
    if path is None:
        pytest.skip("no Chromium: `make test-system` installs one where it can")
    return path


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """Return a running Chromium, shared by all tests of a worker: Playwright cannot start twice in one process."""
    expect.set_options(timeout=10_000)
    with browsing(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def npm_peers() -> Path:
    """Return the folder that has the npm peers in its node_modules; install them on first use. Run `node` in it."""
    try:
        return peers.install()
    except peers.NoPeers as reason:
        pytest.skip(f"no npm peers: {reason}")


@contextmanager
def _beside_playwright() -> Iterator[None]:
    # Between two calls, Playwright's sync API suspends its event loop but leaves it registered as the running one, and
    # asyncio refuses to run another loop in that thread. Playwright registers its loop again with each call.
    suspended = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(suspended)


def pytest_configure() -> None:
    """Let async tests run beside an open browser, and let the commands under test react to Ctrl-C."""
    # A shell starts background jobs with SIGINT ignored, and child processes inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run, close = asyncio.Runner.run, asyncio.Runner.close
    asyncio.Runner.run = _beside_playwright()(run)
    asyncio.Runner.close = _beside_playwright()(close)


def _fail_in_ci[R: (pytest.TestReport, pytest.CollectReport)](report: R) -> R:
    """Turn a skip into a failure in CI, where everything is installed that a test may need."""
    # pytest reports an expected failure as skipped too.
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and CI skips nothing: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail tests that are skipped in CI."""
    return _fail_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail modules that are skipped in CI."""
    return _fail_in_ci((yield))
