"""The request parser: the compiled kernel where the extensions are used, else its Python twin."""

from __future__ import annotations

from fastfile import WHY_PURE

if WHY_PURE:
    from fastfile._parser_py import BodyParser, HeadParser
else:
    from fastfile._parser import BodyParser, HeadParser

__all__ = ["BodyParser", "HeadParser"]
