"""The SQL of the steps that came after the first one; `schema.py` runs it."""

OCCURRENCES = """
CREATE TABLE findings_again (
  id INTEGER PRIMARY KEY,
  severity TEXT NOT NULL,
  rule_id TEXT NOT NULL,
  message TEXT NOT NULL,
  pointer TEXT,
  spec_ref TEXT,
  side TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 1,
  ts_ns INTEGER NOT NULL,
  frame_id INTEGER REFERENCES frames(id),
  last_frame_id INTEGER REFERENCES frames(id),
  session_id INTEGER REFERENCES sessions(id)
) STRICT;
INSERT INTO findings_again SELECT * FROM findings;
DROP TABLE findings;
ALTER TABLE findings_again RENAME TO findings;
CREATE INDEX findings_session ON findings(session_id);
CREATE INDEX findings_frame ON findings(frame_id) WHERE frame_id IS NOT NULL;
CREATE INDEX findings_rule ON findings(rule_id);
CREATE INDEX findings_severity ON findings(severity);
CREATE TABLE occurrences (
  finding_id INTEGER NOT NULL REFERENCES findings(id),
  frame_id INTEGER NOT NULL REFERENCES frames(id)
) STRICT;
CREATE INDEX occurrences_finding ON occurrences(finding_id);
CREATE INDEX occurrences_frame ON occurrences(frame_id);
INSERT INTO occurrences SELECT id, frame_id FROM findings WHERE frame_id IS NOT NULL;
INSERT INTO occurrences SELECT id, last_frame_id FROM findings
  WHERE last_frame_id IS NOT NULL AND last_frame_id IS NOT frame_id;
UPDATE sessions SET error_count = (SELECT coalesce(sum(count), 0) FROM findings
  WHERE session_id = sessions.id AND severity = 'error') WHERE error_count > 0;
"""

ABSENCES = """
CREATE TABLE absences (finding_id INTEGER NOT NULL REFERENCES findings(id), ts_ns INTEGER NOT NULL) STRICT;
CREATE INDEX absences_finding ON absences(finding_id, ts_ns);
INSERT INTO absences SELECT id, ts_ns FROM findings WHERE frame_id IS NULL;
"""

SHADOWS = """
CREATE VIEW shadows AS
SELECT session_id, detail ->> '$.shadow_of' AS primary_id, detail ->> '$.shadow' AS shadow
FROM events WHERE kind = 'shadow-of' AND json_valid(detail)
"""

INTERVENTIONS = """
CREATE INDEX events_intervention ON events(after_frame_id) WHERE kind = 'intervention';
CREATE VIEW interventions AS
SELECT e.after_frame_id AS frame_id, e.session_id, e.ts_ns,
  coalesce(e.detail ->> '$.made_by', did.value ->> '$[0]') AS rule,
  CASE WHEN e.detail ->> '$.made_by' IS NULL THEN did.value ->> '$[1]' ELSE 'made' END AS what,
  CASE WHEN e.detail ->> '$.made_from' IS NOT NULL THEN (
    SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM (
      SELECT id FROM frames WHERE session_id = e.session_id AND id < e.after_frame_id ORDER BY id DESC LIMIT 1000))
    WHERE n = e.detail ->> '$.made_from') END AS made_from_id
FROM events e LEFT JOIN json_each(CASE WHEN json_valid(e.detail) THEN e.detail ELSE '{}' END, '$.interventions') did
WHERE e.kind = 'intervention' AND json_valid(e.detail)
  AND coalesce(e.detail ->> '$.made_by', did.value ->> '$[0]') IS NOT NULL
"""
