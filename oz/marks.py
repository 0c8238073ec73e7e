"""The marker port's protocol: what an installer that has finished tells us, line by line.

    oz-hostkey ssh-ed25519 AAAA...    a host key of the installed system, for pinning; any number of them
    oz-done NONCE                     the last act: this very installation has succeeded
    oz-log TEXT                       a line of the installer's own log, while it works: no mark, it goes to the logs

A guest is hostile: other lines, malformed keys and more than a handful of anything are passed over.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

LOG = "oz-log "
_HOST_KEY = re.compile(r"oz-hostkey ([a-z0-9@.-]{1,64}) ([A-Za-z0-9+/=]{16,4096})(?: .*)?\Z", re.ASCII)
_DONE = re.compile(r"oz-done ([0-9a-f]{1,64})\Z", re.ASCII)
_MOST_KEYS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    nonces: frozenset[str]
    host_keys: tuple[str, ...]
    """"TYPE BASE64", each once, in the order announced."""


def read_marks(lines: Iterable[str]) -> Marks:
    """What the lines say."""
    nonces: set[str] = set()
    keys: dict[str, None] = {}
    for line in lines:
        text = line.strip()
        if match := _DONE.match(text):
            nonces.add(match[1])
        elif (match := _HOST_KEY.match(text)) and len(keys) < _MOST_KEYS:
            keys[f"{match[1]} {match[2]}"] = None
    return Marks(nonces=frozenset(nonces), host_keys=tuple(keys))
