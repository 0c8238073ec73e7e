"""A root shell in the guest, over ssh: here /bin/sh, in powershell the other one. The only importer of paramiko.

A script is first written to a private directory of the guest, then run with nothing on its standard input: no limit
on the length of a command line applies, and a command that reads cannot eat the rest of the script. Files go over
the same channel (`cat > file`), not by SFTP: one way that every sshd since 1999 knows, where SFTP would need two.
The command lines are for any login shell: FreeBSD's root had csh until 2023.
"""

import base64
import hashlib
import logging
import re
import secrets
import shlex
import socket
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO, StringIO
from pathlib import Path, PurePosixPath
from typing import IO, Literal

import paramiko

from oz.errors import GuestError, HostError, HostKeyError, NotReadyError
from oz.host.ssh.channels import clean, said, words_of
from oz.host.ssh.connection import CHANNEL_TIMEOUT_S, LOST, SshShell, opened
from oz.host.ssh.powershell import PowerShell
from oz.protocols import Ran

__all__ = ["PosixShell", "PowerShell", "SshShell", "connect"]

logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_KEEPALIVE_S = 15
_AUTH_TIMEOUT_S = 60

# What sshd of OpenSSH 7.2 (2016) and later can do without: SHA-1 wherever it stands, MD5, DSA, CBC. Older ones are
# `legacy`.
_OLD: dict[str, list[str]] = {
    "kex": ["diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"],
    "ciphers": ["3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc"],
    "macs": ["hmac-md5", "hmac-md5-96", "hmac-sha1", "hmac-sha1-96"],
    # These are names of signatures: an RSA key signs and is known by rsa-sha2 all the same.
    "keys": ["ssh-dss", "ssh-rsa"],
    "pubkeys": ["ssh-dss", "ssh-rsa"],
}
# Without server-sig-algs (RFC 8308) paramiko signs with the newest algorithm, which servers before 7.2 refuse.
_NEW = {"pubkeys": ["rsa-sha2-512", "rsa-sha2-256"]}
_RSA_NAMES = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
# sshd before 3.0 gave root the same as everybody: no shutdown, no chpasswd, no poweroff.
_PATH = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH"


def connect(
    host: str,
    port: int,
    *,
    private_key: str | None,
    password: str | None,
    host_keys: tuple[str, ...] = (),
    legacy: bool = False,
    timeout_s: float = 10,
    user: str = "root",
    language: Literal["sh", "powershell"] = "sh",
) -> SshShell:
    """A shell as `user`, by key, else by password. With `host_keys` the server must prove one of them.

    `legacy` talks to sshd older than OpenSSH 7.2. `timeout_s` is for the connection and for the server's greeting.
    Raises NotReadyError while nobody answers there, GuestError if we are refused, HostKeyError if the server is not
    the pinned one, HostError for a private key that cannot be read.
    """
    key = _read_key(private_key) if private_key else None
    place = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as error:
        raise NotReadyError(f"no ssh at {place}: {error.strerror or error}") from error
    try:
        transport = paramiko.Transport(connection, disabled_algorithms=_NEW if legacy else _OLD)
    except LOST as error:
        connection.close()
        raise NotReadyError(f"no ssh at {place}: {words_of(error)}") from error
    try:
        host_key = _greet(transport, place, host_keys, timeout_s)
        _log_in(transport, place, user, key, password)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(_KEEPALIVE_S)
    shell = PosixShell if language == "sh" else PowerShell
    return shell(transport, place, host_key)


class PosixShell(SshShell):
    """/bin/sh, or what a script's first line names after "#!"."""

    def run(
        self,
        script: bytes,
        *,
        timeout_s: float | None = None,
        on_output: Callable[[bytes], None] | None = None,
        label: str = "the script",
    ) -> Ran:
        """The status is -1 if our shell in the guest was killed; so is a script that runs longer than it may."""
        folder = f"/tmp/oz-{secrets.token_hex(12)}"
        upload = f"umask 077; mkdir {folder} && cat > {folder}/script && " + _check_length(
            f"{folder}/script", len(script)
        )
        sent = self._execute(upload, content=BytesIO(script), timeout_s=CHANNEL_TIMEOUT_S, label=label)
        if sent.status != 0:
            self._remove(folder)
            raise GuestError(f"cannot send {label} to the guest: {said(sent)}")
        # sshd gave this shell a session of its own, so its number is that of the group to kill.
        command = (
            f"echo $$ > {folder}/pid; {_PATH}; {_interpreter(script)} {folder}/script < /dev/null; "
            f"status=$?; rm -rf {folder}; exit $status"
        )
        try:
            ran = self._execute(command, timeout_s=timeout_s, on_output=on_output, label=label)
            if ran.status == -1:
                self._remove(folder)
            return ran
        except GuestError:
            self._remove(folder, kill=True)
            raise

    def put(self, content: bytes | Path, path: str, *, mode: int = 0o644) -> None:
        if not path.startswith("/") or "\0" in path or "\n" in path or path.endswith("/"):
            raise GuestError(f"{path!r} is not the absolute path of a file")
        target = PurePosixPath(path)
        folder, name = shlex.quote(str(target.parent)), shlex.quote(str(target))
        temporary = shlex.quote(str(target.parent / f".oz-{secrets.token_hex(8)}"))
        with opened(content) as (file, length):
            result = self._execute(
                f"if [ -d {name} ]; then echo it is a directory >&2; exit 1; fi; "
                f"umask 022; mkdir -p {folder} && umask 077 && cat > {temporary} && {_check_length(temporary, length)} "
                f"&& chmod {mode:o} {temporary} && mv -f {temporary} {name} && exit 0; rm -f {temporary}; exit 1",
                content=file,
                timeout_s=CHANNEL_TIMEOUT_S,
                label=f"writing {path}",
            )
        if result.status != 0:
            raise GuestError(f"cannot write {path} in the guest: {said(result)}")

    def _execute(
        self,
        command: str,
        *,
        content: IO[bytes] | None = None,
        timeout_s: float | None,
        label: str,
        on_output: Callable[[bytes], None] | None = None,
    ) -> Ran:
        """Run a line of sh."""
        line = f"exec /bin/sh -c {shlex.quote(command)}"
        return self.execute(line, content=content, timeout_s=timeout_s, label=label, on_output=on_output)

    def _remove(self, folder: str, *, kill: bool = False) -> None:
        """Remove what `run` left in the guest, as far as it still can be reached."""
        end = f"read pid < {folder}/pid && {{ kill -KILL -$pid || kill -KILL $pid; }}; " if kill else ""
        with suppress(GuestError):
            self._execute(f"{{ {end}rm -rf {folder}; }} 2> /dev/null", timeout_s=CHANNEL_TIMEOUT_S, label="cleaning up")


# ------------------------------------------------------------------ logging in


def _greet(transport: paramiko.Transport, place: str, host_keys: tuple[str, ...], timeout_s: float) -> str:
    """Agree on algorithms and see that the server is the pinned one. The line of its host key."""
    pinned = [tuple(line.split()[:2]) for line in host_keys]
    if any(len(words) != 2 for words in pinned):
        raise GuestError("a pinned host key cannot be read", hint='write it as "ssh-ed25519 AAAA..."')
    if pinned:
        options = transport.get_security_options()
        names = {name for kind, *_ in pinned for name in (_RSA_NAMES if kind == "ssh-rsa" else (kind,))}
        options.key_types = [name for name in options.key_types if name in names] or options.key_types
    transport.banner_timeout = transport.handshake_timeout = max(timeout_s, 1)
    transport.auth_timeout = _AUTH_TIMEOUT_S
    try:
        # At its limit start_client returns as if all were well; the key is what tells.
        transport.start_client(timeout=timeout_s)
        key = transport.get_remote_server_key()
    except paramiko.ssh_exception.IncompatiblePeer as error:
        raise GuestError(
            f"the ssh server at {place} ({clean(transport.remote_version)[:200]}) and we have no algorithm in common: "
            f"{words_of(error)}",
            hint="the guest's sshd is older or newer than its release should have, or has none of the pinned host keys",
        ) from error
    except LOST as error:
        raise NotReadyError(f"no ssh at {place} yet: {words_of(error)}") from error
    if pinned and (key.get_name(), key.get_base64()) not in pinned:
        expected = ", ".join(f"{kind} {_fingerprint(blob)}" for kind, blob in pinned)
        raise HostKeyError(
            f"the ssh server at {place} is not the guest that was installed: "
            f"its host key is {key.get_name()} {_fingerprint(key.get_base64())}; pinned is {expected}",
            hint="if the guest's host keys were renewed on purpose, remove host_keys from its access.json",
        )
    return f"{key.get_name()} {key.get_base64()}"


def _log_in(
    transport: paramiko.Transport, place: str, user: str, key: paramiko.PKey | None, password: str | None
) -> None:
    refused: list[str] = []
    attempts: list[tuple[str, Callable[[], list[str]]]] = []
    if key is not None:
        attempts.append((f"the key {key.get_name()} {key.fingerprint}", lambda: transport.auth_publickey(user, key)))
    if password is not None:
        attempts.append(("the password", lambda: transport.auth_password(user, password)))
    for name, attempt in attempts:
        try:
            if not attempt():
                return
            refused.append(f"{name} is not enough")
        except LOST as error:
            if not transport.is_active() or "timeout" in str(error).lower():
                raise NotReadyError(f"ssh at {place} ended while logging in: {words_of(error)}") from error
            refused.append(f"{name} is refused")
    raise GuestError(
        f"{user} cannot log in at {place} ({transport.remote_version}): {', '.join(refused) or 'no key, no password'}",
        hint="give the key that opens this guest with --ssh-key, or its root password in the template",
    )


def _read_key(text: str) -> paramiko.PKey:
    for kind in (paramiko.RSAKey, paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.DSSKey):  # type: ignore[attr-defined]
        try:
            key: paramiko.PKey = kind.from_private_key(StringIO(text))
        except paramiko.PasswordRequiredException as error:
            raise HostError("the private key is encrypted", hint="give a copy without passphrase") from error
        except (paramiko.SSHException, ValueError, IndexError, TypeError):
            continue
        return key
    raise HostError("the private key cannot be read", hint="give a PEM or OpenSSH private key: RSA, ECDSA or Ed25519")


def _fingerprint(blob: str) -> str:
    """As ssh-keygen -l prints it."""
    try:
        total = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
    except ValueError:
        return f"(unreadable: {blob[:40]!r})"
    return "SHA256:" + base64.b64encode(total).decode().rstrip("=")


# ------------------------------------------------------------------ scripts


def _interpreter(script: bytes) -> str:
    """What runs the script, as words of sh. Named here and not left to the kernel: /tmp may be mounted noexec."""
    match = re.match(rb"#![ \t]*([^\s\0]+)[ \t]*([^\r\n\0]*)", script)
    if match is None:
        return "/bin/sh"
    words = [match[1].decode(errors="replace"), match[2].decode(errors="replace").strip()]
    return shlex.join(word for word in words if word)


def _check_length(name: str, length: int) -> str:
    """sh: false unless all has arrived. A connection that is lost looks to `cat` like the end of the file."""
    return f"{{ [ `wc -c < {name}` -eq {length} ] || {{ echo it did not arrive whole >&2; false; }}; }}"
