"""ChargeSentinel records, judges, stores, shows and replays the OCPP frames between charge points and a CSMS.

How a frame travels, file by file:

1. It **enters** in `proxy/pipe.py`, the fast path, which passes the bytes on unchanged; or in `proxy/addon.py`, where
   mitmproxy users load our addon. `proxy/session_tap.py` stamps it, `websocket/` finds the messages in the bytes, and
   the result is a record (`records.py`).
2. The record crosses to the **recorder** process. `recorder/worker/supervisor.py` sends it and keeps it until its
   commit is acknowledged; `recorder/worker/wire.py` makes bytes of it and a record again; `recorder/worker/process.py`
   receives it; `recorder/pipeline.py` takes it through step 3:
3. `protocol/` parses it (`messages.py`) and pairs it with its CALL (`correlation.py`). `rules/judge.py` **judges** it
   by the rules in `rules/topics/`. `redaction/` stars secrets. `recorder/frame_row.py` makes the row.
4. It is **stored** by `store/writing/writer.py`; `store/writing/pending_rows.py` holds the INSERTs.
5. It is **replayed** by `replay/player.py`, from the script that `replay/script.py` makes of a recording.

Words: a *frame* is one WebSocket message as seen, bytes untouched. A *session* is one WebSocket connection, from its
handshake to its end. An *exchange* is a CALL with its answer. A *finding* is what a rule says about a frame, an answer
or a silence. A *recording* is a stored session, or the file that holds several.

Imports go down only: cli -> browse -> proxy -> shadow -> replay -> formats -> offline -> recorder -> store ->
redaction -> rules -> protocol | websocket -> records, units, escaping, toml_file -> errors.
"""
