"""Files: clear errors with the place, private keys kept private, and nothing half-written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from protocols.config import AgentConfig
from protocols.errors import ConfigError
from protocols.host.files import (
    generate_private_pem,
    read_bytes,
    read_private_key,
    read_toml,
    write_atomic,
    write_private,
)
from protocols.keys import PublicKey, record_of

AGENT = """\
site = "alpha"
root = "root.json"
policy = "policy.json"
record = "alpha.json"
key = "alpha.key"
state = "state"
veto = "veto"

[broker]
port = 1883

[driver]
argv = ["worker", "--fast"]
environment = { NAME = "value" }
"""


def key_file(path: Path, pem: bytes, mode: int = 0o600) -> Path:
    """Write a key file with a mode."""
    path.write_bytes(pem)
    path.chmod(mode)
    return path


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    """A key that was made and written is read back as a signer that verifies."""
    path = tmp_path / "a.key"
    write_private(path, generate_private_pem())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    signer = read_private_key(path)
    signature = bytes.fromhex(signer.sign(b"x").signature)
    assert PublicKey.load(record_of(signer)).verifies(signature, b"x")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o620, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """Any right of the group or of others is too much, and the way out is a command."""
    path = key_file(tmp_path / "a.key", generate_private_pem(), mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        read_private_key(path)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    """Another curve, an encrypted key, a public key and rubbish each say what they are not."""
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    private = Ed25519PrivateKey.generate()
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    for pem, message in (
        (curve, "not an Ed25519"),
        (locked, "passphrase"),
        (b"rubbish", "no PEM"),
        (b"", "no PEM"),
        (bytes(20_000), "larger than"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_private_key(key_file(tmp_path / "a.key", pem))


def test_a_private_file_is_never_overwritten(tmp_path: Path) -> None:
    """A second key in the same place would make the first one's owner mute."""
    path = tmp_path / "a.key"
    write_private(path, b"first")
    with pytest.raises(ConfigError, match="never overwritten"):
        write_private(path, b"second")
    assert path.read_bytes() == b"first"


def test_a_private_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    """A link that somebody left there does not send the key elsewhere."""
    (tmp_path / "a.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="never overwritten"):
        write_private(tmp_path / "a.key", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def test_a_private_file_ignores_the_umask(tmp_path: Path) -> None:
    """Whatever the umask: the owner may read and write, nobody else anything."""
    before = os.umask(0o777)
    try:
        write_private(tmp_path / "a.key", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Missing, a folder, a pipe, too large: each is one line with the path."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(11))
    for name, message in (
        ("missing", "no such file"),
        ("", "regular file"),
        ("pipe", "regular file"),
        ("large", "larger than the limit of 10"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            read_bytes(tmp_path / name, max_bytes=10)
        assert str(tmp_path / name) in str(caught.value)
    (tmp_path / "fits").write_bytes(bytes(10))
    assert read_bytes(tmp_path / "fits", max_bytes=10) == bytes(10)


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails in the middle, the old file stands and no half one lies beside it."""
    path = tmp_path / "state"
    write_atomic(path, b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigError, match="No space left"):
        write_atomic(path, b"new")
    with pytest.raises(ConfigError, match="No space left"):
        write_private(tmp_path / "key", b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_never_takes_the_place_of_something_else(tmp_path: Path) -> None:
    """`--out /dev/null`, typed as root, must not leave the machine without /dev/null; a link stays a link."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link-to-pipe").symlink_to("pipe")
    for name in ("pipe", "folder", "link-to-pipe"):
        with pytest.raises(ConfigError, match="not a regular file"):
            write_atomic(tmp_path / name, b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_configuration_becomes_its_model(tmp_path: Path) -> None:
    """TOML arrays become the model's tuples, and everything else is taken strictly."""
    path = tmp_path / "agent.toml"
    path.write_text(AGENT)
    config = read_toml(path, AgentConfig)
    assert config.driver.argv == ("worker", "--fast")
    assert config.driver.environment == {"NAME": "value"}
    assert config.broker.port == 1883


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("port = 1883", "port = 0", r"line 10: broker\.port"),
        ("port = 1883", 'port = "1883"', r"line 10: broker\.port"),
        ("port = 1883", "", r"broker\.port: Field required"),
        ('veto = "veto"', 'vetto = "veto"', r"veto: Field required; and 1 more"),
        ('site = "alpha"', 'site = "Alpha"', r"line 1: site"),
        ('site = "alpha"', "site = 2026-11-24", r"line 1: site"),
        ('state = "state"', 'state = "state', r"not TOML.*line 6"),
        ('state = "state"', 'site = "again"', r"not TOML.*line 6"),
        ("port = 1883", "port = nan", r"broker\.port"),
    ],
)
def test_a_wrong_configuration_names_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The file, the line or the field that is wrong stands in the one line that a person reads."""
    path = tmp_path / "agent.toml"
    path.write_text(AGENT.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        read_toml(path, AgentConfig)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 name their line."""
    path = tmp_path / "agent.toml"
    path.write_bytes(b'site = "a"\nroot = "\xff"\n')
    with pytest.raises(ConfigError, match="line 2: is not UTF-8"):
        read_toml(path, AgentConfig)


@pytest.mark.parametrize(
    "text",
    ["site = " + "9" * 5000, ".".join(["a"] * 3000) + " = 1", "a = " + "[" * 5000, "a = inf"],
    ids=["long number", "deep tables", "deep arrays", "infinite"],
)
def test_a_hostile_configuration_is_one_clear_error(tmp_path: Path, text: str) -> None:
    """However it is made, it never ends in anything but a configuration error."""
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_toml(path, AgentConfig)


def test_an_error_is_no_longer_than_a_line(tmp_path: Path) -> None:
    """A file's own inventions, field names and words, are not quoted at any length."""
    path = tmp_path / "x.toml"
    for text in (f"{'9' * 5000} = 1", f"[broker]\n{'a' * 5000} = 1\nport = 1", f'site = "{"x" * 9000}"'):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_toml(path, AgentConfig)
        assert len(str(caught.value)) < 600


def test_what_a_parser_quotes_is_shortened_and_its_place_is_kept(tmp_path: Path) -> None:
    """A table with an endless name makes no endless error, and the line is still told."""
    name = "9" * 5_000
    path = tmp_path / "x.toml"
    path.write_text(f"[{name}]\n[{name}]\n")
    with pytest.raises(ConfigError, match=r"is not TOML: .*line 2") as caught:
        read_toml(path, AgentConfig)
    assert len(str(caught.value)) < 600


def test_a_key_of_another_length_than_its_curve_has_is_told(tmp_path: Path) -> None:
    """OpenSSL fails inside itself at an Ed448 key of 32 bytes: still one clear error."""
    pem = generate_private_pem().replace(b"MC4CAQAwBQYDK2Vw", b"MC4CAQAwBQYDK2Vx")
    assert b"K2Vx" in pem
    path = tmp_path / "x.key"
    path.write_bytes(pem)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="no PEM"):
        read_private_key(path)
