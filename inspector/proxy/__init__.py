"""Where frames enter: mitmproxy does handshakes and routing; this package watches and never alters what passes.

- `addon.py` records on mitmproxy's public hooks (also for `mitmdump -s`); it is the fallback of the fast path.
- `link.py` is the tap: one WebSocket life, from chunks of bytes to records for `inspector.recorder`.
- `splitter.py` and `messages.py` locate frames and put messages together; both are sans-I/O.
"""
