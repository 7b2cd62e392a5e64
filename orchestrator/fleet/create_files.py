"""Writes the files of a fleet that is being made: keys, documents, configuration."""

from __future__ import annotations

import os
from pathlib import Path

from protocols.host.files import generate_private_pem, read_private_key, write_private
from protocols.keys import Signer

PRIVATE_DIR = 0o700


def new_key(path: Path) -> Signer:
    """Make a private key in a new file of mode 0600."""
    write_private(path, generate_private_pem())
    return read_private_key(path)


def private_dirs(*folders: Path) -> None:
    """Make folders that only their owner may enter."""
    for folder in folders:
        folder.mkdir(mode=PRIVATE_DIR)


def write_text(path: Path, text: str) -> None:
    """Write a new text file."""
    put(path, text.encode())


def put(path: Path, data: bytes) -> None:
    """Write a new file into the folder that is being built; the disk is made sure of once, for all of it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:
        file.write(data)
