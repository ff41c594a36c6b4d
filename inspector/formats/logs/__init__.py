"""Frames out of the logs of charge points, CSMSs and what stands between them.

A log is read in steps: its lines become texts (`texts`, `records`), in which frames are found (`finder`) with what
stands around them (`times`, `directions`, `identities`); then it is decided what holds for the whole log (`clock`,
`resolving`, `order`), and the frames become sessions (`sessions`). No step knows a program, each what programs do.
"""

from inspector.formats.logs.clock import zone
from inspector.formats.logs.reader import Options, looks_like_frame, looks_like_log, read, read_raw
from inspector.formats.logs.texts import PIECE

__all__ = ["PIECE", "Options", "looks_like_frame", "looks_like_log", "read", "read_raw", "zone"]
