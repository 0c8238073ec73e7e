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
from oz.model.media import (
    BootImage,
    Edition,
    Fetch,
    Identity,
    MediaPlan,
    Medium,
    MediumEdit,
    OsinfoSystem,
    Patch,
    Remaster,
    Variant,
)
from oz.model.plans import (
    Access,
    Action,
    Boot,
    Floppy,
    Installed,
    InstalledPackage,
    InstallerLog,
    InstallPlan,
    Manifest,
    ManifestPlan,
    PartitionPlan,
    PutFile,
    RunCommand,
    Seed,
)
from oz.model.settings import Network, Rng, Settings
from oz.model.template import Checksum, Command, Content, Extra, GuestFile, Package, Partition, Repository, Tdl, Virtual

__all__ = [
    "Access",
    "Action",
    "Boot",
    "BootImage",
    "Checksum",
    "Command",
    "Content",
    "Drive",
    "Edition",
    "Extra",
    "Fetch",
    "Floppy",
    "GuestFile",
    "Hardware",
    "Identity",
    "InstallPlan",
    "Installed",
    "InstalledPackage",
    "InstallerLog",
    "Kernel",
    "Machine",
    "Manifest",
    "ManifestPlan",
    "MediaPlan",
    "Medium",
    "MediumEdit",
    "Network",
    "OsinfoSystem",
    "Package",
    "Partition",
    "PartitionPlan",
    "Patch",
    "PutFile",
    "Remaster",
    "Repository",
    "Rng",
    "RunCommand",
    "Seed",
    "Settings",
    "Tdl",
    "Variant",
    "Virtual",
]
