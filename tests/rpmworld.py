"""Packages and repositories of the rpm world, made and signed here, and a directory that its programs take for a root.

Everything that a plan would do in a guest is done below `Root.path`: its scripts run with each /etc and /var there, and
rpm, dnf and zypper are told of it by wrappers in front of the real ones.
"""

import base64
import os
import re
import shutil
import ssl
import subprocess
import threading
from dataclasses import dataclass, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from plans import sample_tdl

from oz.guests import RELEASES
from oz.guests.base import Guest
from oz.guests.debian import Debian
from oz.model import Action, Content, InstalledPackage, PutFile, Repository

USER = "me"
PASSWORD = "p@s:s/#%41'\"\\&;x"
SPEC = """Name: {name}
Epoch: 2
Version: 1.5
Release: 3
Summary: tiny
License: none
BuildArch: noarch
%description
%install
mkdir -p %{{buildroot}}/srv
echo {name} >%{{buildroot}}/srv/{name}
%files
/srv/{name}
"""


def guest_with(manager: str) -> Guest:
    """A guest that has this package manager, whatever its release."""
    release = next(release for release in RELEASES if release.planner is Debian)
    system = replace(release.facts.system, package_manager=manager)
    return Debian(replace(release, facts=replace(release.facts, system=system)), release.version, "x86_64")


def actions_of(manager: str, *repositories: Repository, **changes: object) -> tuple[Action, ...]:
    return guest_with(manager).plan_customize(sample_tdl(repositories=repositories, **changes))


def run(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=True, capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key of its own, in a GnuPG home with a path short enough for the agent's socket."""

    home: Path
    name: str

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "GNUPGHOME": str(self.home)}

    def make_key(self) -> "Signer":
        words = ["--batch", "--passphrase", "", "--quick-generate-key", self.name, "rsa2048", "sign", "never"]
        run("gpg", *words, env=self.environment)
        return self

    def public_key(self) -> Content:
        return Content(data=run("gpg", "--armor", "--export", self.name, env=self.environment).stdout.encode())

    def sign_package(self, path: Path) -> None:
        defines = ["--define", f"_gpg_name {self.name}", "--define", f"__gpg {shutil.which('gpg')}"]
        run("rpmsign", *defines, "--addsign", path, env=self.environment)

    def sign_lists(self, directory: Path) -> None:
        lists = directory / "repodata/repomd.xml"
        run(
            "gpg",
            "--batch",
            "--yes",
            "--local-user",
            self.name,
            "--armor",
            "--detach-sign",
            lists,
            env=self.environment,
        )


def build_package(name: str, directory: Path, work: Path) -> Path:
    """A package with one file, in `directory`."""
    spec = work / f"{name}.spec"
    spec.write_text(SPEC.format(name=name))
    directory.mkdir(parents=True, exist_ok=True)
    macros = {"_topdir": work / "rpmbuild", "_rpmdir": directory, "_build_name_fmt": "%{NAME}.rpm"}
    defines = [word for macro, value in macros.items() for word in ("--define", f"{macro} {value}")]
    run("rpmbuild", "-bb", *defines, spec)
    return directory / f"{name}.rpm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    path: Path

    def make(self) -> "Root":
        for directory in ("etc/yum.repos.d", "etc/zypp/repos.d", "etc/pki/rpm-gpg", "var/tmp", "var/lib/rpm", "bin"):
            (self.path / directory).mkdir(parents=True)
        # Debian's rpm, and so dnf, has its database in root's home; zypper has it where every other system does.
        (self.path / "root").mkdir()
        (self.path / "root/.rpmdb").symlink_to("../var/lib/rpm")
        wrappers = {
            "rpm": f"--root={self.path}",
            "dnf": f"--installroot={self.path} --setopt=reposdir={self.path}/etc/yum.repos.d --releasever=1",
            "zypper": f"--root={self.path} --releasever=1",
        }
        for name, words in wrappers.items():
            wrapper = self.path / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/{name} {words} "$@"\n')
            wrapper.chmod(0o755)
        return self

    def there(self, text: str) -> str:
        return re.sub(r"(?<![\w.])/(etc|var)/", rf"{self.path}/\1/", text)

    def do(self, actions: tuple[Action, ...]) -> str:
        """Carry out; the output. Raises AssertionError with what a script said if it fails."""
        said = []
        for action in actions:
            if isinstance(action, PutFile):
                path = Path(self.there(action.path))
                path.parent.mkdir(parents=True, exist_ok=True)
                data = action.content.data or b""
                path.write_bytes(data if b"\0" in data else self.there(data.decode()).encode())
                path.chmod(action.mode)
                continue
            script = self.there((action.script.data or b"").decode())
            environment = {**os.environ, "PATH": f"{self.path}/bin:{os.environ['PATH']}"}
            done = subprocess.run(
                ["sh", "-c", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
            )
            said.append(done.stdout)
            assert done.returncode == 0, f"{action.label}: {done.returncode}: {done.stdout}"
        return "".join(said)

    def packages(self) -> tuple[InstalledPackage, ...]:
        """What rpm lists by the manifest's command."""
        guest = guest_with("dnf")
        environment = {**os.environ, "PATH": f"{self.path}/bin:{os.environ['PATH']}"}
        listed = run("sh", "-c", guest.plan_manifest(sample_tdl()).command, env=environment).stdout
        return guest.parse_packages(listed)

    def installed(self) -> dict[str, str]:
        """Name to architecture."""
        return {package.name: package.architecture for package in self.packages()}


class PrivateServer:
    """Serves a directory by https to who knows user and password, with a certificate that nobody vouches for."""

    def __init__(self, directory: Path, work: Path) -> None:
        self.refused = 0
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: object) -> None:
                super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]

            def do_GET(self) -> None:
                given = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                if self.headers.get("Authorization") == given:
                    super().do_GET()
                    return
                server.refused += 1
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        key, certificate = work / "tls.key", work / "tls.crt"
        words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=nobody", "-batch"]
        run("openssl", "req", *words, "-keyout", key, "-out", certificate)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self) -> str:
        """With user and password."""
        password = quote(PASSWORD, safe="")
        return f"https://{USER}:{password}@127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
