import io

import numpy as np
import pytest
from rich.console import Console

from proxy.tabular.terminal import show
from tests.unit.tabular_runs import bare, column, every_kind, hostile, run_of


def shown(run, *, terminal=False, encoding="utf-8", width=80):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    show(run, Console(file=file, force_terminal=terminal, width=width, highlight=False))
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("run", [every_kind, hostile, bare, lambda: run_of({}, {})])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_report_fits_eighty_columns(run, terminal):
    plain = Console(width=200)
    for line in shown(run(), terminal=terminal).splitlines():
        assert plain.render_str(line).from_ansi(line).cell_len <= 80


def test_the_report_says_what_drifted_and_what_did_not():
    """A sentence, the drifted columns with their figures, the rest by number, the skipped with reasons, the schema."""
    run = every_kind()
    said = shown(run)
    assert said.startswith(f"{run.summary.drifted} of {run.summary.tested} columns have drifted")
    for row in run.display_rows:
        assert (row.name in said) == (row.drifted or row.p_value is None)
    assert f"{run.summary.tested - run.summary.drifted} columns have not drifted." in said
    assert "3 not tested:" in said
    assert "as when time passes" in " ".join(said.split())
    assert "Schema: added: new, not in the reference" in said
    assert "Check first:" in said


def test_a_file_gets_plain_text():
    assert "\x1b" not in shown(every_kind())
    assert "\x1b[1m" in shown(every_kind(), terminal=True)


def test_names_are_neither_markup_nor_escape_sequences():
    """[bold] and [/] stay letters, and ESC in a name does not reach the terminal."""
    values = np.random.default_rng(0).normal(size=60)
    names = ("[bold red]x[/]", "[/nothing]", "\x1b[31m", "\u202eexe")
    said = shown(run_of({n: values for n in names}, {n: values + 3 for n in names}), width=200)
    assert "[bold red]x[/]" in said
    assert "[/nothing]" in said
    assert "⟨U+001B⟩[31m" in said
    assert not set(said) & set("\x1b\x00\u202e")


def test_an_old_encoding_fails_nothing():
    """A console of code page 1252 has no arrow and no Chinese: the report is printed all the same."""
    before, after = column(["茶", "café", "eau"] * 40), column(["茶"] * 70 + ["café"] * 10 + ["eau"] * 40)
    said = shown(run_of({"飲": before}, {"飲": after}), encoding="cp1252")
    assert "->" in said
    assert "café" in said


def test_nothing_to_test_is_said_in_a_line():
    said = shown(run_of({"a": []}, {"a": []}))
    assert "No column could be tested" in said
    assert "1 not tested:" in said
