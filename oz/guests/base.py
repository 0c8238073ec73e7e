"""What every guest can plan. Plans are records; nothing here opens a file, a socket or a connection."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypedDict, cast
from urllib.parse import urlsplit

from oz.errors import MediumError, TdlError, UsageError
from oz.guests import packages
from oz.guests.hardware import plan_hardware
from oz.guests.partitions import plan_partitions
from oz.guests.release import PORTS
from oz.guests.release import InstallerFacts as InstallerFacts
from oz.guests.release import Ports as Ports
from oz.guests.release import Release as Release
from oz.guests.release import SystemFacts as SystemFacts
from oz.guests.release import UnixFacts as UnixFacts
from oz.model import (
    Access,
    Action,
    Content,
    Fetch,
    Hardware,
    Identity,
    InstalledPackage,
    InstallerLog,
    InstallPlan,
    ManifestPlan,
    MediaPlan,
    Medium,
    PartitionPlan,
    PutFile,
    RunCommand,
    Settings,
    Tdl,
)
from oz.render import render, render_text

SAME_NETWORK_NAMES = "net.ifnames=0"
"""eth0 on every machine (systemd.net-naming-scheme(7)): with a name by its slot, an image that is booted with other
hardware than it was installed on has no network."""
SAME_ADDRESSES = "norandmaps"
"""Programs at the same addresses each time (Linux: kernel-parameters.txt): software emulation translates their code
once, where it would again for every process. It took a third off what starting the Debian 13 installer costs."""
_RANDOMIZE = "/proc/sys/kernel/randomize_va_space"
KEY_MARK = "# oz build key"
"""The line above our key in authorized_keys, by which sealing finds it again."""


class CommonPlan(TypedDict):
    """What every InstallPlan has alike."""

    hardware: Hardware
    limit_s: float
    inactivity_s: float
    log: InstallerLog


class Guest(ABC):
    """One release on one architecture, able to plan everything that is done to it."""

    installer: ClassVar[str]
    """As InstallerLog names it."""
    identity_files: ClassVar[tuple[str, ...]] = ()
    """Files of a medium that tell what is on it."""
    medium_hint: ClassVar[str] = "use the first CD or DVD"
    log_command: ClassVar[str] = ""
    """In the installer's system prints the lines of its log as they come, and goes on."""
    log_places: ClassVar[tuple[str, ...]] = ()
    """Files and directories of the target in which its installer leaves logs."""
    is_on_live_media: ClassVar[bool] = False
    """The installer is a program of a live system."""
    takes_drivers: ClassVar[bool] = False
    """Its installer lacks drivers that a second CD may bring."""
    user: ClassVar[str] = "root"
    """Who administers the system."""
    language: ClassVar[Literal["sh", "powershell"]] = "sh"
    """What its commands are written in."""
    boot_timeout_s: ClassVar[float] = 300.0
    """How long a boot up to sshd may take with hardware virtualization."""
    power_off_limit_s: ClassVar[float] = 0.0
    """How long it may take to power off, where that is longer than usual."""
    power_off_command: ClassVar[str] = "shutdown -h now"
    emulated_session_command: ClassVar[str] = f"if [ -w {_RANDOMIZE} ]; then echo 0 >{_RANDOMIZE}; fi"
    """What a session under software emulation begins with, if anything: nothing that stays in the image. It does what
    SAME_ADDRESSES does, until the next boot."""
    has_editions: ClassVar[bool] = False
    """A medium holds several systems, of which a template may name one."""

    release: Release
    facts: InstallerFacts
    """The release's: a dataclass of the installer's own."""
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

    def plan_iso(self, tdl: Tdl, *read: str) -> MediaPlan:
        """The medium that the template names, and the files of it that the plan depends on."""
        return MediaPlan(fetches=(Fetch(role="iso", url=tdl.install_url, checksum=tdl.checksum),), read=read)

    def plan_kernel(self, kernel_url: str, initrd_url: str) -> MediaPlan:
        """The installer's kernel and initrd alone."""
        return MediaPlan(fetches=(Fetch(role="kernel", url=kernel_url), Fetch(role="initrd", url=initrd_url)))

    def check_tree(self, tdl: Tdl, url: str, *, what: str, protocols: tuple[str, ...], place: str) -> str:
        """The URL of a tree or mirror (`what`), if the installer can read it and may be told about it: `place` is where
        it stays in the image. Raises TdlError."""
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            message = f"a {what}'s URL cannot have a user or password: both would be in {place}"
            raise refuse(
                tdl, "os/install/url", message, f"use a {what} without a password, or install from a CD or DVD"
            )
        if parts.scheme not in protocols:
            message = f"the installer of {self.title} reads no {what} by {parts.scheme}"
            raise refuse(tdl, "os/install/url", message, f"it does by {', '.join(protocols)}")
        return url.rstrip("/")

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
        wanted = self.release.version if self.version == self.release.codename else self.version
        return f"{version}.".startswith(f"{wanted}.")

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
        if not self.is_on_live_media and all(identity.variant == "live" for identity in identities):
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
            and (identity.variant != "live" or self.is_on_live_media)
            and (not identity.arches or self.arch in identity.arches)
            and self.is_version(identity.version)
        )

    @abstractmethod
    def documented_medium(self, tdl: Tdl) -> Medium:
        """The medium as the distributor documents it, for plans without one."""

    def plan_hardware(self, tdl: Tdl, settings: Settings) -> Hardware:
        """The virtual hardware for installing and for running. Raises UnsupportedError."""
        return plan_hardware(tdl, settings, self.title, self.arch, self.facts.hardware)

    def check_template(self, tdl: Tdl, settings: Settings) -> None:
        """Return if the release can be installed as the template says, as far as that can be told without its medium.

        Raises UnsupportedError, TdlError.
        """
        self.plan_partitions(tdl, self.plan_hardware(tdl, settings))

    def plan_partitions(self, tdl: Tdl, hardware: Hardware) -> PartitionPlan:
        """How the disk is divided. Raises UnsupportedError, TdlError."""
        return plan_partitions(tdl, self.title, self.facts.partitions, hardware.firmware)

    @abstractmethod
    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        """The whole unattended installation. `medium` is None for an installation from a URL tree."""

    def answer_variables(self, tdl: Tdl, access: Access) -> dict[str, Any]:
        """What every answer file of a system with ssh may use; `target` is where its scripts see the system."""
        return {
            "facts": self.facts,
            "key_mark": KEY_MARK,
            "nonce": access.nonce,
            "ports": self.ports,
            "public_key": access.public_key,
            "release": self.release,
            "root_password_hash": self._password_hash(access),
            "send_log": self.log_command
            and render("scripts/send-log.sh", log_command=self.log_command, ports=self.ports),
            "system": self.system,
            "target": "",
            "tdl": tdl,
        }

    def render_answer(
        self, template: str, settings: Settings, variables: Mapping[str, Any], word: str = "", hint: str | None = None
    ) -> str:
        """The template of oz/templates filled in; or the user's answer file, which must have `word`, what reports the
        end, or is a UsageError with the hint."""
        if settings.answer is None:
            return render(template, **variables)
        # its name tells how values are escaped in it
        answer = render_text(settings.answer, template.rpartition("/")[2], **variables)
        if word not in answer:
            raise UsageError("the answer file would never report the end of the installation", hint=hint)
        return answer

    def plan_common(self, hardware: Hardware, settings: Settings) -> CommonPlan:
        """A limit that the user set is meant as it is."""
        limit_s, factor = settings.install_limit_s, settings.limit_factor
        return {
            "hardware": hardware,
            "limit_s": self.facts.limit_s * factor if limit_s is None else limit_s,
            "inactivity_s": self.facts.inactivity_s * factor,
            "log": InstallerLog(installer=self.installer, channel=self.facts.log_channel),
        }

    def extra_arguments(self, tdl: Tdl, settings: Settings) -> tuple[str, ...]:
        """The kernel arguments that the template asks the installer's kernel for, and software emulation gains by."""
        words = (tdl.kernelparam,) if tdl.kernelparam else ()
        return words if settings.domain_type == "kvm" else (*words, SAME_ADDRESSES)

    # ---------------------------------------------------------------- the installed system

    @property
    def system(self) -> SystemFacts:
        """The installed system's own facts. Raises UnsupportedError for one without ssh, in which nothing is done."""
        return cast(UnixFacts, self.facts).system

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
        return self.supports_customize

    @property
    def why_unsealed(self) -> str:
        """Why it cannot be given another identity, and so is neither sealed nor kept for later builds; empty where it
        can."""
        return "" if self.supports_customize else "it has no ssh"

    @property
    def sealed_power_off_command(self) -> str:
        """Powers a sealed system off without a last word of its services on the disk."""
        return render("scripts/power-off-sealed.sh")

    def plan_customize(self, tdl: Tdl) -> tuple[Action, ...]:
        """Everything the template asks for inside the guest, in order: repositories, precommands, packages, files,
        commands; then repositories that are not to stay go. Empty if it asks for nothing. Raises TdlError.
        """
        row = self._package_manager
        self._check_paths(tdl)
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
        # PowerShell's system knows no sync, and has its files on the disk when it is off.
        if actions and self.language == "sh":
            actions.append(_script("flush the disk", "sync\n"))
        return tuple(actions)

    def _check_paths(self, tdl: Tdl) -> None:
        """Return if the system can have files of the template's names. Raises TdlError."""
        for number, file in enumerate(tdl.files, 1):
            if not file.path.startswith("/"):
                message = f"{self.title} has no drive for {file.path}"
                raise refuse(tdl, f"files/file[{number}]", message, "begin its path with /")

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


def disk_device(hardware: Hardware) -> str:
    """What a Linux whose IDE disks are libata's calls the disk."""
    return "/dev/vda" if hardware.disk_bus == "virtio" else "/dev/sda"
