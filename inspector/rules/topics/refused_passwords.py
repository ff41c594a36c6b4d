"""Judge whether the CSMS still accepts the old password of a charge point that did not accept a new one."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import Faults, Topic, event, result, rule, track
from inspector.rules.topics.example_frames import csms, script, set_2x

_PASSWORD = ("SecurityCtrlr", "BasicAuthPassword", "correct-horse-battery")
_KEY = {"key": "AuthorizationKey", "value": "correct-horse-bat"}
_LATER = 'close\nrefused {"status": 401}'


def _set(status: str) -> dict[str, str]:
    return {
        "1.6": script(csms("ChangeConfiguration", _KEY, {"status": status})) + _LATER,
        "2x": script(set_2x(*_PASSWORD, status)) + _LATER,
    }


class RefusedPasswords(Topic):
    """The rule about passwords that the charge point has refused."""

    scope = "station"

    def setup(self) -> None:
        self._refused: str | None = None  # the status with which the latest new password was refused

    @rule(
        "security.old-password-refused",
        event("rejected-upgrade"),
        title="The CSMS refuses the old password of a charge point that has not accepted the new one",
        severity=Severity.WARNING,
        spec="A01.FR.04, A01.FR.05 (1.6 security whitepaper, 2.x part 2)",
        remedy="Accept the old password until the charge point has accepted the new one.",
        bad=_set("Rejected"),
        good=_set("Accepted"),
        side=Side.CSMS,
    )
    def old_password_refused(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> Faults:
        if self._refused is None or detail.get("status") not in (401, 403):
            return None
        text = f"the CSMS answers {detail['status']}; the new password was answered with {self._refused[:20]}"
        return Fault(text, key=self._refused)

    @track(result("ChangeConfiguration"))
    def key_changed(self, frame: Frame) -> None:
        if (string(frame.request, "key") or "").lower() == "authorizationkey":
            self._note(string(frame.payload, "status"))

    @track(result("SetVariables"))
    def variables_set(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "setVariableResult"):
            if (string(member(entry, "variable"), "name") or "").lower() == "basicauthpassword":
                self._note(string(entry, "attributeStatus"))

    def _note(self, status: str | None) -> None:
        self._refused = None if status in ("Accepted", "RebootRequired") else status
