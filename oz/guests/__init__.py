"""Everything that knows an operating system. `guest_for` is the only dispatch."""

import difflib
import logging
import re
from dataclasses import dataclass, replace

from oz.errors import UnsupportedError
from oz.guests.base import Guest, Release
from oz.guests.releases import DISTRO_ALIASES, RELEASES
from oz.model import Tdl

log = logging.getLogger("oz")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """One line of the list of guests."""

    distro: str
    version: str
    aliases: tuple[str, ...]
    arches: tuple[str, ...]
    install_types: tuple[str, ...]
    phases: tuple[str, ...]
    end_of_life: str
    """ISO 8601."""


def all_releases() -> tuple[ReleaseRow, ...]:
    """Every release known, oldest first within its distribution."""
    rows = []
    for release in RELEASES:
        guest = release.planner(release, release.version, next(iter(release.install_types)))
        supported = (("customize", guest.supports_customize), ("manifest", guest.supports_manifest))
        names = [name for name, distro in DISTRO_ALIASES.items() if distro == release.distro]
        rows.append(
            ReleaseRow(
                distro=release.distro,
                version=release.version,
                aliases=(release.codename, *names),
                arches=tuple(release.install_types),
                install_types=tuple(sorted({kind for kinds in release.install_types.values() for kind in kinds})),
                phases=("install", *(phase for phase, is_supported in supported if is_supported)),
                end_of_life=release.end_of_life,
            )
        )
    return tuple(rows)


def guest_for(tdl: Tdl) -> Guest:
    """The guest a template names.

    A release newer than all we know is planned like the newest, with a warning. Raises UnsupportedError.
    """
    distro = DISTRO_ALIASES.get(tdl.distro, tdl.distro)
    releases = [release for release in RELEASES if release.distro == distro]
    if not releases:
        names = sorted({release.distro for release in RELEASES} | set(DISTRO_ALIASES))
        raise UnsupportedError(
            f"{tdl.where('os/name')}: there is no guest {tdl.distro!r}", hint=_nearest(tdl.distro, names)
        )
    release = _find(tdl, releases)
    if release is None:
        names = [f"{row.distro} {row.version}" for row in releases]
        raise UnsupportedError(
            f"{tdl.where('os/version')}: there is no guest {tdl.distro} {tdl.version!r}",
            hint=_nearest(f"{distro} {tdl.version}", names),
        )
    types = release.install_types.get(tdl.arch)
    title = f"{release.distro} {release.version}"
    if types is None:
        raise UnsupportedError(
            f"{tdl.where('os/arch')}: {title} cannot be installed on {tdl.arch}",
            hint=f"it can be on {', '.join(release.install_types)}",
        )
    if tdl.install_type not in types:
        raise UnsupportedError(
            f"{tdl.where('os/install')}: {title} on {tdl.arch} cannot be installed by {tdl.install_type}",
            hint=f"it can be by {', '.join(types)}",
        )
    return release.planner(release, tdl.version, tdl.arch)


def _find(tdl: Tdl, releases: list[Release]) -> Release | None:
    """The release of a version ("13"), of a point release ("13.2"), or of a codename ("trixie")."""
    for release in releases:
        if tdl.version in (release.version, release.codename):
            return release
    if not re.fullmatch(r"\d+(\.\d+)*", tdl.version):
        return None
    of_point = [release for release in releases if tdl.version.startswith(f"{release.version}.")]
    if of_point:
        return max(of_point, key=lambda release: len(release.version))
    newest = releases[-1]
    if _numbers(tdl.version) <= _numbers(newest.version):
        return None
    log.warning(
        "%s: %s %s is newer than this Oz, which knows %s at most; it is planned like that",
        tdl.where("os/version"),
        newest.distro,
        tdl.version,
        newest.version,
    )
    # "stable" is what mirrors call the newest release, whatever its name will be.
    return replace(newest, version=tdl.version, codename="stable")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _nearest(name: str, names: list[str]) -> str:
    lowered = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.0)
    return "the nearest names are " + ", ".join(lowered[match] for match in found)
