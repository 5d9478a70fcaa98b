cdef double TOKENS, REFILL, TURN, BYTES_PER_TOKEN
cdef double TOKEN_S, MOST_TOKENS

cdef class Budget:
    cdef double _tokens, _since_s, _turn
    cdef public double now_s
    cpdef begin_turn(self, double now_s)
    cpdef bint is_turn_over(self) except -1
    cpdef spend(self, double tokens)
    cpdef spend_time(self, double cost_s)
    cpdef earn(self, Py_ssize_t size)
