"""A CSMS on a free port, in this process, for tests that talk to it over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from csms.central_system import CentralSystem


@pytest.fixture
async def csms() -> AsyncIterator[CentralSystem]:
    """A CSMS with default settings; `address` is where it listens."""
    system = CentralSystem()
    async with system.listening("127.0.0.1", 0):
        yield system
    system.close()
