"""oz.cfg: the table, the sample file, the order in which files are looked for, and every wrong value."""

import os
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from oz import config
from oz.config import SETTINGS, Config
from oz.errors import ConfigError

ROOT = Path(__file__).parents[1]
HOME = Path("/home/user")
NOWHERE = Path("/nonexistent/oz.cfg")


def read(tmp_path: Path, text: str, *, is_root: bool = True) -> Config:
    path = tmp_path / "oz.cfg"
    path.write_text(text)
    return config.load(path, is_root=is_root, home=HOME)


def builtin(*, is_root: bool) -> Config:
    return config.load(None, is_root=is_root, home=Path("/nonexistent"), system=NOWHERE)


# ------------------------------------------------------------------ table and sample


def test_every_field_has_a_setting() -> None:
    assert ["source", *(setting.field for setting in SETTINGS)] == [field.name for field in fields(Config)]


def test_sample_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    sample = (ROOT / "oz.cfg").read_text()
    uncommented = re.sub(r"^#(\w+ =)", r"\1", sample, flags=re.MULTILINE)
    found, section = [], ""
    for line in uncommented.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found.append(f"{section}.{line.partition(' =')[0]}")
    assert found == [setting.name for setting in SETTINGS]
    assert replace(read(tmp_path, uncommented), source=None) == builtin(is_root=True)


def test_sample_changes_nothing_as_it_is() -> None:
    for is_root in (True, False):
        found = config.load(ROOT / "oz.cfg", is_root=is_root, home=Path("/nonexistent"))
        assert replace(found, source=None) == builtin(is_root=is_root)


# ------------------------------------------------------------------ defaults and lookup


def test_defaults_of_root() -> None:
    assert builtin(is_root=True) == Config(
        source=None,
        output_dir=Path("/var/lib/libvirt/images"),
        data_dir=Path("/var/lib/oz"),
        screenshot_dir=Path("/var/lib/oz/screenshots"),
        sshprivkey=None,
        virtio_win=None,
        win32_openssh=None,
        uri="auto",
        type="auto",
        bridge_name=None,
        network_name=None,
        cpus=1,
        memory_bytes=2 * 1024**3,
        image_type="raw",
        rng_model="random",
        rng_device="/dev/urandom",
        rng_rate_bytes=None,
        rng_rate_period=None,
        cache_original_media=True,
        cache_modified_media=False,
        cache_jeos=False,
        safe_generation=False,
        install_s=None,
        inactivity_s=None,
        boot_s=None,
        shutdown_s=90,
        command_s=3600,
    )


def test_defaults_of_a_user_are_at_home() -> None:
    found = config.load(None, is_root=False, home=HOME, system=NOWHERE)
    assert (found.output_dir, found.data_dir) == (HOME / ".oz/images", HOME / ".oz")
    assert found.screenshot_dir == HOME / ".oz/screenshots"


def test_a_home_with_braces_is_no_format(tmp_path: Path) -> None:
    found = config.load(None, is_root=False, home=tmp_path / "{x}", system=NOWHERE)
    assert found.screenshot_dir == tmp_path / "{x}/.oz/screenshots"


def test_a_relative_home_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"built-in settings: paths\.output_dir 'user/\.oz/images' is not absolute"):
        config.load(None, is_root=False, home=Path("user"), system=NOWHERE)


def test_lookup_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".oz").mkdir(parents=True)
    system, explicit = tmp_path / "system.cfg", tmp_path / "explicit.cfg"
    explicit.write_text("[libvirt]\ncpus = 2\n")

    def load(path: Path | None, *, is_root: bool) -> tuple[Path | None, int]:
        found = config.load(path, is_root=is_root, home=home, system=system)
        return found.source, found.cpus

    assert load(None, is_root=True) == (None, 1)
    system.write_text("[libvirt]\ncpus = 3\n")
    assert load(None, is_root=True) == (system, 3)
    assert load(None, is_root=False) == (None, 1)
    own = home / ".oz/oz.cfg"
    own.write_text("[libvirt]\ncpus = 4\n")
    assert load(None, is_root=True) == load(None, is_root=False) == (own, 4)
    assert load(explicit, is_root=False) == (explicit, 2)


def test_every_setting_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "\ufeff; a comment\n[paths]\noutput_dir = ~/images%d\ndata_dir: /srv/oz\nsshprivkey = ~/.ssh/id\n"
        "virtio_win = /srv/virtio-win.iso\nwin32_openssh = /srv/OpenSSH-Win64.msi\n"
        "[libvirt]\nURI = qemu+ssh://host/session\ntype=qemu\nnetwork_name = default\ncpus = 4\nmemory = 512\n"
        "image_type = qcow2\nrng_model = builtin\nrng_device = /dev/hwrng\nrng_rate_bytes = 1024\n"
        "rng_rate_period = 1000\n[cache]\noriginal_media = No\nmodified_media = TRUE\njeos = yes\n"
        "[icicle]\nsafe_generation = true\n[timeouts]\ninstall = 1200\ninactivity = 1.5\nboot = 60\nshutdown = 30\n"
        "command = 60\n",
        is_root=False,
    )
    assert found == Config(
        source=tmp_path / "oz.cfg",
        output_dir=HOME / "images%d",
        data_dir=Path("/srv/oz"),
        screenshot_dir=Path("/srv/oz/screenshots"),
        sshprivkey=HOME / ".ssh/id",
        virtio_win=Path("/srv/virtio-win.iso"),
        win32_openssh=Path("/srv/OpenSSH-Win64.msi"),
        uri="qemu+ssh://host/session",
        type="qemu",
        bridge_name=None,
        network_name="default",
        cpus=4,
        memory_bytes=512 * 1024**2,
        image_type="qcow2",
        rng_model="builtin",
        rng_device="/dev/hwrng",
        rng_rate_bytes=1024,
        rng_rate_period=1000,
        cache_original_media=False,
        cache_modified_media=True,
        cache_jeos=True,
        safe_generation=True,
        install_s=1200.0,
        inactivity_s=1.5,
        boot_s=60.0,
        shutdown_s=30.0,
        command_s=60.0,
    )


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("name", "value", "words", "hint"),
    [
        ("paths.output_dir", "images", "'images' is not absolute", "expected an absolute path"),
        ("paths.data_dir", "", "is empty", "expected an absolute path"),
        ("paths.data_dir", "~other/x", "'~other/x' is not absolute", "one that begins with ~/"),
        ("libvirt.uri", "qemu", "'qemu' is wrong", "expected auto, or a libvirt URI such as qemu:///session"),
        ("libvirt.type", "xen", "'xen' is unknown", "expected one of auto, kvm, qemu"),
        ("libvirt.bridge_name", "a-very-long-bridge", "is wrong", "expected the name of a bridge"),
        ("libvirt.network_name", "a b", "'a b' is wrong", "expected the name of a libvirt network"),
        ("libvirt.cpus", "0", "'0' is out of range", "expected a number from 1 to 255"),
        (
            "paths.output_dir",
            "/srv/images # ours",
            "has a comment behind it, which needs a line of its own",
            "expected",
        ),
        ("libvirt.cpus", "two", "'two' is not a whole number", "expected a number from 1 to 255"),
        ("libvirt.cpus", "9" * 5000, "is not a whole number", "expected a number"),
        ("libvirt.memory", "2 GiB", "'2 GiB' is not a whole number", "expected a number of MiB from 32 to 16777216"),
        ("libvirt.memory", "-1", "'-1' is not a whole number", "MiB"),
        ("libvirt.image_type", "iso", "'iso' is unknown", "expected one of raw, qcow2"),
        ("libvirt.rng_model", "egd", "'egd' is unknown", "expected one of random, builtin"),
        ("libvirt.rng_device", "urandom", "'urandom' is wrong", "expected a device such as /dev/urandom"),
        ("libvirt.rng_rate_bytes", "0", "'0' is out of range", "of bytes from 1"),
        ("libvirt.rng_rate_period", "1", "is set without libvirt.rng_rate_bytes", "how many bytes"),
        ("cache.jeos", "maybe", "'maybe' is neither", "expected yes or no"),
        ("cache.jeos", "1", "'1' is neither", "expected yes or no"),
        ("icicle.safe_generation", "", "is empty", "expected yes or no"),
        ("timeouts.install", "nan", "'nan' is not a number", "expected seconds from 1 to 604800"),
        ("timeouts.boot", "0.5", "'0.5' is out of range", "expected seconds from 1"),
        ("timeouts.shutdown", "10 s", "'10 s' is not a number", "expected seconds"),
        ("paths.output_dir", "/a\n  /b", "has a control character or a second line", "expected an absolute path"),
        ("libvirt.uri", "qemu:///\x1b[0m", "'qemu:///\\x1b[0m' has a control character", "expected auto"),
    ],
)
def test_wrong_values(tmp_path: Path, name: str, value: str, words: str, hint: str) -> None:
    section, _, key = name.partition(".")
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(tmp_path))}/oz\.cfg: {re.escape(name)} ") as caught:
        read(tmp_path, f"[{section}]\n{key} = {value}\n")
    assert words in caught.value.message
    assert caught.value.hint and hint in caught.value.hint
    assert caught.value.exit_status == 3


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("[libvirt]\nmemry = 1\n", "oz.cfg: libvirt.memry is no setting of oz.cfg", "did you mean memory?"),
        ("[paths]\nmemory = 1\n", "oz.cfg: paths.memory is no setting", "did you mean libvirt.memory?"),
        (
            "[cache]\nzzz = 1\n",
            "oz.cfg: cache.zzz is no setting",
            "expected one of original_media, modified_media, jeos",
        ),
        ("[libvrt]\n", "oz.cfg: [libvrt] is no section", "did you mean libvirt?"),
        ("[DEFAULT]\ncpus = 1\n", "oz.cfg: [DEFAULT] is no section", "expected one of cache, icicle"),
        ("cpus = 1\n", "oz.cfg:1: 'cpus = 1' stands before any section", "begin with a section"),
        ("[libvirt]\ncpus\n", "oz.cfg:2: this is neither a [section] nor KEY = VALUE", "write KEY = VALUE"),
        ("[paths]\n[paths]\n", "oz.cfg:2: the section [paths] is there twice", "join"),
        ("[libvirt]\ncpus = 1\ncpus = 2\n", "oz.cfg:3: libvirt.cpus is there twice", "remove one"),
        ("[libvirt]\nbridge_name = br0\nnetwork_name = default\n", "libvirt.bridge_name is 'br0'", "one of the two"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, words: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        read(tmp_path, text)
    assert caught.value.hint and hint in caught.value.hint


def test_explicit_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.cfg: there is no such file"):
        config.load(tmp_path / "none.cfg", is_root=True, home=HOME)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(tmp_path, is_root=True, home=HOME)
    (tmp_path / ".oz").mkdir()
    own = tmp_path / ".oz/oz.cfg"
    own.symlink_to("oz.cfg")
    with pytest.raises(ConfigError, match=r"\.oz/oz\.cfg: cannot be read: Too many levels"):
        config.load(None, is_root=False, home=tmp_path)
    own.unlink()
    own.write_bytes(b"[paths]\n# \xe4\n")
    with pytest.raises(ConfigError, match=r"oz\.cfg:2: is not UTF-8 text"):
        config.load(None, is_root=False, home=tmp_path)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        config.load(Path("/dev/zero"), is_root=True, home=HOME)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".oz").mkdir()
    (tmp_path / ".oz/oz.cfg").touch(mode=0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        config.load(None, is_root=False, home=tmp_path)
