"""The canned queries with their titles.

Queries over frames only read the newest ones (`:frames`), so that they are fast in a recording of any length. NOT
INDEXED keeps SQLite from reading an index of all frames instead.
"""

from __future__ import annotations

from typing import Any

from inspector.store.reading.finding_counts import OCCURRENCES, occurrences_of

LATEST = 20_000
"""How many of the newest frames a query reads by default."""

_LATEST = f"""(SELECT max(id) FROM frames) - CAST(coalesce(nullif(:frames, ''), '{LATEST}') AS INTEGER)"""

LATENCY_BY_ACTION = f"""WITH answered AS (
  SELECT action, latency_us,
    row_number() OVER (PARTITION BY action ORDER BY latency_us) AS place,
    count(*) OVER (PARTITION BY action) AS answers
  FROM frames NOT INDEXED
  WHERE id > {_LATEST}
    AND latency_us IS NOT NULL
)
SELECT action, answers,
  min(CASE WHEN place >= answers * 0.50 THEN latency_us END) AS p50_us,
  min(CASE WHEN place >= answers * 0.95 THEN latency_us END) AS p95_us,
  min(CASE WHEN place >= answers * 0.99 THEN latency_us END) AS p99_us,
  max(latency_us) AS max_us
FROM answered
GROUP BY action
ORDER BY p95_us DESC"""

LATENCIES = """SELECT action, latency_us
FROM frames NOT INDEXED
WHERE id > :top - :frames AND id <= :top AND ts_ns BETWEEN :since AND :until
  AND latency_us IS NOT NULL
ORDER BY action, latency_us"""

UNANSWERED_IN_RANGE = """SELECT f.id AS frame_id, s.charge_point_id, f.session_id, f.ts_ns, f.direction, f.action
FROM frames f JOIN sessions s ON s.id = f.session_id
WHERE f.id > :top - :frames AND f.id <= :top AND f.ts_ns BETWEEN :since AND :until
  AND f.msg_type = 2
  AND NOT EXISTS (SELECT 1 FROM frames a WHERE a.call_id = f.id)
ORDER BY f.id DESC"""
TOP = "SELECT coalesce((SELECT id FROM frames WHERE ts_ns <= :until ORDER BY ts_ns DESC LIMIT 1), 0)"
"""SQL for the id of the newest frame in a range of time."""

UNANSWERED_CALLS = f"""SELECT f.id AS frame_id, s.charge_point_id, f.session_id, f.ts_ns, f.direction, f.action,
  f.message_id
FROM frames f JOIN sessions s ON s.id = f.session_id
WHERE f.id > {_LATEST}
  AND f.msg_type = 2
  AND NOT EXISTS (SELECT 1 FROM frames a WHERE a.call_id = f.id)
ORDER BY f.id DESC"""

FINDINGS_BY_RULE = f"""SELECT f.severity, f.rule_id, {OCCURRENCES} AS times, count(DISTINCT f.session_id) AS sessions,
  count(DISTINCT s.charge_point_id) AS charge_points, f.side, min(f.frame_id) AS frame_id, max(f.ts_ns) AS last_seen_ns
FROM findings f LEFT JOIN sessions s ON s.id = f.session_id
GROUP BY f.rule_id, f.severity, f.side
ORDER BY CASE f.severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, times DESC"""

FINDINGS_BY_MODEL = f"""SELECT coalesce(c.vendor, '?') AS vendor, coalesce(c.model, '?') AS model,
  coalesce(c.firmware, '?') AS firmware, count(DISTINCT s.charge_point_id) AS charge_points,
  coalesce({occurrences_of("error")}, 0) AS errors,
  coalesce({occurrences_of("warning")}, 0) AS warnings,
  coalesce({occurrences_of("info")}, 0) AS infos,
  count(DISTINCT f.rule_id) AS rules
FROM findings f LEFT JOIN sessions s ON s.id = f.session_id
  LEFT JOIN charge_points c ON c.charge_point_id = s.charge_point_id
GROUP BY 1, 2, 3
ORDER BY errors DESC, warnings DESC
LIMIT 100"""

FINDINGS_BY_CHARGE_POINT = f"""SELECT s.charge_point_id, c.vendor, c.model,
  coalesce({occurrences_of("error")}, 0) AS errors,
  coalesce({occurrences_of("warning")}, 0) AS warnings,
  coalesce({occurrences_of("info")}, 0) AS infos,
  count(DISTINCT f.rule_id) AS rules, max(f.ts_ns) AS last_seen_ns
FROM findings f LEFT JOIN sessions s ON s.id = f.session_id
  LEFT JOIN charge_points c ON c.charge_point_id = s.charge_point_id
GROUP BY s.charge_point_id
ORDER BY errors DESC, warnings DESC
LIMIT 100"""

CONNECTIONS = """WITH booted AS (
  SELECT session_id, count(*) AS boots FROM frames WHERE action = 'BootNotification' AND msg_type = 2 GROUP BY 1
), seen AS (
  SELECT s.charge_point_id, count(*) AS sessions, sum(coalesce(b.boots, 0)) AS boots,
    (max(coalesce(s.closed_ns, s.last_seen_ns, s.opened_ns)) - min(s.opened_ns)) / 3600e9 AS hours,
    sum(s.csms_close_code IS NULL AND s.cp_close_code IS NULL AND s.closed_ns IS NOT NULL) AS lost,
    avg(coalesce(s.closed_ns, s.last_seen_ns) - s.opened_ns) / 1e9 AS seconds_each,
    max(s.opened_ns) AS last_opened_ns
  FROM sessions s LEFT JOIN booted b ON b.session_id = s.id
  GROUP BY s.charge_point_id
)
SELECT charge_point_id, sessions, sessions - 1 AS reconnects,
  CASE WHEN hours >= 1 THEN round((sessions - 1) / hours, 2) END AS reconnects_per_hour,
  boots, CASE WHEN hours >= 1 THEN round((boots - 1) / hours, 2) END AS boots_per_hour, lost,
  seconds_each, last_opened_ns
FROM seen
ORDER BY sessions DESC, charge_point_id
LIMIT 100"""

_SPANS = """span AS (
  SELECT min(opened_ns) AS first, 1 + (max(coalesce(closed_ns, last_seen_ns, opened_ns)) - min(opened_ns)) / 48 AS width
  FROM sessions
)"""
_CHOSEN_SPANS = "span AS (SELECT :since AS first, :width AS width)"
_RATES = """{spans}, happened AS (
  SELECT opened_ns AS at_ns, 1 AS connected,
    s.id > (SELECT min(id) FROM sessions e WHERE e.charge_point_id = s.charge_point_id) AS again, 0 AS boot
  FROM sessions s
  UNION ALL
  SELECT ts_ns, 0, 0, 1 FROM frames WHERE action = 'BootNotification' AND msg_type = 2
)
SELECT (at_ns - first) / width AS place, first + (at_ns - first) / width * width AS from_ns,
  first + ((at_ns - first) / width + 1) * width AS until_ns,
  sum(connected) AS connections, sum(coalesce(again, 0)) AS reconnects, sum(boot) AS boots
FROM happened, span WHERE at_ns BETWEEN first AND first + 48 * width
GROUP BY 1
ORDER BY 1"""
RATES = f"WITH {_RATES.format(spans=_SPANS)}"
RATES_IN_RANGE = f"WITH {_RATES.format(spans=_CHOSEN_SPANS)}"

FINDINGS_IN_RANGE = f"""WITH {_CHOSEN_SPANS}, happened AS (
  SELECT r.ts_ns AS at_ns, f.severity, 1 AS times
  FROM findings f JOIN {{occurrences}} o ON o.finding_id = f.id JOIN frames r ON r.id = o.frame_id
  UNION ALL
  SELECT a.ts_ns, f.severity, 1 FROM findings f JOIN {{absences}} a ON a.finding_id = f.id
)
SELECT (at_ns - first) / width AS place, first + (at_ns - first) / width * width AS from_ns,
  first + ((at_ns - first) / width + 1) * width AS until_ns,
  coalesce(sum(times) FILTER (WHERE severity = 'error'), 0) AS errors,
  coalesce(sum(times) FILTER (WHERE severity = 'warning'), 0) AS warnings,
  coalesce(sum(times) FILTER (WHERE severity = 'info'), 0) AS infos
FROM happened, span WHERE at_ns BETWEEN first AND first + 48 * width
GROUP BY 1
ORDER BY 1"""
"""SQL for the number of occurrences in each of 48 equal parts of a range of time, by the times of their frames."""

ALL_ENERGY = """SELECT coalesce(sum(meter_stop_wh - meter_start_wh), 0) FROM transactions
WHERE meter_stop_wh - meter_start_wh BETWEEN 0 AND 1e9"""

ENERGY = """SELECT id, charge_point_id, transaction_id, started_ns, stopped_ns, stop_reason,
  meter_stop_wh - meter_start_wh AS energy_wh
FROM transactions
WHERE abs(meter_stop_wh - meter_start_wh) < 9e999
ORDER BY id DESC
LIMIT 100"""

VENDORS = """SELECT coalesce(c.vendor, '?') AS vendor, coalesce(c.model, '?') AS model,
  count(DISTINCT s.charge_point_id) AS charge_points, count(*) AS sessions, sum(s.frame_count) AS frames,
  sum(s.error_count) AS errors,
  sum(s.ocpp_version = '1.6') AS v16, sum(s.ocpp_version = '2.0.1') AS v201, sum(s.ocpp_version = '2.1') AS v21
FROM sessions s LEFT JOIN charge_points c ON c.charge_point_id = s.charge_point_id
GROUP BY 1, 2
ORDER BY sessions DESC
LIMIT 100"""

MAKES_AND_RULES = f"""SELECT coalesce(c.vendor, '?') AS vendor, coalesce(c.model, '?') AS model, f.severity, f.rule_id,
  {OCCURRENCES} AS times, count(DISTINCT f.session_id) AS sessions
FROM findings f LEFT JOIN sessions s ON s.id = f.session_id
  LEFT JOIN charge_points c ON c.charge_point_id = s.charge_point_id
GROUP BY 1, 2, 3, 4
ORDER BY times DESC
LIMIT 1000"""

_FRAMES = f"Looks at the newest {LATEST:,} frames; set <code>frames</code> to look at more or fewer."


def canned() -> dict[str, dict[str, Any]]:
    """Return the canned queries in Datasette's form: name -> definition."""
    return {
        "latency-by-action": {
            "sql": LATENCY_BY_ACTION,
            "title": "Latency by action",
            "description_html": "How long each action's answer took: median, 95th and 99th percentile. " + _FRAMES,
            "params": ["frames"],
            "hide_sql": True,
        },
        "unanswered-calls": {
            "sql": UNANSWERED_CALLS,
            "title": "Unanswered CALLs",
            "description_html": "CALLs that got neither CALLRESULT nor CALLERROR, newest first. " + _FRAMES,
            "params": ["frames"],
            "hide_sql": True,
        },
        "findings-by-rule": {
            "sql": FINDINGS_BY_RULE,
            "title": "Findings by rule",
            "description": "Which rules were broken, how often, in how many sessions, and by which side.",
            "hide_sql": True,
        },
        "findings-by-model": {
            "sql": FINDINGS_BY_MODEL,
            "title": "Findings by model and firmware",
            "description": "Which makes and firmwares break rules.",
            "hide_sql": True,
        },
        "findings-by-charge-point": {
            "sql": FINDINGS_BY_CHARGE_POINT,
            "title": "Findings by charge point",
            "description": "Which charge points break rules, or meet a CSMS that does.",
            "hide_sql": True,
        },
        "connections": {
            "sql": CONNECTIONS,
            "title": "Connections by charge point",
            "description": "How often each charge point connected, how long it stayed, how often it was lost. "
            "Rates are given from an hour on.",
            "hide_sql": True,
        },
        "connection-rates": {
            "sql": RATES,
            "title": "Connections and boots over time",
            "description": "How many connected, connected again and booted in each forty-eighth of the recording.",
            "hide_sql": True,
        },
        "energy-by-transaction": {
            "sql": ENERGY,
            "title": "Energy by transaction",
            "description": "The newest transactions with a register at both ends.",
            "hide_sql": True,
        },
        "vendor-matrix": {
            "sql": VENDORS,
            "title": "Vendors and versions",
            "description": "Which makes speak which version, and how well.",
            "hide_sql": True,
        },
        "findings-by-make-and-rule": {
            "sql": MAKES_AND_RULES,
            "title": "Which make breaks which rule",
            "description": "How often each rule was broken in the sessions of each make and model.",
            "hide_sql": True,
        },
    }
