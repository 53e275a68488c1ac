from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.console.metrics_chart import HEIGHT, MOST_LINES, OTHERS, PLOT_HEIGHT, TOP, WIDTH, Chart, chart
from altinn_notifications.tracking.monthly_metrics import Month, MonthFigures, OwnerFigures

OWNERS = st.dictionaries(st.sampled_from([f"org{number}" for number in range(9)]), st.integers(0, 10**9), max_size=9)
YEARS = st.lists(OWNERS, min_size=12, max_size=12)


def a_year(months: list[dict[str, int]]) -> list[MonthFigures]:
    return [
        MonthFigures(
            Month(2026, 1).later(index), tuple(OwnerFigures(name, 0, emails, 0, 0, 0) for name, emails in month.items())
        )
        for index, month in enumerate(months)
    ]


def drawn(months: list[dict[str, int]]) -> Chart:
    return chart("emails", "Emails", a_year(months))


@given(YEARS)
def test_a_column_is_as_high_as_its_month_is_large_and_stays_in_the_picture(months: list[dict[str, int]]) -> None:
    found = drawn(months)
    top = found.lines[-1][0]
    for column, month in zip(found.columns, months, strict=True):
        assert column.total == sum(month.values()) <= top
        height = sum(piece.height for piece in column.pieces)
        assert abs(height - PLOT_HEIGHT * column.total / top) < 1
        assert all(TOP <= piece.y <= piece.y + piece.height <= HEIGHT for piece in column.pieces)
        assert column.x < WIDTH


@given(YEARS)
def test_pieces_stand_on_each_other_in_the_order_of_the_legend(months: list[dict[str, int]]) -> None:
    found = drawn(months)
    for column in found.columns:
        places = [piece.place for piece in column.pieces]
        assert places == sorted(set(places))
        assert [piece.owner for piece in column.pieces] == [found.owners[place] for place in places]
        for lower, upper in zip(column.pieces, column.pieces[1:], strict=False):
            assert abs(upper.y + upper.height - lower.y) < 0.2


@given(YEARS)
def test_a_picture_has_few_owners_and_few_round_lines(months: list[dict[str, int]]) -> None:
    found = drawn(months)
    assert len(found.owners) <= 6
    assert 2 <= len(found.lines) <= MOST_LINES + 1
    assert {str(value).rstrip("0") for value, _ in found.lines[1:2]} <= {"1", "2", "5"}
    assert found.is_empty == (not any(sum(month.values()) for month in months))


def test_the_small_come_together_and_the_large_come_first() -> None:
    found = drawn([{f"org{number}": 10 * number for number in range(1, 9)}, *({} for _ in range(11))])
    assert found.owners == ("org8", "org7", "org6", "org5", "org4", OTHERS)
    assert found.columns[0].pieces[-1].value == 10 + 20 + 30
