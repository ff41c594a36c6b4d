"""Every way to write a secret is recognised, in every place of a session that can contain text."""

from __future__ import annotations

from itertools import count

import pytest

from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets
from tests.redaction.planted_forms import ALL_FORMS, places

SECRET = "Geheim055x35545Ab"


@pytest.mark.parametrize("version", ["1.6", pytest.param("2.1", marks=pytest.mark.long)])
@pytest.mark.parametrize("form", ALL_FORMS)
def test_a_form_is_hidden_in_every_place(form: str, version: str) -> None:
    for steps in places(version, form.replace("GEHEIM", SECRET), count(1)):
        session, redactor, secrets = Session(version=OcppVersion(version)), Redactor(), Secrets()
        for number, (who, said) in enumerate(steps):
            if who.startswith("ping"):
                continue
            raw = said if isinstance(said, bytes) else said.encode()
            frame = session.frame(number, 1, 1, Direction.FROM_CHARGE_POINT, raw)
            stored = redactor.frame(secrets, frame) or raw
            assert b"Geheim" not in stored.replace(b"\0", b"")
            assert len(stored) <= len(raw)
