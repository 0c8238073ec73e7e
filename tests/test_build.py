"""Names, locks and work directories, with real files."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from plans import sample_tdl
from programs import ROOT

from oz import config as oz_config
from oz.build import Options, image_name, open_build, settle
from oz.errors import HostError
from oz.guests import guest_for
from oz.host import locks
from oz.install import names_of
from oz.model import Settings


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "oz.cfg"
    path.write_text(f"[paths]\noutput_dir = {tmp_path}/images\ndata_dir = {tmp_path}/data\n")
    return oz_config.load(path, is_root=False, home=tmp_path)


def opened(config, image: Path):
    tdl = sample_tdl("13")
    return open_build(tdl, guest_for(tdl), config, Settings(), Options(), image=image)


@pytest.mark.parametrize(
    ("file", "name"), [("a.dsk", "a"), ("a.qcow2", "a"), ("a", "a"), ("deb13.1", "deb13.1"), ("a.b.dsk", "a.b")]
)
def test_an_image_is_called_by_its_name_without_its_format(file, name):
    assert image_name(Path("/x") / file) == name


@pytest.mark.parametrize(("name", "wanted"), [("a.qcow2", "qcow2"), ("a.VMDK", "vmdk"), ("a.dsk", "raw"), ("a", "raw")])
def test_an_image_has_the_format_that_its_name_says(config, name, wanted):
    tdl = sample_tdl("13")
    options = Options(disk_path=Path("/x") / name)
    assert settle(config, tdl, options, probe=False).image_format == wanted


def test_whoever_makes_an_image_and_whoever_works_on_it_exclude_each_other(config, tmp_path):
    tdl = sample_tdl("13")
    made = names_of(tdl, config, Options(disk_path=tmp_path / "other.dsk")).disk
    with (
        opened(config, made),
        pytest.raises(HostError, match=r"name other is .*in use.* by process \d+|pid \d+"),
        opened(config, tmp_path / "other.dsk"),
    ):
        pass


def test_nothing_is_left_of_a_build_that_made_nothing(config, tmp_path):
    with opened(config, tmp_path / "images/a.dsk") as build:
        (build.work / "half").write_text("made")
        assert build.work.stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "images").iterdir())
    assert not list((tmp_path / "data/builds").iterdir())


def test_a_work_directory_that_somebody_else_made_is_refused(config, tmp_path):
    (tmp_path / "images/.a.oz-partial").mkdir(parents=True)
    with pytest.raises(HostError, match=r"\.a\.oz-partial"), opened(config, tmp_path / "images/a.dsk"):
        pass
    assert (tmp_path / "images/.a.oz-partial").exists()


HELD = """
import os, signal, sys, time
from pathlib import Path
from oz.host import locks
with locks.hold(Path(sys.argv[1]), what="it"):
    if os.fork() == 0:
        os.close(1)
        time.sleep(1)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_lock_that_a_dead_holder_s_child_has_yet_is_had_once_that_runs(tmp_path):
    """As between fork and exec, where a killed program was about to start another."""
    lock = tmp_path / "a.lock"
    done = subprocess.run([sys.executable, "-c", HELD, lock], stdout=subprocess.PIPE, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    with (
        locks.hold(lock, what="it", wait=False),
        pytest.raises(HostError, match="in use by process"),
        locks.hold(lock, what="it", wait=False),
    ):
        pass
