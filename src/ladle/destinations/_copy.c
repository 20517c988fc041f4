/* Rows in the binary form of Postgres' COPY, out of the buffers of Arrow columns.
 *
 * The fast half of `ladle.destinations.postgres_copy`, which works without it, too. The form is described in
 * Postgres' documentation, under COPY: a row is its number of columns, then of each value its length and its bytes,
 * all numbers big-endian; -1 as length is NULL.
 *
 * Other threads of Python go on while rows are encoded.
 */
#include "../schema/_column.h"

#define DATE_EPOCH 10957                  /* days from 1970 to 2000 */
#define TIME_EPOCH INT64_C(946684800000000) /* microseconds from 1970 to 2000 */
#define MAX_WORDS 8                       /* of 32 bits, in a decimal256 */
#define MAX_GROUPS 22                     /* of four decimal digits: 78 digits, and what aligns them to the point */

/* Kinds: ? bool, h i q d numbers, D date, T timestamp, s text, y bytes, j JSON, 4 and 8 decimals. */

typedef struct {
    uint8_t *at, *end;
} Out;

static void put16(Out *out, uint16_t value) {
    *out->at++ = (uint8_t)(value >> 8);
    *out->at++ = (uint8_t)value;
}

static void put32(Out *out, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        *out->at++ = (uint8_t)(value >> shift);
}

static void put64(Out *out, uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8)
        *out->at++ = (uint8_t)(value >> shift);
}

/* Bytes of a value in Arrow's buffer; of text, of an offset. */
static int width(char kind) {
    switch (kind) {
    case '?':
        return 0; /* a bit */
    case 'h':
        return 2;
    case 'i':
    case 'D':
    case 's':
    case 'y':
    case 'j':
        return 4;
    case '4':
        return 16;
    case '8':
        return 32;
    default:
        return 8;
    }
}

static int is_text(char kind) { return kind == 's' || kind == 'y' || kind == 'j'; }

/* The most bytes that a value takes besides those of a text. */
static Py_ssize_t most(char kind) { return kind == '4' || kind == '8' ? 12 + 2 * MAX_GROUPS : 4 + 8; }

/* Divide a number of `*words` words; return the rest. Words that become zero are dropped. */
static uint32_t divide(uint32_t *number, int *words, uint32_t by) {
    uint64_t rest = 0;
    for (int at = *words - 1; at >= 0; at--) {
        uint64_t part = rest << 32 | number[at];
        number[at] = (uint32_t)(part / by);
        rest = part % by;
    }
    while (*words && !number[*words - 1])
        --*words;
    return (uint32_t)rest;
}

/* `numeric`: digits to the base 10,000, the first first; the power of the first; sign; decimal digits shown. */
static void put_numeric(Out *out, const uint8_t *given, int words, int scale) {
    uint32_t number[MAX_WORDS];
    memcpy(number, given, 4 * (size_t)words);
    int negative = (int)(number[words - 1] >> 31);
    if (negative) {
        uint64_t carry = 1;
        for (int at = 0; at < words; at++) {
            carry += (uint32_t)~number[at];
            number[at] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    while (words && !number[words - 1])
        words--;
    uint16_t groups[MAX_GROUPS];
    int count = 0, first = 0;
    int points = (scale + 3) / 4; /* groups behind the point */
    if (scale % 4) {
        static const uint32_t TENS[] = {1, 10, 100, 1000};
        uint32_t lacking = TENS[4 - scale % 4];
        groups[count++] = (uint16_t)(divide(number, &words, 10000 / lacking) * lacking);
    }
    while (words)
        groups[count++] = (uint16_t)divide(number, &words, 10000);
    while (first < count && !groups[first])
        first++;
    put32(out, (uint32_t)(8 + 2 * (count - first)));
    put16(out, (uint16_t)(count - first));
    put16(out, first < count ? (uint16_t)(count - 1 - points) : 0);
    put16(out, negative ? 0x4000 : 0);
    put16(out, (uint16_t)scale);
    while (count > first)
        put16(out, groups[--count]);
}

/* 0 where a text lies outside of its buffer. */
static int put_text(Out *out, const Column *column, Py_ssize_t at) {
    const int32_t *offsets = column->data.buf;
    int64_t begin = offsets[at], size = (int64_t)offsets[at + 1] - begin;
    if (begin < 0 || size < 0 || begin + size > column->more.len || size + 5 > out->end - out->at)
        return 0;
    int version = column->kind == 'j';
    put32(out, (uint32_t)(size + version));
    if (version)
        *out->at++ = 1; /* of the binary form of jsonb */
    if (size)
        memcpy(out->at, (const char *)column->more.buf + begin, (size_t)size);
    out->at += size;
    return 1;
}

/* What is out of range comes out as a value that the server refuses, never as one of its infinities. */
static int32_t date(int32_t days) { return days < INT32_MIN + 1 + DATE_EPOCH ? INT32_MIN + 1 : days - DATE_EPOCH; }
static int64_t moment(int64_t us) { return us < INT64_MIN + 1 + TIME_EPOCH ? INT64_MIN + 1 : us - TIME_EPOCH; }

static int put(Out *out, const Column *column, Py_ssize_t row) {
    Py_ssize_t at = column->offset + row;
    const void *data = column->data.buf;
    if (is_null(column, at)) {
        put32(out, UINT32_MAX);
        return 1;
    }
    switch (column->kind) {
    case '?':
        put32(out, 1);
        *out->at++ = (uint8_t)bit(&column->data, at);
        return 1;
    case 'h':
        put32(out, 2);
        put16(out, ((const uint16_t *)data)[at]);
        return 1;
    case 'i':
        put32(out, 4);
        put32(out, ((const uint32_t *)data)[at]);
        return 1;
    case 'D':
        put32(out, 4);
        put32(out, (uint32_t)date(((const int32_t *)data)[at]));
        return 1;
    case 'q':
    case 'd': /* the bits of a double are sent like those of an integer */
        put32(out, 8);
        put64(out, ((const uint64_t *)data)[at]);
        return 1;
    case 'T':
        put32(out, 8);
        put64(out, (uint64_t)moment(((const int64_t *)data)[at]));
        return 1;
    case '4':
    case '8':
        put_numeric(out, (const uint8_t *)data + at * width(column->kind), width(column->kind) / 4, column->scale);
        return 1;
    default:
        return put_text(out, column, at);
    }
}

static int put_rows(Out *out, const Column *columns, Py_ssize_t count, Py_ssize_t start, Py_ssize_t stop) {
    for (Py_ssize_t row = start; row < stop; row++) {
        put16(out, (uint16_t)count);
        for (Py_ssize_t column = 0; column < count; column++)
            if (!put(out, &columns[column], row))
                return 0;
    }
    return 1;
}

/* Take a column: (kind, scale, offset, validity, data, more); return the most bytes it takes, or -1. */
static Py_ssize_t take(PyObject *given, Column *column, Py_ssize_t start, Py_ssize_t stop) {
    int kind;
    PyObject *valid, *data, *more;
    if (!PyArg_ParseTuple(given, "CinOOO", &kind, &column->scale, &column->offset, &valid, &data, &more))
        return -1;
    if (kind > 127 || !strchr("?hiqdDTsyj48", kind) || column->offset < 0 || column->scale < 0 || column->scale > 76) {
        PyErr_SetString(PyExc_ValueError, "no such kind of column");
        return -1;
    }
    column->kind = (char)kind;
    Py_ssize_t end = column->offset + stop, bits = (end + 7) / 8;
    Py_ssize_t least = kind == '?' ? bits : (end + is_text(column->kind)) * width(column->kind);
    if (valid != Py_None && borrow(valid, &column->valid, bits) < 0)
        return -1;
    if (borrow(data, &column->data, least) < 0 || (is_text(column->kind) && borrow(more, &column->more, 0) < 0))
        return -1;
    Py_ssize_t size = (stop - start) * most(column->kind);
    if (is_text(column->kind)) {
        const int32_t *offsets = column->data.buf;
        Py_ssize_t texts = (Py_ssize_t)offsets[end] - offsets[column->offset + start];
        size += texts > 0 ? texts : 0;
    }
    return size;
}

static PyObject *encode(const Column *columns, Py_ssize_t count, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t size) {
    PyObject *made = PyBytes_FromStringAndSize(NULL, size);
    if (!made)
        return NULL;
    uint8_t *begin = (uint8_t *)PyBytes_AS_STRING(made);
    Out out = {begin, begin + size};
    int good;
    Py_BEGIN_ALLOW_THREADS;
    good = put_rows(&out, columns, count, start, stop);
    Py_END_ALLOW_THREADS;
    if (!good) {
        Py_DECREF(made);
        PyErr_SetString(PyExc_ValueError, "text lies outside of its buffer");
        return NULL;
    }
    _PyBytes_Resize(&made, out.at - begin);
    return made;
}

static PyObject *copied(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *given;
    Py_ssize_t start, stop, taken = 0, part = 0;
    if (!PyArg_ParseTuple(arguments, "O!nn", &PyList_Type, &given, &start, &stop))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(given);
    if (count > INT16_MAX || start < 0 || stop < start) {
        PyErr_SetString(PyExc_ValueError, "at most 32767 columns, and rows from 0 on");
        return NULL;
    }
    Column *columns = PyMem_Calloc(count ? (size_t)count : 1, sizeof(Column));
    if (!columns)
        return PyErr_NoMemory();
    Py_ssize_t size = 2 * (stop - start);
    while (taken < count && part >= 0) {
        part = take(PyList_GET_ITEM(given, taken), &columns[taken], start, stop);
        size += part;
        taken++;
    }
    PyObject *made = part < 0 ? NULL : encode(columns, count, start, stop, size);
    give_back(columns, taken);
    PyMem_Free(columns);
    return made;
}

static PyMethodDef METHODS[] = {
    {"copied", copied, METH_VARARGS,
     "copied(columns, start, stop)\n--\n\nReturn rows as COPY takes them in binary form."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, .m_name = "_copy",
                                    .m_doc = "Rows in COPY's binary form out of Arrow's buffers.", .m_size = 0,
                                    .m_methods = METHODS};

PyMODINIT_FUNC PyInit__copy(void) { return PyModule_Create(&MODULE); }
