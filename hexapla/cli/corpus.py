"""The commands that make and show corpora: build, import, filter, inspect. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.cli.options import (
    Debug,
    Languages,
    Out,
    Overwrite,
    Quiet,
    State,
    calm_libraries,
    console,
)

TEXT, TRANSLATOR, ENDPOINT, SCALE = "Text", "Translator", "Endpoint (OpenAI-compatible)", "Scale"
Pivot = Annotated[
    str, typer.Option("--pivot", help="Language that the others are translations of.")
]
License = Annotated[
    str | None, typer.Option("--license", help="For the dataset card, best as an SPDX id.")
]
Filters = Annotated[str, typer.Option("--filters", help="default, none or a TOML file.")]
Policy = Annotated[
    str, typer.Option("--policy", help="null-cell or drop-row: what goes with a rejected cell.")
]
MaxLoss = Annotated[
    float,
    typer.Option("--max-loss", help="Share of a language's cells whose rejection is too much."),
]
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="FILE|mteb:TASK",
        help="Evaluation set whose sentences stay out; repeatable.",
    ),
]


def build(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...", help='Files, folders, datasets of the Hub, or "-" for stdin.'
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="LANG,...", help="Languages to translate into.")
    ],
    translator: Annotated[
        str, typer.Option("--translator", help="Hub name or folder, or an endpoint's name for it.")
    ],
    out: Out,
    backend: Annotated[
        str,
        typer.Option(help="auto, ctranslate2, transformers or openai.", rich_help_panel=TRANSLATOR),
    ] = "auto",
    pivot: Pivot = "eng_Latn",
    field: Annotated[
        str | None,
        typer.Option(help="Field of JSONL, CSV, TSV, Parquet or a dataset.", rich_help_panel=TEXT),
    ] = None,
    split_sentences: Annotated[
        bool, typer.Option(help="Take a text as several sentences.", rich_help_panel=TEXT)
    ] = True,
    min_characters: Annotated[
        int, typer.Option(help="Leave out shorter sentences.", rich_help_panel=TEXT)
    ] = 10,
    max_characters: Annotated[
        int, typer.Option(help="Leave out longer sentences.", rich_help_panel=TEXT)
    ] = 500,
    limit: Annotated[
        int | None, typer.Option(help="Take the first so many sentences.", rich_help_panel=TEXT)
    ] = None,
    sample: Annotated[
        int | None, typer.Option(help="Take so many sentences at random.", rich_help_panel=TEXT)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.", rich_help_panel=TEXT)] = 0,
    near_duplicates: Annotated[
        float,
        typer.Option(
            help="Similarity at which a sentence repeats an earlier one; 0 keeps all.",
            rich_help_panel=TEXT,
        ),
    ] = 0.8,
    against: Against = None,
    filters: Filters = "default",
    policy: Policy = "null-cell",
    max_loss: MaxLoss = 0.2,
    beam_size: Annotated[
        int, typer.Option(help="Beams of the search.", rich_help_panel=TRANSLATOR)
    ] = 4,
    max_input_tokens: Annotated[
        int, typer.Option(help="Longer sentences are not translated.", rich_help_panel=TRANSLATOR)
    ] = 256,
    batch_tokens: Annotated[
        int, typer.Option(help="Source tokens in a batch.", rich_help_panel=TRANSLATOR)
    ] = 4096,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:1.", rich_help_panel=TRANSLATOR)
    ] = "auto",
    compute_type: Annotated[
        str,
        typer.Option(
            help="auto, int8, float16, bfloat16, float32, ...", rich_help_panel=TRANSLATOR
        ),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="Of one translator; all cores if not given.", rich_help_panel=TRANSLATOR),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Of a translator on the Hub.", rich_help_panel=TRANSLATOR)
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder for converted models and paid answers.", rich_help_panel=TRANSLATOR
        ),
    ] = None,
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle",
            help="Load weights other than safetensors.",
            rich_help_panel=TRANSLATOR,
        ),
    ] = False,
    base_url: Annotated[
        str | None, typer.Option(help="Of an OpenAI-compatible endpoint.", rich_help_panel=ENDPOINT)
    ] = None,
    sentences_per_request: Annotated[
        int, typer.Option(help="In one prompt to an endpoint.", rich_help_panel=ENDPOINT)
    ] = 20,
    concurrency: Annotated[
        int, typer.Option(help="Requests to an endpoint at once.", rich_help_panel=ENDPOINT)
    ] = 4,
    timeout_s: Annotated[
        float,
        typer.Option(help="For one answer of an endpoint, in seconds.", rich_help_panel=ENDPOINT),
    ] = 120.0,
    give_up_after_s: Annotated[
        float,
        typer.Option(help="Longest wait for an endpoint that refuses.", rich_help_panel=ENDPOINT),
    ] = 600.0,
    price_in: Annotated[
        float | None, typer.Option(help="Of a million prompt tokens.", rich_help_panel=ENDPOINT)
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(help="Of a million answer tokens.", rich_help_panel=ENDPOINT)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and stop.")
    ] = False,
    rows_per_shard: Annotated[
        int, typer.Option(help="Rows translated and committed at once.", rich_help_panel=SCALE)
    ] = 2048,
    executor: Annotated[
        str, typer.Option(help="local processes, or a ray cluster.", rich_help_panel=SCALE)
    ] = "local",
    workers: Annotated[
        int,
        typer.Option(
            help="Processes or actors, each with its own translator.", rich_help_panel=SCALE
        ),
    ] = 1,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster.", rich_help_panel=SCALE)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the interrupted build.")
    ] = False,
    overwrite: Overwrite = False,
    license: License = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Translate text into a multi-way corpus, and filter it."""
    from hexapla.build import BuildConfig, estimate_build
    from hexapla.build import build as run
    from hexapla.sources import SourceConfig
    from hexapla.text.languages import parse, parse_list
    from hexapla.translate import TranslatorConfig

    calm_libraries()
    source = SourceConfig(
        texts=tuple(texts),
        field=field,
        language=pivot,
        split_sentences=split_sentences,
        min_characters=min_characters,
        max_characters=max_characters,
        limit=limit,
        sample=sample,
        seed=seed,
    )
    opened = TranslatorConfig(
        name=translator,
        source=parse(pivot),
        backend=backend,
        revision=revision,  # type: ignore[arg-type]
        beam_size=beam_size,
        max_input_tokens=max_input_tokens,
        batch_tokens=batch_tokens,
        device=device,
        compute_type=compute_type,
        threads=threads,
        cache=cache,
        allow_pickle=allow_pickle,
        base_url=base_url,
        sentences_per_request=sentences_per_request,
        concurrency=concurrency,
        timeout_s=timeout_s,
        give_up_after_s=give_up_after_s,
        price_in=price_in,
        price_out=price_out,
    )
    config = BuildConfig(
        source=source,
        to=parse_list(to, least=1),
        translator=opened,
        out=out,
        near_duplicates=near_duplicates or None,
        against=tuple(against or ()),
        filters=filters,
        policy=policy,  # type: ignore[arg-type]
        max_loss=max_loss,
        rows_per_shard=rows_per_shard,
        executor=executor,
        workers=workers,  # type: ignore[arg-type]
        address=address,
        resume=resume,
        overwrite=overwrite,
        license=license,
    )
    if dry_run:
        for line in estimate_build(config).lines():
            typer.echo(line)
        return
    run(config, quiet=State.quiet).render(console())
    _say_size(out)


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="TMX, PO, XLIFF, TSV, CSV, JSONL, Parquet, Moses files x.en x.de, corpora, or datasets of the Hub.",
        ),
    ],
    out: Out,
    pivot: Annotated[
        str, typer.Option("--pivot", help="Language that the rows are joined on.")
    ] = "eng_Latn",
    languages: Languages = None,
    overwrite: Overwrite = False,
    license: License = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Make a corpus of translations that exist, joined on the pivot."""
    from hexapla.imports import ImportConfig, import_corpus
    from hexapla.text.languages import parse_list

    config = ImportConfig(
        files=tuple(files),
        out=out,
        pivot=pivot,
        languages=parse_list(languages) if languages else None,
        overwrite=overwrite,
        license=license,
    )
    import_corpus(config, quiet=State.quiet)
    _say_size(out)


def filter_(
    corpus: Annotated[str, typer.Argument(help="Corpus folder, table file, or sample.")],
    out: Out,
    filters: Filters = "default",
    policy: Policy = "null-cell",
    max_loss: MaxLoss = 0.2,
    near_duplicates: Annotated[
        float,
        typer.Option(help="Similarity at which a row's pivot repeats an earlier one; 0 keeps all."),
    ] = 0.8,
    against: Against = None,
    languages: Languages = None,
    overwrite: Overwrite = False,
    license: License = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Reject bad cells of a corpus, and keep them with their reasons."""
    from hexapla.filters import FilterConfig, filter_corpus
    from hexapla.text.languages import parse_list

    config = FilterConfig(
        corpus=corpus,
        out=out,
        filters=filters,
        policy=policy,  # type: ignore[arg-type]
        max_loss=max_loss,
        near_duplicates=near_duplicates or None,
        against=tuple(against or ()),
        languages=parse_list(languages) if languages else None,
        overwrite=overwrite,
        license=license,
    )
    filter_corpus(config, quiet=State.quiet).render(console())
    _say_size(out)


def inspect(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS|ENCODER",
            help="Corpus folder, table file, sample, encoder folder or tiny.",
        ),
    ],
    languages: Languages = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Show what is in a corpus or an encoder, in one screen."""
    screen = console()
    if folder == "tiny" or any(
        (Path(folder) / name).is_file() for name in ("modules.json", "config.json")
    ):
        from hexapla.encoder.encoder_card import inspect_encoder

        inspect_encoder(folder).render(screen)
        return
    from hexapla.corpus.inspect import inspect_corpus
    from hexapla.corpus.reader import open_corpus
    from hexapla.text.languages import parse_list

    corpus = open_corpus(folder, languages=parse_list(languages) if languages else None)
    inspect_corpus(corpus).render(screen)


def _say_size(out: Path) -> None:
    from hexapla.corpus.reader import open_corpus

    corpus = open_corpus(out, verify=False)
    typer.echo(f"{out}: {len(corpus):,} rows in {len(corpus.languages)} languages")
