"""What all messages have in common: strictness, one encoding, a payload type and a version."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from protocols.errors import MessageError
from protocols.ids import digest_of


class Part(BaseModel):
    """A frozen, strict piece of a message: unknown fields and loose types are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Message(Part):
    """A signed payload.

    A payload has exactly one encoding: the JSON that `encode` writes. Bytes that say the same in
    another way (spaces, doubled keys, another order) are refused, so a digest names a meaning.
    """

    KIND: ClassVar[str]

    @classmethod
    def payload_type(cls) -> str:
        """Return the DSSE payload type, which carries the kind and its version."""
        return _payload_type(cls)

    def encode(self) -> bytes:
        """Return the payload's bytes: compact JSON, fields in the order of the model."""
        return self.model_dump_json().encode()

    def digest(self) -> str:
        """Return the SHA-256 of the payload's bytes, in hex."""
        return digest_of(self.encode())

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload.

        Raises:
            MessageError: It is not this message, or not in its one encoding.
        """
        try:
            message = cls.model_validate_json(payload)
        except ValidationError as error:
            raise MessageError(_first_problem(error), where=f"{cls.KIND} payload") from None
        if message.encode() != payload:
            raise MessageError("not in the one encoding of its meaning", where=f"{cls.KIND} payload")
        return message


@cache
def _payload_type(kind: type[Message]) -> str:
    version = kind.model_fields["version"].default
    return f"application/vnd.haltdrill.{kind.KIND}.v{version}+json"


def _first_problem(error: ValidationError) -> str:
    """Say the first problem in a line, without echoing the (possibly hostile) input."""
    first: Any = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:120]
    return f"{place}: {first['msg']}"[:300] if place else str(first["msg"])[:300]
