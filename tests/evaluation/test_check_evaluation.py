"""Mistakes in an evaluation are reported before torch, mteb or sentence-transformers are imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.check_evaluation import check_evaluation
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.data import check_data
from hexapla.evaluation.mteb_table import TASKS

# Arguments besides `--out`, and the beginning of the message.
MISTAKES = {
    "tiny --suite pool": '"pool" is measured with bitext; give --suite bitext',
    "tiny --suite quik": '"quik" is neither a suite nor a task; did you mean "quick"?',
    "./nowhere --suite quick": "./nowhere: no such encoder folder",
    "tiny --suite bitext --data sample --languages klingon": 'language "klingon" is unknown',
    "tiny --suite bitext --data sample --languages zu": "sample has no zul_Latn; it has deu_Latn,",
    "tiny --suite STS17 --languages ja": "no task of STS17 has jpn_Jpan; they have arb_Arab,",
    "tiny --suite quick --data ./nodata": "nodata lacks Tatoeba, ",
    "tiny --suite bitext --data ./nodata": "there is no corpus at nodata",
    "tiny --suite sts --data ./nodata": "./nodata is not a folder; STS data",
    "tiny --suite sts --data {data} --languages fr": "{data} has no fra_Latn; it has deu_Latn",
    "tiny --suite topics --data ./nodata": "./nodata: no train.parquet and no test.parquet",
    "tiny --suite dev --data ./nodata": "suite dev needs nodata/sib200/train.parquet, ",
    "tiny --suite bitext --data sample --resume": "{out}: no run to resume here",
    "tiny --suite bitext --data sample --pooling mean": "tiny: has its own pooling",
}
# Code that makes the import of a heavy library fail.
BLOCK_IMPORTS = """
import sys

class Blocked:
    names = {"torch", "transformers", "sentence_transformers", "datasets", "mteb", "sklearn", "scipy"}

    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in Blocked.names:
            raise ImportError(f"{name} is imported")

sys.meta_path.insert(0, Blocked)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "judged"
    folder.mkdir()
    pairs = {"sentence1": ["a", "b"], "sentence2": ["c", "d"], "score": [1.0, 2.0]}
    pq.write_table(pa.table(pairs), folder / "deu_Latn.parquet")
    return folder


def test_mistakes_are_reported_where_heavy_libraries_cannot_be_imported(
    tmp_path: Path, data: Path
) -> None:
    out = tmp_path / "out"
    commands = [
        ["evaluate", *line.format(data=data).split(), "--out", str(out)] for line in MISTAKES
    ]
    code = (
        f"{BLOCK_IMPORTS}import json\n"
        "from hexapla.cli.app import main\nprint([main(one) for one in json.loads(sys.argv[1])])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout == f"{[2] * len(MISTAKES)}\n", done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(MISTAKES)
    for line, message in zip(lines, MISTAKES.values(), strict=True):
        assert line.startswith(f"hexapla: {message.format(data=data, out=out)}"), line
    assert not out.exists()


def test_valid_settings_pass_without_the_heavy_libraries(tmp_path: Path, data: Path) -> None:
    code = (
        f"{BLOCK_IMPORTS}from hexapla.evaluation.check_evaluation import check_evaluation\n"
        "from hexapla.evaluation.config import EvaluateConfig\n"
        "shared = {'encoder': 'tiny', 'out': 'out'}\n"
        "check_evaluation(EvaluateConfig(**shared, suite='bitext', data='sample', languages='de'))\n"
        f"check_evaluation(EvaluateConfig(**shared, suite='sts', data={str(data)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_mtebs_tasks_without_mteb_say_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    config = EvaluateConfig(encoder="tiny", out=tmp_path / "out", suite="STS17")
    with pytest.raises(InputError, match=r"STS17 needs the library mteb; .*'hexapla\[evaluate\]'"):
        check_evaluation(config)


def test_an_encoder_whose_weights_are_pickled_is_refused_unless_allowed(tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}")
    (encoder / "pytorch_model.bin").write_bytes(b"")
    shared = {"encoder": str(encoder), "out": tmp_path / "out", "suite": "bitext", "data": "sample"}
    with pytest.raises(InputError, match=r"pytorch_model\.bin: pickled weights can run code"):
        check_evaluation(EvaluateConfig(**shared))
    check_evaluation(EvaluateConfig(**shared, allow_pickle=True))


def test_only_the_tasks_in_the_languages_must_be_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "NTREXBitextMining").mkdir()
    config = EvaluateConfig(
        encoder="tiny",
        out=tmp_path / "out",
        suite="NTREXBitextMining,STS17",
        data=str(tmp_path),
        languages=("afr_Latn",),
    )
    with pytest.raises(InputError, match=r"lacks STS17 \(it has NTREXBitextMining\)"):
        check_data(config)
    (tmp_path / "STS17").mkdir()
    check_data(config)


def test_identity_excludes_only_settings_that_scores_do_not_depend_on(tmp_path: Path) -> None:
    plain = {"encoder": "tiny", "out": tmp_path / "one", "suite": TASKS[0]}
    config = EvaluateConfig(**plain)
    free = {
        "out": tmp_path / "other",
        "resume": True,
        "vectors": tmp_path / "vectors",
        "batch_size": 8,
        "trust_remote_code": True,
        "allow_pickle": True,
    }
    assert EvaluateConfig(**{**plain, **free}).identity() == config.identity()
    assert EvaluateConfig(**plain, overwrite=True).identity() == config.identity()
    bound = {
        "encoder": "other",
        "suite": TASKS[1],
        "data": "data",
        "languages": ("deu_Latn",),
        "seen": ("deu_Latn",),
        "pairs": "all",
        "mteb_compatible": True,
        "corpus": "sample",
        "precision": "bf16",
        "seed": 7,
        "pooling": "cls",
        "max_tokens": 8,
        "prompt": "query: ",
        "held_out": 0.5,
    }
    for name, value in bound.items():
        changed = EvaluateConfig(**{**plain, name: value}).identity()
        differing = {key for key in changed if changed[key] != config.identity()[key]}
        assert differing == {name}
    assert set(config.identity()) == {*bound, "split"}
