"""Data folders with a monitor that has drifted, as a worker would have left them, and a model that obeys."""

import json
import re
from pathlib import Path

from drift.evidence import Alteration, Attribution, Evidence, Verdict, WitnessPair
from drift.rca.records import Cause
from drift.records import Report, Severity
from drift.tabular.result import ColumnResult, Share
from proxy.settings import History as HistorySettings
from proxy.stores.history import BaselineRow, MonitorRow, Pair, SampleRow, Text, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log
from tests.scripted import Request, answer, completion

AT = 1.8e9
"""The baseline was made then; evidence follows."""


def evidence(
    name: str, at: float = AT + 100, *, ratio: float = 3.0, observed: int = 80, monitor: str = "m"
) -> Evidence:
    """A HIGH drift: half of the answers decline, since another model answers."""
    refusals = ColumnResult(
        name="refusal",
        kind="boolean",
        kind_reason="true and false",
        test="fisher",
        p_value=1e-9,
        p_adjusted=1e-8,
        effect=0.6,
        effect_name="cramers_v",
        direction="true 1 % -> 50 %",
        drifted=True,
        reference_rows=120,
        current_rows=80,
        shares=(Share(label="true", reference=0.01, current=0.5), Share(label="false", reference=0.99, current=0.5)),
    )
    return Evidence(
        id=name,
        monitor=monitor,
        at=at,
        baseline_id="b",
        baseline_samples=120,
        window_samples=80,
        severity=Severity.HIGH,
        ratio=ratio,
        mmd2=0.2,
        attribution=Attribution(verdict=Verdict.MODEL_CHANGED, message="The model answers the same prompts otherwise."),
        features=(refusals,),
        alterations=(
            Alteration(what="response_model", before="old", after="new", baseline_share=0.0, window_share=0.9, at=at),
        ),
        pairs=(WitnessPair(exchange_id="x", baseline_exchange_id="y", witness=0.1, prompt_similarity=0.9),),
        observed=observed,
    )


def drifted_history(folder: Path, *looks: Evidence, monitor: str = "m", words: str = "I cannot help.") -> None:
    """A data folder whose monitor was looked at so often; `words` is what the model says in the witness."""
    open_log(folder).close()
    history = open_history(folder)
    row = MonitorRow(
        name=monitor,
        created_at=AT,
        last_scored_at=AT + 90,
        model="old",
        response_model="new",
        received=200,
        observed=80,
        baseline_id="b",
        baseline_at=AT,
        counts={"scored": 200},
    )
    baseline = BaselineRow(
        id="b", monitor=monitor, created_at=AT, size=120, encoder="e", note="first", calibration=None
    )
    report = Report(
        monitor=monitor,
        at=AT + 90,
        baseline_id="b",
        encoder="e",
        baseline_samples=120,
        observed=80,
        window_samples=80,
        detectors=(),
        mmd2=0.2,
        centroid_distance=0.2,
        centroid_mmd2=0.1,
        threshold=0.05,
        ratio=3.0,
        health_index=10.0,
        severity=Severity.HIGH,
        provisional=False,
        run_length=None,
        calibration_progress=1.0,
        missing=0,
        missing_from="",
        message="The answers have drifted.",
    )
    pair = Pair(
        exchange_id="x",
        baseline_exchange_id="y",
        prompt="How do I open a window?",
        baseline_prompt="How do I open a door?",
        baseline="Turn the handle.",
        current=words,
        witness=0.1,
        prompt_similarity=0.9,
    )
    Ledger(history, HistorySettings(), ring=10).commit(
        Changes(
            monitors=[row],
            baseline=baseline,
            baseline_samples=[SampleRow(number=0, exchange_id="y", at=AT, text=Text(response="Turn the handle."))],
            reports=[report],
            evidence=list(looks),
            witnesses={monitor: [pair]},
        )
    )
    history.close()


def asked_of_model(request: Request) -> bool:
    """Whether a request is one of Driftium's own questions."""
    return request.method == "POST" and "response_format" in request.json


def obeys(request: Request) -> bytes:
    """What a model that keeps to the facts answers: the first of them again, under the first cause allowed."""
    asked = request.json
    form = asked["response_format"]["json_schema"]["schema"]["properties"]
    facts = dict(re.findall(r"^\[(.+?)\] (.*)$", asked["messages"][-1]["content"], re.MULTILINE))
    cited = next(one for one, said in facts.items() if re.search(r"\d", said))
    said = facts[cited].replace(" -> ", " to ")
    cause = Cause(form["cause"]["enum"][0])
    written = {
        "summary": f"This is what was found: {said}",
        "diagnosis": f"The likely cause is {cause.label}: {said}",
        "cause": cause,
        "evidence": [cited],
    }
    return answer(completion(json.dumps(written), asked["model"]))
