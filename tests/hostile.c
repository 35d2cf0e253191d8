/* Ways to call wrongly, one a row, with the status that is expected; not a byte of any argument may
 * change. Every array stands for itself and ends where memory does that may be read, and in a second
 * round it begins there. Each row is tried on the losses that it names, in float and in double. */
#if defined(__unix__) || defined(__APPLE__)
#define HAVE_MMAP       1
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, also with -std=c99 */
#define _DARWIN_C_SOURCE
#else
#define HAVE_MMAP 0
#endif
#include <stdio.h>
#include "../losses.h"
#include "check.h"

#if !HAVE_MMAP
void test_hostile(void) { printf("skipped: hostile: no mmap on this system\n"); }
#else
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(LOSSES_NO_REFERENCE) && !defined(LOSSES_NO_DOUBLE)
#define HAVE_REFERENCE 1
#else
#define HAVE_REFERENCE 0
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef enum kind {
    LOG_SOFTMAX,
    LOG_SOFTMAX_GRADIENT,
    NLL,
    CROSS_ENTROPY,
    FOCAL,
    BINARY,
    SIGMOID_FOCAL,
    DICE,
    KINDS
} kind;
static const char *const kind_names[] = {
    "log_softmax", "log_softmax_gradient", "nll",           "cross_entropy",
    "focal",       "binary_cross_entropy", "sigmoid_focal", "dice"};

/* Sets of them */
enum {
    A = 1 << LOG_SOFTMAX,
    G = 1 << LOG_SOFTMAX_GRADIENT,
    N = 1 << NLL,
    C = 1 << CROSS_ENTROPY,
    F = 1 << FOCAL,
    B = 1 << BINARY,
    S = 1 << SIGMOID_FOCAL,
    D = 1 << DICE,
    SOFTMAX = N | C | F,
    MASKS = B | S | D,
    LOSSES = SOFTMAX | MASKS,
    SOFT = C | MASKS,
    ALL = A | G | LOSSES
};

/* What a call is given. The log-softmax calls write to GRAD; the gradient has its upstream as TARGETS. */
typedef enum array {
    LOSS,
    GRAD,
    LSE,
    REPORT,
    LOGITS,
    TARGETS,
    CLASS_WEIGHT,
    POSITIVE_WEIGHT,
    CLASS_ALPHA,
    UPSTREAM,
    OPTIONS,
    ARRAYS
} array;
static const char *const array_names[] = {
    "loss",        "grad",     "log_sum_exp",  "report",
    "logits",      "targets",  "class_weight", "positive_weight",
    "class_alpha", "upstream", "options"};

typedef enum target_type { U8 = 1, I32, I64, F32 } target_type;

/* How a row differs from a call that is right. n, x and shape are what it sets. */
typedef enum change {
    NOTHING,
    WITHOUT, /* the pointer to a is NULL */
    ANYWAY,  /* a is given to a loss that does not know it */
    SHAPE,
    TARGET, /* number a of the targets is n */
    EVERY_TARGET,
    TYPE,
    WEIGHT, /* element b of a is x */
    OVER,   /* a begins n bytes behind the beginning of b */
    UP_TO,  /* a ends n bytes behind the beginning of b */
    REDUCTION,
    NO_ONE, /* the same, and the shape is that of an empty batch */
    DENOMINATOR,
    IGNORE,     /* has_ignore_index is n */
    INDEX,      /* ignore_index is n, has_ignore_index not set */
    INDEX_TOO,  /* ignore_index is n, has_ignore_index set */
    NAN_IF,     /* nan_if_empty */
    ACCUMULATE, /* and NOT_IN_PLACE: grad is logits */
    NOT_IN_PLACE,
    SMOOTHING,
    Z_LOSS,
    ALPHA,
    SCALE,
    EPS,
    SCALE_AND_EPS,
    GAMMA
} change;

typedef struct row {
    const char *what;
    int kinds;
    target_type type;
    losses_status status;
    change change;
    int a, b;
    int64_t n;
    double x;
    losses_shape shape;
} row;

#define NO_SHAPE \
    { \
        0, 0, 0, 0, 0 \
    }
#define POINTER(what, kinds, a) \
    { \
        what, kinds, I32, LOSSES_BAD_POINTER, WITHOUT, a, 0, 0, 0, NO_SHAPE \
    }
#define SHAPED(what, status, n, c, m, s, k) \
    { \
        what, ALL, I32, status, SHAPE, 0, 0, 0, 0, { n, c, m, s, k } \
    }
#define TARGETED(what, kinds, type, i, n) \
    { \
        what, kinds, type, LOSSES_BAD_TARGET, TARGET, i, 0, n, 0, NO_SHAPE \
    }
#define TYPED(what, kinds, n) \
    { \
        what, kinds, I32, LOSSES_BAD_TARGET, TYPE, 0, 0, n, 0, NO_SHAPE \
    }
#define OPTION(what, kinds, change, n, x) \
    { \
        what, kinds, I32, LOSSES_BAD_OPTION, change, 0, 0, n, x, NO_SHAPE \
    }
#define FOREIGN(what, kinds, a) \
    { \
        what, kinds, I32, LOSSES_BAD_OPTION, ANYWAY, a, 0, 0, 0, NO_SHAPE \
    }
#define WEIGHED(what, kinds, a, i, x) \
    { \
        what, kinds, I32, LOSSES_BAD_OPTION, WEIGHT, a, i, 0, x, NO_SHAPE \
    }
#define LAID(what, kinds, change, a, b, n) \
    { \
        what, kinds, I32, LOSSES_BAD_OVERLAP, change, a, b, n, 0, NO_SHAPE \
    }
#define RIGHT(what, kinds, change, a, n, x, shape) \
    { \
        what, kinds, I32, LOSSES_OK, change, a, 0, n, x, shape \
    }

/* --- memory ----------------------------------------------------------------------------------- */

enum { SAMPLES = 2, CLASSES = 4, POSITIONS = 3, CLASS_STRIDE = 5, SAMPLE_STRIDE = 21, EXTENT = 39 };
enum { ROOM = 1024 }; /* bytes of the largest array, at most a page */

static size_t page;
static unsigned char *memory[ARRAYS]; /* a page each, with none that may be read on either side */
static unsigned char before[ARRAYS][ROOM];

static struct call {
    kind kind;
    int in_double, at_end;
    target_type type;
    losses_shape shape;
    double gamma;
    losses_options options; /* the pointers come from place */
    unsigned char *home[ARRAYS], *place[ARRAYS];
    size_t bytes[ARRAYS];
} at;

static int map_memory(void)
{
    unsigned char *next;
    int a, held = 1;
    if (memory[0] != NULL) return 1;
    page = (size_t)sysconf(_SC_PAGESIZE);
    next = (unsigned char *)mmap(NULL, (2 * ARRAYS + 1) * page, PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED) return 0;
    for (a = 0, next += page; a < ARRAYS; a++, next += 2 * page) {
        memory[a] = next;
        held &= mprotect(next, page, PROT_READ | PROT_WRITE) == 0;
    }
    return held;
}

static int is_plain(void) { return at.kind <= LOG_SOFTMAX_GRADIENT; }

static size_t labels(void) { return SAMPLES * POSITIONS * (at.kind <= FOCAL ? 1 : CLASSES); }

static size_t losses_of_call(void)
{
    return at.options.reduction != LOSSES_NONE ? 1 : at.kind == DICE ? SAMPLES * CLASSES : labels();
}

static int knows(array a)
{
    switch (a) {
    case GRAD:
    case LOGITS:
        return 1;
    case TARGETS:
        return at.kind != LOG_SOFTMAX;
    case LSE:
        return at.kind == CROSS_ENTROPY || at.kind == FOCAL;
    case CLASS_WEIGHT:
        return at.kind == NLL || at.kind == CROSS_ENTROPY || at.kind == BINARY;
    case POSITIVE_WEIGHT:
        return at.kind == BINARY;
    case CLASS_ALPHA:
        return at.kind == FOCAL;
    default:
        return !is_plain();
    }
}

static void put(array a, size_t i, double value, int in_double)
{
    const float single = (float)value;
    if (in_double)
        memcpy(at.home[a] + i * sizeof value, &value, sizeof value);
    else
        memcpy(at.home[a] + i * sizeof single, &single, sizeof single);
}

static void put_label(size_t i, int64_t value)
{
    const int32_t i32 = (int32_t)value;
    if (at.type == U8) at.home[TARGETS][i] = (uint8_t)value;
    if (at.type == I32) memcpy(at.home[TARGETS] + i * sizeof i32, &i32, sizeof i32);
    if (at.type == I64) memcpy(at.home[TARGETS] + i * sizeof value, &value, sizeof value);
}

static void set_home(array a, size_t bytes)
{
    at.bytes[a] = bytes;
    at.home[a] = at.at_end ? memory[a] + page - bytes : memory[a];
    memset(memory[a], 0xA5, page);
    at.place[a] = knows(a) ? at.home[a] : NULL;
}

/* A call that is right, with everything that the loss knows. */
static void set_up(kind k, int in_double, target_type type, losses_reduction reduction, int at_end)
{
    static const struct call none;
    static const size_t label_bytes[] = {0, 1, 4, 8, 4};
    const size_t real = in_double ? sizeof(double) : sizeof(float);
    size_t i;
    int a;
    at = none;
    at.kind = k;
    at.in_double = in_double;
    at.at_end = at_end;
    at.type = k == LOG_SOFTMAX_GRADIENT ? F32 : type;
    at.shape = losses_images(SAMPLES, CLASSES, POSITIONS);
    at.shape.class_stride = CLASS_STRIDE;
    at.shape.sample_stride = SAMPLE_STRIDE;
    at.gamma = k == FOCAL || k == SIGMOID_FOCAL ? 2 : 0;
    at.options.reduction = reduction;
    set_home(LOSS, losses_of_call() * real);
    set_home(GRAD, EXTENT * real);
    set_home(LSE, SAMPLES * POSITIONS * sizeof(float));
    set_home(REPORT, sizeof(losses_report));
    set_home(LOGITS, EXTENT * real);
    set_home(TARGETS, k == LOG_SOFTMAX_GRADIENT ? EXTENT * real
                      : type == F32             ? EXTENT * sizeof(float)
                                                : labels() * label_bytes[type]);
    for (a = CLASS_WEIGHT; a <= CLASS_ALPHA; a++) set_home((array)a, CLASSES * sizeof(float));
    set_home(UPSTREAM, losses_of_call() * sizeof(float));
    set_home(OPTIONS, sizeof(losses_options));
    for (i = 0; i < EXTENT; i++) put(LOGITS, i, (double)(i * 5 % 7) - 8, in_double);
    for (i = 0; i < EXTENT && at.type == F32; i++)
        put(TARGETS, i, 0.25, k == LOG_SOFTMAX_GRADIENT && in_double);
    for (i = 0; i < labels() && at.type != F32; i++)
        put_label(i, (int64_t)i * 3 % (k <= FOCAL ? CLASSES : 2));
    for (a = CLASS_WEIGHT; a <= CLASS_ALPHA; a++)
        for (i = 0; i < CLASSES; i++) put((array)a, i, 1, 0);
    for (i = 0; i < losses_of_call(); i++) put(UPSTREAM, i, 1, 0);
}

/* --- a row ------------------------------------------------------------------------------------ */

/* Which bytes of an array there are, is a question of the shape that is right. */
static void apply(const row *r)
{
    losses_options *const o = &at.options;
    const float x = r->change == DENOMINATOR || r->change == GAMMA ? 0 : (float)r->x;
    const array a = (array)r->a, b = (array)r->b;
    size_t i;
    switch (r->change) {
    case NOTHING:
        break;
    case WITHOUT:
        at.place[a] = NULL;
        break;
    case ANYWAY:
        at.place[a] = at.home[a];
        break;
    case SHAPE:
        at.shape = r->shape;
        break;
    case TARGET:
        put_label((size_t)r->a, r->n);
        break;
    case EVERY_TARGET:
        for (i = 0; i < labels(); i++) put_label(i, r->n);
        break;
    case TYPE:
        at.type = (target_type)r->n;
        break;
    case WEIGHT:
        put(a, (size_t)r->b, r->x, 0);
        break;
    case OVER:
        at.place[a] = at.home[b] + r->n;
        break;
    case UP_TO:
        at.place[a] = at.home[b] + r->n - at.bytes[a];
        break;
    case NO_ONE: /* arrays without an element, where nothing can be read */
        at.shape = r->shape;
        at.place[LOGITS] = memory[LOGITS] + page;
        at.place[TARGETS] = memory[TARGETS] + page;
        at.place[GRAD] = memory[GRAD] + page;
        if (r->n == LOSSES_NONE) at.place[UPSTREAM] = memory[UPSTREAM] + page;
        /* fall through */
    case REDUCTION:
        o->reduction = (losses_reduction)r->n;
        break;
    case DENOMINATOR:
        o->reduction = (losses_reduction)r->n;
        o->denominator = (losses_wide)r->x;
        break;
    case IGNORE:
        o->has_ignore_index = (int)r->n;
        break;
    case INDEX:
        o->ignore_index = r->n;
        break;
    case INDEX_TOO:
        o->ignore_index = r->n;
        o->has_ignore_index = 1;
        break;
    case NAN_IF:
        o->nan_if_empty = (int)r->n;
        break;
    case NOT_IN_PLACE:
        at.place[GRAD] = at.home[LOGITS];
        o->accumulate = (int)r->n;
        break;
    case ACCUMULATE:
        o->accumulate = (int)r->n;
        break;
    case SMOOTHING:
        o->label_smoothing = x;
        break;
    case Z_LOSS:
        o->z_loss = x;
        break;
    case ALPHA:
        o->alpha = x;
        break;
    case SCALE_AND_EPS:
        o->eps = x;
        /* fall through */
    case SCALE:
        o->scale = x;
        break;
    case EPS:
        o->eps = x;
        break;
    case GAMMA:
        at.gamma = r->x;
        break;
    }
}

static losses_targets targets(void)
{
    losses_targets t = losses_u8(at.place[TARGETS]);
    t.type = (int)at.type;
    return t;
}

#define DEFINE_CALL(real, prefix) \
    static losses_status call_##real(const losses_options *o) \
    { \
        real *loss = (real *)(void *)at.place[LOSS], *grad = (real *)(void *)at.place[GRAD]; \
        const real *x = (const real *)(void *)at.place[LOGITS]; \
        switch (at.kind) { \
        case LOG_SOFTMAX: \
            return prefix##log_softmax(grad, x, at.shape); \
        case LOG_SOFTMAX_GRADIENT: \
            return prefix##log_softmax_gradient(grad, (const real *)(void *)at.place[TARGETS], x, \
                                                at.shape); \
        case NLL: \
            return prefix##nll(loss, grad, x, targets(), at.shape, o); \
        case CROSS_ENTROPY: \
            return prefix##cross_entropy(loss, grad, x, targets(), at.shape, o); \
        case FOCAL: \
            return prefix##focal(loss, grad, x, targets(), at.shape, (real)at.gamma, o); \
        case BINARY: \
            return prefix##binary_cross_entropy(loss, grad, x, targets(), at.shape, o); \
        case SIGMOID_FOCAL: \
            return prefix##sigmoid_focal(loss, grad, x, targets(), at.shape, (real)at.gamma, o); \
        default: \
            return prefix##dice(loss, grad, x, targets(), at.shape, o); \
        } \
    }

DEFINE_CALL(float, losses_)
#if HAVE_REFERENCE
DEFINE_CALL(double, losses_reference_)
#endif

static losses_status call(void)
{
    const losses_options *o = (const losses_options *)(void *)at.place[OPTIONS];
#if HAVE_REFERENCE
    if (at.in_double) return call_double(o);
#endif
    return call_float(o);
}

static void put_options(void)
{
    losses_options o = at.options;
    o.class_weight = (const float *)(void *)at.place[CLASS_WEIGHT];
    o.positive_weight = (const float *)(void *)at.place[POSITIVE_WEIGHT];
    o.class_alpha = (const float *)(void *)at.place[CLASS_ALPHA];
    o.upstream = (const float *)(void *)at.place[UPSTREAM];
    o.log_sum_exp = (float *)(void *)at.place[LSE];
    o.report = (losses_report *)(void *)at.place[REPORT];
    memcpy(at.home[OPTIONS], &o, sizeof o);
}

/* Outputs of a call that is right may change, but nothing of an empty one that is laid out like logits. */
static int may_change(const row *r, array a)
{
    if (r->status == LOSSES_BAD_TARGET && r->change == TARGET && a == REPORT) return 1;
    if (r->status != LOSSES_OK) return 0;
    if (a == LOSS || a == REPORT) return 1;
    return (a == GRAD || a == LSE) && r->change != SHAPE && r->change != NO_ONE;
}

static void try_row(const row *r, kind k, int in_double, losses_reduction reduction, int at_end)
{
    const size_t bad = offsetof(losses_report, bad_position);
    size_t index, i;
    int a;
    set_up(k, in_double, r->type, reduction, at_end);
    apply(r);
    put_options();
    for (a = 0; a < ARRAYS; a++) memcpy(before[a], at.home[a], at.bytes[a]);
    check_case("%s%s, reduction %d: %s", in_double ? "reference_" : "", kind_names[k],
               (int)reduction, r->what);
    CHECK_STATUS(call(), r->status);
    for (a = 0; a < ARRAYS; a++) {
        if (may_change(r, (array)a)) continue;
        check_case("%s%s, reduction %d: %s: %s untouched", in_double ? "reference_" : "",
                   kind_names[k], (int)reduction, r->what, array_names[a]);
        CHECK(memcmp(before[a], at.home[a], at.bytes[a]) == 0);
    }
    for (a = 0; a < ARRAYS; a++) { /* the rest of its page */
        const size_t rest = page - at.bytes[a];
        const unsigned char *p = at.at_end ? memory[a] : memory[a] + at.bytes[a];
        for (i = 0; i < rest && p[i] == 0xA5; i++) continue;
        check_case("%s%s: %s: beside %s", in_double ? "reference_" : "", kind_names[k], r->what,
                   array_names[a]);
        CHECK(i == rest);
    }
    if (r->status != LOSSES_BAD_TARGET || r->change != TARGET) return;
    memcpy(&index, at.home[REPORT] + bad, sizeof index);
    CHECK(index == (size_t)r->a);
    CHECK(memcmp(before[REPORT], at.home[REPORT], bad) == 0);
}

static void try_everywhere(const row *r)
{
    const int reference = HAVE_REFERENCE && check_on_best_set();
    int k, in_double, reduction, at_end;
    if (check_finite && (isnan(r->x) || isinf(r->x))) return;
    for (k = 0; k < KINDS; k++) {
        if (!(r->kinds >> k & 1)) continue;
        for (in_double = 0; in_double <= reference; in_double++)
            for (reduction = 0; reduction < (k <= LOG_SOFTMAX_GRADIENT ? 1 : 3); reduction++)
                for (at_end = 0; at_end < 2; at_end++)
                    try_row(r, (kind)k, in_double, (losses_reduction)reduction, at_end);
    }
}

/* --- the table -------------------------------------------------------------------------------- */

static void wrong_calls(void)
{
    const size_t most = SIZE_MAX, half = (size_t)1 << (sizeof(size_t) * CHAR_BIT / 2);
    const double no_number = (double)NAN, inf = (double)INFINITY;
    const losses_shape no_samples = {0, 4, 3, 0, 0}, no_positions = {2, 4, 0, 0, 0};
    const losses_shape base = {SAMPLES, CLASSES, POSITIONS, SAMPLE_STRIDE, CLASS_STRIDE};
    const row rows[] = {
        /* pointers */
        POINTER("no logits", ALL, LOGITS),
        POINTER("no targets", G | LOSSES, TARGETS),
        POINTER("no output", A | G, GRAD),
        /* no classes */
        SHAPED("no classes", LOSSES_BAD_SHAPE, 2, 0, 3, 0, 0),
        SHAPED("no classes, no samples", LOSSES_BAD_SHAPE, 0, 0, 3, 0, 0),
        SHAPED("no classes, no positions", LOSSES_BAD_SHAPE, 2, 0, 0, 0, 0),
        SHAPED("no classes, nothing", LOSSES_BAD_SHAPE, 0, 0, 0, 0, 0),
        SHAPED("no classes, strides", LOSSES_BAD_SHAPE, 2, 0, 3, 21, 5),
        /* strides that overlap */
        SHAPED("classes overlap by one", LOSSES_BAD_SHAPE, 2, 4, 3, 21, 2),
        SHAPED("classes overlap by all but one", LOSSES_BAD_SHAPE, 2, 4, 3, 21, 1),
        SHAPED("classes overlap, one sample", LOSSES_BAD_SHAPE, 1, 4, 3, 0, 2),
        SHAPED("classes overlap, two of them", LOSSES_BAD_SHAPE, 1, 2, 3, 0, 2),
        SHAPED("samples overlap by one", LOSSES_BAD_SHAPE, 2, 4, 3, 17, 5),
        SHAPED("samples overlap by one, packed classes", LOSSES_BAD_SHAPE, 2, 4, 3, 11, 0),
        SHAPED("samples overlap by one, three", LOSSES_BAD_SHAPE, 3, 4, 1, 3, 0),
        SHAPED("samples overlap, one class", LOSSES_BAD_SHAPE, 2, 1, 3, 2, 0),
        SHAPED("samples one apart", LOSSES_BAD_SHAPE, 2, 4, 3, 1, 0),
        SHAPED("columns overlap", LOSSES_BAD_SHAPE, 4, 3, 1, 1, 3),
        SHAPED("columns overlap by one of a run", LOSSES_BAD_SHAPE, 2, 3, 3, 3, 5),
        SHAPED("columns of runs that overlap", LOSSES_BAD_SHAPE, 2, 3, 3, 2, 6),
        SHAPED("both strides alike", LOSSES_BAD_SHAPE, 2, 4, 3, 5, 5),
        /* more bytes than size_t counts */
        SHAPED("SIZE_MAX samples", LOSSES_BAD_SHAPE, most, 4, 3, 0, 0),
        SHAPED("SIZE_MAX classes", LOSSES_BAD_SHAPE, 2, most, 3, 0, 0),
        SHAPED("SIZE_MAX positions", LOSSES_BAD_SHAPE, 2, 4, most, 0, 0),
        SHAPED("SIZE_MAX samples alone", LOSSES_BAD_SHAPE, most, 1, 1, 0, 0),
        SHAPED("SIZE_MAX classes alone", LOSSES_BAD_SHAPE, 1, most, 1, 0, 0),
        SHAPED("SIZE_MAX positions alone", LOSSES_BAD_SHAPE, 1, 1, most, 0, 0),
        SHAPED("SIZE_MAX of all", LOSSES_BAD_SHAPE, most, most, most, 0, 0),
        SHAPED("SIZE_MAX of all five", LOSSES_BAD_SHAPE, most, most, most, most, most),
        SHAPED("SIZE_MAX / 2 + 1 samples", LOSSES_BAD_SHAPE, most / 2 + 1, 2, 1, 0, 0),
        SHAPED("SIZE_MAX / 4 + 1 samples", LOSSES_BAD_SHAPE, most / 4 + 1, 1, 1, 0, 0),
        SHAPED("SIZE_MAX / 8 + 1 samples", LOSSES_BAD_SHAPE, most / 8 + 1, 1, 1, 0, 0),
        SHAPED("SIZE_MAX / 8 + 1 positions", LOSSES_BAD_SHAPE, 1, 1, most / 8 + 1, 0, 0),
        SHAPED("SIZE_MAX / 8 + 1 classes", LOSSES_BAD_SHAPE, 1, most / 8 + 1, 1, 0, 0),
        SHAPED("SIZE_MAX / 8 + 1 classes of nothing", LOSSES_BAD_SHAPE, 0, most / 8 + 1, 1, 0, 0),
        SHAPED("samples x classes wraps to 0", LOSSES_BAD_SHAPE, half, half, 1, 0, 0),
        SHAPED("samples x positions wraps to 0", LOSSES_BAD_SHAPE, half, 1, half, 0, 0),
        SHAPED("classes x positions wraps to 0", LOSSES_BAD_SHAPE, 1, half, half, 0, 0),
        SHAPED("all three wrap to 0", LOSSES_BAD_SHAPE, half, half, half, 0, 0),
        SHAPED("the product wraps to 4", LOSSES_BAD_SHAPE, most / 4 + 2, 4, 1, 0, 0),
        SHAPED("sample stride SIZE_MAX", LOSSES_BAD_SHAPE, 2, 4, 3, most, 5),
        SHAPED("class stride SIZE_MAX", LOSSES_BAD_SHAPE, 2, 4, 3, 21, most),
        SHAPED("class stride SIZE_MAX, one sample", LOSSES_BAD_SHAPE, 1, 4, 3, 0, most),
        SHAPED("sample stride SIZE_MAX / 8", LOSSES_BAD_SHAPE, 2, 1, 3, most / 8, 0),
        SHAPED("class stride SIZE_MAX / 8", LOSSES_BAD_SHAPE, 1, 2, 3, 0, most / 8),
        SHAPED("class strides that wrap", LOSSES_BAD_SHAPE, 1, 4, 3, 0, most / 3 + 2),
        SHAPED("sample strides that wrap to 0", LOSSES_BAD_SHAPE, half + 1, 1, 1, half, 0),
        SHAPED("strides whose sum wraps", LOSSES_BAD_SHAPE, 2, 2, 3, most / 2 + 1, most / 2 + 1),
        SHAPED("packed samples that wrap", LOSSES_BAD_SHAPE, 2, 4, 3, 0, most / 4),
        /* no shape is wrong that has no elements or none that meet */
        SHAPED("no samples", LOSSES_OK, 0, 4, 3, 0, 0),
        SHAPED("no positions", LOSSES_OK, 2, 4, 0, 0, 0),
        SHAPED("no samples of SIZE_MAX positions", LOSSES_OK, 0, 4, most, 0, 0),
        SHAPED("no positions of SIZE_MAX samples", LOSSES_BAD_SHAPE, most, 4, 0, 0, 0),
        {"no positions of SIZE_MAX / 64 samples",
         ALL & ~D,
         I32,
         LOSSES_OK,
         SHAPE,
         0,
         0,
         0,
         0,
         {most / 64, 4, 0, 0, 0}},
        SHAPED("no samples, strides of 1", LOSSES_OK, 0, 4, 3, 1, 1),
        SHAPED("no positions, strides of SIZE_MAX", LOSSES_OK, 2, 4, 0, most, most),
        RIGHT("no samples, sum", LOSSES, NO_ONE, 0, 1, 0, no_samples),
        RIGHT("no samples, an upstream for each", LOSSES, NO_ONE, 0, 2, 0, no_samples),
        RIGHT("no samples, mean", LOSSES, NO_ONE, 0, 0, 0, no_samples),
        RIGHT("no positions, mean", LOSSES, NO_ONE, 0, 0, 0, no_positions),
        RIGHT("no positions, sum", LOSSES, NO_ONE, 0, 1, 0, no_positions),
        /* class indices */
        TARGETED("class C first", SOFTMAX, I32, 0, 4),
        TARGETED("class C last", SOFTMAX, I32, 5, 4),
        TARGETED("class -1", SOFTMAX, I32, 3, -1),
        TARGETED("class -99", SOFTMAX, I32, 3, -99),
        TARGETED("class -101", SOFTMAX, I32, 3, -101),
        TARGETED("class INT32_MAX", SOFTMAX, I32, 2, INT32_MAX),
        TARGETED("class INT32_MIN", SOFTMAX, I32, 2, INT32_MIN),
        TARGETED("class C, u8", SOFTMAX, U8, 4, 4),
        TARGETED("class 255, u8", SOFTMAX, U8, 1, 255),
        TARGETED("class 156, -100 as a byte", SOFTMAX, U8, 1, 156),
        TARGETED("class C, i64", SOFTMAX, I64, 0, 4),
        TARGETED("class -1, i64", SOFTMAX, I64, 5, -1),
        TARGETED("class INT64_MAX", SOFTMAX, I64, 2, INT64_MAX),
        TARGETED("class INT64_MIN", SOFTMAX, I64, 2, INT64_MIN),
        TARGETED("class 2^32", SOFTMAX, I64, 1, (int64_t)1 << 32),
        TARGETED("class 2^32 + 1", SOFTMAX, I64, 1, ((int64_t)1 << 32) + 1),
        TARGETED("class 2^32 - 100", SOFTMAX, I64, 1, ((int64_t)1 << 32) - 100),
        TARGETED("class -2^32", SOFTMAX, I64, 3, -((int64_t)1 << 32)),
        TARGETED("class 2^63 - 2^32 + 1", SOFTMAX, I64, 3, INT64_MAX - UINT32_MAX + 1),
        /* masks */
        TARGETED("mask 2 first", MASKS, U8, 0, 2),
        TARGETED("mask 2 last", MASKS, U8, 23, 2),
        TARGETED("mask 3 in the middle", MASKS, U8, 11, 3),
        TARGETED("mask 128", MASKS, U8, 8, 128),
        TARGETED("mask 255", MASKS, U8, 7, 255),
        TARGETED("mask 2, i32", MASKS, I32, 16, 2),
        TARGETED("mask -1, i32", MASKS, I32, 15, -1),
        TARGETED("mask 256, i32", MASKS, I32, 0, 256),
        TARGETED("mask INT32_MIN", MASKS, I32, 23, INT32_MIN),
        TARGETED("mask 2, i64", MASKS, I64, 17, 2),
        TARGETED("mask -1, i64", MASKS, I64, 1, -1),
        TARGETED("mask 2^32", MASKS, I64, 22, (int64_t)1 << 32),
        TARGETED("mask 2^32 + 1", MASKS, I64, 22, ((int64_t)1 << 32) + 1),
        TARGETED("mask INT64_MIN", MASKS, I64, 4, INT64_MIN),
        /* types of targets */
        TYPED("targets of type 0", LOSSES, 0),
        TYPED("targets of type 5", LOSSES, 5),
        TYPED("targets of type -1", LOSSES, -1),
        TYPED("targets of type INT_MAX", LOSSES, INT_MAX),
        TYPED("targets of type INT_MIN", LOSSES, INT_MIN),
        TYPED("probabilities", N | F, F32),
        /* all ignored: right */
        {"all ignored", LOSSES, I32, LOSSES_OK, EVERY_TARGET, 0, 0, -100, 0, NO_SHAPE},
        {"all ignored, i64", LOSSES, I64, LOSSES_OK, EVERY_TARGET, 0, 0, -100, 0, NO_SHAPE},
        /* options of all losses */
        OPTION("reduction 3", LOSSES, REDUCTION, 3, 0),
        OPTION("reduction -1", LOSSES, REDUCTION, -1, 0),
        OPTION("reduction INT_MAX", LOSSES, REDUCTION, INT_MAX, 0),
        OPTION("reduction INT_MIN", LOSSES, REDUCTION, INT_MIN, 0),
        OPTION("denominator -1", LOSSES, DENOMINATOR, LOSSES_MEAN, -1),
        OPTION("denominator NaN", LOSSES, DENOMINATOR, LOSSES_MEAN, no_number),
        OPTION("denominator inf", LOSSES, DENOMINATOR, LOSSES_MEAN, inf),
        OPTION("denominator -inf", LOSSES, DENOMINATOR, LOSSES_MEAN, -inf),
        OPTION("denominator -FLT_MIN", LOSSES, DENOMINATOR, LOSSES_MEAN, -(double)FLT_MIN),
        OPTION("denominator of a sum", LOSSES, DENOMINATOR, LOSSES_SUM, 1),
        OPTION("denominator of none", LOSSES, DENOMINATOR, LOSSES_NONE, 1),
        OPTION("denominator NaN of none", LOSSES, DENOMINATOR, LOSSES_NONE, no_number),
        OPTION("has_ignore_index 2", LOSSES, IGNORE, 2, 0),
        OPTION("has_ignore_index -1", LOSSES, IGNORE, -1, 0),
        OPTION("has_ignore_index INT_MIN", LOSSES, IGNORE, INT_MIN, 0),
        OPTION("ignore_index 1 that is not there", LOSSES, INDEX, 1, 0),
        OPTION("ignore_index -100 that is not there", LOSSES, INDEX, -100, 0),
        OPTION("ignore_index INT64_MIN that is not there", LOSSES, INDEX, INT64_MIN, 0),
        {"has_ignore_index of probabilities", SOFT, F32, LOSSES_BAD_OPTION, IGNORE, 0, 0, 1, 0,
         NO_SHAPE},
        {"ignore_index of probabilities", SOFT, F32, LOSSES_BAD_OPTION, INDEX_TOO, 0, 0, 3, 0,
         NO_SHAPE},
        OPTION("nan_if_empty 2", LOSSES, NAN_IF, 2, 0),
        OPTION("nan_if_empty -1", LOSSES, NAN_IF, -1, 0),
        OPTION("nan_if_empty INT_MIN", LOSSES, NAN_IF, INT_MIN, 0),
        OPTION("accumulate 2", LOSSES, ACCUMULATE, 2, 0),
        OPTION("accumulate -1", LOSSES, ACCUMULATE, -1, 0),
        OPTION("accumulate 256", LOSSES, ACCUMULATE, 256, 0),
        /* numbers out of range */
        OPTION("label_smoothing -FLT_MIN", C, SMOOTHING, 0, -(double)FLT_MIN),
        OPTION("label_smoothing above 1", C, SMOOTHING, 0, 1 + (double)FLT_EPSILON),
        OPTION("label_smoothing NaN", C, SMOOTHING, 0, no_number),
        OPTION("label_smoothing inf", C, SMOOTHING, 0, inf),
        OPTION("z_loss -FLT_MIN", C, Z_LOSS, 0, -(double)FLT_MIN),
        OPTION("z_loss NaN", C, Z_LOSS, 0, no_number),
        OPTION("z_loss inf", C, Z_LOSS, 0, inf),
        OPTION("alpha -FLT_MIN", F, ALPHA, 0, -(double)FLT_MIN),
        OPTION("alpha NaN", F | S, ALPHA, 0, no_number),
        OPTION("alpha inf", F | S, ALPHA, 0, inf),
        OPTION("alpha -inf", F | S, ALPHA, 0, -inf),
        OPTION("alpha above 1", S, ALPHA, 0, 1 + (double)FLT_EPSILON),
        OPTION("scale -1", D, SCALE, 0, -1),
        OPTION("scale NaN", D, SCALE, 0, no_number),
        OPTION("scale inf", D, SCALE, 0, inf),
        OPTION("eps -FLT_MIN", D, EPS, 0, -(double)FLT_MIN),
        OPTION("eps NaN", D, EPS, 0, no_number),
        OPTION("eps inf", D, EPS, 0, inf),
        OPTION("eps * scale beyond float", D, SCALE_AND_EPS, 0, 1e20),
        OPTION("eps * scale not a normal float", D, SCALE_AND_EPS, 0, 1e-20),
        OPTION("gamma -FLT_MIN", F | S, GAMMA, 0, -(double)FLT_MIN),
        OPTION("gamma -1", F | S, GAMMA, 0, -1),
        OPTION("gamma NaN", F | S, GAMMA, 0, no_number),
        OPTION("gamma inf", F | S, GAMMA, 0, inf),
        OPTION("gamma -inf", F | S, GAMMA, 0, -inf),
        /* options of other losses */
        OPTION("label_smoothing of another", LOSSES & ~C, SMOOTHING, 0, 0.1),
        OPTION("label_smoothing of another, NaN", LOSSES & ~C, SMOOTHING, 0, no_number),
        OPTION("z_loss of another", LOSSES & ~C, Z_LOSS, 0, 0.1),
        OPTION("z_loss of another, NaN", LOSSES & ~C, Z_LOSS, 0, no_number),
        OPTION("alpha of another", LOSSES & ~(F | S), ALPHA, 0, 0.25),
        OPTION("alpha of another, NaN", LOSSES & ~(F | S), ALPHA, 0, no_number),
        OPTION("scale of another", LOSSES & ~D, SCALE, 0, 1),
        OPTION("scale of another, inf", LOSSES & ~D, SCALE, 0, inf),
        OPTION("eps of another", LOSSES & ~D, EPS, 0, 1),
        OPTION("eps of another, -1", LOSSES & ~D, EPS, 0, -1),
        FOREIGN("class_weight of another", F | S | D, CLASS_WEIGHT),
        FOREIGN("positive_weight of another", LOSSES & ~B, POSITIVE_WEIGHT),
        FOREIGN("class_alpha of another", LOSSES & ~F, CLASS_ALPHA),
        FOREIGN("log_sum_exp of another", N | MASKS, LSE),
        /* weights */
        WEIGHED("class_weight -1", N | C | B, CLASS_WEIGHT, 0, -1),
        WEIGHED("class_weight -FLT_MIN", N | C | B, CLASS_WEIGHT, 2, -(double)FLT_MIN),
        WEIGHED("class_weight NaN", N | C | B, CLASS_WEIGHT, 1, no_number),
        WEIGHED("class_weight inf, the last", N | C | B, CLASS_WEIGHT, 3, inf),
        WEIGHED("class_weight -inf", N | C | B, CLASS_WEIGHT, 3, -inf),
        WEIGHED("positive_weight -1", B, POSITIVE_WEIGHT, 3, -1),
        WEIGHED("positive_weight NaN", B, POSITIVE_WEIGHT, 0, no_number),
        WEIGHED("positive_weight inf", B, POSITIVE_WEIGHT, 3, inf),
        WEIGHED("class_alpha -1", F, CLASS_ALPHA, 3, -1),
        WEIGHED("class_alpha NaN", F, CLASS_ALPHA, 0, no_number),
        WEIGHED("class_alpha inf", F, CLASS_ALPHA, 3, inf),
        /* grad over what it must not be over */
        LAID("grad one element into logits", ALL, OVER, GRAD, LOGITS, 8),
        LAID("grad one byte into logits", ALL, OVER, GRAD, LOGITS, 1),
        LAID("grad before logits, by one element", ALL, UP_TO, GRAD, LOGITS, 4),
        LAID("grad before logits, by one byte", ALL, UP_TO, GRAD, LOGITS, 1),
        LAID("grad over padding of logits", ALL, OVER, GRAD, LOGITS, 24),
        LAID("grad over targets", LOSSES, OVER, GRAD, TARGETS, 0),
        LAID("grad one element into upstream", G, OVER, GRAD, TARGETS, 8),
        LAID("grad up to the first byte of targets", LOSSES, UP_TO, GRAD, TARGETS, 1),
        LAID("grad over the last target", LOSSES, OVER, GRAD, TARGETS, 20),
        LAID("grad over class_weight", N | C | B, OVER, GRAD, CLASS_WEIGHT, 0),
        LAID("grad over the last class_weight", N | C | B, OVER, GRAD, CLASS_WEIGHT, 12),
        LAID("grad over positive_weight", B, UP_TO, GRAD, POSITIVE_WEIGHT, 4),
        LAID("grad over class_alpha", F, OVER, GRAD, CLASS_ALPHA, 15),
        LAID("grad over upstream", LOSSES, OVER, GRAD, UPSTREAM, 0),
        LAID("grad over options", LOSSES, OVER, GRAD, OPTIONS, 8),
        LAID("grad up to options", LOSSES, UP_TO, GRAD, OPTIONS, 4),
        LAID("grad over loss", LOSSES, OVER, GRAD, LOSS, 0),
        LAID("grad over log_sum_exp", C | F, OVER, GRAD, LSE, 20),
        LAID("grad over report", LOSSES, OVER, GRAD, REPORT, 16),
        LAID("accumulating in place", LOSSES, NOT_IN_PLACE, GRAD, LOGITS, 1),
        /* loss */
        LAID("loss in logits", LOSSES, OVER, LOSS, LOGITS, 0),
        LAID("loss in the padding of logits", LOSSES, OVER, LOSS, LOGITS, 24),
        LAID("loss on the last logit", LOSSES, OVER, LOSS, LOGITS, 38 * 4),
        LAID("loss in grad", LOSSES, OVER, LOSS, GRAD, 0),
        LAID("loss on the last of grad", LOSSES, OVER, LOSS, GRAD, 38 * 4),
        LAID("loss up to the first byte of grad", LOSSES, UP_TO, LOSS, GRAD, 1),
        LAID("loss in targets", LOSSES, OVER, LOSS, TARGETS, 4),
        LAID("loss in class_weight", N | C | B, OVER, LOSS, CLASS_WEIGHT, 12),
        LAID("loss in positive_weight", B, OVER, LOSS, POSITIVE_WEIGHT, 0),
        LAID("loss in class_alpha", F, OVER, LOSS, CLASS_ALPHA, 8),
        LAID("loss in upstream", LOSSES, OVER, LOSS, UPSTREAM, 0),
        LAID("loss in options", LOSSES, OVER, LOSS, OPTIONS, 16),
        LAID("loss in report", LOSSES, OVER, LOSS, REPORT, 0),
        LAID("loss in log_sum_exp", C | F, OVER, LOSS, LSE, 0),
        /* log_sum_exp */
        LAID("log_sum_exp in logits", C | F, OVER, LSE, LOGITS, 4),
        LAID("log_sum_exp on the last of grad", C | F, OVER, LSE, GRAD, 38 * 4),
        LAID("log_sum_exp up to grad", C | F, UP_TO, LSE, GRAD, 4),
        LAID("log_sum_exp in targets", C | F, OVER, LSE, TARGETS, 20),
        LAID("log_sum_exp in weights", C, OVER, LSE, CLASS_WEIGHT, 0),
        LAID("log_sum_exp in class_alpha", F, UP_TO, LSE, CLASS_ALPHA, 1),
        LAID("log_sum_exp in upstream", C | F, OVER, LSE, UPSTREAM, 0),
        LAID("log_sum_exp in options", C | F, OVER, LSE, OPTIONS, 0),
        LAID("log_sum_exp in report", C | F, OVER, LSE, REPORT, 16),
        /* report */
        LAID("report in logits", LOSSES, OVER, REPORT, LOGITS, 0),
        LAID("report on the end of grad", LOSSES, OVER, REPORT, GRAD, 38 * 4),
        LAID("report up to grad", LOSSES, UP_TO, REPORT, GRAD, 8),
        LAID("report in targets", LOSSES, OVER, REPORT, TARGETS, 16),
        LAID("report in upstream", LOSSES, OVER, REPORT, UPSTREAM, 0),
        LAID("report in options", LOSSES, OVER, REPORT, OPTIONS, 0),
        LAID("report in weights", N | C | B, OVER, REPORT, CLASS_WEIGHT, 8),
        /* and what looks wrong but is not */
        RIGHT("nothing wrong", ALL, NOTHING, 0, 0, 0, base),
        RIGHT("no loss", LOSSES, WITHOUT, LOSS, 0, 0, base),
        RIGHT("no grad", LOSSES, WITHOUT, GRAD, 0, 0, base),
        RIGHT("no report", LOSSES, WITHOUT, REPORT, 0, 0, base),
        RIGHT("no options", LOSSES, WITHOUT, OPTIONS, 0, 0, base),
        RIGHT("ignore_index INT64_MIN", LOSSES, INDEX_TOO, 0, INT64_MIN, 0, base),
        RIGHT("gamma FLT_MAX", F | S, GAMMA, 0, 0, (double)FLT_MAX, base),
        RIGHT("label_smoothing 1", C, SMOOTHING, 0, 0, 1, base),
        RIGHT("alpha -FLT_MAX: off", S, ALPHA, 0, 0, -(double)FLT_MAX, base),
    };
    size_t i;
    for (i = 0; i < COUNT(rows); i++) try_everywhere(&rows[i]);
}

/* --- the row functions: NaN, and nothing touched ------------------------------------------------ */

static void wrong_rows(void)
{
    const size_t most = SIZE_MAX;
    const struct {
        const char *what;
        kind kind;
        size_t classes, target;
        float number; /* gamma or smooth */
    } rows[] = {
        {"target C", CROSS_ENTROPY, 4, 4, 0},
        {"target SIZE_MAX", CROSS_ENTROPY, 4, most, 0},
        {"target INT_MAX", CROSS_ENTROPY, 4, INT_MAX, 0},
        {"no classes", CROSS_ENTROPY, 0, 0, 0},
        {"target C", FOCAL, 4, 4, 2},
        {"target SIZE_MAX", FOCAL, 4, most, 2},
        {"no classes", FOCAL, 0, 0, 2},
        {"gamma -1", FOCAL, 4, 1, -1},
        {"gamma -FLT_MIN", FOCAL, 4, 1, -FLT_MIN},
        {"gamma NaN", FOCAL, 4, 1, NAN},
        {"gamma inf", FOCAL, 4, 1, INFINITY},
        {"gamma -inf", FOCAL, 4, 1, -INFINITY},
        {"target and gamma", FOCAL, 4, 4, NAN},
        {"smooth 0", DICE, 4, 0, 0},
        {"smooth -0", DICE, 4, 0, -0.f},
        {"smooth -1", DICE, 4, 0, -1},
        {"smooth -FLT_MIN", DICE, 4, 0, -FLT_MIN},
        {"smooth NaN", DICE, 4, 0, NAN},
        {"smooth inf", DICE, 4, 0, INFINITY},
        {"smooth -inf", DICE, 4, 0, -INFINITY},
    };
    size_t i;
    int in_place;
    for (i = 0; i < COUNT(rows); i++) {
        if (check_finite) break; /* NaN is the answer */
        for (in_place = 0; in_place < 2; in_place++) {
            float *grad, loss;
            const float *x;
            set_up(rows[i].kind, 0, U8, LOSSES_SUM, 1);
            x = (const float *)(void *)(memory[LOGITS] + page - 4 * sizeof(float));
            grad = (float *)(void *)(memory[in_place ? LOGITS : GRAD] + page - 4 * sizeof(float));
            memcpy(before[0], x, 4 * sizeof *x);
            memcpy(before[1], grad, 4 * sizeof *grad);
            check_case("row of %s: %s%s", kind_names[rows[i].kind], rows[i].what,
                       in_place ? ", in place" : "");
            loss =
                rows[i].kind == CROSS_ENTROPY
                    ? losses_cross_entropy_row(grad, x, rows[i].classes, rows[i].target, 1)
                : rows[i].kind == FOCAL
                    ? losses_focal_row(grad, x, rows[i].classes, rows[i].target, rows[i].number, 1)
                    : losses_dice_mask(grad, x, memory[TARGETS] + page - 4, 4, rows[i].number, 1);
            CHECK(isnan(loss));
            CHECK(memcmp(before[0], x, 4 * sizeof *x) == 0);
            CHECK(memcmp(before[1], grad, 4 * sizeof *grad) == 0);
        }
    }
}

void test_hostile(void)
{
    check_case("memory with guards");
    if (!CHECK(map_memory())) return;
    wrong_calls();
    wrong_rows();
}
#endif
