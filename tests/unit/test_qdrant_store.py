"""Vectors on a Qdrant server: what is sent to it, and that they come back bit for bit.

The client is the real one; the server is the stand-in of tests/qdrant_server.py, which checks each request.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from structlog.testing import capture_logs

from drift.samples import Sample
from proxy.settings import Qdrant
from proxy.stores.vectors import BASELINE, WINDOW, Vectors, VectorStoreError
from tests.qdrant_server import QdrantServer

NOWHERE = Path("/nowhere")
"""The data folder, which a server's vectors do not need."""


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    """At its end: no request broke the rules."""
    with QdrantServer(strict=True) as server:
        yield server
    assert not server.refused


def samples(count: int, dimension: int = 8, seed: int = 0, named: str = "x") -> list[Sample]:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(count, 2, dimension)).astype(np.float32)
    numbers[0, 0, :4] = [np.float32(1e-42), np.float32(1) / 3, -0.0, np.nextafter(np.float32(1), np.float32(2))]
    return [Sample(exchange_id=f"{named}-{i}", at=float(i), prompt=p, response=r) for i, (p, r) in enumerate(numbers)]


def same(some: list[Sample], others: list[Sample]) -> bool:
    def told(one: Sample) -> tuple[str, float, bytes, bytes]:
        return one.exchange_id, one.at, one.prompt.tobytes(), one.response.tobytes()

    return [told(one) for one in some] == [told(one) for one in others]


def upserts(server: QdrantServer) -> list[int]:
    """How many points each write had."""
    return [asked.body for asked in server.asked if asked.method == "PUT" and asked.path.endswith("/points")]


def sent(server: QdrantServer, method: str) -> dict[str, Any]:
    """The last body of such a request for the window's collection."""
    return next(a.body for a in reversed(server.asked) if a.method == method and a.path.endswith("window"))


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_vectors_come_back_bit_for_bit(server: QdrantServer, quantization: Any):
    """Quantisation too keeps the vectors themselves: what is asked for is a copy beside them."""
    with closing(Vectors(Qdrant(url=server.url, quantization=quantization), NOWHERE, 8)) as vectors:
        written = samples(300)
        vectors.put(BASELINE, "b", list(enumerate(written)), {"monitor": "m", "baseline": "b"})
        assert same(vectors.get(BASELINE, "b", range(300)), written)
        assert same(vectors.kept(BASELINE, "b", [299, 300, 0]), [written[299], written[0]])
        with pytest.raises(KeyError):
            vectors.get(BASELINE, "b", [300])
    vector = {"size": 8, "distance": "Dot", "on_disk": True}
    assert sent(server, "PUT")["vectors"] == {"prompt": vector, "response": vector}


def test_a_batch_of_many_monitors_is_one_request_that_waits_until_it_is_written(server: QdrantServer):
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        rings = {f"m-{i}": list(enumerate(samples(10, seed=i))) for i in range(20)}
        vectors.put_windows(rings)
        assert upserts(server) == [200]
        assert next(a for a in server.asked if a.path.endswith("/points")).parameters["wait"] == "true"
        assert all(same(vectors.get(WINDOW, name, range(10)), [s for _, s in ring]) for name, ring in rings.items())


def test_a_request_has_no_more_points_than_the_batch_and_no_more_bytes_than_a_server_takes(server: QdrantServer):
    with closing(Vectors(Qdrant(url=server.url, batch=40), NOWHERE, 8)) as vectors:
        vectors.put(WINDOW, "m", list(enumerate(samples(100))), {"monitor": "m"})
        assert upserts(server) == [40, 40, 20]
        server.asked.clear()
        vectors.get(WINDOW, "m", range(100))
        assert [len(asked.body["ids"]) for asked in server.asked] == [40, 40, 20]
        server.asked.clear()
        assert sum(len(points) for _, points in vectors.parts()) == 100
        assert [asked.body["limit"] for asked in server.asked if asked.path.endswith("/window/points/scroll")] == [
            40
        ] * 3
    with closing(Vectors(Qdrant(url=server.url, prefix="long-"), NOWHERE, 8_192)) as vectors:
        server.asked.clear()
        vectors.put(WINDOW, "m", list(enumerate(samples(50, 8_192))), {"monitor": "m"})
        assert upserts(server) == [46, 4]


def test_collections_are_made_as_the_settings_say(server: QdrantServer):
    wanted = Qdrant(url=server.url, on_disk=False, hnsw_m=16, quantization="int8", shard_number=3, replication_factor=2)
    Vectors(wanted, NOWHERE, 8).close()
    vector = {"size": 8, "distance": "Dot", "on_disk": False}
    assert sent(server, "PUT") == {
        "vectors": {"prompt": vector, "response": vector},
        "hnsw_config": {"m": 16},
        "quantization_config": {"scalar": {"type": "int8", "always_ram": True}},
        "shard_number": 3,
        "replication_factor": 2,
    }


def test_what_is_not_set_is_left_to_the_server(server: QdrantServer):
    Vectors(Qdrant(url=server.url), NOWHERE, 8).close()
    assert sent(server, "PUT").keys() == {"vectors", "hnsw_config", "replication_factor"}
    assert sent(server, "PUT")["hnsw_config"] == {"m": 0}


def test_a_collection_that_is_there_takes_over_what_it_can_and_says_what_it_cannot(server: QdrantServer):
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        vectors.put(WINDOW, "m", list(enumerate(samples(5))), {"monitor": "m"})
    server.asked.clear()
    Vectors(Qdrant(url=server.url), NOWHERE, 8).close()
    assert not [asked for asked in server.asked if asked.method in ("PUT", "PATCH")]
    other = Qdrant(url=server.url, on_disk=False, hnsw_m=16, quantization="int8", shard_number=3)
    with capture_logs() as logs, closing(Vectors(other, NOWHERE, 8)) as vectors:
        assert same(vectors.get(WINDOW, "m", range(5)), samples(5))
    assert sent(server, "PATCH") == {
        "vectors": {"prompt": {"on_disk": False}, "response": {"on_disk": False}},
        "hnsw_config": {"m": 16},
        "quantization_config": {"scalar": {"type": "int8", "always_ram": True}},
    }
    told = [one for one in logs if one["log_level"] == "warning"]
    assert {one["event"] for one in told} == {
        "qdrant.shard_number holds for new collections: this one keeps what it has"
    }
    Vectors(Qdrant(url=server.url), NOWHERE, 8).close()
    assert sent(server, "PATCH")["quantization_config"] == "Disabled"


def test_erasing_asks_by_fields_that_have_an_index(server: QdrantServer):
    """The stand-in is in strict mode, in which a server refuses to look through all points."""
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        assert {asked.body["field_name"] for asked in server.asked if asked.path.endswith("/index")} == {
            "monitor",
            "baseline",
            "exchange_id",
        }
        vectors.put_windows({"m": list(enumerate(samples(5))), "n": list(enumerate(samples(5, named="y")))})
        vectors.put(BASELINE, "b", list(enumerate(samples(5))), {"monitor": "m", "baseline": "b"})
        vectors.erase("exchange_id", "x-2")
        assert [len(vectors.kept(*where, range(5))) for where in ((WINDOW, "m"), (WINDOW, "n"), (BASELINE, "b"))] == [
            4,
            5,
            4,
        ]
        vectors.erase("monitor", "m")
        assert [len(vectors.kept(*where, range(5))) for where in ((WINDOW, "m"), (WINDOW, "n"), (BASELINE, "b"))] == [
            0,
            5,
            0,
        ]


def test_several_share_a_server_by_their_prefixes(server: QdrantServer):
    with (
        closing(Vectors(Qdrant(url=server.url, prefix="a-"), NOWHERE, 8)) as a,
        closing(Vectors(Qdrant(url=server.url, prefix="b-"), NOWHERE, 4)) as b,
    ):
        a.put(WINDOW, "m", list(enumerate(samples(3))), {"monitor": "m"})
        b.erase("monitor", "m")
        assert list(b.parts()) == []
        assert [(name, len(points)) for name, points in a.parts()] == [(WINDOW, 3)]
    assert set(server.collections) == {"a-window", "a-baseline", "b-window", "b-baseline"}


def test_vectors_of_another_embedder_are_refused_and_left_as_they_are(server: QdrantServer, tmp_path: Path):
    Vectors(Qdrant(url=server.url), NOWHERE, 8).close()
    with pytest.raises(VectorStoreError, match=r"holds vectors of 8 numbers, not of 4: .* set another qdrant\.prefix"):
        Vectors(Qdrant(url=server.url), NOWHERE, 4)
    Vectors(Qdrant(), tmp_path, 8).close()
    with pytest.raises(VectorStoreError, match=r"holds vectors of 8 numbers, not of 4: .* set another data\.dir"):
        Vectors(Qdrant(), tmp_path, 4)


def test_a_collection_of_somebody_elses_is_not_touched(server: QdrantServer):
    """It has a vector without a name, as most have."""
    httpx.put(f"{server.url}/collections/window", json={"vectors": {"other": {"size": 8, "distance": "Cosine"}}})
    with pytest.raises(VectorStoreError, match=r"window .* is not Driftium's: set another qdrant\.prefix"):
        Vectors(Qdrant(url=server.url), NOWHERE, 8)
    assert not [asked for asked in server.asked if asked.method == "PATCH" or asked.path.endswith("/index")]


def test_workers_that_start_together_make_the_collections_together(server: QdrantServer):
    """The second finds that they are there only when it makes them."""
    first = Vectors(Qdrant(url=server.url), NOWHERE)
    second = Vectors(Qdrant(url=server.url), NOWHERE)
    exists = second._client.collection_exists
    second._client.collection_exists = lambda name: first.create(8) or False  # type: ignore[func-returns-value,method-assign,assignment]
    second.create(8)
    second._client.collection_exists = exists  # type: ignore[method-assign]
    assert [
        asked.status for asked in server.asked if asked.path == "/collections/window" and asked.method == "PUT"
    ] == [
        200,
        409,
    ]
    for one in (first, second):
        one.close()
