"""Convert messages from JavaScript's or Python's notation to JSON, without evaluating anything."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?n?)(?![\w.])
    |(?P<lost>\[(?:Object|Array|Circular|\w+)(?:[ :*][^\]]*)?\](?=\s*[,}\]])|\.\.\.\s*\d+\s+more\s+\w+|\.\.\.|…)
    |(?P<mark>[\[\]{},:])
    |(?P<word>[A-Za-z_$][\w$]*))""",
    re.X,
)
_WORDS = {
    "true": "true",
    "True": "true",
    "false": "false",
    "False": "false",
    "null": "null",
    "None": "null",
    "undefined": "null",
    "NaN": "null",
    "Infinity": "null",
}
_PYTHON = re.compile(r"\b(?:True|False|None)\b|'\w+':")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]+\}|.)", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "v": "\v", "\n": ""}
_NESTED = 200


class Converted:
    """A message in JSON.

    Attributes:
        raw: the JSON, without blanks.
        end: where it ends in the text.
        lost: whether the program left something out ("[Object]").
        notation: the name of the notation.
    """

    __slots__ = ("end", "lost", "notation", "raw")

    def __init__(self, raw: str, end: int, lost: bool, notation: str) -> None:
        self.raw, self.end, self.lost, self.notation = raw, end, lost, notation


def convert(text: str, start: int) -> Converted | None:
    """Return the message that begins at `start`; None if it is in neither notation, or has no end.

    It may have quotes of any kind, names without quotes, Python's words for true, false and null, and marks of omission
    ("[Object]", "... 2 more items"). Omitted values become null.
    """
    out: list[str] = []
    open_: list[str] = []
    at, lost = start, False
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            return None
        at = found.end()
        if (mark := found["mark"]) is not None:
            if mark in "[{":
                open_.append(mark)
                if len(open_) > _NESTED:
                    return None
            elif mark in "]}":
                if not open_ or open_.pop() + mark not in ("[]", "{}"):
                    return None
                if out and out[-1] == ",":
                    out.pop()
            out.append(mark)
            if not open_:
                notation = "Python's" if _PYTHON.search(text, start, at) else "Node's"
                return Converted("".join(out), at, lost, notation)
        elif found["string"] is not None:
            out.append(json.dumps(_unescaped(found["string"][1:-1]), ensure_ascii=False))
        elif found["number"] is not None:
            out.append(found["number"].rstrip("n"))
        elif found["lost"] is not None:
            lost = True
            if found["lost"][0] == "[":
                out.append("null")
        elif text[at : at + 20].lstrip()[:1] == ":":
            out.append(json.dumps(found["word"]))
        elif found["word"] in _WORDS:
            out.append(_WORDS[found["word"]])
        else:
            return None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(found: re.Match[str]) -> str:
    what = found[1]
    if what[0] in "xu" and len(what) > 1:
        code = int(what[1:].strip("{}"), 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    return _ESCAPES.get(what, what)
