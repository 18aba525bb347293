"""What Sphinx does not do by itself: formulas without scripts, signatures and links as a reader wants them."""

import re
import sys
from dataclasses import fields, is_dataclass
from typing import Any, get_origin

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.logging import getLogger
from sphinx.util.math import get_node_equation_number

# Where a type was defined in a private module: the name that one imports it by.
PUBLIC_NAMES = {
    r"hfbs_model\._export\._\w+\.": "hfbs_model.export.",
    r"(hfbs_\w+)\._\w+\.": r"\1.",
    r"numpy\._typing\._\w+\.": "numpy.typing.",
    r"torch\.nn\.modules\.\w+\.": "torch.nn.",
    r"torch\.nn\.attention\._": "torch.nn.attention.",
    r"Axes$": "matplotlib.axes.Axes",
    r"Tensor$": "torch.Tensor",
}


def write_mathml(translator: Any, node: nodes.math | nodes.math_block) -> None:
    """Let the browser set formulas, which needs no script and no fonts from the web. Labelled ones are numbered."""
    displayed = isinstance(node, nodes.math_block)
    try:
        formula = tex2mathml(node.astext(), as_block=displayed)
        if displayed:
            number = get_node_equation_number(translator, node) if node.get("number") else ""
            counted = f'<span class="eqno">({number})</span>' if number else ""
            formula = f'<div class="formula">{formula}{counted}</div>'
        translator.body.append(formula)
    except MathError as error:
        getLogger(__name__).warning("%s", error, location=node)
    raise nodes.SkipNode


def link_by_public_name(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.TextElement
) -> nodes.reference | None:
    """Give a reference that leads nowhere the public name of its target; intersphinx, which is next, finds the rest."""
    if node.get("refdomain") != "py":
        return None
    for private, public in PUBLIC_NAMES.items():
        node["reftarget"] = re.sub(f"^{private}", public, node["reftarget"])
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, content
    )


def tidy_signature(
    app: Sphinx, what: str, name: str, value: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write defaults as Python has them, for Sphinx shortens and links the types of what it can read; leave out the
    parameter that only catches mistakes, and of a protocol, or of what a method makes, what says nothing.
    """
    if signature == "(*args, **kwargs)" and what == "class":
        return "", None
    if signature is not None:
        signature = re.sub(r"<built-in method (\w+) of type object[^>]*>", r"torch.\1", signature)
        signature = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", signature)
        signature = re.sub(r"<function \w+>", "...", signature)
        signature = signature.replace(", **unknown: object", "")
        for field in fields(value) if isinstance(value, type) and is_dataclass(value) else ():
            made = rf"\g<1>{called(field.default_factory)}"
            signature = re.sub(rf"(\b{field.name}: [^=]*=\s*)<factory>", made, signature)
    return signature, returns


def called(factory: object) -> str:
    """What makes a default, as a call of it; dots where its name says nothing."""
    made = get_origin(factory) or factory
    if made in (dict, list, tuple):
        return repr(made())
    return f"{made.__name__}()" if isinstance(made, type) else "..."


def shorten_types(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Show the types of attributes, which napoleon writes out in full, by their last names."""
    for number, line in enumerate(lines):
        if line.lstrip().startswith(":type: "):
            lines[number] = re.sub(r"(?<![~\w.])(?=(?:\w+\.)+\w)", "~", line)


def document_constant(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Take what stands below a constant in the private module that defines it, where a package hands on its value."""
    module, _, constant = name.rpartition(".")
    if what in ("data", "type"):
        private = f"{name.partition('.')[0]}._"
        names = [module, *(each for each in sys.modules if each.startswith(private))]
        homes = [ModuleAnalyzer.for_module(each) for each in names]
        lines[:] = next((docs for home in homes if (docs := home.find_attr_docs().get(("", constant)))), lines)


def forget_overloads(analyzer: ModuleAnalyzer) -> None:
    """Show the signature that overloads implement: it has the shapes, and says all that they say."""
    analyze(analyzer)
    analyzer.overloads = {}


analyze = ModuleAnalyzer.analyze


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of it."""
    ModuleAnalyzer.analyze = forget_overloads
    app.add_html_math_renderer("mathml", (write_mathml, None), (write_mathml, None))
    app.connect("autodoc-process-docstring", document_constant)
    app.connect("autodoc-process-docstring", shorten_types, priority=600)  # after napoleon
    app.connect("autodoc-process-signature", tidy_signature)
    app.connect("missing-reference", link_by_public_name, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
