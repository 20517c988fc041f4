/* Digests of rows, out of the buffers of Arrow columns: the beginning of their SHA-256, in Base64 for URLs.
 *
 * The fast half of `ladle.normalize.digests`, which works without it, too. What is hashed of a row is, of each of its
 * values that isn't null: the bytes that stand before all values of the column, the value's length in decimal, a
 * colon, and the value. It goes into the hash as it is read, so no text is made of a row.
 *
 * Other threads of Python go on while rows are hashed.
 */
#include "../schema/_column.h"
#include "_sha256.h"

enum { HASHED = 18, MOST_CHARS = HASHED / 3 * 4, MOST_DIGITS = 20 };

/* Kinds: q a number, in decimal, and s text or bytes. */

typedef struct {
    const char *bytes;
    size_t size;
} Bytes;

typedef struct {
    Column *columns;
    Bytes *before; /* the values of each column; those who call keep it */
    Py_ssize_t count, rows, length;
    ShaBlocks take;
} Rows;

static ShaBlocks best;

/* Spell a number so that it ends here; return where it begins. */
static char *digits(char *end, uint64_t number) {
    do
        *--end = (char)('0' + number % 10);
    while (number /= 10);
    return end;
}

static void add_number(Sha *sha, int64_t number) {
    char text[2 * MOST_DIGITS + 1], *end = text + sizeof text;
    char *begin = digits(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    if (number < 0)
        *--begin = '-';
    char *colon = begin - 1;
    *colon = ':';
    begin = digits(colon, (uint64_t)(end - begin));
    sha_add(sha, begin, (size_t)(end - begin));
}

/* 0 where a text lies outside of its buffer. */
static int add_text(Sha *sha, const Column *column, Py_ssize_t at) {
    const int32_t *offsets = column->data.buf;
    int64_t begin = offsets[at], size = (int64_t)offsets[at + 1] - begin;
    if (begin < 0 || size < 0 || begin + size > column->more.len)
        return 0;
    char text[MOST_DIGITS + 1], *end = text + sizeof text;
    end[-1] = ':';
    char *length = digits(end - 1, (uint64_t)size);
    sha_add(sha, length, (size_t)(end - length));
    if (size)
        sha_add(sha, (const char *)column->more.buf + begin, (size_t)size);
    return 1;
}

static int add_row(Sha *sha, const Rows *rows, Py_ssize_t row) {
    for (Py_ssize_t n = 0; n < rows->count; n++) {
        const Column *column = &rows->columns[n];
        Py_ssize_t at = column->offset + row;
        if (is_null(column, at))
            continue;
        sha_add(sha, rows->before[n].bytes, rows->before[n].size);
        if (column->kind == 'q')
            add_number(sha, ((const int64_t *)column->data.buf)[at]);
        else if (!add_text(sha, column, at))
            return 0;
    }
    return 1;
}

static void put_base64(char *out, const uint8_t *bytes, Py_ssize_t length) {
    static const char CHARS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char all[MOST_CHARS];
    for (int n = 0; n < HASHED / 3; n++, bytes += 3) {
        uint32_t three = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        for (int part = 3; part >= 0; part--, three >>= 6)
            all[4 * n + part] = CHARS[three & 63];
    }
    memcpy(out, all, (size_t)length);
}

static int put_rows(char *out, const Rows *rows) {
    Sha sha;
    uint8_t digest[32];
    for (Py_ssize_t row = 0; row < rows->rows; row++, out += rows->length) {
        sha_begin(&sha, rows->take);
        if (!add_row(&sha, rows, row))
            return 0;
        sha_end(&sha, digest);
        put_base64(out, digest, rows->length);
    }
    return 1;
}

/* Take a column: (before, kind, offset, validity, data, more). */
static int take(PyObject *given, Rows *rows, Py_ssize_t place) {
    int kind;
    PyObject *valid, *data, *more;
    Column *column = &rows->columns[place];
    const char *before;
    Py_ssize_t size;
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "a column is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(given, "y#CnOOO", &before, &size, &kind, &column->offset, &valid, &data, &more))
        return -1;
    if ((kind != 'q' && kind != 's') || column->offset < 0 || column->offset > PY_SSIZE_T_MAX / 16) {
        PyErr_SetString(PyExc_ValueError, "no such kind of column");
        return -1;
    }
    column->kind = (char)kind;
    rows->before[place] = (Bytes){before, (size_t)size};
    Py_ssize_t end = rows->rows ? column->offset + rows->rows : 0;
    Py_ssize_t least = kind == 'q' ? 8 * end : end ? 4 * (end + 1) : 0;
    if (valid != Py_None && borrow(valid, &column->valid, (end + 7) / 8) < 0)
        return -1;
    return borrow(data, &column->data, least) < 0 || (kind == 's' && borrow(more, &column->more, 0) < 0) ? -1 : 0;
}

static PyObject *made(const Rows *rows) {
    PyObject *result = PyBytes_FromStringAndSize(NULL, rows->rows * rows->length);
    if (!result)
        return NULL;
    char *out = PyBytes_AS_STRING(result);
    int good;
    Py_BEGIN_ALLOW_THREADS;
    good = put_rows(out, rows);
    Py_END_ALLOW_THREADS;
    if (good)
        return result;
    Py_DECREF(result);
    PyErr_SetString(PyExc_ValueError, "text lies outside of its buffer");
    return NULL;
}

static PyObject *digests(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *given, *result = NULL;
    Py_ssize_t taken = 0;
    int portable = 0, good = 1;
    Rows rows = {0};
    /* A tuple: nobody else can drop what stands before the values. */
    if (!PyArg_ParseTuple(arguments, "O!nn|p", &PyTuple_Type, &given, &rows.rows, &rows.length, &portable))
        return NULL;
    if (rows.length < 1 || rows.length > MOST_CHARS || rows.rows < 0 || rows.rows > INT32_MAX / rows.length) {
        PyErr_SetString(PyExc_ValueError, "1 to 24 characters a row, and less than 2 GiB of them");
        return NULL;
    }
    rows.take = portable ? sha_portable : best;
    rows.count = PyTuple_GET_SIZE(given);
    rows.columns = PyMem_Calloc((size_t)rows.count + 1, sizeof(Column));
    rows.before = PyMem_Calloc((size_t)rows.count + 1, sizeof(Bytes));
    if (!rows.columns || !rows.before) {
        PyErr_NoMemory();
    } else {
        for (; good && taken < rows.count; taken++)
            good = take(PyTuple_GET_ITEM(given, taken), &rows, taken) == 0;
        if (good)
            result = made(&rows);
    }
    give_back(rows.columns, taken);
    PyMem_Free(rows.columns);
    PyMem_Free(rows.before);
    return result;
}

static PyMethodDef METHODS[] = {
    {"digests", digests, METH_VARARGS,
     "digests(columns, rows, length, portable=False)\n--\n\nReturn the digests of rows, one after the other."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, .m_name = "_digest",
                                    .m_doc = "Digests of rows out of Arrow's buffers.", .m_size = 0,
                                    .m_methods = METHODS};

PyMODINIT_FUNC PyInit__digest(void) {
    PyObject *module = PyModule_Create(&MODULE);
    best = sha_best();
    if (module && PyModule_AddIntConstant(module, "has_instructions", best != sha_portable) < 0)
        Py_CLEAR(module);
    return module;
}
