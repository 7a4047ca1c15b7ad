"""The long form of the limits: gigabytes in one line, under a limit of the address space."""

from __future__ import annotations

import gzip
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

GIB = 1 << 30
_ADDRESSES = 3 * 10**9  # bytes; libraries alone map 1 GB
_RESIDENT_MIB = 700
_BLOCK = 1 << 20
TMX = b'<tmx version="1.4"><header/><body><tu><tuv xml:lang="en">'
PO = b'msgid ""\nmsgstr "Language: de\\nContent-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "x"\n'

# name -> the beginning, what is repeated, and to how many bytes
BOMBS = {
    "line.jsonl": (b'{"en": "', b"x", 6 * GIB),
    "line.tsv": (b"en\tde\n", b"x", 6 * GIB),
    "cells.tsv": (b"en\tde\n", b"x\t", 2 * GIB),
    "open.csv": (b'en,de\n"', b"a,b\n", 2 * GIB),
    "side.en": (b"", b"x", 2 * GIB),
    "utf-16.tsv": (b"\xff\xfe", b"x\0", 2 * GIB),
    "segment.tmx": (TMX + b"<seg>", b"x", 2 * GIB),
    "attribute.tmx": (TMX + b'<seg x="', b"x", GIB),
    "attributes.tmx": (TMX + b"<seg ", b"", 10_000_000),
    "deep.tmx": (TMX + b"<seg>", b"<hi>", 4_000_000),
    "variants.tmx": (TMX + b"</tuv>", b'<tuv xml:lang="en"><seg/></tuv>', 31_000_000),
    "message.po": (PO + b'msgstr ""\n', b'"xxxxxxxx"\n', GIB),
}

_IMPORT = """
import resource, sys
from hexapla.cli.app import main
status = main(["import", *sys.argv[1:], "--quiet"])
print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def blocks(head: bytes, unit: bytes, n_bytes: int) -> Iterator[bytes]:
    """Yield a bomb; without a unit, attributes with names of their own."""
    yield head
    if not unit:
        for first in range(0, n_bytes, 10_000):
            yield b"".join(b'a%d="" ' % number for number in range(first, first + 10_000))
        return
    block = unit * (_BLOCK // len(unit))
    for _ in range(n_bytes // len(block) + 1):
        yield block


@pytest.mark.fuzz
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BOMBS)
def test_gigabytes_without_a_border_take_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for block in blocks(*BOMBS[name]):
            file.write(block)
    names = [str(path)]
    if name == "side.en":
        (tmp_path / "side.de").write_text("x\n")
        names.append(str(tmp_path / "side.de"))
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, *names, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES)),
    )
    status, resident_mib = map(int, done.stdout.split()[-2:])
    assert status == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert resident_mib < _RESIDENT_MIB
    assert not (tmp_path / "out").exists()
