cdef double TOKENS, REFILL, BYTES_PER_TOKEN

cdef class Budget:
    cdef double _tokens, _since_s
    cdef public double now_s
    cpdef spend(self, double tokens)
    cpdef earn(self, Py_ssize_t size)
