"""Datasette's metadata for the tables of a recording: titles, descriptions, columns, order and facets.

Facets, and the order of long tables, only use indexed columns: for other columns Datasette would read the whole table.
"""

from __future__ import annotations

from typing import Any

_NS = "Nanoseconds since 1970, shown as UTC; hover for your own time."

TABLES: dict[str, dict[str, Any]] = {
    "sessions": {
        "title": "Sessions",
        "description": "One row for each WebSocket between a charge point and its CSMS.",
        "sort_desc": "id",
        "label_column": "label",
        "facets": ["charge_point_id"],
        "columns": {
            "label": "Charge point, version and when it opened.",
            "ocpp_version": "What the subprotocol says, else inferred from the first CALL.",
            "subprotocols_offered": "What the charge point offered in its handshake.",
            "opened_ns": _NS,
            "closed_ns": _NS + " Empty while the session lives.",
            "error_count": "Findings of severity error.",
            "cp_close_code": "The close code the charge point sent; empty where it sent none.",
            "csms_close_code": "The close code the CSMS sent; empty where it sent none.",
            "closed_by": "Who ended the session first.",
            "request_path": "As the charge point asked for it.",
        },
    },
    "frames": {
        "title": "Frames",
        "description": "One row for each WebSocket message, as it crossed the wire.",
        "sort_desc": "id",
        "label_column": "action",
        "facets": ["action"],
        "sortable_columns": ["id", "session_id", "action", "ts_ns"],
        "size": 50,
        "columns": {
            "ts": "When the proxy had the whole message, UTC.",
            "direction": "Which way it went.",
            "msg_type": "CALL (2), CALLRESULT (3), CALLERROR (4), CALLRESULTERROR (5), SEND (6).",
            "action": "The CALL's action; an answer carries that of the CALL it answers.",
            "valid": "Whether envelope and JSON schema hold.",
            "max_severity": "The worst finding about this frame.",
            "latency_us": "For an answer: time since its CALL, in microseconds, from the monotonic clock.",
            "payload": "The payload alone.",
            "call_id": "For an answer: the frame it answers.",
            "from_csms": "The direction as it is stored: 0 from the charge point, 1 from the CSMS.",
            "size": "Bytes of the message.",
            "forwarded": "Whether it was passed on.",
            "redacted": "Whether a secret was taken out before storing.",
            "ts_ns": _NS,
            "id_length": "Characters of the message id, of a frame without a blank: payload and id are cut out by it.",
            "mono_ns": "Nanoseconds on the monotonic clock: differences are exact.",
            "raw": "The message as received: text, or bytes where it was binary or not UTF-8.",
        },
    },
    "findings": {
        "title": "Findings",
        "description": "What the rules found, counted while it repeats.",
        "sort_desc": "id",
        "label_column": "rule_id",
        "facets": ["severity", "rule_id"],
        "columns": {
            "pointer": "JSON pointer into the whole frame.",
            "side": "Who is at fault.",
            "count": "How often it was found in this session; its frames are in `occurrences`, or the times at which a"
            " frame was missing in `absences`.",
            "session_id": "Empty where an attempt to connect failed.",
            "frame_id": "The first frame it was found on; empty where a frame is missing.",
            "last_frame_id": "The latest frame it was found on.",
        },
    },
    "interventions": {
        "title": "Interventions",
        "description": "Which rule of the proxy did what with which frame. It is a view of the events.",
        "columns": {
            "frame_id": "The frame.",
            "rule": "The name of the rule.",
            "what": "What it did with the frame; `made` if it made this frame.",
            "made_from_id": "The frame that this frame was made from.",
            "ts_ns": _NS,
        },
    },
    "shadows": {
        "title": "Shadows",
        "description": "Sessions with a second CSMS, which gets a copy of all CALLs. It is a view of the events.",
        "columns": {
            "session_id": "The session with the shadow.",
            "primary_id": "The session with the charge point's own CSMS.",
            "shadow": "The address of the shadow.",
        },
    },
    "occurrences": {
        "title": "Occurrences",
        "description": "The frames that each finding was found on: the first thousand of each.",
        "columns": {"finding_id": "The finding.", "frame_id": "A frame it was found on."},
    },
    "absences": {
        "title": "Absences",
        "description": "When a frame was missing, for findings without a frame: the first thousand times of each.",
        "columns": {"finding_id": "The finding.", "ts_ns": _NS},
    },
    "events": {
        "title": "Events",
        "description": "What happened on the link besides frames: handshakes, pings, closes, gaps, faults.",
        "sort_desc": "id",
        "facets": ["kind"],
        "columns": {"after_frame_id": "The last frame before it.", "ts_ns": _NS},
    },
    "charge_points": {
        "title": "Charge points",
        "description": "What the latest boot of each charge point said about it.",
        "label_column": "charge_point_id",
        "sort": "charge_point_id",
    },
    "transactions": {
        "title": "Transactions",
        "description": "Charging transactions, derived from frames.",
        "sort_desc": "id",
        "label_column": "transaction_id",
        "columns": {
            "meter_start_wh": "Energy register at the start, in Wh.",
            "meter_stop_wh": "Energy register at the end, in Wh.",
        },
    },
    "meter_samples": {
        "title": "Meter samples",
        "description": "Every measured value, one a row.",
        "sort_desc": "id",
        "sortable_columns": ["id", "session_id"],
        "columns": {"value": "In the unit beside it."},
    },
    "recordings": {
        "title": "Recordings",
        "description": "One row for each run of a recorder.",
        "sort_desc": "id",
        "columns": {"clean_close": "Whether the recorder ended cleanly."},
    },
    "_progress": {"hidden": True},
    "_sqlite_migrations": {"hidden": True},
}


def describe(databases: list[str]) -> dict[str, Any]:
    """Return the metadata for Datasette, which is the same for every database with a recording."""
    return {
        "databases": {
            name: {
                "title": "Tables and queries",
                "description": "OCPP frames between charge points and their CSMS, recorded by ChargeSentinel.",
                "tables": TABLES,
            }
            for name in databases
        }
    }
