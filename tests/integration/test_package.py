"""The wheel and the sdist hold everything they need, and nothing else. The demo runs from the wheel in test_demo.py."""

import json
import os
import re
import subprocess
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, build

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    """The files of the wheel."""
    (file,) = built.glob("*.whl")
    assert file.name == f"driftium-{VERSION}-py3-none-any.whl"
    return members(file)


@pytest.fixture(scope="module")
def sdist(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built / f"driftium-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"driftium-{VERSION}"


def test_the_wheel_has_every_module(wheel: dict[str, bytes]):
    console = ROOT / "proxy" / "console"
    modules = [f for part in ("proxy", "drift") for f in (ROOT / part).rglob("*.py") if console not in f.parents]
    missing = {str(file.relative_to(ROOT)) for file in modules} - wheel.keys()
    assert len(modules) > 100
    assert missing == set()


@pytest.mark.parametrize("folder", ["proxy/deploy", "proxy/console/dist", "proxy/tabular/data"])
def test_the_wheel_has_what_is_no_code(wheel: dict[str, bytes], folder: str):
    """What is deployed, the built console, the shipped table: byte for byte."""
    files = [file for file in (ROOT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert len(files) > 1
    for file in files:
        assert wheel.get(str(file.relative_to(ROOT))) == file.read_bytes(), file


def test_the_wheel_has_the_settings_with_their_defaults_and_the_licence(wheel: dict[str, bytes]):
    assert wheel["proxy/config.toml"] == (ROOT / "config.toml").read_bytes()
    assert wheel[f"driftium-{VERSION}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_has_nothing_else(wheel: dict[str, bytes]):
    """No tests, no source of the console, no packages of Node, nothing at the top that another package could have."""
    assert {name.partition("/")[0] for name in wheel} == {"proxy", "drift", f"driftium-{VERSION}.dist-info"}
    odd = [n for n in wheel if re.search(r"node_modules|console/(?!dist/)|tests?/|__pycache__|\.pyc$|/\.env$", n)]
    assert odd == []
    assert sum(map(len, wheel.values())) < 5_000_000


def test_the_wheel_says_what_it_is(wheel: dict[str, bytes]):
    about = HeaderParser().parsestr(wheel[f"driftium-{VERSION}.dist-info/METADATA"].decode())
    assert (about["Name"], about["Version"], about["License-Expression"]) == ("driftium", VERSION, "MIT")
    assert about["Requires-Python"] == ">=3.11"
    assert {"embedded", "parquet", "test"} <= set(about.get_all("Provides-Extra") or [])
    assert b"driftium = proxy.cli:main" in wheel[f"driftium-{VERSION}.dist-info/entry_points.txt"]


def test_the_wheel_made_of_the_sdist_is_the_same(wheel: dict[str, bytes], sdist: Path, tmp_path: Path):
    build(sdist, tmp_path, "wheel")
    (again,) = tmp_path.glob("*.whl")
    assert members(again) == wheel


def test_the_sdist_has_the_tests_and_the_consoles_source(sdist: Path):
    for name in ("tests/conftest.py", "proxy/console/package.json", "proxy/console/src", "CHANGELOG.md", "README.md"):
        assert (sdist / name).exists(), name
    assert not [file for file in sdist.rglob("*") if "node_modules" in file.parts or "__pycache__" in file.parts]


def test_the_image_can_be_built_of_the_sdist(sdist: Path):
    """All that the Dockerfile copies is in it."""
    allowed = [line[1:] for line in (sdist / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert allowed
    assert all((sdist / name).exists() for name in allowed)


def test_installed_outside_the_checkout_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path):
    """Its modules, data and shipped files are those in the environment; so is what it starts."""
    code = (
        "import json, proxy, drift, sys; from importlib.metadata import version; from importlib.resources import files;"
        "from proxy.console_files import DIST;"
        "print(json.dumps([proxy.__file__, drift.__file__, str(DIST), str(files('proxy') / 'config.toml'),"
        "sys.executable, version('driftium')]))"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run([installed / "python", "-c", code], cwd=tmp_path, env=env, capture_output=True, check=True)
    *places, version = json.loads(told.stdout)
    assert all(Path(place).is_relative_to(installed.parent) and Path(place).exists() for place in places), places
    assert version == VERSION


@pytest.mark.parametrize(
    "words", [["version"], ["--help"], ["export", "dashboards"], ["export", "rules"]], ids=" ".join
)
def test_the_installed_command_finds_what_it_needs(installed: Path, tmp_path: Path, words: list[str]):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run([installed / "driftium", *words], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert (told.returncode, told.stderr) == (0, b"")
    assert told.stdout
