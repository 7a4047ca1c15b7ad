"""Through a program, whatever it does, each sentence gets its own translation or a problem."""

from __future__ import annotations

import logging
import os
import pickle
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.translate import aligned_lines
from hexapla.translate.backends import check_translator, open_translator
from hexapla.translate.command import CommandTranslator
from hexapla.translate.translator import Translation
from tests.fixtures.line_programs import FAULTS, n_starts, settings, write_program

TEXTS = [f"sentence number {number} of many." for number in range(320)]


def texts_of(found: list[Translation]) -> list[str | None]:
    return [translation.text for translation in found]


def translated(texts: list[str], code: str = "de") -> list[str]:
    return [f"{code}:{text}" for text in texts]


# Alignment


@pytest.mark.parametrize("streams", ["always", "never"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_line_is_aligned_under_a_program_with_a_fault(
    fault: str, streams: Any, tmp_path: Path
) -> None:
    # One that answers at its end fills its buffer first, and loses what is in it when it is killed.
    command = write_program(tmp_path, fault, flush="out.flush()" if streams == "always" else "")
    timeout_s = 0.5 if fault == "hangs once" else 60.0
    translator = CommandTranslator(settings(command, streams=streams, timeout_s=timeout_s))
    found = translator.translate(TEXTS, ["deu_Latn"] * len(TEXTS))
    translator.close()
    assert texts_of(found) == translated(TEXTS)
    expected = 1 if fault in ("none", "floods stderr") else 2
    assert n_starts(tmp_path) >= expected + (streams == "never")


FAULTS_OF_ONE = {
    "misaligned": "if 'number 77 ' in text: continue",
    "crash": "if 'number 77 ' in text: sys.stderr.write('no such word'); sys.exit(3)",
    "timeout": "if 'number 77 ' in text: time.sleep(1000)",
}


@pytest.mark.parametrize("problem", FAULTS_OF_ONE)
def test_the_sentence_at_which_a_program_always_fails_is_named_and_refused_alone(
    problem: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = write_program(tmp_path, FAULTS_OF_ONE[problem])
    timeout_s = 0.2 if problem == "timeout" else 60.0
    translator = CommandTranslator(settings(command, timeout_s=timeout_s))
    texts = TEXTS[:150]
    with caplog.at_level(logging.WARNING):
        found = translator.translate(texts, ["deu_Latn"] * len(texts))
    expected: list[str | None] = [*translated(texts)]
    expected[77] = None
    assert texts_of(found) == expected
    assert found[77].problem == problem
    (message,) = caplog.messages
    assert '(deu_Latn): no translation of "sentence number 77 of many.", at which it' in message
    assert problem != "crash" or 'status 3; its stderr ends with "no such word"' in message


def test_a_single_sentence_at_which_a_program_happened_to_crash_is_asked_again(
    tmp_path: Path,
) -> None:
    command = write_program(tmp_path, "if n % 5 == 0: sys.exit(3)")
    translator = CommandTranslator(settings(command))
    found = [translator.translate([text], ["deu_Latn"])[0] for text in TEXTS[:6]]
    assert texts_of(found) == translated(TEXTS[:6])
    assert n_starts(tmp_path) > 3


def test_a_crash_that_loses_all_output_is_found_in_few_starts(tmp_path: Path) -> None:
    fault = "if 'number 300 ' in text: os.kill(os.getpid(), 9)"
    command = write_program(tmp_path, fault, start="out = open(1, 'w', 1 << 20)", flush="")
    translator = CommandTranslator(settings(command, streams="never"))
    found = translator.translate(TEXTS, ["deu_Latn"] * len(TEXTS))
    assert [place for place, text in enumerate(texts_of(found)) if text is None] == [300]
    assert n_starts(tmp_path) < 25


def test_a_line_that_is_no_text_is_refused_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    fault = (
        "if '7' in text and text[0] == 's': out.flush(); out.buffer.write(b'\\xff\\xfe\\n'); "
        "out.buffer.flush(); continue\n    if '8' in text: answer = ' \\u2028'"
    )
    translator = CommandTranslator(settings(write_program(tmp_path, fault)))
    found = translator.translate(TEXTS[6:10], ["deu_Latn"] * 4)
    assert texts_of(found) == [f"de:{TEXTS[6]}", None, None, f"de:{TEXTS[9]}"]
    assert [each.problem for each in found[1:3]] == ["unreadable answer", "empty translation"]


def test_equal_translations_of_neighbours_are_kept_once_sentinels_have_proved_them(
    tmp_path: Path,
) -> None:
    translator = CommandTranslator(
        settings(write_program(tmp_path, "if text[0] == 's': answer = text[:8] + text[-1]"))
    )
    found = translator.translate(TEXTS[:40], ["deu_Latn"] * 40)
    assert texts_of(found) == ["sentence."] * 40
    assert n_starts(tmp_path) == 1


def test_a_program_that_refuses_all_sentences_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aligned_lines, "MAX_REFUSED", 4)
    translator = CommandTranslator(
        settings(write_program(tmp_path, "if text != '70416.': sys.exit(9)"))
    )
    with pytest.raises(InputError, match=r"exit status 9; nor of the 3 sentences before it"):
        translator.translate(TEXTS, ["deu_Latn"] * len(TEXTS))


@pytest.mark.parametrize("streams", ["always", "never"])
def test_a_program_that_does_not_start_again_ends_the_build(streams: Any, tmp_path: Path) -> None:
    start = "if os.path.getsize(log) > 40: sys.stderr.write('the license has expired'); sys.exit(4)"
    command = write_program(tmp_path, "if n == 50: sys.exit(3)", start=start)
    translator = CommandTranslator(settings(command, streams=streams))
    message = r"exit status 4.*stderr ends with .the license has expired"
    with pytest.raises(InputError, match=message) as raised:
        translator.translate(TEXTS, ["deu_Latn"] * len(TEXTS))
    assert "nor of the" not in str(raised.value)


# Processes


def test_a_program_that_streams_is_started_once_and_started_again_when_it_has_died(
    tmp_path: Path,
) -> None:
    translator = CommandTranslator(settings(write_program(tmp_path)))
    translator.check(["deu_Latn"])
    for start in range(0, 40, 10):
        found = translator.translate(TEXTS[start : start + 10], ["deu_Latn"] * 10)
        assert texts_of(found) == translated(TEXTS[start : start + 10])
    assert n_starts(tmp_path) == 1
    assert translator._program and translator._program._program
    translator._program._program._process.kill()
    translator._program._program._process.wait()
    assert texts_of(translator.translate(TEXTS[:3], ["deu_Latn"] * 3)) == translated(TEXTS[:3])
    assert n_starts(tmp_path) == 2


def test_a_program_that_answers_at_its_end_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aligned_lines, "_PROBE_S", 0.1)
    translator = CommandTranslator(settings(write_program(tmp_path, flush=""), streams="auto"))
    translator.check(["fra_Latn", "deu_Latn"])
    assert n_starts(tmp_path) == 2
    for target in ("deu_Latn", "fra_Latn"):
        found = translator.translate(TEXTS, [target] * len(TEXTS))
        assert texts_of(found) == translated(TEXTS, target[:2])
    assert n_starts(tmp_path) == 6  # each language is asked again and then run


def test_a_program_that_streams_is_found_out(tmp_path: Path) -> None:
    translator = CommandTranslator(settings(write_program(tmp_path), streams="auto"))
    found = translator.translate(TEXTS[:10], ["deu_Latn"] * 10)
    found += translator.translate(TEXTS[10:20], ["deu_Latn"] * 10)
    assert texts_of(found) == translated(TEXTS[:20])
    assert n_starts(tmp_path) == 1


def test_no_process_outlives_its_translator(tmp_path: Path) -> None:
    start = "note('pid %d' % os.getpid())"
    translator = CommandTranslator(settings(write_program(tmp_path, start=start)))
    translator.translate(TEXTS[:20], ["deu_Latn", "fra_Latn"] * 10)
    del translator
    lines = (tmp_path / "log").read_text().splitlines()
    processes = [int(line.split()[1]) for line in lines if line.startswith("pid")]
    assert len(processes) == 3  # asked are both languages, and the first is open then
    for process in processes:
        with pytest.raises(ProcessLookupError, match="No such process"):
            os.kill(process, 0)


def test_a_program_has_no_terminal_and_the_threads_that_it_may_use(tmp_path: Path) -> None:
    start = (
        "note(os.environ['OMP_NUM_THREADS'])\n"
        "try: os.open('/dev/tty', os.O_RDWR)\n"
        "except OSError: note('no terminal')"
    )
    translator = CommandTranslator(settings(write_program(tmp_path, start=start), threads=3))
    translator.check(["deu_Latn"])
    assert (tmp_path / "log").read_text().splitlines() == ["started de", "3", "no terminal"]


def test_a_translator_travels_to_another_process_without_its_program(tmp_path: Path) -> None:
    translator = CommandTranslator(settings(write_program(tmp_path)))
    translator.translate(TEXTS[:2], ["deu_Latn"] * 2)
    sent = pickle.loads(pickle.dumps(translator))
    assert texts_of(sent.translate(TEXTS[:2], ["deu_Latn"] * 2)) == translated(TEXTS[:2])
    assert n_starts(tmp_path) == 2


# What it reads


def test_each_text_gets_its_own_language_and_an_equal_one_is_sent_once(tmp_path: Path) -> None:
    command = write_program(tmp_path, "note('read ' + text)")
    translator = CommandTranslator(
        settings(command, codes=("eng_Latn=en", "deu_Latn=deu", "fra_Latn=f-r"))
    )
    found = translator.translate(
        ["one", "two", "one", "", "one", "w" * 2000],
        ["deu_Latn", "fra_Latn", "fra_Latn", "deu_Latn", "deu_Latn", "deu_Latn"],
    )
    assert texts_of(found) == ["deu:one", "f-r:two", "f-r:one", None, "deu:one", None]
    assert [found[3].problem, found[5].problem] == ["empty", "source too long"]
    read = [line for line in (tmp_path / "log").read_text().splitlines() if "70416" not in line]
    assert [line for line in read if line.startswith("read")] == [
        "read one",
        "read two",
        "read one",
    ]


def test_line_ends_of_every_kind_never_reach_a_program(tmp_path: Path) -> None:
    texts = [f"a{end}b" for end in ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\0")]
    texts += ["a\u2029\n\rb", "\na b\r\n"]
    translator = CommandTranslator(settings(write_program(tmp_path)))
    assert texts_of(translator.translate(texts, ["deu_Latn"] * len(texts))) == ["de:a b"] * 11


def test_what_a_shell_would_interpret_stays_text(tmp_path: Path) -> None:
    texts = [
        "$(touch x)",
        "`touch x`",
        "'; touch x; '",
        '"a" && b | c > x',
        "{target} %s \\n",
        "~ *",
    ]
    code = "$(touch x); 'de'"
    translator = CommandTranslator(
        settings(write_program(tmp_path), codes=(f"deu_Latn={code}", "eng_Latn=en"))
    )
    assert texts_of(translator.translate(texts, ["deu_Latn"] * 6)) == translated(texts, code)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "program.py"]


def test_a_second_translation_is_not_asked_for(tmp_path: Path) -> None:
    translator = CommandTranslator(settings(write_program(tmp_path)))
    (found,) = translator.translate(["one"], ["deu_Latn"], retry=True)
    assert (found.text, found.problem, n_starts(tmp_path)) == (None, "no second translation", 0)


def test_facts_name_the_program_its_version_and_codes_but_no_path(tmp_path: Path) -> None:
    command = write_program(tmp_path)
    version = f"{sys.executable} -c \"print('my-mt', 1.2)\""
    config = settings(command, codes=("eng_Latn=en", "deu_Latn=de"), version_command=version)
    facts: Any = CommandTranslator(config).facts()
    assert facts["version"] == "my-mt 1.2"
    assert facts["codes"] == {"eng_Latn": "en", "deu_Latn": "de"}
    assert facts["name"] == f"{os.path.basename(sys.executable)} program.py"
    assert set(facts["files"]) == {os.path.basename(sys.executable), "program.py"}
    assert str(tmp_path) not in str(facts)
    changed = CommandTranslator(settings(write_program(tmp_path, "answer = 'x'"))).facts()
    assert {key for key in facts if facts[key] != changed.get(key)} == {"version", "codes", "files"}


def test_a_command_without_placeholders_translates_into_one_language(tmp_path: Path) -> None:
    command = write_program(tmp_path).replace("{source} {target}", "en zz")
    check_translator(settings(command, codes=("fra_Latn=fr",)), ["deu_Latn"])
    translator = open_translator(settings(command))
    assert texts_of(translator.translate(["one"], ["deu_Latn"])) == ["zz:one"]
    with pytest.raises(InputError, match=r"has no \{target\}, so it translates into one language"):
        translator.check(["deu_Latn", "fra_Latn"])


def test_braces_are_written_twice(tmp_path: Path) -> None:
    awk = '{{ fflush(); print "{target}: " $0; fflush() }}'
    translator = CommandTranslator(settings(f"awk -W interactive {shlex.quote(awk)}"))
    if os.path.basename(os.path.realpath("/usr/bin/awk")) != "mawk":
        pytest.skip("-W interactive is an option of mawk")
    assert texts_of(translator.translate(["one"], ["deu_Latn"])) == ["de: one"]


def test_the_answers_do_not_wait_for_a_deadline(tmp_path: Path) -> None:
    started = time.monotonic()
    command = write_program(tmp_path, FAULTS["drops a line"])
    translator = CommandTranslator(settings(command, timeout_s=3600.0))
    translator.translate(TEXTS, ["deu_Latn"] * len(TEXTS))
    assert time.monotonic() - started < 60
