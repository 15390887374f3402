import doctest
import importlib
import pkgutil

import pytest

import drift.tabular

MODULES = [found.name for found in pkgutil.iter_modules(drift.tabular.__path__)]
WITH_EXAMPLES = {"categorical", "compare", "correction", "ks", "missing", "numeric"}
"""What is called when the package is used as a library."""


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(f"drift.tabular.{name}"))
    assert found.failed == 0
    assert found.attempted > 0 or name not in WITH_EXAMPLES
