"""What this host, oz.cfg and the options decide."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rng:
    """The virtio random number generator and the host device that feeds it."""

    model: str = "random"
    device: str = "/dev/urandom"
    rate_bytes: int | None = None
    rate_period_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How a guest reaches the network, and we the guest: QEMU's user network, a bridge, a libvirt network."""

    kind: Literal["user", "bridge", "network"] = "user"
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the options, the template's <machine>, oz.cfg and this host decide about a build, in this order. None means:
    the release's own fact."""

    domain_type: str = "kvm"
    """libvirt's domain type: kvm, or qemu for software emulation."""
    cpus: int = 1
    memory_bytes: int = 2048 * 1024**2
    """The least a guest gets; a release that needs more gets more, unless the template says how much."""
    network: Network = Network()
    rng: Rng = Rng()
    image_format: str = "raw"
    disk_bus: str | None = None
    nic_model: str | None = None
    mac: str | None = None
    firmware: Literal["bios", "efi"] | None = None
    machine_type: str | None = None
    answer: str | None = None
    """A user's own answer file template, in place of ours."""
    virtio_win: Path | None = None
    """A CD with virtio drivers, for systems that bring none."""
    win32_openssh: Path | None = None
    """The package (.msi) of an sshd, for a system whose media have none."""
    install_limit_s: float | None = None
    """An explicit limit, taken literally."""
    limit_factor: float = 1.0
    """By how much limits are stretched; 10 without hardware virtualization."""
