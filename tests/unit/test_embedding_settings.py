"""What of [embedder] cannot work together is refused at the start, in one line."""

from pathlib import Path

import pytest

from proxy.config import load
from proxy.section import ConfigError


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('url = "localhost:8080"', "must be http"),
        ('url = "http://h:8080/v1"', "without /v1"),
        ('url = "http://h:8080/v1/embeddings"', "without /v1"),
        ('url = "http://h:99999"', "must be http"),
        ('url = "http://user:hidden@h"', "embedder.url = (not shown)"),
        ('url = "http://h?key=hidden"', "embedder.url = (not shown)"),
        ('fallback = "local"', "needs embedder.url"),
        ('precision = "int8"\nbackend = "torch"', "onnx"),
        ('precision = "bf16"\nbackend = "onnx"', "torch"),
        ('precision = "int8"\ndevice = "cuda"', "for CPUs"),
    ],
)
def test_it_is_refused(tmp_path: Path, table: str, says: str):
    file = tmp_path / "c.toml"
    file.write_text(f"[embedder]\n{table}")
    with pytest.raises(ConfigError) as refused:
        load(file, environ={}, flags={})
    message = str(refused.value)
    assert says in message
    assert "hidden" not in message
    assert "\n" not in message


def test_a_server_behind_a_prefix_is_fine(tmp_path: Path):
    file = tmp_path / "c.toml"
    file.write_text('[embedder]\nurl = "https://models.example:8443/embed/"\nfallback = "local"')
    assert load(file, environ={}, flags={}).embedder.fallback == "local"
