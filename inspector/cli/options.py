"""Values of options as people write them; knows which option to name when one cannot be read."""

from __future__ import annotations

from collections.abc import Callable

from inspector.errors import UserMistake


def amount[T](option: str, text: str, read: Callable[[str], T], examples: str) -> T:
    """A size or a duration by one of the functions of `inspector.store.amounts`.

    Raises:
        UserMistake: it cannot be read.
    """
    try:
        return read(text)
    except ValueError:
        raise UserMistake(f"{option}: {text!r} cannot be read; say {examples}") from None
