"""What a user sees when an installer or an installed system fails, by each way that stand-ins fail on demand."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from guest.standins import NEEDS, Ground, Run, Standin, digest

from oz.build import EMULATION_FACTOR
from oz.failures import load

pytestmark = [pytest.mark.guests, pytest.mark.timeout(1800), NEEDS]

DEBIAN = Standin(distro="Debian", version="13")
INACTIVITY_S = 180
"""Under emulation, with many others at work, a kernel has been seen to take 100 until it reads a disk."""
AT_ONCE_S = 10.0
"""For what is an event, on a busy host: a limit takes longer."""
SHUTDOWN_S, BOOT_S = 20, 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the user is told: exit status; message, hint and a line of the console as patterns; if the machine's screen
    can still be shown, None for perhaps; and after how many seconds at the most."""

    status: int = 7
    message: str
    hint: str
    shown: str
    has_screen: bool | None = True
    within_s: float = AT_ONCE_S


SLACK_S = 90.0
LOGIN_S = 120.0
"""For sshd to start and to agree on keys, under emulation."""
STRETCHED = int(EMULATION_FACTOR)
"""Stand-ins run without KVM (libvirt_type of guest.place), where the limits in oz.cfg are so many times longer."""
_SILENT = rf"showed no activity for {INACTIVITY_S} s: no disk request, no packet"
_READ = "the screenshot may tell; with --keep-failed, the disk is kept as well"
_AT_WORK = "stand-in installer of Debian 13 at work"
INSTALLING = {
    "hang": Told(
        message=f"{_SILENT}, its processors idle", hint=_READ, shown=_AT_WORK, within_s=INACTIVITY_S + SLACK_S
    ),
    "busy": Told(message=f"{_SILENT} ", hint=_READ, shown=_AT_WORK, within_s=INACTIVITY_S + SLACK_S),
    "panic": Told(
        message="the guest's kernel panicked: .*sysrq triggered crash",
        hint="try another machine type",
        shown="sysrq triggered crash|entry_SYSCALL",
        has_screen=None,
    ),
    "reboot": Told(message="the guest reset itself, which was not expected", hint=_READ, shown=_AT_WORK),
    "power-off": Told(
        message=r"powered off after \d+ s without its marker",
        hint=_READ,
        shown="partitioning /dev/vda",
        has_screen=False,
    ),
    "wrong-nonce": Told(
        message=r"powered off after \d+ s with a wrong marker", hint=_READ, shown="running 96oz-done", has_screen=False
    ),
    "fatal": Told(
        message=r"the base system could not be installed: 'Failed to install the base system' \(\d+ s after its start",
        hint="read the installer's log; a newer medium",
        shown="Failed to install the base system",
    ),
    "fill-disk": Told(
        message=rf"{_SILENT}.*\n(?s:.*)before that, a file system of the guest is full: .*No space left on device",
        hint=_READ,
        shown="QUESTION: Press Enter to try again",
        within_s=INACTIVITY_S + SLACK_S,
    ),
}
"""By the way to fail, of an installation."""
_UP = "standin: up"
RUNNING = {
    "no-ssh": Told(
        status=6,
        message=rf"no ssh login at 127\.0\.0\.1 port \d+ within {BOOT_S} s",
        hint="does the guest run sshd",
        shown="standin: failing: no-ssh",
        within_s=BOOT_S + SLACK_S,
    ),
    "other-host-key": Told(
        status=6,
        message=r"is not the guest that was installed: its host key is ecdsa-\S+ SHA256:\S+; pinned is ",
        hint="if the guest's host keys were renewed on purpose",
        shown=_UP,
        within_s=LOGIN_S,
    ),
    "late-ssh": Told(
        status=0, message=r"Wait for ssh: done in ([6-9]\d|\d{3,})\.", hint="", shown="", within_s=LOGIN_S
    ),
    "drop-connection": Told(
        status=6,
        message=r"the connection to the guest at \S+ was lost during command wait",
        hint="see what became of the guest's sshd",
        shown="standin: failing: drop-connection",
    ),
    "no-power-off": Told(
        status=6,
        message=rf"did not power off within {SHUTDOWN_S} s; the image is as it was before",
        hint=r"look at its console, or raise \[timeouts\] shutdown",
        shown="standin: failing: no-power-off",
        within_s=SHUTDOWN_S + SLACK_S,
    ),
}
"""By the way to fail, of an installed system that is customized."""
WAIT = '<commands><command name="wait">touch /tmp/working; sleep 20; echo waited</command></commands>'
_ROOT_OFFSET = 8192 * 512


@pytest.fixture(scope="module")
def ground(short_dir: Path, capabilities_cache: Path) -> Ground:
    return Ground(short_dir / "failing", capabilities_cache, timeouts_shutdown=str(SHUTDOWN_S // STRETCHED))


def check(run: Run, told: Told) -> None:
    assert run.status == told.status, run.stderr
    assert re.search(told.message, run.stderr), run.stderr
    assert "Traceback" not in run.stderr
    if told.status:
        assert re.search(f"hint: (.*\n  )?{told.hint}", run.stderr), run.stderr
        lines = re.findall(r"^  \| (.*)$", run.stderr, re.MULTILINE)
        assert any(re.search(told.shown, line) for line in lines), run.stderr
        screenshot = re.search(r"^screenshot: (\S+)$", run.stderr, re.MULTILINE)
        assert told.has_screen in (None, bool(screenshot)), run.stderr
        assert screenshot is None or Path(screenshot[1]).read_bytes().startswith(b"\x89PNG")
    assert run.noticed_s < told.within_s, run.stderr


@pytest.mark.parametrize("fail", INSTALLING)
def test_an_installer_that_fails_is_noticed(fail: str, ground: Ground, figure) -> None:
    argument = f"<kernelparam>standin.fail={fail}</kernelparam>"
    with ground.template(DEBIAN, fail, os=argument) as template:
        is_limit = INSTALLING[fail].within_s > INACTIVITY_S
        limits = {"timeouts_inactivity": str(INACTIVITY_S)} if is_limit else {}
        run = ground.install(DEBIAN, template, **limits)
    figure(f"noticed after {run.noticed_s:.1f} s, {run.seconds_of('Install'):.1f} s after the start")
    check(run, INSTALLING[fail])
    assert "phase: install, from cdrom" in run.stderr
    assert not ground.place.leftovers(fail)


SAYING = {
    "anaconda": Standin(distro="RHEL", version="5.11"),
    "subiquity": Standin(distro="Ubuntu", version="24.04"),
    "autoyast": Standin(distro="openSUSE", version="15.6"),
    "agama": Standin(distro="openSUSE", version="16.0"),
    "drakx": Standin(distro="Mageia", version="9"),
    "bsdinstall": Standin(distro="FreeBSD", version="14.4"),
    "alpine": Standin(distro="Alpine", version="3.21"),
    "arch": Standin(distro="Arch", version="rolling"),
    "windows-setup": Standin(distro="Windows", version="10"),
}


@pytest.mark.parametrize("installer", SAYING)
def test_what_a_real_installer_has_said_ends_the_installation(installer: str, ground: Ground, figure) -> None:
    """By the way that its log takes to the host: the first of its lines that mean failure, as somebody has shown it."""
    saying = next(each for each in load() if (each.installer, each.severity) == (installer, "fatal"))
    name = f"says-{installer}"
    with ground.template(SAYING[installer], name, fail=f"say {saying.sample}") as template:
        run = ground.install(SAYING[installer], template)
    figure(f"noticed after {run.noticed_s:.1f} s: {saying.cause}")
    assert (run.status, run.noticed_s < AT_ONCE_S) == (7, True), run.stderr
    assert saying.cause in run.stderr and f"hint: {saying.hint[:40]}" in run.stderr
    assert not ground.place.leftovers(name)


@pytest.fixture(scope="module")
def installed(ground: Ground) -> Iterator[Path]:
    with ground.template(DEBIAN, "sound") as template:
        run = ground.install(DEBIAN, template)
    assert run.status == 0, run.stderr
    yield ground.place.images / "sound.dsk"


@contextmanager
def spoilt(disk: Path, word: str) -> Iterator[None]:
    """The installed system fails in that way."""

    def edit(command: str) -> None:
        subprocess.run(
            ["debugfs", "-w", "-R", command, f"{disk}?offset={_ROOT_OFFSET}"], check=True, capture_output=True
        )

    file = disk.with_suffix(".word")
    file.write_text(word + "\n")
    edit(f"write {file} /etc/standin.fail")
    try:
        yield
    finally:
        edit("rm /etc/standin.fail")


@pytest.mark.parametrize("fail", RUNNING)
def test_a_system_that_fails_is_noticed(fail: str, ground: Ground, installed: Path, figure) -> None:
    template = ground.directory / f"c-{fail}.tdl"
    text = (ground.directory / "sound.tdl").read_text()
    template.write_text(text.replace("</template>", f"{WAIT}</template>"))
    limits = {"timeouts_boot": str(BOOT_S // STRETCHED)} if fail == "no-ssh" else {}
    told = RUNNING[fail]
    with spoilt(installed, fail):
        before = digest(installed)
        run = ground.customize(template, installed.with_suffix(".xml"), **limits)
        assert told.status == 0 or digest(installed) == before
    figure(f"noticed after {run.noticed_s:.1f} s; ssh took {run.seconds_of('Wait for ssh'):.1f} s")
    check(run, told)
    assert not ground.place.leftovers("sound")
