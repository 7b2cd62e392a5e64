"""Hostile bytes made from good ones: the same changes for the fuzzer, for hypothesis and for a plain loop.

Nothing here knows the product. A change is a function of bytes and a `random.Random`, so that one seed
gives one input.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Change = Callable[[bytes, Random], bytes]

_PLACE = "@@place@@"
_DEEP = 3_000

FRAGMENTS: tuple[bytes, ...] = (
    b"null",
    b"true",
    b"0",
    b"-1",
    b"-0.0",
    b"1.5",
    b"1e999",
    b"1e-999",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"9" * 5_000,
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b'""',
    b'" "',
    b'"agent"',
    b'"\\u0000"',
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xef\xbb\xbf"',
    b'"\\u202e\\u2066"',
    b'"\\u001b[2J"',
    b'"\xff"',
    b'"' + b"a" * 2_000 + b'"',
    b'"' + b"ab" * 32 + b'"',
    b'"' + b"ab" * 16 + b'"',
    b'"0000-00-00T00:00:00.000000000Z"',
    b'"1969-12-31T23:59:59.999999999Z"',
    b'"1970-01-01T00:00:00.000000000Z"',
    b'"2026-11-24T23:59:60.000000000Z"',
    b'"9999-12-31T23:59:59.999999999Z"',
    b'"\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6-11-24T00:00:00.000000000Z"',
    b"[]",
    b"{}",
    b"[[]]",
    b'[null,"x",{"a":1}]',
    b"[" * _DEEP,
    b"[" * _DEEP + b"]" * _DEEP,
    b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
)
"""JSON, or nearly so, that stands in for a value of a good document."""

TEXT: tuple[bytes, ...] = (
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\u202e\u2066\u2028\x85".encode(),
    b"\r",
    b"\t",
    b"---\n",
    b"&a [",
    b"*a",
    b"<<: *a\n",
    b"!!python/object/apply:os.system [ls]",
    b"!!binary aGFsdA==",
    b"? [a]\n: b\n",
    b"%YAML 9.9\n",
    b"%TAG ! tag:x,2000:\n",
    b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    b"[" * 500,
    b"{a: " * 500,
    b"- " * 500,
    b"- - - x\n",
    b".inf",
    b".nan",
    b"nan",
    b"1_000",
    b"0x7fffffffffffffff",
    b"0o17",
    b"9" * 5_000,
    b"1e999",
    b"-1",
    b"~",
    b"|\n  x\n",
    b">-\n",
    b"'",
    b'"',
    b'"\\ud800"',
    b'"\\u0000"',
    b'"\\UFFFFFFFF"',
    b"'''",
    b'"""',
    b"[[a]]\n",
    b"[a.b]\n",
    b"a.b.c = 1\n",
    b"a = " + b"[" * 400,
    b"a = " + b"{a=" * 400,
    b"1979-05-27T07:32:00Z",
    b"9999-12-31T23:59:59.999999999Z",
    b"0001-01-01T00:00:00+23:59",
    b"#",
    b"\n",
)
"""What is hostile between the words of YAML, TOML, PEM and plain text."""


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything inside a JSON value, the whole first."""
    found = [at]
    if isinstance(value, dict):
        for name, inner in value.items():
            found += paths(inner, (*at, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            found += paths(inner, (*at, place))
    return found


def dump(value: Any) -> bytes:
    """Write JSON as the product does: compact, in UTF-8 where that has the character."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def put(value: Any, path: Sequence[Any], fragment: bytes) -> bytes:
    """Write a JSON value with raw bytes in the place of what stands at `path`."""
    if not path:
        return fragment
    value = json.loads(json.dumps(value))
    inner = value
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = _PLACE
    return dump(value).replace(f'"{_PLACE}"'.encode(), fragment, 1)


def _loads(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def bend_bytes(data: bytes, rng: Random) -> bytes:  # noqa: PLR0911 - one per change
    """Flip, insert, remove, double or cut bytes."""
    if not data:
        return rng.randbytes(rng.randrange(1, 40))
    at = rng.randrange(len(data))
    to = min(len(data), at + 1 + rng.randrange(1, 32))
    match rng.randrange(6):
        case 0:
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        case 1:
            return data[:at] + rng.randbytes(rng.randrange(1, 8)) + data[at:]
        case 2:
            return data[:at] + data[to:]
        case 3:
            return data[:at] + data[at:to] * rng.randrange(2, 5) + data[to:]
        case 4:
            return data[:at]
        case _:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def bend_text(data: bytes, rng: Random) -> bytes:
    """Put something hostile between two words, or double, swap or remove a line."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        case 1:
            del lines[at]
        case 2:
            line, other = lines[at], rng.choice(TEXT)
            cut = rng.randrange(len(line) + 1)
            lines[at] = line[:cut] + other + line[cut:]
        case 3:
            head, mark, _ = lines[at].partition(rng.choice((b":", b"=")))
            lines[at] = head + mark + b" " + rng.choice(TEXT + FRAGMENTS)
        case _:
            lines[at] = b" " * rng.randrange(1, 9) + lines[at]
    return b"\n".join(lines)


def bend_value(value: Any, rng: Random) -> bytes:  # noqa: PLR0911 - one per change
    """Change one thing in a JSON value, and write it."""
    path = rng.choice(paths(value))
    inner = value
    for part in path:
        inner = inner[part]
    match rng.randrange(6):
        case 0 if isinstance(inner, dict) and inner:
            name = rng.choice(list(inner))
            twice = dump({name: inner[name]})[1:-1]
            return put(value, path, b"{" + twice + b"," + dump(inner)[1:])
        case 1 if isinstance(inner, dict) and inner:
            name = rng.choice(list(inner))
            return put(value, path, dump({key: kept for key, kept in inner.items() if key != name}))
        case 1 if isinstance(inner, list):
            return put(value, path, dump(inner * rng.choice((0, 2, 70))))
        case 2 if isinstance(inner, str) and inner:
            at = rng.randrange(len(inner))
            return put(value, path, dump(inner[:at] + rng.choice("0a1f-\x00\u202e") + inner[at + 1 :]))
        case 2 if isinstance(inner, int | float):
            return put(value, path, dump(rng.choice((inner + 1, inner - 1, -inner, inner * 2, inner // 3))))
        case 3:
            other = value
            for part in rng.choice(paths(value)):
                other = other[part]
            return put(value, path, dump(other))
        case _:
            return put(value, path, rng.choice(FRAGMENTS))


def bend_json(data: bytes, rng: Random) -> bytes:
    """Change one thing in a JSON document; of an envelope, in its payload as often as around it."""
    value = _loads(data)
    if value is None:
        return bend_text(data, rng)
    if isinstance(value, dict) and isinstance(value.get("payload"), str) and rng.random() < 0.6:
        try:
            payload = base64.b64decode(value["payload"])
        except ValueError:
            return bend_value(value, rng)
        bent = bend_json(payload, rng)
        return dump(value | {"payload": base64.b64encode(bent).decode()})
    return bend_value(value, rng)


def bend_lines(data: bytes, rng: Random) -> bytes:
    """Change one line of several, as JSON where it is that; or their order and number."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        case 1:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case 2:
            del lines[at]
        case 3:
            lines += lines[at : at + 1] * rng.randrange(1, 80)
        case _:
            lines[at] = bend_json(lines[at], rng)
    return b"\n".join(lines)


CHANGES: tuple[Change, ...] = (bend_bytes, bend_text, bend_lines, bend_lines, bend_lines)


def bend(data: bytes, rng: Random) -> bytes:
    """Change bytes once to a few times, in any of the ways above."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        data = rng.choice(CHANGES)(data, rng)
    return data


def cross(one: bytes, other: bytes, rng: Random) -> bytes:
    """Take some lines of each of two inputs."""
    first, second = one.split(b"\n"), other.split(b"\n")
    return b"\n".join(first[: rng.randrange(len(first) + 1)] + second[rng.randrange(len(second) + 1) :])
