/* Buffers of Arrow columns, out of rows in the binary form of Postgres' COPY.
 *
 * The fast half of `ladle.destinations.postgres_rows`, which works without it, too. The form is described in
 * Postgres' documentation, under COPY: a row is its number of columns, then of each value its length and its bytes,
 * all numbers big-endian; -1 as length is NULL. What a value's bytes are is said by the function of its type that
 * sends it (`array_send`, `numeric_send`).
 *
 * Other threads of Python go on while rows are decoded, and wait while messages are gathered: one could close the line.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define DATE_EPOCH 10957                     /* days from 1970 to 2000 */
#define TIME_EPOCH INT64_C(946684800000000) /* microseconds from 1970 to 2000 */
#define DAY UINT64_C(86400000000)            /* in microseconds */

/* Kinds: ? bool, h i q integers, o unsigned integer, f d floats, D date, T timestamp, t time, I interval, u UUID,
 * n numeric as text, s text or bytes, j jsonb; [ list, whose kind follows; ( record, whose kinds follow up to ). */

typedef struct {
    uint8_t *begin;
    size_t used, room;
} Grown;

typedef struct {
    char kind;
    Py_ssize_t end; /* of its own nodes, which follow it */
    Py_ssize_t count, nulls;
    Grown valid, data, more; /* a bit a value, 0 where it is null; values or offsets; bytes of the text */
} Node;

typedef struct {
    const uint8_t *at, *end;
} In;

typedef struct {
    Node *nodes;
    Py_ssize_t count;
    const char *wrong;  /* what is wrong with a value */
    Py_ssize_t column;  /* that it is in */
} Columns;

static uint16_t get16(In *in) {
    uint16_t value = (uint16_t)(in->at[0] << 8 | in->at[1]);
    in->at += 2;
    return value;
}

static uint32_t get32(In *in) {
    const uint8_t *at = in->at;
    in->at += 4;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get64(In *in) {
    uint64_t high = get32(in);
    return high << 32 | get32(in);
}

/* Bytes left. */
static int64_t left(const In *in) { return in->end - in->at; }

/* Bytes of a value in Arrow's buffer; of text or lists, of an offset. */
static size_t width(char kind) {
    switch (kind) {
    case 'h':
        return 2;
    case 'q':
    case 'd':
    case 'T':
    case 't':
        return 8;
    case 'I':
    case 'u':
        return 16;
    case '?':
    case '(':
        return 0;
    default:
        return 4;
    }
}

static int has_offsets(char kind) { return kind == 's' || kind == 'j' || kind == 'n' || kind == '['; }

static int grow(Grown *grown, size_t size) {
    size_t room = grown->room * 2 > grown->used + size ? grown->room * 2 : grown->used + size + 1024;
    uint8_t *begin = PyMem_RawRealloc(grown->begin, room);
    if (!begin)
        return 0;
    grown->begin = begin;
    grown->room = room;
    return 1;
}

/* Return where so many bytes may be written; NULL where there is no memory. */
static inline uint8_t *more(Grown *grown, size_t size) {
    if (size > grown->room - grown->used && !grow(grown, size))
        return NULL;
    return grown->begin + grown->used;
}

static int fail(Columns *columns, const char *wrong) {
    columns->wrong = wrong;
    return 0;
}

static int no_memory(Columns *columns) { return fail(columns, "no memory is left"); }

static inline int put(Columns *columns, Grown *grown, const void *value, size_t size) {
    uint8_t *at = size ? more(grown, size) : NULL;
    if (at)
        memcpy(at, value, size);
    grown->used += size;
    return at || !size || no_memory(columns);
}

static inline int put_bit(Columns *columns, Grown *grown, Py_ssize_t at, int bit) {
    if (at % 8 == 0) {
        uint8_t *next = more(grown, 1);
        if (!next)
            return no_memory(columns);
        *next = 0;
        grown->used++;
    }
    grown->begin[at / 8] |= (uint8_t)(bit << (at & 7));
    return 1;
}

/* Write where a text or list ends. */
static inline int put_end(Columns *columns, Node *node, size_t end) {
    if (end > INT32_MAX)
        return fail(columns, "more than 2 GB in a batch");
    int32_t offset = (int32_t)end;
    return put(columns, &node->data, &offset, 4);
}

static int put_null(Columns *columns, Node *node) {
    static const uint8_t ZEROS[16] = {0};
    node->nulls++;
    if (!put_bit(columns, &node->valid, node->count, 0))
        return 0;
    if (node->kind == '?' && !put_bit(columns, &node->data, node->count, 0))
        return 0;
    node->count++;
    if (node->kind == '[')
        return put_end(columns, node, (size_t)node[1].count);
    if (node->kind == '(') {
        for (Node *part = node + 1; part < columns->nodes + node->end; part = columns->nodes + part->end)
            if (!put_null(columns, part))
                return 0;
        return 1;
    }
    if (has_offsets(node->kind))
        return put_end(columns, node, node->more.used);
    return put(columns, &node->data, ZEROS, width(node->kind));
}

/* `numeric`: how many digits to the base 10,000, the power of the first, sign, decimal digits shown; the digits. */
static int put_numeric(Columns *columns, Node *node, In in) {
    if (left(&in) < 8)
        return fail(columns, "a number is cut off");
    int count = get16(&in), power = (int16_t)get16(&in), sign = get16(&in), scale = get16(&in);
    if (left(&in) != 2 * count)
        return fail(columns, "a number is cut off");
    size_t whole = power < 0 ? 1 : 4 * ((size_t)power + 1);
    char *begin = (char *)more(&node->more, whole + (size_t)scale + 8), *at = begin;
    if (!at)
        return no_memory(columns);
    if (sign & 0x8000) { /* C000 NaN, D000 and F000 the infinities */
        const char *name = sign == 0xC000 ? "nan" : sign == 0xF000 ? "-inf" : "inf";
        memcpy(at, name, strlen(name));
        node->more.used += strlen(name);
        return put_end(columns, node, node->more.used);
    }
    if (sign)
        *at++ = '-';
    char *first = at;
    int group = 0;
    for (; power >= group; group++) {
        unsigned value = group < count ? get16(&in) : 0;
        for (unsigned by = 1000; by; by /= 10)
            if (value / by % 10 || at > first)
                *at++ = (char)('0' + value / by % 10);
    }
    if (at == first)
        *at++ = '0';
    if (scale)
        *at++ = '.';
    group = -1 - power; /* groups of zeros that go before the first, where it is behind the point */
    for (int shown = 0; shown < scale; group--) {
        unsigned value = group <= 0 && left(&in) ? get16(&in) : 0;
        for (unsigned by = 1000; by && shown < scale; by /= 10, shown++)
            *at++ = (char)('0' + value / by % 10);
    }
    node->more.used += (size_t)(at - begin);
    return put_end(columns, node, node->more.used);
}

static inline int put_text(Columns *columns, Node *node, In in) {
    if (node->kind == 'j' && (left(&in) < 1 || *in.at++ != 1))
        return fail(columns, "jsonb of a version that isn't known");
    return put(columns, &node->more, in.at, (size_t)left(&in)) && put_end(columns, node, node->more.used);
}

static int put_value(Columns *columns, Node *node, In in);

/* Take a length and as many bytes. */
static int put_sized(Columns *columns, Node *node, In *in) {
    if (left(in) < 4)
        return fail(columns, "a value is cut off");
    int32_t size = (int32_t)get32(in);
    if (size < 0)
        return put_null(columns, node);
    if (size > left(in))
        return fail(columns, "a value is cut off");
    In value = {in->at, in->at + size};
    in->at += size;
    return put_value(columns, node, value);
}

/* Dimensions, a flag, the type of the elements; length and first index of each dimension; the elements. */
static int put_list(Columns *columns, Node *node, In in) {
    if (left(&in) < 12)
        return fail(columns, "an array is cut off");
    uint32_t dimensions = get32(&in);
    in.at += 8;
    if (dimensions > 6 || left(&in) < 8 * (int64_t)dimensions)
        return fail(columns, "an array is cut off");
    int64_t count = dimensions ? 1 : 0;
    for (uint32_t at = 0; at < dimensions; at++, in.at += 4) {
        count *= (int32_t)get32(&in);
        if (count < 0 || count > left(&in)) /* each takes four bytes at least */
            return fail(columns, "an array is cut off");
    }
    for (; count; count--)
        if (!put_sized(columns, node + 1, &in))
            return 0;
    return put_end(columns, node, (size_t)node[1].count);
}

/* The number of fields; of each its type and what it has. */
static int put_record(Columns *columns, Node *node, In in) {
    Node *end = columns->nodes + node->end;
    int64_t count = 0;
    for (Node *part = node + 1; part < end; part = columns->nodes + part->end)
        count++;
    if (left(&in) < 4 || get32(&in) != count)
        return fail(columns, "a record has other fields than its type");
    for (Node *part = node + 1; part < end; part = columns->nodes + part->end) {
        if (left(&in) < 4)
            return fail(columns, "a record is cut off");
        in.at += 4;
        if (!put_sized(columns, part, &in))
            return 0;
    }
    return 1;
}

static int put_interval(Columns *columns, Node *node, In in) {
    int64_t us = (int64_t)get64(&in);
    uint32_t days = get32(&in), months = get32(&in);
    if (us > INT64_MAX / 1000 || us < INT64_MIN / 1000)
        return fail(columns, "an interval has more hours than fit: at most 2562047");
    us *= 1000;
    return put(columns, &node->data, &months, 4) && put(columns, &node->data, &days, 4) &&
           put(columns, &node->data, &us, 8);
}

/* Date or timestamp, counted from 2000; the least and the highest number are the infinities. */
static inline int put_moment(Columns *columns, Node *node, In in) {
    int is_date = node->kind == 'D';
    int64_t value = is_date ? (int32_t)get32(&in) : (int64_t)get64(&in), epoch = is_date ? DATE_EPOCH : TIME_EPOCH;
    if (value == (is_date ? INT32_MIN : INT64_MIN) || value > (is_date ? INT32_MAX : INT64_MAX) - epoch)
        return fail(columns, is_date ? "a date is infinite" : "a timestamp is infinite, or after the year 294246");
    value += epoch;
    int32_t days = (int32_t)value;
    return is_date ? put(columns, &node->data, &days, 4) : put(columns, &node->data, &value, 8);
}

static inline int put_plain(Columns *columns, Node *node, In in) {
    uint16_t small;
    uint32_t middle;
    uint64_t large;
    switch (node->kind) {
    case '?':
        return put_bit(columns, &node->data, node->count, *in.at != 0);
    case 'h':
        small = get16(&in);
        return put(columns, &node->data, &small, 2);
    case 'i':
    case 'o':
    case 'f': /* the bits of a float are sent like those of an integer */
        middle = get32(&in);
        return put(columns, &node->data, &middle, 4);
    case 'q':
    case 'd':
    case 't':
        large = get64(&in);
        if (node->kind == 't' && large >= DAY)
            return fail(columns, "24:00 is no time elsewhere");
        return put(columns, &node->data, &large, 8);
    case 'D':
    case 'T':
        return put_moment(columns, node, in);
    case 'I':
        return put_interval(columns, node, in);
    default:
        return put(columns, &node->data, in.at, 16); /* a UUID */
    }
}

static int put_value(Columns *columns, Node *node, In in) {
    int good;
    if (!put_bit(columns, &node->valid, node->count, 1))
        return 0;
    if (node->kind == 's' || node->kind == 'j')
        good = put_text(columns, node, in);
    else if (node->kind == 'n')
        good = put_numeric(columns, node, in);
    else if (node->kind == '[')
        good = put_list(columns, node, in);
    else if (node->kind == '(')
        good = put_record(columns, node, in);
    else if (left(&in) != (node->kind == '?' ? 1 : (int64_t)width(node->kind)))
        good = fail(columns, "a value has another length than its type");
    else
        good = put_plain(columns, node, in);
    node->count++;
    return good;
}

/* Whether the next row is there as a whole. */
static int is_whole(In in, Py_ssize_t count) {
    in.at += 2;
    for (; count; count--) {
        if (left(&in) < 4)
            return 0;
        int32_t size = (int32_t)get32(&in);
        if (size > left(&in))
            return 0;
        in.at += size > 0 ? size : 0;
    }
    return 1;
}

/* Take the rows that are there as a whole, up to the mark behind the last. */
static void take_rows(Columns *columns, In *in, Py_ssize_t count) {
    while (left(in) >= 2) {
        In next = *in;
        uint16_t found = get16(&next);
        if (found == UINT16_MAX) {
            *in = next;
            break;
        }
        if (found != count) {
            columns->wrong = "a row has more or fewer columns";
            break;
        }
        if (!is_whole(*in, count))
            break;
        *in = next;
        Node *node = columns->nodes;
        for (columns->column = 0; columns->column < count; columns->column++) {
            if (!put_sized(columns, node, in))
                return;
            node = columns->nodes + node->end;
        }
    }
}

/* Set up a node and those in it; return where the next is described, NULL where the kinds make no sense. */
static const char *described(Columns *columns, const char *kinds) {
    Node *node = &columns->nodes[columns->count++];
    node->kind = *kinds++;
    if (!node->kind || !strchr("?hioqfdDTtIunsj[(", node->kind))
        return NULL;
    if (has_offsets(node->kind) && !put_end(columns, node, 0))
        return NULL;
    if (node->kind == '[')
        kinds = described(columns, kinds);
    if (node->kind == '(') {
        while (kinds && *kinds != ')')
            kinds = described(columns, kinds);
        kinds = kinds ? kinds + 1 : NULL;
    }
    node->end = columns->count;
    return kinds;
}

static PyObject *bytes(const Grown *grown) {
    return PyBytes_FromStringAndSize((const char *)grown->begin, (Py_ssize_t)grown->used);
}

/* Nodes, each as (count, nulls, validity, data, more, nodes in it). */
static PyObject *given(const Columns *columns, const Node *node, const Node *end) {
    PyObject *found = PyList_New(0);
    for (; found && node < end; node = columns->nodes + node->end) {
        PyObject *parts = given(columns, node + 1, columns->nodes + node->end);
        PyObject *valid = node->nulls ? bytes(&node->valid) : Py_NewRef(Py_None);
        PyObject *made =
            Py_BuildValue("nnNNNN", node->count, node->nulls, valid, bytes(&node->data), bytes(&node->more), parts);
        if (!made || PyList_Append(found, made) < 0)
            Py_CLEAR(found);
        Py_XDECREF(made);
    }
    return found;
}

static PyObject *decode(Columns *columns, const char *kinds, const Py_buffer *data) {
    Py_ssize_t count = 0;
    for (; kinds && *kinds; count++)
        kinds = described(columns, kinds);
    if (!kinds) {
        PyErr_SetString(PyExc_ValueError, "no such kind of column");
        return NULL;
    }
    In in = {data->buf, (const uint8_t *)data->buf + data->len};
    Py_BEGIN_ALLOW_THREADS;
    take_rows(columns, &in, count);
    Py_END_ALLOW_THREADS;
    if (columns->wrong) {
        PyObject *error = Py_BuildValue("ns", columns->column, columns->wrong);
        if (error) {
            PyErr_SetObject(PyExc_ValueError, error);
            Py_DECREF(error);
        }
        return NULL;
    }
    PyObject *found = given(columns, columns->nodes, columns->nodes + columns->count);
    return found ? Py_BuildValue("nN", in.at - (const uint8_t *)data->buf, found) : NULL;
}

static PyObject *decoded(PyObject *Py_UNUSED(module), PyObject *arguments) {
    const char *kinds;
    Py_buffer data;
    if (!PyArg_ParseTuple(arguments, "sy*", &kinds, &data))
        return NULL;
    Columns columns = {PyMem_Calloc(strlen(kinds) + 1, sizeof(Node)), 0, NULL, 0};
    PyObject *found = columns.nodes ? decode(&columns, kinds, &data) : PyErr_NoMemory();
    for (Node *node = columns.nodes; node && node < columns.nodes + columns.count; node++) {
        PyMem_RawFree(node->valid.begin);
        PyMem_RawFree(node->data.begin);
        PyMem_RawFree(node->more.begin);
    }
    PyMem_Free(columns.nodes);
    PyBuffer_Release(&data);
    return found;
}

/* Append a message of COPY; 0 with an error of Python's where there is no memory. */
static int append(PyObject *into, const void *message, Py_ssize_t size) {
    Py_ssize_t used = PyByteArray_GET_SIZE(into);
    if (PyByteArray_Resize(into, used + size) < 0)
        return 0;
    memcpy(PyByteArray_AS_STRING(into) + used, message, (size_t)size);
    return 1;
}

static PyObject *gathered(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *connection, *get_at, *free_at, *into;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(arguments, "OOOO!n", &connection, &get_at, &free_at, &PyByteArray_Type, &into, &limit))
        return NULL;
    void *line = PyLong_AsVoidPtr(connection);
    int (*get)(void *, char **, int) = (int (*)(void *, char **, int))PyLong_AsVoidPtr(get_at);
    void (*give_back)(void *) = (void (*)(void *))PyLong_AsVoidPtr(free_at);
    if (PyErr_Occurred())
        return NULL;
    if (!line || !get || !give_back) {
        PyErr_SetString(PyExc_ValueError, "no address");
        return NULL;
    }
    int size = 1, good = 1;
    while (size > 0 && good && PyByteArray_GET_SIZE(into) < limit) {
        char *message = NULL;
        size = get(line, &message, 1);
        if (size > 0) {
            good = append(into, message, size);
            give_back(message);
        }
    }
    return good ? PyLong_FromLong(size) : NULL;
}

static PyMethodDef METHODS[] = {
    {"gathered", gathered, METH_VARARGS,
     "gathered(connection, get, give_back, into, limit)\n--\n\nAppend messages that have come; return what was last."},
    {"decoded", decoded, METH_VARARGS,
     "decoded(kinds, data)\n--\n\nReturn how many bytes the whole rows take, and their columns."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, .m_name = "_read",
                                    .m_doc = "Arrow's buffers out of rows in COPY's binary form.", .m_size = 0,
                                    .m_methods = METHODS};

PyMODINIT_FUNC PyInit__read(void) { return PyModule_Create(&MODULE); }
