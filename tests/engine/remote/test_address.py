import pytest

from localcoder.engine.remote.address import Address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://box:8000", Address("http://box:8000", "box")),
        ("http://box:8000/", Address("http://box:8000", "box")),
        ("https://Box.example/v1/", Address("https://box.example", "box.example")),
        ("https://gate/team/llm/v1#org/starcoder2-15b", Address("https://gate/team/llm", "gate", "org/starcoder2-15b")),
        ("http://[::1]:8080", Address("http://[::1]:8080", "::1")),
    ],
)
def test_an_address_is_taken_apart(url: str, address: Address) -> None:
    assert Address.parse(url) == address


def test_what_stays_on_this_machine() -> None:
    def is_here(url: str) -> bool:
        return Address.parse(url).is_this_machine

    assert is_here("http://127.0.0.2:1") and is_here("http://[::1]:1") and is_here("http://localhost:1")
    assert not is_here("http://127.0.0.1.example") and not is_here("http://10.0.0.1")
