"""Root causes: incidents with known causes, through the worker and the investigation.

    python -m tests.benchmarks.rca --data FOLDER --cache FOLDER --set tuning --keep FILE
    python -m tests.benchmarks.rca --from FILE [--errors] [--model [--model-sample 60]]

--languages names the data folder of chatterbot-corpus 1.2 (`pip install --no-deps --target DIR chatterbot-corpus`:
DIR/chatterbot_corpus/data), for prompts and answers in other languages; without it these incidents are left out.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec
import numpy as np

from drift.rca.records import Cause
from tests.benchmarks.rca_incidents import SETS, Kept, incidents
from tests.benchmarks.rca_kinds import kinds
from tests.benchmarks.rca_model import embedded_model
from tests.benchmarks.rca_report import (
    Judged,
    judge,
    print_accuracy,
    print_errors,
    print_model,
    print_promises,
    print_strengths,
)
from tests.benchmarks.rca_sources import bases, refusals
from tests.benchmarks.rca_traffic import prepare, run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder with CASES_text.csv and text/")
    parser.add_argument("--cache", type=Path, help="keeps embeddings and calibrations")
    parser.add_argument("--languages", type=Path)
    parser.add_argument("--set", choices=SETS, default="tuning")
    parser.add_argument("--causes", default="", help="only these, with commas")
    parser.add_argument("--limit", type=int, help="only so many")
    parser.add_argument("--no-text", action="store_true", help="as with privacy.store_text = false")
    parser.add_argument("--keep", type=Path, help="write what the incidents left behind here")
    parser.add_argument("--from", dest="source", type=Path, help="judge what was kept there")
    parser.add_argument("--errors", action="store_true", help="also each incident whose cause was missed")
    parser.add_argument("--model", action="store_true", help="also with the embedded model")
    parser.add_argument("--model-sample", type=int, default=60, help="incidents that it is asked about")
    parser.add_argument("--gguf", type=Path, help="this model in its place")
    parser.add_argument("--threads", type=int, help="of the model; as driftium serves it unless told")
    options = parser.parse_args()
    if options.source:
        # What is being written may end in half a line.
        whole = options.source.read_bytes().rpartition(b"\n")[0]
        kept = [msgspec.json.decode(line, type=Kept) for line in whole.splitlines()]
    elif options.data and options.cache:
        kept = list(_made(options))
    else:
        parser.error("--data and --cache, or --from FILE, are needed")
    runs = [judge(one, None) for one in kept]
    print_accuracy(runs)
    print_strengths(runs)
    print_promises(runs)
    if options.errors:
        print_errors(runs)
    if options.model:
        _with_model(kept, runs, options)


def _with_model(kept: list[Kept], runs: list[Judged], options: argparse.Namespace) -> None:
    # The incidents stand in turn by cause: a beginning holds all of them.
    some = kept[: options.model_sample]
    with (
        tempfile.TemporaryDirectory() as temporary,
        embedded_model(Path(temporary), options.gguf, options.threads) as model,
    ):
        asked = []
        for number, one in enumerate(some, 1):
            asked.append(judge(one, model.ask))
            print(f"\r{number} of {len(some)} with the model", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        print_model(runs, asked, model.seconds)
    if options.errors:
        print_errors(asked)


def _made(options: argparse.Namespace) -> Iterator[Kept]:
    """Run the incidents, one after the other; each is kept when it is done."""
    conditions = SETS[options.set]
    services = bases(options.data, conditions.seed, conditions.half)
    causes = {Cause(name) for name in options.causes.split(",") if name} or set(Cause)
    all_kinds = kinds(conditions, refusals(options.data), options.languages)
    wanted = [one for one in incidents(services, conditions, all_kinds) if one.cause in causes][: options.limit]
    file = options.keep.open("wb") if options.keep else None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number, one in enumerate(wanted, 1):
            prepared = folder / one.base
            keep_text = not options.no_text
            if not prepared.exists():
                print(f"\nbaseline {one.base}", file=sys.stderr)
                prepare(services[one.base], prepared, options.cache, keep_text=keep_text)
            rng = np.random.default_rng([conditions.seed, crc32(one.name.encode())])
            brief = run(
                prepared,
                folder / "run",
                options.cache,
                before=one.before,
                after=one.after,
                digest=one.digest,
                rng=rng,
                keep_text=keep_text,
            )
            kept = Kept(
                name=one.name,
                cause=one.cause,
                parts=one.parts,
                share=one.share,
                after=len(one.after),
                severity=brief.evidence.severity,
                brief=brief,
            )
            if file:
                file.write(msgspec.json.encode(kept) + b"\n")
                file.flush()
            print(f"{number}/{len(wanted)} {kept.severity} {kept.name}", file=sys.stderr)
            yield kept
    if file:
        file.close()


if __name__ == "__main__":
    main()
