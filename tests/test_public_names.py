"""The package's own names: what `dir` lists and `help` explains first."""

from __future__ import annotations

import pydoc

import hexapla


def test_dir_lists_the_public_names_and_help_begins_with_them_and_an_example():
    names = dir(hexapla)
    assert len(names) == 10 and "align" in names
    assert len(pydoc.render_doc(hexapla).splitlines()) < 100
    text = str(hexapla.__doc__)
    listed, _, example = text.partition("For example:")
    assert [name for name in names if name not in listed] == []
    code = "\n".join(line[4:] for line in example.splitlines() if line.startswith("    "))
    compile(code, "example", "exec")
    assert "align(AlignConfig(" in code and "to_pandas()" in code
    assert all(getattr(hexapla, name).__doc__ for name in names)
