"""Windows from Vista on, installed by its setup program with autounattend.xml on a second CD.

Setup looks for Autounattend.xml in the root of every removable drive (Microsoft's "Windows Setup Automation Overview"),
so the medium stays as it is. The second CD also brings the script that ends the installation, at the first logon.

"Press any key to boot from CD or DVD": from the CD, a BIOS boots at once while no partition of the disk is active (see
oz.guests.windows); UEFI asks every time and goes on to the disk when no key comes in 5 seconds. There Enter is pressed,
at the first start alone. The other way, a boot catalogue that points to the loader without the question
(efisys_noprompt.bin), would make the medium another one, and not every medium has it; and the CD would boot again at
every restart.
"""

import re
from dataclasses import replace
from pathlib import Path

from oz.errors import MediumError, UsageError
from oz.guests.base import Guest, refuse
from oz.guests.hardware import plan_hardware
from oz.guests.packages import MANAGERS
from oz.guests.unattendfacts import ADMINISTRATORS, ARCHES, VOLUMES, UnattendFacts, plain_id, version_of
from oz.guests.windows import DONE, KEY_FORM, PASSWORD_MAX, Windows, as_dos, computer_name
from oz.model import (
    Access,
    Action,
    Boot,
    Edition,
    Hardware,
    Identity,
    InstallPlan,
    MediaPlan,
    Medium,
    Seed,
    Settings,
    Tdl,
)
from oz.progress import printable
from oz.render import render, render_text

_OPENSSH, _PACKAGE = "OZSSH.PS1", "OPENSSH.MSI"
_LETTERS = "DEFGHI"
"""Of drives that may be CDs: setup and system give them as they find them."""
_DONE_COMMAND = f"cmd.exe /c for %d in ({' '.join(_LETTERS)}) do if exist %d:\\{DONE} wscript.exe %d:\\{DONE}"
_CHECKS = r"HKLM\SYSTEM\Setup\LabConfig"
_SEND_LOG = "OZLOG.VBS"
_SEND_LOG_COMMAND = (
    f'cmd.exe /c "(for %d in ({" ".join(_LETTERS)}) do if exist %d:\\{_SEND_LOG} '
    f'if exist X:\\Windows\\System32\\cscript.exe start /MIN cscript.exe //E:vbscript %d:\\{_SEND_LOG}) & exit 0"'
)
"""Beside Setup, from its start. A command that fails there would end it
(https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/microsoft-windows-setup-runsynchronous)."""
_DRIVERS = ("viostor", "NetKVM", "vioserial", "Balloon", "viorng")
"""Directories of the CD of virtio drivers; the machine needs the first two."""
_INSTALLER = ("/sources/install.wim", "/sources/install.esd", "/sources/install.swm")
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KINDS = ("[A-Z]", "[a-z]", "[0-9]", r"[^A-Za-z0-9]")


class UnattendedWindows(Windows):
    facts: UnattendFacts  # type: ignore[assignment]
    medium_hint = "use the DVD of the release, or its image"
    log_places = ("/Windows/Panther", "/$WINDOWS.~BT/Sources/Panther")
    has_editions = True
    takes_drivers = True
    user = "Administrator"
    language = "powershell"
    _package_manager = MANAGERS["windows"]
    # "Sysprep (Generalize) a Windows installation": it resets accounts and asks its questions at the next start.
    why_unsealed = "nothing but sysprep makes another machine of it: run that in a copy before it is handed out"
    # What was added to it may be finished only now.
    power_off_limit_s = 600.0
    is_legacy_ssh = False
    emulated_session_command = ""
    power_off_command = "shutdown.exe /s /t 0"
    # The first boot after an installation is slower than others.
    boot_timeout_s = 600.0

    # ---------------------------------------------------------------- what a template may ask for

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        self._check_template(tdl)
        return self.plan_iso(tdl)

    def check_template(self, tdl: Tdl, settings: Settings) -> None:
        hardware = self.plan_hardware(tdl, settings)
        self._check_template(tdl)
        self._check_disk(tdl, hardware.firmware)

    def _check_template(self, tdl: Tdl) -> None:
        if tdl.extras:
            raise refuse(
                tdl, "os/install/extras", f"the medium of {self.title} cannot be added to: it is UDF", "remove them"
            )
        super()._check_template(tdl)

    def _check_key(self, tdl: Tdl) -> None:
        if tdl.key:
            super()._check_key(tdl)

    def _check_password(self, tdl: Tdl, password: str) -> None:
        if _NOT_XML.search(password) or len(password) > PASSWORD_MAX:
            raise refuse(
                tdl, "os/rootpw", f"a password of {self.title} has at most {PASSWORD_MAX} characters, all of XML"
            )
        # https://learn.microsoft.com/windows/security/threat-protection/security-policy-settings/
        # password-must-meet-complexity-requirements: what servers demand of everybody, and clients of nobody.
        is_complex = len(password) >= 6 and sum(bool(re.search(kind, password)) for kind in _KINDS) >= 3
        if self.facts.is_server and (not is_complex or "administrator" in password.lower()):
            raise refuse(
                tdl,
                "os/rootpw",
                f"{self.title} takes no password that is so simple",
                "take 6 characters or more, with three of: capitals, small letters, digits, others",
            )

    def plan_hardware(self, tdl: Tdl, settings: Settings) -> Hardware:
        facts = self.facts.hardware
        if settings.virtio_win:
            facts = replace(
                facts,
                disk_bus="virtio",
                nic_model="virtio",
                disk_buses=("virtio", *facts.disk_buses),
                nic_models=("virtio", *facts.nic_models),
            )
        return plan_hardware(tdl, settings, self.title, self.arch, facts)

    # ---------------------------------------------------------------- the installed system

    @property
    def supports_customize(self) -> bool:
        return self.facts.openssh_build is not None

    def plan_customize(self, tdl: Tdl) -> tuple[Action, ...]:
        return Guest.plan_customize(self, tdl) if self.supports_customize else super().plan_customize(tdl)

    def _check_paths(self, tdl: Tdl) -> None:
        for number, file in enumerate(tdl.files, 1):
            # https://learn.microsoft.com/windows/win32/fileio/naming-a-file; with a colon in it, it is a stream.
            name = re.fullmatch(r"[A-Za-z]:(/[^/\\<>:\"|?*\x00-\x1f]*[^/\\<>:\"|?*\x00-\x1f. ])+", file.path)
            if name is None:
                message = f"{self.title} can have no file {printable(file.path)}"
                raise refuse(tdl, f"files/file[{number}]", message, "write it as C:/DIRECTORY/FILE")

    # ---------------------------------------------------------------- media

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        told = {(version_of(one), one.arch) for one in medium.editions} - {(None, "")}
        if medium.editions:
            return tuple(_identity(version, arch) for version, arch in sorted(told, key=str) if version)
        for pattern, versions, arch in VOLUMES:
            if re.match(pattern, medium.volume_id):
                return tuple(_identity(version, arch, is_sure=len(versions) == 1) for version in versions)
        return ()

    def is_version(self, version: str) -> bool:
        return version == self.release.version

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        return (next((path for path in medium.paths if path.lower() in _INSTALLER), _INSTALLER[0]),)

    def documented_medium(self, tdl: Tdl) -> Medium:
        facts = self.facts
        edition = Edition(
            index=1,
            name=facts.edition_name,
            edition_id=facts.edition,
            version=facts.kernel,
            arch=self.arch,
            is_server=facts.is_server,
            language="en-US",
        )
        # Which systems a medium holds only it can tell: the one that the template names is taken for there.
        if tdl.edition is not None:
            edition = replace(edition, name=tdl.edition)
        return Medium(path=None, paths=frozenset(_INSTALLER[:1]), editions=(edition,))

    def _edition(self, tdl: Tdl, medium: Medium) -> Edition:
        """The system to install of those on the medium: the template's, else the release's usual one, else the only
        one. Raises TdlError, MediumError."""
        mine = [one for one in medium.editions if one.arch == self.arch and version_of(one) == self.release.version]
        # None with --force-media, for a release that this table does not know.
        mine = mine or list(medium.editions)
        if tdl.edition is not None:
            wanted = tdl.edition.casefold()
            found = [one for one in mine if wanted in (str(one.index), one.name.casefold(), one.edition_id.casefold())]
        else:
            found = [one for one in mine if plain_id(one) == self.facts.edition] or (mine if len(mine) == 1 else [])
        if found:
            return found[0]
        there = printable("; ".join(f"{one.index} {one.name} ({one.edition_id})" for one in mine)) or "none"
        if tdl.edition is None:
            raise MediumError(
                f"the medium has no {self.facts.edition_name}", hint=f"name another in <edition>: there are {there}"
            )
        raise refuse(tdl, "os/edition", f"the medium has no {tdl.edition!r}", f"there are {there}")

    def _key(self, tdl: Tdl, edition: Edition) -> str | None:
        """The product key that Setup gets: the template's, or one that Microsoft gives to everybody."""
        key = tdl.key or self.facts.generic_keys.get(plain_id(edition))
        if edition.edition_id.endswith("Eval"):
            return tdl.key
        if key is None:
            name = printable(edition.name)
            raise refuse(
                tdl, "os", f"{name} asks for a product key, which the template lacks", f"add <key>{KEY_FORM}</key>"
            )
        return key

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        if medium is None:
            raise MediumError(f"{self.title} is installed from its DVD", hint="write <install type='iso'>")
        hardware, facts = self.plan_hardware(tdl, settings), self.facts
        self._check_disk(tdl, hardware.firmware)
        edition = self._edition(tdl, medium)
        needed = _DRIVERS if settings.virtio_win else ()
        drivers = [f"{name}\\{facts.virtio_directory}\\{ARCHES[self.arch]}" for name in needed]
        language = edition.language or "en-US"
        variables = {
            "administrator": ADMINISTRATORS.get(language.partition("-")[0].lower(), "Administrator"),
            "arch": ARCHES[self.arch],
            "computer_name": computer_name(tdl.name),
            "done_command": _DONE_COMMAND,
            "driver_paths": [f"{letter}:\\{path}" for path in drivers for letter in _LETTERS],
            "edition": edition,
            "facts": facts,
            "firmware": hardware.firmware,
            "key": self._key(tdl, edition),
            "language": language,
            "nonce": access.nonce,
            "release": self.release,
            "root_password": access.root_password,
            "pe_commands": [
                *(f"reg.exe add {_CHECKS} /v {check} /t REG_DWORD /d 1 /f" for check in facts.bypassed_checks),
                _SEND_LOG_COMMAND,
            ],
            "send_log": _SEND_LOG_COMMAND,
            "tdl": tdl,
        }
        answer = self._answer(settings, variables)
        files, copies = self._openssh(edition, access, settings)
        agent = "x86_64" if self.arch == "x86_64" else "i386"
        done = render(
            "windows/done.vbs",
            # Setup's own copies; those of a user's file may be under either name.
            answers=[r"Panther\unattend.xml", r"Panther\unattend-original.xml", r"Panther\Unattend\unattend.xml"],
            agent=rf"guest-agent\qemu-ga-{agent}.msi" if settings.virtio_win else None,
            openssh=next(iter(files), None),
            **variables,
        )
        files |= {"autounattend.xml": answer.encode(), DONE: as_dos(done).encode("ascii")}
        files |= {_SEND_LOG: as_dos(render("windows/send-log.vbs")).encode("ascii")}
        return InstallPlan(
            answer_name="autounattend.xml",
            answer=answer,
            seed=Seed(label="OZ_UNATTEND", files=files, copies=copies),
            drivers=settings.virtio_win,
            drivers_paths=tuple("/" + path.replace("\\", "/") for path in drivers[:2]),
            boots=(
                Boot(
                    device="cdrom",
                    reboots=facts.reboots,
                    enter_s=facts.enter_s * settings.limit_factor if hardware.firmware == "efi" else 0.0,
                ),
            ),
            **self.plan_common(hardware, settings),
        )

    def _openssh(
        self, edition: Edition, access: Access, settings: Settings
    ) -> tuple[dict[str, bytes], dict[str, Path]]:
        """What brings sshd up, on the second CD: files, and what is copied there. Raises MediumError."""
        least, build = self.facts.openssh_build, int([*edition.version.split("."), "", ""][2] or 0)
        if least is None:
            return {}, {}
        package = settings.win32_openssh
        if package is None and build < least:
            raise MediumError(
                f"the medium holds build {build} of {self.title}, for which Microsoft has no OpenSSH",
                hint=f"take one of build {least} or later, or name Win32-OpenSSH as win32_openssh in oz.cfg",
            )
        # Without its comment, which may have any letters.
        key = " ".join(access.public_key.split()[:2])
        script = render("windows/openssh.ps1", done=DONE, package=_PACKAGE if package else None, public_key=key)
        return {_OPENSSH: as_dos(script).encode("ascii")}, {_PACKAGE: package} if package else {}

    def _answer(self, settings: Settings, variables: dict[str, object]) -> str:
        if settings.answer is None:
            answer = render("windows/autounattend.xml", **variables)
            if _NOT_XML.search(answer):
                raise UsageError("a value with a character that XML cannot hold cannot be put into an answer file")
            return answer
        answer = render_text(settings.answer, "answer file", **variables)
        if _DONE_COMMAND not in answer:
            raise UsageError(
                "the answer file does not run Oz's script at the first logon, which reports the end",
                hint="add {{ done_command }} as the last of <FirstLogonCommands>, and an <AutoLogon>",
            )
        return answer


def _identity(version: str, arch: str, *, is_sure: bool = True) -> Identity:
    return Identity(distro="Windows", version=version, arches=(arch,) if arch else (), variant="dvd", is_sure=is_sure)
