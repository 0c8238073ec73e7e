"""Sizes as people write them, to bytes and back."""

import re

KIB = 1024
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4
EIB = 1024**6

_LETTERS = "kmgtpe"
_SIZE = re.compile(r"\s*(\d+)\s*([A-Za-z]*)\s*\Z", re.ASCII)


def parse_size(text: str) -> int:
    """The bytes that a disk size such as "10", "10G", "10 GB" or "512 MiB" means.

    A bare number, G and T mean binary units, as templates always used them; GB and TB are decimal, GiB
    and TiB binary. Raises ValueError, saying what to write instead, for anything else, for zero, for less
    than 1 MiB (a lone "10 B" is always a slip) and for more than 8 EiB, the most QEMU can address.
    """
    match = _SIZE.match(text)
    if not match or len(match[1]) > 30:
        raise ValueError(f"{text!r} is not a size; write a whole number and a unit, such as 10 GiB")
    number, unit = int(match[1]), match[2].lower()
    size: int
    if unit in ("", "g", "t"):
        size = number * 1024 ** (_LETTERS.index(unit or "g") + 1)
    elif unit == "b":
        size = number
    elif len(unit) == 2 and unit[0] in _LETTERS and unit[1] == "b":
        size = number * 1000 ** (_LETTERS.index(unit[0]) + 1)
    elif len(unit) == 3 and unit[0] in _LETTERS and unit[1:] == "ib":
        size = number * 1024 ** (_LETTERS.index(unit[0]) + 1)
    elif len(unit) == 1 and unit in _LETTERS:
        raise ValueError(f"{text!r} is ambiguous; write {number} {unit.upper()}iB or {number} {unit.upper()}B")
    else:
        raise ValueError(f"{text!r} has an unknown unit; write a whole number and a unit, such as 10 GiB")
    if size < MIB:
        raise ValueError(f"{text!r} is too small for a disk; write at least 1 MiB, such as 10 GiB")
    if size > 8 * EIB:
        raise ValueError(f"{text!r} is more than the 8 EiB a disk can have; write a smaller size, such as 10 GiB")
    return size


def format_size(size_bytes: int) -> str:
    """A size for people, such as "1.5 GiB"; whole numbers have no fraction."""
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if round(size, 1) < 1024:
            return f"{size:.1f}".removesuffix(".0") + f" {unit}"
        size /= 1024
    return f"{size:.1f}".removesuffix(".0") + " EiB"
