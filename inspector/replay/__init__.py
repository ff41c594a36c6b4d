"""Play one side of a recorded session against a live peer, and report how the peer differs from the recording.

- `script.py` reads a recording as frames to play; `id_mapping.py` maps recorded ids and times to those of this run;
- `policy.py` defines the differences that count; `matching.py` compares two messages; `conversation.py` finds the
  recorded frame that a live frame corresponds to;
- `player.py` sends the frames, `pace.py` decides when, `outcome.py` has the result.
"""
