"""up2date, the package manager of RHEL 3 and 4."""

import shlex
from urllib.parse import urlsplit

from oz.errors import UnsupportedError
from oz.guests.packages import rpmdb
from oz.guests.packages.manager import CommandLine, PackageManager, check_url, refuse_repository, run, where_repository
from oz.guests.packages.yum import refuse_unchecked
from oz.model import Action, Repository, Tdl

_SOURCES = "/etc/sysconfig/rhn/sources"


def _write_sources(text: str) -> str:
    """A script that replaces the list of sources by the output of a command."""
    return f"{text} {_SOURCES} >{_SOURCES}.oz\ncat {_SOURCES}.oz >{_SOURCES}\nrm -f {_SOURCES}.oz"


def _prepare(tdl: Tdl) -> tuple[Action, ...]:
    """up2date refuses to work without the distribution's own key, and asks Red Hat's server unless told not to, which
    answers systems alone that are registered there."""
    if not (tdl.packages or tdl.repositories):
        return ()
    left_out = _write_sources("sed 's/^ *up2date  *default/#&/'")
    script = (
        "for key in /usr/share/rhn/RPM-GPG-KEY*; do\n"
        '    [ ! -e "$key" ] || rpm --import "$key"\n'
        "done\n"
        "if [ ! -s /etc/sysconfig/rhn/systemid ]; then\n"
        f"{left_out}\n"
        "fi"
    )
    return (run("prepare up2date", script),)


def _without(name: str) -> str:
    return _write_sources(f'awk \'!($1 == "yum" && $2 == "{name}")\'')


def _add(tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    """A line "yum NAME URL", in which # begins a comment (sourcesConfig.py of up2date)."""
    check_url(tdl, repository)
    name = repository.name
    if not repository.signed:
        raise UnsupportedError(
            f"{where_repository(tdl, repository)}: up2date checks the signatures of all repositories or of none, so "
            f"{name} alone cannot be unsigned",
            hint="sign its packages, and give its <key>",
        )
    if "#" in repository.url or "@" in urlsplit(repository.url).netloc:
        reason = "up2date takes no URL with a #, and keeps a user and password in a file that everybody can read"
        refuse_repository(tdl, repository, reason, "serve it at a plain URL")
    refuse_unchecked(tdl, repository, "the up2date")
    line = shlex.quote(f"yum {name} {repository.url}")
    script = f"set -e\n{_without(name)}\nprintf '%s\\n' {line} >>{_SOURCES}"
    return (*rpmdb.bring_key(repository), run(f"add repository {name}", script))


def _remove(repository: Repository) -> Action:
    return rpmdb.remove(repository, _without(repository.name))


def _guard(script: str) -> str:
    """up2date says which packages it did not find, and is content (its words and options from memory)."""
    return (
        f"said=$(LC_ALL=C {script} 2>&1)\n"
        "status=$?\n"
        'printf "%s\\n" "$said"\n'
        'case "$said" in *"requested were not found"*) exit 1 ;; esac\n'
        "exit $status"
    )


MANAGERS = {
    "up2date": PackageManager(
        prepare=_prepare,
        add_repository=_add,
        remove_repository=_remove,
        install=CommandLine(
            install_command="up2date --nox {options} --install",
            only_from="--channel={name}",
            clean_command="rm -f /var/spool/up2date/*.rpm /var/spool/up2date/*.hdr",
            guard=_guard,
        ).install,
        list_command=rpmdb.LIST_COMMAND,
        parse=rpmdb.parse,
    )
}
