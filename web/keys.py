"""The panel's keys: the hash of the password, the secret that signs sessions, the hashes of the API's tokens.

They stand in one file of mode 0600 beside the database's directory and nowhere else: not in the settings, which are
shown, and not in the database, which is dumped. A running panel sees a change at once.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
from werkzeug.security import check_password_hash, generate_password_hash

from atlas.errors import ConfigurationError, UsageError

LEAST = 10
"""Characters a password has at least."""

TOKEN_PREFIX = "atlas_"


class Keys(msgspec.Struct, frozen=True):
    """What the file holds: `password` as a scrypt hash, empty while none is set; `tokens` as name → SHA-256."""

    session: str
    password: str = ""
    tokens: dict[str, str] = {}

    def opens(self, password: str) -> bool:
        """Return whether this is the password."""
        return bool(self.password) and check_password_hash(self.password, password)

    @property
    def fingerprint(self) -> str:
        """What a session remembers of the password it was opened with: a new one ends all sessions."""
        return hashlib.sha256(f"{self.session}:{self.password}".encode()).hexdigest()[:32]

    def reader(self, token: str) -> str | None:
        """Return the name of a token, None if there is no such token."""
        hashed = _hashed(token)
        found = [name for name, known in self.tokens.items() if secrets.compare_digest(known, hashed)]
        return found[0] if found else None


class KeyFile:
    """The file. Reading one that is not there gives keys of an own secret and no password, and writes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys = Keys(secrets.token_hex(32))

    def read(self) -> Keys:
        """Return the keys as they are now. Raises ConfigurationError."""
        try:
            stat = self.path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._keys = msgspec.json.decode(self.path.read_bytes(), type=Keys)
                self._seen = seen
        except FileNotFoundError:
            self._seen, self._keys = None, msgspec.structs.replace(self._keys, password="", tokens={})
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{self.path} is damaged: {error}; remove it and set a password anew: `atlas web set-password`"
            ) from None
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error.strerror}; mend its owner or mode") from None
        return self._keys

    def set_password(self, password: str) -> None:
        """Hash and keep a password; whoever is logged in is logged out. Raises UsageError, ConfigurationError."""
        if len(password) < LEAST:
            raise UsageError(f"a password of {len(password)} characters is too short: at least {LEAST}")
        hashed = generate_password_hash(password, method="scrypt")
        self._change(lambda keys: msgspec.structs.replace(keys, password=hashed))

    def add_token(self, name: str) -> str:
        """Make a token that reads the API and return it; only its hash is kept. Raises UsageError."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)

        def added(keys: Keys) -> Keys:
            if name in keys.tokens:
                raise UsageError(f"there is a token named {name!r} already: take another name, or --remove it first")
            return msgspec.structs.replace(keys, tokens={**keys.tokens, name: _hashed(token)})

        self._change(added)
        return token

    def remove_token(self, name: str) -> None:
        """Take a token back. Raises UsageError."""

        def removed(keys: Keys) -> Keys:
            if name not in keys.tokens:
                raise UsageError(f"there is no token named {name!r}; there are: {', '.join(keys.tokens) or 'none'}")
            return msgspec.structs.replace(keys, tokens={one: h for one, h in keys.tokens.items() if one != name})

        self._change(removed)

    def _change(self, change: Callable[[Keys], Keys]) -> None:
        """Write the file anew, whole or not at all, readable by the owner of its directory and nobody else."""
        written = msgspec.json.encode(change(self.read()))
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(written)
            if os.geteuid() == 0:  # set by root for the service's own user
                owner = self.path.parent.stat()
                os.chown(part, owner.st_uid, owner.st_gid)
            part.replace(self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}; mend its directory") from None


def _hashed(token: str) -> str:
    """A token is 256 random bits: one plain hash is enough, unlike for a password."""
    return hashlib.sha256(token.encode()).hexdigest()
