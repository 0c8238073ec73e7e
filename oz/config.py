"""oz.cfg: what this host is set up to do, from one table of settings to a frozen Config."""

import configparser
import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oz.errors import ConfigError
from oz.units import MIB

SYSTEM_CONFIG = Path("/etc/oz/oz.cfg")
_MAX_BYTES = 1024**2
_DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Directories are absolute; they may not exist yet."""

    source: Path | None
    """The file these values come from; None for the built-in ones."""
    output_dir: Path
    data_dir: Path
    screenshot_dir: Path
    sshprivkey: Path | None
    """None: a fresh key pair for each image."""
    virtio_win: Path | None
    """A CD with virtio drivers for systems that bring none."""
    win32_openssh: Path | None
    """The package (.msi) of an sshd for systems whose media have none."""
    uri: str
    """libvirt's connection URI, or "auto" for the embedded driver."""
    type: str
    """libvirt's domain type, or "auto" for the best that works here."""
    bridge_name: str | None
    network_name: str | None
    """Without bridge and network, guests have QEMU's user network."""
    cpus: int
    memory_bytes: int
    image_type: str
    rng_model: str
    rng_device: str
    rng_rate_bytes: int | None
    rng_rate_period: int | None
    """Milliseconds."""
    cache_original_media: bool
    cache_modified_media: bool
    cache_jeos: bool
    safe_generation: bool
    """Accepted and without effect: a manifest never touches the image."""
    install_s: float | None
    """None: the release's own limit. Taken literally, also without hardware virtualization; and so is this:"""
    inactivity_s: float | None
    boot_s: float | None
    """None: the release's own."""
    shutdown_s: float
    command_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key of oz.cfg. Defaults are written as in the file; an empty one stands for None, and {home} and
    {data_dir} are filled in. `user_default` is for everybody but root."""

    section: str
    key: str
    field: str
    kind: "_Kind"
    default: str = ""
    user_default: str | None = None

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """`read` makes the value, or raises ValueError with what `expected` then corrects."""

    expected: str
    read: Callable[[str], object]


def _read_path(value: str) -> Path:
    if not value.startswith("/"):
        raise ValueError("is not absolute")
    return Path(value)


def _number(least: int, most: int, unit: str = "", factor: int = 1) -> _Kind:
    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", value):
            raise ValueError("is not a whole number")
        if not least <= int(value) <= most:
            raise ValueError("is out of range")
        return int(value) * factor

    return _Kind(expected=f"a number{unit} from {least} to {most}", read=read)


def _read_seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value):
        raise ValueError("is not a number")
    if not 1 <= float(value) <= 7 * _DAY_S:
        raise ValueError("is out of range")
    return float(value)


def _one_of(*words: str) -> _Kind:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError("is unknown")
        return value

    return _Kind(expected=f"one of {', '.join(words)}", read=read)


def _matching(pattern: str, expected: str) -> _Kind:
    def read(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError("is wrong")
        return value

    return _Kind(expected=expected, read=read)


def _read_yes_no(value: str) -> bool:
    if value.lower() not in ("yes", "true", "no", "false"):
        raise ValueError("is neither")
    return value.lower() in ("yes", "true")


_PATH = _Kind(expected="an absolute path, or one that begins with ~/", read=_read_path)
_DEVICE = _matching(r"/dev/\S+", "a device such as /dev/urandom")
_YES_NO = _Kind(expected="yes or no", read=_read_yes_no)
_SECONDS = _Kind(expected=f"seconds from 1 to {7 * _DAY_S}", read=_read_seconds)
# Linux: an interface has up to 15 bytes.
_BRIDGE = _matching(r"[^\s/]{1,15}", "the name of a bridge, such as br0")
_NETWORK = _matching(r"[^\s/]{1,64}", "the name of a libvirt network, such as default")
_URI = _matching(r"auto|[a-z][a-z0-9+.-]*://\S*", "auto, or a libvirt URI such as qemu:///session")
# The formats that qemu-img can both create and convert to.
IMAGE_FORMATS = ("raw", "qcow2", "qed", "vdi", "vhdx", "vmdk", "vpc")
_FORMAT = _one_of(*IMAGE_FORMATS)

SETTINGS = (
    Setting(section="paths", key="output_dir", field="output_dir", kind=_PATH,
            default="/var/lib/libvirt/images", user_default="{home}/.oz/images"),
    Setting(section="paths", key="data_dir", field="data_dir", kind=_PATH,
            default="/var/lib/oz", user_default="{home}/.oz"),
    Setting(section="paths", key="screenshot_dir", field="screenshot_dir", kind=_PATH,
            default="{data_dir}/screenshots"),
    Setting(section="paths", key="sshprivkey", field="sshprivkey", kind=_PATH),
    Setting(section="paths", key="virtio_win", field="virtio_win", kind=_PATH),
    Setting(section="paths", key="win32_openssh", field="win32_openssh", kind=_PATH),
    Setting(section="libvirt", key="uri", field="uri", kind=_URI, default="auto"),
    Setting(section="libvirt", key="type", field="type", kind=_one_of("auto", "kvm", "qemu"), default="auto"),
    Setting(section="libvirt", key="bridge_name", field="bridge_name", kind=_BRIDGE),
    Setting(section="libvirt", key="network_name", field="network_name", kind=_NETWORK),
    Setting(section="libvirt", key="cpus", field="cpus", kind=_number(1, 255), default="1"),
    Setting(section="libvirt", key="memory", field="memory_bytes",
            kind=_number(32, 16 * 1024**2, " of MiB", MIB), default="2048"),
    Setting(section="libvirt", key="image_type", field="image_type", kind=_FORMAT, default="raw"),
    Setting(section="libvirt", key="rng_model", field="rng_model", kind=_one_of("random", "builtin"), default="random"),
    Setting(section="libvirt", key="rng_device", field="rng_device", kind=_DEVICE, default="/dev/urandom"),
    Setting(section="libvirt", key="rng_rate_bytes", field="rng_rate_bytes", kind=_number(1, 2**31 - 1, " of bytes")),
    Setting(section="libvirt", key="rng_rate_period", field="rng_rate_period",
            kind=_number(1, 2**31 - 1, " of milliseconds")),
    Setting(section="cache", key="original_media", field="cache_original_media", kind=_YES_NO, default="yes"),
    Setting(section="cache", key="modified_media", field="cache_modified_media", kind=_YES_NO, default="no"),
    Setting(section="cache", key="jeos", field="cache_jeos", kind=_YES_NO, default="no"),
    Setting(section="icicle", key="safe_generation", field="safe_generation", kind=_YES_NO, default="no"),
    Setting(section="timeouts", key="install", field="install_s", kind=_SECONDS),
    Setting(section="timeouts", key="inactivity", field="inactivity_s", kind=_SECONDS),
    Setting(section="timeouts", key="boot", field="boot_s", kind=_SECONDS),
    Setting(section="timeouts", key="shutdown", field="shutdown_s", kind=_SECONDS, default="90"),
    Setting(section="timeouts", key="command", field="command_s", kind=_SECONDS, default="3600"),
)  # fmt: skip


def load(path: Path | None, *, is_root: bool, home: Path, system: Path = SYSTEM_CONFIG) -> Config:
    """The settings of `path`, which must exist; without one, of ~/.oz/oz.cfg, else, for root, of `system`, else
    the built-in ones. Raises ConfigError."""
    if path is not None:
        text = _read(path)
        if text is None:
            raise ConfigError(f"{path}: there is no such file", hint="name an oz.cfg that exists, or leave out -c")
        return _understand(text, path, is_root=is_root, home=home)
    for candidate in (home / ".oz/oz.cfg", system) if is_root else (home / ".oz/oz.cfg",):
        text = _read(candidate)
        if text is not None:
            return _understand(text, candidate, is_root=is_root, home=home)
    return _understand("", None, is_root=is_root, home=home)


def _read(path: Path) -> str | None:
    """The text of a file, None if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read: {reason}", hint="make it a file that this user can read") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: is larger than 1 MiB, which no oz.cfg is", hint="name an oz.cfg")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text", hint="save the file as UTF-8") from error


def _understand(text: str, path: Path | None, *, is_root: bool, home: Path) -> Config:
    written = _parse(text, path)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        default = setting.default if is_root or setting.user_default is None else setting.user_default
        value = written.get(setting.name) or default.format(home=home, data_dir=values.get("data_dir"))
        values[setting.field] = _read_value(setting, value, path, home) if value else None
    config = Config(source=path, **values)
    if config.bridge_name and config.network_name:
        raise ConfigError(
            f"{path}: libvirt.bridge_name is {config.bridge_name!r} and libvirt.network_name {config.network_name!r}",
            hint="a guest has one network: set one of the two",
        )
    if config.rng_rate_period and not config.rng_rate_bytes:
        raise ConfigError(
            f"{path}: libvirt.rng_rate_period is set without libvirt.rng_rate_bytes",
            hint="say as well how many bytes the guest gets in each period",
        )
    return config


def _parse(text: str, path: Path | None) -> dict[str, str]:
    """What is written, by "section.key"."""
    # [DEFAULT] would add its keys to every section; as the empty name no file can have it.
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text, source=str(path))
    except configparser.MissingSectionHeaderError as error:
        message = f"{path}:{error.lineno}: {error.line.strip()!r} stands before any section"
        raise ConfigError(message, hint="begin with a section such as [paths]") from error
    except configparser.ParsingError as error:
        message = f"{path}:{error.errors[0][0]}: this is neither a [section] nor KEY = VALUE"
        raise ConfigError(message, hint="write KEY = VALUE, or begin a comment with #") from error
    except configparser.DuplicateSectionError as error:
        message = f"{path}:{error.lineno}: the section [{error.section}] is there twice"
        raise ConfigError(message, hint="join the two") from error
    except configparser.DuplicateOptionError as error:
        message = f"{path}:{error.lineno}: {error.section}.{error.option} is there twice"
        raise ConfigError(message, hint="remove one") from error
    names = {setting.name: setting for setting in SETTINGS}
    sections = {setting.section for setting in SETTINGS}
    written = {}
    for section in parser.sections():
        if section not in sections:
            raise ConfigError(f"{path}: [{section}] is no section of oz.cfg", hint=_suggest(section, sorted(sections)))
        for key, value in parser[section].items():
            name = f"{section}.{key}"
            if name not in names:
                raise ConfigError(f"{path}: {name} is no setting of oz.cfg", hint=_suggest_setting(section, key))
            written[name] = value
            if not value and (names[name].default or names[name].user_default):
                raise ConfigError(f"{path}: {name} is empty", hint=f"expected {names[name].kind.expected}")
    return written


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word[:64], known, n=1)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"


def _suggest_setting(section: str, key: str) -> str:
    elsewhere = [setting.name for setting in SETTINGS if setting.key == key]
    if elsewhere:
        return f"did you mean {elsewhere[0]}?"
    return _suggest(key, [setting.key for setting in SETTINGS if setting.section == section])


def _read_value(setting: Setting, value: str, path: Path | None, home: Path) -> object:
    try:
        if not value.isprintable():
            raise ValueError("has a control character or a second line")
        if re.search(r"\s[#;]", value):
            raise ValueError("has a comment behind it, which needs a line of its own")
        if setting.kind is _PATH and (value == "~" or value.startswith("~/")):
            value = f"{home}{value[1:]}"
        return setting.kind.read(value)
    except ValueError as error:
        raise ConfigError(
            f"{path or 'built-in settings'}: {setting.name} {value[:200]!r} {error}",
            hint=f"expected {setting.kind.expected}",
        ) from error
