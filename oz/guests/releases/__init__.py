"""THE TABLE: every release, and at which release each fact became true. A module for each family.

A version is one more word in a tuple, an end of life, and whatever is new about it. Facts without a word about their
source are this table's own choice.
"""

from oz.guests.base import Alias, Release
from oz.guests.releases import debian, suse

RELEASES: tuple[Release, ...] = (*debian.RELEASES, *suse.RELEASES)
"""Oldest first within a distribution."""

ALIASES: dict[str, Alias] = {**suse.ALIASES}
"""Other names a template may use."""
