/* The image of a SQLite database with the rows of Arrow columns, out of their buffers.
 *
 * SQLite reads such an image as if it were a file, and copies its rows into a table by one statement. That takes a
 * fraction of the time of values that are bound one by one, and Python's lock is free meanwhile.
 *
 * The format is that of https://www.sqlite.org/fileformat2.html. The first page, which names the table, is SQLite's
 * own. Here the others are made: leaves with rows, and above them, if they are several, one page that tells which
 * rows are on which leaf. What doesn't fit in one page, a row or what is above the leaves, makes no image.
 */
#include "../schema/_column.h"

enum { PAGE = 65536, MOST_BYTES = PAGE - 35, LEAF = 13, INNER = 5, LEAF_HEAD = 8, INNER_HEAD = 12 };
enum { MADE, TOO_LONG, OUTSIDE, NO_MEMORY };

/* Kinds are struct's: b h i q d; s and S for text, y and Y for bytes. */

/* A value of a row: SQLite's number for its kind and size, and its bytes or, of a number, the bits. */
typedef struct {
    uint32_t kind, size;
    uint64_t bits;
    const uint8_t *bytes;
} Value;

typedef struct {
    Column *columns;
    Value *row;
    const uint8_t *parts; /* for each value of a row, how many columns make it: the first that isn't null */
    Py_ssize_t count, width, rows;
    uint8_t *pages;
    size_t used, room; /* of pages */
} Image;

static uint32_t part_size(uint64_t value) {
    uint32_t size = 1;
    while (value >>= 7)
        size++;
    return size;
}

/* Seven bits a byte, the highest first; all but the last have the eighth set. */
static uint8_t *put_parts(uint8_t *at, uint64_t value) {
    uint32_t size = part_size(value);
    for (uint32_t n = size; n-- > 0; value >>= 7)
        at[n] = (uint8_t)((value & 127) | (n + 1 < size ? 128 : 0));
    return at + size;
}

static void put(uint8_t *at, uint64_t value, uint32_t size) {
    for (uint32_t n = size; n-- > 0; value >>= 8)
        at[n] = (uint8_t)value;
}

static void whole(int64_t number, Value *value) {
    static const uint8_t SIZES[] = {0, 1, 2, 3, 4, 6, 8};
    if (number == 0 || number == 1) {
        value->kind = number ? 9 : 8, value->size = 0;
        return;
    }
    uint64_t most = (uint64_t)(number < 0 ? ~number : number);
    uint32_t kind = 1;
    while (kind < 6 && most >> (8 * SIZES[kind] - 1))
        kind++;
    value->kind = kind, value->size = SIZES[kind], value->bits = (uint64_t)number;
}

static int text(const Column *column, int64_t begin, int64_t end, Value *value) {
    if (begin < 0 || end < begin || end > column->more.len)
        return OUTSIDE;
    if (end - begin > MOST_BYTES)
        return TOO_LONG;
    value->size = (uint32_t)(end - begin);
    value->kind = 2 * value->size + (column->kind == 's' || column->kind == 'S' ? 13 : 12);
    value->bytes = (const uint8_t *)column->more.buf + begin;
    return MADE;
}

static int look(const Column *column, Py_ssize_t row, Value *value) {
    Py_ssize_t at = column->offset + row;
    const void *data = column->data.buf;
    value->kind = value->size = 0;
    if (is_null(column, at))
        return MADE;
    switch (column->kind) {
    case 'b':
        whole(((const int8_t *)data)[at], value);
        return MADE;
    case 'h':
        whole(((const int16_t *)data)[at], value);
        return MADE;
    case 'i':
        whole(((const int32_t *)data)[at], value);
        return MADE;
    case 'q':
        whole(((const int64_t *)data)[at], value);
        return MADE;
    case 'd': {
        double number = ((const double *)data)[at];
        if (number == number) { /* SQLite has no NaN: it is null */
            value->kind = 7, value->size = 8;
            memcpy(&value->bits, &number, 8);
        }
        return MADE;
    }
    case 's':
    case 'y':
        return text(column, ((const int32_t *)data)[at], ((const int32_t *)data)[at + 1], value);
    default:
        return text(column, ((const int64_t *)data)[at], ((const int64_t *)data)[at + 1], value);
    }
}

/* Have room for one more page, and return it, empty. */
static uint8_t *added(Image *image, uint8_t kind) {
    if (image->used == image->room) {
        size_t room = image->room ? 2 * image->room : 32;
        uint8_t *pages = PyMem_RawRealloc(image->pages, room * PAGE);
        if (!pages)
            return NULL;
        image->pages = pages;
        image->room = room;
    }
    uint8_t *page = image->pages + image->used++ * PAGE;
    memset(page, 0, PAGE);
    page[0] = kind;
    return page;
}

/* Tell how much is on a page, and where it begins; 0 stands for the page's end. */
static void ended(uint8_t *page, uint32_t cells, uint32_t begin) {
    put(page + 3, cells, 2);
    put(page + 5, begin, 2);
}

static void put_row(const Image *image, uint8_t *at, uint32_t head, uint32_t size, uint64_t number) {
    at = put_parts(put_parts(at, size), number);
    uint8_t *kind = put_parts(at, head), *bytes = at + head;
    for (Py_ssize_t place = 0; place < image->width; place++) {
        const Value *value = &image->row[place];
        kind = put_parts(kind, value->kind);
        if (value->kind < 12)
            put(bytes, value->bits, value->size);
        else
            memcpy(bytes, value->bytes, value->size);
        bytes += value->size;
    }
}

/* Look at the values of a row; tell how long it is. */
static int measured(const Image *image, Py_ssize_t row, uint32_t *head, uint64_t *size) {
    const Column *column = image->columns;
    uint32_t kinds = 0;
    uint64_t bytes = 0;
    for (Py_ssize_t place = 0; place < image->width; place++) {
        Value *value = &image->row[place];
        value->kind = 0;
        for (uint8_t part = 0; part < image->parts[place]; part++, column++) {
            if (value->kind)
                continue;
            int came = look(column, row, value);
            if (came != MADE)
                return came;
        }
        kinds += part_size(value->kind);
        bytes += value->size;
    }
    *head = kinds + 1; /* its own size is in it */
    while (*head < kinds + part_size(*head))
        ++*head;
    *size = *head + bytes;
    return *size > MOST_BYTES ? TOO_LONG : MADE;
}

/* Tell on the second page which rows are on the last leaf: those up to one; `above` others are told already. */
static int told(Image *image, uint32_t above, uint32_t *begin, uint64_t last) {
    uint8_t *inner = image->pages + PAGE;
    uint32_t size = 4 + part_size(last);
    if (INNER_HEAD + 2 * (above + 1) + size > *begin)
        return TOO_LONG;
    *begin -= size;
    put(inner + *begin, image->used, 4);
    put_parts(inner + *begin + 4, last);
    put(inner + INNER_HEAD + 2 * above, *begin, 2);
    return MADE;
}

static void finished(Image *image, uint32_t above, uint32_t begin) {
    uint8_t *inner = image->pages + PAGE;
    ended(inner, above, begin);
    put(inner + 8, image->used, 4);
    if (above == 0) { /* nothing to tell: the leaf is all there is */
        memcpy(inner, inner + PAGE, PAGE);
        image->used--;
    }
    put(image->pages + 28, image->used, 4);
}

/* Put rows on leaves, from the third page on. Python's lock isn't needed. */
static int filled(Image *image) {
    uint32_t cells = 0, begin = PAGE, above = 0, inner_begin = PAGE;
    uint8_t *leaf = added(image, LEAF);
    for (Py_ssize_t row = 0; leaf && row < image->rows; row++) {
        uint32_t head;
        uint64_t size, number = (uint64_t)row + 1;
        int came = measured(image, row, &head, &size);
        if (came != MADE)
            return came;
        uint32_t cell = (uint32_t)size + part_size(size) + part_size(number);
        if (LEAF_HEAD + 2 * (cells + 1) + cell > begin) {
            ended(leaf, cells, begin);
            came = told(image, above++, &inner_begin, number - 1);
            if (came != MADE)
                return came;
            if (!(leaf = added(image, LEAF)))
                break;
            cells = 0, begin = PAGE;
        }
        begin -= cell;
        put_row(image, leaf + begin, head, (uint32_t)size, number);
        put(leaf + LEAF_HEAD + 2 * cells++, begin, 2);
    }
    if (!leaf)
        return NO_MEMORY;
    ended(leaf, cells, begin);
    finished(image, above, inner_begin);
    return MADE;
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

/* Take a column: (kind, offset, validity, data, more). */
static int take(PyObject *given, Column *column, Py_ssize_t rows) {
    int kind;
    PyObject *valid, *data, *more;
    if (!PyArg_ParseTuple(given, "CnOOO", &kind, &column->offset, &valid, &data, &more))
        return -1;
    if (kind > 127 || !kind || !strchr("bhiqdsSyY", kind) || column->offset < 0) {
        PyErr_SetString(PyExc_ValueError, "no such kind of column");
        return -1;
    }
    column->kind = (char)kind;
    Py_ssize_t end = column->offset + rows;
    int texts = strchr("sSyY", kind) != NULL;
    if (valid != Py_None && borrow(valid, &column->valid, (end + 7) / 8) < 0)
        return -1;
    if (borrow(data, &column->data, (end + texts) * width(column->kind)) < 0)
        return -1;
    return texts ? borrow(more, &column->more, 0) : 0;
}

static int take_all(Image *image, PyObject *columns, PyObject *parts) {
    Py_ssize_t due = 0;
    image->width = PyBytes_GET_SIZE(parts);
    image->parts = (const uint8_t *)PyBytes_AS_STRING(parts);
    for (Py_ssize_t place = 0; place < image->width; place++)
        due += image->parts[place];
    if (image->rows < 1 || due < 1 || due != PyList_GET_SIZE(columns)) {
        PyErr_SetString(PyExc_ValueError, "rows of at least one column, each value made of some of them");
        return -1;
    }
    image->columns = PyMem_Calloc(due, sizeof(Column));
    image->row = PyMem_Calloc(image->width, sizeof(Value));
    if (!image->columns || !image->row) {
        PyErr_NoMemory();
        return -1;
    }
    while (image->count < due) {
        Column *column = &image->columns[image->count];
        if (take(PyList_GET_ITEM(columns, image->count++), column, image->rows) < 0)
            return -1;
    }
    return 0;
}

static PyObject *made(Image *image, const char *first) {
    int came = NO_MEMORY;
    uint8_t *head = added(image, 0);
    if (head && added(image, INNER)) {
        Py_BEGIN_ALLOW_THREADS;
        memcpy(image->pages, first, PAGE);
        came = filled(image);
        Py_END_ALLOW_THREADS;
    }
    switch (came) {
    case MADE:
        return PyBytes_FromStringAndSize((const char *)image->pages, (Py_ssize_t)(image->used * PAGE));
    case TOO_LONG:
        return Py_NewRef(Py_None);
    case OUTSIDE:
        PyErr_SetString(PyExc_ValueError, "text lies outside of its buffer");
        return NULL;
    default:
        return PyErr_NoMemory();
    }
}

static PyObject *image(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *first, *columns, *parts, *result = NULL;
    Image image = {0};
    if (!PyArg_ParseTuple(arguments, "SO!Sn", &first, &PyList_Type, &columns, &parts, &image.rows))
        return NULL;
    if (PyBytes_GET_SIZE(first) != PAGE)
        PyErr_SetString(PyExc_ValueError, "the first page has another size");
    else if (take_all(&image, columns, parts) == 0)
        result = made(&image, PyBytes_AS_STRING(first));
    give_back(image.columns, image.count);
    PyMem_Free(image.columns);
    PyMem_Free(image.row);
    PyMem_RawFree(image.pages);
    return result;
}

static PyMethodDef METHODS[] = {
    {"image", image, METH_VARARGS,
     "image(first, columns, parts, rows)\n--\n\nReturn a database of one table; None where rows are too long."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, .m_name = "_image",
                                    .m_doc = "A SQLite database out of Arrow's buffers.", .m_size = -1,
                                    .m_methods = METHODS};

PyMODINIT_FUNC PyInit__image(void) { return PyModule_Create(&MODULE); }
