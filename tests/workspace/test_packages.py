"""Each package stands by itself: its metadata, its place among the others, its public names."""

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from types import FunctionType, ModuleType

import pytest

from release.members import Member
from release.versions import next_breaking
from workspace._repository import MEMBERS, ROOT

# Which packages a package may require. Everything else here it must not know.
BELOW = {
    "hfbs-filterbanks": set[str](),
    "hfbs-attention": set[str](),
    "hfbs-model": {"hfbs-filterbanks", "hfbs-attention"},
    "hfbs-experimental": {"hfbs-model", "hfbs-filterbanks", "hfbs-attention"},
    "hfbs-separate": {"hfbs-experimental", "hfbs-model", "hfbs-filterbanks", "hfbs-attention"},
    "hfbs-train": {"hfbs-separate", "hfbs-experimental", "hfbs-model", "hfbs-filterbanks", "hfbs-attention"},
}
each_member = pytest.mark.parametrize("member", MEMBERS.values(), ids=str)


def test_every_package_has_its_place():
    assert MEMBERS.keys() == BELOW.keys()


@each_member
def test_a_package_requires_only_packages_below_it(member: Member):
    assert {requirement.name for requirement in member.requirements} & MEMBERS.keys() <= BELOW[member.name]


@each_member
def test_a_sibling_is_bounded_below_the_next_version_that_may_break(member: Member):
    for requirement in member.requirements:
        if requirement.name in MEMBERS:
            present = MEMBERS[requirement.name].version
            breaking = next_breaking(present)
            assert requirement.specifier.contains(present), f"{requirement} excludes {present}, the version here"
            assert not requirement.specifier.contains(breaking), f"{requirement} admits {breaking}"


@each_member
def test_every_requirement_has_a_lower_bound(member: Member):
    for requirement in member.requirements:
        assert any(bound.operator in (">=", "~=", "==") for bound in requirement.specifier), str(requirement)


@each_member
def test_a_package_carries_its_papers(member: Member):
    assert (member.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (member.source / "py.typed").exists()
    assert (member.folder / "README.md").read_text(encoding="utf-8").startswith(f"# {member.name}\n")
    changelog = (member.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.match(rf"# Changelog of {member.name}\n\n## (Unreleased|{re.escape(str(member.version))})\n", changelog)


@each_member
def test_a_readme_leads_nowhere_that_an_index_does_not_have(member: Member):
    readme = (member.folder / "README.md").read_text(encoding="utf-8")
    assert [link for link in re.findall(r"\]\(([^)]*)\)", readme) if not link.startswith(("https://", "#"))] == []
    for paragraph in readme.split("\n\n"):
        if re.search(r"`(python )?(docs|benchmarks|tests)/", paragraph):
            assert "repository" in paragraph, f"where is that, for who installed {member.name}?\n{paragraph}"


@each_member
def test_a_package_says_which_pythons_it_supports(member: Member):
    supported = {f"Programming Language :: Python :: 3.{minor}" for minor in (12, 13, 14)}
    assert supported <= set(member.project["classifiers"])
    assert member.project["requires-python"] == ">=3.12"
    assert member.project["license"] == "MIT"


@each_member
def test_the_init_only_hands_names_on(member: Member):
    docstring, *statements = ast.parse((member.source / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr)
    for statement in statements:
        assert hands_on(statement, member), f"{member.import_name}/__init__.py, line {statement.lineno}"


def hands_on(statement: ast.stmt, member: Member) -> bool:
    """Whether a statement imports the package's names as they are called, at once or when they are first asked for."""
    match statement:
        case ast.ImportFrom(module=module, names=names, level=level):
            own = level == 1 or (module or "").startswith(f"{member.import_name}.")
            return (own and all(name.name in (name.asname, "*") for name in names)) or module == "typing"
        case ast.If(test=ast.Name("TYPE_CHECKING"), body=body, orelse=[]):
            return all(hands_on(each, member) for each in body)
        case ast.FunctionDef(name=name):
            return name in ("__getattr__", "__dir__")
        case _:
            return False


@each_member
def test_every_public_name_is_documented(member: Member):
    bare = [where for module in public_modules(member) for where in undocumented(module)]
    assert not bare, f"public, but without a docstring: {bare}"


def public_modules(member: Member) -> Iterator[ModuleType]:
    """The package, and its modules whose names do not begin with an underscore."""
    yield importlib.import_module(member.import_name)
    for path in sorted(member.source.glob("[!_]*.py")):
        yield importlib.import_module(f"{member.import_name}.{path.stem}")


@each_member
def test_the_page_on_packages_names_every_public_module(member: Member):
    section = (ROOT / "docs" / "packages.md").read_text(encoding="utf-8").partition("## Public names")[2]
    modules = [module.__name__ for module in public_modules(member)][1:]
    named = {name.rpartition(".")[2] if member.name == "hfbs-experimental" else name for name in modules}
    assert named <= {*re.findall(r"`([\w.]+)`", section)}


@each_member
def test_every_package_has_its_types_checked(member: Member):
    """By folders that are there: a pattern may come to match nothing, and no error would tell."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    assert any(member.source.is_relative_to(ROOT / place) for place in settings["include"])


def undocumented(module: ModuleType) -> Iterator[str]:
    """The public functions, classes and methods of a module that have no docstring of their own."""
    if not module.__doc__:
        yield module.__name__
    for name in dir(module):
        value = getattr(module, name)
        # What a module imports for its own use keeps its home's name; what a package hands on is below the package.
        at_home = getattr(value, "__module__", "").startswith(module.__name__)
        if name.startswith("_") or not at_home or not isinstance(value, type | FunctionType):
            continue
        # A dataclass without a docstring gets its signature for one.
        if not value.__doc__ or value.__doc__.startswith(f"{name}("):
            yield f"{module.__name__}.{name}"
        if isinstance(value, type):
            yield from (f"{module.__name__}.{name}.{method}" for method in undocumented_methods(value))


def undocumented_methods(owner: type) -> Iterator[str]:
    for name, member in vars(owner).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and isinstance(function, FunctionType) and not inspect.getdoc(function):
            # An override says what its base says; the base of nn.Module.forward says nothing.
            inherited = [vars(base)[name] for base in owner.__mro__[1:] if name in vars(base)]
            if not any(inspect.getdoc(each) for each in inherited) or name == "forward":
                yield name
