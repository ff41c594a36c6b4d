"""Relay sessions between charge points and a CSMS, unchanged, and pass what crosses to the recorder.

mitmproxy does the handshake. Then `pipe.py` relays the bytes (the fast path), or mitmproxy does and `addon.py` records
from its public hooks (the fallback, and `mitmdump -s`). Either way `session_tap.py` makes records of the bytes.
"""
