"""A program for `conform --operator`: our charge point, behind a proxy whose interventions plant one fault.

python -m tests.conformance.faulty_bench URL VERSION FOLDER [OPTIONS OF THE CHARGE POINT]

Without a file FOLDER/faults.toml the charge point connects directly.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "inspector"]


def main() -> int:
    """Start the proxy if there are faults, and let the charge point play until its standard input ends."""
    url, version, folder, *options = sys.argv[1:]
    faults = Path(folder) / "faults.toml"
    proxy = None
    if faults.exists():
        arguments = ["--listen", "127.0.0.1:0", "--upstream", url, "--interventions", str(faults)]
        proxy = subprocess.Popen(
            [*COMMAND, "proxy", "--quiet", *arguments, "--db", str(Path(folder) / "proxy.db")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert proxy.stdout is not None
        url = proxy.stdout.readline().removeprefix("listening on ").strip()
    try:
        arguments = ["charge-point", "--url", url, "--ocpp", version, "--scenario", "-", "--timeout", "8", *options]
        return subprocess.run([*COMMAND, *arguments], check=False).returncode
    finally:
        if proxy is not None:
            proxy.terminate()
            proxy.wait()


if __name__ == "__main__":
    sys.exit(main())
