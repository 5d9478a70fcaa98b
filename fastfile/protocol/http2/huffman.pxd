cimport cython

cdef int EMITS, ENDS, FAILS

cdef class Huffman:
    cdef readonly list codes
    cdef bytes _next, _symbols, _flags
    @cython.locals(text=bytearray, following="const unsigned char *", symbols="const unsigned char *",
                   flags="const unsigned char *", state=int, flag=int, step=int, byte="unsigned char")
    cpdef bytes maybe_decode(self, bytes data)
