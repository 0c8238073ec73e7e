"""THE TABLE: every release, and at which release each fact became true. A module for each family.

A version is one more word in a tuple, an end of life, and whatever is new about it. Facts without a word about their
source are this table's own choice.
"""

from oz.guests.base import Alias, Release
from oz.guests.releases import debian, fedora, mandriva, redhat, subiquity, suse, ubuntu, windows

RELEASES: tuple[Release, ...] = (
    *debian.RELEASES,
    *ubuntu.RELEASES,
    *subiquity.RELEASES,
    *redhat.RELEASES,
    *fedora.RELEASES,
    *suse.RELEASES,
    *mandriva.RELEASES,
    *windows.RELEASES,
)
"""Oldest first within a distribution."""

ALIASES: dict[str, Alias] = {**redhat.ALIASES, **fedora.ALIASES, **suse.ALIASES, **mandriva.ALIASES}
"""Other names a template may use."""
