"""A throw-away key that signs one archive. The private half lives as long as the build."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from running import run

OWNER = "Oz test archive (its private key was thrown away) <root@localhost>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """`home` is the GnuPG directory with the only key."""

    home: Path

    def _gpg(self, *words: str | Path, what: str) -> bytes:
        unattended = ["--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]
        command: list[str | Path] = ["gpg", "--homedir", self.home, *unattended, *words]
        return run(command, what=what)

    def generate_key(self) -> None:
        self._gpg("--quick-generate-key", OWNER, "ed25519", "sign", "never", what="making the archive's key")

    def public_key(self, *, is_armoured: bool) -> bytes:
        return self._gpg(*(["--armor"] if is_armoured else []), "--export", what="exporting the archive's key")

    def sign_release(self, release: Path) -> None:
        """Write Release.gpg and InRelease beside Release."""
        for options, name in (["--armor", "--detach-sign"], "Release.gpg"), (["--clearsign"], "InRelease"):
            output = release.with_name(name)
            output.unlink(missing_ok=True)
            self._gpg(*options, "--digest-algo", "SHA512", "--output", output, release, what="signing the archive")


@contextmanager
def throwaway_signer() -> Iterator[Signer]:
    """A signer with a new key; gone with its key and its agent when the block ends."""
    # Not below the build directory: the agent's socket has to fit in 108 bytes.
    home = Path(tempfile.mkdtemp(prefix="oz-gpg-"))
    try:
        signer = Signer(home=home)
        signer.generate_key()
        yield signer
    finally:
        run(["gpgconf", "--homedir", home, "--kill", "all"], what="ending the GnuPG agent")
        shutil.rmtree(home, ignore_errors=True)
