cimport cython

cdef int EMITS, ENDS, FAILS

cdef class Huffman:
    cdef readonly list codes
    cdef bytes _next, _symbols, _flags
    @cython.locals(text=bytearray, following="const unsigned char *", symbols="const unsigned char *",
                   flags="const unsigned char *", state=int, flag=int, step=int, byte="unsigned char")
    cpdef bytes maybe_decode(self, bytes data)

@cython.locals(children=list, depths=list, all_ones=list, following=bytearray, symbols=bytearray, flags=bytearray,
               symbol=int, code="unsigned int", length=int, node=int, place=int, bit=int, start=int, nibble=int,
               step=int, end=int)
cdef tuple _make_steps(list codes)
