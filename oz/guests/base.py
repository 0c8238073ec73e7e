"""What every guest can plan. Plans are records; nothing here opens a file, a socket or a connection."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from oz.errors import MediumError, TdlError
from oz.guests import packages
from oz.guests.hardware import HardwareFacts as HardwareFacts
from oz.guests.hardware import plan_hardware
from oz.model import (
    Access,
    Action,
    Content,
    Hardware,
    Identity,
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

SAME_NETWORK_NAMES = "net.ifnames=0"
"""eth0 on every machine (systemd.net-naming-scheme(7)): with a name by its slot, an image that is booted with other
hardware than it was installed on has no network."""
SAME_ADDRESSES = "norandmaps"
"""Programs at the same addresses each time (Linux: kernel-parameters.txt): software emulation translates their code
once, where it would again for every process. It took a third off what starting the Debian 13 installer costs."""
SAME_ADDRESSES_FILE = "/proc/sys/kernel/randomize_va_space"
"""The same for a running system: 0 in it, until the next boot."""
KEY_MARK = "# oz build key"
"""The line above our key in authorized_keys, by which sealing finds it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One row of the table: a release of a distribution and everything that is particular to it."""

    distro: str
    version: str
    codename: str
    """A name that templates may write in place of the version; empty where there is none."""
    planner: type["Guest"]
    install_types: Mapping[str, tuple[str, ...]]
    """Architecture, by its TDL name, to the install types it can be installed by."""
    end_of_life: str
    """The day of the last update, ISO 8601."""
    facts: Any
    """The facts dataclass of the planner."""
    point_releases: int = 0
    """How many there are that differ in nothing we know of: VERSION.1, VERSION.2 ..."""
    next_differs: str = ""
    """Why versions that are not known cannot be planned like the newest one that is; empty where they can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Another name of a distribution, or of one of its major versions: templates have always written "RHEL-5" with the
    version "U3", and "RHEL-6" with "4"."""

    distro: str
    major: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """What differs between installed Unix-like systems, whatever installed them."""

    package_manager: str
    init: Literal["sysv", "upstart", "systemd", "openrc", "rc"]
    """rc: FreeBSD's, whose system has no /proc, no machine-id of systemd's and no chpasswd."""
    makes_host_keys_at_boot: bool
    """sshd's own start makes the host keys that are missing: a sealed image needs no help."""
    can_make_missing_host_keys: bool
    """`ssh-keygen -A` exists."""
    host_key_types: tuple[str, ...]
    """Where it does not: the key types to make one by one."""
    has_legacy_ssh: bool
    """sshd knows no rsa-sha2 signatures (OpenSSH before 7.2)."""
    password_schemes: tuple[str, ...]
    boot_limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the installer's kernel calls the serial ports of a machine."""

    console: str
    """With its speed, as the kernel argument console= takes it."""
    marker: str
    marker_number: str
    """Major and minor number of the marker device (Linux: Documentation/admin-guide/devices.txt)."""


_PC = Ports(console="ttyS0,115200n8", marker="/dev/ttyS1", marker_number="4 65")
PORTS = {
    "i386": _PC,
    "x86_64": _PC,
    # The virt machine has one PL011 port; the marker port is a PCI one.
    "aarch64": Ports(console="ttyAMA0", marker="/dev/ttyS0", marker_number="4 64"),
}


class Guest(ABC):
    """One release on one architecture, able to plan everything that is done to it."""

    identity_files: ClassVar[tuple[str, ...]] = ()
    """Files of a medium that tell what is on it."""
    medium_hint: ClassVar[str] = "use the first CD or DVD"

    release: Release
    facts: Any
    """The release's: a dataclass of the installer's own, with `hardware` and, of systems with ssh, `system`."""
    version: str
    arch: str

    def __init__(self, release: Release, version: str, arch: str) -> None:
        self.release = release
        self.facts = release.facts
        self.version = version
        self.arch = arch

    @property
    def title(self) -> str:
        """What messages call it: "Fedora 9"."""
        return f"{self.release.distro} {self.release.version}"

    @property
    def ports(self) -> Ports:
        return PORTS[self.arch]

    # ---------------------------------------------------------------- installing

    @abstractmethod
    def plan_media(self, tdl: Tdl) -> MediaPlan:
        """What to fetch, and which files of the medium plan_install wants to see. Raises TdlError."""

    @classmethod
    @abstractmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """The systems of this installer that the medium may hold, by what it says of itself; none if it is another's.

        It reads volume ids, paths, sizes, and of contents only the files of `identity_files`.
        """

    @abstractmethod
    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        """What the installation starts from: all of these files are on the medium, or it is the wrong disc."""

    def is_version(self, version: str) -> bool:
        """Whether a medium's version is the template's, or a point release of it."""
        wanted, found = self.version.split("."), version.split(".")
        return found[: len(wanted)] == wanted

    def check_medium(self, tdl: Tdl, medium: Medium) -> None:
        """Return if this is the medium the template names. Raises MediumError with what was found and expected."""
        where = medium.path or "the medium"
        told = "".join(
            f", {path.lstrip('/')} {medium.contents[path].decode('utf-8', 'replace').strip()[:100]!r}"
            for path in self.identity_files
            if path in medium.contents
        )
        found = f"volume id {medium.volume_id!r}{told}"
        expected = f"{self.release.distro} {self.version} for {self.arch}"
        identities = self.identify(medium)
        if not identities:
            name = self.release.distro
            raise MediumError(f"{where} does not look like a {name} medium: {found}; expected {expected}")
        if all(identity.variant == "live" for identity in identities):
            raise MediumError(f"{where} is a live medium ({found}); expected {expected}", hint=self.medium_hint)
        if not any(self._is_mine(identity) for identity in identities):
            raise MediumError(f"{where} is another medium: {found}; expected {expected}")
        missing = [path for path in self.installer_paths(medium) if path not in medium.paths]
        if missing:
            raise MediumError(
                f"{where} has no installer: {found}; expected {missing[0]}", hint=f"{self.medium_hint} of the set"
            )

    def _is_mine(self, identity: Identity) -> bool:
        return (
            identity.distro == self.release.distro
            and identity.variant != "live"
            and (not identity.arches or self.arch in identity.arches)
            and self.is_version(identity.version)
        )

    @abstractmethod
    def documented_medium(self, tdl: Tdl) -> Medium:
        """The medium as the distributor documents it, for plans without one."""

    @property
    def hardware(self) -> HardwareFacts:
        """The hardware that the release works with."""
        return cast(HardwareFacts, self.facts.hardware)

    def plan_hardware(self, tdl: Tdl, settings: Settings) -> Hardware:
        """The virtual hardware for installing and for running. Raises UnsupportedError."""
        return plan_hardware(tdl, settings, self.title, self.arch, self.hardware)

    def check_template(self, tdl: Tdl, settings: Settings) -> None:
        """Return if the release can be installed as the template says, as far as that can be told without its medium.

        Raises UnsupportedError, TdlError.
        """
        self.plan_hardware(tdl, settings)

    @abstractmethod
    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        """The whole unattended installation. `medium` is None for an installation from a URL tree."""

    def extra_arguments(self, tdl: Tdl, settings: Settings) -> tuple[str, ...]:
        """The kernel arguments that the template asks the installer's kernel for, and software emulation gains by."""
        words = (tdl.kernelparam,) if tdl.kernelparam else ()
        return words if settings.domain_type == "kvm" else (*words, SAME_ADDRESSES)

    # ---------------------------------------------------------------- the installed system

    @property
    def system(self) -> SystemFacts:
        """The installed system's own facts. Raises UnsupportedError for one without ssh, in which nothing is done."""
        return cast(SystemFacts, self.facts.system)

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
    def emulated_session_command(self) -> str:
        """What a session under software emulation begins with: nothing that stays in the image."""
        return f"if [ -w {SAME_ADDRESSES_FILE} ]; then echo 0 >{SAME_ADDRESSES_FILE}; fi"

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
