"""How an installer's own log reaches the host: each family's sender, run for real; a terminal is the marker port."""

import contextlib
import os
import pty
import signal
import subprocess
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import sample_access, sample_plan, sample_tdl

from oz.guests import guest_for
from oz.host.hypervisor.serial import Marker

SENDERS = {
    "debian-installer": ("Debian", "13", "/var/log/syslog", "busybox sh"),
    "anaconda": ("CentOS", "5.11", "/tmp/anaconda.log", "bash"),
    "autoyast": ("openSUSE", "11.2", "/var/log/YaST2/y2log", "bash"),
    "agama": ("openSUSE", "16.0", "", "bash"),
    "subiquity": ("Ubuntu", "24.04", "", "dash"),
    "bsdinstall": ("FreeBSD", "14.3", "/tmp/bsdinstall_log", "dash"),
    "drakx": ("Mageia", "9", "/tmp/ddebug.log", "perl"),
}
"""Family: a release of it, its log, unless it is the journal, and a shell of the kind that its installer has."""
LINES = {
    "autoyast": (
        "2026-01-01 10:00:00 <1> linux(1) [YCP] a.ycp:1 all is well",
        "2026-01-01 10:00:00 <3> linux(1) [YCP] a.ycp:2 it's 'wrong' \\n %s",
    ),
    "subiquity": ("kernel: all is well", "subiquity_log.1[2]: it's 'wrong' \\n %s"),
}
PERL = "sub devices::make { $ENV{PORT} } local $/ = qq{\\0}; my $o; eval <STDIN>; die $@ if $@"


class Port:
    """The marker port of a guest: what is said on it."""

    def __init__(self) -> None:
        self._host, self._guest = pty.openpty()
        tty.setraw(self._guest)
        self.name = os.ttyname(self._guest)
        self.log = ""
        self.marks: list[str] = []
        self._marker = Marker(self._take)

    def _take(self, text: str) -> None:
        self.log += text

    def hear(self, line: str) -> None:
        """Returns once the line is there."""
        while line not in (*self.log.splitlines(), *self.marks):
            self.marks += self._marker.feed(os.read(self._host, 4096))

    def close(self) -> None:
        os.close(self._host)
        os.close(self._guest)


def script_of(family: str) -> str:
    distro, version, _, shell = SENDERS[family]
    tdl = sample_tdl(version, distro=distro)
    if shell == "perl":
        return sample_plan(tdl).answer
    guest = guest_for(tdl)
    return str(guest.answer_variables(tdl, sample_access(guest))["send_log"])


@contextlib.contextmanager
def sender(family: str, port: Port, place: Path) -> Iterator[Path]:
    """The family's sender at work; its log."""
    _, _, log, shell = SENDERS[family]
    file = place / "log"
    file.write_text("".join(f"{line}\n" for line in LINES.get(family, ("all is well", "it's 'wrong' \\n %s"))))
    journalctl = place / "journalctl"
    journalctl.write_text(f"#!/bin/sh\nexec tail -n +1 -f {file}\n")
    journalctl.chmod(0o755)
    script = script_of(family).replace("/dev/ttyS1", port.name).replace("/dev/cuau1", port.name)
    script = script.replace(log or "\0", str(file))
    command = ["perl", "-e", PERL] if shell == "perl" else [*shell.split(), "-c", script]
    environment = {"PATH": f"{place}:{os.environ['PATH']}", "PORT": port.name}
    # What reads the output to its end would wait for a sender that holds it.
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
        start_new_session=True, text=True,
    )  # fmt: skip
    try:
        assert started.stdin and started.stdout
        started.stdin.write(script if shell == "perl" else "")
        started.stdin.close()
        assert started.wait() == 0
        if shell != "perl":
            assert started.stdout.read() == ""
        yield file
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        if started.stdout:
            started.stdout.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("family", SENDERS)
def test_lines_reach_the_host_as_they_come_and_the_mark_comes_between_them(family: str, tmp_path: Path) -> None:
    before, after = LINES.get(family, ("all is well", "it's 'wrong' \\n %s"))
    port = Port()
    with sender(family, port, tmp_path) as log:
        port.hear(after)
        assert (before in port.log) == (family not in LINES)
        with log.open("a") as file:
            file.write(f"{after} again\n")
        port.hear(f"{after} again")
        Path(port.name).write_text("oz-done 00ff\n")
        port.hear("oz-done 00ff")
        assert port.marks == ["oz-done 00ff"]
    port.close()


@pytest.mark.parametrize("family", [family for family in SENDERS if family != "drakx"])
def test_without_a_port_nothing_is_written(family: str, tmp_path: Path) -> None:
    """mknod may be missing, or refuse; a file of that name would fill the memory."""
    port = tmp_path / "port"
    script = script_of(family).replace("/dev/ttyS1", str(port)).replace("/dev/cuau1", str(port))
    (tmp_path / "mknod").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "mknod").chmod(0o755)
    shell = SENDERS[family][3]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([*shell.split(), "-c", f"{script}wait"], check=True, env=environment)
    assert not port.exists()


def test_what_sends_its_log_by_other_ways_has_no_script_for_it() -> None:
    guest = guest_for(sample_tdl("9", distro="Mageia"))
    assert guest.answer_variables(sample_tdl("9", distro="Mageia"), sample_access(guest))["send_log"] == ""
