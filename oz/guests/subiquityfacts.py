"""What tells the releases of subiquity apart; their values are in oz.guests.releases.subiquity."""

from dataclasses import dataclass

from oz.guests.base import UnixFacts
from oz.guests.debianfacts import DebianFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class SubiquityFacts(UnixFacts):
    """What differs between the releases of Ubuntu with this installer."""

    reads_medium: bool
    """It looks for its answer file on the medium; else cloud-init brings it, from a NoCloud seed that lies there."""
    can_power_off: bool
    """It knows the key "shutdown"; else our last command powers the machine off."""
    medium_name: str
    """How the volume id of its server medium begins."""
    mirror: str
    ports_mirror: str | None
    """See DebianFacts."""
    disk_bytes_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EitherFacts(DebianFacts):
    """Of a release with both installers: those of debian-installer, and beside them the other's."""

    live: SubiquityFacts
