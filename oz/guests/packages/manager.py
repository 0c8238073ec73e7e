"""What a package manager is to us, and what all of them do alike."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from oz.errors import TdlError
from oz.model import Action, Content, InstalledPackage, Package, Repository, RunCommand, Tdl


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManager:
    prepare: Callable[[Tdl], tuple[Action, ...]]
    """What must be there before the template's repositories can be read."""
    add_repository: Callable[[Tdl, Repository, str], tuple[Action, ...]]
    """Template, repository and the release's codename to what makes the repository known."""
    remove_repository: Callable[[Repository], Action]
    refresh_command: str
    """Reads the lists of all repositories again."""
    install_command: str
    """Takes package names after it."""
    only_from: str
    """Words that make the install command use one repository alone; {file} is its file."""
    repository_file: str
    """Where a repository is written; {name} is its name."""
    clean_command: str
    list_command: str
    parse: Callable[[str], tuple[InstalledPackage, ...]]

    def install(self, tdl: Tdl) -> tuple[Action, ...]:
        """The template's packages: one command for all that ask for nothing special, then one for each other."""
        if not tdl.packages:
            return ()
        plain = [package for package in tdl.packages if package.repository is None and package.arguments is None]
        special = [package for package in tdl.packages if package not in plain]
        scripts = []
        if any(package.repository is None for package in tdl.packages):
            scripts.append(("refresh the package lists", self.refresh_command))
        if plain:
            scripts.append(("install packages", self._install_script(tdl, plain)))
        scripts += [(f"install {package.name}", self._install_script(tdl, [package])) for package in special]
        scripts.append(("remove downloaded packages", self.clean_command))
        return tuple(run(label, script) for label, script in scripts)

    def _install_script(self, tdl: Tdl, chosen: list[Package]) -> str:
        words = shlex.split(self.install_command)
        first = chosen[0]
        if first.repository is not None:
            if first.repository not in {repository.name for repository in tdl.repositories}:
                where = tdl.where(f"packages/package[{tdl.packages.index(first) + 1}]")
                raise TdlError(
                    f"{where}: package {first.name} names the repository {first.repository!r}, "
                    "which the template does not have",
                    hint="add it under <repositories>",
                )
            words += shlex.split(self.only_from.format(file=self.repository_file.format(name=first.repository)))
        if first.arguments is not None:
            words += shlex.split(first.arguments)
        return shlex.join([*words, "--", *(package.name for package in chosen)])


def run(label: str, script: str) -> RunCommand:
    return RunCommand(label=label, script=Content(data=f"{script}\n".encode()))


def where_repository(tdl: Tdl, repository: Repository) -> str:
    """FILE:LINE of a repository of the template."""
    return tdl.where(f"repositories/repository[{tdl.repositories.index(repository) + 1}]")
