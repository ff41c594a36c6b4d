"""What peers have said, as the log may hold it: as little of a secret as the recording, and a line each."""

from __future__ import annotations

from inspector.redaction.handshake import printable
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets

_REDACTION = Redactor()


def logged(*told: str) -> list[str]:
    """Return texts of one log line without their passwords, also where one quotes what another one gives away."""
    secrets = Secrets()
    shown = [_REDACTION.text(secrets, text) for text in told]
    return [printable(_REDACTION.text(secrets, text)) for text in shown]  # an earlier one may quote a later one
