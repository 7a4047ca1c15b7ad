"""A program or a command line that cannot translate is refused at once, by what is wrong with it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.translate import aligned_lines
from hexapla.translate.backends import check_translator, open_translator
from hexapla.translate.config import TranslatorConfig
from tests.fixtures.line_programs import settings, write_program

SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "a placeholder that is unknown": (
        {"translator": "cat {lang}"},
        r'translator is "cat \{lang\}", which has the unknown placeholder \{lang\}; allowed are '
        r"\{source\} and \{target\}; write \{\{ or \}\} for a brace",
    ),
    "a placeholder without a name": ({"translator": "cat {}"}, r"unknown placeholder \{\}"),
    "a placeholder with a form": ({"translator": "cat {target:>9}"}, r"placeholder \{target\}"),
    "an attribute": ({"translator": "cat {target.x}"}, r"unknown placeholder \{target.x\}"),
    "half a pair of braces": ({"translator": "awk {print"}, "a brace without its pair"),
    "an open quotation": (
        {"translator": "cat 'x"},
        "no closing quotation; quote it as for a shell",
    ),
    "no word": ({"translator": "  "}, "give a program and its arguments"),
    "a missing program": (
        {"translator": "no-such-mt --to {target}"},
        "no-such-mt: no such program in the folders of PATH; install it, or give its path",
    ),
    "a missing file": ({"translator": "./bin/mt {target}"}, r"\./bin/mt: no such program; install"),
    "a folder": ({"translator": "{folder} {target}"}, "is a folder; give the program in it"),
    "no program": (
        {"translator": "{folder}/text {target}"},
        r"text is not executable; .* chmod \+x",
    ),
    "the pivot": ({"targets": ["eng_Latn"]}, "target eng_Latn is the language of the texts"),
    "a code that the map lacks": (
        {"codes": "eng_Latn=en,deu_Latn=de"},
        r"codes has no fra_Latn \(French\), only eng_Latn, deu_Latn; add fra_Latn=CODE to --codes",
    ),
    "no code of the pivot": ({"codes": "de=de,fr=fr"}, r"codes has no eng_Latn \(English\)"),
    "one code for two": ({"codes": "en=en,de=x,fr=x"}, 'codes has "x" for deu_Latn and for fra_L'),
    "an entry without a code": ({"codes": "de"}, 'codes has "de"; write each entry like deu_Latn='),
    "an empty code": ({"codes": "de="}, 'codes has "de="; write each entry like deu_Latn=de'),
    "a code of two lines": ({"codes": {"de": "a\nb"}}, "write each entry like deu_Latn=de"),
    "a language twice": ({"codes": "de=de,German=ger"}, "codes names deu_Latn twice"),
    "an unknown language": ({"codes": "xx=de"}, 'language "xx" is unknown'),
    "codes of another type": ({"codes": 5}, "codes is 5; it must be a list"),
    "codes of an endpoint": (
        {"backend": "openai", "codes": "de=de"},
        "codes is a setting of programs",
    ),
    "a version of a model": (
        {"backend": "openai", "version_command": "x"},
        "version_command is a setting of programs and Python functions; use it with --backend",
    ),
    "a function that streams": (
        {"backend": "python", "streams": "never"},
        "use it with --backend c",
    ),
    "a missing version command": ({"version_command": "no-such-mt -v"}, "no-such-mt: no such prog"),
    "a placeholder in it": ({"version_command": "cat {target}"}, "allowed is none"),
}


@pytest.mark.parametrize("mistake", SETTINGS)
def test_a_mistake_in_the_settings_is_refused_without_running_anything(
    mistake: str, tmp_path: Path
) -> None:
    changes, message = SETTINGS[mistake]
    (tmp_path / "text").write_text("no program")
    given = {
        "translator": f"{sys.executable} {{source}} {{target}}",
        "backend": "command",
        **changes,
    }
    given["translator"] = given["translator"].replace("{folder}", str(tmp_path))
    targets = given.pop("targets", ["deu_Latn", "fra_Latn"])
    with pytest.raises(InputError, match=message):
        check_translator(TranslatorConfig(**given), targets)


PROGRAMS: dict[str, tuple[dict[str, str], str]] = {
    "exits at once": (
        {"start": "sys.stderr.write('no model\\nfor de'); sys.exit(7)"},
        r"\(deu_Latn\) ended with exit status 7 and wrote 0 lines for 2; its stderr ends with "
        r'"no model for de"; see what it does with: echo 70416\. \| ',
    ),
    "is killed": ({"start": "os.kill(os.getpid(), 9)"}, "was ended by SIGKILL and wrote 0 lines"),
    "writes nothing": ({"fault": "continue"}, "wrote no line for 0.3 s, see --timeout-s"),
    "floods stderr": (
        {"start": "while True: sys.stderr.write('noise ' * 1000)"},
        r"wrote no line for 0.3 s, see --timeout-s; its stderr ends with .*noise",
    ),
    "writes binary": (
        {"fault": "out.buffer.write(b'\\x80\\xff\\0\\n'); out.buffer.flush(); continue"},
        r"wrote bytes that are not UTF-8, b'\\x80\\xff\\x00'",
    ),
    "writes binary without end": (
        {"fault": "while True: out.buffer.write(b'\\xff' * 5000)"},
        "wrote more than 1 MiB without the end of a line",
    ),
    "writes without end": (
        {"start": "while True: print('y')"},
        'with "y" and then with "y" and mor',
    ),
    "writes empty lines": ({"fault": "answer = ''"}, r"answered 70416\. with an empty line"),
    "greets": (
        {"start": "print('Loading the model')"},
        'with "Loading the model" and then with "seventy thousand"( and more)?; it must',
    ),
    "answers at random": ({"fault": "answer = str(n)"}, 'with "1" and then with "2"; it must'),
    "asks for a password": (
        {"start": "open('/dev/tty')"},
        r"exit status 1 and wrote 0 lines for 2; its stderr ends with .*No such device",
    ),
}


@pytest.mark.parametrize("streams", ["always", "never"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_does_not_translate_is_told_at_the_first_line(
    program: str, streams: Any, tmp_path: Path
) -> None:
    parts, message = PROGRAMS[program]
    command = write_program(tmp_path, parts.get("fault", "pass"), start=parts.get("start", ""))
    waits = program in ("floods stderr", "writes nothing")
    if streams == "never" and program == "writes nothing":
        message = "ended with exit status 0 and wrote 0 lines for 2"
    translator = open_translator(
        settings(command, streams=streams, timeout_s=0.3 if waits else 60.0)
    )
    with pytest.raises(InputError, match=message) as raised:
        translator.check(["deu_Latn"])
    assert str(raised.value).isprintable() and len(str(raised.value)) < 1000


def test_a_program_that_answers_at_its_end_is_told_how_to_be_run(tmp_path: Path) -> None:
    command = write_program(tmp_path, flush="")
    translator = open_translator(settings(command, streams="always", timeout_s=0.2))
    with pytest.raises(InputError, match="if it answers when its input ends, use --streams never"):
        translator.check(["deu_Latn"])


def test_a_program_that_writes_a_line_of_its_own_at_its_end_is_told(tmp_path: Path) -> None:
    command = write_program(tmp_path, end="print('2 lines')")
    translator = open_translator(settings(command, streams="never"))
    with pytest.raises(InputError, match='then with "seventy thousand" and more; it must write a'):
        translator.check(["deu_Latn"])


def test_a_silent_program_is_asked_with_open_input_and_then_with_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aligned_lines, "_PROBE_S", 0.05)
    translator = open_translator(settings(write_program(tmp_path, "continue"), streams="auto"))
    with pytest.raises(InputError, match="ended with exit status 0 and wrote 0 lines for 2"):
        translator.check(["deu_Latn"])


def test_a_script_without_a_first_line_is_told(tmp_path: Path) -> None:
    program = tmp_path / "mt"
    program.write_text("import sys\n")
    program.chmod(0o755)
    with pytest.raises(
        InputError, match=r"mt cannot be started: Exec format error; a script needs"
    ):
        open_translator(settings(str(program))).check(["deu_Latn"])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import sys; sys.exit('no license')",
            'ended with status 1 and "no license"; it must print',
        ),
        ("pass", 'ended with status 0 and ""; it must print a version and end with 0'),
    ],
)
def test_a_version_command_that_prints_no_version_is_refused(
    code: str, message: str, tmp_path: Path
) -> None:
    version = shlex.join([sys.executable, "-S", "-E", "-c", code])
    translator = open_translator(settings(write_program(tmp_path), version_command=version))
    with pytest.raises(InputError, match=message):
        translator.facts()
