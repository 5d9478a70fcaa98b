"""Objects that the parts of one application share. Made once from the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastfile.clock import Clock
from fastfile.config.config import Config
from fastfile.http.field_changes import FieldChanges
from fastfile.records import NamedTuple
from fastfile.site.error_pages import ErrorPages
from fastfile.storage.cache import Cache
from fastfile.storage.tags import Tags

if TYPE_CHECKING:
    from fastfile.site.compression import Compression, Submit
    from fastfile.site.hints import Hints

# Takes the name of a step, and the path or the place of its result.
Note = Callable[[str, bytes], None]


def take_no_note(step: str, subject: bytes) -> None:
    """Discard a note: only ``fastfile explain`` prints them."""


class Shared(NamedTuple):
    """``changes`` apply to the headers of every response. Without ``compression`` nothing is encoded on the fly.

    Without ``hints`` there are no hints. ``read`` runs reads of a body while it is sent; without it, the event loop
    waits. ``home`` is the path of the site with the home page, without outer slashes.
    """

    config: Config
    clock: Clock
    cache: Cache
    pages: ErrorPages
    changes: FieldChanges
    tags: Tags
    compression: Compression | None = None
    note: Note = take_no_note
    hints: Hints | None = None
    read: Submit | None = None
    home: bytes = b""
