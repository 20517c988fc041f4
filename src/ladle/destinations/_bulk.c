/* Rows in the binary form of MariaDB's COM_STMT_BULK_EXECUTE, out of the buffers of Arrow columns.
 *
 * The compiled part of `ladle.destinations.mysql_bulk`; without it, rows go to the server as text. The form is
 * described in MariaDB's documentation, under "COM_STMT_BULK_EXECUTE" and "Binary Protocol": of each value a byte that
 * is 1 where it is NULL, else 0, and then the value: numbers little-endian, a date or a time as the number of its bytes
 * and its parts, a text as its length and its bytes.
 *
 * Other threads of Python go on while rows are encoded.
 */
#include "../schema/_column.h"

#define DAY_US INT64_C(86400000000)
#define FIRST_DAY INT64_C(-719162) /* 0001-01-01, in days since 1970 */
#define LAST_DAY INT64_C(2932896)  /* 9999-12-31 */

/* Kinds: q and d numbers of 64 bits, D date, T timestamp in microseconds, s and S text or bytes, with offsets of 32 and
 * of 64 bits. */

typedef struct {
    uint8_t *at, *end;
} Out;

enum { GOOD, BAD_TEXT, BAD_DATE };

static void put_number(Out *out, uint64_t value, int bytes) {
    for (; bytes; bytes--, value >>= 8)
        *out->at++ = (uint8_t)value;
}

static int width(char kind) { return kind == 'D' || kind == 's' ? 4 : 8; }

static int is_text(char kind) { return kind == 's' || kind == 'S'; }

/* The most bytes that a value takes besides those of a text. */
static Py_ssize_t most(char kind) { return kind == 'T' ? 1 + 12 : kind == 'D' ? 1 + 5 : is_text(kind) ? 1 + 9 : 1 + 8; }

static int64_t offset_of(const Column *column, Py_ssize_t at) {
    return column->kind == 's' ? ((const int32_t *)column->data.buf)[at] : ((const int64_t *)column->data.buf)[at];
}

static int put_text(Out *out, const Column *column, Py_ssize_t at) {
    int64_t begin = offset_of(column, at), size = offset_of(column, at + 1) - begin;
    if (begin < 0 || size < 0 || size > column->more.len - begin || size > out->end - out->at - 9)
        return BAD_TEXT;
    if (size < 251) {
        put_number(out, (uint64_t)size, 1);
    } else {
        int bytes = size < 1 << 16 ? 2 : size < 1 << 24 ? 3 : 8;
        put_number(out, bytes == 2 ? 252 : bytes == 3 ? 253 : 254, 1);
        put_number(out, (uint64_t)size, bytes);
    }
    if (size)
        memcpy(out->at, (const char *)column->more.buf + begin, (size_t)size);
    out->at += size;
    return GOOD;
}

/* Year, month and day, by arithmetic on years that begin in March; one era is 400 of them. */
static int put_date(Out *out, int64_t days) {
    if (days < FIRST_DAY || days > LAST_DAY)
        return BAD_DATE;
    days += 719468; /* since 0000-03-01 */
    int64_t era = days / 146097, day = days % 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100);
    int64_t march = (5 * of_year + 2) / 153;
    int64_t month = march < 10 ? march + 3 : march - 9;
    put_number(out, (uint64_t)(era * 400 + year + (month < 3)), 2);
    put_number(out, (uint64_t)month, 1);
    put_number(out, (uint64_t)(of_year - (153 * march + 2) / 5 + 1), 1);
    return GOOD;
}

static int put_moment(Out *out, int64_t us) {
    int64_t days = us / DAY_US - (us % DAY_US < 0);
    int64_t rest = us - days * DAY_US, seconds = rest / 1000000;
    put_number(out, 11, 1);
    int found = put_date(out, days);
    put_number(out, (uint64_t)(seconds / 3600), 1);
    put_number(out, (uint64_t)(seconds / 60 % 60), 1);
    put_number(out, (uint64_t)(seconds % 60), 1);
    put_number(out, (uint64_t)(rest % 1000000), 4);
    return found;
}

static int put(Out *out, const Column *column, Py_ssize_t row) {
    Py_ssize_t at = column->offset + row;
    const void *data = column->data.buf;
    int null = is_null(column, at);
    put_number(out, (uint64_t)null, 1);
    if (null)
        return GOOD;
    switch (column->kind) {
    case 'D':
        put_number(out, 4, 1);
        return put_date(out, ((const int32_t *)data)[at]);
    case 'T':
        return put_moment(out, ((const int64_t *)data)[at]);
    case 's':
    case 'S':
        return put_text(out, column, at);
    default: /* the bits of a double are sent like those of an integer */
        put_number(out, ((const uint64_t *)data)[at], 8);
        return GOOD;
    }
}

/* Put all rows; say where each piece of at most `limit` bytes ends, a longer row being one of its own. */
static int put_rows(Out *out, const Column *columns, Py_ssize_t count, Py_ssize_t rows, Py_ssize_t limit,
                    Py_ssize_t *ends, Py_ssize_t *pieces) {
    const uint8_t *first = out->at, *begin = out->at;
    for (Py_ssize_t row = 0; row < rows; row++) {
        const uint8_t *here = out->at;
        for (Py_ssize_t column = 0; column < count; column++) {
            int found = put(out, &columns[column], row);
            if (found != GOOD)
                return found;
        }
        if (out->at - begin > limit && here > begin) {
            ends[(*pieces)++] = here - first;
            begin = here;
        }
    }
    if (out->at > begin)
        ends[(*pieces)++] = out->at - first;
    return GOOD;
}

/* Take a column: (kind, offset, validity, data, more); return the most bytes it takes, or -1. */
static Py_ssize_t take(PyObject *given, Column *column, Py_ssize_t rows) {
    int kind;
    PyObject *valid, *data, *more;
    if (!PyArg_ParseTuple(given, "CnOOO", &kind, &column->offset, &valid, &data, &more))
        return -1;
    if (kind > 127 || !strchr("qdDTsS", kind) || column->offset < 0) {
        PyErr_SetString(PyExc_ValueError, "no such kind of column");
        return -1;
    }
    column->kind = (char)kind;
    Py_ssize_t end = column->offset + rows;
    if (valid != Py_None && borrow(valid, &column->valid, (end + 7) / 8) < 0)
        return -1;
    if (borrow(data, &column->data, rows ? (end + is_text(column->kind)) * width(column->kind) : 0) < 0 ||
        (is_text(column->kind) && borrow(more, &column->more, 0) < 0))
        return -1;
    Py_ssize_t size = rows * most(column->kind);
    if (is_text(column->kind) && rows) {
        int64_t texts = offset_of(column, end) - offset_of(column, column->offset);
        if (texts < 0 || texts > column->more.len) {
            PyErr_SetString(PyExc_ValueError, "a text lies outside of its buffer");
            return -1;
        }
        size += (Py_ssize_t)texts;
    }
    return size;
}

static PyObject *numbers(const Py_ssize_t *values, Py_ssize_t count) {
    PyObject *made = PyList_New(count);
    for (Py_ssize_t at = 0; made && at < count; at++) {
        PyObject *number = PyLong_FromSsize_t(values[at]);
        if (!number)
            Py_CLEAR(made);
        else
            PyList_SET_ITEM(made, at, number);
    }
    return made;
}

static PyObject *encode(const Column *columns, Py_ssize_t count, Py_ssize_t rows, Py_ssize_t limit, Py_ssize_t size) {
    PyObject *made = PyBytes_FromStringAndSize(NULL, size), *both = NULL;
    Py_ssize_t *ends = PyMem_Malloc((size_t)(rows + 1) * sizeof *ends), pieces = 0;
    if (!made || !ends) {
        PyMem_Free(ends);
        Py_XDECREF(made);
        return PyErr_NoMemory();
    }
    uint8_t *begin = (uint8_t *)PyBytes_AS_STRING(made);
    Out out = {begin, begin + size};
    int found;
    Py_BEGIN_ALLOW_THREADS;
    found = put_rows(&out, columns, count, rows, limit, ends, &pieces);
    Py_END_ALLOW_THREADS;
    if (found != GOOD) {
        PyErr_SetString(PyExc_ValueError, found == BAD_DATE ? "a date lies outside of the years 1 to 9999"
                                                            : "a text lies outside of its buffer");
        Py_CLEAR(made);
    } else if (_PyBytes_Resize(&made, out.at - begin) == 0) {
        PyObject *list = numbers(ends, pieces);
        both = list ? PyTuple_Pack(2, made, list) : NULL;
        Py_XDECREF(list);
    }
    PyMem_Free(ends);
    Py_XDECREF(made);
    return both;
}

static PyObject *bulk(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *given;
    Py_ssize_t rows, limit, taken = 0, part = 0, size = 0;
    if (!PyArg_ParseTuple(arguments, "O!nn", &PyList_Type, &given, &rows, &limit))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(given);
    if (rows < 0 || limit < 1) {
        PyErr_SetString(PyExc_ValueError, "no rows, or no bytes");
        return NULL;
    }
    Column *columns = PyMem_Calloc(count ? (size_t)count : 1, sizeof(Column));
    if (!columns)
        return PyErr_NoMemory();
    while (taken < count && part >= 0) {
        part = take(PyList_GET_ITEM(given, taken), &columns[taken], rows);
        size += part;
        taken++;
    }
    PyObject *made = part < 0 ? NULL : encode(columns, count, rows, limit, size);
    give_back(columns, taken);
    PyMem_Free(columns);
    return made;
}

static PyMethodDef METHODS[] = {
    {"bulk", bulk, METH_VARARGS,
     "bulk(columns, rows, limit)\n--\n\nReturn rows as MariaDB takes them in bulk, and where each piece of them ends."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, .m_name = "_bulk",
                                    .m_doc = "Rows in MariaDB's bulk form out of Arrow's buffers.", .m_size = 0,
                                    .m_methods = METHODS};

PyMODINIT_FUNC PyInit__bulk(void) { return PyModule_Create(&MODULE); }
