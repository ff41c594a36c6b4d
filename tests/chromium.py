"""Finds the Chromium the browser tests drive, or installs one; knows nothing of any page.

`python -m tests.chromium` is what `make test` runs first: quick and quiet where one is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

NOT_NEEDED = (
    # Each window would load two pages for a popup below its address bar: half of what a small page costs in all.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    # Of two lists Chromium heeds the last: what Playwright switches off and matters here.
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
"""Quiet enough for a machine without a network; add a fresh --user-data-dir."""


def find() -> Path | None:
    """Return the path of a Chromium that is there: CHARGESENTINEL_CHROMIUM, one on PATH, Playwright's own."""
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
    """Install one: Debian's package when we are root, else Playwright's own download."""
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
    print("No Chromium could be found or installed: the browser tests will be skipped.", file=sys.stderr)
