"""Turn an input in UTF-16 or UTF-32 into UTF-8."""

from __future__ import annotations

import codecs
from io import BufferedReader, RawIOBase
from typing import BinaryIO, cast

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_PIECE = 65_536


def utf8(file: BinaryIO, head: bytes) -> BinaryIO:
    """Return the file itself if it may be UTF-8, else a file that converts it to UTF-8 while it is read.

    Args:
        file: the input, positioned at its beginning.
        head: its first bytes.
    """
    encoding = next((name for mark, name in _MARKS if head.startswith(mark) and name != "utf-8-sig"), None)
    if encoding is None and len(head) >= 4 and head[0] and head[2] and not head[1] and not head[3]:
        encoding = "utf-16-le"
    elif encoding is None and len(head) >= 4 and head[1] and head[3] and not head[0] and not head[2]:
        encoding = "utf-16-be"
    return file if encoding is None else cast(BinaryIO, BufferedReader(_Recoded(file, encoding)))


class _Recoded(RawIOBase):
    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder(encoding)("replace").decode
        self._left = b""
        self._over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left and not self._over:
            piece = self._file.read(_PIECE)
            self._over = not piece
            self._left = self._decode(piece, final=self._over).encode("utf-8", "surrogatepass")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count
