/* A column of Arrow as its buffers, which Python lends for as long as code runs over them. */
#ifndef LADLE_COLUMN_H
#define LADLE_COLUMN_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    char kind;       /* whose values they are: a letter that the file explains which includes this */
    int scale;       /* of decimals */
    Py_ssize_t offset;
    Py_buffer valid; /* a bit a value, 0 where it is null; obj is NULL while none is */
    Py_buffer data;  /* values or offsets */
    Py_buffer more;  /* bytes of the text */
} Column;

static inline int bit(const Py_buffer *bits, Py_ssize_t at) {
    return ((const uint8_t *)bits->buf)[at >> 3] >> (at & 7) & 1;
}

static inline int is_null(const Column *column, Py_ssize_t at) { return column->valid.obj && !bit(&column->valid, at); }

/* Borrow a buffer of at least so many bytes; -1 with an error of Python's where it is shorter. */
static inline int borrow(PyObject *given, Py_buffer *into, Py_ssize_t least) {
    if (given == Py_None) {
        if (least == 0)
            return 0;
    } else {
        if (PyObject_GetBuffer(given, into, PyBUF_SIMPLE) < 0)
            return -1;
        if (into->len >= least)
            return 0;
    }
    PyErr_SetString(PyExc_ValueError, "a buffer is too short");
    return -1;
}

static inline void give_back(Column *columns, Py_ssize_t count) {
    for (Py_ssize_t at = 0; at < count; at++) {
        PyBuffer_Release(&columns[at].valid);
        PyBuffer_Release(&columns[at].data);
        PyBuffer_Release(&columns[at].more);
    }
}
#endif
