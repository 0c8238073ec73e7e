"""How far each release is proved: rows that tests write (tests/proofs.py) and the list of guests shows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

PATH = Path(__file__).parent / "guests/proofs.tsv"
KINDS = ("installed", "installer", "stand-in", "oracle")
"""Best first: installed for real, and looked at from inside; the real installer started and read our answer; booted
from media that stand in for the real ones; answer and menus judged by what others wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One row."""

    distro: str
    version: str
    arch: str
    install_type: str
    firmware: str
    kind: str
    test: str
    """Who proved it, as pytest names it."""

    @property
    def what(self) -> tuple[str, ...]:
        """All but who proved it."""
        return (self.distro, self.version, self.arch, self.install_type, self.firmware, self.kind)


_HEAD = "\t".join(field.name for field in fields(Proof))


def load(path: Path = PATH) -> tuple[Proof, ...]:
    rows = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    names = _HEAD.split("\t")
    return tuple(Proof(**dict(zip(names, row.split("\t"), strict=True))) for row in rows)


def to_text(proofs: Iterable[Proof]) -> str:
    """The file's contents: a head, then the rows in order."""
    lines = [_HEAD, *("\t".join((*proof.what, proof.test)) for proof in sorted(proofs, key=_place))]
    return "".join(f"{line}\n" for line in lines)


def best(proofs: Iterable[Proof]) -> str | None:
    """The kind that proves the most; None if there is none."""
    return min((proof.kind for proof in proofs), key=KINDS.index, default=None)


def _place(proof: Proof) -> tuple[object, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", proof.version)]
    return (proof.distro, numbers, proof.version, *proof.what[2:5], KINDS.index(proof.kind), proof.test)
