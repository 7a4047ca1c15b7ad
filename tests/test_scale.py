"""Builds, alignments and minings of any size, worked out from constants by hand."""

from __future__ import annotations

import doctest

import pytest

from benchmarks import scale_tables
from benchmarks.scale_model import (
    AlignConstants,
    BuildConstants,
    Line,
    MineConstants,
    Prices,
    align_hours,
    encode_gpu_h,
    graph_gpu_h,
    step_time,
    translation_gpu_h,
    work_files,
)

STAGES = {name: Line(1.0, 0.001) for name in ("plan", "cells", "statistics", "judge", "assemble")}
BUILD = BuildConstants(
    start_s=2.0,
    stages=STAGES,
    work_bytes=Line(100.0, 600.0),
    corpus_bytes=Line(50.0, 300.0),
    base_bytes=1e8,
    index_bytes=1000.0,
    seen_bytes=100.0,
)
ALIGN = AlignConstants(
    start_s=10.0,
    token_s=0.001,
    tokens_per_row=190.0,
    tokenise_s=0.005,
    dataset_s=0.005,
    cache_bytes=1500.0,
    encoder_bytes=3e7,
    memory_bytes=1e9,
    sampler_bytes=100.0,
    sampler_s=2e-6,
    train_share=0.5,
    encode_share=0.6,
    peak_flops=7e10,
)
MINE = MineConstants(
    start_s=10.0,
    sentence_s=0.001,
    comparison_s=1e-8,
    side_bytes=400.0,
    pair_bytes=4000.0,
    base_bytes=1e9,
    vector_bytes=768.0,
    index_s=36.0,
    query_s=0.001,
    merge_s=1e-6,
)


def test_a_line_goes_through_both_of_its_points() -> None:
    assert Line.through((2000, 10.0), (8000, 34.0)).at(20_000) == pytest.approx(82.0)


def test_a_build_costs_its_start_and_five_stages() -> None:
    assert BUILD.cpu_s(10_000) == pytest.approx(2 + 5 * (1 + 10))


def test_three_stages_of_a_build_run_in_a_single_process() -> None:
    assert BUILD.serial_s(10_000) == pytest.approx(2 + 3 * (1 + 10))


def test_filtering_costs_all_stages_but_the_translated_tables() -> None:
    assert BUILD.filter_s(10_000) == pytest.approx(2 + 4 * (1 + 10))


def test_the_memory_of_a_build_grows_with_the_index_and_the_hashes_of_rows() -> None:
    assert BUILD.memory(10**8) == pytest.approx(1e8 + 1100 * 1e8)


def test_a_shard_has_13_tables_with_records_and_12_counts_of_attempts() -> None:
    assert work_files(2048, 6) == 2 * 13 + 12 + 6
    assert work_files(2049, 6) == 2 * (2 * 13 + 12) + 6


def test_nllb_translates_at_the_published_rate_over_the_ratio_of_weights() -> None:
    # Weights read for a token: 463.7 million of NLLB, 54.9 million of OPUS-MT; 9,297 / 8.44 = 1,101.
    assert translation_gpu_h(10**6, 6, 30) == pytest.approx(180e6 / 1101 / 3600, rel=1e-3)


def test_an_alignment_costs_its_start_and_its_tokens() -> None:
    assert ALIGN.cpu_s(1000) == pytest.approx(10 + 190 + 5 + 5)


def test_every_process_holds_the_cells_of_all_rows() -> None:
    assert ALIGN.rank_memory(10**7) == pytest.approx(10**7 * (7 * 108 + 72))


def test_one_gpu_waits_for_no_network() -> None:
    assert step_time(1, 64, 190, cached=False).network_s == 0


def test_a_step_of_twice_the_rows_costs_the_encoder_twice_and_the_loss_four_times() -> None:
    one, other = (step_time(8, n_rows, 190, cached=False) for n_rows in (512, 1024))
    assert other.encoder_s == pytest.approx(2 * one.encoder_s)
    assert other.loss_s == pytest.approx(4 * one.loss_s)


def test_gradient_caching_costs_a_third_more_of_the_encoder_alone() -> None:
    plain, cached = (step_time(8, 512, 190, cached=each) for each in (False, True))
    assert cached.encoder_s == pytest.approx(4 / 3 * plain.encoder_s)
    assert cached[1:] == plain[1:]


def test_an_epoch_is_as_many_steps_as_rows_need() -> None:
    step = step_time(8, 512, 190, cached=False)
    assert align_hours(1025, 8, 512, 190) == pytest.approx(3 * step.seconds / 3600)


def test_mining_costs_its_sentences_once_and_its_comparisons_squared() -> None:
    assert MINE.cpu_s(10_000) == pytest.approx(10 + 20 + 1)
    assert MINE.cpu_s(40_000) == pytest.approx(10 + 80 + 16)


def test_an_exact_search_has_a_task_for_every_two_shards() -> None:
    search = MINE.exact_cluster(2 * 131_072)
    assert search.n_tasks == 4
    # Each task returns the four neighbours, of 12 bytes, of all vectors of both its shards.
    assert search.received_bytes == 4 * 2 * 131_072 * 4 * 12
    assert search.driver_h == pytest.approx(4 * 2 * 131_072 * 1e-6 / 3600)
    assert search.sent_bytes == 4 * 2 * 131_072 * 768


def test_ivf_pq_has_an_index_for_every_shard_that_all_vectors_search() -> None:
    n = 2 * 131_072
    search = MINE.approximate_cluster(n)
    assert search.n_tasks == 4
    assert search.core_h == pytest.approx(4 * (36 + n * 0.001) / 3600)


def test_graphs_of_published_sizes_take_the_published_hours_in_each_direction() -> None:
    assert graph_gpu_h(1e9) == pytest.approx(2 * 48)
    assert graph_gpu_h(95e6) == pytest.approx(2 * 4 * 35 / 60)


def test_encoding_is_three_times_as_fast_as_training() -> None:
    # 110,810 tokens a second and GPU in training.
    assert encode_gpu_h(10**9, 30) == pytest.approx(30e9 / 332_429 / 3600, rel=1e-3)


def test_prices_change_the_money_alone() -> None:
    cheap, dear = (scale_tables.build_lines(BUILD, Prices(a10g_h=price)) for price in (1.0, 2.0))
    changed = [one for one, other in zip(cheap, dear, strict=True) if one != other]
    assert len(changed) == 1
    assert changed[0].startswith("| translation, hours of an A10G (dollars) | 45 (45) |")


def test_every_table_has_a_cell_for_every_size() -> None:
    for name, constants in (("build", BUILD), ("align", ALIGN), ("mine", MINE)):
        rows = [line for line in scale_tables.LINES[name](constants, Prices()) if line[:1] == "|"]
        assert {line.count("|") for line in rows} <= {5, 7}


def test_numbers_and_sizes_are_shown_as_their_examples_say() -> None:
    assert doctest.testmod(scale_tables) == (0, 2)
