"""Imports packages that are not needed to read a run.

Owns the names by which they are installed. Knows nothing of what they are used for.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingPackage

#: What `pip install` calls a module, and the extra of this package that brings it.
_PACKAGES = {
    "blake3": ("blake3", "verify"),
    "matplotlib.pyplot": ("matplotlib", "plots"),
    "pandas": ("pandas", "frames"),
    "plotly.io": ("plotly", "figures"),
    "torch": ("torch", "torch"),
    "transformer_lens": ("transformer-lens", "torch"),
    "xarray": ("xarray", "arrays"),
}


def need(module: str, use: str, instead: str = "") -> ModuleType:
    """Imports a module, or says what to install.

    Args:
        module: its name, one of those that the extras bring.
        use: what it is needed for, the beginning of the message.
        instead: what works without it, a sentence.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package, extra = _PACKAGES[module]
        if error.name is not None and error.name.split(".")[0] != module.split(".")[0]:
            # The package is there; one that it uses is not, or is broken.
            raise
        message = (
            f"{use} needs {package}: `pip install {package}`, "
            f"or install this package with its extra {extra!r}"
        )
        raise MissingPackage(f"{message}. {instead}".rstrip(" .") + ".") from error
