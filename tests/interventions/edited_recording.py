"""Records a session with interventions: an edited answer, a dropped CALL, a doubled answer and an injected CALL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inspector.records import EDITED, TEXT, FrameRecord
from tests.browse.charging import Link, Recording

ACCEPTED, BLOCKED = {"idTagInfo": {"status": "Accepted"}}, {"idTagInfo": {"status": "Blocked"}}


def noted(link: Link, charge_point: bool, frame: Any, **notes: Any) -> None:
    """Record a frame with notes, a second after the one before."""
    link.recording.wait(1)
    now = link.recording.now
    raw = json.dumps(frame, separators=(",", ":")).encode()
    link.recording.pipeline.take(FrameRecord(link.number, now, now, charge_point, TEXT, raw, notes or None))


def edited_recording(path: Path, name: str = "CP-7") -> Path:
    """Write the recording; its session has eleven frames after the boot."""
    recording = Recording(path)
    link = recording.connect(name, relay=EDITED)
    link.boot()
    for connector in (0, 1):
        link.status("Available", connector)
    noted(link, True, [2, "a", "Authorize", {"idTag": "04E91C5A2B"}])
    noted(link, False, [3, "a", ACCEPTED], forwarded=False, interventions=[["blocked-card", "edit"]])
    noted(link, False, [3, "a", BLOCKED], made_by="blocked-card", made_from=1)
    noted(link, True, [2, "h", "Heartbeat", {}], forwarded=False, interventions=[["lost-beat", "drop"]])
    recording.wait(90)
    noted(link, True, [2, "i", "Heartbeat", {}])
    noted(link, False, [3, "i", {"currentTime": link.clock}], forwarded=False, interventions=[["bad-clock", "edit"]])
    noted(link, False, [3, "i", {}], made_by="bad-clock", made_from=1)
    link.close()
    return recording.finish()
