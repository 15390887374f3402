"""A real run: one topic as the baseline, more of it, then another topic, replayed through the proxy.

    python -m tests.benchmarks.replay [--data FOLDER] [--baseline 500] [--same 200] [--other 100]

The answers are real ones: MedQuAD, then Bitext's customer support. Without --data the sample in tests/data
is used (800 and 400 rows), with it the whole files (text/medquad.jsonl.gz, text/bitext_support_v2.jsonl.gz).
"""

import argparse
import gzip
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.conftest import DATA, Driftium, wait_until
from tests.scripted import Upstream, replay

STEP = 20
TOPICS = {"medicine": "medquad", "support": "bitext_support_v2"}


def texts(folder: Path | None, topic: str) -> list[tuple[str, str]]:
    """Prompts and answers of a topic, each prompt once, shuffled."""
    file = DATA / "answers.jsonl.gz" if folder is None else folder / "text" / f"{TOPICS[topic]}.jsonl.gz"
    if not file.is_file():
        raise SystemExit(f"{file} is absent; leave out --data to use the sample that is shipped")
    with gzip.open(file, "rt") as lines:
        rows = map(json.loads, lines)
        found = {r["prompt"]: r.get("response") or r["text"] for r in rows if r.get("topic", topic) == topic}
    pairs = list(found.items())
    random.Random(7).shuffle(pairs)
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--baseline", type=int, default=500)
    parser.add_argument("--same", type=int, default=200)
    parser.add_argument("--other", type=int, default=100)
    asked = parser.parse_args()
    medicine, support = texts(asked.data, "medicine"), texts(asked.data, "support")
    env = {"DRIFTIUM_WORKER__MAX_LAG_SECONDS": "3600"}
    with Upstream(replay(dict(medicine + support))) as upstream:
        proxy = Driftium(Path(tempfile.mkdtemp()), upstream.url, env=env).start()
        try:
            tell(proxy, medicine, support, asked)
        finally:
            proxy.stop()


def tell(
    proxy: Driftium, medicine: list[tuple[str, str]], support: list[tuple[str, str]], asked: argparse.Namespace
) -> None:
    sent = 0

    def send(pairs: list[tuple[str, str]]) -> None:
        nonlocal sent
        for prompt, _ in pairs:
            proxy.chat(prompt).raise_for_status()
        sent += len(pairs)
        proxy.wait_until_scored(sent, seconds=1200)

    def row(what: str, count: int) -> None:
        view = proxy.get("/drift", fresh=True)
        figures = " | ".join([*(f"{view[name]:.4f}" for name in ("mmd_score", "threshold")), view["detector"]])
        print(
            f"| {what} | {count} | {figures} | {view['ratio']:.2f} | {view['health_index']:.0f} | {view['severity']} "
            f"| {view['verdict']} |"
        )

    proxy.wait_for_worker()
    send(medicine[: asked.baseline])
    proxy.client.post("/baseline").raise_for_status()
    began = time.monotonic()

    def calibrated() -> dict[str, Any] | None:
        rows = proxy.get("/baseline")["baselines"]
        return rows[0] if rows and rows[0]["calibration"] else None

    made = wait_until(calibrated, seconds=1200, what="calibrated")
    length = made["calibration"]["run_length"]
    print(
        f"baseline: {made['size']} answers of MedQuAD, "
        f"thresholds calibrated in {time.monotonic() - began:.0f} s: "
        f"a false alarm in {length['expected']:,} answers asked for, "
        f"{length['realised']:,.0f} +- {length['realised_stderr']:,.0f} realised\n"
    )
    print("| answers since the baseline | | MMD² | its line | worst detector | ratio | health | severity | verdict |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    same = medicine[asked.baseline : asked.baseline + asked.same]
    for i in range(0, len(same), 100):
        send(same[i : i + 100])
        row("same topic", i + len(same[i : i + 100]))
    other = support[: asked.other]
    for i in range(0, len(other), STEP):
        send(other[i : i + STEP])
        row("another topic", i + len(other[i : i + STEP]))
    begun = proxy.get("/drift")["changed_at"]
    print(
        f"\nsince: {begun['samples_ago']} answers ago, {begun['level']:.0%} interval {begun['samples_ago_least']} to "
        f"{begun['samples_ago_most']}; truly {len(other)}"
    )


if __name__ == "__main__":
    main()
