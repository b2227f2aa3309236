import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.completion.trim import trim


@pytest.mark.parametrize(
    ("text", "suffix", "kept"),
    [
        ("x)", ")\n", "x"),
        ("x) ", ")\n", "x"),
        ("x", ")\n", "x"),
        ("f(x", ")\n", "f(x"),
        ("1\n    return x\n", "\n    return x\n", "1"),
        ("1\n    return y\n", "\n    return x\n", "1\n    return y\n"),
        ("1\n    return x", "\n\n\n  return x\n", "1"),
        ("1\n}\n", "\n}\n", "1\n}\n"),
        ("", "abc", ""),
    ],
)
def test_what_the_suffix_says_is_not_said_again(text, suffix, kept):
    assert trim(text, suffix, final=True) == kept


@given(st.text("ab) \n", max_size=30), st.text("ab) \n", max_size=12))
def test_what_was_shown_stays(text, suffix):
    whole = trim(text, suffix, final=True)
    for end in range(len(text) + 1):
        assert whole.startswith(trim(text[:end], suffix, final=False))
