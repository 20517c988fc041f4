/* Cells of Python values, gathered into the buffers that Arrow columns are made of.
 *
 * The fast half of `ladle.extract.columns`, which works without it, too. It takes only what needs no judgement:
 * None, bool, int of 64 bits, float, str, datetime without zone or in `timezone.utc`, date, dict and list, all of
 * exactly that type and of one type a column. Any other column comes back as a list of its cells, and
 * `ladle.extract.columns` looks at them.
 *
 * Rows are gone through once, each cell touched once: that is what costs, memory being slower than the processor.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <datetime.h>
#include <stdint.h>
#include <string.h>

typedef enum { EMPTY, BOOL, INT, FLOAT, TEXT, NAIVE, UTC, DATE, DICT, LIST, OTHER } Kind;

static const char *const KINDS[] = {"null", "bool", "bigint", "double", "text", "timestamp_ntz",
                                    "timestamp", "date", "dict", "list", "other"};

typedef struct {
    PyObject *name;   /* the key, or NULL */
    Kind kind;
    Py_ssize_t length; /* cells so far */
    Py_ssize_t nulls;
    PyObject *valid;  /* bytes: a bit a cell, 0 where it is null; NULL while none is */
    PyObject *data;   /* bytes: bits, numbers or offsets; of dicts their list */
    PyObject *more;   /* bytes of the text; of lists the list of their elements */
    Py_ssize_t used;  /* bytes of text */
} Column;

#define NUMBERS(column) PyBytes_AS_STRING((column)->data)
#define MAX_TEXT INT32_MAX

static void drop(Column *column) {
    Py_CLEAR(column->name);
    Py_CLEAR(column->valid);
    Py_CLEAR(column->data);
    Py_CLEAR(column->more);
}

static PyObject *zeros(Py_ssize_t size) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes)
        memset(PyBytes_AS_STRING(bytes), 0, size);
    return bytes;
}

static Py_ssize_t bits(Py_ssize_t count) { return (count + 7) / 8; }

static void set_bit(PyObject *bytes, Py_ssize_t at) { PyBytes_AS_STRING(bytes)[at >> 3] |= (char)(1 << (at & 7)); }

/* Days since 1970 of a day of the Gregorian calendar; years 1 to 9999. */
static int64_t days(int year, int month, int day) {
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9; /* years begin in March: what leaps is the last day */
    int64_t in_year = (153 * m + 2) / 5 + day - 1;
    return 365 * y + y / 4 - y / 100 + y / 400 + in_year - 719468;
}

static int64_t micros(PyObject *moment) {
    int64_t hours = days(PyDateTime_GET_YEAR(moment), PyDateTime_GET_MONTH(moment), PyDateTime_GET_DAY(moment)) * 24 +
                    PyDateTime_DATE_GET_HOUR(moment);
    int64_t seconds = (hours * 60 + PyDateTime_DATE_GET_MINUTE(moment)) * 60 + PyDateTime_DATE_GET_SECOND(moment);
    return seconds * 1000000 + PyDateTime_DATE_GET_MICROSECOND(moment);
}

static Kind kind_of(PyObject *value) {
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyUnicode_Type)
        return TEXT;
    if (type == &PyLong_Type)
        return INT;
    if (type == &PyFloat_Type)
        return FLOAT;
    if (type == &PyBool_Type)
        return BOOL;
    if (type == &PyDict_Type)
        return DICT;
    if (type == &PyList_Type)
        return LIST;
    if (type == PyDateTimeAPI->DateTimeType) {
        PyObject *zone = PyDateTime_DATE_GET_TZINFO(value);
        return zone == Py_None ? NAIVE : zone == PyDateTime_TimeZone_UTC ? UTC : OTHER;
    }
    return type == PyDateTimeAPI->DateType ? DATE : OTHER;
}

/* Give a column whose cells so far are null the buffers of a kind. -1: out of memory. */
static int start(Column *column, Kind kind, Py_ssize_t rows) {
    switch (kind) {
    case BOOL:
        column->data = zeros(bits(rows));
        break;
    case INT:
    case FLOAT:
    case NAIVE:
    case UTC:
        column->data = PyBytes_FromStringAndSize(NULL, rows * 8);
        if (column->data)
            memset(NUMBERS(column), 0, column->length * 8);
        break;
    case DATE:
        column->data = PyBytes_FromStringAndSize(NULL, rows * 4);
        if (column->data)
            memset(NUMBERS(column), 0, column->length * 4);
        break;
    case TEXT:
    case LIST:
        column->data = PyBytes_FromStringAndSize(NULL, (rows + 1) * 4);
        column->more = kind == TEXT ? PyBytes_FromStringAndSize(NULL, rows * 8 + 64) : PyList_New(0);
        if (column->data)
            memset(NUMBERS(column), 0, (column->length + 1) * 4);
        if (!column->more)
            return -1;
        break;
    case DICT:
        column->data = PyList_New(rows);
        for (Py_ssize_t at = 0; column->data && at < rows; at++)
            PyList_SET_ITEM(column->data, at, Py_NewRef(Py_None));
        break;
    default:
        break;
    }
    column->kind = kind;
    return column->data || kind == OTHER ? 0 : -1;
}

/* Add a null. -1: out of memory. */
static int add_null(Column *column, Py_ssize_t rows) {
    Py_ssize_t at = column->length;
    if (!column->valid) {
        column->valid = zeros(bits(rows));
        if (!column->valid)
            return -1;
        memset(PyBytes_AS_STRING(column->valid), 0xff, at >> 3);
        for (Py_ssize_t bit = at & ~(Py_ssize_t)7; bit < at; bit++)
            set_bit(column->valid, bit);
    }
    switch (column->kind) {
    case INT:
    case FLOAT:
    case NAIVE:
    case UTC:
        ((int64_t *)NUMBERS(column))[at] = 0;
        break;
    case DATE:
        ((int32_t *)NUMBERS(column))[at] = 0;
        break;
    case TEXT:
    case LIST:
        ((int32_t *)NUMBERS(column))[at + 1] = ((int32_t *)NUMBERS(column))[at];
        break;
    default:
        break;
    }
    column->nulls++;
    column->length++;
    return 0;
}

/* Add text as UTF-8. 0: added, 1: it can't be, -1: out of memory. */
static int add_text(Column *column, PyObject *value) {
    PyObject *encoded = NULL;
    const char *text;
    Py_ssize_t size;
    if (PyUnicode_IS_COMPACT_ASCII(value)) {
        text = (const char *)PyUnicode_1BYTE_DATA(value);
        size = PyUnicode_GET_LENGTH(value);
    } else {
        /* not PyUnicode_AsUTF8: that would keep a copy in every text of the user's */
        encoded = PyUnicode_AsUTF8String(value);
        if (!encoded) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
                return -1;
            PyErr_Clear(); /* a lone surrogate */
            return 1;
        }
        text = PyBytes_AS_STRING(encoded);
        size = PyBytes_GET_SIZE(encoded);
    }
    Py_ssize_t room = PyBytes_GET_SIZE(column->more);
    int result = 0;
    if (size > MAX_TEXT - column->used)
        result = 1;
    else if (column->used + size > room)
        result = _PyBytes_Resize(&column->more, (column->used + size) * 2);
    if (result == 0) {
        memcpy(PyBytes_AS_STRING(column->more) + column->used, text, size);
        column->used += size;
        ((int32_t *)NUMBERS(column))[column->length + 1] = (int32_t)column->used;
    }
    Py_XDECREF(encoded);
    return result;
}

/* Add the elements of a list. 0: added, 1: there are too many, -1: out of memory. */
static int add_elements(Column *column, PyObject *value) {
    Py_ssize_t count = PyList_GET_SIZE(value);
    if (count > MAX_TEXT - PyList_GET_SIZE(column->more))
        return 1;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(value); at++)
        if (PyList_Append(column->more, PyList_GET_ITEM(value, at)) < 0)
            return -1;
    ((int32_t *)NUMBERS(column))[column->length + 1] = (int32_t)PyList_GET_SIZE(column->more);
    return 0;
}

/* Add a cell; a column it doesn't fit becomes OTHER. -1: out of memory. */
static int add(Column *column, PyObject *value, Py_ssize_t rows) {
    if (column->kind == OTHER)
        return 0;
    if (value == Py_None)
        return add_null(column, rows);
    Kind kind = kind_of(value);
    if (kind != column->kind) {
        if (column->kind != EMPTY || kind == OTHER) {
            column->kind = OTHER;
            return 0;
        }
        if (start(column, kind, rows) < 0)
            return -1;
    }
    Py_ssize_t at = column->length;
    int result = 0;
    switch (kind) {
    case BOOL:
        if (value == Py_True)
            set_bit(column->data, at);
        break;
    case INT: {
        int overflow;
        ((int64_t *)NUMBERS(column))[at] = PyLong_AsLongLongAndOverflow(value, &overflow);
        result = overflow != 0;
        break;
    }
    case FLOAT:
        ((double *)NUMBERS(column))[at] = PyFloat_AS_DOUBLE(value);
        break;
    case TEXT:
        result = add_text(column, value);
        break;
    case NAIVE:
    case UTC:
        ((int64_t *)NUMBERS(column))[at] = micros(value);
        break;
    case DATE:
        ((int32_t *)NUMBERS(column))[at] =
            (int32_t)days(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value));
        break;
    case DICT:
        PyList_SetItem(column->data, at, Py_NewRef(value));
        break;
    case LIST:
        result = add_elements(column, value);
        break;
    default:
        break;
    }
    if (result > 0)
        column->kind = OTHER;
    if (column->valid)
        set_bit(column->valid, at);
    column->length++;
    return result < 0 ? -1 : 0;
}

static int pad(Column *column, Py_ssize_t length, Py_ssize_t rows) {
    while (column->kind != OTHER && column->length < length)
        if (add_null(column, rows) < 0)
            return -1;
    return 0;
}

/* What Python gets of a column: (kind, nulls, valid, data, more); `cells` is a new reference, or NULL. */
static PyObject *finished(Column *column, PyObject *cells) {
    if (column->kind == OTHER) {
        if (!cells)
            return NULL;
        return Py_BuildValue("(snOOO)", KINDS[OTHER], (Py_ssize_t)0, Py_None, cells, Py_None);
    }
    if (column->kind == TEXT && _PyBytes_Resize(&column->more, column->used) < 0)
        return NULL;
#define OR_NONE(object) ((object) ? (object) : Py_None)
    return Py_BuildValue("(snOOO)", KINDS[column->kind], column->nulls, OR_NONE(column->valid),
                         OR_NONE(column->data), OR_NONE(column->more));
}

static PyObject *cells(PyObject *Py_UNUSED(module), PyObject *values) {
    if (!PyList_CheckExact(values)) {
        PyErr_SetString(PyExc_TypeError, "cells() takes a list");
        return NULL;
    }
    Column column = {0};
    Py_ssize_t rows = PyList_GET_SIZE(values);
    for (Py_ssize_t at = 0; at < rows && at < PyList_GET_SIZE(values); at++) {
        if (column.kind == OTHER)
            break;
        PyObject *value = Py_NewRef(PyList_GET_ITEM(values, at));
        int result = add(&column, value, rows);
        Py_DECREF(value);
        if (result < 0) {
            drop(&column);
            return NULL;
        }
    }
    PyObject *result = finished(&column, values);
    drop(&column);
    return result;
}

typedef struct {
    Column *columns;
    Py_ssize_t count, room;
    PyObject *index; /* dict: name to place */
} Columns;

/* The place of a key, which becomes a column if there is none; -1: out of memory, -2: it is no text. */
static Py_ssize_t place(Columns *all, PyObject *key) {
    if (!PyUnicode_CheckExact(key))
        return -2;
    PyObject *found = PyDict_GetItemWithError(all->index, key);
    if (found)
        return PyLong_AsSsize_t(found);
    if (PyErr_Occurred())
        return -1;
    if (all->count == all->room) {
        Py_ssize_t room = all->room ? all->room * 2 : 32;
        Column *larger = PyMem_Realloc(all->columns, room * sizeof(Column));
        if (!larger) {
            PyErr_NoMemory();
            return -1;
        }
        all->columns = larger;
        all->room = room;
    }
    PyObject *number = PyLong_FromSsize_t(all->count);
    int stored = number ? PyDict_SetItem(all->index, key, number) : -1;
    Py_XDECREF(number);
    if (stored < 0)
        return -1;
    all->columns[all->count] = (Column){.name = Py_NewRef(key)};
    return all->count++;
}

/* Whether two keys are the same, told without a look at any table; 0 may also mean that it takes one. */
static int same(PyObject *key, PyObject *name) {
    if (key == name)
        return 1;
    /* both have been keys of dicts, so that their hashes are known */
    return PyUnicode_CheckExact(key) && PyUnicode_IS_COMPACT_ASCII(key) && PyUnicode_IS_COMPACT_ASCII(name) &&
           ((PyASCIIObject *)key)->hash == ((PyASCIIObject *)name)->hash &&
           PyUnicode_GET_LENGTH(key) == PyUnicode_GET_LENGTH(name) &&
           memcmp(PyUnicode_1BYTE_DATA(key), PyUnicode_1BYTE_DATA(name), PyUnicode_GET_LENGTH(key)) == 0;
}

/* Add a row. 0: done, -1: out of memory, -2: it has a key that is no text. */
static int add_row(Columns *all, PyObject *row, Py_ssize_t at, Py_ssize_t rows) {
    PyObject *key, *value;
    Py_ssize_t position = 0, guess = 0;
    while (PyDict_Next(row, &position, &key, &value)) {
        Py_ssize_t here = guess;
        if (here >= all->count || !same(key, all->columns[here].name)) {
            here = place(all, key);
            if (here < 0)
                return (int)here;
        }
        guess = here + 1;
        Column *column = &all->columns[here];
        if (column->length < at && pad(column, at, rows) < 0)
            return -1;
        /* A column's first cell makes objects, and that may run anybody's code, which may drop the value. */
        int first = column->kind == EMPTY;
        if (first)
            Py_INCREF(value);
        int result = add(column, value, rows);
        if (first)
            Py_DECREF(value);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* The cells of one key as a list. */
static PyObject *listed(PyObject *rows, Py_ssize_t count, PyObject *name) {
    PyObject *list = PyList_New(count);
    for (Py_ssize_t at = 0; list && at < count; at++) {
        PyObject *row = at < PyList_GET_SIZE(rows) ? PyList_GET_ITEM(rows, at) : Py_None;
        PyObject *value = PyDict_CheckExact(row) ? PyDict_GetItemWithError(row, name) : NULL;
        if (!value && PyErr_Occurred())
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, at, Py_NewRef(value ? value : Py_None));
    }
    return list;
}

static PyObject *gathered(Columns *all, PyObject *rows, Py_ssize_t count) {
    PyObject *result = PyList_New(all->count);
    for (Py_ssize_t at = 0; result && at < all->count; at++) {
        Column *column = &all->columns[at];
        PyObject *cells = column->kind == OTHER ? listed(rows, count, column->name) : NULL;
        PyObject *done = pad(column, count, count) < 0 ? NULL : finished(column, cells);
        Py_XDECREF(cells);
        PyObject *named = done ? PyTuple_Pack(2, column->name, done) : NULL;
        Py_XDECREF(done);
        if (named)
            PyList_SET_ITEM(result, at, named);
        else
            Py_CLEAR(result);
    }
    return result;
}

static PyObject *gather(PyObject *Py_UNUSED(module), PyObject *rows) {
    if (!PyList_CheckExact(rows)) {
        PyErr_SetString(PyExc_TypeError, "gather() takes a list");
        return NULL;
    }
    Columns all = {.index = PyDict_New()};
    Py_ssize_t count = PyList_GET_SIZE(rows);
    int state = all.index ? 0 : -1;
    for (Py_ssize_t at = 0; state == 0 && at < count && at < PyList_GET_SIZE(rows); at++) {
        PyObject *row = PyList_GET_ITEM(rows, at);
        if (row == Py_None)
            continue;
        if (!PyDict_CheckExact(row)) {
            state = -2;
            break;
        }
        Py_INCREF(row);
        state = add_row(&all, row, at, count);
        Py_DECREF(row);
    }
    PyObject *result = state == 0 ? gathered(&all, rows, count) : state == -2 ? Py_NewRef(Py_None) : NULL;
    for (Py_ssize_t at = 0; at < all.count; at++)
        drop(&all.columns[at]);
    PyMem_Free(all.columns);
    Py_XDECREF(all.index);
    return result;
}

static PyMethodDef METHODS[] = {
    {"cells", cells, METH_O, "cells(values)\n--\n\nReturn the column of a list of values."},
    {"gather", gather, METH_O,
     "gather(rows)\n--\n\nReturn name and column of each key of a list of dicts or None, in first-seen order; "
     "None where a key is no str."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, .m_name = "_cells", .m_doc = "Cells of Python values, gathered into Arrow's buffers.",
    .m_size = -1, .m_methods = METHODS};

PyMODINIT_FUNC PyInit__cells(void) {
    PyDateTime_IMPORT;
    return PyDateTimeAPI ? PyModule_Create(&MODULE) : NULL;
}
