"""Evidently's and Alibi Detect's drift detectors on the streams that tests/benchmarks/drift.py writes.

    PYTHON -m tests.benchmarks.peers FOLDER [--run-length 1000]

PYTHON belongs to an environment of its own: neither tool is a dependency, and neither shares one with Driftium.
On CPython 3.11:

    python -m venv peers
    echo torch==2.13.0 > peers/constraints.txt
    peers/bin/pip install -c peers/constraints.txt torch==2.13.0 evidently==0.7.23 "pandas<3"
    peers/bin/pip install -c peers/constraints.txt --no-deps alibi-detect==0.13.0
    peers/bin/pip install -c peers/constraints.txt --only-binary :all: catalogue dill toml numba scikit-image \
        opencv-python-headless matplotlib "transformers==4.57.*"

alibi-detect declares numpy < 2, scikit-image < 0.25 and Pillow < 11; without its declarations it runs on numpy 2.4,
scikit-image 0.26 and Pillow 13, of which the detector used here needs numpy alone. Evidently declares pandas without
a bound and does not load with pandas 3.

FOLDER holds an .npz file per stream (baseline, quiet and changed vectors, window: the number of responses in
Driftium's largest window). Prints {stream: {detector: [false alarms, quiet responses, delay or null]}} as JSON.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

# Set before numpy loads: every tool has one thread.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
    os.environ[_variable] = "1"

import numpy as np  # noqa: E402

from tests.benchmarks.streams import Outcome, watch  # noqa: E402

_EVERY = 50
"""Responses between two evaluations of a detector that compares whole samples."""
_ONLINE_WINDOW = 50
"""Its documentation names no size: small windows for severe changes, large ones for slight ones."""
_BOOTSTRAPS = 3
"""Run lengths. Its default of 1,000 raises ValueError at a run length of 1,000, for want of simulations beyond the
quantile; its documentation would ideally have 10 run lengths, which takes a minute for each baseline."""
_SMALLEST_BASELINE = 100
"""Below this an online detector keeps no reference beside its window."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run-length", type=int, default=1_000)
    parser.add_argument("--bootstraps", type=int, help="Alibi Detect's simulations, 3 run lengths unless told")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    found: dict[str, dict[str, Outcome]] = {}
    files = sorted(options.folder.glob("*.npz"))
    for done, path in enumerate(files, 1):
        with np.load(path) as arrays:
            stream = {name: arrays[name] for name in ("baseline", "quiet", "changed")}
            window = int(arrays["window"])
        found[path.stem] = {
            **by_samples(stream, window),
            **online(stream, options.run_length, options.bootstraps or _BOOTSTRAPS * options.run_length),
        }
        print(f"\r{done} of {len(files)} streams", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    json.dump(found, sys.stdout)


def by_samples(stream: dict[str, Any], window: int) -> dict[str, Outcome]:
    """Evidently: the last `window` responses against the baseline, at every 50th response once there are so many.

    `model (default)` is what its embeddings metric does unless told otherwise: a classifier whose AUC must exceed
    the 95 % point of a random score's (.55 from 1,000 baseline rows on). `mmd (default)` has its fixed line of
    .015; `mmd, bootstrap` tests against the quantile that it sets by default, which is the 5 % point.
    """
    import pandas as pd
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import mmd, model

    methods = {
        "Evidently model (default)": model(bootstrap=len(stream["baseline"]) < 1_000),
        "Evidently mmd (default)": mmd(),
        "Evidently mmd, bootstrap": mmd(bootstrap=True),
    }
    live = np.concatenate([stream["quiet"], stream["changed"]])
    every = min(_EVERY, window)

    def outcome(method: Callable[..., tuple[float, bool, str]]) -> Outcome:
        began = place_now = 0

        def restart() -> None:
            nonlocal began
            began = place_now

        def observe(place: int) -> bool:
            nonlocal place_now
            place_now = place + 1
            if place_now - began < window or place_now % every:
                return False
            # Columns with names: its classifier adds one called "target" to the frames it is given.
            current = pd.DataFrame(live[place_now - window : place_now]).rename(columns=str)
            reference = pd.DataFrame(stream["baseline"]).rename(columns=str)
            return bool(method(current_emb=current, reference_emb=reference)[1])

        return watch(observe, restart, len(stream["quiet"]), len(stream["changed"]))

    return {name: outcome(method) for name, method in methods.items()}


_calibrated: dict[bytes, Any] = {}
"""Online detectors by their baseline: cases that share one share its thresholds, which take most of the time."""


def online(stream: dict[str, Any], run_length: int, bootstraps: int) -> dict[str, Outcome]:
    """Alibi Detect's MMDDriftOnline (Cobb et al. 2021) with its expected run time set to the same run length."""
    baseline = stream["baseline"]
    if len(baseline) < _SMALLEST_BASELINE:
        return {}
    import torch
    from alibi_detect.cd import MMDDriftOnline

    key = sha256(baseline.tobytes()).digest()
    if key not in _calibrated:
        torch.manual_seed(int.from_bytes(key[:4], "big"))
        _calibrated[key] = MMDDriftOnline(
            baseline,
            ert=run_length,
            window_size=min(_ONLINE_WINDOW, len(baseline) // 4),
            backend="pytorch",
            n_bootstraps=bootstraps,
            device="cpu",
            verbose=False,
        )
    detector = _calibrated[key]
    live = np.concatenate([stream["quiet"], stream["changed"]])

    def observe(place: int) -> bool:
        return bool(detector.predict(live[place])["data"]["is_drift"])

    outcome = watch(observe, detector.reset_state, len(stream["quiet"]), len(stream["changed"]))
    return {"Alibi Detect MMDDriftOnline": outcome}


if __name__ == "__main__":
    main()
