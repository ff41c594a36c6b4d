"""Read frames from the logs of charge points, CSMSs and programs between them.

A log is read in steps. `texts` and `records` turn its lines into texts. `finder` finds the frames in them; `times`,
`directions` and `identities` read the text around each frame. `clock`, `resolving` and `order` decide on the clock, the
writer and the order of the whole log. `sessions` groups the frames. No step depends on a particular program.
"""

from inspector.formats.logs.clock import zone
from inspector.formats.logs.reader import Options, looks_like_frame, looks_like_log, read, read_raw
from inspector.formats.logs.texts import PIECE

__all__ = ["PIECE", "Options", "looks_like_frame", "looks_like_log", "read", "read_raw", "zone"]
