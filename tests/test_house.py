"""The rules of the house: which folder may import which, unique names, whole writes, light settings."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hexapla

PACKAGE = Path(hexapla.__file__).parent

# A folder imports folders of earlier rows only; `errors` may be imported by all.
LAYERS = (
    ("errors",),
    ("text",),
    ("runs",),
    ("corpus",),
    ("encoder",),
    ("filters", "sources"),
    ("imports", "translate"),
    ("alignment", "build", "evaluation", "explore", "fetch_encoder", "mine", "trim"),
    ("export", "merge", "push", "report"),
    ("reproduce", "demo"),
    ("cli",),
)
RANKS = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}

# Writing that only `runs/atomic.py` does, so that no file is ever half written.
BY_HAND = {"os.replace", "os.rename", "os.fsync", ".rename", ".write_text", ".write_bytes"}


@cache
def modules() -> dict[str, ast.Module]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports_of(name: str) -> Iterator[str]:
    """Yield the modules of the package that a module imports, in functions too."""
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("hexapla."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hexapla"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules() else str(node.module)


def folder(name: str) -> str:
    return ([*name.split("."), ""])[1]


def test_folders_import_lower_folders_only():
    upward = [
        f"{name} imports {other}"
        for name in modules()
        for other in imports_of(name)
        if folder(name) in RANKS
        and folder(other) in RANKS
        and folder(other) != folder(name)
        and RANKS[folder(other)] >= RANKS[folder(name)]
    ]
    assert upward == []


def test_every_folder_has_its_layer():
    folders = {folder(name) for name in modules()} - {"", "__main__"}
    assert folders == set(RANKS)


def test_no_files_import_each_other_in_a_circle():
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for other in imports_of(name):
                if other in modules() and other != name:
                    visit(other, (*way, name))
            done.add(name)

    for name in modules():
        visit(name, ())


def test_names_occur_once_in_the_package():
    files, definitions = defaultdict(list), defaultdict(list)
    for name, tree in modules().items():
        if folder(name) == "cli" or name == "hexapla.demo":  # named as the stages that they call
            continue
        file = name.rpartition(".")[2]
        if file not in ("config", "stage"):
            files[file].append(name)
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                definitions[node.name].append(name)
    assert {file: where for file, where in files.items() if len(where) > 1} == {}
    assert {each: where for each, where in definitions.items() if len(where) > 1} == {}


def test_only_atomic_writes_by_hand():
    by_hand = []
    for name, tree in modules().items():
        if name == "hexapla.runs.atomic":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = f"{getattr(node.func.value, 'id', '')}.{node.func.attr}"
                # A string's `replace` takes two arguments, a path's one.
                is_replace = node.func.attr == "replace" and len(node.args) == 1
                if {called, f".{node.func.attr}"} & BY_HAND or (is_replace and not node.keywords):
                    by_hand.append(f"{name}:{node.lineno} {called}")
    assert by_hand == []


def test_files_are_short_enough_to_read():
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path.name: n_lines for path, n_lines in lines.items() if n_lines > 400} == {}


@pytest.mark.parametrize("unit", ["settings", "help"])
def test_settings_and_help_load_nothing_heavy(unit):
    configs = [name for name in modules() if name.endswith(".config")]
    ask = {
        "settings": f"import {', '.join(configs)}",
        "help": "from hexapla.cli import main\nmain(['align', '-h'])",
    }
    code = (
        f"import sys\n{ask[unit]}\n"
        "heavy = {'torch', 'transformers', 'datasets', 'sentence_transformers', 'numpy', 'pyarrow'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
