/* Rows of Python values, as drivers take them, out of the buffers of Arrow columns.
 *
 * The fast half of `ladle.destinations.rows`, which works without it, too. It takes numbers, text and bytes; any
 * other column comes as the list of its values.
 *
 * A value is made right before the driver takes it, and is gone after it: all stays in the processor's cache. Whole
 * columns of values made beforehand don't.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    char kind;        /* struct's: b h i q d, s and S for text, y and Y for bytes; O: a list */
    Py_ssize_t offset;
    Py_buffer valid;  /* a bit a value, 0 where it is null; obj is NULL while none is */
    Py_buffer data;   /* numbers or offsets */
    Py_buffer more;   /* bytes of the text */
    PyObject *values; /* the list */
} Column;

typedef struct {
    PyObject_HEAD
    Py_ssize_t at, stop, per, count;
    PyObject *row; /* the tuple that was given last: filled again, if nobody else has it any more */
    Column *columns;
} Rows;

static void drop(Column *column) {
    PyBuffer_Release(&column->valid);
    PyBuffer_Release(&column->data);
    PyBuffer_Release(&column->more);
    Py_CLEAR(column->values);
}

static void rows_dealloc(Rows *self) {
    for (Py_ssize_t at = 0; at < self->count; at++)
        drop(&self->columns[at]);
    PyMem_Free(self->columns);
    Py_XDECREF(self->row);
    PyObject_Free(self);
}

static int width(char kind) {
    switch (kind) {
    case 'b':
        return 1;
    case 'h':
        return 2;
    case 'i':
    case 's':
    case 'y':
        return 4;
    default:
        return 8;
    }
}

static PyObject *part(const Column *column, Py_ssize_t at) {
    int64_t begin, end;
    if (column->kind == 's' || column->kind == 'y') {
        const int32_t *offsets = column->data.buf;
        begin = offsets[at], end = offsets[at + 1];
    } else {
        const int64_t *offsets = column->data.buf;
        begin = offsets[at], end = offsets[at + 1];
    }
    if (begin < 0 || end < begin || end > column->more.len) {
        PyErr_SetString(PyExc_ValueError, "text lies outside of its buffer");
        return NULL;
    }
    const char *text = begin == end ? "" : (const char *)column->more.buf + begin;
    if (column->kind == 'y' || column->kind == 'Y')
        return PyBytes_FromStringAndSize(text, (Py_ssize_t)(end - begin));
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)(end - begin), NULL);
}

/* The value of a row: a new reference. */
static PyObject *value(const Column *column, Py_ssize_t row) {
    if (column->kind == 'O') {
        if (row < PyList_GET_SIZE(column->values))
            return Py_NewRef(PyList_GET_ITEM(column->values, row));
        PyErr_SetString(PyExc_ValueError, "a list became shorter");
        return NULL;
    }
    Py_ssize_t at = column->offset + row;
    if (column->valid.obj && !(((const uint8_t *)column->valid.buf)[at >> 3] >> (at & 7) & 1))
        return Py_NewRef(Py_None);
    switch (column->kind) {
    case 'b':
        return PyLong_FromLong(((const int8_t *)column->data.buf)[at]);
    case 'h':
        return PyLong_FromLong(((const int16_t *)column->data.buf)[at]);
    case 'i':
        return PyLong_FromLong(((const int32_t *)column->data.buf)[at]);
    case 'q':
        return PyLong_FromLongLong(((const int64_t *)column->data.buf)[at]);
    case 'd':
        return PyFloat_FromDouble(((const double *)column->data.buf)[at]);
    default:
        return part(column, at);
    }
}

static PyObject *rows_next(Rows *self) {
    if (self->at + self->per > self->stop)
        return NULL;
    Py_ssize_t size = self->per * self->count;
    if (!self->row || Py_REFCNT(self->row) != 1)
        Py_XSETREF(self->row, PyTuple_New(size));
    PyObject *row = self->row;
    if (!row)
        return NULL;
    Py_ssize_t place = 0;
    for (Py_ssize_t end = self->at + self->per; self->at < end; self->at++)
        for (Py_ssize_t column = 0; column < self->count; column++, place++) {
            PyObject *made = value(&self->columns[column], self->at);
            if (!made)
                return NULL;
            PyObject *before = PyTuple_GET_ITEM(row, place);
            PyTuple_SET_ITEM(row, place, made);
            Py_XDECREF(before);
        }
    return Py_NewRef(row);
}

static PyTypeObject ROWS = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ladle.destinations._rows.Rows",
    .tp_basicsize = sizeof(Rows),
    .tp_dealloc = (destructor)rows_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)rows_next,
};

static int buffer(PyObject *given, Py_buffer *into, Py_ssize_t least) {
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

/* Take a column: (kind, offset, validity, data, more), or a list. */
static int take(PyObject *given, Column *column, Py_ssize_t stop) {
    if (PyList_CheckExact(given)) {
        column->kind = 'O';
        column->values = Py_NewRef(given);
        if (PyList_GET_SIZE(given) >= stop)
            return 0;
        PyErr_SetString(PyExc_ValueError, "a list is too short");
        return -1;
    }
    int kind;
    PyObject *valid, *data, *more;
    if (!PyArg_ParseTuple(given, "CnOOO", &kind, &column->offset, &valid, &data, &more))
        return -1;
    if (!strchr("bhiqdsSyY", kind) || column->offset < 0) {
        PyErr_SetString(PyExc_ValueError, "no such kind of column");
        return -1;
    }
    column->kind = (char)kind;
    Py_ssize_t end = column->offset + stop;
    int parts = strchr("sSyY", kind) != NULL;
    if (valid != Py_None && buffer(valid, &column->valid, (end + 7) / 8) < 0)
        return -1;
    if (buffer(data, &column->data, (end + parts) * width(column->kind)) < 0)
        return -1;
    return parts ? buffer(more, &column->more, 0) : 0;
}

static PyObject *rows(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *columns;
    Py_ssize_t start, stop, per;
    if (!PyArg_ParseTuple(arguments, "O!nnn", &PyList_Type, &columns, &start, &stop, &per))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(columns);
    if (count < 1 || start < 0 || per < 1) {
        PyErr_SetString(PyExc_ValueError, "rows of at least one column, from 0 on");
        return NULL;
    }
    Rows *self = PyObject_New(Rows, &ROWS);
    if (!self)
        return NULL;
    self->at = start;
    self->stop = stop;
    self->per = per;
    self->count = 0;
    self->row = NULL;
    self->columns = PyMem_Calloc(count, sizeof(Column));
    if (!self->columns) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    while (self->count < count) {
        Column *column = &self->columns[self->count];
        PyObject *given = PyList_GET_ITEM(columns, self->count++);
        if (take(given, column, stop) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    }
    return (PyObject *)self;
}

static PyMethodDef METHODS[] = {
    {"rows", rows, METH_VARARGS,
     "rows(columns, start, stop, per)\n--\n\nReturn an iterator of tuples, each with the values of `per` rows."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, .m_name = "_rows",
                                    .m_doc = "Rows of Python values out of Arrow's buffers.", .m_size = -1,
                                    .m_methods = METHODS};

PyMODINIT_FUNC PyInit__rows(void) { return PyType_Ready(&ROWS) < 0 ? NULL : PyModule_Create(&MODULE); }
