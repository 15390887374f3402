"""Where a request goes: to the upstream as it was written, or nowhere."""

from collections.abc import Iterator

import pytest

from tests.integration.bare import ask, refused, same
from tests.integration.relayed import Relayed, relay_to
from tests.scripted import answer, replay


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(relayed: Relayed) -> None:
    relayed.say(answer(b"its own"))


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models/a%2Fb%20c",
        "/v1/models/hf.co/x:Q4_K_M",
        "/v1/%E6%9D%B1%E4%BA%AC?q=%E4%BA%AC",
        "/v1/a+b;c=d,e;f/g?h;i=j+k&l",
        "/v1//models///x//",
        "/v1/./models",
        "/v1/models?",
        "/v1/models?a?b=/c//d/../e",
        "/v1/models?&&=&a=1&a=1",
        "/v1/models?q=%00%0D%0A%zz%",
        "/v1/%0d%0aX-Injected:%201",
        "/v1/!$&'()*,=~-._@:",
        '/v1/[a]{b}|^`<c>"d"\\e',
        '/v1/models?[a]{b}|^`<c>"d"\\e',
        "/v1/" + "long/" * 3000,
        "/v1/x?" + "q" * 15_000,
    ],
)
def test_a_target_arrives_byte_for_byte(relayed: Relayed, target: str):
    same(f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode(), relayed)
    assert relayed.got.target == target


@pytest.mark.parametrize(
    "target",
    [
        "/v1/..;/x",
        "/v1/..;a=b/x",
        "/v1/..%3b/x",
        "/v1/%2e%2e;/x",
        "/v1/%252e%252e/x",
        "/v1/%25252e./x",
        "/v1/..%252fx",
        "/v1/..%00/x",
        "/v1/..%23/x",
        "/v1/..%3f/x",
        "/v1/..",
        "/v1/x/..",
        "/v1/../v1/models",
        "/api/tags/%2E%2E/%2e%2E/x",
        "//v1/../x",
        "/v1\\..\\x",
        "http://here/v1/../x",
    ],
)
def test_a_path_that_some_server_reads_as_climbing_is_refused(relayed: Relayed, target: str):
    """With parameters on a segment, coded twice, or cut off by what some take for an end."""
    refused(relayed, f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode())


@pytest.mark.parametrize("target", ["/v1/a..b", "/v1/...", "/v1/..a", "/v1/x..;a", "/v1/models?x=/../y", "/v1/;..x"])
def test_two_dots_that_climb_nowhere_pass(relayed: Relayed, target: str):
    assert ask(relayed.driftium.url, f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode()).body == b"its own"
    assert relayed.got.target == target


@pytest.mark.parametrize("authority", ["http://evil.example", "http://u:p@evil.example:1", "HTTPS://[::1]:2"])
def test_an_absolute_target_names_no_other_server(relayed: Relayed, authority: str):
    """RFC 9112, 3.2.2 has it accepted; it goes to the one upstream, in the form that servers understand."""
    said = ask(relayed.driftium.url, f"GET {authority}/v1/a%2fb?q=1 HTTP/1.1\r\nhost: evil.example\r\n\r\n".encode())
    assert (said.status, said.body) == (200, b"its own")
    assert relayed.got.target == "/v1/a%2fb?q=1"
    assert relayed.got.header("host") == relayed.upstream.url.removeprefix("http://")
