"""What tells the releases and architectures of debian-installer apart; their values are in oz.guests.releases."""

from dataclasses import dataclass
from typing import Literal

from oz.guests.base import UnixFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What d-i calls an architecture, and where things are on it."""

    name: str
    install_directory: str
    """On the CD: holds vmlinuz and initrd.gz."""
    kernel_suffix: str | None
    """The end of the kernel package's name; None where d-i chooses by the processor."""


ARCHITECTURES = {
    "i386": Architecture(name="i386", install_directory="/install.386", kernel_suffix=None),
    "x86_64": Architecture(name="amd64", install_directory="/install.amd", kernel_suffix="amd64"),
    "aarch64": Architecture(name="arm64", install_directory="/install.a64", kernel_suffix="arm64"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of the installer, and our answer."""

    name: str
    kind: Literal["string", "select", "boolean"]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianFacts(UnixFacts):
    """What differs between the releases of Debian and Ubuntu."""

    kernel_arguments: tuple[str, ...]
    """What the kernel needs to find its initrd."""
    cd_arguments: tuple[str, ...]
    """What lets an installer from a CD ask nothing before it has read the answer file."""
    locale_argument: str
    priority_argument: str
    command_line_bytes_max: int
    """What the installer's kernel takes; it cuts off the rest without a word."""
    user_separator: Literal["--", "---"]
    """Kernel arguments after this word are for the installed system."""
    has_text_frontend: bool
    """The CD's initrd carries d-i's plain text interface, which a log can hold."""
    medium_name: str | None
    """How the volume id of its CD begins, where the version alone does not tell."""
    images_directory: str
    """Where the netboot directory is in a mirror's tree."""
    locale: str
    keyboard_questions: tuple[Question, ...]
    """Their names changed between releases; d-i passes over answers to questions that it does not have."""
    label_questions: tuple[str, ...]
    """Ask whether a new partition table may be written."""
    partitioned_choice: str
    """What the partitioner calls the end of its work in partman/choose_partition."""
    unlimited_size: str
    """What a partitioning recipe calls a size without limit."""
    manual_country: str
    """What mirror/country is for a mirror that is none of the list."""
    other_questions: tuple[Question, ...]
    hook_directory: str
    """What the installer runs at its end, in the order of the names."""
    finished_question: str
    """The last message, which waits to be read."""
    can_power_off: bool
    """The installer can be told to; else it resets the machine."""
    has_second_stage: bool
    """The first boot would go on installing; our last hook ends the installation instead."""
    takes_packages: bool
    """pkgsel/include is there; else our first hook installs what is needed."""
    cd_needs_mirror: bool
    """An installer from a complete CD sets up a mirror all the same, and asks if it cannot."""
    kernel_prefix: str | None
    """The beginning of the kernel package's name; None where d-i chooses it by itself."""
    ide_disk: str
    disk_bytes_min: int
    """Less does not hold the system that our answer file asks for."""
    mirror: str
    """Where the release is to be had once no medium is at hand: an http URL."""
    ports_mirror: str | None
    """The same for architectures that are not there; None if all are."""
    mirror_protocols: tuple[str, ...]
    """By which the installer can read a mirror."""
    components: str
    has_security_host: bool
    """The installer asks a host of its own for security updates, which serves no old release."""
    replaces_sources: bool
    """The image's list of sources is ours alone, whatever the installer wrote."""
    has_updates: bool
    """The mirror still has, and updates, CODENAME-updates; the installer's own security host serves the release."""
    has_eatmydata: bool
    root_login: str | None
    """What PermitRootLogin must be set to; None where the default already is keys only."""
