"""Every message that the packages raise, as their sources have it: what docs/troubleshooting.md lists.

A message is a text in which `…` stands for what is filled in. It is found where an exception is built, wherever that
is: below `raise`, in a function that returns it, or in one that takes the text, or a part of it, from its caller.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GAP = "…"
_LONGEST_ANCHOR = 60
_EXCEPTION = re.compile(r"\w*(Error|Exception|BadParameter|OutOfMemory|Busy)")
# What is no exception, but comes to be the text of one: which argument holds it.
_CARRIERS = {"Problem": 3}
# A parameter in a text, to be replaced by what a caller gives for it.
_PARAMETER = re.compile(r"\0(\w+)\0")


@dataclass(frozen=True)
class Message:
    """A text with gaps.

    Attributes:
        package: Which raises it.
        module: Its file, below the package's folder.
        line: Where the exception is built.
        subject: What the module is about.
        kind: The exception's name.
        text: What it says.
    """

    package: str
    module: str
    line: int
    subject: str
    kind: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words that are always there, in lower case."""
        return re.findall(r"[a-z0-9]+", self.text.lower())

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.package}/{self.module}:{self.line}"


def collect(root: Path = ROOT) -> list[Message]:
    """The messages of all packages, each text of a package once, in the order of the sources."""
    found: dict[tuple[str, ...], Message] = {}
    for modules in _packages(root):
        for message in sorted(_of(modules), key=lambda each: (each.module, each.line)):
            found.setdefault((message.package, *message.words), message)
    return list(found.values())


def anchors(messages: Sequence[Message]) -> dict[str, Message]:
    """Each message by its anchor: its first words, and all of them where two messages begin alike."""
    found: dict[str, Message] = {}
    for message in messages:
        whole = "-".join(message.words)
        short = whole if len(whole) <= _LONGEST_ANCHOR else whole[: _LONGEST_ANCHOR + 1].rpartition("-")[0]
        names = (short, whole, f"{message.package}-{whole}")
        found[next(name for name in names if name not in found)] = message
    return found


def unread(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """The exceptions whose text cannot be read where they are built: the place, and the expression."""
    for modules in _packages(root):
        for module in modules:
            for build in module.builds:
                if not any(message.words or _PARAMETER.search(message.text) for message in module.told_by(build)):
                    yield f"{module.package}/{module.name}:{build.call.lineno}", ast.unparse(build.text)


def _packages(root: Path) -> Iterator[list["Module"]]:
    """The modules of each package, which know the functions of each other."""
    for package in sorted(path.parent for path in (root / "packages").glob("*/pyproject.toml")):
        modules = [Module(package, path) for path in sorted(package.glob("src/**/*.py"))]
        shared = {name: each for module in modules for name, each in module.functions.items() if name[0] != "_"}
        for module in modules:
            module.functions = shared | module.functions
        yield modules


def _of(modules: Sequence["Module"]) -> Iterator[Message]:
    """The messages of a package; a caller's text takes the place of the parameter that it is given for."""
    built = [(module, build, told) for module in modules for build in module.builds for told in module.told_by(build)]
    for home, build, message in built:
        given: list[Message] = []
        if build.function is not None and _PARAMETER.search(message.text):
            private = build.function.name.startswith("_") or build.function not in home.tree.body
            for module in [home] if private else modules:
                given += module.giving(build.function, message)
        yield from given
        plain = replace(message, text=_tidy(_PARAMETER.sub(GAP, message.text)))
        if len(plain.words) > (2 if given else 0):
            yield plain


@dataclass(frozen=True)
class Build:
    """Where an exception is built: the call, the argument that is its text, and the innermost function around it."""

    call: ast.Call
    text: ast.expr
    function: ast.FunctionDef | None


class Module:
    """A module of a package, read and never run."""

    def __init__(self, package: Path, path: Path) -> None:
        self.package, self.name = package.name, str(Path(*path.parts[path.parts.index("src") + 2 :]))
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.subject = " ".join((ast.get_docstring(self.tree) or path.stem).partition("\n\n")[0].split())
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}
        self.constants = _assigned(self.tree.body)
        self.calls: dict[str, list[ast.Call]] = {}
        self.builds = list(self._builds())

    def _builds(self) -> Iterator[Build]:
        waiting: list[tuple[ast.AST, ast.FunctionDef | None]] = [(self.tree, None)]
        while waiting:
            node, function = waiting.pop()
            if isinstance(node, ast.FunctionDef):
                function = node
            if isinstance(node, ast.Call):
                self.calls.setdefault(_name(node.func), []).append(node)
                if (text := _text_of(node)) is not None:
                    yield Build(node, text, function)
            waiting += [(child, function) for child in ast.iter_child_nodes(node)]

    def told_by(self, build: Build) -> Iterator[Message]:
        """The messages of an exception, parameters of its function marked in them."""
        names = dict(self.constants)
        if build.function is not None:
            names |= _assigned(list(ast.walk(build.function)))
            names |= {name: _marked(name) for name in _parameters(build.function)}
        texts = self._texts(build.text, names)
        if not any(re.search(r"\w", text) for text in texts):
            texts = self._texts(build.text, names, deep=True)
        for text in texts:
            yield self._message(build.call, _name(build.call.func), text)

    def giving(self, function: ast.FunctionDef, message: Message) -> Iterator[Message]:
        """The message, with the texts that this module's calls of a function give for its parameters."""
        for call in self.calls.get(function.name, ()):
            given = dict(zip(_parameters(function), call.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
            read = {name: self._texts(value, self.constants) for name, value in given.items()}
            # A single word is a name, which would only repeat the message.
            texts = {name: each[0] for name, each in read.items() if each and " " in each[0]}
            if texts.keys() & {*_PARAMETER.findall(message.text)}:
                text = _PARAMETER.sub(lambda match, texts=texts: texts.get(match[1], GAP), message.text)
                yield self._message(call, message.kind, text)

    def _message(self, node: ast.Call, kind: str, text: str) -> Message:
        return Message(self.package, self.name, node.lineno, self.subject, kind, _tidy(text))

    def _texts(self, expression: ast.expr, names: Mapping[str, ast.expr], *, deep: bool = False) -> list[str]:
        """What an expression may come to, as far as it can be read; nothing where it cannot.

        Args:
            expression: A text, or what texts are made of.
            names: What is assigned to names.
            deep: Fill gaps with what functions return.
        """

        def texts(each: ast.expr) -> list[str]:
            return self._texts(each, names, deep=deep)

        match expression:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return _joined([texts(part) or [GAP] for part in parts])
            case ast.FormattedValue(value=value) if deep or isinstance(value, ast.Name):
                return texts(value)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _joined([texts(part) or [GAP] for part in (left, right)])
            case ast.IfExp(body=body, orelse=other):
                return [*texts(body), *texts(other)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in texts(value)]
            case ast.Name(id=name) if name in names:
                return self._texts(names[name], {key: each for key, each in names.items() if key != name}, deep=deep)
            case ast.Call(func=function) if _name(function) in self.functions:
                nodes = ast.walk(self.functions[_name(function)])
                values = [node.value for node in nodes if isinstance(node, ast.Return) and node.value]
                return [text for value in values for text in self._texts(value, self.constants)]
            case _:
                return []


def _text_of(call: ast.Call) -> ast.expr | None:
    """The argument that gives an exception its text; None where a call builds none, or one without a text."""
    name = _name(call.func)
    if name in _CARRIERS:
        return next(iter(call.args[_CARRIERS[name] :]), None)
    if not _EXCEPTION.fullmatch(name):
        return None
    return next((each for each in call.args if not _is_number(each)), None)


def _is_number(argument: ast.expr) -> bool:
    """Whether it is what some exceptions have before their text: an error's number, or nothing."""
    if isinstance(argument, ast.Attribute):
        return ast.unparse(argument).startswith("errno.")
    return isinstance(argument, ast.Constant) and not isinstance(argument.value, str)


def _assigned(statements: Sequence[ast.AST]) -> dict[str, ast.expr]:
    """Names to which a text, or what is made of texts, is assigned."""
    kinds = (ast.Constant, ast.JoinedStr, ast.BinOp, ast.IfExp)
    return {
        statement.targets[0].id: statement.value
        for statement in statements
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        if isinstance(statement.value, kinds)
    }


def _parameters(function: ast.FunctionDef) -> list[str]:
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _marked(name: str) -> ast.Constant:
    return ast.Constant(f"\0{name}\0")


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _joined(parts: list[list[str]]) -> list[str]:
    return ["".join(choice) for choice in product(*parts)]


def _tidy(text: str) -> str:
    """On one line, and with one gap where several meet."""
    return re.sub(rf"{GAP}(?: ?{GAP})+", GAP, " ".join(text.split()))
