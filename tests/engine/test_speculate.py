from localcoder.engine.speculate import NGRAMS, Lookup, Payoff

LONG, SHORT = NGRAMS


def test_what_followed_the_last_tokens_is_the_draft() -> None:
    lookup = Lookup([*range(10), 50, 51, *range(2)])
    assert lookup.draft(3) == (SHORT, [2, 3, 4])
    for token in range(2, 6):
        lookup.append(token)
    assert lookup.draft(20) == (LONG, [6, 7, 8, 9, 50, 51, *range(6)])
    lookup.append(99)
    assert lookup.draft(3) == (0, [])


def test_the_newest_occurrence_counts_and_nothing_finds_itself() -> None:
    lookup = Lookup([1, 1])
    assert lookup.draft(3) == (0, [])
    for token in (2, 1, 1, 3, 1, 1):
        lookup.append(token)
    assert lookup.draft(1) == (SHORT, [3])


def trained(right: int, wrong: int, matched: int = LONG) -> Payoff:
    payoff = Payoff()
    for size, seconds in ((1, 0.05), (4, 0.12), (16, 0.28)):
        payoff.timed(size, seconds)
    for _ in range(20):
        for i in range(right + wrong):
            payoff.observed(matched, right=i < right)
    return payoff


def test_drafts_are_made_where_they_pay() -> None:
    assert trained(5, 0).batch(LONG, 31, 64) == 16
    assert trained(5, 0).batch(LONG, 20, 10) == 4
    assert trained(1, 3).batch(LONG, 31, 64) == 1
    assert Payoff().batch(LONG, 31, 64) == 1


def test_long_and_short_matches_are_told_apart() -> None:
    payoff = trained(1, 3, matched=SHORT)
    assert payoff.batch(SHORT, 31, 64) == 1
    for _ in range(20):
        payoff.observed(LONG, right=True)
    assert payoff.batch(LONG, 31, 64) == 16


def test_what_is_seen_later_counts_more() -> None:
    payoff = trained(0, 5)
    for _ in range(60):
        payoff.observed(LONG, right=True)
    assert payoff.batch(LONG, 31, 64) > 1
