"""How long until the first request is served, and what the idle web process holds.

    python -m tests.benchmarks.startup [--runs 5]

The worker starts at the same time and loads its embedding model beside it, as for a user.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.conftest import free_port
from tests.scripted import Upstream, replay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    seconds, megabytes = [], []
    body = {"model": "replay", "messages": [{"role": "user", "content": "ping"}]}
    with Upstream(replay({"ping": "pong"})) as upstream:
        for _ in range(asked.runs):
            url, folder = f"http://127.0.0.1:{(port := free_port())}", tempfile.mkdtemp()
            command = [sys.executable, "-m", "proxy", "serve", "--port", str(port), "--data-dir", folder]
            env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
            began = time.perf_counter()
            with (Path(folder) / "stderr.log").open("wb") as stderr:
                process = subprocess.Popen([*command, "--upstream", upstream.url], cwd=folder, env=env, stderr=stderr)
            while True:
                try:
                    httpx.post(url + "/v1/chat/completions", json=body, trust_env=False).raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.01)
            seconds.append(time.perf_counter() - began)
            while httpx.get(url + "/api/health", trust_env=False).json()["worker"]["status"] != "ready":
                time.sleep(0.2)
            status = Path(f"/proc/{process.pid}/status").read_text()
            megabytes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
            process.terminate()
            process.wait()
    print(f"first request served after {statistics.median(seconds):.2f} s (median of {asked.runs}; all: ", end="")
    print(", ".join(f"{s:.2f}" for s in sorted(seconds)) + ")")
    print(f"idle web process {statistics.median(megabytes):.0f} MB, the worker's model loaded beside it")


if __name__ == "__main__":
    main()
