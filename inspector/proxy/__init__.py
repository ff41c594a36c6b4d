"""Relay sessions between charge points and a CSMS unchanged, and pass their frames to the recorder.

mitmproxy does the handshake. Then either `pipe.py` relays the bytes (the fast path), or mitmproxy relays them and
`addon.py` records from its public hooks (the fallback, and `mitmdump -s`). In both cases `session_tap.py` turns the
bytes into records.
"""
