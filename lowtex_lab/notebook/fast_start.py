"""Less to import: papermill and nbconvert without a grammar that notebooks never need.

nbformat validates by jsonschema, and jsonschema builds a parser for internationalised addresses (``rfc3987_syntax``)
when it is imported, if that package is there; it comes with JupyterLab. It takes three quarters of papermill's import,
twice for each notebook of a batch, and the format of notebooks has no such address. jsonschema leaves the check out
where the package is missing, so it is made to look missing in every process that runs or exports a notebook.
"""

import sys

UNUSED = "rfc3987_syntax"
"""What is not imported."""


def leave_out_address_grammar() -> None:
    """Make ``import rfc3987_syntax`` fail in this process, unless it has been imported before."""
    sys.modules.setdefault(UNUSED, None)


if __name__ == "__main__":
    leave_out_address_grammar()
    from papermill.cli import papermill

    papermill(prog_name="papermill")
