"""How long an installation took the last time, by what it was planned to be: the next one can say what is left."""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

_KEYS_MAX = 200
_NAME = "durations.json"


def read_duration(directory: Path, key: str) -> float | None:
    """The seconds; None where it is not known."""
    found = _read(directory).get(key)
    return found if isinstance(found, float) and found > 0 else None


def keep_duration(directory: Path, key: str, seconds: float) -> None:
    """Remember it; of two that do so at once, one may be forgotten. That it cannot be written harms nothing."""
    known = _read(directory)
    known.pop(key, None)
    known[key] = round(seconds, 1)
    text = json.dumps(dict(list(known.items())[-_KEYS_MAX:]))
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix=f".{_NAME}.", dir=directory)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(name).replace(directory / _NAME)


def _read(directory: Path) -> dict[str, object]:
    try:
        found = json.loads((directory / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
