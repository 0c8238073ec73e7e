"""What is on a medium: whether it is the one that a template names, and what system anybody knows it by."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from oz import guests
from oz.errors import MediumError
from oz.guests.base import Guest
from oz.host import iso, osinfo
from oz.model import Identity, MediaPlan, Medium, OsinfoSystem, Tdl
from oz.progress import printable

log = logging.getLogger("oz")

Verdict = Literal["agreed", "disputed", "by-table", "by-osinfo", "unknown", "unreadable"]
_VARIANTS = {"cd": "(CD)", "dvd": "(DVD)", "netinst": "(netinst)", "live": "(live)", "later-disc": "(later disc)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known of a medium. `verdict` says by whom: our table of releases and osinfo-db, which agree or do not,
    one of them alone, or nobody."""

    path: Path
    verdict: Verdict
    identities: tuple[Identity, ...] = ()
    """By our table; those that osinfo-db confirms, if it does."""
    systems: tuple[OsinfoSystem, ...] | None = None
    """By osinfo-db; None where there is none on this host."""
    medium: Medium | None = None
    error: MediumError | None = None

    @property
    def is_sure(self) -> bool:
        """Nothing speaks against it, and no medium of another release says the same of itself."""
        if self.verdict == "by-table":
            return len(self.identities) == 1 and self.identities[0].is_sure
        return self.verdict == "agreed" or (self.verdict == "by-osinfo" and len(self.systems or ()) == 1)


def look_at(path: Path, plan: MediaPlan, tdl: Tdl, guest: Guest, *, insists: bool = False) -> Medium:
    """The medium, and the certainty that it is the one that the template names; or, if the user insists on it, that the
    installation has what it starts from. With the contents that the guest wants to plan by. Raises MediumError.
    """
    whole = iso.inspect(path, read=plan.read, glance=guests.identity_files())
    medium = replace(whole, contents={name: whole.contents[name] for name in plan.read if name in whole.contents})
    try:
        guest.check_medium(tdl, medium)
    except MediumError as error:
        if looks := [describe(identity) for identity in guests.identify(whole)]:
            error.message += f"; it looks like {' or '.join(looks)}"
        can_start = _can_start(guest, medium)
        if can_start and insists:
            log.warning("%s; it is used all the same (--force-media)", error.message)
            return medium
        if insists:
            error.message += "; --force-media is of no help: the installer's kernel is not where the release has it"
        elif can_start:
            hint = "if it is the right one all the same, --force-media"
            error.hint = f"{error.hint}; {hint}" if error.hint else hint
        raise
    return medium


def _can_start(guest: Guest, medium: Medium) -> bool:
    try:
        return medium.paths.issuperset(guest.installer_paths(medium))
    except MediumError:
        return False


def identify(paths: Sequence[Path], environment: Mapping[str, str], home: Path) -> Iterator[Finding]:
    """What each medium is, one after the other; one that cannot be read does not end it."""
    places = osinfo.directories(environment, home)
    rules = osinfo.load(places)
    for path in paths:
        try:
            medium = iso.inspect(path, glance=guests.identity_files())
        except MediumError as error:
            yield Finding(path=path, verdict="unreadable", error=error)
            continue
        yield judge(path, medium, osinfo.matches(medium, rules) if rules else None)


def judge(path: Path, medium: Medium, systems: tuple[OsinfoSystem, ...] | None) -> Finding:
    """What our table and osinfo-db come to together."""
    identities = guests.identify(medium)
    confirmed = tuple(
        identity for identity in identities if any(guests.agrees(identity, system) for system in systems or ())
    )
    verdict: Verdict = "unknown"
    if confirmed:
        verdict = "agreed"
    elif identities:
        verdict = "disputed" if systems else "by-table"
    elif systems:
        verdict = "by-osinfo"
    return Finding(path=path, verdict=verdict, identities=confirmed or identities, systems=systems, medium=medium)


def describe(identity: Identity) -> str:
    """As people say it, "Fedora 40 for x86_64 (DVD)", and harmless on a terminal: media wrote it."""
    arches = f"for {', '.join(identity.arches)}" if identity.arches else ""
    words = (identity.distro, identity.version, arches, _VARIANTS.get(identity.variant, ""))
    return printable(" ".join(word for word in words if word))
