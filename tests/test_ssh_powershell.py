"""PowerShell's side of ssh, against OpenSSH's own sshd and its sftp-server; in the place of PowerShell itself stands a
program that finds the script where PowerShell would, and has sh run it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import sample_tdl
from programs import write_config
from test_ssh import Server, log_in, running_sshd

from oz.build import Options, open_build
from oz.config import load as load_config
from oz.customize import carry_out
from oz.errors import GuestError, HostError
from oz.guests import guest_for
from oz.host.ssh import PowerShell
from oz.model import Command, Content, GuestFile, Settings
from oz.units import GIB

STAND_IN = """#!/bin/sh
# As powershell.exe -File run.ps1 would: the script that lies beside it, without its mark.
echo "$*" >>"$OZ_SEEN"
for file; do :; done
directory=$(dirname "$file")
[ "$(head -c 3 "$directory/script.ps1" | od -An -tx1)" = " ef bb bf" ] || exit 99
cp "$directory/run.ps1" "$OZ_SEEN.run"
tail -c +4 "$directory/script.ps1" >"$directory/body"
sh "$directory/body"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("powershell")
    (path / "bin").mkdir()
    (path / "bin/powershell.exe").write_text(STAND_IN)
    (path / "bin/powershell.exe").chmod(0o755)
    return path


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    lines = f"Subsystem sftp internal-sftp\nSetEnv PATH={home}/bin:/usr/bin:/bin OZ_SEEN={home}/seen\n"
    with running_sshd(home, host_key="ed25519", user_key="rsa", lines=lines) as one:
        yield one


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Iterator[PowerShell]:
    with log_in(server, language="powershell") as opened:
        assert isinstance(opened, PowerShell)
        opened.root = f"{tmp_path}/"
        yield opened


def left(shell: PowerShell) -> list[str]:
    return [name for name in shell.run(b"ls -a").stdout.decode().split() if name.startswith((".oz-", "oz-"))]


def test_output_and_status_come_back_apart(shell: PowerShell, home: Path) -> None:
    ran = shell.run("echo \u00fct; echo err >&2; exit 7".encode())
    assert (ran.status, ran.stdout.decode(), ran.stderr) == (7, "\u00fct\n", b"err\n")
    words = (home / "seen").read_text().splitlines()[-1]
    assert words.startswith("-NoProfile -NonInteractive -ExecutionPolicy Bypass -File oz-") and "'" not in words
    assert b"script.ps1" in (home / "seen.run").read_bytes()


def test_what_reads_finds_nothing_and_nothing_remains(shell: PowerShell) -> None:
    assert shell.run(b"cat; read line; echo $?").stdout == b"1\n"
    # its own, while it runs
    assert len(left(shell)) == 1


def test_a_script_has_any_length_and_quotes(shell: PowerShell) -> None:
    script = b": '" + b"x" * 3_000_000 + b"'\necho \"a'b\" 'c\"d'"
    assert shell.run(script).stdout == b"a'b c\"d\n"


def test_a_script_that_takes_too_long_is_an_error(shell: PowerShell) -> None:
    with pytest.raises(GuestError, match=r"the sleeper did not end within 0\.2 s"):
        shell.run(b"exec sleep 30", timeout_s=0.2, label="the sleeper")


def test_files_arrive_whole_and_their_directories_are_made(shell: PowerShell, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    shell.put(data, "C:/Oz one/d'eux/$x.bin")
    assert (tmp_path / "C:/Oz one/d'eux/$x.bin").read_bytes() == data
    (tmp_path / "local").write_bytes(b"second")
    shell.put(tmp_path / "local", "C:/Oz one/d'eux/$x.bin")
    assert (tmp_path / "C:/Oz one/d'eux/$x.bin").read_bytes() == b"second"
    shell.put(b"", "d:/empty")
    assert (tmp_path / "d:/empty").read_bytes() == b""
    assert not [path for path in tmp_path.rglob(".oz-*")]


@pytest.mark.parametrize("path", ["/etc/motd", "C:", "C:/", "C:/a/", "C:a", "oz", "CD:/a", "C:/a\nb"])
def test_another_path_is_refused(shell: PowerShell, path: str) -> None:
    with pytest.raises(GuestError, match="is not the absolute path of a file, such as C:/"):
        shell.put(b"", path)


def test_a_file_that_cannot_be_written_is_an_error_with_its_words(shell: PowerShell, tmp_path: Path) -> None:
    (tmp_path / "C:/directory").mkdir(parents=True)
    with pytest.raises(GuestError, match="writing C:/directory failed in the guest: Failure"):
        shell.put(b"x", "C:/directory")
    assert not [path for path in tmp_path.rglob(".oz-*")]
    with pytest.raises(HostError, match=r"cannot read .*nothing: No such file"):
        shell.put(tmp_path / "nothing", "C:/x")
    # The connection is as good as before.
    assert shell.run(b"true").status == 0


def test_a_lost_connection_is_told(server: Server) -> None:
    with log_in(server, language="powershell") as opened:
        opened.close()
        with pytest.raises(GuestError, match="was lost during sending the script"):
            opened.run(b"true")
        with pytest.raises(GuestError, match="was lost during writing C:/x"):
            opened.put(b"x", "C:/x")


def test_a_template_is_carried_out(shell: PowerShell, tmp_path: Path) -> None:
    """Its files and commands; in their order, and no further than to one that fails."""
    where = f"{tmp_path}/C:/Oz"
    commands = [
        Command(name="read", content=Content(data=f"cat '{where}/a.txt'; echo read >>'{where}/log'".encode())),
        Command(name="fail", content=Content(data=b"echo no such role >&2; exit 1")),
        Command(name="never", content=Content(data=f"touch '{where}/never'".encode())),
    ]
    tdl = sample_tdl(
        "2025", distro="Windows", disk_bytes=64 * GIB, commands=tuple(commands),
        files=(GuestFile(path="C:/Oz/a.txt", content=Content(data=b"of the template\n")),),
    )  # fmt: skip
    guest = guest_for(tdl)
    config = load_config(write_config(tmp_path), is_root=False, home=tmp_path)
    with open_build(tdl, guest, config, Settings(), Options(), image=tmp_path / "w.dsk") as build:
        assert carry_out(guest.plan_customize(tdl)[:2], shell, build) == "of the template\n"
        with pytest.raises(GuestError, match="command fail failed with status 1:\nno such role"):
            carry_out(guest.plan_customize(tdl), shell, build)
    assert Path(where, "log").read_text() == "read\n" * 2 and not Path(where, "never").exists()


def test_a_guest_that_answers_no_more_is_told(server: Server, shell: PowerShell) -> None:
    """It takes what is sent, as a frozen one's TCP does for a while."""
    shell.channel_timeout_s = 1
    processes = [server.pid]
    for process in processes:
        found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True)
        processes += map(int, found.stdout.split())
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(GuestError, match=r"the connection to the guest at .* was lost during sending the script"):
            shell.run(b"echo")
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
