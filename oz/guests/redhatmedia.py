"""What media of Red Hat's family say of themselves: .treeinfo, .discinfo, the volume id, a package's name."""

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass

from oz.model import Medium, Variant
from oz.units import GIB

IDENTITY_FILES = ("/.treeinfo", "/.discinfo")

_DISTROS = {
    r"CentOS[ _-]Stream": "CentOSStream",
    r"CentOS": "CentOS",
    r"Fedora Core|FC(?=[/-]\d)": "FedoraCore",
    r"Fedora|F(?=1\d-)": "Fedora",
    r"Scientific Linux CERN|SLC": "ScientificLinuxCern",
    r"Scientific Linux": "ScientificLinux",
    r"Oracle[ -]Linux|OL(?=-?\d)": "OracleLinux",
    r"AlmaLinux": "AlmaLinux",
    r"Rocky": "Rocky",
    r"Red Hat Enterprise Linux|RHEL(?=[/_-]\d)|RHELSA(?=-7)": "RHEL",
    r"Red Hat Linux": "RedHatLinux",
}
"""How a name begins, and the table's name for it. The first that matches it is."""
_ARCH = re.compile(r"x86_64|aarch64|i[3-6]86|ia64|ppc(?:64(?:le)?)?\b|s390x?")
_LIVE = re.compile(r"live|-(GNOME|KDE|XFCE|MATE|Cinnamon|Workstation)", re.IGNORECASE)
_RELEASE_PACKAGE = re.compile(r"/RedHat/RPMS/redhat-release-(?:as-|es-|ws-)?([\d.]+)([A-Z]*)-[^/]*\.rpm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one place of a medium says about it."""

    distro: str
    version: str
    """Empty where it does not tell."""
    arches: tuple[str, ...]


def read_claims(medium: Medium) -> Iterator[Claim]:
    """What the medium says, the most telling place first."""
    tree = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        tree.read_string(_text(medium, "/.treeinfo"))
    except configparser.Error:
        tree.clear()
    general = tree["general"] if tree.has_section("general") else {}
    yield from _parse(" ".join(general.get(key, "") for key in ("family", "version", "arch")))
    # The time, the release's name, the architecture, the numbers of the discs.
    yield from _parse(" ".join(_text(medium, "/.discinfo").splitlines()[1:3]))
    yield from _parse(medium.volume_id)
    # The oldest have neither file: "redhat-release-3AS-1", and without a letter what was before Enterprise Linux.
    for match in filter(None, map(_RELEASE_PACKAGE.fullmatch, sorted(medium.paths))):
        yield Claim(distro="RHEL" if match[2] else "RedHatLinux", version=match[1], arches=())


def _parse(text: str) -> Iterator[Claim]:
    """The claim of a line such as "Fedora 9 x86_64", "RHEL/4-U8 i386", "AlmaLinux-9-4-x86_64-dvd"."""
    name, distro = next(
        ((found, distro) for pattern, distro in _DISTROS.items() if (found := re.match(pattern, text))), (None, "")
    )
    if name is None:
        return
    arch = _ARCH.search(text)
    rest = _ARCH.sub("", text[name.end() :])
    # Fedora's number may come last ("Fedora-S-dvd-x86_64-40"), and is one; the others' major and minor come first.
    is_fedora = distro in ("Fedora", "FedoraCore")
    number = re.search(r"\d+" if is_fedora else r"(\d+)(?:(?:[._-]U?| Update )(\d{1,2})(?!\d))?", rest)
    version = "rawhide" if re.search(r"rawh", rest, re.IGNORECASE) else ""
    if number:
        version = number[0] if is_fedora else ".".join(part for part in number.groups() if part)
    if re.match(r"RHEL/[45] ", text):
        version += ".0"  # GOLD alone has no update's number
    arches = (re.sub(r"i[4-6]86", "i386", arch[0]),) if arch else ()
    yield Claim(distro=distro, version=version, arches=arches)


def _text(medium: Medium, path: str) -> str:
    return medium.contents.get(path, b"").decode("utf-8", "replace")


def variant_of(medium: Medium) -> Variant:
    """By the volume id, else by what is on it and its size: the CDs and DVDs of Fedora Core 1, 2, 3 and 5 and of
    Red Hat Enterprise Linux 4 have the same id."""
    if _LIVE.search(medium.volume_id):
        return "live"
    if re.search(r"(Dis[ck]|CD) ?#?[2-9]\b", medium.volume_id):
        return "later-disc"
    if re.search(r"ostree", medium.volume_id):
        return "other"
    if medium.paths and not has_packages(medium):
        return "netinst"
    if not medium.volume_size_bytes:
        return "dvd" if "dvd" in medium.volume_id.lower() else "other"
    return "dvd" if medium.volume_size_bytes >= GIB else "cd"


def has_packages(medium: Medium) -> bool:
    return any(path.endswith((".rpm", "/repomd.xml")) for path in medium.paths)
