"""One example of a good answer for each cause, to show a language model before it is asked.

Without examples a model of 135 million parameters writes of something else; with one of the same cause it finds the
form. Their figures are nowhere in the evidence, so copied ones are noticed.
"""

from typing import NamedTuple

import msgspec

from drift.rca.records import Cause


class Example(NamedTuple):
    """Facts as lines, and what to say of them."""

    cause: Cause
    severity: str
    fact: str
    line: str
    since: int
    summary: str
    diagnosis: str

    def told(self) -> str:
        """As the model is told."""
        return (
            f"Severity: {self.severity.lower()}. Likely cause: {self.cause.label}.\n[{self.fact}] {self.line}\n"
            f"[since] It began about {self.since} answers ago."
        )

    def answer(self) -> str:
        """As it should answer, JSON."""
        words = {"summary": f"Drift is {self.severity.lower()} since about {self.since} answers: {self.summary}"}
        words["diagnosis"] = self.diagnosis
        return msgspec.json.encode({**words, "cause": self.cause, "evidence": [self.fact, "since"]}).decode()


EXAMPLES: dict[Cause, Example] = {
    one.cause: one
    for one in (
        Example(
            Cause.REFUSALS,
            "HIGH",
            "feature:refusal",
            "17 % of the answers decline what was asked, where 1 % did in the baseline.",
            63,
            "the model declines more of what is asked.",
            "17 % of the answers decline what was asked, where 1 % did before: the likely cause is refusals.",
        ),
        Example(
            Cause.TOPIC_SHIFT,
            "MEDIUM",
            "topic:1",
            "Users ask more about “invoice, payment”: the topics that moved gained 31 % of the prompts.",
            147,
            "the users ask about other things.",
            "Topics such as “invoice, payment” gained 31 % of the prompts: the likely cause is a topic shift.",
        ),
        Example(
            Cause.NEW_POPULATION,
            "HIGH",
            "feature:prompt_language",
            "43 % of the prompts are in pt, where 2 % were.",
            86,
            "new users write in another language.",
            "43 % of the prompts are in pt, where 2 % were: the likely cause is a new user population.",
        ),
        Example(
            Cause.MODEL_CHANGE,
            "CRITICAL",
            "setting:response_model",
            "Model named in the answers: alpha to beta in 96 % of the window (baseline 0 %).",
            71,
            "another model answers.",
            "96 % of the answers name the model beta, where it was alpha: the likely cause is another model.",
        ),
        Example(
            Cause.INSTRUCTIONS_CHANGE,
            "HIGH",
            "setting:system",
            "System prompt (digest): not set to e3 in 93 % of the window (baseline 0 %).",
            112,
            "the system prompt was changed.",
            "93 % of the requests have another system prompt, where 0 % had it: the likely cause is the system prompt.",
        ),
        Example(
            Cause.VERBOSITY,
            "CRITICAL",
            "feature:response_characters",
            "Answers are longer: 1450 characters in the median, where they had 610.",
            94,
            "the answers are longer than before.",
            "Answers have 1450 characters in the median, where they had 610: the likely cause is a verbosity change.",
        ),
        Example(
            Cause.FORMAT_BREAK,
            "CRITICAL",
            "feature:json_valid",
            "38 % of the answers are valid JSON where JSON was asked for, where 97 % were.",
            58,
            "the answers break their format.",
            "38 % of the answers are valid JSON, where 97 % were: the likely cause is a format break.",
        ),
        Example(
            Cause.TRUNCATION,
            "HIGH",
            "feature:truncated",
            "46 % of the answers end at their token limit, where 3 % did.",
            77,
            "more answers are cut off.",
            "46 % of the answers end at their token limit, where 3 % did: the likely cause is truncation.",
        ),
        Example(
            Cause.LANGUAGE_SWITCH,
            "CRITICAL",
            "feature:language",
            "57 % of the answers are in fr, where 1 % were; the prompts did not change their language so far.",
            83,
            "the answers come in another language.",
            "57 % of the answers are in fr, where 1 % were: the likely cause is a language switch of the model.",
        ),
        Example(
            Cause.DEGENERATE_OUTPUT,
            "CRITICAL",
            "feature:repetition",
            "Answers repeat themselves: on average 41 % of their phrases were said before in the same answer, where "
            "2 % were.",
            52,
            "the answers repeat themselves.",
            "41 % of their phrases were said before in the same answer, where 2 % were: the likely cause is degenerate "
            "output.",
        ),
        Example(
            Cause.PROVIDER_TROUBLE,
            "HIGH",
            "outcomes",
            "23 % of the exchanges ended without an answer (46 http error), where 1 % did.",
            200,
            "requests fail.",
            "23 % of the exchanges ended without an answer, where 1 % did: the likely cause is provider trouble.",
        ),
    )
}

GENERAL = (Cause.TOPIC_SHIFT, Cause.REFUSALS)
"""Whose examples are shown whatever the cause is."""


def examples(cause: Cause) -> list[Example]:
    """What to show before asking about this cause; its own comes last, nearest to the question."""
    own = [cause] if cause in EXAMPLES else []
    general = [one for one in GENERAL if one is not cause]
    return [EXAMPLES[one] for one in (*general[: 2 - len(own)], *own)]
