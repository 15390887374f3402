"""The cases of CASES_text.csv: which rows of the data folder each one compares, and what is true about them."""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One exchange of the data."""

    id: tuple[str, int]
    """Corpus and line: what tells two rows apart."""
    prompt: str
    """Where the data are queries alone (clinc150, banking77) the query is prompt and response."""
    response: str
    fields: Mapping[str, Any]
    """The row as it is stored: label, source, split, answer_tokens, latency_s, ..."""


class Part(NamedTuple):
    """A share of a population: the rows of a corpus whose fields have one of the accepted values."""

    corpus: str
    accepted: Mapping[str, Sequence[str]] = {}
    share: float = 1.0


Population = tuple[Part, ...]


class Case(NamedTuple):
    """A line of CASES_text.csv with its two populations."""

    id: str
    truth: str
    """no_drift, drift (the model), input_drift (the prompts) or weak_drift."""
    what_changed: str
    reference: Population
    current: Population


def llmdrift(task: str, model: str) -> Population:
    return (Part("llmdrift", {"source": (task,), "label": (model,)}),)


def arenahard(model: str) -> Population:
    return (Part("arenahard", {"label": (model,)}),)


def vicuna(model: str) -> Population:
    return (Part("vicuna80", {"label": (model,)}),)


def all_of(corpus: str, **accepted: str | Sequence[str]) -> Population:
    return (Part(corpus, {name: (one,) if isinstance(one, str) else one for name, one in accepted.items()}),)


def contaminated(share: float) -> Population:
    """Medical answers of which a share are customer support."""
    return (Part("medquad", share=1 - share), Part("bitext_v2", share=share))


_REFUNDS = {"label": ("REFUND", "CANCELLATION_FEE")}
_IN_SCOPE = ("train", "val", "test")
_OUT_OF_SCOPE = ("oos_train", "oos_val", "oos_test")

POPULATIONS: dict[str, tuple[Population, Population]] = {
    # "[half 1]" against "[half 2]" is one population here: a stream gives each phase prompts of its own.
    "L_composite_35": (llmdrift("composite", "gpt-3.5-turbo-0301"), llmdrift("composite", "gpt-3.5-turbo-0613")),
    "L_composite_4": (llmdrift("composite", "gpt-4-0314"), llmdrift("composite", "gpt-4-0613")),
    "L_composite_null": (llmdrift("composite", "gpt-4-0613"), llmdrift("composite", "gpt-4-0613")),
    "L_counthappynumber_35": (
        llmdrift("counthappynumber", "gpt-3.5-turbo-0301"),
        llmdrift("counthappynumber", "gpt-3.5-turbo-0613"),
    ),
    "L_counthappynumber_4": (llmdrift("counthappynumber", "gpt-4-0314"), llmdrift("counthappynumber", "gpt-4-0613")),
    "L_counthappynumber_null": (
        llmdrift("counthappynumber", "gpt-4-0613"),
        llmdrift("counthappynumber", "gpt-4-0613"),
    ),
    "L_leetcode_easy_35": (
        llmdrift("leetcode_easy", "gpt-3.5-turbo-0301"),
        llmdrift("leetcode_easy", "gpt-3.5-turbo-0613"),
    ),
    "L_leetcode_easy_4": (llmdrift("leetcode_easy", "gpt-4-0314"), llmdrift("leetcode_easy", "gpt-4-0613")),
    "L_leetcode_easy_null": (llmdrift("leetcode_easy", "gpt-4-0613"), llmdrift("leetcode_easy", "gpt-4-0613")),
    "L_opinionqa_35": (llmdrift("opinionqa", "gpt-3.5-turbo-0301"), llmdrift("opinionqa", "gpt-3.5-turbo-0613")),
    "L_opinionqa_4": (llmdrift("opinionqa", "gpt-4-0314"), llmdrift("opinionqa", "gpt-4-0613")),
    "L_opinionqa_null": (llmdrift("opinionqa", "gpt-4-0613"), llmdrift("opinionqa", "gpt-4-0613")),
    "H01": (arenahard("gpt-4-0314"), arenahard("gpt-4-0613")),
    "H02": (arenahard("gpt-4-0613"), arenahard("gpt-3.5-turbo-0125")),
    "H03": (arenahard("gpt-4-0314"), arenahard("gpt-4-0314")),
    "V01": (vicuna("gpt35"), vicuna("bard")),
    "V02": (vicuna("vicuna-13b"), vicuna("gpt35")),
    "V03": (vicuna("vicuna-13b"), vicuna("vicuna-13b-20230322-new-hp-fp16")),
    "V04": (vicuna("vicuna-13b"), vicuna("alpaca-13b")),
    "V05": (vicuna("vicuna-13b"), vicuna("vicuna-7b-20230322-fp16")),
    "Q01": (all_of("bitext_v1"), all_of("bitext_v2")),
    "Q02": (all_of("bitext_v2"), all_of("bitext_v2")),
    "Q03": (all_of("bitext_v2"), (Part("bitext_v2", _REFUNDS, 0.5), Part("bitext_v2", share=0.5))),
    "Q04": (all_of("bitext_v2", label="ACCOUNT"), all_of("bitext_v2", label="ORDER")),
    "Q05": (all_of("medquad"), all_of("medquad")),
    "Q06": (all_of("medquad", label="information"), all_of("medquad", label="treatment")),
    "Q07": (all_of("medquad"), all_of("bitext_v2")),
    "Q08_05": (all_of("medquad"), contaminated(0.05)),
    "Q08_10": (all_of("medquad"), contaminated(0.10)),
    "Q08_20": (all_of("medquad"), contaminated(0.20)),
    "Q08_50": (all_of("medquad"), contaminated(0.50)),
    "Q09": (all_of("gpteacher", label="codegen"), all_of("gpteacher", label="roleplay")),
    "Q10": (all_of("gpteacher", label="toolformer"), all_of("gpteacher", label="codegen")),
    "C01": (all_of("clinc150", split="train"), all_of("clinc150", split="test")),
    "C02": (all_of("clinc150", split=_IN_SCOPE), all_of("clinc150", split=_OUT_OF_SCOPE)),
    "C03": (all_of("clinc150", source="banking"), all_of("clinc150", source="credit_cards")),
    "C04": (all_of("clinc150", source="banking"), all_of("banking77")),
    "C05": (all_of("banking77", split="train"), all_of("banking77", split="test")),
}
"""Case id -> the populations of its columns `reference` and `current`."""


def read_cases(data: Path) -> list[Case]:
    """All cases of the data folder, in its order. Raises KeyError for one that POPULATIONS does not describe."""
    with open(data / "CASES_text.csv", encoding="utf-8", newline="") as lines:
        return [
            Case(line["case_id"], line["truth"], line["what_changed"], *POPULATIONS[line["case_id"]])
            for line in csv.DictReader(lines)
        ]


def rows_of(part: Part, data: Path) -> list[Row]:
    """The rows of a part, in the order of the data."""
    return [
        row
        for row in corpus(part.corpus, data)
        if all(row.fields.get(name) in accepted for name, accepted in part.accepted.items())
    ]


@cache
def corpus(name: str, data: Path) -> tuple[Row, ...]:
    """All rows of one corpus."""
    stored = _READERS[name](data / "text")
    return tuple(Row((name, line), prompt, row["text"], row) for line, (prompt, row) in enumerate(stored))


_Stored = Iterator[tuple[str, dict[str, Any]]]
"""The prompt and the stored row of each exchange."""


def _queries(path: str) -> Callable[[Path], _Stored]:
    return lambda folder: ((row["text"], row) for row in _lines(folder / path))


def _exchanges(path: str) -> Callable[[Path], _Stored]:
    return lambda folder: ((row["prompt"], row) for row in _lines(folder / path))


def _joined(prompts: str, *answers: str) -> Callable[[Path], _Stored]:
    """Answers that name their prompt by an id."""

    def read(folder: Path) -> _Stored:
        texts = {str(row["prompt_id"]): row["text"] for row in _lines(folder / prompts)}
        for path in answers:
            for row in _lines(folder / path):
                yield texts[str(row["prompt_id"])], row

    return read


_REFUSAL = re.compile(
    r"\b(as an ai\b|as an? (ai )?language model|i (cannot|can't|am unable to|am not able to) "
    r"(answer|provide|assist|help|make|choose|determine)|i (do not|don't) have (any )?(personal|access|a ))",
    re.IGNORECASE,
)


def _refusals(folder: Path) -> _Stored:
    """Answers to opinion polls that decline to have an opinion."""
    for prompt, row in _READERS["llmdrift"](folder):
        if row["source"] == "opinionqa" and _REFUSAL.search(row["text"]):
            yield prompt, row


_READERS: dict[str, Callable[[Path], _Stored]] = {
    "llmdrift": _joined("llmdrift/prompts.jsonl.gz", "llmdrift/responses.jsonl.gz"),
    "arenahard": _joined(
        "arenahard/prompts.jsonl.gz",
        *(f"arenahard/{model}.jsonl.gz" for model in ("gpt-4-0314", "gpt-4-0613", "gpt-3.5-turbo-0125")),
    ),
    "refusals": _refusals,
    "vicuna80": _joined("vicuna80/prompts.jsonl", "vicuna80/answers.jsonl.gz"),
    "bitext_v1": _exchanges("bitext_support_v1.jsonl.gz"),
    "bitext_v2": _exchanges("bitext_support_v2.jsonl.gz"),
    "medquad": _exchanges("medquad.jsonl.gz"),
    "gpteacher": _exchanges("gpteacher.jsonl.gz"),
    "clinc150": _queries("clinc150.jsonl.gz"),
    "banking77": _queries("banking77.jsonl.gz"),
}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
