"""What a unit of XLIFF says of itself -> why its translation is not finished.

The states are those of XLIFF 1.2 (`state`, `state-qualifier`, `approved`) and 2.x (`state`,
`subState`), and those of programs: SDL Trados (`conf`), Memsource (`confirmed`), memoQ (`status`).
Only what a file states counts: a file without any state is taken as finished, although both
standards have the lowest one as the default, because most programs do not write it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_STATES = frozenset({"new", "initial", "rejected"})
_QUALIFIERS = frozenset({"fuzzy-match", "mt-suggestion", "tm-suggestion", "leveraged-mt"})
_FINISHED = frozenset({"translated", "signed-off", "final", "reviewed"})
_OF_SDL = frozenset({"Unspecified", "Draft", "RejectedTranslation", "RejectedSignOff"})
_OF_MEMOQ = frozenset(
    {
        "NotStarted",
        "PartiallyEdited",
        "Edited",
        "Rejected",
        "Pretranslated",
        "MachineTranslated",
        "AssembledFromFragments",
    }
)


def why_unfinished(marks: Iterable[Mapping[str, str]]) -> str:
    """Return why a translation is not finished, or "" if nothing says so.

    A suggestion, such as a fuzzy match, is unfinished unless the state says that it was worked on.

    Args:
        marks: The attributes of the unit, of its target and of its segments.
    """
    stated = [(key, value.strip()) for each in marks for key, value in each.items()]
    is_finished = any(key == "state" and value in _FINISHED for key, value in stated)
    for key, value in stated:
        if key == "state" and _is_unfinished(value):
            return f"unfinished: {value}"
        if key == "subState" and _is_unfinished(value.rpartition(":")[2]):
            return f"unfinished: {value}"
        if key == "state-qualifier" and (
            value.startswith("rejected") or (value in _QUALIFIERS and not is_finished)
        ):
            return f"unfinished: {value}"
        if (key == "conf" and value in _OF_SDL) or (key == "status" and value in _OF_MEMOQ):
            return f"unfinished: {value}"
    if ("approved", "no") in stated:
        return "not approved"
    return "not confirmed" if ("confirmed", "0") in stated else ""


def _is_unfinished(state: str) -> bool:
    plain = state.removeprefix("x-")
    return plain in _STATES or plain.startswith(("needs-", "rejected-"))
