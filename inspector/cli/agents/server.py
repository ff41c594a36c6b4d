"""Serve the tools over the Model Context Protocol on stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations
from pydantic import Field

from inspector.cli.agents.answers import NOTICE
from inspector.cli.agents.folder import Folder, with_recording
from inspector.cli.agents.tools import Tools
from inspector.cli.options.filters import DIRECTIONS
from inspector.cli.options.option_types import Moment
from inspector.store.reading.filter import Filter

_INSTRUCTIONS = f"""Tools for reading a recording of OCPP traffic between charge points and their CSMS. They only read.
Start with `sessions` or `findings`; `show` has the frames of a session; `explain_rule` says what a finding means.
{NOTICE} Secrets in the recording are replaced by asterisks."""
_TABLES = """\
Run one SELECT (SQLite). Tables: sessions(id, charge_point_id, ocpp_version, opened, closed_ns, frame_count,
error_count, closed_by, …), frames(id, session_id, ts, direction, msg_type, action, valid, latency_us, payload,
message_id, call_id, raw), findings(id, severity, rule_id, message, side, count, frame_id, session_id), events(id,
session_id, ts_ns, kind, detail), charge_points, transactions(id, session_id, transaction_id, id_token, started_ns,
stopped_ns, meter_start_wh, meter_stop_wh, stop_reason), meter_samples(ts_ns, measurand, phase, value, unit,
transaction_id, session_id, frame_id). `SELECT sql FROM sqlite_master` shows all columns. Times are ns since 1970."""

type Severity = Literal["error", "warning", "info"]
type Version = Literal["1.6", "2.0.1", "2.1"]
type Limit = Annotated[int, Field(description="The most rows; 500 at most.")]
type When = Annotated[str | None, Field(description="10m, 2h, 3d (ago) or 2026-01-01T10:00 (UTC).")]


def _named(tools: Tools) -> list[Callable[..., Any]]:
    """Return the tools as functions whose names, parameters and docstrings the agent sees."""

    async def sessions(
        charge_point: str | None = None,
        ocpp: Version | None = None,
        state: Literal["live", "closed", "interrupted"] | None = None,
        severity: Severity | None = None,
        before: Annotated[int | None, Field(description="Only sessions before this id, for the next page.")] = None,
        limit: Limit = 50,
    ) -> dict[str, Any]:
        """List recorded sessions (WebSocket connections), newest first, with how they ended and counts of findings."""
        filters = {"version": ocpp, "state": state, "severity": severity, "before": before, "limit": limit}
        return await asyncio.to_thread(tools.sessions, charge_point_id=charge_point, **filters)

    async def show(
        session: Annotated[int, Field(description="The id of the session.")],
        after: Annotated[int, Field(description="Only frames after this frame id, for the next page.")] = 0,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Show a session: its frames in order, each with its findings, and its events and transactions."""
        return await asyncio.to_thread(tools.show, session, after, limit)

    async def search(
        text: Annotated[str | None, Field(description="A text anywhere in the frame; case does not matter.")] = None,
        action: Annotated[str | None, Field(description="An action or a pattern such as Boot*.")] = None,
        charge_point: Annotated[str | None, Field(description="An id, or a pattern with * and ?.")] = None,
        session: int | None = None,
        sender: Literal["charge-point", "csms"] | None = None,
        message_id: str | None = None,
        transaction: str | None = None,
        severity: Annotated[Severity | None, Field(description="With a finding at least this severe.")] = None,
        rule: Annotated[str | None, Field(description="With a finding of this rule, or of payload.*")] = None,
        since: When = None,
        until: When = None,
        before: Annotated[int | None, Field(description="Only frames before this id, for the next page.")] = None,
        limit: Limit = 50,
    ) -> dict[str, Any]:
        """Find frames that meet all given criteria, newest first."""
        wanted = Filter(
            sessions=(session,) if session is not None else (),
            charge_points=(charge_point,) if charge_point else (),
            since_ns=_moment(since),
            until_ns=_moment(until),
            actions=(action,) if action else (),
            direction=DIRECTIONS[sender] if sender else None,
            severity=severity,
            rules=(rule,) if rule else (),
            transaction=transaction,
            message_id=message_id,
            text=text or None,
        )
        return await asyncio.to_thread(tools.search, wanted, before, limit)

    async def findings(
        session: int | None = None,
        rule: Annotated[str | None, Field(description="A rule, or a pattern such as payload.*")] = None,
        severity: Severity | None = None,
        after: Annotated[int, Field(description="Only findings after this id, for the next page.")] = 0,
        limit: Limit = 50,
    ) -> dict[str, Any]:
        """List what the judge found: how often each rule was broken and by which side, and the findings themselves."""
        return await asyncio.to_thread(tools.findings, session, rule, severity, after, limit)

    async def explain_rule(rule: Annotated[str, Field(description="Such as rpc.orphan-answer.")]) -> dict[str, Any]:
        """Explain a rule: what OCPP demands, where, a bad and a good example, and what to do about a finding."""
        return await asyncio.to_thread(tools.explain_rule, rule)

    async def diff(
        session: int, other_session: int, match: Literal["strict", "semantic", "shape"] = "semantic"
    ) -> dict[str, Any]:
        """Compare two sessions by meaning; ids and times may differ unless `match` is strict."""
        return await asyncio.to_thread(tools.diff, session, other_session, match)

    async def sql(query: str, limit: Limit = 100) -> dict[str, Any]:
        return await asyncio.to_thread(tools.sql, query, limit)

    sql.__doc__ = _TABLES
    return [sessions, show, search, findings, explain_rule, diff, sql]


def _moment(text: str | None) -> int | None:
    return None if text is None else Moment().convert(text, None, None)


def serve(path: Path) -> None:
    """Answer requests until stdin ends.

    Args:
        path: a recording, or a folder of recordings.

    Raises:
        UnusableFile: it is neither.
    """
    source: Tools | Folder
    if path.is_dir():
        folder = source = Folder(path)
        listed = [with_recording(tool, folder, _named) for tool in _named(folder.tools(folder.names()[0]))]
        listed.append(_recordings(folder))
    else:
        source = Tools(path)
        listed = _named(source)

    def end(number: int, frame: object) -> None:
        # The SDK waits for stdin in a thread that cannot be interrupted.
        source.close()
        os._exit(128 + number)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        server = FastMCP("chargesentinel", instructions=_INSTRUCTIONS, log_level="ERROR")
        for tool in listed:
            server.add_tool(tool, annotations=ToolAnnotations(readOnlyHint=True, openWorldHint=False))
        server.run("stdio")
    finally:
        source.close()
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the SDK has closed the other


def _recordings(folder: Folder) -> Callable[..., Any]:
    async def recordings() -> dict[str, Any]:
        """List the recordings in the folder."""
        return await asyncio.to_thread(folder.recordings)

    return recordings
