"""What the code uses of libraries without their promise still exists, at the versions of the page."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import hexapla

ROOT = Path(hexapla.__file__).parents[1]
PAGE = ROOT / "docs" / "private-apis.md"


def test_the_page_names_the_versions_of_the_constraints():
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
    )
    named = re.findall(r"^(?:## |\| )([a-z_0-9-]+) (\d[\w.]*)", PAGE.read_text(), re.MULTILINE)
    assert len(named) >= 11
    assert {name: version for name, version in named if pinned[name] != version} == {}


def test_every_file_of_the_page_exists():
    files = set(re.findall(r"`([a-z_]+/[a-z_0-9]+\.py)`", PAGE.read_text()))
    assert len(files) > 20
    assert {
        file
        for file in files
        if not (ROOT / "hexapla" / file).is_file() and not file.startswith("tests")
    } == set()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sentence_transformers.base.losses", "RandContext"),
        ("sentence_transformers.base.evaluation", "BaseEvaluator"),
        ("sentence_transformers", "SentenceTransformerTrainer.add_model_card_callback"),
        ("sentence_transformers", "SentenceTransformerTrainer._save_checkpoint"),
        ("sentence_transformers", "SentenceTransformerTrainer._load_from_checkpoint"),
        ("sentence_transformers", "SentenceTransformerTrainer._clip_grad_norm"),
        ("sentence_transformers", "SentenceTransformerTrainer._save"),
        ("transformers.integrations.fsdp", "is_fsdp_enabled"),
        ("transformers.modeling_utils", "log_state_dict_report"),
        ("transformers.masking_utils", "AttentionMaskInterface"),
        ("datasets.config", "HF_DATASETS_CACHE"),
        ("torch.nn.attention.varlen", "varlen_attn"),
        ("typer.core", "TyperGroup.resolve_command"),
        ("gettext", "c2py"),
        ("multiprocessing.util", "spawnv_passfds"),
    ],
)
def test_a_private_name_still_exists(module, name):
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
