"""Builds these pages: `nox -s docs`. Nothing is fetched from the web, and the pages need none either."""

import sys
import typing
from importlib.metadata import version as version_of
from pathlib import Path

# Makes jaxtyping print shapes as one writes them: Float[Tensor, "batch time"], without its own name before each.
typing.GENERATING_DOCUMENTATION = "hfbs"
sys.path.insert(0, str(Path(__file__).parent))

PACKAGES = ("filterbanks", "attention", "model", "experimental", "separate", "train")
project = "hfbs"
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "myst_parser",
    "sphinxcontrib.bibtex",
    "figures",
    "rendering",
    "troubles",
]
exclude_patterns = ["_build", "examples"]

html_theme = "furo"
html_title = "hfbs"
html_static_path = ["_static"]
html_css_files = ["hfbs.css"]
html_show_copyright = False
html_show_sphinx = False
html_math_renderer = "mathml"

bibtex_bibfiles = ["../citations/hfbs.bib"]

myst_enable_extensions = ["deflist", "dollarmath", "substitution"]
myst_heading_anchors = 3
myst_substitutions = {f"{package}_version": version_of(f"hfbs-{package}") for package in PACKAGES}

autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 88

# Each file names the few objects of that project that these pages mention.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "inventories/python.txt"),
    "numpy": ("https://numpy.org/doc/stable", "inventories/numpy.txt"),
    "torch": ("https://docs.pytorch.org/docs/stable", "inventories/torch.txt"),
    "matplotlib": ("https://matplotlib.org/stable", "inventories/matplotlib.txt"),
}
nitpick_ignore = [
    # Its project has no inventory.
    ("py:class", "rotary_embedding_torch.rotary_embedding_torch.RotaryEmbedding"),
    ("py:class", "huggingface_hub.repocard.ModelCard"),
    ("py:class", "ModelCard"),
    ("py:class", "av.audio.frame.AudioFrame"),
    ("py:class", "click.core.Command"),
    ("py:class", "click.core.Context"),
    ("py:class", "click.core.Parameter"),
    ("py:class", "click.shell_completion.CompletionItem"),
    ("py:meth", "click.Command.main"),
    # jaxtyping has none; its words stand before the axes that they describe.
    ("py:class", "Float"),
    ("py:class", "Int"),
    ("py:class", "Bool"),
    # What is left of a shape without axes, and of a mapping to tuples, where Sphinx takes them apart.
    ("py:class", "''"),
    ("py:class", "collections.abc.Mapping[str"),
    ("py:class", "tuple[str"),
    # The class on which a class method is called.
    ("py:class", "C"),
    ("py:class", "H"),
    # What a function that is given returns.
    ("py:class", "Result"),
    # Aliases of private modules: the docstrings say in words what they stand for.
    ("py:class", "hfbs_separate._types.Audio"),
    ("py:class", "hfbs_separate._remote.Place"),
    ("py:class", "hfbs_separate._types.Progress"),
    ("py:class", "hfbs_separate._types.AudioPacket"),
    ("py:class", "hfbs_separate._source.Source"),
    ("py:class", "hfbs_separate._options.SampleFormat"),
    ("py:class", "hfbs_separate._separator.SeparatorOptions"),
    ("py:class", "hfbs_separate._live_separator.LiveOptions"),
    ("py:class", "hfbs_separate._view_audio.AudioFormat"),
    ("py:class", "hfbs_separate._workload.Workload"),
    ("py:class", "hfbs_separate.terminal.Speech"),
    ("py:class", "hfbs_model._loss.LossTerms"),
    ("py:class", "hfbs_model._export._document.Described"),
    ("py:class", "hfbs_model.export.Described"),
    ("py:class", "hfbs_model._registry.Setting"),
    ("py:class", "hfbs_model._checkpoints._load._Path"),
    ("py:class", "hfbs_model._checkpoints._report.Origin"),
    ("py:class", "hfbs_experimental._connections.Generation"),
    ("py:class", "hfbs_train._losses._specs.LossSpec"),
    ("py:class", "hfbs_train._losses._criteria.Criterion"),
    ("py:class", "hfbs_train._augmentation._settings.Range"),
    ("py:class", "hfbs_train._augmentation._settings.CodecName"),
    ("py:class", "hfbs_train._data._check.Kind"),
    ("py:class", "hfbs_train._data._layouts.Layout"),
    ("py:class", "hfbs_train._data._layouts.Missing"),
    ("py:class", "hfbs_train._data._layouts.MixtureFrom"),
]
