"""What a package manager is to us, and what those with a command line for it do alike."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from oz.errors import TdlError
from oz.model import Action, Content, InstalledPackage, Package, Repository, RunCommand, Tdl


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManager:
    prepare: Callable[[Tdl], tuple[Action, ...]] = lambda tdl: ()
    """What must be there before the template's repositories can be read."""
    add_repository: Callable[[Tdl, Repository, str], tuple[Action, ...]]
    """Template, repository and the release's codename to what makes the repository known."""
    remove_repository: Callable[[Repository], Action]
    install: Callable[[Tdl], tuple[Action, ...]]
    """The template's packages."""
    list_command: str
    parse: Callable[[str], tuple[InstalledPackage, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """How a package manager is told to install."""

    install_command: str
    """Takes package names after it, and more words in the place of {options}."""
    only_from: str
    """Words that make the install command use one repository alone; {name} is its name."""
    clean_command: str
    refresh_command: str | None = None
    """Reads the lists of all repositories again; None where installing does."""
    guard: Callable[[str], str] | None = None
    """Makes of the install command a script whose status tells whether all was installed; None: it tells itself."""

    def install(self, tdl: Tdl) -> tuple[Action, ...]:
        """One command for all packages that ask for nothing special, then one for each other."""
        if not tdl.packages:
            return ()
        plain = [package for package in tdl.packages if package.repository is None and package.arguments is None]
        special = [package for package in tdl.packages if package not in plain]
        scripts = []
        if self.refresh_command is not None and any(package.repository is None for package in tdl.packages):
            scripts.append(("refresh the package lists", self.refresh_command))
        if plain:
            scripts.append(("install packages", self._install_script(tdl, plain)))
        scripts += [(f"install {package.name}", self._install_script(tdl, [package])) for package in special]
        scripts.append(("remove downloaded packages", self.clean_command))
        return tuple(run(label, script) for label, script in scripts)

    def _install_script(self, tdl: Tdl, chosen: list[Package]) -> str:
        options = []
        first = chosen[0]
        if first.repository is not None:
            options += shlex.split(self.only_from.format(name=repository_of(tdl, first).name))
        options += shlex.split(first.arguments or "")
        before, after = (shlex.split(part) for part in self.install_command.split("{options}"))
        script = shlex.join([*before, *options, *after, *(package.name for package in chosen)])
        return self.guard(script) if self.guard else script


def run(label: str, script: str) -> RunCommand:
    return RunCommand(label=label, script=Content(data=f"{script}\n".encode()))


def repository_of(tdl: Tdl, package: Package) -> Repository:
    """The template's repository that a package names. Raises TdlError."""
    for repository in tdl.repositories:
        if repository.name == package.repository:
            return repository
    raise TdlError(
        f"{where_package(tdl, package)}: package {package.name} names the repository {package.repository!r}, "
        "which the template does not have",
        hint="add it under <repositories>",
    )


def where_package(tdl: Tdl, package: Package) -> str:
    """FILE:LINE of a package of the template."""
    return tdl.where(f"packages/package[{tdl.packages.index(package) + 1}]")


def where_repository(tdl: Tdl, repository: Repository) -> str:
    """FILE:LINE of a repository of the template."""
    return tdl.where(f"repositories/repository[{tdl.repositories.index(repository) + 1}]")


def refuse_repository(tdl: Tdl, repository: Repository, reason: str, hint: str) -> NoReturn:
    raise TdlError(f"{where_repository(tdl, repository)}: repository {repository.name}: {reason}", hint=hint)


def check_url(tdl: Tdl, repository: Repository) -> None:
    """Return if it is a URL alone. Raises TdlError."""
    if repository.url.startswith("deb "):
        refuse_repository(tdl, repository, "it is written for apt", "give its URL alone: the directory above repodata")


def check_open(tdl: Tdl, repository: Repository, tool: str) -> None:
    """Return if it is a URL alone, of a server that asks for no login and whose certificate is checked: `tool` knows
    neither a place for a password nor an exception. Raises TdlError."""
    check_url(tdl, repository)
    parts = urlsplit(repository.url)
    if "@" in parts.netloc:
        reason = f"{tool} keeps a user and password in a file that everybody can read"
        refuse_repository(tdl, repository, reason, "serve it without a password")
    if parts.scheme == "https" and not repository.sslverify:
        reason = f"{tool} cannot leave the certificate of one server unchecked"
        hint = "use http: signatures are checked" if repository.signed else "give it one that the system knows"
        refuse_repository(tdl, repository, reason, hint)


def take_login(tdl: Tdl, repository: Repository, url: str, tool: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without user and password, and these two, which `tool` is able to keep in a file of root's.

    Raises TdlError where they would be seen on the network, or where such a file cannot hold them.
    """
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return url, None
    if parts.scheme != "https":
        reason = f"by {parts.scheme} its password would cross the network unhidden"
        refuse_repository(tdl, repository, reason, "use https")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not all(re.fullmatch(r"[!-~]+", word) for word in (user, password)):
        reason = f"{tool} takes a user and a password of printable ASCII without blanks"
        refuse_repository(tdl, repository, reason, "give both, or none")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), (user, password)
