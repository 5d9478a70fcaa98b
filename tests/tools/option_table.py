"""The tables of options of docs/options.md, made from fastfile/config/options/.

``python tests/tools/option_table.py`` writes them into the page, between its two ``options`` markers.
"""

from pathlib import Path

from fastfile.config.config import OPTIONS
from fastfile.config.option import Option
from fastfile.config.options.limits import LimitOptions

PAGE = Path(__file__).parents[2] / "docs" / "options.md"
BEGIN, END = "<!-- options -->", "<!-- /options -->"


def make_tables() -> str:
    """Return all options as Markdown, a table for each group."""
    parts = []
    for group in dict.fromkeys(option.group for option in OPTIONS):
        head = "| option | default | what it does |\n|---|---|---|\n"
        row = make_row
        if group == LimitOptions.TITLE:
            head = "| option | default | what it bounds | why | peers |\n|---|---|---|---|---|\n"
            row = make_limit_row
        rows = "".join(row(option) for option in OPTIONS if option.group == group)
        parts.append(f"## {group}\n\n{head}{rows}")
    return "\n".join(parts)


def make_row(option: Option) -> str:
    return f"| {spell(option)} | {spell_default(option)} | {option.help} |\n"


def make_limit_row(option: Option) -> str:
    return f"| {spell(option)} | {spell_default(option)} | {option.help} | {option.reason} | {option.peers} |\n"


def spell(option: Option) -> str:
    if option.name == "directory":
        return "`DIR`, `-d DIR`, `--directory DIR`"
    flag = f"{option.short}`, `{option.flag}" if option.short else option.flag
    value = f" {option.metavar}" if option.metavar and option.metavar != option.flag else ""
    value = f"[={option.metavar}]" if option.bare else value
    negation = f", `--no-{option.key}`" if option.off_text is not None else ""
    return f"`{flag}{value}`{negation}"


def spell_default(option: Option) -> str:
    return f"`{option.shown_default}`" if option.shown_default else ""


def replace_tables(text: str) -> str:
    """Return the page's text with the tables as they should be. Raises ValueError if a marker is missing."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{make_tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text()))
