"""Keys and hashes are judged by ssh-keygen and openssl, not by the libraries that made them."""

import base64
import json
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from oz.errors import HostError, UsageError
from oz.host import access


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_key_is_one_that_openssh_takes(tmp_path: Path) -> None:
    made = access.new_access(())
    access.save(made, tmp_path / "NAME.oz")
    assert made.private_key.startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert run("ssh-keygen", "-l", "-f", tmp_path / "NAME.oz/id_rsa.pub").split()[0] == "3072"
    assert made.public_key.endswith(" oz")
    assert run("ssh-keygen", "-y", "-f", tmp_path / "NAME.oz/id_rsa").split()[:2] == made.public_key.split()[:2]


@pytest.mark.parametrize(("scheme", "option"), [("sha512", "-6"), ("md5", "-1")])
def test_hashes_agree_with_openssl(scheme: str, option: str) -> None:
    password = "pässword with 'blanks'"
    for made in (
        access.new_access((scheme,), root_password=password),
        access.placeholder_access((scheme,), root_password=password),
    ):
        value = made.password_hashes[scheme]
        assert value == run("openssl", "passwd", option, "-salt", value.split("$")[2], password).strip()


def test_every_build_has_its_own_secrets() -> None:
    one, two = access.new_access(("sha512",)), access.new_access(("sha512",))
    assert one.root_password != two.root_password
    assert one.nonce != two.nonce
    assert one.private_key != two.private_key
    assert len(one.root_password) == 20
    assert one.root_password.isalnum()
    assert len(one.nonce) == 32
    assert one.root_password not in repr(one)
    assert one.nonce not in repr(one)


def test_the_placeholder_key_is_one_that_openssh_takes(tmp_path: Path) -> None:
    """Read, written in another form, and read again, it is byte for byte the same."""
    line = access.placeholder_access(()).public_key
    (tmp_path / "key.pub").write_text(f"{line}\n")
    assert run("ssh-keygen", "-l", "-f", tmp_path / "key.pub").split()[0] == "3072"
    (tmp_path / "key.rfc").write_text(run("ssh-keygen", "-e", "-m", "RFC4716", "-f", tmp_path / "key.pub"))
    assert run("ssh-keygen", "-i", "-m", "RFC4716", "-f", tmp_path / "key.rfc").split()[:2] == line.split()[:2]


def test_placeholders_are_the_same_every_time_and_follow_the_password(tmp_path: Path) -> None:
    assert access.placeholder_access(("sha512", "md5")) == access.placeholder_access(("md5", "sha512"))
    other = access.placeholder_access(("sha512",), root_password="other")
    assert other.password_hashes != access.placeholder_access(("sha512",)).password_hashes
    (tmp_path / "key.pub").write_text(other.public_key)
    assert run("ssh-keygen", "-l", "-f", tmp_path / "key.pub").split()[0] == "3072"


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "ecdsa"])
def test_own_key_is_used(tmp_path: Path, kind: str) -> None:
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key)
    made = access.new_access((), private_key_file=key)
    assert made.public_key.split()[:2] == (tmp_path / "key.pub").read_text().split()[:2]
    assert made.private_key == key.read_text()


def test_own_key_of_no_use_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    with pytest.raises(HostError, match=r"cannot read the private key .*No such file"):
        access.new_access((), private_key_file=key)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key)
    with pytest.raises(HostError, match="not a private key that can be used"):
        access.new_access((), private_key_file=key)
    key.write_bytes(b"\xff garbage")
    with pytest.raises(HostError, match="not a private key that can be used"):
        access.new_access((), private_key_file=key)


def test_password_that_crypt_cannot_take_is_refused() -> None:
    with pytest.raises(UsageError, match="root password holds a character"):
        access.new_access(("sha512",), root_password="a\0b")


def test_saved_is_what_is_loaded_and_secret(tmp_path: Path) -> None:
    directory = tmp_path / "NAME.oz"
    assert access.load(directory) is None
    made = replace(access.new_access(("sha512", "md5")), host_keys=("ssh-ed25519 AAAA", "ssh-rsa BBBB"))
    access.save(made, directory)
    assert access.load(directory) == made
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "access.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((directory / "id_rsa").stat().st_mode) == 0o600
    renewed = replace(made, root_password="new", host_keys=())
    access.save(renewed, directory)
    assert access.load(directory) == renewed
    assert sorted(path.name for path in directory.iterdir()) == ["access.json", "id_rsa", "id_rsa.pub", "known_hosts"]


def test_known_hosts_is_one_that_openssh_reads(tmp_path: Path) -> None:
    key = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()
    access.save(replace(access.placeholder_access(()), host_keys=(key,)), tmp_path)
    assert key in run("ssh-keygen", "-F", access.HOST_ALIAS, "-f", tmp_path / "known_hosts")


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"public_key": 1}', b"\xff\xfe", b"[" * 100_000])
def test_damaged_access_is_said(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "access.json").write_bytes(damage)
    with pytest.raises(HostError, match=r"access.json is damaged"):
        access.load(tmp_path)


def test_access_of_wrong_types_is_damaged(tmp_path: Path) -> None:
    access.save(access.placeholder_access(("sha512",)), tmp_path)
    kept = json.loads((tmp_path / "access.json").read_text())
    (tmp_path / "access.json").write_text(json.dumps({**kept, "host_keys": [1]}))
    with pytest.raises(HostError, match="damaged"):
        access.load(tmp_path)


def test_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"cannot keep the keys in .*file/x"):
        access.save(access.placeholder_access(()), tmp_path / "file/x")


def test_sealing_leaves_the_password_and_nothing_that_opens_the_old_keys(tmp_path):
    kept = access.new_access(("sha512",), root_password="pass word")
    access.save(kept, tmp_path)
    access.seal(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"root-password"}
    assert (tmp_path / "root-password").read_text() == "pass word\n"
    assert (tmp_path / "root-password").stat().st_mode & 0o777 == 0o600
    assert access.load(tmp_path) is None
    access.seal(tmp_path)
