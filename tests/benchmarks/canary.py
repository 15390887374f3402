"""Canaries on real answers: how often is the same model called another one, and how often is a change found?

    driftium serve --embedded &
    python -m tests.benchmarks.canary ask --model NAME --prompts prompts.json --answers FOLDER
    python -m tests.benchmarks.canary judge --answers FOLDER
    python -m tests.benchmarks.canary swap --data FOLDER
    python -m tests.benchmarks.canary alarms

`ask` writes base.jsonl (6 answers a prompt), and 3 answers each under another condition: hot.jsonl (temperature 1.2
instead of .8), bank.jsonl and brief.jsonl (a system prompt; in the latter it asks for one short sentence). `judge`
draws rounds from them: two of reference and a third, with prompts and answers at random.
"""

import argparse
import gzip
import json
from pathlib import Path

import httpx
import numpy as np

from drift.canary import Answers, changed, compare_rounds
from drift.features import behaviour
from drift.records import Exchange, Outcome
from tests.benchmarks.embeddings import embedded
from tests.unit.test_canary import asked, model

CONDITIONS = {"base": 6, "hot": 3, "bank": 3, "brief": 3}
SYSTEM = {"bank": "You are a careful assistant of a bank.", "brief": "Answer in one short sentence."}
ROUNDS = 300
SWAPS = (
    ("vicuna-13b", "alpaca-13b"),
    ("vicuna-13b", "vicuna-13b-20230322-new-hp-fp16"),
    ("bard", "gpt35"),
)
SWAP_ROUNDS = 100


def ask(url: str, model: str, prompts: list[str], folder: Path) -> None:
    """Every prompt under every condition, one JSON line an answer."""
    folder.mkdir(parents=True, exist_ok=True)
    with httpx.Client(timeout=120, trust_env=False) as client:
        for condition, times in CONDITIONS.items():
            with (folder / f"{condition}.jsonl").open("w") as file:
                for seed in range(times):
                    for number, prompt in enumerate(prompts):
                        system = SYSTEM.get(condition)
                        messages = [{"role": "system", "content": system}] if system else []
                        messages.append({"role": "user", "content": prompt})
                        body = {"model": model, "messages": messages, "max_tokens": 48, "seed": seed}
                        body["temperature"] = 1.2 if condition == "hot" else 0.8
                        answer = client.post(f"{url}/v1/chat/completions", json=body).raise_for_status().json()
                        choice = answer["choices"][0]
                        said = {"k": number, "a": choice["message"]["content"], "f": choice["finish_reason"]}
                        file.write(json.dumps(said) + "\n")


def judge(folder: Path, cache: Path) -> None:
    pools = {condition: _read(folder / f"{condition}.jsonl", cache) for condition in CONDITIONS}
    print("| prompts | answers each | base | hot | bank | brief |\n| --- | --- | --- | --- | --- | --- |")
    for prompts, repeats in ((8, 1), (16, 1), (24, 1), (8, 2), (16, 2), (24, 2)):
        rng = np.random.default_rng(1)
        cells = []
        for condition in CONDITIONS:
            found = [_differs(pools, condition, prompts, repeats, rng) for _ in range(ROUNDS)]
            cells.append(f"{np.mean(found):.3f}")
        print(f"| {prompts} | {repeats} | {' | '.join(cells)} |", flush=True)


def swap(data: Path, cache: Path) -> None:
    """A deterministic server (temperature 0) whose model is swapped: both rounds of reference are the same answers."""
    answers: dict[str, dict[int, str]] = {}
    with gzip.open(data / "text" / "vicuna80" / "answers.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            answers.setdefault(row["label"], {})[row["prompt_id"]] = row["text"]
    print("| before | after | 8 prompts | 16 | 24 |\n| --- | --- | --- | --- | --- |")
    for before, after in SWAPS:
        rng, cells = np.random.default_rng(1), []
        shared = sorted(answers[before].keys() & answers[after].keys())
        sides = [
            _said([(number, answers[name][number], "stop") for number in shared], cache) for name in (before, after)
        ]
        for prompts in (8, 16, 24):
            found = 0
            for _ in range(SWAP_ROUNDS):
                chosen = rng.choice(shared, prompts, replace=False)
                old, new = (_joined([side[number] for number in chosen]) for side in sides)
                found += compare_rounds([old, old], new, rng=rng).differs
            cells.append(f"{found / SWAP_ROUNDS:.2f}")
        print(f"| {before} | {after} | {' | '.join(cells)} |", flush=True)


def alarms() -> None:
    """A model that never changes, one reference for fifty rounds, 90 times: how often is it called changed?"""
    rng, rounds, differ, alarmed = np.random.default_rng(7), 0, 0, 0
    for _ in range(90):
        one = model(rng, 12)
        reference = [asked(rng, one, repeats=2) for _ in range(2)]
        state = before = False
        for _ in range(50):
            differs = compare_rounds(reference, asked(rng, one, repeats=2), rng=rng, permutations=499).differs
            now = changed(state, (before, differs))
            rounds, differ, alarmed = rounds + 1, differ + differs, alarmed + (now and not state)
            state, before = now, differs
    print(f"{rounds} rounds: {differ} differ by themselves ({differ / rounds:.4f}), {alarmed} change what is said")


def _differs(
    pools: dict[str, dict[int, Answers]], of: str, prompts: int, repeats: int, rng: np.random.Generator
) -> bool:
    chosen = rng.choice(sorted(pools["base"]), prompts, replace=False)
    rounds: list[list[Answers]] = [[], [], []]
    for prompt in chosen:
        order = rng.permutation(len(pools["base"][prompt].prompts))
        for number in (0, 1, 2):
            pool, rows = pools["base"][prompt], order[number * repeats : (number + 1) * repeats]
            if number == 2 and of != "base":
                pool = pools[of][prompt]
                rows = rng.permutation(len(pool.prompts))[:repeats]
            rounds[number].append(Answers(pool.prompts[rows], pool.vectors[rows], [pool.features[i] for i in rows]))
    first, second, latest = (_joined(parts) for parts in rounds)
    return compare_rounds([first, second], latest, rng=rng, permutations=499).differs


def _joined(parts: list[Answers]) -> Answers:
    features = [row for part in parts for row in part.features]
    return Answers(np.concatenate([p.prompts for p in parts]), np.concatenate([p.vectors for p in parts]), features)


def _read(file: Path, cache: Path) -> dict[int, Answers]:
    """{prompt: its answers}"""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return _said([(row["k"], row["a"], row["f"]) for row in rows], cache)


def _said(rows: list[tuple[int, str, str]], cache: Path) -> dict[int, Answers]:
    """The same of (prompt, answer, why it ended)."""
    vectors = embedded([text for _, text, _ in rows], cache)
    found = {}
    for prompt in sorted({number for number, _, _ in rows}):
        own = [i for i, row in enumerate(rows) if row[0] == prompt]
        features = [
            behaviour(
                Exchange(
                    id=str(i),
                    at=0.0,
                    endpoint="chat/completions",
                    outcome=Outcome.COMPLETE,
                    response=rows[i][1],
                    finish_reason=rows[i][2],
                )
            )
            for i in own
        ]
        found[prompt] = Answers(np.full(len(own), prompt), vectors[own], features)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["ask", "judge", "swap", "alarms"])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", default="")
    parser.add_argument("--prompts", type=Path, help="ask: a JSON list of prompts, 24 or more")
    parser.add_argument("--answers", type=Path, help="ask, judge: a folder for them")
    parser.add_argument("--data", type=Path, help="swap: the folder with text/vicuna80")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/driftium-embeddings"))
    given = parser.parse_args()
    if given.step == "ask":
        ask(given.url, given.model, json.loads(given.prompts.read_text())[:24], given.answers)
    elif given.step == "swap":
        swap(given.data, given.cache)
    elif given.step == "alarms":
        alarms()
    else:
        judge(given.answers, given.cache)
