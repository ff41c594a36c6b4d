"""Write docs/charge-point-actions.md from the code: the actions that the headless charge point sends and answers.

python -m simulator.coverage > docs/charge-point-actions.md
"""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

from simulator.charge_point import VERSIONS, make
from simulator.v2x.v21 import REFUSED
from simulator.wire.connection import Identity

HERE = Path(__file__).parent
MODULES = {"1.6": ("v16/*.py",), "2.0.1": ("v2x/[!v]*.py",), "2.1": ("v2x/*.py",)}
"""Version -> the modules with its messages; the modules for all versions are in `SHARED`."""

SHARED = ("lifecycle.py", "dialect.py")
FROM_BOTH = ("DataTransfer",)
SEND = "NotifyPeriodicEventStream"

HEAD = """\
# What the headless charge point does with every action

`python -m simulator.coverage` writes this page from the code; a test compares the two.

- **answers**: a CSMS sends it, the charge point answers it and does what it asks.
- **refuses**: a CSMS sends it, and the charge point always answers Rejected, for the given reason.
- **sends**: the charge point sends it on its own, when there is a reason.
- **by scenario**: the charge point never sends it on its own; the step `call` of a scenario can.
- **not in …**: that version does not have the action; the charge point answers NotImplemented.
"""

FLOWS_HEAD = """\

## Which flows are real

A flow is real if every message follows from the one before, as the specification wants, and the charge point obeys it.

| flow | real part | missing or simplified |
| --- | --- | --- |"""

FLOWS = (
    # flow, real part, missing or simplified
    (
        "boot, status, heartbeat, offline queue",
        "everything",
        "",
    ),
    (
        "authorization, local list, cache, groups",
        "everything",
        "",
    ),
    (
        "transactions, meter values, remote control, reservations, availability",
        "everything, in simulated time",
        "",
    ),
    (
        "charging profiles, composite schedules",
        "the limits that the power follows; the rules for profiles",
        "one phase of 230 V; of several schedules only the first",
    ),
    (
        "priority charging, dynamic profiles (2.1)",
        "activation, NotifyPriorityCharging, updates that are pushed and pulled",
        "",
    ),
    (
        "modes of operation (2.1)",
        "ChargingOnly, CentralSetpoint, CentralFrequency, LocalFrequency at 50 Hz, Idle",
        "energy never flows back; all other modes are rejected",
    ),
    (
        "tariffs and costs (2.1)",
        "default tariffs, the tariffs of drivers, changed tariffs, costDetails, minimum and maximum",
        "conditions, and prices for reservations",
    ),
    (
        "limits of a transaction (2.1)",
        "energy, time, cost and state of charge: confirmed, obeyed, lifted",
        "",
    ),
    (
        "DER controls (2.1)",
        "priorities, start and end, reports",
        "they change no power",
    ),
    (
        "certificates",
        "X.509, chains, hashes, requests, refusals",
        "TLS uses the certificate of `--cert` only",
    ),
    (
        "signed firmware",
        "the signing certificate, all steps, the reboot, security events",
        "the file: its signature is checked for its form only, or fails by `firmware-fault`",
    ),
    (
        "logs and diagnostics",
        "all steps",
        "the upload",
    ),
    (
        "monitoring, event streams, display messages, customer information",
        "everything",
        "nothing is displayed",
    ),
    (
        "Plug & Charge, contract certificates",
        "Get15118EVCertificate, Authorize with certificate and hash data, all answers",
        "the EXI content: it is a certificate request in PEM, in base64",
    ),
    (
        "charging needs and schedules",
        "NotifyEVChargingNeeds, the profile that follows, NotifyEVChargingSchedule",
        "the vehicle takes part only in a scenario",
    ),
    (
        "battery swap (2.1)",
        "authorization, both batteries, the slots' states, both time-outs",
        "transactions that charge the batteries in the slots",
    ),
    (
        "reset that resumes transactions (2.1)",
        "it is rejected, as without ResumptionTimeout",
        "",
    ),
)


@cache
def actions(version: str) -> frozenset[str]:
    """Return every action of a version that has a schema, from either side."""
    package = importlib.util.find_spec("ocpp")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / f"v{version.replace('.', '')}" / "schemas"
    stems = [path.stem for path in folder.glob("*.json")]
    return frozenset(stem.removesuffix("Request") for stem in stems if not stem.endswith("Response"))


@cache
def served(version: str) -> frozenset[str]:
    """Return the actions that the charge point answers."""
    return frozenset(make(version, Identity(url="ws://127.0.0.1", id="CP-1")).answering.routes)


@cache
def said(version: str) -> frozenset[str]:
    """Return the actions that the version's code contains as strings, without those that it answers."""
    files = [path for pattern in (*MODULES[version], *SHARED) for path in HERE.glob(pattern)]
    texts = {
        node.value
        for path in files
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return frozenset(texts) & actions(version) - served(version)


def cell(version: str, action: str) -> str:
    """Return the words for what the charge point does with an action in a version."""
    if action not in actions(version):
        return f"not in {version}"
    if action in REFUSED and action in served(version):
        return f"refuses: {REFUSED[action]}"
    if action in FROM_BOTH:
        return "answers; by scenario"
    if action in served(version):
        return "answers"
    if action == SEND:
        return "sends, as SEND"
    return "sends" if action in said(version) else "by scenario"


def table() -> str:
    """Return the whole page in Markdown."""
    names = sorted(frozenset().union(*(actions(version) for version in VERSIONS)))
    lines = [HEAD, "| action | " + " | ".join(VERSIONS) + " |", "| --- " * (len(VERSIONS) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cell(version, name) for version in VERSIONS) + " |" for name in names]
    totals = [f"{len(served(version))} answered, {len(said(version))} sent by itself" for version in VERSIONS]
    return "\n".join([*lines, "| **all** | " + " | ".join(totals) + " |", FLOWS_HEAD, *map(_row, FLOWS)])


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(table())
