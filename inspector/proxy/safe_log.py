"""Make texts from peers safe for the log: without secrets, each on one line."""

from __future__ import annotations

from inspector.redaction.handshake import printable
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets

_REDACTION = Redactor()


def safe(*texts: str) -> list[str]:
    """Return the texts of one log line without secrets, also if one of them quotes a secret that is in another."""
    secrets = Secrets()
    shown = [_REDACTION.text(secrets, text) for text in texts]
    return [printable(_REDACTION.text(secrets, text)) for text in shown]  # an earlier one may quote a later one
