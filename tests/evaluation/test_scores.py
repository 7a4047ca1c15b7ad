"""Score folders: written scores are read again, misfits are refused, and a kill leaves no wrong scores."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from hexapla.errors import InputError
from hexapla.evaluation.per_item import per_item_path, read_per_item
from hexapla.evaluation.scores import Score, read_scores, write_scores
from hexapla.evaluation.signature import parse_signature, signature
from tests.fixtures.score_folders import write_score_folder

TABLE = pa.table({"item": ["a", "b"], "accuracy": [1.0, 0.0]})


def score(**changes: object) -> Score:
    plain = Score(
        task="bitext/sib200",
        metric="accuracy",
        value=0.5,
        n=2,
        languages="eng_Latn-deu_Latn",
        seen=True,
        split="test",
        encoder="toy",
        encoder_sha="0" * 64,
        corpus="sample",
        regime="multiway",
        seed=0,
        signature="task:bitext/sib200",
        per_item=per_item_path("bitext/sib200", "test", "eng_Latn-deu_Latn"),
    )
    return dataclasses.replace(plain, **changes)


def written(folder: Path, *scores: Score, table: pa.Table = TABLE) -> Path:
    return write_score_folder(
        folder, scores, {one.per_item: table for one in scores if one.per_item}
    )


def test_scores_and_tables_come_back_as_they_were(tmp_path: Path) -> None:
    one, other = (
        score(),
        score(languages="deu_Latn", seen=None, corpus=None, seed=None, value=1 / 3, per_item=None),
    )
    out = written(tmp_path / "deep" / "out", one, other)
    assert read_scores(out) == read_scores(out / "scores.jsonl") == [one, other]
    assert read_per_item(one, out).equals(TABLE)
    assert read_per_item(one, out / "scores.jsonl").equals(TABLE)


def test_a_line_is_one_json_object_with_the_fields_by_name(tmp_path: Path) -> None:
    (line,) = (written(tmp_path, score()) / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    assert list(json.loads(line)) == [
        "task",
        "metric",
        "value",
        "n",
        "languages",
        "seen",
        "split",
        "encoder",
        "encoder_sha",
        "corpus",
        "regime",
        "seed",
        "signature",
        "per_item",
    ]
    assert (tmp_path / "per_item/bitext/sib200.test.eng_Latn-deu_Latn.parquet").is_file()


def test_a_signature_is_parsed_again_whatever_is_in_it() -> None:
    fields = {"task": "bitext/a|b", "k": 4, "prompt": "query: 100%7C|", "max_tokens": None}
    assert parse_signature(signature(fields)) == {
        "task": "bitext/a|b",
        "k": "4",
        "prompt": "query: 100%7C|",
    }


def test_a_kill_before_the_end_leaves_no_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt("killed")

    (tmp_path / "per_item").mkdir()
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        write_scores([score()], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["per_item"]
    with pytest.raises(InputError, match=r"has no scores\.jsonl: .* its evaluation did not finish"):
        read_scores(tmp_path)


def test_a_score_must_fit_its_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no column f1, which f1 is computed from"):
        written(tmp_path, score(metric="f1"))
    with pytest.raises(
        ValueError, match="has no column cosine, gold, which spearman is computed from"
    ):
        written(tmp_path, score(metric="spearman"))
    with pytest.raises(ValueError, match="has 2 rows; the score is over 3"):
        written(tmp_path, score(n=3))
    assert not list(tmp_path.iterdir())


def test_a_score_that_is_not_a_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_scores([score(value=float("nan"))], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "high"}, 'value is "high"; it must be a number$'),
        ({"value": True}, "value is true; it must be a number$"),
        ({"value": float("nan")}, "it holds NaN, which is not a finite number$"),
        ({"value": 1e300}, "value is 1e\\+300; it must be a number from -1 to 1$"),
        ({"n": -1}, "n is -1; it must be 0 or more$"),
        ({"per_item": "../x"}, 'per_item is "../x"; it must be a path inside the folder$'),
        ({"n": 2.5}, "n is 2.5; it must be a whole number$"),
        ({"n": True}, "n is true; it must be a whole number$"),
        (
            {"metrics": "f1"},
            'it has a field "metrics" that this version does not know; did you mean "metric"',
        ),
        ({"seen": "yes"}, 'seen is "yes"; it must be true or false$'),
    ],
)
def test_a_line_that_is_not_a_score_is_refused_with_its_number(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    good = dataclasses.asdict(score())
    text = f"{json.dumps(good)}\n{json.dumps(good | change)}\n"
    (tmp_path / "scores.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"scores\.jsonl:2: not a score: {message}"):
        read_scores(tmp_path)


def test_a_missing_field_and_a_damaged_line_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    lacking = {name: value for name, value in dataclasses.asdict(score()).items() if name != "seen"}
    file.write_text(json.dumps(lacking), encoding="utf-8")
    with pytest.raises(InputError, match=r":1: not a score: it has no seen$"):
        read_scores(file)
    file.write_text('{"task": ', encoding="utf-8")
    with pytest.raises(InputError, match=r":1: not a score: it is not JSON \(Expecting value"):
        read_scores(file)
    file.write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match=r":1: not a score: it is \[1\]; it must be an object"):
        read_scores(file)
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no scores"):
        read_scores(file)
    with pytest.raises(
        InputError, match=r'alined does not exist; give .*, or an encoder; did you mean "aligned"'
    ):
        (tmp_path / "aligned").mkdir()
        read_scores(tmp_path / "alined")
    (tmp_path / "rows.tsv").touch()
    with pytest.raises(InputError, match=r"is a table, and no scores; .* \(--data .*rows\.tsv\)"):
        read_scores(tmp_path / "rows.tsv")


def test_a_missing_or_damaged_table_is_refused(tmp_path: Path) -> None:
    out = written(tmp_path, score())
    with pytest.raises(InputError, match="has no per-item table; evaluate again"):
        read_per_item(score(per_item=None), out)
    with pytest.raises(InputError, match="lies outside"):
        read_per_item(score(per_item="../other.parquet"), out)
    with pytest.raises(
        InputError, match=r"parquet cannot be used: .* has 2 rows; the score is over 9"
    ):
        read_per_item(score(n=9), out)
    (out / score().per_item).write_bytes(b"PAR1 and no more")
    with pytest.raises(
        InputError, match=r"sib200\.test\.eng_Latn-deu_Latn\.parquet cannot be used"
    ):
        read_per_item(score(), out)
    (out / score().per_item).unlink()
    with pytest.raises(
        InputError, match=r"is missing; it belongs to the scores in .*, copy the whole folder"
    ):
        read_per_item(score(), out)
