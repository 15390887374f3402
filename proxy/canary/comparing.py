"""A canary's round as the worker sees it: its answers' vectors, and what comparing them with the reference gives."""

from collections.abc import Sequence
from zlib import crc32

import msgspec
import numpy as np

from drift.canary import Answers, changed, compare_rounds
from drift.errors import TooFewSamples
from drift.policy import CANARY
from drift.semantic.mmd import Floats
from proxy.canary.wording import compared_message, reference_message
from proxy.stores.canaries import (
    PREFIX,
    Answer,
    Plan,
    Round,
    plan,
    read_plan,
    read_rounds,
    read_vectors,
    write_round,
)
from proxy.stores.history import History, SampleRow
from proxy.stores.vectors import WINDOW, Vectors


class Comparing:
    """Compares rounds with their reference, and writes down what came of it."""

    def __init__(self, history: History, vectors: Vectors, ring: int, encoder: str):
        self._history = history
        self._vectors = vectors
        self._ring = ring
        self._encoder = encoder

    def compare(self, canary: str, number: int, reference_rounds: int) -> Round | None:
        """The round as it is known now; None where it is not there, or was compared before."""
        engine = self._history.engine
        found = [one for one in read_rounds(engine, canary, first=number) if one.number == number]
        if not found or found[0].status != "waiting":
            return None
        one, vectors = self._measured(found[0])
        planned = one.requests
        if one.answers < CANARY.least_answered * planned:
            message = (
                f"{one.answers} of {planned} answers were scored: too few, so nothing was compared. The others were "
                "dropped, erased or not kept (drift.recent_samples)."
            )
            return self._written(one, "incomplete", message, vectors)
        standing = read_plan(engine, canary)
        earlier = self._alike(one, standing)
        if not earlier:
            # What is asked, or the encoder, is another one than before: a reference begins here.
            plan(engine, canary, reference_from=number)
        if len(earlier) < reference_rounds:
            return self._written(one, "reference", reference_message(len(earlier) + 1, reference_rounds), vectors)
        return self._compared(one, vectors, earlier[:reference_rounds], earlier[-1])

    def _alike(self, one: Round, standing: Plan) -> list[Round]:
        """Complete rounds since the reference began that asked the same, and were embedded alike; the oldest first."""
        rounds = read_rounds(self._history.engine, one.canary, first=standing.reference_from)
        return [
            before
            for before in reversed(rounds)
            if before.number < one.number
            and before.status in ("reference", "compared")
            and before.body.digest == one.body.digest
            and before.body.encoder == one.body.encoder
        ]

    def _compared(self, one: Round, vectors: Floats, reference: Sequence[Round], last: Round) -> Round:
        sides = []
        for before in reference:
            kept = read_vectors(self._history.engine, one.canary, before.number)
            if kept is None:
                plan(self._history.engine, one.canary, reference_from=one.number)
                return self._written(one, "reference", reference_message(1, len(reference)), vectors)
            sides.append(_answers(before, np.frombuffer(kept, dtype=np.float32).reshape(before.answers, -1)))
        try:
            comparison = compare_rounds(
                sides,
                _answers(one, vectors),
                # Seeded by what is compared: after a restart it says the same.
                rng=np.random.default_rng([crc32(one.canary.encode()), one.number]),
            )
        except TooFewSamples as error:
            return self._written(one, "incomplete", f"{error}.", vectors)
        before_differed = last.body.comparison.differs if last.body.comparison else False
        now = changed(last.changed, (before_differed, comparison.differs))
        body = msgspec.structs.replace(one.body, comparison=comparison, reference_at=reference[0].at)
        one = msgspec.structs.replace(one, p_value=comparison.p_value, effect=comparison.effect, changed=now, body=body)
        return self._written(one, "compared", compared_message(comparison, now), vectors)

    def _measured(self, one: Round) -> tuple[Round, Floats]:
        """The round with the behaviour of those answers that were scored, and their vectors, (n, d)."""
        monitor = PREFIX + one.canary
        wanted = {asked.exchange_id: asked.prompt for asked in one.body.asked}
        rows: list[SampleRow] = []
        for row in self._history.samples(monitor, limit=self._ring):
            if row.exchange_id in wanted:
                rows.append(row)
                if len(rows) == len(wanted):
                    break
        vectors = []
        answers = []
        models = set()
        for row in reversed(rows):
            try:
                (sample,) = self._vectors.get(WINDOW, monitor, [row.number % self._ring])
            except KeyError:
                continue
            if sample.exchange_id == row.exchange_id:
                vectors.append(sample.response)
                answers.append(Answer(prompt=wanted[row.exchange_id], features=row.text.features))
                models.add(row.text.settings.get("response_model", ""))
        body = msgspec.structs.replace(
            one.body, answers=tuple(answers), encoder=self._encoder, response_models=tuple(sorted(models - {""}))
        )
        one = msgspec.structs.replace(one, answers=len(answers), body=body)
        return one, np.array(vectors, dtype=np.float32).reshape(len(vectors), -1)

    def _written(self, one: Round, status: str, message: str, vectors: Floats) -> Round:
        body = msgspec.structs.replace(one.body, message=message, asked=())
        one = msgspec.convert(msgspec.structs.asdict(one) | {"status": status, "body": body}, Round)
        write_round(self._history.engine, one, vectors.tobytes())
        return one


def _answers(one: Round, vectors: Floats) -> Answers:
    answers = one.body.answers
    prompts = np.array([answer.prompt for answer in answers], dtype=np.intp)
    return Answers(prompts, vectors, [answer.features for answer in answers])
