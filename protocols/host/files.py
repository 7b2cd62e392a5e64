"""Files: read with limits and clear errors, written whole or not at all, private keys kept private."""

from __future__ import annotations

import json
import os
import secrets
import stat
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import BaseModel, ValidationError

from protocols.errors import ConfigError
from protocols.keys import Signer, signer_from_private
from protocols.limits import DOCUMENT_MAX_BYTES

ModelT = TypeVar("ModelT", bound=BaseModel)

_KEY_MAX_BYTES = 16 * 1024
_CONFIG_MAX_BYTES = 1024 * 1024
_FIELD_MAX_CHARS = 120
_PROBLEM_MAX_CHARS = 300
_OTHERS = 0o077


def read_bytes(path: Path, *, max_bytes: int = DOCUMENT_MAX_BYTES) -> bytes:
    """Read a whole file, of at most `max_bytes` bytes.

    Raises:
        ConfigError: It is missing, unreadable, not a regular file, or too large.
    """
    return _read(path, max_bytes=max_bytes, private=False)


def _read(path: Path, *, max_bytes: int, private: bool) -> bytes:
    # Opened once and judged by its descriptor, so that nobody swaps the file between look and read;
    # non-blocking, so that a named pipe cannot hold us up.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ConfigError("there is no such file", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be opened: {error.strerror}", where=str(path)) from error
    try:
        _check_kind(path, os.fstat(descriptor), private=private)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise ConfigError(f"is larger than the limit of {max_bytes} bytes", where=str(path))
    return data


def _check_kind(path: Path, status: os.stat_result, *, private: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("is not a regular file", where=str(path))
    if private and status.st_mode & _OTHERS:
        raise ConfigError("others can read it, and it holds a secret", where=str(path), remedy=f"chmod 600 {path}")


def read_private(path: Path) -> bytes:
    """Read a file that holds a secret.

    Raises:
        ConfigError: It is missing, unreadable, too large, or others may read it.
    """
    return _read(path, max_bytes=_KEY_MAX_BYTES, private=True)


def read_private_key(path: Path) -> Signer:
    """Load an Ed25519 private key (PEM, PKCS #8, no passphrase) as a signer.

    Raises:
        ConfigError: The file is missing, others can read it, or it holds no such key.
    """
    pem = _read(path, max_bytes=_KEY_MAX_BYTES, private=True)
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigError(
            "the private key is encrypted with a passphrase", where=str(path), remedy="decrypt it first"
        ) from None
    except (ValueError, UnsupportedAlgorithm, InternalError):  # internal: a curve's key of another curve's length
        raise ConfigError("holds no PEM (PKCS #8) private key", where=str(path)) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError("is a private key, but not an Ed25519 one", where=str(path))
    return signer_from_private(private)


def generate_private_pem() -> bytes:
    """Make a new Ed25519 private key and return it as PEM, PKCS #8, unencrypted."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read (0600). Never overwrites.

    Raises:
        ConfigError: The file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(
            "is there already, and private files are never overwritten",
            where=str(path),
            remedy="choose another place, or remove it yourself",
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot be made: {error.strerror}", where=str(path)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(path)) from error


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file as a whole: after a crash there is the old content or the new, never a part.

    A symbolic link stays, and its target is replaced; a device or a pipe is never replaced by a file.

    Args:
        path: The file to make or replace.
        data: Its new content.
        mode: Its permissions, before the umask.

    Raises:
        ConfigError: It cannot be written, or is no regular file; what was there is untouched.
    """
    if path.exists() and not path.is_file():
        raise ConfigError("is not a regular file", where=str(path))
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_toml(path: Path, model: type[ModelT]) -> ModelT:
    """Read a TOML file as a strict model.

    Raises:
        ConfigError: It is missing, not TOML (naming the line), or not that model (naming the field).
    """
    data = read_bytes(path, max_bytes=_CONFIG_MAX_BYTES)
    try:
        # By way of JSON, because strict models take arrays for tuples there and only there.
        document = json.dumps(tomllib.loads(data.decode("utf-8")), default=_not_json)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", where=f"{path}, line {line}") from None
    except (ValueError, RecursionError) as error:  # not TOML, a number too long, or tables nested too deep
        raise ConfigError(f"is not TOML: {_clipped(str(error))}", where=str(path)) from None
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        raise _field_error(path, data, error) from None


def _not_json(value: object) -> list[list[str]]:
    """Stand in for TOML's dates and times, which no model of ours takes: refused, naming the field."""
    return [[str(value)]]


def _clipped(message: str) -> str:
    """Shorten a parser's message, which quotes the file, and keep its end, which says the line."""
    if len(message) <= _PROBLEM_MAX_CHARS:
        return message
    return f"{message[: _PROBLEM_MAX_CHARS - 50]}…{message[-49:]}"


def _field_error(path: Path, data: bytes, error: ValidationError) -> ConfigError:
    first: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # A field's name may be the file's own invention, and a message quote what it says: as long as they like.
    field = ".".join(str(part) for part in first["loc"])[:_FIELD_MAX_CHARS]
    problem = str(first["msg"])[:_PROBLEM_MAX_CHARS]
    names = [part for part in first["loc"] if isinstance(part, str)]
    line = _line_of(data, names[-1]) if names else None
    place = f"{path}, line {line}" if line else str(path)
    more = error.error_count() - 1
    rest = f"; and {more} more" if more else ""
    return ConfigError(f"{field}: {problem}{rest}" if field else f"{problem}{rest}", where=place)


def _line_of(data: bytes, name: str) -> int | None:
    """Find the only line that sets `name`; None where it is missing or stands in several tables."""
    found = [
        number
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1)
        if line.split("=", 1)[0].strip().strip("\"'") == name and "=" in line
    ]
    return found[0] if len(found) == 1 else None
