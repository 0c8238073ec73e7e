"""What osinfo-db, where it is installed, knows about media: its XML, read as libosinfo reads it.

    SYSTEM/os/VENDOR/NAME.xml           a system, with its media
    SYSTEM/os/VENDOR/NAME.d/*.xml       more media of the same system, by its id
    LOCAL/os/..., USER/os/...           further systems; a file with the same path stands in the other's place

All of it, 800 files of 2022, is read and parsed in 0.1 s: an index kept for the next time would be slower to trust.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from oz.model import Medium, OsinfoSystem

log = logging.getLogger(__name__)

SYSTEM_DIR = Path("/usr/share/osinfo")
LOCAL_DIR = Path("/etc/osinfo")

_ARCHES = {"i486": "i386", "i586": "i386", "i686": "i386", "all": ""}
# The volume id last: most rules have one, and most of those an expression of their own.
_FIELDS = {
    "system-id": "system_id",
    "publisher-id": "publisher_id",
    "application-id": "application_id",
    "volume-id": "volume_id",
}
_LITERAL = re.compile(r"(?:[\w -](?![?*+{]))*", re.ASCII)
"""The letters that an expression without alternatives begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRule:
    """What the media of a system say of themselves."""

    system: OsinfoSystem
    patterns: Mapping[str, str]
    """Field of Medium to the expression, Perl's, that is found somewhere in it."""
    volume_size_bytes: int | None
    is_last_resort: bool
    """Of a system without an end (rolling, or not known yet), or of media for any architecture: it counts where no
    other rule fits (libosinfo: osinfo_db_identify_media)."""


def directories(environment: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Where libosinfo looks for its database, the one that counts most last (osinfo-db-path(1))."""
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return (
        Path(environment.get("OSINFO_SYSTEM_DIR") or SYSTEM_DIR),
        Path(environment.get("OSINFO_LOCAL_DIR") or LOCAL_DIR),
        Path(environment.get("OSINFO_USER_DIR") or settings / "osinfo"),
    )


def load(places: Iterable[Path]) -> tuple[MediaRule, ...]:
    """The rules of all media in the database; none if there is no database. A file that cannot be read is passed over,
    with a line in the log: it is somebody else's."""
    systems: dict[str, list[etree._Element]] = {}
    for path in _files(places):
        for element in _parse(path):
            systems.setdefault(element.get("id", ""), []).append(element)
    return tuple(rule for elements in systems.values() for rule in _rules(elements))


def matches(medium: Medium, rules: Sequence[MediaRule]) -> tuple[OsinfoSystem, ...]:
    """The systems whose media look like this one, each once."""
    fitting = [rule for rule in rules if _fits(rule, medium)]
    best = [rule for rule in fitting if not rule.is_last_resort] or fitting
    return tuple(dict.fromkeys(rule.system for rule in best))


def _fits(rule: MediaRule, medium: Medium) -> bool:
    # A field that is empty on the medium fits no pattern, not even one for everything.
    return rule.volume_size_bytes in (None, medium.volume_size_bytes) and all(
        (value := getattr(medium, field)) and _is_found(pattern, value) for field, pattern in rule.patterns.items()
    )


def _is_found(pattern: str, value: str) -> bool:
    """Whether the expression matches a part of the value. To compile all 2,000 would take longer than everything else:
    most begin with letters that the value does not have."""
    beginning = _LITERAL.match(pattern)
    if beginning and "|" not in pattern and beginning[0] not in value:
        return False
    try:
        return bool(re.search(pattern, value))
    except re.error as error:
        log.info("osinfo-db's %r is passed over: %s", pattern, error)
        return False


# ------------------------------------------------------------------ reading


def _files(places: Iterable[Path]) -> list[Path]:
    files: dict[Path, Path] = {}
    for place in places:
        root = place / "os"
        for directory, _, names in os.walk(root):
            for name in names:
                path = Path(directory, name)
                if path.suffix == ".xml":
                    files[path.relative_to(root)] = path
    return [files[name] for name in sorted(files)]


def _parse(path: Path) -> Iterator[etree._Element]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        # An empty one hides the one whose place it takes.
        if data := path.read_bytes():
            yield from etree.fromstring(data, parser).iterchildren("os")
    except (OSError, etree.XMLSyntaxError) as error:
        log.info("%s is passed over: %s", path, error)


def _rules(elements: Sequence[etree._Element]) -> Iterator[MediaRule]:
    """The rules of one system, which may be told in several files."""
    words = {name: _first(elements, name) for name in ("short-id", "name", "distro", "version", "release-status")}
    editions = {
        variant.get("id", ""): _first([variant], "name")
        for element in elements
        for variant in element.iterchildren("variant")
    }
    is_endless = words["release-status"] == "rolling"
    for media in (media for element in elements for media in element.iterchildren("media")):
        edition = media.find("variant")
        arch = media.get("arch", "all")
        system = OsinfoSystem(
            short_id=words["short-id"],
            name=(editions.get(edition.get("id", "")) if edition is not None else None) or words["name"],
            distro=words["distro"],
            version=words["version"],
            arch=_ARCHES.get(arch, arch),
            is_live=media.get("live") == "true",
        )
        iso = media.find("iso")
        if iso is not None and (rule := _rule(system, iso, is_last_resort=is_endless or arch == "all")):
            yield rule


def _first(elements: Iterable[etree._Element], name: str) -> str:
    """The text of the first such child that is not a translation."""
    for element in elements:
        for child in element.iterchildren(name):
            if not child.get("{http://www.w3.org/XML/1998/namespace}lang"):
                return (child.text or "").strip()
    return ""


def _rule(system: OsinfoSystem, iso: etree._Element, *, is_last_resort: bool) -> MediaRule | None:
    """The rule, if it tells anything apart."""
    size = iso.findtext("volume-size", "").strip()
    patterns = {field: text for name, field in _FIELDS.items() if (text := iso.findtext(name, "").strip())}
    if not patterns and not size.isdecimal():
        return None
    return MediaRule(
        system=system,
        patterns=patterns,
        volume_size_bytes=int(size) if size.isdecimal() else None,
        is_last_resort=is_last_resort,
    )
