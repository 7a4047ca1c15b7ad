"""What an export gained and lost: the table on the terminal, and the folder's model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hexapla.text import languages as codes
from hexapla.text.printable import markdown, markdown_code, printable, printable_all

if TYPE_CHECKING:
    from rich.table import Table

_LOADED = {
    "onnx": 'SentenceTransformer("FOLDER", backend="onnx")',
    "openvino": 'SentenceTransformer("FOLDER", backend="openvino")',
    "static": 'StaticModel.from_pretrained("FOLDER")',
}
_TITLES = {"onnx": "ONNX", "openvino": "OpenVINO", "static": "static vectors"}
_NEEDS = {
    "onnx": "pip install 'sentence-transformers[onnx]'",
    "openvino": "pip install 'sentence-transformers[openvino]'",
    "static": "pip install model2vec",
}
_CARD = """\
---
library_name: {library}
pipeline_tag: sentence-similarity
tags: [sentence-transformers, sentence-similarity, feature-extraction, {format}]
---

# {name}, {title}

Exported by Hexapla from {name} (SHA-256 {sha}).

```python
from {module} import {kind}

model = {load}  # {needs}
vectors = model.encode(["Guten Tag", "Good day"])
```

## Before and after the export

{table}

Measured on {n_rows} rows of {corpus}, by cosine, from and to
{pivot}; {threads}. {sts}
"""


def measured_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what was measured, in the encoder's own form and in the exported one."""
    bitext, sts, cosine = record["bitext"], record["sts"], record["cosine"]
    yield "bitext accuracy, %", *_percent(bitext)
    for language, accuracy in bitext["languages"].items():
        yield f"  {codes.name(language)}", *_percent(accuracy)
    if sts:
        yield "similarity (Spearman x 100)", *_percent(sts)
    if cosine:
        yield "cosine with its own vectors, mean", "1", f"{cosine['mean']:.4f}"
        yield "cosine with its own vectors, lowest", "1", f"{cosine['lowest']:.4f}"
    speed, size = record["sentences_per_s"], record["mb"]
    yield "sentences per second", f"{speed['before']:,.0f}", f"{speed['after']:,.0f}"
    before = "unknown" if size["before"] is None else f"{size['before']:,.1f}"
    yield "MB on disk", before, f"{size['after']:,.1f}"


def exported_form(record: Mapping[str, Any]) -> str:
    """Return the format in words, such as "onnx int8"."""
    return " ".join(filter(None, (record["format"], record["precision"])))


def export_table(record: Mapping[str, Any]) -> Table:
    """Return the table for the terminal."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for header in ("before", exported_form(record)):
        table.add_column(header, justify="right")
    for row in measured_rows(record):
        table.add_row(*map(printable, row))
    return table


def export_card(record: Mapping[str, Any]) -> str:
    """Return the model card of the exported folder."""
    record = printable_all(dict(record))
    form = record["format"]
    is_static = form == "static"
    rows = [("", "before", exported_form(record)), ("---", "---:", "---:"), *measured_rows(record)]
    plural = "" if record["threads"] == 1 else "s"
    return _CARD.format(
        library="model2vec" if is_static else "sentence-transformers",
        format=form,
        name=markdown(record["encoder"]),
        title=_TITLES[form] + (f", {record['precision']}" if record["precision"] else ""),
        sha=markdown_code(record["encoder_sha256"][:16]),
        module="model2vec" if is_static else "sentence_transformers",
        kind="StaticModel" if is_static else "SentenceTransformer",
        load=_LOADED[form],
        needs=_NEEDS[form],
        table="\n".join(f"| {' | '.join(cell.strip() for cell in row)} |" for row in rows),
        n_rows=record["n_rows"],
        corpus=markdown_code(record["corpus"]),
        pivot=codes.name(record["pivot"]),
        threads=f"{record['threads']} thread{plural}",
        sts=f"Similarity on {markdown_code(record['sts_name'])}." if record["sts_name"] else "",
    )


def _percent(values: Mapping[str, Any]) -> tuple[str, str]:
    return f"{100 * values['before']:.2f}", f"{100 * values['after']:.2f}"
