"""Write docs/csms-actions.md, the table of actions by version and sender, from the code that answers them.

python -m csms.coverage > docs/csms-actions.md
"""

from __future__ import annotations

from csms import actions, schemas
from csms.schemas import VERSIONS, Version

HEAD = """\
# What the CSMS does with every action

`python -m csms.coverage` writes this page from the code; a test compares the two. The charge point's side is in
[charge-point-actions.md](charge-point-actions.md).

- **answers**: a charge point sends it, the CSMS answers it.
- **takes in**: a charge point sends it as SEND (message type 6), which never gets an answer.
- **sends**: the CSMS sends it when the operator asks for it, by API or page, and stores what the answer says.
- **both**: either side may send it; the CSMS does both.
- **not in …**: that version has no such action; a charge point that sends it gets NotImplemented.
"""


def cell(version: Version, action: str) -> str:
    """Return the words for what the CSMS does with an action in a version."""
    answered, sent = action in actions.from_charge_point(version), action in actions.from_csms(version)
    if answered and sent:
        return "both"
    if answered:
        return "takes in" if action in schemas.SENDS else "answers"
    return "sends" if sent else f"not in {version}"


def table() -> str:
    """Return the whole page in Markdown."""
    names = sorted(frozenset().union(*(schemas.actions(version) for version in VERSIONS)))
    lines = [HEAD, "| action | " + " | ".join(VERSIONS) + " |", "| --- " * (len(VERSIONS) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cell(version, name) for version in VERSIONS) + " |" for name in names]
    totals = [
        f"{len(actions.from_charge_point(version))} answered, {len(actions.from_csms(version))} sent"
        for version in VERSIONS
    ]
    return "\n".join([*lines, "| **all** | " + " | ".join(totals) + " |"])


if __name__ == "__main__":
    print(table())
