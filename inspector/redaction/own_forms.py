"""Find secrets that can be recognised without a name: private keys, JWTs, vendors' tokens, Wi-Fi passwords."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

_BEGIN = re.compile(r"-{3,5} ?BEGIN [\w ]{0,40}PRIVATE KEY[\w ]{0,20}-{3,5}", re.I)
_END = re.compile(r"-{3,5} ?END [\w ]{0,40}PRIVATE KEY[\w ]{0,20}-{3,5}", re.I)
_PUTTY = re.compile(r"Private-Lines:[^\n]{0,20}", re.I)
_PUTTY_END = re.compile(r"Private-(?:MAC|Hash):[^\n]{0,200}", re.I)
_BARE = re.compile(
    # The first bytes of a private key in base64: PKCS#8 with RSA, EC and Ed25519, PKCS#1, SEC 1.
    r"(?:MI[\w+/]{3,6}IBADANBgkqhkiG9w0BAQEFAASC|MI[GH][\w+/]{1,3}AgEAM[BEI][\w+/]{6,12}[Ss]M49AgEG|MC4CAQAwBQYDK2V[\w+/]{2,4}CIE"
    r"|MI[\w+/]{3,6}IBAAKCA|MIGkAgEBBD|MHcCAQEEI)[\w+/=\-]*+(?:(?:\\r|\\n|[\r\n]){1,4}+[\w+/=\-]++)*+"
)
_CODED_PEM = re.compile(r"LS0tLS1CRUdJTi[\w+/=\-]{20,}+", re.A)
_JWT = re.compile(
    # Directly after a letter or digit, it must have a second part that begins like JSON too. Encrypted JWTs have two
    # parts more.
    r"(?:(?<![\w\-])eyJ[\w\-]{8,}+\.|eyJ[\w\-]{8,400}\.(?=eyJ))[\w\-]{4,}+\.[\w\-]*+(?:\.[\w\-]++){0,2}"
)
VENDORS = (
    *("gh[opsur]_", "github_pat_", "gl(?:pat|dt|rt|ptt|cbt|imt|agent|soat|ffct|ft)-"),  # GitHub, GitLab
    *("xox[a-z]-", "xapp-", "[rs]k_(?:live|test)_", "whsec_", "sk-(?:ant|proj|svcacct)-"),  # Slack, Stripe, AI
    *("npm_", "pypi-", "hvs\\.", "dop_v1_", "NRAK-", "GOCSPX-", "AIza"),  # registries, clouds
    *("shp(?:at|ca|pa|ss)_", "sq0(?:atp|csp|idp)-", "dapi(?=[0-9a-f]{16})", "lin_api_"),
)
"""The prefixes of the tokens of large vendors, as patterns. `_WORDS` in `prefilter` must cover each of them."""
_VENDOR_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:{'|'.join(VENDORS)})[\w\-.]{{10,}}+|A[KS]IA[A-Z0-9]{{12,}}+(?![a-z]))"
)

_WIFI = re.compile(r"WIFI:(?:[^;\r\n]{0,80};){0,4}?P:((?:[^;\\\s]|\\.){1,100})", re.I)
"""Finds the password in the text of a QR code for a wireless network."""


def find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the positions of all such secrets; a private key that is cut off extends to the end of the text."""
    yield from _blocks(text, _BEGIN, _END)
    if "Private-" in text or "private-" in text:
        yield from _blocks(text, _PUTTY, _PUTTY_END)
    for pattern in (_BARE, _JWT, _VENDOR_TOKEN):
        for match in pattern.finditer(text):
            yield match.span()
    for match in _WIFI.finditer(text):
        yield match.span(1)
    for match in _CODED_PEM.finditer(text):
        if b"PRIVATE KEY" in base64.b64decode(match[0][:88] + "==", altchars=b"-_").upper():
            yield match.span()


def _blocks(text: str, begin: re.Pattern[str], end: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    at = 0
    while found := begin.search(text, at):
        last = end.search(text, found.end())
        at = last.end() if last else len(text)
        yield found.start(), at
