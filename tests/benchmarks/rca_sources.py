"""What the incidents are made of: exchanges of a dozen services, and real texts that do not belong to them."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np

from tests.benchmarks.cases import Row, corpus

Rng = np.random.Generator


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange to be made: what is asked and answered, and how."""

    prompt: str
    response: str
    model: str
    answered_by: str
    system: str = ""
    user: str | None = None
    sampling: dict[str, object] = {}
    finish: str = "stop"
    stream: bool = False
    slower: float = 1.0
    """By this factor than usual."""
    status: int = 200
    """From 400 on there is no answer."""
    cut: bool = False
    """The stream ends before it is over."""


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """A service before anything happens to it."""

    name: str
    baseline: tuple[Turn, ...]
    fresh: tuple[Turn, ...]
    """Further exchanges of the same kind, with prompts of their own."""
    other: dict[str, tuple[Turn, ...]] = {}
    """What might come instead of them: other topics, other users, other models' answers."""
    digest: str = ""
    """Of the weights, where Ollama serves the model."""


_JSON_REQUEST = 'Answer with valid JSON only, as {"topic": ..., "answer": ...}.'
_SYSTEMS = {
    "medical": "You explain diseases to patients. Be accurate and plain.",
    "support": "You are the support assistant of an online shop.",
    "code": "You are a programming assistant.",
    "assistant": "You are a helpful assistant.",
}
USERS = 60
_WEIGHTS = "a80c4f17acd5" * 5


def bases(data: Path, seed: int, half: int) -> dict[str, Base]:
    """All services by name. half, 0 or 1, chooses prompts where there are enough of them for both."""
    return {make.__name__.strip("_"): make(_Draw(data, seed, half)) for make in _MAKERS}


class _Draw:
    """Rows of the corpora, shuffled by seed."""

    def __init__(self, data: Path, seed: int, half: int):
        self._data, self._seed, self._half = data, seed, half

    def rows(self, name: str, accept: Callable[[Row], bool] = lambda row: True, *, halved: bool = True) -> list[Row]:
        """Rows with different prompts, of this half unless all are wanted."""
        found = {row.prompt: row for row in corpus(name, self._data) if row.response.strip() and accept(row)}
        kept = [row for prompt, row in found.items() if not halved or crc32(prompt.encode()) % 2 == self._half]
        order = np.random.default_rng([self._seed, crc32(name.encode())]).permutation(len(kept))
        return [kept[place] for place in order]

    def by_model(self, name: str, *models: str, source: str | None = None, halved: bool = False) -> list[list[Row]]:
        """For each model its answers to the same prompts, in the same order."""

        def of(model: str) -> list[Row]:
            accept = lambda row: row.fields["label"] == model and row.fields.get("source", source) == source  # noqa: E731
            return self.rows(name, accept if source else lambda row: row.fields["label"] == model, halved=halved)

        answers = [{row.prompt: row for row in of(model)} for model in models]
        common = [prompt for prompt in answers[0] if all(prompt in some for some in answers)]
        return [[some[prompt] for prompt in common] for some in answers]


def turns(rows: Sequence[Row], model: str, answered_by: str = "", **settings: object) -> tuple[Turn, ...]:
    fixed: dict[str, Any] = {"model": model, "answered_by": answered_by or model} | settings
    return tuple(Turn(prompt=row.prompt, response=row.response, **fixed) for row in rows)


def _labelled(*labels: str) -> Callable[[Row], bool]:
    return lambda row: row.fields["label"] in labels


_MEDICAL = ("information", "treatment", "symptoms", "frequency", "causes", "outlook")


def _medical(draw: _Draw) -> Base:
    """Questions about diseases; served by Ollama under one name."""
    fixed: dict[str, Any] = {"model": "llama3.1:8b", "system": _SYSTEMS["medical"], "sampling": {"temperature": 0.2}}
    rows = draw.rows("medquad", _labelled(*_MEDICAL))
    fresh = turns(rows[300:], **fixed)
    treatment = tuple(
        turn for turn, row in zip(fresh, rows[300:], strict=True) if row.fields["label"] in ("treatment", "symptoms")
    )
    genes = draw.rows("medquad", _labelled("genetic changes", "inheritance"))
    other = {
        "topic:genetics": turns(genes, **fixed),
        "topic:treatment": treatment,
        "topic:shop": turns(draw.rows("bitext_v2"), **fixed),
    }
    baseline = turns(rows[:300], **fixed)
    return Base(name="medical", baseline=baseline, fresh=fresh, other=other, digest=_WEIGHTS)


def _clinic(draw: _Draw) -> Base:
    """The same with users, as streams, without a system prompt."""
    fixed: dict[str, Any] = {"model": "gpt-4o-mini", "answered_by": "gpt-4o-mini-2024-07-18", "stream": True}
    rows = draw.rows("medquad", _labelled("treatment", "exams and tests", "symptoms", "susceptibility", "causes"))
    some = turns(rows, **fixed)
    other = {
        "topic:research": turns(draw.rows("medquad", _labelled("research", "genetic changes")), **fixed),
        "topic:code": turns(draw.rows("gpteacher", _labelled("codegen")), **fixed),
    }
    other = {name: with_users(made, "u") for name, made in other.items()}
    named = with_users(some, "u")
    return Base(name="clinic", baseline=named[:250], fresh=named[250:], other=other)


def with_users(some: Sequence[Turn], prefix: str, users: int = USERS) -> tuple[Turn, ...]:
    """Each turn with one of so many users."""
    chosen = np.random.default_rng(crc32(prefix.encode())).integers(users, size=len(some))
    return tuple(msgspec.structs.replace(turn, user=f"{prefix}{n:03}") for turn, n in zip(some, chosen, strict=True))


_PLACES = ("REFUND", "CANCELLATION_FEE", "NEWSLETTER")


def _shop(draw: _Draw) -> Base:
    """Customer support of the second edition; refunds and newsletters are not asked about yet."""
    fixed: dict[str, Any] = {"model": "support-bot", "answered_by": "gpt-4-0613", "system": _SYSTEMS["support"]}
    formal = [row for row in draw.rows("bitext_v2") if not set("QZW") & set(row.fields["tags"])]
    known = [row for row in formal if row.fields["label"] not in _PLACES]
    informal = draw.rows("bitext_v2", lambda row: bool(set("QZW") & set(row.fields["tags"])))
    other = {
        "topic:refunds": turns([row for row in formal if row.fields["label"] in _PLACES], **fixed),
        "topic:accounts": turns([row for row in known[400:] if row.fields["label"] == "ACCOUNT"], **fixed),
        "topic:medical": turns(draw.rows("medquad", _labelled("symptoms", "treatment")), **fixed),
        "users:informal": with_users(turns([r for r in informal if r.fields["label"] not in _PLACES], **fixed), "v"),
    }
    named = with_users(turns(known, **fixed), "u")
    other = {name: made if name.startswith("users") else with_users(made, "u") for name, made in other.items()}
    return Base(name="shop", baseline=named[:400], fresh=named[400:], other=other)


def _canned(draw: _Draw) -> Base:
    """Customer support of the first edition: short canned answers."""
    fixed: dict[str, Any] = {"model": "support", "answered_by": "gpt-3.5-turbo", "sampling": {"temperature": 0.0}}
    rows = draw.rows("bitext_v1")
    topics = ("PAYMENT", "DELIVERY", "INVOICE")
    known = [row for row in rows if row.fields["label"] not in topics]
    other = {
        "topic:payment": turns([row for row in rows if row.fields["label"] in topics], **fixed),
        "model:release": turns([r for r in draw.rows("bitext_v2") if r.fields["label"] not in topics], **fixed),
    }
    return Base(name="canned", baseline=turns(known[:300], **fixed), fresh=turns(known[300:], **fixed), other=other)


def _bank(draw: _Draw) -> Base:
    """Short questions to a bank with a bot's canned answers, which follow from nothing but chance."""
    asked = draw.rows("clinc150", lambda row: row.fields["source"] in ("banking", "credit_cards"))
    others = draw.rows("banking77")
    trips = draw.rows("clinc150", lambda row: row.fields["source"] == "travel")
    answers = [row.response for row in draw.rows("bitext_v1", _labelled("ACCOUNT", "CONTACT", "PAYMENT"))]
    fixed: dict[str, Any] = {"model": "bank-bot", "answered_by": "gpt-3.5-turbo", "system": _SYSTEMS["assistant"]}

    def answered(rows: Sequence[Row]) -> tuple[Turn, ...]:
        drawn = np.random.default_rng(len(rows)).integers(len(answers), size=len(rows))
        return tuple(
            msgspec.structs.replace(turn, response=answers[n])
            for turn, n in zip(turns(rows, **fixed), drawn, strict=True)
        )

    named = with_users(answered(asked), "u")
    other = {"users:customers": with_users(answered(others), "w"), "topic:travel": with_users(answered(trips), "u")}
    return Base(name="bank", baseline=named[:300], fresh=named[300:], other=other)


def _code(draw: _Draw) -> Base:
    """Programs, each in a block."""
    fixed: dict[str, Any] = {"model": "coder", "answered_by": "gpt-4", "system": _SYSTEMS["code"], "stream": True}
    rows = draw.rows("gpteacher", lambda row: row.fields["label"] == "codegen" and "```" not in row.response)
    fenced = tuple(
        msgspec.structs.replace(turn, response=f"```\n{turn.response}\n```") for turn in turns(rows, **fixed)
    )
    other = {
        "topic:stories": turns(draw.rows("gpteacher", _labelled("roleplay")), **fixed),
        "topic:tools": turns(draw.rows("gpteacher", _labelled("toolformer")), **fixed),
    }
    return Base(name="code", baseline=fenced[:300], fresh=fenced[300:], other=other)


def _roleplay(draw: _Draw) -> Base:
    """Stories and characters; served by Ollama under one name."""
    fixed: dict[str, Any] = {"model": "mistral:7b", "sampling": {"temperature": 0.8, "max_tokens": 800}, "stream": True}
    some = turns(draw.rows("gpteacher", _labelled("roleplay")), **fixed)
    other = {
        "topic:medical": turns(draw.rows("medquad", _labelled(*_MEDICAL)), **fixed),
        "topic:code": turns(draw.rows("gpteacher", _labelled("codegen")), **fixed),
    }
    return Base(name="roleplay", baseline=some[:300], fresh=some[300:], other=other, digest=_WEIGHTS)


def _arena(draw: _Draw, before: str = "gpt-4-0314", name: str = "arena", digest: str = "") -> Base:
    """Hard questions of developers; the same prompts were given to three models."""
    models = ("gpt-4-0314", "gpt-4-0613", "gpt-3.5-turbo-0125")
    answers = dict(zip(models, draw.by_model("arenahard", *models), strict=True))
    fixed: dict[str, Any] = {"model": "assistant", "system": _SYSTEMS["assistant"]}
    made = {model: turns(rows, answered_by=model, **fixed)[250:] for model, rows in answers.items()}
    other = {f"model:{model}": some for model, some in made.items() if model != before}
    codegen = turns(draw.rows("gpteacher", _labelled("codegen")), answered_by=before, **fixed)
    stories = turns(draw.rows("gpteacher", _labelled("roleplay")), answered_by=before, **fixed)
    other |= {"topic:programs": codegen, "topic:stories": stories}
    baseline = turns(answers[before], answered_by=before, **fixed)[:250]
    return Base(name=name, baseline=baseline, fresh=made[before], other=other, digest=digest)


def _arena_june(draw: _Draw) -> Base:
    """The same, answered by the later model; served as Ollama serves one."""
    return _arena(draw, "gpt-4-0613", "arena_june", _WEIGHTS)


def _polls(draw: _Draw, before: str = "gpt-3.5-turbo-0301", source: str = "opinionqa", name: str = "polls") -> Base:
    """Opinion polls, or chemistry: short answers of March and of June 2023."""
    models = {"gpt-3.5-turbo-0301": "gpt-3.5-turbo-0613", "gpt-4-0314": "gpt-4-0613"}
    old, new = draw.by_model("llmdrift", before, models[before], source=source, halved=source == "opinionqa")
    fixed: dict[str, Any] = {"model": before[:-5], "sampling": {"temperature": 0.1}}
    size = 300 if source == "opinionqa" else 250
    other = {
        f"model:{models[before]}": turns(new[size:], answered_by=models[before], **fixed),
        "topic:bank": turns(draw.rows("bitext_v1"), answered_by=before, **fixed),
    }
    some = turns(old, answered_by=before, **fixed)
    return Base(name=name, baseline=some[:size], fresh=some[size:], other=other)


def _happy(draw: _Draw) -> Base:
    """Counting, step by step."""
    return _polls(draw, "gpt-4-0314", "counthappynumber", "happy")


def _json(draw: _Draw) -> Base:
    """Support answers that a program reads: JSON by contract."""
    rows = draw.rows("bitext_v1")
    fixed: dict[str, Any] = {"model": "extractor", "answered_by": "gpt-4o-2024-08-06", "sampling": {"temperature": 0.0}}
    fixed |= {"system": _JSON_REQUEST}
    topics = ("PAYMENT", "DELIVERY", "INVOICE")
    some = {
        wanted: tuple(
            msgspec.structs.replace(
                turn, response=json.dumps({"topic": row.fields["label"].lower(), "answer": row.response})
            )
            for turn, row in zip(turns(rows, **fixed), rows, strict=True)
            if (row.fields["label"] in topics) == wanted
        )
        for wanted in (False, True)
    }
    known = some[False]
    return Base(name="json", baseline=known[:300], fresh=known[300:], other={"topic:payment": some[True]})


_MAKERS = (_medical, _clinic, _shop, _canned, _bank, _code, _roleplay, _arena, _arena_june, _polls, _happy, _json)


@cache
def foreign(folder: Path, language: str) -> tuple[tuple[str, str], ...]:
    """Questions and answers in a language, from the data folder of chatterbot-corpus (BSD)."""
    import yaml  # type: ignore[import-untyped]

    found = []
    for file in sorted((folder / language).glob("*.yml")):
        for lines in yaml.safe_load(file.read_text(encoding="utf-8")).get("conversations", ()):
            said = [str(line).strip() for line in lines or () if line]
            found += [(said[0], answer) for answer in said[1:2] if len(said[0]) > 12 and len(answer) > 12]
    return tuple(dict.fromkeys(found))


@cache
def refusals(data: Path) -> tuple[str, ...]:
    """Real refusals, different ones."""
    return tuple(dict.fromkeys(row.response for row in corpus("refusals", data)))
