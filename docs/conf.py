"""How Sphinx builds the site: `make docs`. Nothing is fetched."""

import os
import sys
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

sys.path.insert(0, str(Path(__file__).parents[1]))  # this checkout, whatever is installed

from sphinx.application import Sphinx

import hardest_metrics
from docs import pictures, reference

HERE = Path(__file__).parent

project = "hardest_metrics"
author = "hardest_metrics contributors"
version = release = hardest_metrics.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!hardest_metrics).*")]  # of other packages; our own are found by reference.py
default_role = "literal"  # in docstrings `name` is an argument or a file
highlight_language = "python3"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autosummary_generate = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of named tuples stand below them, too
napoleon_use_rtype = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"hardest_metrics {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False


def _generate(app: Sphinx) -> None:
    reference.write_pages(HERE / "reference")
    pictures.make_all(HERE / "_pictures")


def setup(app: Sphinx) -> None:
    """Pages of the reference and pictures are made before anything is read."""
    app.connect("builder-inited", _generate)
    app.connect("missing-reference", reference.resolve)
    app.connect("autodoc-skip-member", reference.skip)
