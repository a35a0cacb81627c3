"""Answers on paper: what a narrow terminal leaves of them."""

import io
import sys

import pytest

from api.cli import display

ROWS = [
    {"project": "P001", "name": "邻里 助老's", "logged_minutes": 693_000, "fen_spent": -19_005_050},
    {"project": "P002", "name": "助学", "logged_minutes": 0, "fen_spent": 100},
]


@pytest.mark.parametrize("columns", range(1, 60))
def test_a_narrow_terminal_cuts_no_word_and_no_figure(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    display.table(list(ROWS[0]), ROWS)
    shown = screen.getvalue()
    assert "…" not in shown
    assert {"P001", "邻里", "助老's", "11,550.00", "-190,050.50"} <= set(shown.split())
