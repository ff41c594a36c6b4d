"""Find the methods of the topics that listen to a frame or event, and all rules."""

from __future__ import annotations

from functools import cache, lru_cache

from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.rule import KIND_OF_MESSAGE, PLAIN, Dormant, Listen, Rule, Topic
from inspector.rules.topic_order import TOPICS

_KINDS = frozenset(KIND_OF_MESSAGE.values())


@lru_cache(4096)
def listeners(
    key: tuple[str, str | None], version: OcppVersion | None, sender: Direction | None = None
) -> tuple[tuple[type[Topic], str, Rule | None, Dormant | None], ...]:
    """Return (topic, name of the method, its rule, dormant) of each method to call, in the order of calls.

    The result is cached for all sessions: when a thousand charge points reconnect at once, the rules must not be
    searched for each of them.

    Args:
        key: the kind of what happened, such as "call" or "event", and the action or the kind of event.
        version: the OCPP version of the session; None if it is not known.
        sender: the side that sent the frame; None if it is not a frame.
    """
    kind, name = key
    plain, kind = kind.startswith(PLAIN), kind.removeprefix(PLAIN)
    listening = []
    for topic in TOPICS:
        if version is not None and version not in topic.versions:
            continue
        for attribute, listens, rule, versions, dormant in methods(topic):  # type: ignore[arg-type]  # mypy takes a class for unhashable
            if version is None and len(versions) < len(OcppVersion):
                continue
            if version is not None and version not in versions:
                continue
            if version and sender and name and rule and rule.moot and rule.moot(version, sender, kind, name):
                continue
            for listen in listens:
                if plain and not getattr(topic, attribute).plain:
                    break
                heard = listen.kind == kind or (listen.kind == "frame" and kind in _KINDS)
                if heard and listen.name in (None, name):
                    listening.append((topic, attribute, rule, dormant))
                    break
    return tuple(listening)


@cache
def methods(
    topic: type[Topic],
) -> tuple[tuple[str, tuple[Listen, ...], Rule | None, frozenset[OcppVersion], Dormant | None], ...]:
    """Return the methods of a topic that have a decorator, in the order in which they are written.

    Each is (name, what it listens to, its rule or None, its versions, its `dormant` function or None).
    """
    found = []
    for cls in reversed(topic.__mro__):
        for name, member in vars(cls).items():
            if hasattr(member, "listens"):
                rule: Rule | None = getattr(member, "rule", None)
                versions = rule.versions if rule else member.versions
                found.append((name, member.listens, rule, versions, member.dormant))
    return tuple(found)


def rules() -> list[Rule]:
    """Return every rule, topic by topic."""
    return [
        member.rule
        for topic in TOPICS
        for member in vars(topic).values()
        if isinstance(getattr(member, "rule", None), Rule)
    ]
