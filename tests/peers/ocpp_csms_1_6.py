"""Runs the central system of PyPI's `ocpp-csms` for one charge point; a process of its own, for its licence's sake.

Prints `listening on ws://…`, asks the charge point some things after its boot (with the argument `silent` nothing), and
ends when it is gone with one line of JSON: what was asked and answered, and which events were seen.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

from ocpp_csms import BootEvent as Booted
from ocpp_csms import CentralSystem, DisconnectedEvent, MessageTrigger


async def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    events: list[str] = []
    answers: dict[str, Any] = {}
    gone = asyncio.Event()
    asking: list[asyncio.Task[None]] = []

    async with CentralSystem(host="127.0.0.1", port=port) as central_system:

        async def ask(charge_point_id: str) -> None:
            charge_point = central_system.charge_points[charge_point_id]
            found = await charge_point.async_get_configuration(["NumberOfConnectors"])
            answers["configuration"] = str(found)
            answers["change"] = await charge_point.async_change_configuration("MeterValueSampleInterval", "30")
            answers["trigger"] = await charge_point.async_trigger_message(MessageTrigger.STATUS_NOTIFICATION)

        def on_event(event: Any) -> None:
            events.append(type(event).__name__)
            if isinstance(event, Booted) and sys.argv[1:] != ["silent"]:
                asking.append(asyncio.ensure_future(ask(event.charge_point_id)))
            if isinstance(event, DisconnectedEvent):
                gone.set()

        central_system.add_listener(on_event)
        print(f"listening on ws://127.0.0.1:{port}", flush=True)
        await gone.wait()
        await asyncio.gather(*asking)
    print(json.dumps({"events": events, "answers": answers}), flush=True)


asyncio.run(main())
