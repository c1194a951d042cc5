# cython: language_level=3
"""The key checker in Cython: functions on addresses, a class with a Python type, and a cdef class with a C type."""

from libc.stdint cimport uintptr_t


cdef extern from "apikey.h":
    struct apikey:
        pass
    apikey *apikey_open(const char *secret)
    int apikey_verify(apikey *key, const char *candidate)
    void apikey_free(apikey *key)


def open_key(bytes secret):
    return <uintptr_t>apikey_open(secret)


def verify_key(uintptr_t key, bytes candidate):
    return bool(apikey_verify(<apikey *>key, candidate))


def free_key(uintptr_t key):
    apikey_free(<apikey *>key)


class Key:
    def __init__(self, secret):
        self.address = open_key(secret)

    def verify(self, candidate):
        return verify_key(self.address, candidate)

    def close(self):
        free_key(self.address)


cdef class FastKey:
    cdef apikey *key

    def __init__(self, bytes secret):
        self.key = apikey_open(secret)

    def close(self):
        apikey_free(self.key)
