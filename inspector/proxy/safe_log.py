"""Make texts from peers safe for the log: remove secrets and line breaks."""

from __future__ import annotations

from inspector.redaction.handshake import printable
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets

_REDACTION = Redactor()


def safe(*texts: str) -> list[str]:
    """Return the texts of one log line without secrets; a secret in one text is also removed from the others."""
    secrets = Secrets()
    shown = [_REDACTION.text(secrets, text) for text in texts]
    return [printable(_REDACTION.text(secrets, text)) for text in shown]  # with all secrets known
