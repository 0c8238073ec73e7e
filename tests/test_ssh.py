"""Against OpenSSH's own sshd, started here on a free port, and paramiko's server for what sshd no longer does."""

import getpass
import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import paramiko
import pytest

from oz.errors import GuestError, HostError, HostKeyError, NotReadyError
from oz.host import ssh
from oz.host.ssh.channels import CAPTURE_BYTES
from oz.protocols import Shell

USER = getpass.getuser()
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
SLOW_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    port: int
    pid: int
    private_key: str
    host_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What sshd of some years can do, by OpenSSH's names. `host_key` and `user_key` are kinds of keys."""

    host_key: str
    user_key: str
    kex: str
    ciphers: str
    macs: str
    signatures: str
    """Those of users."""

    def lines(self) -> str:
        host = {"dsa": "ssh-dss", "rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256"}[self.host_key]
        return (
            f"HostKeyAlgorithms {host}\nKexAlgorithms {self.kex}\nCiphers {self.ciphers}\nMACs {self.macs}\n"
            f"PubkeyAcceptedAlgorithms {self.signatures}\n"
        )


_GROUP1, _GROUP14 = "diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1"
_GEX = "diffie-hellman-group-exchange-sha1"
ERAS = {
    "2000": Era(
        host_key="dsa", user_key="dsa", kex=_GROUP1, ciphers="3des-cbc", macs="hmac-sha1", signatures="ssh-dss"
    ),
    "2002": Era(
        host_key="rsa", user_key="rsa", kex=f"{_GEX},{_GROUP1}", ciphers="aes128-cbc,3des-cbc",
        macs="hmac-md5,hmac-sha1", signatures="ssh-rsa,ssh-dss",
    ),
    "2005": Era(
        host_key="rsa", user_key="rsa", kex=f"{_GEX},{_GROUP14},{_GROUP1}", ciphers="aes128-ctr,aes128-cbc",
        macs="hmac-md5,hmac-sha1", signatures="ssh-rsa,ssh-dss",
    ),
    "2008": Era(
        host_key="rsa", user_key="rsa", kex=f"diffie-hellman-group-exchange-sha256,{_GEX},{_GROUP14},{_GROUP1}",
        ciphers="aes128-ctr,aes128-cbc", macs="hmac-md5,hmac-sha1", signatures="ssh-rsa,ssh-dss",
    ),
    "2012": Era(
        host_key="ecdsa", user_key="rsa", kex=f"ecdh-sha2-nistp256,{_GEX}", ciphers="aes128-ctr",
        macs="hmac-sha2-256,hmac-sha1", signatures="ssh-rsa,ecdsa-sha2-nistp256",
    ),
}  # fmt: skip


def make_key(path: Path, kind: str = "ed25519") -> str:
    bits = {"rsa": ["-m", "PEM", "-b", "2048"], "dsa": ["-m", "PEM"]}.get(kind, [])
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-f", path], check=True)
    return path.read_text()


@cache
def key_texts(use: str, kind: str) -> tuple[str, str]:
    """Private and public half; RSA keys take a while to make."""
    with TemporaryDirectory() as directory:
        private = make_key(Path(directory) / use, kind)
        return private, (Path(directory) / f"{use}.pub").read_text()


def copy_key(use: str, kind: str, home: Path) -> str:
    private, public = key_texts(use, kind)
    (home / use).touch(mode=0o600)
    (home / use).write_text(private)
    (home / f"{use}.pub").write_text(public)
    return private


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """sshd as this user, with one ed25519 host key, that lets one RSA key in."""
    with running_sshd(tmp_path_factory.mktemp("sshd"), host_key="ed25519", user_key="rsa") as one:
        yield one


@contextmanager
def running_sshd(home: Path, *, host_key: str, user_key: str, lines: str = "") -> Iterator[Server]:
    if SSHD is None:
        pytest.skip("no sshd")
    login_shell = pwd.getpwuid(os.geteuid()).pw_shell
    if Path(login_shell).name in ("nologin", "false"):
        pytest.skip(f"nobody can log in as {USER}: the login shell is {login_shell}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    home.chmod(0o700)
    private = copy_key("user", user_key, home)
    copy_key("host", host_key, home)
    port = free_port()
    (home / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\n"
        f"PidFile {home}/pid\nUsePAM no\nStrictModes no\nPasswordAuthentication yes\nPermitRootLogin yes\n{lines}"
    )
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", home / "config"], stderr=(home / "log").open("wb"))
    try:
        limit = time.monotonic() + SLOW_S
        while b"Server listening" not in (home / "log").read_bytes():
            assert process.poll() is None and time.monotonic() < limit, (home / "log").read_text()
            threading.Event().wait(0.02)
        line = " ".join((home / "host.pub").read_text().split()[:2])
        yield Server(port=port, pid=process.pid, private_key=private, host_key=line)
    finally:
        process.terminate()
        process.wait()


def log_in(server: Server, **options: object) -> ssh.SshShell:
    arguments: dict[str, object] = {"private_key": server.private_key, "password": None, "timeout_s": SLOW_S}
    return ssh.connect("127.0.0.1", server.port, user=USER, **{**arguments, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shell(server: Server) -> Iterator[ssh.SshShell]:
    with log_in(server) as opened:
        yield opened


# ------------------------------------------------------------------ scripts


def test_shell_is_one(shell: ssh.SshShell) -> None:
    typed: Shell = shell
    assert typed.run(b"true").status == 0


def test_output_and_status_come_back_apart(shell: ssh.SshShell) -> None:
    ran = shell.run(b"echo out; echo err >&2; exit 7")
    assert (ran.status, ran.stdout, ran.stderr) == (7, b"out\n", b"err\n")


def test_commands_that_read_find_nothing(shell: ssh.SshShell) -> None:
    ran = shell.run(b"cat\nread line\necho status $?\ncat; echo end")
    assert ran.stdout == b"status 1\nend\n"


def test_nothing_of_the_script_remains(shell: ssh.SshShell) -> None:
    ran = shell.run(b'stat -c \'%a %n\' "$(dirname "$0")"; exit 3')
    assert ran.status == 3
    mode, directory = ran.stdout.decode().split()
    assert mode == "700" and directory.startswith("/tmp/oz-")
    assert not Path(directory).exists()


def test_script_longer_than_a_command_line(shell: ssh.SshShell) -> None:
    length = 6 * 1024**2
    ran = shell.run(b": '" + b"x" * length + b"'\nwc -c < $0", timeout_s=SLOW_S)
    assert int(ran.stdout) > length


def test_interpreter_is_honoured(shell: ssh.SshShell) -> None:
    assert shell.run(b"#!/usr/bin/env perl\nprint 6 * 7;").stdout == b"42"
    assert shell.run(b"#! /bin/sh -e\nfalse\necho unreached").stdout == b""
    missing = shell.run(b"#!/no/such/thing\n")
    assert missing.status == 127
    assert b"/no/such/thing" in missing.stderr


def test_interpreter_line_is_no_way_out(shell: ssh.SshShell) -> None:
    ran = shell.run(b"#!/bin/echo ;id;$(id) `id`\n")
    assert ran.stdout.startswith(b";id;$(id) `id` /tmp/oz-")


def test_odd_bytes_pass(shell: ssh.SshShell) -> None:
    assert shell.run(b"printf '\\000\\377'; echo '\xff'").stdout == b"\x00\xff\xff\n"
    assert shell.run(b"").status == 0


def test_much_output_on_either_stream(shell: ssh.SshShell) -> None:
    seen = 0

    def count(data: bytes) -> None:
        nonlocal seen
        seen += len(data)

    ran = shell.run(
        b"echo first >&2; head -c 20000000 /dev/zero >&2; echo last >&2; head -c 3000000 /dev/zero; echo done",
        timeout_s=SLOW_S,
        on_output=count,
    )
    assert ran.stdout == bytes(3_000_000) + b"done\n"
    assert seen == 20_000_000 + 11 + 3_000_005
    assert ran.stderr.startswith(b"first\n\0") and ran.stderr.endswith(b"\0last\n")
    assert len(ran.stderr) < 2 * CAPTURE_BYTES + 100
    assert b"bytes left out]" in ran.stderr


def test_output_comes_while_it_runs(shell: ssh.SshShell, tmp_path: Path) -> None:
    go = tmp_path / "go"
    ran = shell.run(
        f"echo ready; until [ -e {go} ]; do sleep 0.05; done; echo went".encode(),
        timeout_s=SLOW_S,
        on_output=lambda data: go.touch() if b"ready" in data else None,
    )
    assert ran.stdout == b"ready\nwent\n"


def test_daemon_that_holds_the_output_does_not_hold_us(shell: ssh.SshShell) -> None:
    start = time.monotonic()
    ran = shell.run(b"sleep 300 & echo $!", timeout_s=SLOW_S)
    os.kill(int(ran.stdout), signal.SIGKILL)
    assert ran.status == 0
    assert time.monotonic() - start < 30


def test_closed_output_does_not_end_a_script(shell: ssh.SshShell, tmp_path: Path) -> None:
    assert shell.run(f"exec >&- 2>&-; sleep 0.5; touch {tmp_path}/done; exit 4".encode()).status == 4
    assert (tmp_path / "done").exists()


def test_overdue_script_is_killed(shell: ssh.SshShell, tmp_path: Path) -> None:
    script = f"echo $$ $(dirname $0) > {tmp_path}/told; trap '' TERM HUP; sleep 300 & sleep 300"
    with pytest.raises(GuestError, match="installing emacs did not end within 2 s"):
        shell.run(script.encode(), timeout_s=2, label="installing emacs")
    pid, directory = (tmp_path / "told").read_text().split()
    assert directory.startswith("/tmp/oz-") and not Path(directory).exists()
    limit = time.monotonic() + SLOW_S
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < limit
        threading.Event().wait(0.05)
    assert shell.run(b"echo alive").stdout == b"alive\n"


def test_script_killed_by_a_signal_is_no_lost_connection(shell: ssh.SshShell) -> None:
    assert shell.run(b"kill -KILL $$").status == 137
    assert shell.run(b"kill -KILL $PPID", timeout_s=SLOW_S).status == -1
    assert shell.run(b"echo alive").stdout == b"alive\n"


def test_lost_connection_is_said(server: Server) -> None:
    lost = log_in(server)
    with pytest.raises(
        GuestError, match=r"connection to the guest at 127.0.0.1:\d+ was lost during the script"
    ) as info:
        # The script's shell is the child of the session's sshd.
        lost.run(b'kill -KILL $(cut -d" " -f4 /proc/$PPID/stat); sleep 5', timeout_s=SLOW_S)
    assert not isinstance(info.value, NotReadyError)
    with pytest.raises(GuestError, match="was lost"):
        lost.run(b"true")
    with pytest.raises(GuestError, match="was lost during writing /tmp/x"):
        lost.put(b"", "/tmp/x")
    lost.close()
    lost.close()


# ------------------------------------------------------------------ files


def test_file_arrives_with_mode_and_directories(shell: ssh.SshShell, tmp_path: Path) -> None:
    path = tmp_path / "a dir/it's; $(x)/file"
    shell.put(b"\x00content\xff", str(path), mode=0o640)
    assert path.read_bytes() == b"\x00content\xff"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o755
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_large_file_of_this_host(shell: ssh.SshShell, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1024) * 8192)
    shell.put(source, str(tmp_path / "copy"))
    assert hashlib.sha256((tmp_path / "copy").read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()


def test_link_is_replaced_and_its_target_left(shell: ssh.SshShell, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    shell.put(b"new", str(tmp_path / "link"))
    assert (tmp_path / "target").read_text() == "old"
    assert (tmp_path / "link").read_text() == "new"


def test_file_that_cannot_be_written_is_named(shell: ssh.SshShell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GuestError, match=r"cannot write .*file/x in the guest: .*"):
        shell.put(b"", str(tmp_path / "file/x"))
    with pytest.raises(GuestError, match=r"cannot write .* in the guest: it is a directory"):
        shell.put(b"", str(tmp_path))
    with pytest.raises(GuestError, match="cannot write /proc/oz in the guest"):
        shell.put(b"x" * 1_000_000, "/proc/oz")
    with pytest.raises(GuestError, match="not the absolute path of a file"):
        shell.put(b"", "relative")
    with pytest.raises(HostError, match=r"cannot read .*missing"):
        shell.put(tmp_path / "missing", "/tmp/x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_full_disk_leaves_the_old_file(shell: ssh.SshShell, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small tmpfs")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "oz-test", small]).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        (small / "file").write_text("old")
        with pytest.raises(GuestError, match=r"cannot write .*file in the guest: .*No space left"):
            shell.put(b"x" * 4_000_000, str(small / "file"))
        assert [path.name for path in small.iterdir()] == ["file"]
        assert (small / "file").read_text() == "old"
    finally:
        subprocess.run(["umount", small], check=True)


# ------------------------------------------------------------------ logging in


def test_pinned_host_key(server: Server) -> None:
    with log_in(server, host_keys=("ssh-rsa AAAA", server.host_key)) as pinned:
        assert pinned.host_keys == (server.host_key,)


def test_other_host_key_is_refused_with_both_fingerprints(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "other.pub"], capture_output=True, text=True, check=True
    )
    with pytest.raises(GuestError, match="is not the guest that was installed") as info:
        log_in(server, host_keys=(other,))
    assert not isinstance(info.value, NotReadyError)
    assert listed.stdout.split()[1] in info.value.message
    assert info.value.message.count("SHA256:") == 2


def test_pinned_key_of_another_kind_is_refused(server: Server) -> None:
    with pytest.raises(GuestError, match="no algorithm in common"):
        log_in(server, host_keys=("ssh-rsa AAAA",))
    with pytest.raises(GuestError, match="pinned host key cannot be read"):
        log_in(server, host_keys=("",))


def test_refused_key_and_password_are_final(server: Server, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    with pytest.raises(GuestError, match=r"the key ssh-ed25519 SHA256:\S+ is refused, the password is refused") as info:
        log_in(server, private_key=other, password="wrong")
    assert not isinstance(info.value, NotReadyError)
    assert "wrong" not in str(info.value)
    with pytest.raises(GuestError, match="no key, no password"):
        log_in(server, private_key=None)


def test_unreadable_private_key(server: Server, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="private key cannot be read"):
        log_in(server, private_key="garbage")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key"], check=True)
    with pytest.raises(HostError, match="private key is encrypted"):
        log_in(server, private_key=(tmp_path / "key").read_text())


def test_nobody_there_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match=r"no ssh at 127.0.0.1:.*refused"):
        ssh.connect("127.0.0.1", free_port(), private_key=None, password="x", timeout_s=SLOW_S)


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Gives the port of a server that does as told with its first client."""
    sockets: list[socket.socket] = []

    def start(serve: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def accept() -> None:
            client, _ = listener.accept()
            sockets.append(client)
            serve(client)

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for one in sockets:
        one.close()


@pytest.mark.parametrize(
    "serve",
    [
        lambda client: client.close(),
        lambda client: None,
        lambda client: client.sendall(b"starting up\r\n" * 200),
        lambda client: (client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), client.close()),
    ],
    ids=["closes", "silent", "no-ssh", "closes-after-greeting"],
)
def test_half_started_server_is_not_ready(
    listen: Callable[[Callable[[socket.socket], None]], int], serve: Callable[[socket.socket], None]
) -> None:
    with pytest.raises(NotReadyError, match="no ssh at"):
        ssh.connect("127.0.0.1", listen(serve), private_key=None, password="x", timeout_s=1)


@pytest.fixture(scope="module", params=ERAS)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    era = ERAS[request.param]
    home = tmp_path_factory.mktemp("old")
    try:
        key_texts("host", era.host_key)
    except subprocess.CalledProcessError:
        pytest.skip(f"this OpenSSH makes no {era.host_key} keys any more; paramiko's server stands in for it below")
    with running_sshd(home, host_key=era.host_key, user_key=era.user_key, lines=era.lines()) as one:
        yield one


def test_sshd_of_each_era_lets_us_in_and_is_pinned(old: Server, server: Server) -> None:
    with log_in(old, legacy=True, host_keys=(old.host_key,)) as shell:
        assert shell.run(b"echo in").stdout == b"in\n" and shell.host_keys == (old.host_key,)
        shell.put(b"x" * 300_000, f"/tmp/oz-test-{old.port}")
        assert shell.run(f"wc -c </tmp/oz-test-{old.port}; rm /tmp/oz-test-{old.port}".encode()).stdout == b"300000\n"
    kind, key = old.host_key.split()
    other = f"{kind} {key[:-8]}{'A' * 8}"
    with pytest.raises(HostKeyError, match=rf"is not the guest that was installed: its host key is {kind} SHA256:"):
        log_in(old, legacy=True, host_keys=(other,))


def test_sshd_of_another_era_is_refused_for_a_release_of_today(old: Server) -> None:
    with pytest.raises(GuestError, match=r"no algorithm in common: |the key ssh-rsa SHA256:\S+ is refused") as caught:
        log_in(old)
    assert not isinstance(caught.value, NotReadyError)


def test_rsa_keys_of_both_sides_are_good_enough_for_today(tmp_path: Path) -> None:
    """They are still called ssh-rsa where they are pinned; they sign by rsa-sha2."""
    with (
        running_sshd(tmp_path, host_key="rsa", user_key="rsa") as server,
        log_in(server, host_keys=(server.host_key,)) as shell,
    ):
        assert shell.run(b"echo in").stdout == b"in\n" and shell.host_keys[0].startswith("ssh-rsa AAAA")


def test_a_release_of_today_is_offered_nothing_that_is_weak(
    listen: Callable[[Callable[[socket.socket], None]], int],
) -> None:
    """As sshd reads it: the lists of our first packet."""
    offered: list[bytes] = []

    def read_offer(client: socket.socket) -> None:
        client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        got = b""
        while b"diffie-hellman" not in got and b"curve25519" not in got:
            got += client.recv(65536)
        offered.append(got + client.recv(65536) if len(got) < 400 else got)
        client.close()

    with pytest.raises(NotReadyError, match="no ssh at"):
        ssh.connect("127.0.0.1", listen(read_offer), private_key=None, password="x", timeout_s=SLOW_S)
    names = {name.decode() for name in re.split(rb"[^a-z0-9@.-]+", offered[0]) if len(name) > 6}
    assert "rsa-sha2-512" in names and "hmac-sha2-256" in names
    weak = re.compile(r".*(sha1|md5|-cbc|3des|ssh-dss|group1-).*|ssh-rsa")
    assert not [name for name in names if weak.fullmatch(name)]


class OldServer(paramiko.ServerInterface):
    """Takes a password, or a key that signs with SHA-1."""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == "right" else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL


def serve_as_of_2005(client: socket.socket) -> None:
    transport = paramiko.Transport(
        client,
        server_sig_algs=False,
        disabled_algorithms={
            "kex": [name for name in paramiko.Transport._preferred_kex if name != "diffie-hellman-group1-sha1"],
            "ciphers": [name for name in paramiko.Transport._preferred_ciphers if name != "3des-cbc"],
            "macs": [name for name in paramiko.Transport._preferred_macs if name != "hmac-md5"],
            "pubkeys": ["rsa-sha2-512", "rsa-sha2-256"],
        },
    )
    transport.add_server_key(paramiko.RSAKey.generate(2048))
    with suppress(paramiko.SSHException, EOFError):
        transport.start_server(server=OldServer())


class ServerOf2000(OldServer):
    """Knows DSA alone, of users too."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key.get_name() == "ssh-dss" else paramiko.AUTH_FAILED


def serve_as_of_2000(client: socket.socket) -> None:
    transport = paramiko.Transport(client, server_sig_algs=False)
    transport.add_server_key(paramiko.DSSKey.generate(1024))
    with suppress(paramiko.SSHException, EOFError, OSError):
        transport.start_server(server=ServerOf2000())


def test_where_no_rsa_key_is_known_the_password_opens(
    listen: Callable[[Callable[[socket.socket], None]], int], server: Server
) -> None:
    arguments = {"private_key": server.private_key, "password": "right", "timeout_s": SLOW_S}
    with ssh.connect("127.0.0.1", listen(serve_as_of_2000), legacy=True, **arguments) as old:  # type: ignore[arg-type]
        assert old.host_keys[0].startswith("ssh-dss AAAA")
    with pytest.raises(GuestError, match="no algorithm in common"):
        ssh.connect("127.0.0.1", listen(serve_as_of_2000), **arguments)  # type: ignore[arg-type]


def test_old_server_needs_legacy(listen: Callable[[Callable[[socket.socket], None]], int], server: Server) -> None:
    with pytest.raises(GuestError, match="no algorithm in common"):
        ssh.connect("127.0.0.1", listen(serve_as_of_2005), private_key=None, password="right", timeout_s=SLOW_S)
    for key, password in ((None, "right"), (server.private_key, None)):
        port = listen(serve_as_of_2005)
        arguments = {"private_key": key, "password": password}
        with ssh.connect("127.0.0.1", port, legacy=True, timeout_s=SLOW_S, **arguments) as old:
            assert old.host_keys[0].startswith("ssh-rsa AAAA")


@pytest.mark.parametrize("version", [b"1.0", b"2." + b"9" * 8000])
def test_a_servers_version_is_harmless_where_it_is_told(version: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"SSH-" + version + b"-OpenSS\x1bP_9.2\r\n")
                connection.recv(100)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(GuestError, match=r"SSH-[12]\..*no algorithm in common") as raised:
            ssh.connect("127.0.0.1", listener.getsockname()[1], private_key=None, password="x")
        thread.join()
    assert "\x1b" not in str(raised.value) and len(str(raised.value)) < 1000
