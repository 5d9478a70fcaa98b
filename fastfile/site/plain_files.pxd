cimport cython

from fastfile.clock cimport Clock
from fastfile.site.entry cimport Entry
from fastfile.site.representation cimport Representation
from fastfile.storage.freshness cimport Stamp
from fastfile.storage.resource cimport Resource

cdef class Folder:
    cdef Stamp stamp
    cdef bint is_settled
    cdef object has_variants
    cdef long long lookups

cdef class PlainFiles:
    cdef Clock _clock
    cdef object _context, _files, _root, _rules, _small_file
    cdef bint _hashes, _has_whole_pages
    cdef dict _folders, _media_types, _models
    cdef tuple _fixed
    cdef bytes _index
    @cython.locals(key=bytes, path=bytes, name=bytes, stem=bytes, extension=bytes, folder_path=bytes, is_index=bint,
                   resource=Resource, representation=Representation, folder=Folder, entry=Entry, stamps=tuple)
    cpdef Entry find(self, bytes target)
    @cython.locals(top=Stamp, folder=Folder, found=tuple, signature=bytes, content=bytes, resource=Resource,
                   now_ns=cython.longlong, mtime_ns=cython.longlong, ctime_ns=cython.longlong, is_settled_now=bint)
    cdef Resource _open(self, bytes folder_path, bytes path)
    @cython.locals(folder=Folder)
    cdef Stamp _check_top(self)
    @cython.locals(folder=Folder, stamp=Stamp, absolute=bytes, signature=bytes)
    cdef Folder _look_at(self, bytes path, Stamp top)
    @cython.locals(absolute=bytes)
    cdef bint _has_no_variants(self, Folder folder, bytes folder_path, bytes path) except -1
    @cython.locals(model=Representation, alike=Representation, made=Representation, kind=tuple)
    cdef Representation _represent(self, Resource resource, bytes path, bytes name, bytes extension, bint is_index)
