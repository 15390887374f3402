import re
from itertools import pairwise

import pytest

from drift.tabular.result import Share
from drift.tabular.words import percentage
from proxy.tabular import words
from proxy.tabular.pictures import bars, histogram


def edges(*labels):
    """(place in percent of the width, label) of a histogram's marks."""
    shares = [Share(label=label, reference=1 / len(labels), current=1 / len(labels)) for label in labels]
    drawn = histogram("t", "x", shares, height=100)
    return re.findall(r'x="([0-9.]+)%" y="[0-9]+" text-anchor="middle">([^<]+)<', drawn)


def test_bars_are_as_long_as_their_shares():
    """On an axis to 40 %, a share of 40 % takes the whole width and one of 20 % half of it; none has no bar."""
    shares = (Share(label="a", reference=0.4, current=0.2), Share(label="b", reference=0.4, current=0.0))
    lengths = re.findall(r'class="([rc])"[^>]* width="([0-9.]+)%"', bars("t", "x", shares))
    assert lengths == [("r", "100.00"), ("c", "50.00"), ("r", "100.00")]


def test_a_histogram_is_as_tall_as_its_shares():
    shares = (Share(label="1", reference=0.4, current=0.1), Share(label="2", reference=0.2, current=0.0))
    heights = re.findall(r'class="([rc])"[^>]* height="([0-9.]+)"', histogram("t", "x", shares, height=100))
    assert heights == [("r", "100.0"), ("c", "25.0"), ("r", "50.0")]


@pytest.mark.parametrize("largest", [1.0, 0.97, 0.5, 0.31, 0.08, 0.013, 0.0004, 0.0])
def test_no_bar_leaves_its_axis(largest):
    shares = (Share(label="a", reference=largest, current=0.0), Share(label="b", reference=0.0, current=largest))
    lengths = re.findall(r'class="[rc]"[^>]* width="([0-9.]+)%"', bars("t", "x", shares))
    assert all(float(length) <= 100 for length in lengths)
    assert len(lengths) == (2 if largest else 0)


def test_intervals_are_marked_where_they_meet():
    assert edges("< 1", "1 to 2", "2 to 3", ">= 3") == [("25.00", "1"), ("50.00", "2"), ("75.00", "3")]


def test_whole_numbers_are_marked_in_their_middle():
    assert edges("<= 7", "8") == [("25.00", "&lt;= 7"), ("75.00", "8")]


def test_dates_are_wide_and_few_are_marked():
    days = [f"2025-{month:02d}-01 04:48" for month in range(1, 13)]
    between = [f"{a} to {b}" for a, b in pairwise(days)]
    assert len(edges(f"< {days[0]}", *between, f">= {days[-1]}")) == 2


@pytest.mark.parametrize("text", ["naïve 中文 🇫🇷 👩\u200d🔬", "a b", "€ 5 → 6"])
def test_ordinary_text_stays_as_it_is(text):
    assert words.visible(text) == text


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (1, "100 %"), (0.99999, "over 99.9 %"), (0.0001, "under 0.1 %"), (0.5, "50 %"), (0.9994, "99.9 %")],
)
def test_a_share_is_never_rounded_to_none_or_all(share, said):
    assert percentage(share) == said


@pytest.mark.parametrize(
    ("p", "short", "full"),
    [
        (0.0, "< 0.0001", "< 1e-300"),
        (5e-321, "< 0.0001", "< 1e-300"),
        (0.0005, "0.0005", "= 0.0005"),
        (1, "1.000", "= 1"),
    ],
)
def test_a_p_value_is_never_zero(p, short, full):
    assert words.p_short(p) == short
    assert words.p_full(p) == full
