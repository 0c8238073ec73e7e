"""PowerShell as the guest's shell, with files by SFTP, which that system's sshd always has.

Scripts are files as well, in a directory of the user's home, where SFTP and sshd both begin. So no text of theirs, and
no quote at all, is on a command line: sshd puts it through its default shell, cmd or PowerShell, and what that makes of
quotes has changed between versions (https://github.com/PowerShell/Win32-OpenSSH/issues/1082).
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

import paramiko

from oz.errors import GuestError
from oz.host.ssh.channels import clean
from oz.host.ssh.connection import SshShell, opened
from oz.protocols import Ran

_COMMAND = "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File"
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Without one PowerShell 5.1 takes a script to be in the system's code page (about_Character_Encoding)."""
# An error that nobody handles ends the script, as `set -e` would: else the next line would run, and all be well in the
# end. The outer shell knows only of success and failure (about_PowerShell_exe, -Command), so the number is said.
_RUN = rb"""$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
# There may be no console whose encoding could be set.
try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { }
$global:LASTEXITCODE = 0
try {
  & "$PSScriptRoot\script.ps1"
} catch {
  [Console]::Error.WriteLine(($_ | Out-String))
  exit 1
}
if ($LASTEXITCODE -ne 0) { [Console]::Error.WriteLine("exit code $LASTEXITCODE") }
exit $LASTEXITCODE
""".replace(b"\n", b"\r\n")


class PowerShell(SshShell):
    """PowerShell 5.1. The status of what fails is 1."""

    root = "/"
    """What SFTP has before the letter of a drive."""

    def run(
        self,
        script: bytes,
        *,
        timeout_s: float | None = None,
        on_output: Callable[[bytes], None] | None = None,
        label: str = "the script",
    ) -> Ran:
        """One that runs longer than it may goes on in the guest."""
        folder = f"oz-{secrets.token_hex(12)}"
        files = {"run.ps1": _RUN, "script.ps1": script if script.startswith(_BOMS) else _BOMS[0] + script}
        try:
            with self._files(f"sending {label}") as sftp:
                sftp.mkdir(folder)
                for name, data in files.items():
                    _write(sftp, BytesIO(data), len(data), f"{folder}/{name}")
            command = f"{_COMMAND} {folder}/run.ps1"
            return self.execute(command, timeout_s=timeout_s, label=label, on_output=on_output)
        finally:
            self._remove(folder)

    def put(self, content: bytes | Path, path: str, *, mode: int = 0o644) -> None:
        """`mode` means nothing here: a file gets the rights that its directory hands down."""
        if not re.fullmatch(r"[A-Za-z]:(/[^/\0\n]+)+", path):
            raise GuestError(f"{path!r} is not the absolute path of a file, such as C:/DIRECTORY/FILE")
        target = PurePosixPath(self.root + path)
        temporary = str(target.parent / f".oz-{secrets.token_hex(8)}")
        with opened(content) as (file, length), self._files(f"writing {path}") as sftp:
            # From the drive's root on, which there is no making of.
            for folder in [*reversed(target.parents)][2:]:
                _make_directory(sftp, str(folder))
            try:
                _write(sftp, file, length, temporary)
                sftp.posix_rename(temporary, str(target))
            except OSError:
                with suppress(OSError):
                    sftp.remove(temporary)
                raise

    @contextmanager
    def _files(self, label: str) -> Iterator[paramiko.SFTPClient]:
        # SFTPClient.from_transport waits for ever for each answer.
        with self.lost(label), self.session(lambda channel: channel.invoke_subsystem("sftp")) as channel:
            client = paramiko.SFTPClient(channel)
            try:
                yield client
            except OSError as error:
                if isinstance(error, TimeoutError) or not self.transport.is_active():
                    raise
                raise GuestError(f"{label} failed in the guest: {clean(error.strerror or str(error))}") from error
            finally:
                client.close()

    def _remove(self, folder: str) -> None:
        """Remove what `run` left in the guest, as far as it still can be reached."""
        with suppress(GuestError), self._files("cleaning up") as sftp:
            for name in sftp.listdir(folder):
                sftp.remove(f"{folder}/{name}")
            sftp.rmdir(folder)


def _write(sftp: paramiko.SFTPClient, file: IO[bytes], length: int, path: str) -> None:
    """The whole file, or OSError."""
    sftp.putfo(file, path, file_size=length, confirm=True)


def _make_directory(sftp: paramiko.SFTPClient, path: str) -> None:
    try:
        sftp.stat(path)
    except FileNotFoundError:
        sftp.mkdir(path)
