cimport cython

from fastfile cimport _sendfile as sendfile
from fastfile.clock cimport Clock
from fastfile.site.entry cimport Entry, make_lone
from fastfile.site.representation cimport Representation
from fastfile.storage.cache cimport Cache
from fastfile.storage.freshness cimport FileStamp, Folder, OpenFolder, Stamp
from fastfile.storage.resource cimport Resource, make_small

cdef bytes _IS_SAFE
cdef int SLASH, DOT, QUESTION_MARK
cdef int LOOKUPS_BEFORE_SCAN, MAX_OVERHEAD, SEGMENT_LIMIT
cdef long long SECOND_NS, SETTLING_NS

cdef class PlainFiles:
    cdef Clock _clock
    cdef Cache _cache
    cdef object _context, _fallback, _files, _hints, _is_immutable, _known_tags, _root, _rules
    cdef Py_ssize_t _small_file
    cdef bint _hashes, _has_nearest_pages, _has_whole_pages, _knows_absences
    cdef frozenset _hidden
    cdef dict _dates, _folders, _immutable_models, _media_types, _models
    cdef list _open_folders
    cdef long long _closed_s, _top_batch
    cdef Stamp _top
    cdef Py_ssize_t _most_open
    cdef tuple _fixed
    cdef bytes _index, _index_extension, _prefix
    @cython.locals(key=bytes, entry=Entry, byte=cython.uchar, previous=cython.uchar, is_hidden=bint,
                   length=Py_ssize_t, slash=Py_ssize_t, dot=Py_ssize_t)
    cpdef Entry find(self, bytes target)
    @cython.locals(path=bytes, extension=bytes, folder_path=bytes, is_index=bint, top=Stamp,
                   resource=Resource, representation=Representation, folder=Folder, entry=Entry, stamps=tuple,
                   is_kept=bint, has_other_url=bint, is_special=bint, mtime_ns=cython.longlong)
    cdef Entry _find_file(self, bytes key, Py_ssize_t slash, Py_ssize_t dot)
    @cython.locals(path=bytes, is_hidden=bint, folders=list, folder=Folder, page=Entry, entry=Entry, stamps=tuple,
                   seen=list)
    cdef Entry _find_absence(self, bytes key)
    @cython.locals(top=Stamp, folder=Folder, known=Folder, folders=list, end=Py_ssize_t, step=bytes, signature=bytes,
                   is_certain=bint)
    cdef list _folders_to(self, bytes path, bint is_hidden)
    @cython.locals(page=bytes)
    cdef bint _is_alone(self, Folder folder, bytes path) except -1
    @cython.locals(found=tuple, signature=bytes, content=bytes, now_ns=cython.longlong,
                   mtime_ns=cython.longlong, ctime_ns=cython.longlong, is_settled_now=bint)
    cdef Resource _open(self, bytes path, Stamp top)
    @cython.locals(folder=Folder)
    cdef Stamp _check_top(self)
    @cython.locals(folder=Folder, stamp=Stamp, absolute=bytes, signature=bytes)
    cdef Folder _look_at(self, bytes path, Stamp top)
    @cython.locals(fd=int)
    cdef Stamp _stamp(self, Folder folder, bytes path, Py_ssize_t start, bytes signature)
    @cython.locals(held=list, folder=OpenFolder)
    cdef bint _may_open_folder(self) except -1
    @cython.locals(absolute=bytes)
    cdef bint _has_no_variants(self, Folder folder, bytes folder_path, bytes path) except -1
    @cython.locals(date=bytes)
    cdef bytes _date(self, long long mtime_s)
    @cython.locals(date=bytes, model=Representation, alike=Representation, made=Representation, is_immutable=bint,
                   models=dict, mtime_ns=cython.longlong, mtime_s=cython.longlong)
    cdef Representation _represent(self, Resource resource, bytes key, bytes path, bytes extension, bint is_index)
