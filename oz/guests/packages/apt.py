"""apt and dpkg, from lenny's to today's."""

import re
import shlex
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from oz.errors import GuestError, TdlError, UnsupportedError
from oz.guests.packages.manager import CommandLine, PackageManager, refuse_repository, run, take_login, where_repository
from oz.model import Action, Content, InstalledPackage, PutFile, Repository, Tdl
from oz.render import render


@dataclass(frozen=True, slots=True, kw_only=True)
class _Apt:
    """What an apt can do."""

    keys: Literal["ring", "parts", "signed-by"]
    """Where a repository's key goes: into the one keyring, into a keyring beside it, or into a file that is for this
    repository alone."""
    form: Literal["list", "sources"]
    """One line, or deb822."""
    has_https: bool
    """It reads https without a package of its own, and passwords from auth.conf.d: both since apt 1.5 (its NEWS)."""


_APTS = {
    "apt-ring": _Apt(keys="ring", form="list", has_https=False),
    "apt-parts": _Apt(keys="parts", form="list", has_https=False),
    "apt-signed-by": _Apt(keys="signed-by", form="list", has_https=False),
    "apt-https": _Apt(keys="signed-by", form="list", has_https=True),
    "apt-sources": _Apt(keys="signed-by", form="sources", has_https=True),
}
_INSTALL = (
    # The lock: unattended upgrades may hold it just after a boot (apt 1.9.11 on; older ones pass over the option).
    "env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300"
    " -o Dpkg::Options::=--force-confold install {options} --"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    url: str
    suite: str
    components: tuple[str, ...]
    architectures: str | None
    """The option arch of a line, such as "amd64,i386"."""
    login: str | None
    """The line of auth.conf that has the user and password of the template's URL (apt_auth.conf(5))."""


def _source(apt: _Apt, tdl: Tdl, repository: Repository, codename: str) -> _Source:
    """Read "[deb [OPTIONS]] URL [SUITE [COMPONENT ...]]", as templates have always written it; the suite is the
    release's own by default, and one that ends in a slash is a directory without components (sources.list(5))."""

    form = f'write it as "deb http://host/debian {codename} main"'
    line = re.fullmatch(r"(?:deb\s+)?(?:\[(.*?)\]\s*)?(.*)", repository.url.strip())
    options = (line[1] or "").split() if line else []
    architectures = None
    for option in options:
        if not option.startswith("arch="):
            reason = f"the option {option!r} is not taken"
            refuse_repository(tdl, repository, reason, "use the attributes signed and sslverify, and <key>")
        architectures = option.removeprefix("arch=")
    words = line[2].split() if line else []
    if not words or not urlsplit(words[0]).scheme:
        refuse_repository(tdl, repository, f"{repository.url!r} has no URL", form)
    suite, components = (words[1], tuple(words[2:])) if len(words) > 1 else (codename, ("main",))
    for word in (suite, *components):
        if not re.fullmatch(r"[\w.~+:/-]+", word, re.ASCII):
            refuse_repository(tdl, repository, f"{word!r} is no name of a suite or component", form)
    if suite.endswith("/") == bool(components):
        reason = "takes no components" if components else "needs components"
        refuse_repository(tdl, repository, f"the suite {suite!r} {reason}", form)
    if not apt.has_https and "@" in urlsplit(words[0]).netloc:
        reason = "the apt of this release keeps a user and password in the list of sources, which everybody can read"
        refuse_repository(tdl, repository, reason, "serve it without a password")
    url, login = take_login(tdl, repository, words[0], "apt")
    return _Source(
        url=url,
        suite=suite,
        components=components,
        architectures=architectures,
        login=_login(url, login) if login else None,
    )


def _login(url: str, login: tuple[str, str]) -> str:
    parts = urlsplit(url)
    return f"machine {parts.netloc}{parts.path} login {login[0]} password {login[1]}\n"


def _prepare(apt: _Apt, tdl: Tdl) -> tuple[Action, ...]:
    """What https needs, from the sources that the image has: a minimal system has no certificates."""
    secure = [repository for repository in tdl.repositories if re.search(r"(^|\s)https:", repository.url)]
    names = ["ca-certificates"] if any(repository.sslverify for repository in secure) else []
    names += ["apt-transport-https"] if secure and not apt.has_https else []
    if not names:
        return ()
    words, install = shlex.join(names), _INSTALL.replace("{options} ", "")
    script = f"dpkg -s {words} >/dev/null 2>&1 || {{ apt-get -q update && {install} {words} && apt-get clean; }}"
    return (run("install what https repositories need", script),)


def _add(apt: _Apt, tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    source = _source(apt, tdl, repository, codename)
    _check_signature(apt, tdl, repository, codename, source.suite)
    name, key = repository.name, repository.key
    is_binary = key is not None and b"-----BEGIN PGP" not in (key.data or b"-----BEGIN PGP")
    key_path = _key_file(apt, name, "gpg" if is_binary else "asc")
    options = {}
    if source.architectures is not None:
        options["Architectures"] = source.architectures
    if key is not None and apt.keys == "signed-by":
        options["Signed-By"] = key_path
    if not repository.signed:
        options["Trusted"] = "yes"
    text = render(f"repo/apt.{apt.form}", source=source, options=options, name=name)
    file = PutFile(path=_file(apt, name), content=Content(data=text.encode()))
    actions: list[Action] = [file]
    if key is not None:
        actions.insert(0, PutFile(path=key_path, content=key))
        if apt.keys == "ring":
            actions.append(run(f"trust the key of {name}", f"apt-key add {shlex.quote(key_path)}"))
        elif apt.keys == "parts":
            actions.append(run(f"trust the key of {name}", _add_keyring(key_path, _keyring(name))))
        elif key.data is None:
            actions.append(run(f"name the key of {name}", _name_key(key_path, file.path)))
    if source.login is not None:
        actions.insert(0, PutFile(path=_login_file(name), content=Content(data=source.login.encode()), mode=0o600))
    host = urlsplit(source.url).hostname
    if not repository.sslverify and host:
        text = render("repo/apt.conf", host=host)
        actions.append(PutFile(path=_tls_file(name), content=Content(data=text.encode())))
    check = (
        f"apt-get -q update -o Dir::Etc::SourceList={file.path} -o Dir::Etc::SourceParts=- "
        "-o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any"
    )
    actions.append(run(f"read repository {name}", check))
    return tuple(actions)


def _check_signature(apt: _Apt, tdl: Tdl, repository: Repository, codename: str, suite: str) -> None:
    """Return if apt can tell that the repository is what it claims, or need not by the template's own word."""
    own_suite = re.fullmatch(rf"{re.escape(codename)}([-/].+)?|(old)*stable([-/].+)?", suite)
    if repository.signed and repository.key is None and not own_suite:
        raise TdlError(
            f"{where_repository(tdl, repository)}: repository {repository.name} is signed, "
            f"but its suite {suite!r} is not one of the release's own, so its key is needed",
            hint='add <key> with its URL or text, or signed="no" if it has no signature',
        )
    if not repository.signed and apt.keys != "signed-by":
        raise UnsupportedError(
            f"{where_repository(tdl, repository)}: the apt of this release cannot take one "
            f"unsigned repository alone, as {repository.name} would be",
            hint="sign it, and give its <key>",
        )


def _add_keyring(key_path: str, keyring: str) -> str:
    """apt before 1.4 takes binary keyrings only; a fetched key tells when it is there what it is."""
    key, ring = shlex.quote(key_path), shlex.quote(keyring)
    # --no-options: gpg makes no ~/.gnupg.
    return (
        f"if grep -q 'BEGIN PGP PUBLIC KEY' {key}; then gpg --no-options --dearmor <{key} >{ring}; "
        f"else cat {key} >{ring}; fi && chmod 644 {ring} && rm -f {key}"
    )


def _name_key(key_path: str, list_path: str) -> str:
    """apt takes armoured keys from .asc and binary ones from .gpg files only; a fetched key tells when it is there."""
    binary = key_path.removesuffix(".asc") + ".gpg"
    return (
        f"grep -q 'BEGIN PGP PUBLIC KEY' {shlex.quote(key_path)} || {{ mv {shlex.quote(key_path)} {shlex.quote(binary)}"
        f" && sed -i {shlex.quote(f's|{key_path}|{binary}|')} {shlex.quote(list_path)}; }}"
    )


def _file(apt: _Apt, name: str) -> str:
    # apt passes over names with a character outside letters, digits, hyphen, underscore and full stop, which is what
    # a repository's name consists of (apt_preferences(5), "files"); and over hidden files, so a prefix comes first.
    return f"/etc/apt/sources.list.d/oz-{name}.{apt.form}"


def _key_file(apt: _Apt, name: str, suffix: str) -> str:
    """Where the key is written. From the one keyring it can be taken out again by this file alone, so it stays."""
    directory = {"ring": "/etc/apt/oz-", "parts": "/var/tmp/oz-", "signed-by": "/etc/apt/keyrings/"}[apt.keys]
    return f"{directory}{name}.{suffix}"


def _keyring(name: str) -> str:
    # Read since apt 0.7.25.1 (its changelog).
    return f"/etc/apt/trusted.gpg.d/oz-{name}.gpg"


def _login_file(name: str) -> str:
    return f"/etc/apt/auth.conf.d/90oz-{name}.conf"


def _tls_file(name: str) -> str:
    return f"/etc/apt/apt.conf.d/90oz-{name}.conf"


def _remove(apt: _Apt, repository: Repository) -> Action:
    name = repository.name
    keys = [_key_file(apt, name, suffix) for suffix in ("asc", "gpg")]
    paths = [_file(apt, name), _tls_file(name), *keys]
    paths += [_keyring(name)] if apt.keys == "parts" else []
    paths += [_login_file(name)] if apt.has_https else []
    script = shlex.join(["rm", "-f", *paths])
    if apt.keys == "ring" and repository.key is not None:
        script = f"{_forget_keys(keys)}\n{script}"
    return run(f"remove repository {name}", script)


def _forget_keys(paths: list[str]) -> str:
    """apt-key takes the last eight digits of a key's number; gpg lists the keys of a file with all sixteen."""
    return (
        f"for file in {shlex.join(paths)}; do\n"
        '    [ -e "$file" ] || continue\n'
        '    gpg --no-options --no-default-keyring --homedir /etc/apt --with-colons "$file" | sed -n '
        r"'s/^pub:[^:]*:[^:]*:[^:]*:[0-9A-F]\{8\}\([0-9A-F]\{8\}\):.*/\1/p' |"
        '\n        while read -r key; do apt-key del "$key"; done\n'
        "done"
    )


def _parse(text: str) -> tuple[InstalledPackage, ...]:
    """Read lines of name, version, architecture and state, parted by tabs; versions as deb-version(7) divides them."""
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 4:
            raise GuestError(f"the list of packages has a line that is none: {line[:80]!r}")
        name, version, architecture, state = fields
        if not state.endswith(" installed"):
            continue
        epoch, colon, rest = version.partition(":")
        if not colon:
            epoch, rest = "", version
        upstream, hyphen, revision = rest.rpartition("-")
        found.append(
            InstalledPackage(
                name=name,
                version=upstream if hyphen else rest,
                release=revision if hyphen else "",
                epoch=epoch,
                architecture=architecture,
            )
        )
    return tuple(found)


def _manager(apt: _Apt) -> PackageManager:
    return PackageManager(
        prepare=partial(_prepare, apt),
        add_repository=partial(_add, apt),
        remove_repository=partial(_remove, apt),
        install=CommandLine(
            refresh_command="apt-get -q update",
            install_command=_INSTALL,
            only_from=f"-o Dir::Etc::SourceList={_file(apt, '{name}')} -o Dir::Etc::SourceParts=-",
            clean_command="apt-get clean",
        ).install,
        list_command="dpkg-query -W -f '${Package}\\t${Version}\\t${Architecture}\\t${Status}\\n'",
        parse=_parse,
    )


MANAGERS = {name: _manager(apt) for name, apt in _APTS.items()}
