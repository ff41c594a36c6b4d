"""Decide by the name of a member, variable, configuration key, parameter or header whether its value is a secret.

A name is split into words: `AdminPasswordHash` is admin, password, hash; `wifi_psk2` is wifi, psk. Case, accents,
separators and digits make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import chain, groupby

ANYWHERE = (
    *("passwo(?!n)", "passw0", "passwd", "passwrd", "passphrase", "passcode", "pswd", "passkey", "secret(?!ar)"),
    *("credential", "privatekey", "presharedkey", "sharedaccesssig", "simpin(?!g)", "pincode"),
    *("jsessionid", "phpsessid"),
    # Password in Turkish, German, Dutch, Spanish and French.
    *("sifre", "parola", "kennwort", "wachtwoord", "contrasen", "motdepasse"),
)
"""Patterns that make a name secret wherever they occur in it, also in the middle of a word."""

WORDS = frozenset("pass pwd pw psk pin cpin puk jwt token bearer".split())
"""Whole words that make a name secret: `user_pass` is secret because of `pass`, `compass` and `passed` are not."""

KEYS = frozenset(
    """
    access account activation admin aes api apim app auth authentication authorization backup box charger cipher client
    cmac crypto decryption device enc encrypt encryption enrollment function functions hmac host https install ipsec
    license mac master mqtt network nwk ocpp opc owner peer private provisioning psk radius recovery registration root
    rsa sas secret security server service session shared sign signing sim ssh ssl station storage subscription
    symmetric system tls token unlock user vpn web webhook websocket wep wifi wireless wlan wpa
    """.split()
)
"""Words that make a name secret if `key` follows them. In OCPP, `key` alone is the name of a setting."""

BEFORE_PIN = frozenset("access admin card device door modem operator service unlock user".split())
"""Words that make a name secret if `pin` follows in the same word, as in `userpin`. `spin` ends in it by chance."""

NOT_BEFORE = {
    "token": frozenset("charging contract id rfid tag".split()),
    "pass": frozenset(
        "all band boarding by first high last low master multi one over parking second self single".split()
    ),
    "pin": frozenset("adc board chip connector cp gpio header input io led output pilot port pp relay".split()),
}
"""Words that make the next word harmless: an id token is a personal value, not a secret."""

ABOUT = frozenset(
    """
    age alg algorithm allowed at attempt attempts authority capability change changed changes check complexity count
    counter created criteria date description disabled enabled encoding endpoint error exists expiration expired
    expires expiry fail failed fails failure field file filename form format group holder host id ids incorrect index
    info interval invalid issuer kind label len length level lifetime limit lock locked management manager max maximum
    message min minimum mismatch missing mode name ok option owner path policy port present prompt protected
    protection provider rate reader reason required requirement requirements reset result retries retry rotation rule
    rules scope server set size slot source state status store strength support supported through timeout timestamp
    title tries ttl type updated uri url usage used valid validity version wrong
    """.split()
)
"""Words at the end of names that only describe a secret: `passwordLength`, `tokenType`, `MasterPassGroupId`."""

PARAMETERS = frozenset("auth key sig hash".split())
"""Names of parameters that are secret although the lists above do not have them."""

HEADERS = frozenset(
    "auth authorization authentication cookie setcookie proxyauthorization proxyauthentication".split()
) | {"xauth", "xauthorization"}
"""Names of secret headers, in addition to every `…-Authorization` and `…-Key`."""

NO_HEADERS = frozenset("idempotencykey surrogatekey cachekey publickey".split())
"""Headers that end in `-Key` but are not secret. Headers that begin with `Sec-WebSocket-` are not secret either."""

_CARD = re.compile(r"(?=[^A-Fa-f]*[A-Fa-f])(?=\D*\d)[0-9A-Fa-f]{2}(?:(?:[:\- ]?[0-9A-Fa-f]{2}){3}){1,2}")
"""Matches the number of a card. It must have a letter and a digit: digits alone may be a one-time password."""
_AS_MEMBERS = frozenset("authorization proxyauthorization xauthorization cookie setcookie xauth".split())
_LONG = 200
_LONG_CODE = 16
_MOST_SPACES = 3
_LAST_WORDS = 4
_WORD = re.compile(r"[^\W\d_a-z]+(?![a-z])|[^\W\d_a-z]?[a-z]+")
_ANYWHERE = re.compile("|".join(ANYWHERE))
_NOT_PLAIN = re.compile(r"[\W_]")
_KEY_ENDINGS = tuple(word for word in KEYS if len(word) > 2)


def is_secret_name(name: str) -> bool:
    """Return whether values with this name are secret: members, variables, configuration keys, and names in texts."""
    return _is_secret_name(name[-_LONG:])


def is_secret_member(name: str) -> bool:
    """Return whether the value of a JSON member is a secret; names of secret HTTP headers count too."""
    return is_secret_name(name) or squeezed(name) in _AS_MEMBERS


def is_card(name: str, value: str) -> bool:
    """Return whether a name is just `token` and its value is the number of a card: 4 or 7 bytes in hexadecimal."""
    return len(value) <= 20 and squeezed(name) == "token" and _CARD.fullmatch(value) is not None


def is_secret_parameter(name: str, value: str = "") -> bool:
    """Return whether the value of an address's parameter is a secret; pass the name %-decoded."""
    plain = squeezed(name)
    return (
        is_secret_name(name)
        or plain in PARAMETERS
        or "signature" in plain
        or ("token" in plain and words(name)[-1] not in ABOUT)
        or (plain == "code" and len(value) >= _LONG_CODE)
    )


def is_secret_header(name: str) -> bool:
    """Return whether the value of an HTTP header is a secret."""
    plain = squeezed(name)
    if plain.startswith("secwebsocket"):
        return False
    named = plain.endswith(("authorization", "key")) and plain not in NO_HEADERS
    return named or plain in HEADERS or is_secret_parameter(name)


def is_only_a_header(name: str) -> bool:
    """Return whether a name can only be that of a secret header, wherever it is found."""
    plain = squeezed(name)
    return plain != "auth" and (plain in HEADERS or plain in ("xauthtoken", "xapikey"))


@lru_cache(8192)
def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case without accents; single letters are joined: `p.w.d` is one word, pwd."""
    found = [word.lower() for word in _WORD.findall(_without_accents(name))]
    spelled = (("".join(run),) if single else run for single, run in groupby(found, lambda word: len(word) == 1))
    return tuple(chain.from_iterable(spelled))


@lru_cache(8192)
def squeezed(name: str) -> str:
    """Return the letters and digits of a name in lower case and without accents."""
    return _NOT_PLAIN.sub("", _without_accents(name[-_LONG:])).lower()


def _without_accents(name: str) -> str:
    if name.isascii():
        return name
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return plain.replace("ı", "i")


@lru_cache(8192)
def _is_secret_name(name: str) -> bool:
    parts = words(name)
    if not parts or parts[-1] in ABOUT:
        return False
    if sum(map(str.isspace, name)) > _MOST_SPACES:  # it is a sentence, of which only the last words count
        parts = parts[-2:]
        return any(_is_secret_word(parts, at) or _ANYWHERE.search(part) for at, part in enumerate(parts))
    # Short words count only near the end: in a long name, which may be base64, they occur by chance.
    near_end = range(max(0, len(parts) - _LAST_WORDS), len(parts))
    return bool(_ANYWHERE.search(squeezed(name))) or any(_is_secret_word(parts, at) for at in near_end)


def _is_secret_word(parts: tuple[str, ...], at: int) -> bool:
    word, before = parts[at], parts[at - 1] if at else ""
    if word.endswith("s") and word != "pass":
        word = word[:-1]
    if word in WORDS:
        return before not in NOT_BEFORE.get(word, ())
    if word == "key":
        return before in KEYS
    # The remaining cases are two words written together, such as `apikey`.
    if word.endswith("key"):
        return word[:-3].endswith(_KEY_ENDINGS)
    if word.endswith("token"):
        return not word[:-5].endswith(tuple(NOT_BEFORE["token"]))
    if word.endswith("pin"):
        return word[:-3] in BEFORE_PIN
    return word.endswith(("pwd", "psk"))
