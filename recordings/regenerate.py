"""Makes the recordings of this folder: our charge point against our CSMS, through our proxy; run it from anywhere.

    python recordings/regenerate.py [NAME...]

Each recording is one scenario of `chargesentinel charge-point` in one OCPP version, exported as Open OCPP Trace.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

FOLDER = Path(__file__).parent
SCENARIOS = {
    "charging-1.6": ("charging", "1.6"),
    "charging-2.0.1": ("charging", "2.0.1"),
    "charging-2.1": ("charging", "2.1"),
    "rejected-token-1.6": ("rejected-token", "1.6"),
    "remote-start-stop-1.6": ("remote-start-stop", "1.6"),
    "remote-start-stop-2.0.1": ("remote-start-stop", "2.0.1"),
    "offline-queue-1.6": ("offline-queue", "1.6"),
    "offline-queue-2.0.1": ("offline-queue", "2.0.1"),
    "smart-charging-1.6": ("smart-charging", "1.6"),
    "smart-charging-2.1": ("smart-charging", "2.1"),
    "firmware-update-1.6": ("firmware-update", "1.6"),
    "reservation-2.0.1": ("reservation", "2.0.1"),
    "local-list-1.6": ("local-list", "1.6"),
    "faulted-connector-2.0.1": ("faulted-connector", "2.0.1"),
    "misbehaving-charge-point-1.6": ("misbehaving", "1.6"),
    "misbehaving-charge-point-2.0.1": ("misbehaving", "2.0.1"),
    "misbehaving-csms-1.6": ("charging", "1.6"),
}
"""Name of the recording -> scenario and OCPP version."""

CSMS_CONFIG = {
    "misbehaving-csms-1.6": FOLDER / "misbehaving-csms.toml",
    "rejected-token-1.6": FOLDER / "rejected-token.toml",
}


class Part:
    """A command of ours that runs while a recording is made."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "inspector", *map(str, arguments)]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def said(self, pattern: str) -> str:
        """The first group of `pattern` in the next line that matches."""
        assert self._process.stdout is not None
        timer = threading.Timer(60, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                if found := re.search(pattern, line):
                    return found[1]
        finally:
            timer.cancel()
        raise SystemExit(f"{self._process.args}: ended before it said {pattern!r}")

    def end(self) -> None:
        """Stop it as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=30)


def record(name: str, folder: Path) -> str:
    """Make one recording; returns the charge point's summary."""
    scenario, version = SCENARIOS[name]
    config = ["--config", CSMS_CONFIG[name]] if name in CSMS_CONFIG else []
    csms = Part("csms", "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0", *config)
    proxy = None
    try:
        upstream = csms.said(r"csms at (ws://\S+)")
        operator = csms.said(r"operator page at (http://\S+)")
        db = folder / f"{name}.db"
        proxy = Part("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", db)
        url = proxy.said(r"listening on (ws://\S+)")
        who = f"{scenario.upper()}-{version.replace('.', '')}"
        command = ["charge-point", "--url", url, "--id", who, "--ocpp", version, "--scenario", scenario]
        command += ["--operator", operator, "--seed", "7", "--timeout", "3"]
        done = subprocess.run(
            [sys.executable, "-m", "inspector", *command], capture_output=True, text=True, timeout=180, check=False
        )
    finally:
        if proxy is not None:
            proxy.end()
        csms.end()
    summary = (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["nothing said"])[-1]
    if done.returncode and not name.startswith("misbehaving"):
        raise SystemExit(f"{name}: {summary}")
    export = [sys.executable, "-m", "inspector", "export", str(db), "-o", str(FOLDER / f"{name}.jsonl")]
    subprocess.run(export, check=True)
    return summary


def main() -> None:
    """Make the recordings named on the command line, or all."""
    names = sys.argv[1:] or list(SCENARIOS)
    for name in names:
        if name not in SCENARIOS:
            raise SystemExit(f"{name}: no such recording; known are {', '.join(SCENARIOS)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print(f"{name}: {record(name, Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
