"""The request parser: the compiled kernel where it was built, else its Python twin. The only importer of either."""

from __future__ import annotations

try:
    from fastfile._parser import BodyParser, HeadParser

    COMPILED = True
except ImportError:
    from fastfile._parser_py import BodyParser, HeadParser

    COMPILED = False

__all__ = ["COMPILED", "BodyParser", "HeadParser"]
