"""The house keeps its order: one direction of imports, a light web process, small files."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("pandas", "scipy", "sklearn", "qdrant_client", "torch", "onnxruntime")
OUTSIDE = (
    "proxy",
    "httpx",
    "litestar",
    "ollama",
    "qdrant_client",
    "asyncio",
    "sqlalchemy",
    "prometheus_client",
    "time",
)


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("file", sorted((ROOT / "drift").rglob("*.py")), ids=lambda f: f.name)
def test_the_science_knows_no_io(file: Path):
    """drift/ imports no HTTP, event loop, database or clock, and never proxy/."""
    assert not imports(file) & set(OUTSIDE)


def test_only_the_embedder_imports_sentence_transformers():
    users = {f.name for f in (ROOT / "drift").rglob("*.py") if "sentence_transformers" in imports(f)}
    users |= {f.name for f in (ROOT / "proxy").rglob("*.py") if "sentence_transformers" in imports(f)}
    assert users == {"embedder.py"}


def test_the_composition_root_is_imported_by_the_server_alone():
    users = {f.name for f in (ROOT / "proxy").rglob("*.py") if "from proxy.app import" in f.read_text()}
    assert users == {"serve.py"}


def test_the_web_process_loads_nothing_heavy():
    """Building the whole web application loads neither pandas, scipy, scikit-learn, qdrant_client nor torch."""
    code = (
        "import sys, proxy.serve, proxy.app; from proxy.settings import Settings, Data; import tempfile;"
        "proxy.app.build(Settings(data=Data(dir=tempfile.mkdtemp())));"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]", told.stdout


@pytest.mark.parametrize("folder", ["proxy", "drift"])
def test_files_stay_small(folder: str):
    """A file that grows past 300 lines is two files."""
    long = {f.name: n for f in (ROOT / folder).rglob("*.py") if (n := len(f.read_text().splitlines())) > 300}
    assert not long
