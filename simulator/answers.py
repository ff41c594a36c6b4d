"""Which function answers which CALL of the CSMS: knows names only."""

from __future__ import annotations

from collections.abc import Callable

from simulator.link import Payload, Reply

type Handler = Callable[[Payload], Reply]


def answers[F: Callable[..., Reply]](*actions: str) -> Callable[[F], F]:
    """Mark a method `(payload) -> Reply` as the one that answers these actions."""

    def mark(function: F) -> F:
        function.__dict__["answers"] = actions
        return function

    return mark


def routes(*blocks: object) -> dict[str, Handler]:
    """Return the marked methods of some objects by action; a later object overrides an earlier one."""
    found: dict[str, Handler] = {}
    for block in blocks:
        for name in dir(type(block)):
            method = getattr(type(block), name)
            for action in getattr(method, "answers", ()):
                found[action] = getattr(block, name)
    return found
