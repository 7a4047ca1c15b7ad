"""A comparison -> verdict and headline gains in Markdown, for a README: `summary.md`."""

from __future__ import annotations

from hexapla.report.comparison import Comparison
from hexapla.report.headline import Headline, headline, multiway_over_en_x
from hexapla.report.number_format import format_interval, format_n
from hexapla.report.verdict import few_items, verdicts
from hexapla.text.printable import markdown, markdown_row

_PAPERS_COLUMN = (
    " The paper's column is from its own comparison (multi-way over English-X, XLM-R and mBERT "
    "base, MTEB), with other encoders and data."
)


def summary_markdown(comparison: Comparison) -> str:
    """Return verdict and headline gains in Markdown for a README, with the notes below them."""
    rows = headline(comparison)
    has_paper = any(one.paper is not None for one in rows)
    heads = ["task", "languages", "run", comparison.runs[0].label, "value", "gain, points"]
    heads += ["95 % interval", "n", *(["relative", "paper"] if has_paper else [])]
    sentences = [f"Verdict: {one}" for one in verdicts(comparison)]
    sentences += filter(None, [few_items(comparison)])
    lines = [
        *(f"{markdown(sentence)}\n" for sentence in sentences),
        markdown_row(*heads),
        "|---|---|---|" + "--:|" * (len(heads) - 3),
        *(_summary_row(one, has_paper=has_paper) for one in rows),
        "",
        f"Percent; paired bootstrap over test rows, {comparison.n_resamples} resamples."
        + (_PAPERS_COLUMN if has_paper else ""),
    ]
    paper = [
        f"multiway over en-x, the paper's comparison: {one}"
        for one in multiway_over_en_x(comparison)
    ]
    if notes := [*paper, *comparison.notes]:
        lines += ["", *(f"- {markdown(note)}" for note in notes)]
    return "\n".join(lines) + "\n"


def _summary_row(one: Headline, *, has_paper: bool) -> str:
    relative = one.after.relative
    cells = [
        f"{one.task}, {one.metric}",
        one.group.replace("eng_Latn", "English"),
        one.run,
        f"{100 * one.before.value:.1f}",
        f"{100 * one.after.value:.1f}",
        f"{100 * (one.after.gain or 0):+.1f}",
        format_interval(one.after),
        format_n(one.n_items),
    ]
    if has_paper:
        cells += [
            "" if relative is None else f"{100 * relative:+.1f} %",
            "" if one.paper is None else f"{100 * one.paper:+.1f} %",
        ]
    return markdown_row(*cells)
