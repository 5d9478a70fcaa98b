"""Translate the globs of serve.json, which are minimatch's: ``**/*.@(jpg|png)``, ``/app/**``, ``!/private/*``.

The result is a regular expression for a whole path, which begins with a slash. Only a literal dot matches the first dot
of a name.
"""

from __future__ import annotations

import re

from fastfile.rules.patterns.expression import check_expression

_TOKEN = (
    r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<rest>(?:(?<=/)|^)\*\*\Z)|(?P<open>[@?+*!]\()|(?P<star>\*+)|(?P<one>\?)"
    r"|(?P<set>\[[!^]?\]?[^\]/]*\])|(?P<brace>\{(?=[^{}]*,))|(?P<escaped>\\.)|(?P<other>.)"
)
_BEGIN = r"(?=[^/.])"  # of a segment
_REPEATED = {"@": "", "?": "?", "+": "+", "*": "*"}


def translate_glob(glob: str) -> str:
    """Return the expression. Raises ValueError, with the reason as a sentence."""
    negated = glob.startswith("!") and not glob.startswith("!(")
    text = glob[1:] if negated else glob
    text = text if text.startswith("/") else "/" + text
    expression = _translate(text)
    expression = rf"(?!(?:{expression})\Z).*" if negated else expression
    check_expression(expression, "glob")
    return expression


def _translate(text: str) -> str:
    parts: list[str] = []
    closers: list[tuple[str, str]] = []  # the sign that closes each open group, and its translation
    for found in re.finditer(_TOKEN, text, re.DOTALL):
        kind, sign = str(found.lastgroup), found[0]
        begins = found.start() > 0 and text[found.start() - 1] == "/"
        if closers and sign == closers[-1][0]:
            parts.append(closers.pop()[1])
        elif kind == "open":
            no = sign[0] == "!"
            parts.append((_BEGIN if begins else "") + "(?!(?:" if no else "(?:")
            closers.append((")", r")(?=/|\Z))[^/]*" if no else ")" + _REPEATED[sign[0]]))
        elif kind == "brace":
            parts.append("(?:")
            closers.append(("}", ")"))
        else:
            parts.append(_translate_sign(kind, sign, begins, separator=bool(closers)))
    if closers:
        raise ValueError(f"the glob has an opening bracket without its {closers[-1][0]}")
    return "".join(parts)


def _translate_sign(kind: str, sign: str, begins: bool, separator: bool) -> str:
    if kind == "folders":
        return rf"(?:{_BEGIN}[^/]+/)*"
    if kind == "rest":
        return rf"(?:{_BEGIN}[^/]+(?:/{_BEGIN}[^/]+)*)?"
    if kind == "star":
        return (_BEGIN if begins else "") + "[^/]*"
    if kind == "one":
        return (_BEGIN if begins else "") + "[^/]"
    if kind == "set":
        return ("[^/" if sign[1] in "!^" else "[") + sign[1:-1].lstrip("!^").replace("\\", "\\\\") + "]"
    if separator and sign in "|,":
        return "|"
    return re.escape(sign[-1])
