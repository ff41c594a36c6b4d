"""Finds the Chromium for the browser tests, or installs one.

`make test-system` and `make proof` run `python -m tests.chromium` first; it prints nothing where Chromium is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

NOT_NEEDED = (
    # Without this, each window loads two pages for a popup of the address bar: half the cost of opening a small page.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    # Chromium reads only the last --disable-features, so repeat what Playwright switches off and these tests need.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "AimEnabled",
    "ThirdPartyStoragePartitioning",
)

FLAGS = (
    f"--disable-features={','.join(NOT_NEEDED)}",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Keep Chromium off the network. Add a new --user-data-dir."""


def find() -> Path | None:
    """Return the path of an installed Chromium: CHARGESENTINEL_CHROMIUM, else one on PATH, else Playwright's own."""
    if named := os.environ.get("CHARGESENTINEL_CHROMIUM"):
        return Path(named)
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def install() -> Path | None:
    """Install Chromium: Debian's package if we are root, else Playwright's own download."""
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        apt = "apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core"
        attempts.insert(0, ["sh", "-c", apt])
    for argv in attempts:
        print("Installing Chromium for the browser tests:", " ".join(argv), flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, check=False)
        if path := find():
            return path
    return None


if __name__ == "__main__" and not (find() or install()):
    print("Chromium is not installed and cannot be installed: the browser tests will be skipped.", file=sys.stderr)
