"""Mining from files to a file, with number words in two languages whose right pairs are known."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from hexapla.cli.app import main
from hexapla.errors import InputError
from hexapla.mine import mine, sides
from hexapla.mine.calibrate import calibrate
from hexapla.mine.config import MineConfig
from hexapla.mine.margin import Pairs
from tests.fixtures.light_process import answers
from tests.fixtures.toy import toy_rows

N_PARALLEL = 30


@pytest.fixture
def piles(tmp_path: Path) -> tuple[Path, Path]:
    """Two files with 30 translations, which are the first English lines and the last German ones."""
    rows = toy_rows(150, seed=4)
    english = [str(row["eng_Latn"]) for row in rows[:90]]
    german = [str(row["deu_Latn"]) for row in (*rows[:N_PARALLEL], *rows[90:])][::-1]
    source, target = tmp_path / "en.txt", tmp_path / "de.txt"
    source.write_text("\n".join(english) + "\n")
    target.write_text("\n".join(german) + "\n")
    return source, target


def config(piles: tuple[Path, Path], known: str, out: Path, **changes: Any) -> MineConfig:
    return MineConfig(
        **{
            "source": str(piles[0]),
            "target": str(piles[1]),
            "encoder": known,
            "out": out,
            **changes,
        }
    )


def gold_file(path: Path, n_target: int = 90) -> Path:
    path.write_text("".join(f"{n}\t{n_target + 1 - n}\n" for n in range(1, N_PARALLEL + 1)))
    return path


def test_what_is_parallel_is_mined_and_known_pairs_choose_the_threshold(
    known: str, piles: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, gold = tmp_path / "bitext.tsv", gold_file(tmp_path / "gold.tsv")
    command = [
        "mine",
        str(piles[0]),
        str(piles[1]),
        "--encoder",
        known,
        "--out",
        str(out),
        "--calibrate",
        str(gold),
    ]
    assert (
        main([*command, "--margin", "absolute"]) == 0
    )  # translations of this encoder have a cosine of 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{out}: {N_PARALLEL} pairs"
    assert said[1].endswith(
        "precision 100.0 %, recall 100.0 %, F1 100.0 % (30 pairs mined, 30 known)"
    )
    header, *rows = [line.split("\t") for line in out.read_text().splitlines()]
    assert header == ["margin", "cosine", "source_line", "target_line", "source", "target"]
    assert {(row[2], row[3]) for row in rows} == {
        (str(n), str(91 - n)) for n in range(1, N_PARALLEL + 1)
    }
    assert all(row[4].replace("eng", "deu") == row[5] for row in rows)
    margins = [float(row[0]) for row in rows]
    assert margins == sorted(margins, reverse=True)
    without = [*command[: command.index("--calibrate")], "--overwrite"]
    assert main(without) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{out}: all ") and "wrong ones too" in said[0]
    assert "--threshold" in said[1] and "--calibrate" in said[1]
    _, found = mine(config(piles, known, out, calibrate=gold, overwrite=True))
    assert found is not None and found.f1 > 0.95, (
        "by ratio, two sentences that share words may come before a translation"
    )
    assert not (tmp_path / "bitext.tsv.mining").exists()


def test_a_sentence_that_is_repeated_is_encoded_once_and_mined_from_its_first_place(
    known: str, piles: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = piles[0].read_text().splitlines()
    piles[0].write_text("\n".join([lines[0], "", *lines, lines[0]]) + "\n")
    encoded: list[str] = []
    real = sides.encode_side

    def counted(side: Any, folder: Path, encode: Any, *more: Any) -> Any:
        def spied(steps: Any) -> Any:
            return encode(encoded.extend(texts) or texts for texts in steps)

        return real(side, folder, spied, *more)

    monkeypatch.setattr("hexapla.mine.stage.encode_side", counted)
    mine(config(piles, known, tmp_path / "out.tsv", threshold=1.0))
    assert len(encoded) == len(set(encoded)) == 180
    found = [line.split("\t")[2] for line in (tmp_path / "out.tsv").read_text().splitlines()[1:]]
    assert "1" in found and "3" not in found and len(found) == len(set(found))


def test_parquet_and_fields_and_folders(
    known: str, piles: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "side"
    folder.mkdir()
    lines = piles[1].read_text().splitlines()
    for name, part in (("a.jsonl", lines[:75]), ("b.jsonl", lines[75:])):
        (folder / name).write_text("".join(json.dumps({"body": line}) + "\n" for line in part))
    whole = mine(config(piles, known, tmp_path / "one.tsv"))[0]
    mine(config((piles[0], folder), known, tmp_path / "two.parquet", target_field="body"))
    table = pq.read_table(tmp_path / "two.parquet")
    np.testing.assert_allclose(table["margin"].to_numpy(), whole.margin, rtol=1e-6)
    assert {place.partition(":")[0] for place in table["target_line"].to_pylist()} == {
        "a.jsonl",
        "b.jsonl",
    }


def test_an_interrupted_run_resumes_to_the_same_bytes_and_encodes_nothing_twice(
    known: str, piles: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides, "_SENTENCES_PER_STEP", 25)
    mine(config(piles, known, tmp_path / "whole.tsv"))
    out, encoded = tmp_path / "killed.tsv", []
    real = sides.encode_side

    def stopping(after: int) -> Any:
        def encode_side(side: Any, folder: Path, encode: Any, *more: Any) -> Any:
            def some(steps: Any) -> Any:
                for texts in steps:
                    if len(encoded) >= after:
                        raise RuntimeError("killed")
                    encoded.extend(texts)
                    yield from encode([texts])

            return real(side, folder, some, *more)

        return encode_side

    for after in (50, 120):
        monkeypatch.setattr("hexapla.mine.stage.encode_side", stopping(after))
        with pytest.raises(RuntimeError, match="killed"):
            mine(config(piles, known, out, resume=after > 50))
        assert not out.exists()
    with pytest.raises(InputError, match=r"holds an unfinished run; --resume continues it"):
        mine(config(piles, known, out))
    monkeypatch.setattr("hexapla.mine.stage.encode_side", stopping(10_000))
    mine(config(piles, known, out, resume=True))
    assert out.read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert len(encoded) == len(set(encoded)) == 180


def test_vectors_that_were_cut_short_are_made_again(
    known: str, piles: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(config(piles, known, tmp_path / "whole.tsv"))
    monkeypatch.setattr("hexapla.mine.stage.mine_pairs", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        mine(config(piles, known, tmp_path / "out.tsv"))
    for path in (tmp_path / "out.tsv.mining").rglob("vectors.f16"):
        path.write_bytes(path.read_bytes()[:1000])
    monkeypatch.undo()
    mine(config(piles, known, tmp_path / "out.tsv", resume=True))
    assert (tmp_path / "out.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


@pytest.mark.slow
def test_ivf_pq_mines_what_the_exact_search_does(
    known: str, piles: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("faiss", reason="the extra `mine` is not installed")
    exact, near = (
        mine(
            config(
                piles,
                known,
                tmp_path / f"{search}.tsv",
                search=search,
                margin="absolute",
                threshold=0.999,
            )
        )[0]
        for search in ("exact", "ivf-pq")
    )
    assert set(zip(exact.source, exact.target, strict=True)) == set(
        zip(near.source, near.target, strict=True)
    )
    assert len(exact) == N_PARALLEL


def test_a_run_whose_files_have_changed_is_not_resumed(
    known: str, piles: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr("hexapla.mine.search.nearest", lambda *_, **__: stops())
    with pytest.raises(RuntimeError, match="killed"):
        mine(config(piles, known, tmp_path / "out.tsv"))
    piles[1].write_text(piles[1].read_text() + "deu01 deu02\n")
    with pytest.raises(InputError, match=r"holds another run \(target_sha256 was .* and is"):
        mine(config(piles, known, tmp_path / "out.tsv", resume=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 91}, "k is 91; the smaller side has 90 different sentences"),
        ({"margin": "ration"}, r'margin is "ration"; .*did you mean "ratio"\?'),
        (
            {"retrieval": "maximum"},
            'retrieval is "maximum"; it must be max, intersection, forward or backward',
        ),
        ({"out": Path("bitext.csv")}, r"bitext\.csv: must end in \.tsv or \.parquet"),
        ({"source": "empty.txt"}, r"empty\.txt is empty"),
        ({"source": "none.txt"}, r"none\.txt: no such file or folder"),
        (
            {"source": "few.txt", "search": "ivf-pq"},
            r"the smaller side has 9 sentences, .* 16 or more; .*--search exact",
        ),
        ({"encoder": "./none"}, "no such encoder folder"),
        ({"workers": 2}, "workers is a setting of a Ray cluster; use it with --executor ray"),
        ({"address": "auto"}, "address is a setting of a Ray cluster; use it with --executor ray"),
        ({"gpus": 1.0}, "gpus is a setting of a Ray cluster; use it with --executor ray"),
        ({"executor": "rya"}, r'executor is "rya"; it must be local or ray; did you mean "ray"\?'),
        ({"executor": "ray", "gpus": -1.0}, r"gpus is -1\.0; it must be a number from 0 to 1,024"),
        (
            {"executor": "ray", "address": "127.0.0.1:1"},
            r"no Ray cluster answers at 127\.0\.0\.1:1",
        ),
        (
            {"threshold": 1.0, "calibrate": Path("gold.tsv")},
            "--threshold and --calibrate exclude each other",
        ),
        ({"calibrate": Path("none.tsv")}, r"none\.tsv: no such file of known pairs"),
        (
            {"calibrate": Path("far.tsv")},
            r'far\.tsv:2: .*de\.txt has no sentence at "91"; it has 1 to 90',
        ),
        (
            {"calibrate": Path("wide.tsv")},
            r"wide\.tsv:1: 3 columns; it must be two, the source's line and the target's",
        ),
    ],
)
def test_what_cannot_be_mined_is_refused_before_an_encoder_loads(
    change: dict[str, Any],
    message: str,
    known: str,
    piles: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load_encoder(*_: Any, **__: Any) -> None:
        pytest.fail("the encoder was loaded before the mistake was told")

    monkeypatch.setattr("hexapla.mine.stage.load_encoder", load_encoder)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "few.txt").write_text("".join(f"sentence {number}\n" for number in range(9)))
    (tmp_path / "far.tsv").write_text("1\t90\n2\t91\n")
    (tmp_path / "wide.tsv").write_text("1\t2\t3\n")
    with pytest.raises(InputError, match=message):
        mine(config(piles, known, **{"out": tmp_path / "out.tsv", **change}))
    assert not (tmp_path / "out.tsv").exists() and not (tmp_path / "out.tsv.mining").exists()


def test_without_faiss_nothing_is_encoded_for_it(
    known: str, piles: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"needs FAISS; .* pip install 'hexapla\[mine\]'"):
        mine(config(piles, known, tmp_path / "out.tsv", search="ivf-pq"))
    assert not (tmp_path / "out.tsv.mining").exists()


def test_a_missing_file_is_told_without_loading_torch(tmp_path: Path) -> None:
    commands = (
        ["mine", "none.txt", "none.txt"],
        ["score", "none.txt"],
        ["align-documents", "none.txt", "none.txt"],
    )
    given = ["--encoder", "tiny", "--out", "out.tsv"]
    found = answers({command[0]: [*command, *given] for command in commands}, tmp_path)
    for answer in found.values():
        assert (answer.status, answer.heavy, answer.left) == (2, [], [])
        assert answer.err.startswith("hexapla: none.txt: no such file")


def test_an_existing_file_is_replaced_only_with_overwrite(
    known: str, piles: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.tsv"
    out.write_text("mine")
    with pytest.raises(InputError, match="exists already; --overwrite replaces it"):
        mine(config(piles, known, out))
    assert out.read_text() == "mine"
    mine(config(piles, known, out, overwrite=True))
    assert out.read_text().startswith("margin\tcosine")


def test_the_threshold_has_the_best_f1_and_accepts_all_pairs_of_one_score() -> None:
    rows = np.arange(5)
    margin = np.array([2.0, 1.5, 1.5, 1.2, 1.1], dtype=np.float32)
    pairs = Pairs(rows, rows, margin, margin)
    found = calibrate(pairs, {(0, 0), (1, 1), (3, 3), (9, 9)})
    assert (found.threshold, found.n_mined) == (pytest.approx(1.2), 4)
    assert (found.precision, found.recall, found.f1) == (3 / 4, 3 / 4, pytest.approx(0.75))
    tied = calibrate(
        pairs, {(0, 0), (1, 1)}
    )  # cutting between the two scores of 1.5 would give an F1 of 1
    assert (tied.threshold, tied.n_mined, tied.precision) == (
        pytest.approx(1.5),
        3,
        pytest.approx(2 / 3),
    )
