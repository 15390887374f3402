"""The third agent: what to do next, matched to severity and cause. Nothing is urgent on a stable baseline."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from drift.rca.records import Action, Cause, Diagnosis, Fact, Recommendation, Triage
from drift.records import Severity

Urgency = Literal["now", "soon", "later"]
_ORDER: tuple[Urgency, ...] = ("now", "soon", "later")


class _Advice(NamedTuple):
    text: str
    most: Urgency = "now"
    """How urgent it can be at all."""


_ADVICE: dict[Cause, tuple[_Advice, ...]] = {
    Cause.TOPIC_SHIFT: (
        _Advice(
            "Read some answers to the topics that grew (/samples?order=witness) and judge whether they serve.", "soon"
        ),
        _Advice("Find out where the new prompts come from: a launch, a campaign, another feature.", "soon"),
        _Advice("If the traffic is meant to be so, make a new baseline: driftium baseline set --last 200.", "later"),
    ),
    Cause.NEW_POPULATION: (
        _Advice("Find out who the new users are: a market, a customer, a tenant, a bot.", "soon"),
        _Advice("Try the application in their language or manner, and read some of its answers.", "soon"),
        _Advice("Give them a monitor of their own (header x-driftium-monitor), or make a new baseline.", "later"),
    ),
    Cause.MODEL_CHANGE: (
        _Advice("Pin the model to the version or digest before the change, or switch back to it, until it is judged."),
        _Advice("Ask whoever runs the model server, or read the provider's notes, what changed at that time.", "soon"),
        _Advice("Run your regression prompts on the new model; if it passes, make a new baseline.", "soon"),
    ),
    Cause.INSTRUCTIONS_CHANGE: (
        _Advice("Compare system prompt, template and parameters with those before; roll back what nobody intended."),
        _Advice("Look for a deployment or configuration change at the time of the change.", "soon"),
        _Advice("If the change is intended, make a new baseline: driftium baseline set --last 200.", "later"),
    ),
    Cause.VERBOSITY: (
        _Advice("Look for a changed instruction, token limit or model version at that time.", "soon"),
        _Advice("Check what depends on length: cost per answer, time-outs, layout.", "soon"),
        _Advice("State the wanted length in the system prompt.", "later"),
    ),
    Cause.REFUSALS: (
        _Advice("Read the answers that decline: are they requests that should be answered?"),
        _Advice("Undo the last change of system prompt, safety filter or model version."),
        _Advice("Route the affected prompts to the model that answered them before, until it is mended.", "soon"),
    ),
    Cause.FORMAT_BREAK: (
        _Advice("Check what parses these answers for errors, and make it fail loudly rather than guess."),
        _Advice("Ask for the format by schema (response_format) rather than by words, where the server can.", "soon"),
        _Advice("Look for a changed system prompt, template or model version.", "soon"),
    ),
    Cause.TRUNCATION: (
        _Advice("Raise the token limit of the requests (max_tokens), or of the server (num_predict, context length)."),
        _Advice("Look for who lowered it: a client release, a server's default, a shorter context window.", "soon"),
    ),
    Cause.LANGUAGE_SWITCH: (
        _Advice("State the language of the answers in the system prompt."),
        _Advice("Look for a changed system prompt, template or model version at the time of the change.", "soon"),
    ),
    Cause.DEGENERATE_OUTPUT: (
        _Advice("Take the model, quantisation or server version in use out of service, or go back to the one before."),
        _Advice("Check sampling (temperature, repetition penalty), chat template and stop words.", "now"),
        _Advice("Try the same prompts with another runner to tell the model from its server.", "soon"),
    ),
    Cause.PROVIDER_TROUBLE: (
        _Advice("Look at the model server's log and load, or the provider's status page."),
        _Advice("Fail over to another server or model while requests fail or time out."),
        _Advice("Check time-outs and retries of the clients, so that they do not add to the load.", "soon"),
    ),
    Cause.UNKNOWN: (
        _Advice("Compare the answers that carry the drift with their baseline (/samples?order=witness).", "now"),
        _Advice("Ask what was deployed or changed at the time of the change.", "soon"),
    ),
    Cause.NONE: (_Advice("Nothing to do. Leave the baseline as it is.", "later"),),
}
_MOST = 5


def recommend(triaged: Triage, diagnosis: Diagnosis, facts: Sequence[Fact]) -> Recommendation:
    """Actions for the cause, or for each cause of a mixed one, no more urgent than the severity."""
    severity = triaged.severity or Severity.LOW
    highest: Urgency = "now" if severity.rank >= Severity.HIGH.rank else "soon" if severity.rank else "later"
    if triaged.severity is None:
        text = "Send more answers: there are too few to tell whether anything drifted."
        return Recommendation(actions=(Action(urgency="later", text=text, evidence=("severity",)),))
    actions: list[Action] = []
    for cause, cites in _causes(diagnosis):
        for advice in _ADVICE[cause]:
            urgency = max(highest, advice.most, key=_ORDER.index)
            actions.append(Action(urgency=urgency, text=advice.text, evidence=cites))
    known = {action.text: action for action in actions}
    ranked = sorted(known.values(), key=lambda action: _ORDER.index(action.urgency))
    return Recommendation(actions=tuple(ranked[:_MOST]))


def _causes(diagnosis: Diagnosis) -> list[tuple[Cause, tuple[str, ...]]]:
    """Each cause that is behind the diagnosis, with what its statement cites."""
    if diagnosis.cause is not Cause.MIXED:
        return [(diagnosis.cause, diagnosis.statements[0].evidence)]
    texts = {said.text for said in diagnosis.statements}
    return [(one.cause, one.statement.evidence) for one in diagnosis.suspects if one.statement.text in texts]
