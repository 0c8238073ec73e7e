"""What tells the releases of subiquity apart; their values are in oz.guests.releases.subiquity."""

from dataclasses import dataclass

from oz.guests.base import HardwareFacts, SystemFacts
from oz.guests.debianfacts import DebianFacts
from oz.guests.partitions import PartitionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class SubiquityFacts:
    """What differs between the releases of Ubuntu with this installer."""

    system: SystemFacts
    hardware: HardwareFacts
    reads_medium: bool
    """It looks for its answer file on the medium; else cloud-init brings it, from a NoCloud seed that lies there."""
    can_power_off: bool
    """It knows the key "shutdown"; else our last command powers the machine off."""
    medium_name: str
    """How the volume id of its server medium begins."""
    mirror: str
    ports_mirror: str | None
    """See DebianFacts."""
    filesystems: tuple[str, ...]
    disk_bytes_min: int
    limit_s: float
    inactivity_s: float

    @property
    def partitions(self) -> PartitionFacts:
        return PartitionFacts(
            filesystems=self.filesystems, boot_filesystem=self.filesystems[0], has_lvm=True, has_biosboot=True
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EitherFacts(DebianFacts):
    """Of a release with both installers: those of debian-installer, and beside them the other's."""

    live: SubiquityFacts
