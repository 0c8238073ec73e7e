"""What the stand-in of each installer knows: its family's script, and the words that tell its releases apart.

A family's row is its planner's name. What installers understood when is written here once more, from their own
manuals and sources, and not read from Oz's facts: what Oz believes is what is tested.
"""

import re
import shlex
from collections.abc import Callable

from oz.guests.base import Guest


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)) or (999,)


def _kickstart(guest: Guest) -> dict[str, str]:
    """dracut came with Fedora 17, and with RHEL 7; with it the words that begin with "inst."."""
    is_fedora = guest.release.distro in ("Fedora", "FedoraCore")
    is_old = guest.release.distro == "RedHatLinux" or _number(guest.release.version) < ((17,) if is_fedora else (7,))
    return {"FAMILY": "kickstart", "DRACUT": "no" if is_old else "yes"}


def _preseed(guest: Guest) -> dict[str, str]:
    """prebaseconfig became finish-install in 2006, for etch and Ubuntu 6.10; until then the rest was asked when the
    system had started, which base-config did. choose-mirror calls a mirror of no country "manual" since 2.30, of
    squeeze and, by its changelog, Ubuntu 10.10."""
    is_ubuntu, number = guest.release.distro == "Ubuntu", _number(guest.release.version)
    is_old = number < ((6, 10) if is_ubuntu else (4,))
    return {
        "FAMILY": "preseed",
        "HOOKS": f"/usr/lib/{'prebaseconfig' if is_old else 'finish-install'}.d",
        "SECOND_STAGE": "yes" if is_ubuntu and number < (6, 6) else "no",
        "NO_COUNTRY": "enter information manually" if number < ((10, 10) if is_ubuntu else (6,)) else "manual",
        "SUITE": guest.release.codename,
    }


def _autoyast(guest: Guest) -> dict[str, str]:
    """The second stage went with openSUSE Leap, which came as 42 and went on as 15, and, by choice, SLES 12 SP1."""
    is_opensuse, number = guest.release.distro == "openSUSE", _number(guest.release.version)
    has_it = number < (15,) if is_opensuse else number < (12, 1)
    if not is_opensuse and number[0] > 12:
        has_it = False
    return {"FAMILY": "autoyast", "SECOND_STAGE": "yes" if has_it else "no"}


def _subiquity(guest: Guest) -> dict[str, str]:
    """The autoinstall reference: a file in the medium's root since 22.10 (from memory: subiquity 22.08), "shutdown"
    since 21.10 (subiquity 21.08)."""
    number = _number(guest.release.version)
    return {
        "FAMILY": "subiquity",
        "READS_MEDIUM": "yes" if number >= (22, 10) else "no",
        "KNOWS_SHUTDOWN": "yes" if number >= (21, 10) else "no",
    }


def _agama(guest: Guest) -> dict[str, str]:
    """The product's "id" in Agama's products.d. Later releases than 16.0 look for a profile on the medium by
    themselves (rust/agama-autoinstall)."""
    distro, version = guest.release.distro, guest.release.version
    names = {"openSUSE": "Tumbleweed" if version == "Tumbleweed" else "openSUSE_Leap", "SLES": "SLES"}
    return {
        "FAMILY": "agama",
        "PRODUCT": names[distro],
        "LOOKS_ON_MEDIUM": "yes" if version != "16.0" else "no",
    }


def _drakx(guest: Guest) -> dict[str, str]:
    return {"FAMILY": "drakx", "ARCH": {"i386": "i586"}.get(guest.arch, guest.arch)}


_RESETS = "2"
"""Of each Windows (osinfo-db, installer-reboots): after the files are copied, and before the first logon."""


def _winnt(guest: Guest) -> dict[str, str]:
    """unattend.doc of 2000 has ProductID, ref.chm of XP and later ProductKey; servers ask for the kind of licences."""
    version = guest.release.version
    return {
        "FAMILY": "winnt",
        "DIRECTORY": {"i386": "i386", "x86_64": "amd64"}[guest.arch],
        "KEY_NAME": "ProductID" if version == "2000" else "ProductKey",
        "ASKS_ABOUT_NEW_DISKS": "yes" if version == "2000" else "no",
        "LICENSES": "no" if version in ("2000", "XP") else "yes",
        "RESETS": _RESETS,
    }


def _unattend(guest: Guest) -> dict[str, str]:
    """Requirements: https://learn.microsoft.com/windows/whats-new/windows-11-requirements."""
    return {
        "FAMILY": "unattend",
        "ARCHITECTURE": {"i386": "x86", "x86_64": "amd64"}[guest.arch],
        "CHECKS": "yes" if guest.release.version == "11" else "no",
        "RESETS": _RESETS,
    }


def _bsdinstall(guest: Guest) -> dict[str, str]:
    return {"FAMILY": "bsdinstall"}


FAMILIES: dict[str, Callable[[Guest], dict[str, str]]] = {
    "Agama": _agama,
    "Alpine": lambda guest: {"FAMILY": "alpine"},
    "Arch": lambda guest: {"FAMILY": "arch"},
    "Debian": _preseed,
    "FreeBsd": _bsdinstall,
    "Mandriva": _drakx,
    "RedHat": _kickstart,
    "Subiquity": _subiquity,
    "Suse": _autoyast,
    "Ubuntu": _preseed,
    "UbuntuEither": _preseed,
    "UnattendedWindows": _unattend,
    "Windows": _winnt,
}


def facts(guest: Guest, *, fail: str = "") -> str:
    """Assignments for the installer's shell; `fail` is the way to fail that is built in, or "say " and a line."""
    words = {"RELEASE": guest.title, "FAIL": fail, **FAMILIES[type(guest).__name__](guest)}
    if hasattr(guest.facts, "system"):
        system = guest.system
        words["MAKES_HOST_KEYS"] = "yes" if system.makes_host_keys_at_boot else "no"
        words["LEGACY_SSH"] = "yes" if system.has_legacy_ssh else "no"
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())
