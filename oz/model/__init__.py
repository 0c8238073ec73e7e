"""Every record that crosses a module border. Read this first.

    Tdl ──► guest_for ──► Guest ──plan_media──► MediaPlan ──fetch──► Medium
                            │                                          │
                            └──plan_install(Tdl, Medium, Access, Settings)──► InstallPlan ──► Installed
                            └──plan_customize(Tdl) ──► Action, Action, ...
                            └──plan_manifest(Tdl), parse_packages(text) ──► Manifest

All records are frozen; units are in their names. Paths inside a guest or a medium are str, absolute, with forward
slashes; paths on this host are pathlib.Path.
"""

from oz.model.machine import Drive, Hardware, Kernel, Machine
from oz.model.media import BootImage, Fetch, MediaPlan, Medium, MediumEdit, Patch, Remaster
from oz.model.plans import (
    Access,
    Action,
    Boot,
    Installed,
    InstalledPackage,
    InstallPlan,
    Manifest,
    ManifestPlan,
    PutFile,
    RunCommand,
)
from oz.model.settings import Network, Rng, Settings
from oz.model.template import Checksum, Command, Content, Extra, GuestFile, Package, Repository, Tdl

__all__ = [
    "Access",
    "Action",
    "Boot",
    "BootImage",
    "Checksum",
    "Command",
    "Content",
    "Drive",
    "Extra",
    "Fetch",
    "GuestFile",
    "Hardware",
    "InstallPlan",
    "Installed",
    "InstalledPackage",
    "Kernel",
    "Machine",
    "Manifest",
    "ManifestPlan",
    "MediaPlan",
    "Medium",
    "MediumEdit",
    "Network",
    "Package",
    "Patch",
    "PutFile",
    "Remaster",
    "Repository",
    "Rng",
    "RunCommand",
    "Settings",
    "Tdl",
]
