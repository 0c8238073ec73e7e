"""THE TABLE: every release, and at which release each fact became true. A module for each family.

A version is one more word in a tuple, an end of life, and whatever is new about it. Facts without a word about their
source are this table's own choice.
"""

from dataclasses import replace

from oz.guests.release import Alias, Release
from oz.guests.releases import alpine, arch, debian, fedora, freebsd, mandriva, redhat, subiquity, suse, ubuntu, windows

_ENDED = {
    "RedHatLinux": "Red Hat Linux ended with 9: what follows are FedoraCore and RHEL",
    "FedoraCore": "Fedora Core ended with 6: what follows is Fedora",
    "CentOS": "CentOS ended with 8: what follows is CentOSStream",
    "ScientificLinux": "Scientific Linux ended with 7: AlmaLinux and Rocky go on",
    "Mandrake": "Mandrake ended with 10.1: what follows is Mandriva",
    "Mandriva": "Mandriva is known up to 2010.2: what follows is Mageia",
}
"""Distributions that have no release after the last of theirs here, and what has come in their place."""

_KNOWN: tuple[Release, ...] = (
    *debian.RELEASES,
    *ubuntu.RELEASES,
    *subiquity.RELEASES,
    *redhat.RELEASES,
    *fedora.RELEASES,
    *suse.RELEASES,
    *mandriva.RELEASES,
    *alpine.RELEASES,
    *arch.RELEASES,
    *freebsd.RELEASES,
    *windows.RELEASES,
)
_LAST = {release.distro: release for release in _KNOWN}
RELEASES: tuple[Release, ...] = tuple(
    replace(one, next_differs=_ENDED[one.distro]) if one.distro in _ENDED and one is _LAST[one.distro] else one
    for one in _KNOWN
)
"""Oldest first within a distribution."""

REFUSED: dict[str, str] = {
    # install.sub: /auto_install.conf in the ramdisk that is part of the kernel bsd.rd, or what DHCP names after a boot
    # from the network; else it asks on the console. autoinstall(8).
    "OpenBSD": "its CD takes no answer file: autoinstall has it from a network that it was booted by, or in its kernel",
    # sysinst(8); its defaults cannot be given to it either.
    "NetBSD": "its installer, sysinst, has no answer file and asks on the console",
}
"""Systems that cannot be installed without somebody, or a program, at their console, and why."""

ALIASES: dict[str, Alias] = {**redhat.ALIASES, **fedora.ALIASES, **suse.ALIASES, **mandriva.ALIASES, **arch.ALIASES}
"""Other names a template may use."""
