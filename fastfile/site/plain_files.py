"""Plain files: the short way to a small file at its own path, to the index of a folder, or to the absence of a file.

A site's steps (lookup.py) decide what a target leads to. Where no rule, variant or option can matter, the decision
takes a few lines and about five system calls. The entry is the one that the steps would make
(tests/site/test_plain_files.py compares them), and everything else is left to them.
"""

from __future__ import annotations

import os
import struct
from time import time_ns

from fastfile import sendfile
from fastfile.http.content.media_types import make_additions, media_type
from fastfile.http.content.stored_coding import SUFFIXES
from fastfile.http.date import make_httpdate
from fastfile.http.target import PATH_SAFE, SEGMENT_LIMIT, join
from fastfile.rules.clean_urls import HTML, PagePath
from fastfile.rules.rulebook import NO_MATCH
from fastfile.sendfile import read_beneath
from fastfile.site.context import SiteContext
from fastfile.site.entry import MAX_OVERHEAD, Entry, make_lone
from fastfile.site.file_entries import FileEntries
from fastfile.site.representation import Representation
from fastfile.site.steps.fallback import MAX_DEPTH, PAGE, Fallback
from fastfile.storage.freshness import FileStamp, Folder, OpenFolder, Stamp
from fastfile.storage.metadata import SECOND_NS, SETTLING_NS, FileTimes, date_s, is_settled
from fastfile.storage.resource import Resource, make_small
from fastfile.storage.tags import TagTable
from fastfile.storage.variants import may_have_variants

MAX_FOLDERS = 4096  # folders whose state is kept; one more clears all
# Of them so many are held open, and no more than one for 16 files of --cache-files, so that they fit into a worker's
# spare descriptors (server/resources.py). The files of the others are found by their paths.
MAX_OPEN_FOLDERS = 32
MAX_KINDS = MAX_DATES = 1024  # extensions with a model, seconds with a date
# Files of a folder that are looked up before its names are read, once: three calls for variants of each file cost as
# much as ten names.
LOOKUPS_BEFORE_SCAN = 8
# Their type depends on more than the extension (media_types.py), or their content may be stored encoded.
SPECIAL = frozenset((b"ts", b"mts", b"cts", b"svgz", b"unityweb", b"pbf", b"mvt", b"br", b"zst", b"gz"))
SLASH, DOT, QUESTION_MARK = b"/.?"
_IS_SAFE = bytes([byte in PATH_SAFE for byte in range(256)])
_TIMES = struct.Struct("=24xQQ")


class PlainFiles:
    """Finds plain files of a site at the root of a server."""

    __slots__ = (
        "_cache",
        "_clock",
        "_closed_s",
        "_context",
        "_dates",
        "_fallback",
        "_files",
        "_fixed",
        "_folders",
        "_has_nearest_pages",
        "_has_whole_pages",
        "_hashes",
        "_hidden",
        "_hints",
        "_immutable_models",
        "_index",
        "_index_extension",
        "_is_immutable",
        "_known_tags",
        "_knows_absences",
        "_media_types",
        "_models",
        "_most_open",
        "_open_folders",
        "_prefix",
        "_root",
        "_rules",
        "_small_file",
        "_top",
        "_top_batch",
    )

    def __init__(self, context: SiteContext, files: FileEntries, fallback: Fallback) -> None:
        config, provider = context.shared.config, context.provider
        self._context = context
        self._files = files
        self._fallback = fallback
        self._hints = context.shared.hints
        self._fixed = files.stamps.fixed
        self._root = context.root
        self._prefix = context.root.prefix
        self._rules = context.rules
        self._hidden = frozenset[bytes]() if context.rules is None else context.rules.hidden
        self._dates: dict[int, bytes] = {}  # by the second
        self._clock = context.shared.clock
        self._cache = context.shared.cache
        self._known_tags = TagTable()
        self._small_file = config.small_file
        self._hashes = config.etag == "auto"
        self._media_types = make_additions(config.mime)
        index = os.fsencode(config.index[0]) if config.index and provider.slash != "never" else b""
        stem, _, self._index_extension = index.rpartition(b".")
        self._index = index if stem else b""
        self._is_immutable = context.cache_policy.is_immutable
        self._has_whole_pages = provider.pages in ("files", "both")
        self._has_nearest_pages = provider.not_found == "nearest"
        # A tree of a release asks the follower before it says that a file is absent.
        self._knows_absences = config.spa is None and not provider.application and not self._fixed
        self._folders: dict[bytes, Folder] = {}
        self._open_folders: list[OpenFolder] = []
        self._most_open = min(MAX_OPEN_FOLDERS, config.cache_files // 16)
        self._closed_s = 0  # when changed folders were last closed
        self._top: Stamp | None = None  # what _check_top() returned in the batch of this number
        self._top_batch = 0
        self._models: dict[bytes, Representation] = {}  # by extension
        self._immutable_models: dict[bytes, Representation] = {}

    def find(self, target: bytes) -> Entry | None:
        """Return the entry of a target in origin-form, made anew and kept; None if the steps have to decide."""
        # Byte by byte, because compiled, a method of bytes costs several hundred instructions.
        length = slash = dot = 0
        previous, is_hidden = 0, False
        for byte in target:
            if byte == QUESTION_MARK:
                break
            if not _IS_SAFE[byte] or (byte == SLASH and previous == SLASH) or (length == 0 and byte != SLASH):
                return None
            if byte == SLASH:
                slash = length
            elif byte == DOT:
                dot = length
                is_hidden = is_hidden or previous == SLASH
            previous = byte
            length += 1
        if length == 0:
            return None
        key = target if length == len(target) else sendfile.part_of(target, 0, length)
        entry = None if is_hidden else self._find_file(key, slash, dot)
        return entry if entry is not None else self._find_absence(key)

    def _find_file(self, key: bytes, slash: int, dot: int) -> Entry | None:
        """Return the entry of a file; ``slash`` and ``dot`` are the places of the last ones."""
        is_index = slash + 1 == len(key)
        if not self._index if is_index else dot <= slash + 1:
            return None
        path = sendfile.part_of(key, 1, len(key)) + (self._index if is_index else b"")
        extension = self._index_extension if is_index else sendfile.part_of(key, dot + 1, len(key))
        has_other_url = extension == b"html" and not is_index and not self._has_whole_pages
        is_special = extension not in self._models and extension.lower() in SPECIAL
        if has_other_url or is_special or len(path) > SEGMENT_LIMIT:
            return None
        folder_path = sendfile.part_of(key, 1, slash) if slash > 1 else b""
        top = self._check_top()
        folder = None if top is None else self._look_at(folder_path, top)
        if top is None or folder is None or (self._hidden and path.lower() in self._hidden):
            return None
        resource = self._open(path, top) if self._has_no_variants(folder, folder_path, path) else None
        if resource is None:
            return None
        is_kept = self._cache.admits(key, resource.size + MAX_OVERHEAD)
        mtime_ns = resource.mtime_ns
        if self._hashes and mtime_ns % SECOND_NS == 0:  # as Tags does
            resource.tag = self._known_tags.tag_of(resource, not is_kept)
        representation = self._represent(resource, key, path, extension, is_index)
        if not is_kept:
            return make_lone((), representation)
        stamps = self._fixed or (folder.stamp, self._stamp(folder, path, slash, resource.signature))
        entry = make_lone(stamps, representation)
        entry.key = key
        self._cache.put(key, entry)
        return entry

    def _open(self, path: bytes, top: Stamp) -> Resource | None:
        """Return a file whose next change its stamp and its folder's will show; ``top`` is the root's fresh stamp."""
        root = self._root
        if root.is_lost or not top.signature.startswith(root.mark):  # the root's path leads to another folder now
            return None
        found = read_beneath(root.fd, path, self._small_file)
        if found is None:
            return None
        signature, content, mtime_ns, ctime_ns = found
        now_ns = time_ns()
        is_settled_now = abs(now_ns - mtime_ns) > SETTLING_NS and abs(now_ns - ctime_ns) > SETTLING_NS
        if not is_settled_now or ctime_ns % SECOND_NS == 0:  # the file system may keep whole seconds
            return None
        return make_small(signature, content, mtime_ns, ctime_ns)

    def _find_absence(self, key: bytes) -> Entry | None:
        """Return the entry of a path where nothing is, made anew and kept; None if the steps have to decide."""
        context, path = self._context, key.strip(b"/")
        if not self._knows_absences or not path or len(path) > SEGMENT_LIMIT - len(HTML):
            return None
        if self._hints is not None and self._hints.has_turn(self._clock.monotonic_s):
            return None
        is_hidden = key.find(b"/.") >= 0
        if is_hidden and (not context.hides(path) or not {b".", b".."}.isdisjoint(path.split(b"/"))):
            return None
        folders = self._folders_to(path, is_hidden)
        if folders is None:
            return None
        page = None
        for folder in reversed(folders) if self._has_nearest_pages else folders[:1]:
            if folder.has_page is None:
                folder.has_page = sendfile.read_signature(self._root.absolute(join(folder.path, PAGE)), False) != b""
            if folder.has_page:
                page = None if is_hidden else self._fallback.open_page(join(folder.path, PAGE))
                if page is None or not page.stamps:
                    return None
                break
        seen: list[Stamp] = []
        for folder in folders:
            seen.append(folder.stamp)  # noqa: PERF401 - compiled, a comprehension does not know the type
        stamps = tuple(seen)
        entry = Entry(stamps, None, {}) if page is None else Entry(stamps + page.stamps, page.identity, page.variants)
        entry.key = key
        self._cache.put(key, entry)
        return entry

    def _folders_to(self, path: bytes, is_hidden: bool) -> list[Folder] | None:
        """Return the existing folders on the way to a path where nothing is; None if that is not certain.

        Nothing that could be served for it may be there either, unless it ``is_hidden``.
        """
        top = self._check_top()
        if top is None or path.count(b"/") >= MAX_DEPTH or (self._rules is not None and self._rules.hides(path)):
            return None
        folder = self._look_at(b"", top)
        folders: list[Folder] = []
        end = 0
        while folder is not None:
            folders.append(folder)
            end = path.find(b"/", end + 1)
            step = path if end < 0 else path[:end]
            known = self._folders.get(step)
            if known is None or not known.is_own or not known.stamp.is_fresh(self._clock):
                signature = sendfile.read_signature(self._root.absolute(step), False)
                if signature == b"":
                    is_certain = end >= 0 or is_hidden or self._is_alone(folder, path)
                    return folders if is_certain else None
                known = self._look_at(step, None) if end >= 0 else None
                if known is None or known.stamp.signature != signature:
                    return None
                known.is_own = True
            folder = known if end >= 0 and known.is_settled else None
        return None

    def _is_alone(self, folder: Folder, path: bytes) -> bool:
        """Tell whether an absent path has neither a page nor an encoded variant beside it."""
        page = path + HTML
        if sendfile.read_signature(self._root.absolute(page), False) != b"":
            return False
        return self._has_no_variants(folder, folder.path, path) and self._has_no_variants(folder, folder.path, page)

    def _check_top(self) -> Stamp | None:
        """Return the stamp of the root, checked in this batch; None if there are rules, or may be."""
        if self._top is None or self._top_batch != self._clock.batch_number:
            if self._rules is not None:
                self._top = self._rules.absence()
            else:
                folder = self._look_at(b"", None)
                self._top = None if folder is None else folder.stamp
            self._top_batch = self._clock.batch_number
        return self._top

    def _look_at(self, path: bytes, top: Stamp | None) -> Folder | None:
        """Return the state of a folder, checked in this batch; None if a change of it could go unnoticed."""
        folder = self._folders.get(path)
        if folder is None or not folder.stamp.is_fresh(self._clock):
            stamp = top if not path else None
            if stamp is None:
                absolute = self._root.absolute(path)
                signature = sendfile.read_signature(absolute)
                if len(signature) != _TIMES.size:
                    return None
                stamp = self._files.stamps.of_state(absolute, signature)
            folder = Folder(path, stamp)
            if len(self._folders) >= MAX_FOLDERS:
                self._folders.clear()
            self._folders[path] = folder
        if not folder.is_settled:
            folder.is_settled = is_settled(FileTimes(*_TIMES.unpack(folder.stamp.signature)), time_ns())
        return folder if folder.is_settled else None

    def _stamp(self, folder: Folder, path: bytes, start: int, signature: bytes) -> Stamp:
        """Return the stamp of a file in a folder; its name begins at ``start``."""
        if folder.held is None:
            fd = self._root.open_folder(folder.path, folder.stamp.signature) if self._may_open_folder() else -1
            if fd < 0:
                return Stamp(self._prefix + path, signature)
            folder.held = OpenFolder(folder.stamp, fd)
            self._open_folders.append(folder.held)
        return FileStamp(path, start, signature, folder.held)

    def _may_open_folder(self) -> bool:
        """Tell whether another folder may be held open; close those that have changed, about once a second."""
        if len(self._open_folders) >= self._most_open and self._closed_s != self._clock.wall_s:
            self._closed_s = self._clock.wall_s
            held, self._open_folders = self._open_folders, []
            for folder in held:
                if folder.stamp.is_fresh(self._clock):
                    self._open_folders.append(folder)
                else:
                    folder.close()
        return len(self._open_folders) < self._most_open

    def _has_no_variants(self, folder: Folder, folder_path: bytes, path: bytes) -> bool:
        folder.lookups += 1
        if folder.has_variants is None and folder.lookups > LOOKUPS_BEFORE_SCAN:
            folder.has_variants = may_have_variants(self._root, folder_path)
        if folder.has_variants is False:
            return True
        absolute = self._root.absolute(path)
        for _, suffix in SUFFIXES:  # noqa: SIM110 - all() makes a generator, which costs more when compiled
            if sendfile.read_signature(absolute + suffix, False) != b"":
                return False
        return True

    def _date(self, mtime_s: int) -> bytes | None:
        """Return the Last-Modified of a file with that mtime; None if it has none, or not its mtime."""
        now_s = self._clock.wall_s
        date = self._dates.get(mtime_s) if mtime_s <= now_s else None
        if date is None and date_s(FileTimes(mtime_s * SECOND_NS, 0), now_s) == mtime_s:
            if len(self._dates) >= MAX_DATES:
                self._dates.clear()
            date = self._dates[mtime_s] = make_httpdate(mtime_s)
        return date

    def _represent(
        self, resource: Resource, key: bytes, path: bytes, extension: bytes, is_index: bool
    ) -> Representation:
        """Return the representation of a file, made like one of the same kind if there is one."""
        is_immutable = not is_index and self._is_immutable is not None and bool(self._is_immutable(key))
        models = self._immutable_models if is_immutable else self._models
        model = models.get(extension)
        mtime_ns = resource.mtime_ns
        mtime_s = mtime_ns // SECOND_NS
        date = None if model is None else self._date(mtime_s)
        alike = None if model is None or date is None else model.make_alike(resource, mtime_s, date)
        if alike is not None:
            return alike
        folder_path, _, name = path.rpartition(b"/")
        page = PagePath(folder_path, True) if is_index else PagePath(path, False)
        changes = self._context.changes_of_file(path, page, NO_MATCH, 200)
        type_ = media_type(name, self._media_types)
        made = Representation(resource, type_, b"", b"", self._clock.wall_s, changes)
        if len(models) >= MAX_KINDS:
            models.clear()
        models[extension] = made
        return made
