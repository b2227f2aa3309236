from localcoder.code.languages import by_name
from localcoder.code.surroundings import surroundings

METHOD = "    pub fn f{}(&self) -> u32 {{\n        self.x + {}\n    }}\n\n"


def test_a_long_file_is_cut_to_what_still_parses() -> None:
    """Under the line that begins the block it is in, and above the one that closes it."""
    methods = [METHOD.format(i, i) for i in range(3000)]
    before, after = "impl<T> A<T>\nwhere\n    T: B,\n{\n" + "".join(methods[:1500]), "".join(methods[1500:]) + "}\n"
    place = surroundings(by_name("rust"), before, after)
    assert place.flaws == 0
    assert place.fit("    pub fn g(&self) {}\n\n").flaws == 0
    assert place.fit("    pub fn g(&self) {\n\n").flaws > 0


def test_brackets_are_those_of_code() -> None:
    place = surroundings(by_name("python"), "x = [  # (\n    f(", ")\n]\n")
    fit = place.fit("\"(\", g(1), 'é)', [")
    assert [(bracket.offset, bracket.character) for bracket in fit.brackets] == [
        (-1, "("), (6, "("), (8, ")"), (17, "["),
    ]  # fmt: skip
    assert [bracket.character for bracket in place.open_brackets] == ["["]


def test_case_patterns_of_a_shell_open_nothing() -> None:
    place = surroundings(by_name("shell"), "case $1 in\n", "esac\n")
    assert place.fit("a) b ;;\nc | d) e ;;\n").brackets == ()


def test_what_stands_in_strings_and_comments() -> None:
    text = '"""One.\n\nTwo\n"""\n# Three\ny = 4'
    for name in ("python", "r"):
        fit = surroundings(by_name(name), "x = ", "\n").fit(text)
        assert fit.in_literal(text.index("Two")) and not fit.in_literal(text.index("y ="))
        assert fit.is_comment(text.index("# Three")) and not fit.is_comment(text.index("y ="))


def test_without_a_grammar_nesting_alone_decides() -> None:
    place = surroundings(by_name("r"), "f(", ")\n")
    assert place.fit("g('(')").flaws == 0 and place.is_closed
    assert place.fit("g(1").flaws == place.fit("1)").flaws == 1


def test_a_text_that_is_no_program_of_its_language_takes_no_time() -> None:
    noise = "{[(<'\"`" * 3000 + "\n"
    for name in ("swift", "cpp", "typescript", "ruby"):
        place = surroundings(by_name(name), noise, noise)
        assert place.fit("x").flaws >= 0
