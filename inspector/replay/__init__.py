"""Plays one side of a recorded session against a live peer and reports what the peer did differently.

- `script.py` reads a recording as frames to play; `id_mapping.py` maps recorded ids and times to those of this run;
- `policy.py` says what counts as a difference; `matching.py` compares two messages; `conversation.py` finds the
  recorded frame that a live frame corresponds to;
- `player.py` plays, `pace.py` decides when, `outcome.py` holds the result.
"""
