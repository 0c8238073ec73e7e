"""What every guest can plan. Plans are records; nothing here opens a file, a socket or a connection."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from oz.errors import TdlError
from oz.guests import packages
from oz.model import (
    Access,
    Action,
    Content,
    Hardware,
    InstalledPackage,
    InstallPlan,
    ManifestPlan,
    MediaPlan,
    Medium,
    PutFile,
    RunCommand,
    Settings,
    Tdl,
)
from oz.render import render

KEY_MARK = "# oz build key"
"""The line above our key in authorized_keys, by which sealing finds it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One row of the table: a release of a distribution and everything that is particular to it."""

    distro: str
    version: str
    codename: str
    planner: type["Guest"]
    install_types: Mapping[str, tuple[str, ...]]
    """Architecture, by its TDL name, to the install types it can be installed by."""
    end_of_life: str
    """The day of the last update, ISO 8601."""
    facts: Any
    """The facts dataclass of the planner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """What differs between installed Unix-like systems, whatever installed them."""

    package_manager: str
    init: Literal["sysv", "systemd"]
    can_make_missing_host_keys: bool
    """`ssh-keygen -A` exists."""
    host_key_types: tuple[str, ...]
    """Where it does not: the key types to make one by one."""
    has_legacy_ssh: bool
    """sshd knows no rsa-sha2 signatures (OpenSSH before 7.2)."""
    password_schemes: tuple[str, ...]
    boot_limit_s: float


class Guest(ABC):
    """One release on one architecture, able to plan everything that is done to it."""

    release: Release
    version: str
    arch: str

    def __init__(self, release: Release, version: str, arch: str) -> None:
        self.release = release
        self.version = version
        self.arch = arch

    # ---------------------------------------------------------------- installing

    @abstractmethod
    def plan_media(self, tdl: Tdl) -> MediaPlan:
        """What to fetch, and which files of the medium plan_install wants to see. Raises TdlError."""

    @abstractmethod
    def check_medium(self, tdl: Tdl, medium: Medium) -> None:
        """Return if this is the medium the template names. Raises MediumError with what was found and expected."""

    @abstractmethod
    def documented_medium(self, tdl: Tdl) -> Medium:
        """The medium as the distributor documents it, for plans without one."""

    @abstractmethod
    def plan_hardware(self, tdl: Tdl, settings: Settings) -> Hardware:
        """The virtual hardware for installing and for running. Raises UnsupportedError."""

    @abstractmethod
    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        """The whole unattended installation. `medium` is None for an installation from a URL tree."""

    # ---------------------------------------------------------------- the installed system

    @property
    @abstractmethod
    def system(self) -> SystemFacts:
        """The installed system's own facts."""

    @property
    def password_schemes(self) -> tuple[str, ...]:
        """The crypt(3) schemes whose hash its answer file may carry, best first."""
        return self.system.password_schemes

    @property
    def is_legacy_ssh(self) -> bool:
        return self.system.has_legacy_ssh

    @property
    def supports_customize(self) -> bool:
        return True

    @property
    def supports_manifest(self) -> bool:
        return True

    @property
    def boot_timeout_s(self) -> float:
        """How long a boot up to sshd may take with hardware virtualization."""
        return self.system.boot_limit_s

    @property
    def power_off_command(self) -> str:
        return "shutdown -h now"

    @property
    def sealed_power_off_command(self) -> str:
        """Powers a sealed system off without a last word of its services on the disk."""
        return render("scripts/power-off-sealed.sh")

    def plan_customize(self, tdl: Tdl) -> tuple[Action, ...]:
        """Everything the template asks for inside the guest, in order: repositories, precommands, packages, files,
        commands; then repositories that are not to stay go. Empty if it asks for nothing. Raises TdlError.
        """
        row = self._package_manager
        actions: list[Action] = [*row.prepare(tdl)]
        for repository in tdl.repositories:
            actions += row.add_repository(tdl, repository, self.release.codename)
        actions += [
            RunCommand(label=f"precommand {command.name}", script=command.content) for command in tdl.precommands
        ]
        actions += row.install(tdl)
        actions += [PutFile(path=file.path, content=file.content) for file in tdl.files]
        actions += [RunCommand(label=f"command {command.name}", script=command.content) for command in tdl.commands]
        for repository in tdl.repositories:
            if not repository.persisted:
                actions.append(row.remove_repository(repository))
        if actions:
            actions.append(_script("flush the disk", "sync\n"))
        return tuple(actions)

    def plan_manifest(self, tdl: Tdl) -> ManifestPlan:
        return ManifestPlan(command=self._package_manager.list_command, extra_command=tdl.icicle_extra_command)

    def parse_packages(self, text: str) -> tuple[InstalledPackage, ...]:
        """The packages in the output of the manifest's command, in its order. Raises GuestError."""
        return self._package_manager.parse(text)

    def plan_seal(self) -> tuple[Action, ...]:
        """Takes out our key, host keys, leases, logs and identity; the caller then powers off by
        `sealed_power_off_command`, lest they come back."""
        return (_script("seal", render("scripts/seal.sh", key_mark=KEY_MARK, system=self.system)),)

    def plan_renewal(self, access: Access) -> tuple[Action, ...]:
        """Gives a copied system its own key, password, host keys and machine id.

        The last command prints the new public host keys as an installer does on the marker port; sshd uses them
        from the next boot on. The first session is made with the access of the system it was copied from.
        """
        return (
            _script(
                "renew",
                render(
                    "scripts/renew.sh",
                    key_mark=KEY_MARK,
                    public_key=access.public_key,
                    password_hash=self._password_hash(access),
                    system=self.system,
                ),
            ),
            _script("show the host keys", "sed 's/^/oz-hostkey /' /etc/ssh/ssh_host_*_key.pub\n"),
        )

    def _password_hash(self, access: Access) -> str:
        return access.password_hashes[self.password_schemes[0]]

    @property
    def _package_manager(self) -> packages.PackageManager:
        return packages.MANAGERS[self.system.package_manager]


def _script(label: str, text: str) -> RunCommand:
    return RunCommand(label=label, script=Content(data=text.encode()))


def refuse(tdl: Tdl, element: str, message: str, hint: str | None = None) -> TdlError:
    """The error that says where in the template something cannot be followed."""
    return TdlError(f"{tdl.where(element)}: {message}", hint=hint)
