"""Plays one side of a recorded session against a live peer and says what the peer did differently.

- `script.py` is the recording as steps; `rebinding.py` knows what lives only inside one run;
- `matching.py` compares two messages, `conversation.py` finds which live frame stands for which recorded one;
- `player.py` plays, `pacing.py` says when, `outcome.py` holds what came of it.
"""
