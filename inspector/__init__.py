"""ChargeSentinel records, judges, stores, shows and replays the OCPP frames between charge points and a CSMS.

The four doors, for a reader who is new here:

- a frame **enters** in `inspector.proxy` (`addon.py`, where mitmproxy hands over each WebSocket message) and
  goes through the one door for frames, `inspector.recorder`;
- it is **judged** in `inspector.rules` (`judge.py`), on what `inspector.protocol` made of it;
- it is **stored** in `inspector.store` (`tables.py` holds the INSERTs, `writer.py` the file);
- it is **replayed** in `inspector.replay`.

Imports go down only: cli -> browse -> proxy | replay -> formats -> recorder -> store -> rules -> protocol.
"""
