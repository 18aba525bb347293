"""The examples in the docstrings of a package's public names, to be run."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType


def examples_of(package: str) -> list[doctest.DocTest]:
    """The docstrings of public names, and of their methods, that hold an example."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found: dict[str, doctest.DocTest] = {}
    for module in _public_modules(package):
        for name, value in inspect.getmembers(module):
            at_home = (getattr(value, "__module__", None) or "").startswith(package)
            if not name.startswith("_") and at_home and isinstance(value, type) | inspect.isfunction(value):
                # Names of the module that defines it are those that its examples may use.
                home = inspect.getmodule(value)
                tests = finder.find(value, f"{package}.{name}", module=home, globs=dict(vars(home or module)))
                found |= {test.name: test for test in tests if test.examples}
    return list(found.values())


def show(example: doctest.DocTest) -> None:
    """Run an example, and compare what it shows with what it says; `...` stands for anything, spaces for any."""
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=told.append)
    assert runner.failures == 0, "".join(told)


def _public_modules(package: str) -> Iterator[ModuleType]:
    top = importlib.import_module(package)
    yield top
    for each in pkgutil.iter_modules(top.__path__):
        if not each.name.startswith("_"):
            yield importlib.import_module(f"{package}.{each.name}")
