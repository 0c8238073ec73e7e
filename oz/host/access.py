"""Keys, passwords and nonces: made, kept beside an image, read back. The only importer of the crypto libraries.

id_rsa id_rsa.pub   for ssh -i
known_hosts         for ssh -o UserKnownHostsFile=... -o HostKeyAlias=oz-guest
access.json         all of it; what `load` reads
root-password       what is left of it once the image is sealed
"""

import base64
import json
import os
import secrets
import string
import tempfile
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from passlib.exc import PasswordValueError
from passlib.hash import md5_crypt, sha512_crypt

from oz.errors import HostError, UsageError
from oz.model import Access

HOST_ALIAS = "oz-guest"
"""The name of the guest in known_hosts."""

_KEY_BITS = 3072
_PASSWORD_LENGTH = 20
_PASSWORD_CHARACTERS = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
_PLACEHOLDER = "placeholder"


def new_access(
    schemes: Collection[str], *, root_password: str | None = None, private_key_file: Path | None = None
) -> Access:
    """Fresh secrets: a key pair (or the given one), a nonce, and a random password unless one is given.

    `schemes` says which crypt(3) hashes of it are wanted: "sha512", "md5". Raises HostError for a key file that is
    of no use.
    """
    private, public = _load_key(private_key_file) if private_key_file else _new_key()
    password = root_password
    if password is None:
        password = _random_password()
    return Access(
        public_key=public,
        private_key=private,
        root_password=password,
        password_hashes=_hash_password(password, schemes, salt=None),
        nonce=secrets.token_hex(16),
    )


def _random_password() -> str:
    """One with letters of both cases and a digit, as some systems demand."""
    while True:
        password = "".join(secrets.choice(_PASSWORD_CHARACTERS) for _ in range(_PASSWORD_LENGTH))
        if all(set(kind) & set(password) for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)):
            return password


def placeholder_access(schemes: Collection[str], *, root_password: str | None = None) -> Access:
    """The same every time: for plans that are shown, compared or hashed. Opens nothing."""
    password = _PLACEHOLDER if root_password is None else root_password
    return Access(
        public_key=_public_line(_placeholder_key()),
        private_key=_PLACEHOLDER,
        root_password=password,
        password_hashes=_hash_password(password, schemes, salt=_PLACEHOLDER),
        nonce="0" * 32,
    )


def save(access: Access, directory: Path) -> None:
    """Keep `access` in `directory` (made, 0700), each file by one rename, access.json last. Raises HostError."""
    known_hosts = "".join(f"{HOST_ALIAS} {key}\n" for key in access.host_keys)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(directory / "id_rsa", access.private_key, mode=0o600)
        _write(directory / "id_rsa.pub", access.public_key + "\n", mode=0o644)
        _write(directory / "known_hosts", known_hosts, mode=0o644)
        _write(directory / "access.json", json.dumps(asdict(access), indent=1) + "\n", mode=0o600)
    except OSError as error:
        raise HostError(f"cannot keep the keys in {directory}: {error.strerror or error}") from error


def seal(directory: Path) -> None:
    """Forget what no longer opens a sealed image: key and host keys go, the root password stays (0600).

    Raises HostError.
    """
    access = load(directory)
    if access is None:
        return
    try:
        _write(directory / "root-password", access.root_password + "\n", mode=0o600)
        for name in ("access.json", "id_rsa", "id_rsa.pub", "known_hosts"):
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"cannot remove the keys in {directory}: {error.strerror or error}") from error


def load(directory: Path) -> Access | None:
    """What `save` kept; None if there is nothing. Raises HostError if it is damaged."""
    path = directory / "access.json"
    try:
        kept = json.loads(path.read_bytes())
        return Access(
            public_key=_text(kept["public_key"]),
            private_key=_text(kept["private_key"]),
            root_password=_text(kept["root_password"]),
            password_hashes={_text(scheme): _text(value) for scheme, value in kept["password_hashes"].items()},
            nonce=_text(kept["nonce"]),
            host_keys=tuple(_text(key) for key in kept["host_keys"]),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HostError(
            f"{path} is damaged: {type(error).__name__}",
            hint="name a key that opens the guest with --ssh-key, or put the file back",
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _write(path: Path, text: str, *, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _placeholder_key() -> bytes:
    """An RSA public key as ssh writes it (RFC 4253, 6.6), put together here: cryptography takes a tenth of a second to
    import, and a dry run needs nothing else of it."""
    modulus = (1 << (_KEY_BITS - 1)) + 1
    # A number has a leading zero byte where its first bit is set (RFC 4251, 5).
    fields = (b"ssh-rsa", (65537).to_bytes(3, "big"), modulus.to_bytes(_KEY_BITS // 8 + 1, "big"))
    return b"ssh-rsa " + base64.b64encode(b"".join(len(field).to_bytes(4, "big") + field for field in fields))


def _new_key() -> tuple[str, str]:
    """RSA and PEM's traditional form: what sshd of twenty years ago and today both take."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode("ascii"), _public_line(public)


def _load_key(path: Path) -> tuple[str, str]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    hint = "give an unencrypted private key, PEM or OpenSSH (ssh-keygen -p takes the passphrase off a copy)"
    try:
        private = path.read_bytes()
        load = serialization.load_pem_private_key
        if b"OPENSSH PRIVATE KEY" in private:
            load = serialization.load_ssh_private_key
        public = load(private, None).public_key()
        line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return private.decode("ascii"), _public_line(line)
    except OSError as error:
        raise HostError(f"cannot read the private key {path}: {error.strerror or error}", hint=hint) from error
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        raise HostError(f"{path} is not a private key that can be used", hint=hint) from error


def _public_line(public: bytes) -> str:
    return f"{public.decode('ascii')} oz"


def _hash_password(password: str, schemes: Collection[str], *, salt: str | None) -> dict[str, str]:
    try:
        return {scheme: _crypt(scheme, password, salt) for scheme in sorted(schemes)}
    except PasswordValueError as error:
        raise UsageError("the root password holds a character that crypt(3) cannot take, or is too long") from error


def _crypt(scheme: str, password: str, salt: str | None) -> str:
    """crypt(3)'s own hash. 5000 rounds is its default for sha512: only then is "rounds=" absent from the result."""
    settings: dict[str, object] = {} if salt is None else {"salt": salt}
    if scheme == "sha512":
        return str(sha512_crypt.using(rounds=5000, **settings).hash(password))
    if scheme == "md5":
        return str(md5_crypt.using(**({"salt": salt[:8]} if salt else {})).hash(password))
    raise ValueError(f"no password scheme {scheme!r}")
