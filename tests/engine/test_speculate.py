from localcoder.engine.speculate import NGRAM, Lookup, Payoff


def test_what_followed_the_last_tokens_is_the_draft():
    seen = [*range(10), 50, 51, *range(4)]
    lookup = Lookup(seen)
    assert lookup.draft(3) == [4, 5, 6]
    lookup.append(4)
    assert lookup.draft(20) == [5, 6, 7, 8, 9, 50, 51, 0, 1, 2, 3, 4]
    lookup.append(99)
    assert lookup.draft(3) == []


def test_the_newest_occurrence_counts_and_nothing_finds_itself():
    lookup = Lookup([1] * NGRAM)
    assert lookup.draft(3) == []
    for token in (2, *[1] * NGRAM):
        lookup.append(token)
    assert lookup.draft(1) == [2]


def trained(right, wrong):
    payoff = Payoff()
    for size, seconds in ((1, 0.05), (4, 0.12), (16, 0.28)):
        payoff.timed(size, seconds)
    for _ in range(20):
        payoff.observed(right, wrong)
    return payoff


def test_drafts_are_made_where_they_pay():
    assert trained(5, 0).batch(31, 64) == 16
    assert trained(5, 0).batch(20, 10) == 4
    assert trained(1, 3).batch(31, 64) == 1
    assert Payoff().batch(31, 64) == 1


def test_what_is_seen_later_counts_more():
    payoff = trained(0, 5)
    for _ in range(60):
        payoff.observed(1, 0)
    assert payoff.batch(31, 64) > 1
