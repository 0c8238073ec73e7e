"""What tells YaST's releases apart; their values are in oz.guests.releases.suse."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from oz.guests.base import UnixFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What a medium calls an architecture, and where things are on it."""

    names: tuple[str, ...]
    loader_directory: str
    """Holds linux and initrd; on a PC, isolinux and its menu too."""


ARCHITECTURES = {
    "i386": Architecture(names=("i386", "i586", "i686"), loader_directory="/boot/i386/loader"),
    "x86_64": Architecture(names=("x86_64",), loader_directory="/boot/x86_64/loader"),
    "aarch64": Architecture(names=("aarch64",), loader_directory="/boot/aarch64"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuseFacts(UnixFacts):
    """What differs between the releases."""

    volume_id: str
    """Of the medium that `documented_medium` describes; {version}, {pack} and {arch} are filled in."""
    product: str
    """What the medium's file "content" calls the release; empty where there is no such file."""
    profile_on: Literal["cd", "floppy", "device"]
    """Where YaST is told to read its profile from, when it is started from a CD: from "the medium", a floppy, or a
    device named."""
    tree_protocols: tuple[str, ...]
    """By which the installer can read a tree."""
    module: str | None
    """The module of the medium, by its directory, without which there is no system to install."""
    has_second_stage: bool
    """The profile is carried out to its end only by the installed system, when it boots for the first time."""
    has_slot_names: bool
    """Network interfaces would be named by their place, enp0s3, which differs between machines."""
    interface_element: Literal["device", "name"]
    boot_loaders: Mapping[str, str]
    """Firmware to what the profile has to name; YaST chooses by itself where there is none."""
    patterns: tuple[str, ...]
    packages: tuple[str, ...]
