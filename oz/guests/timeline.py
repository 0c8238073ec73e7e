"""Facts that change at a version and stay changed."""

from collections.abc import Mapping, Sequence
from typing import Any


def timeline(
    versions: Sequence[str], changes: Mapping[str, Mapping[str, Any]], *, start: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Version to its facts: those of the version before it, and its own few words.

    `versions` is oldest first; `start` holds before the first of them, so a family that was cut from another
    one's release begins with that release's facts. Raises ValueError for a change at a version that is not there.
    """
    if strangers := set(changes) - set(versions):
        raise ValueError(f"changes at versions that are not on the timeline: {', '.join(sorted(strangers))}")
    facts = dict(start)
    found: dict[str, dict[str, Any]] = {}
    for version in versions:
        facts = {**facts, **changes.get(version, {})}
        found[version] = facts
    return found
