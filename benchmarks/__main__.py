"""Run the benchmarks one after the other, and write one table of what they measured.

Out: FILE (by default benchmarks.md) with the machine, the versions, and median and range of every
value. What the benchmarks print goes to the terminal. Nothing else should run on the machine.

    python -m benchmarks [align build encode evaluate load mine optimizer page] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.kept import PLACE, describe

# Each with its arguments.
PARTS = {
    "align": (),
    "build": (),
    "encode": (),
    "evaluate": (),
    "load": ("streams",),
    "mine": (),
    "optimizer": (),
    "page": (),
}
LIBRARIES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "mteb",
    "ctranslate2",
    "faiss-cpu",
    "numpy",
)


def run(parts: Sequence[str]) -> list[str]:
    """Run benchmarks, each in a process of its own; return the lines of the table."""
    lines = ["| benchmark | what | median | range | rounds |", "|---|---|--:|--:|--:|"]
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "values.jsonl"
            command = [sys.executable, "-m", f"benchmarks.{part}", *PARTS[part]]
            print(f"== {' '.join(command[1:])}", flush=True)
            subprocess.run(command, env={**os.environ, PLACE: str(place)}, check=True)
            lines += _rows(part, place)
    return lines


def _rows(part: str, place: Path) -> Iterator[str]:
    kept = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    for line in map(json.loads, kept):
        median, spread = describe(line["values"])
        n_rounds = len(line["values"])
        yield f"| {part} | {line['what']} | {median} {line['unit']} | {spread} | {n_rounds} |"


def machine() -> list[str]:
    """Return what the numbers depend on besides this code."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(": ")[2] if names else cpu
    flags = [name for name, has in torch.cpu.get_capabilities().items() if has is True]
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return [
        f"{cpu}, {len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads; "
        f"GPU: {gpu}",
        f"instructions: {', '.join(sorted(flags))}",
        f"Python {platform.python_version()}, {versions}",
    ]


def main() -> None:
    """Run the named benchmarks, or all, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--out", type=Path, default=Path("benchmarks.md"))
    given = parser.parse_args()
    facts = [f"- {fact}" for fact in machine()]
    lines = [
        "# Benchmarks",
        "",
        *facts,
        "",
        *run(list(PARTS) if "all" in given.parts else given.parts),
        "",
    ]
    given.out.write_text("\n".join(lines), encoding="utf-8")
    print(f"{given.out}: {len(lines) - len(facts) - 6} values")


if __name__ == "__main__":
    main()
