"""Everything that knows an operating system. `guest_for` is the only dispatch."""

import difflib
import functools
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from oz.errors import UnsupportedError
from oz.guests.base import Guest
from oz.guests.release import Alias, Release
from oz.guests.releases import ALIASES, RELEASES
from oz.guests.releases import REFUSED as REFUSED
from oz.model import Identity, Medium, OsinfoSystem, Tdl

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
    point_releases: tuple[str, ...]
    """Versions that are planned like this one."""


@functools.cache
def all_releases() -> tuple[ReleaseRow, ...]:
    """Every release known, oldest first within its distribution."""
    rows = []
    for release in RELEASES:
        guest = release.planner(release, release.version, next(iter(release.install_types)))
        supported = (("customize", guest.supports_customize), ("manifest", guest.supports_manifest))
        names = [
            name
            for name, alias in ALIASES.items()
            if alias.distro == release.distro and (alias.major is None or _is_below(release.version, alias.major))
        ]
        rows.append(
            ReleaseRow(
                distro=release.distro,
                version=release.version,
                aliases=tuple(name for name in (release.codename, *names) if name),
                arches=tuple(release.install_types),
                install_types=tuple(sorted({kind for kinds in release.install_types.values() for kind in kinds})),
                phases=("install", *(phase for phase, is_supported in supported if is_supported)),
                end_of_life=release.end_of_life,
                point_releases=tuple(f"{release.version}.{point + 1}" for point in range(release.point_releases)),
            )
        )
    return tuple(rows)


def releases_of(names: Sequence[str]) -> tuple[ReleaseRow, ...]:
    """The releases of the distributions of these names or other names, or with these codenames, or "NAME-VERSION", in
    any case; without names, all. Raises UnsupportedError for a name that stands for none."""
    rows = all_releases()
    known = {
        row: {name.lower() for one in (row.distro, *row.aliases) for name in (one, f"{one}-{row.version}")}
        | ({row.version.lower()} if row.version.isalpha() else set())
        for row in rows
    }
    for name in names:
        _check_refused(name)
        if not any(name.lower() in those for those in known.values()):
            every = sorted({one for row in rows for one in (row.distro, *row.aliases)})
            raise UnsupportedError(f"there is no guest {name!r}", hint=_nearest(name, every))
    wanted = {name.lower() for name in names}
    return tuple(row for row in rows if not wanted or wanted & known[row])


def guest_for(tdl: Tdl) -> Guest:
    """The guest a template names.

    A release newer than all we know is planned like the newest, with a warning, unless it is known to differ. Raises
    UnsupportedError.
    """
    alias = ALIASES.get(tdl.distro, Alias(distro=tdl.distro))
    version = _full_version(tdl.version, alias.major)
    releases = [release for release in RELEASES if release.distro == alias.distro]
    if not releases:
        _check_refused(tdl.distro, f"{tdl.where('os/name')}: ")
        names = sorted({release.distro for release in RELEASES} | set(ALIASES))
        raise UnsupportedError(
            f"{tdl.where('os/name')}: there is no guest {tdl.distro!r}", hint=_nearest(tdl.distro, names)
        )
    release = _find(tdl, version, releases)
    if release is None:
        raise UnsupportedError(
            f"{tdl.where('os/version')}: there is no guest {tdl.distro} {tdl.version!r}",
            hint="; ".join(filter(None, (releases[-1].next_differs, _nearest_release(version, releases)))),
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
    if tdl.drivers is not None and not release.planner.takes_drivers:
        raise UnsupportedError(
            f"{tdl.where('os/install/drivers')}: {title} takes no CD of drivers", hint="remove it: its own are enough"
        )
    if tdl.edition is not None and not release.planner.has_editions:
        raise UnsupportedError(
            f"{tdl.where('os/edition')}: a medium of {title} holds one system, with no <edition>", hint="remove it"
        )
    return release.planner(release, version, tdl.arch)


def identity_files() -> tuple[str, ...]:
    """The files of a medium that any guest would see to say what system is on it."""
    return tuple(dict.fromkeys(path for planner in _planners() for path in planner.identity_files))


def identify(medium: Medium) -> tuple[Identity, ...]:
    """The systems that the medium may hold, by what it says of itself, those of each installer in the table's order.

    Of contents it sees those of `identity_files`.
    """
    return tuple(dict.fromkeys(identity for planner in _planners() for identity in planner.identify(medium)))


def agrees(identity: Identity, system: OsinfoSystem) -> bool:
    """Whether osinfo-db names the same release, as far as both tell; it may serve for more architectures."""
    named = identity.distro.lower()
    wanted, found = _digits(identity.version), _digits(_OSINFO_VERSIONS.get(system.short_id, system.version))
    return (
        system.distro in _OSINFO_DISTROS.get(named, (named,))
        and all(ours == theirs for ours, theirs in zip(wanted, found, strict=False))
        and (not identity.arches or not system.arch or system.arch in identity.arches)
    )


_OSINFO_DISTROS = {
    "centosstream": ("centos",),
    "fedoracore": ("fedora",),
    "oraclelinux": ("ol", "oel"),
    "redhatlinux": ("rhl",),
    "scientificlinuxcern": ("scientificlinux",),
    "sles": ("sles", "sle"),
    "windows": ("win", "winnt"),
}
"""Our names of distributions, in lower case, to osinfo-db's, where these are others."""
_OSINFO_VERSIONS = {
    "win2k": "2000",
    "winxp": "XP",
    "win2k3": "2003",
    "win2k3r2": "2003",
    "winvista": "Vista",
    "win2k8": "2008",
    "win7": "7",
    "win2k8r2": "2008R2",
    "win8": "8",
    "win2k12": "2012",
    "win8.1": "8.1",
    "win2k12r2": "2012R2",
    "win10": "10",
    "win2k16": "2016",
    "win2k19": "2019",
    "win11": "11",
    "win2k22": "2022",
    "win2k25": "2025",
}
"""Where osinfo-db has the kernel's version in place of the product's."""


def _digits(version: str) -> list[str]:
    """The parts of a version that tell releases apart: "11-SP1" is what others write as 11.1."""
    return re.findall(r"\d+|XP|Vista", version)


def _planners() -> tuple[type[Guest], ...]:
    return tuple(dict.fromkeys(release.planner for release in RELEASES))


def _full_version(version: str, major: str | None) -> str:
    """The version with the major number that the distribution's alias stands for: "U3" of "RHEL-5" is "5.3", and so
    is "SP3" of "SLES-15" and "15-SP3" of SLES "15.3"."""
    if pack := re.fullmatch(r"(\d+)[- ]?SP(\d+)", version, re.IGNORECASE):
        return f"{pack[1]}.{pack[2]}"
    update = re.fullmatch(r"GOLD|GA|(?:U|SP)(\d+)", version, re.IGNORECASE)
    if major is None or not (update or re.fullmatch(r"[\d.]+", version)) or _is_below(version, major):
        return version
    minor = (update[1] or "0") if update else version
    return f"{major}.{minor}"


def _is_below(version: str, major: str) -> bool:
    return version == major or version.startswith(f"{major}.")


def _find(tdl: Tdl, version: str, releases: list[Release]) -> Release | None:
    """The release of a version ("13"), of a point release ("13.2"), of a codename ("trixie"); of a major version
    alone ("6") the last of its releases."""
    for release in releases:
        if version and version in (release.version, release.codename):
            return release
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        return None
    if of_point := [release for release in releases if _is_below(version, release.version)]:
        return max(of_point, key=lambda release: len(release.version))
    if of_major := [release for release in releases if _is_below(release.version, version)]:
        return of_major[-1]
    numbered = [release for release in releases if re.fullmatch(r"\d+(\.\d+)*", release.version)]
    if not numbered:
        return None
    wanted = _numbers(version)
    # of the major version's own line, where that goes on beside newer ones
    line = [release for release in numbered if release.is_growing and _numbers(release.version)[0] == wanted[0]]
    newest = (line or numbered)[-1]
    # openSUSE 42 came before 16, so 42.4 is none that is to come.
    is_old = wanted[0] in {_numbers(release.version)[0] for release in numbered} - {_numbers(newest.version)[0]}
    if wanted <= _numbers(newest.version) or is_old or newest.next_differs:
        return None
    log.warning(
        "%s: %s %s is newer than this Oz, which knows %s at most; it is planned like that",
        tdl.where("os/version"),
        newest.distro,
        version,
        newest.version,
    )
    # "stable" is what mirrors call the newest release, whatever its name will be.
    return replace(newest, version=version, codename="stable")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _check_refused(name: str, where: str = "") -> None:
    for refused, reason in REFUSED.items():
        if name.lower() == refused.lower():
            raise UnsupportedError(f"{where}{refused} cannot be installed unattended: {reason}")


def _nearest_release(version: str, releases: list[Release]) -> str:
    """By number, where both are numbers: the two before and after."""
    names = {f"{row.distro} {row.version}": row for row in releases}
    numbered = [row for row in releases if re.fullmatch(r"\d+(\.\d+)*", row.version)]
    if not numbered or not re.fullmatch(r"\d{1,9}(\.\d{1,9})*", version):
        return _nearest(f"{releases[0].distro} {version}", list(names))
    below = [row for row in numbered if _numbers(row.version) < _numbers(version)]
    above = [row for row in numbered if _numbers(row.version) > _numbers(version)]
    near = [*below[-max(2, 3 - len(above)) :], *above][:3]
    return "the nearest names are " + ", ".join(f"{row.distro} {row.version}" for row in near)


def _nearest(name: str, names: list[str]) -> str:
    lowered = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.0)
    return "the nearest names are " + ", ".join(lowered[match] for match in found)
