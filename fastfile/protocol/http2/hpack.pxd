cimport cython

from fastfile.protocol.http2.huffman cimport Huffman

cdef int STATIC_SIZE
cdef list STATIC_FIELDS

cdef class HeaderField:
    cdef readonly bytes name, value, line
    cdef readonly int kind
    cdef readonly Py_ssize_t size
    cdef readonly bint is_valid

cdef class HeaderDecoder:
    cdef Huffman _huffman
    cdef Py_ssize_t _max_list, _max_fields, _first, _size, _table_size, _position
    cdef list _entries
    cdef bytes _data
    cdef readonly Py_ssize_t changes, list_size
    @cython.locals(first=int, end=Py_ssize_t, fields=list, field=HeaderField)
    cpdef list decode(self, bytes data)
    @cython.locals(data=bytes, end=Py_ssize_t, most=Py_ssize_t, value=Py_ssize_t, shift=int, byte=int)
    cdef Py_ssize_t _integer(self, int bits) except -1
    @cython.locals(is_encoded=bint, size=Py_ssize_t, end=Py_ssize_t)
    cdef bytes _string(self)
    @cython.locals(place=Py_ssize_t)
    cdef HeaderField _indexed(self, Py_ssize_t index)
    @cython.locals(index=Py_ssize_t, name=bytes)
    cdef HeaderField _literal(self, int bits)
    cdef _add(self, HeaderField field)
    cdef _resize(self, Py_ssize_t size)
    @cython.locals(entries=list, entry=HeaderField)
    cdef _evict(self, Py_ssize_t size)
