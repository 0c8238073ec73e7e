"""THE TABLE: every release, and at which release each fact became true. A module for each family.

A version is one more word in a tuple, an end of life, and whatever is new about it. Facts without a word about their
source are this table's own choice.
"""

from oz.guests.base import Alias, Release
from oz.guests.releases import (
    alpine,
    arch,
    debian,
    fedora,
    freebsd,
    mandriva,
    redhat,
    subiquity,
    suse,
    ubuntu,
    windows,
)

RELEASES: tuple[Release, ...] = (
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
"""Oldest first within a distribution."""

REFUSED: dict[str, str] = {
    # install.sub: /auto_install.conf in the ramdisk that is part of the kernel bsd.rd, or what DHCP names after a boot
    # from the network; else it asks on the console. autoinstall(8).
    "OpenBSD": "its CD takes no answer file: autoinstall has it from a network that it was booted by, or in its kernel",
    # sysinst(8); its defaults cannot be given to it either.
    "NetBSD": "its installer, sysinst, has no answer file and asks on the console",
}
"""Systems that cannot be installed without somebody, or a program, at their console, and why."""

ALIASES: dict[str, Alias] = {**redhat.ALIASES, **fedora.ALIASES, **suse.ALIASES, **mandriva.ALIASES}
"""Other names a template may use."""
