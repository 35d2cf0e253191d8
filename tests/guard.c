/* Nothing outside of the arrays is read or written. Every array of a call ends where memory ends
 * that may be read, and in a second round it begins where that begins; with the widest strides it
 * is the padding that may not be read. A slip stops the program and names the case. The results are
 * those of ordinary arrays. */
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
void test_guard(void) { printf("skipped: guard: no mmap on this system\n"); }
#else
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- memory ----------------------------------------------------------------------------------- */

/* The arrays of a call: the first three are laid out like the logits. */
typedef enum array {
    LOGITS,
    LIKE_LOGITS, /* float targets, and upstream of the log-softmax gradient */
    GRAD,
    LOSS,
    LOG_SUM_EXP,
    LABELS,
    CLASS_WEIGHT,
    POSITIVE_WEIGHT,
    CLASS_ALPHA,
    UPSTREAM,
    ARRAYS
} array;

static const char *const array_names[ARRAYS] = {
    "logits",       "float targets or upstream", "grad",        "loss",    "log_sum_exp", "labels",
    "class_weight", "positive_weight",           "class_alpha", "upstream"};

/* ROOM is for int64 masks of 2 x 40 x 40, PLANES for their planes. MARGIN bytes beside an output
 * are compared on its open side. HELD stands in every output before a call. */
enum { ROOM = 32768, PLANES = 80, MARGIN = 64 };
static const float HELD = 7;

static size_t page;                  /* bytes */
static unsigned char *solid[ARRAYS]; /* ROOM bytes, guarded before and behind */
static unsigned char
    *striped[ARRAYS]; /* PLANES pages, each guarded before and behind; not for all */

static int is_laid_out(array a) { return a <= GRAD; }

static size_t solid_bytes(void) { return (ROOM + page - 1) / page * page; }

static void *mapping;
static size_t mapped;

static int map_memory(void)
{
    unsigned char *next;
    size_t i;
    int a, held = 1;
    page = (size_t)sysconf(_SC_PAGESIZE);
    mapped = ARRAYS * (solid_bytes() + page) + (GRAD + 1) * PLANES * 2 * page + page;
    mapping = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return 0;
    next = (unsigned char *)mapping + page;
    for (a = 0; a < ARRAYS; a++) {
        solid[a] = next;
        held &= mprotect(next, solid_bytes(), PROT_READ | PROT_WRITE) == 0;
        next += solid_bytes() + page;
        if (!is_laid_out((array)a)) continue;
        striped[a] = next;
        for (i = 0; i < PLANES; i++, next += 2 * page)
            held &= mprotect(next, page, PROT_READ | PROT_WRITE) == 0;
    }
    return held;
}

/* --- a read or write outside ------------------------------------------------------------------ */

static struct sigaction on_segv, on_bus; /* what was there before */
static sigjmp_buf back;
static volatile sig_atomic_t expected;

static unsigned char *placed[ARRAYS]; /* where the arrays of the call are */
static size_t placed_bytes[ARRAYS];

/* The array that is next to address. */
static void print_fault(const unsigned char *address)
{
    static const size_t far = (size_t)-1;
    size_t nearest = far;
    int a, behind = 0, found = 0;
    for (a = 0; a < ARRAYS; a++) {
        size_t distance = far;
        if (placed[a] == NULL) continue;
        if (address < placed[a]) distance = (size_t)(placed[a] - address);
        if (address >= placed[a] + placed_bytes[a])
            distance = (size_t)(address - placed[a]) - placed_bytes[a];
        if (address >= placed[a] && address < placed[a] + placed_bytes[a]) distance = 0;
        if (distance >= nearest) continue;
        nearest = distance;
        found = a;
        behind = address >= placed[a];
    }
    if (nearest > 2 * page) {
        printf("    address %p, far from every array\n", (const void *)address);
    } else if (address >= placed[found] && address < placed[found] + placed_bytes[found]) {
        printf("    byte %lu of %s, between its planes\n", (unsigned long)(address - placed[found]),
               array_names[found]);
    } else {
        printf("    %lu bytes %s %s\n", (unsigned long)nearest,
               behind ? "behind the end of" : "before the start of", array_names[found]);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (expected) siglongjmp(back, 1);
    print_fault((const unsigned char *)info->si_addr);
    check_stop(__FILE__, __LINE__, "a read or write outside of the arrays");
}

static void catch_faults(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &on_segv);
    sigaction(SIGBUS, &action, &on_bus);
}

static int may_be_read(const unsigned char *address)
{
    volatile int readable = 0;
    expected = 1;
    if (sigsetjmp(back, 1) == 0) readable = 1 | *(const volatile unsigned char *)address;
    expected = 0;
    return readable;
}

static void guards_hold(void)
{
    size_t i;
    int a;
    for (a = 0; a < ARRAYS; a++) {
        check_case("guards of %s", array_names[a]);
        CHECK(!may_be_read(solid[a] - 1) && may_be_read(solid[a]));
        CHECK(!may_be_read(solid[a] + solid_bytes()) && may_be_read(solid[a] + solid_bytes() - 1));
        for (i = 0; striped[a] != NULL && i < PLANES; i++) {
            unsigned char *const plane = striped[a] + i * 2 * page;
            CHECK(!may_be_read(plane - 1) && may_be_read(plane));
            CHECK(!may_be_read(plane + page) && may_be_read(plane + page - 1));
        }
    }
}

/* --- problems --------------------------------------------------------------------------------- */

typedef enum loss_kind {
    LOG_SOFTMAX,
    LOG_SOFTMAX_GRADIENT,
    NLL,
    CROSS_ENTROPY,
    FOCAL,
    BINARY_CROSS_ENTROPY,
    SIGMOID_FOCAL,
    DICE,
    KINDS
} loss_kind;

static const char *const kind_names[KINDS] = {
    "log_softmax", "log_softmax_gradient", "nll",           "cross_entropy",
    "focal",       "binary_cross_entropy", "sigmoid_focal", "dice"};

typedef enum target_type { U8, I32, I64, F32, TYPES } target_type;
static const char *const type_names[TYPES] = {"u8", "i32", "i64", "f32"};
static const size_t label_bytes[TYPES] = {1, 4, 8, 0};

/* PAGES: each run of neighbours has pages for itself. COLUMNS: the samples are neighbours. */
typedef enum spacing { PACKED, PADDED, PAGES, COLUMNS, SPACINGS } spacing;
static const char *const spacing_names[SPACINGS] = {"packed", "padded", "pages", "columns"};

typedef struct problem {
    loss_kind kind;
    target_type type;
    spacing space;
    losses_shape shape; /* all strides given */
    float gamma;
    losses_options options; /* the pointers: not NULL where the array is wanted */
    size_t extent;          /* floats from the first to the last element */
    size_t runs, run;       /* elements that are neighbours, and how many such runs */
    size_t bytes[ARRAYS];   /* 0: not given */
} problem;

static problem p;

/* Ordinary arrays, with the inputs; LOSS, GRAD and LOG_SUM_EXP are of the last call. */
static unsigned char *ordinary[ARRAYS];
/* The answers to a plain call and to one that accumulates; in the padding HELD. */
static unsigned char *answers[2][ARRAYS];
static losses_report reports[2];

static int is_plain(void) { return p.kind <= LOG_SOFTMAX_GRADIENT; }
static int is_softmax(void) { return p.kind <= FOCAL; }

static uint32_t state;

static uint32_t random_below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * n) >> 32);
}

static float random_between(float low, float high)
{
    return low + (high - low) * (float)random_below(1u << 24) / (float)(1u << 24);
}

/* Where run i starts, in floats. */
static size_t run_at(size_t i)
{
    const losses_shape s = p.shape;
    if (s.class_stride == 1) return i * s.sample_stride;
    if (s.sample_stride == 1) return i * s.class_stride;
    return i / s.classes * s.sample_stride + i % s.classes * s.class_stride;
}

static float *floats(unsigned char *bytes) { return (float *)(void *)bytes; }

static void copy_runs(unsigned char *to, const unsigned char *from)
{
    size_t i;
    for (i = 0; i < p.runs; i++)
        memcpy(to + run_at(i) * sizeof(float), from + run_at(i) * sizeof(float),
               p.run * sizeof(float));
}

static int same_runs(const unsigned char *a, const unsigned char *b)
{
    size_t i;
    int same = 1;
    for (i = 0; i < p.runs; i++)
        same &= memcmp(a + run_at(i) * sizeof(float), b + run_at(i) * sizeof(float),
                       p.run * sizeof(float)) == 0;
    return same;
}

static void hold(unsigned char *bytes, size_t n)
{
    size_t i;
    for (i = 0; i < n / sizeof(float); i++) floats(bytes)[i] = HELD;
}

static void hold_runs(unsigned char *bytes)
{
    size_t i;
    for (i = 0; i < p.runs; i++) hold(bytes + run_at(i) * sizeof(float), p.run * sizeof(float));
}

static int held(unsigned char *bytes, size_t n)
{
    size_t i;
    for (i = 0; i < n / sizeof(float); i++)
        if (floats(bytes)[i] != HELD) return 0;
    return 1;
}

static void set_strides(losses_shape shape, spacing space)
{
    const size_t apart = 2 * page / sizeof(float);
    losses_shape *s = &p.shape;
    const int rows = shape.positions == 1;
    *s = shape;
    p.space = space;
    s->class_stride = s->positions;
    if (space == PADDED && !rows) s->class_stride += 1 + random_below(5);
    if (space == PAGES && !rows) s->class_stride = apart;
    s->sample_stride = s->classes * s->class_stride;
    if (space == PADDED) s->sample_stride += 1 + random_below(9);
    if (space == PAGES && rows) s->sample_stride = apart;
    if (space == COLUMNS) {
        s->sample_stride = 1;
        s->class_stride = s->samples + random_below(3);
    }
    p.extent =
        (s->samples - 1) * s->sample_stride + (s->classes - 1) * s->class_stride + s->positions;
    p.run = s->class_stride == 1 ? s->classes : s->sample_stride == 1 ? s->samples : s->positions;
    p.runs = s->samples * s->classes * s->positions / p.run;
}

static void draw_options(void)
{
    static const float gammas[] = {0, 0.5f, 1, 2, 3.7f};
    losses_options *const o = &p.options;
    memset(o, 0, sizeof *o);
    p.gamma = gammas[random_below(COUNT(gammas))];
    o->reduction = (losses_reduction)random_below(3);
    if (random_below(2)) o->upstream = &HELD;
    if (p.type != F32 && (p.type == U8 || random_below(2))) {
        o->has_ignore_index = 1;
        o->ignore_index = 255;
    }
    if (p.kind == NLL || p.kind == CROSS_ENTROPY || p.kind == BINARY_CROSS_ENTROPY)
        if (random_below(2)) o->class_weight = &HELD;
    if (p.kind == BINARY_CROSS_ENTROPY && random_below(2)) o->positive_weight = &HELD;
    if (p.kind == FOCAL && random_below(2)) o->class_alpha = &HELD;
    if (p.kind == CROSS_ENTROPY && random_below(2)) o->label_smoothing = 0.1f;
    if (p.kind == CROSS_ENTROPY && random_below(2)) o->z_loss = 0.01f;
    if (p.kind == SIGMOID_FOCAL && random_below(2)) o->alpha = -1;
    if (p.kind == DICE && random_below(2)) o->scale = o->eps = 1;
}

static void set_sizes(void)
{
    const losses_shape s = p.shape;
    const losses_options *o = &p.options;
    const size_t elements = s.samples * s.classes * s.positions, positions = elements / s.classes;
    const size_t losses = o->reduction != LOSSES_NONE ? 1
                          : p.kind == DICE            ? s.samples * s.classes
                          : is_softmax()              ? positions
                                                      : elements;
    memset(p.bytes, 0, sizeof p.bytes);
    p.bytes[LOGITS] = p.bytes[GRAD] = p.extent * sizeof(float);
    if (p.kind == LOG_SOFTMAX_GRADIENT || (!is_plain() && p.type == F32))
        p.bytes[LIKE_LOGITS] = p.extent * sizeof(float);
    if (is_plain()) return;
    p.bytes[LOSS] = losses * sizeof(float);
    p.bytes[LABELS] = (is_softmax() ? positions : elements) * label_bytes[p.type];
    if (p.kind == CROSS_ENTROPY || p.kind == FOCAL)
        p.bytes[LOG_SUM_EXP] = positions * sizeof(float);
    if (o->class_weight) p.bytes[CLASS_WEIGHT] = s.classes * sizeof(float);
    if (o->positive_weight) p.bytes[POSITIVE_WEIGHT] = s.classes * sizeof(float);
    if (o->class_alpha) p.bytes[CLASS_ALPHA] = s.classes * sizeof(float);
    if (o->upstream) p.bytes[UPSTREAM] = losses * sizeof(float);
}

/* Logits of every size, some far out; some targets are ignored. */
static void draw_inputs(void)
{
    static const float reaches[] = {1, 4, 20, 60, 200};
    const float reach = reaches[random_below(COUNT(reaches))];
    const uint32_t below = is_softmax() ? (uint32_t)p.shape.classes : 2;
    const uint32_t u8_below = below < 255 ? below : 255;
    const int32_t ignored = p.options.has_ignore_index ? 255 : -100;
    size_t i, k;
    int a;
    for (i = 0; i < p.runs; i++) {
        float *const x = floats(ordinary[LOGITS]) + run_at(i);
        float *const q = floats(ordinary[LIKE_LOGITS]) + run_at(i);
        for (k = 0; k < p.run; k++) {
            x[k] = random_between(-reach, p.kind <= NLL && p.kind != LOG_SOFTMAX ? 0 : reach);
            q[k] = random_below(4) ? random_between(0, 1) : 0;
        }
        if (random_below(4) == 0) x[random_below((uint32_t)p.run)] *= 3;
    }
    for (a = CLASS_WEIGHT; a <= UPSTREAM; a++)
        for (i = 0; i < p.bytes[a] / sizeof(float); i++)
            floats(ordinary[a])[i] = random_below(8) ? random_between(0.1f, 3) : 0;
    for (i = 0; p.bytes[LABELS] > 0 && i < p.bytes[LABELS] / label_bytes[p.type]; i++) {
        const int32_t drawn = (int32_t)random_below(p.type == U8 ? u8_below : below);
        const int32_t label = random_below(7) ? drawn : ignored;
        if (p.type == U8) ordinary[LABELS][i] = (uint8_t)label;
        if (p.type == I32) ((int32_t *)(void *)ordinary[LABELS])[i] = label;
        if (p.type == I64) ((int64_t *)(void *)ordinary[LABELS])[i] = label;
    }
}

/* --- calling ---------------------------------------------------------------------------------- */

typedef enum mode {
    BOTH,
    VALUE,
    GRADIENT,
    NEITHER,
    IN_PLACE,
    GRADIENT_IN_PLACE,
    ON_UPSTREAM, /* the log-softmax gradient in place on its other input */
    ACCUMULATE,
    MODES
} mode;
static const char *const mode_names[MODES] = {"both",        "value only",  "gradient only",
                                              "neither",     "in place",    "gradient in place",
                                              "on upstream", "accumulating"};

static int has_mode(mode m)
{
    if (m == ON_UPSTREAM) return p.kind == LOG_SOFTMAX_GRADIENT;
    return !is_plain() || m == BOTH || m == IN_PLACE;
}

static losses_status solve(mode m, unsigned char *const at[ARRAYS], losses_report *report)
{
    const float *x = floats(at[LOGITS]), *q = floats(at[LIKE_LOGITS]);
    float *loss = floats(at[LOSS]), *grad = floats(at[GRAD]);
    losses_targets y = losses_f32(q);
    losses_options o = p.options;
    if (p.type == U8) y = losses_u8(at[LABELS]);
    if (p.type == I32) y = losses_i32((const int32_t *)(void *)at[LABELS]);
    if (p.type == I64) y = losses_i64((const int64_t *)(void *)at[LABELS]);
    if (m == GRADIENT || m == NEITHER || m == GRADIENT_IN_PLACE) loss = NULL;
    if (m == VALUE || m == NEITHER) grad = NULL;
    if (m == IN_PLACE || m == GRADIENT_IN_PLACE) x = grad;
    if (m == ON_UPSTREAM) q = grad;
    o.accumulate = m == ACCUMULATE;
    o.class_weight = p.bytes[CLASS_WEIGHT] ? floats(at[CLASS_WEIGHT]) : NULL;
    o.positive_weight = p.bytes[POSITIVE_WEIGHT] ? floats(at[POSITIVE_WEIGHT]) : NULL;
    o.class_alpha = p.bytes[CLASS_ALPHA] ? floats(at[CLASS_ALPHA]) : NULL;
    o.upstream = p.bytes[UPSTREAM] ? floats(at[UPSTREAM]) : NULL;
    o.log_sum_exp = p.bytes[LOG_SUM_EXP] ? floats(at[LOG_SUM_EXP]) : NULL;
    o.report = report;
    switch (p.kind) {
    case LOG_SOFTMAX:
        return losses_log_softmax(grad, x, p.shape);
    case LOG_SOFTMAX_GRADIENT:
        return losses_log_softmax_gradient(grad, q, x, p.shape);
    case NLL:
        return losses_nll(loss, grad, x, y, p.shape, &o);
    case CROSS_ENTROPY:
        return losses_cross_entropy(loss, grad, x, y, p.shape, &o);
    case FOCAL:
        return losses_focal(loss, grad, x, y, p.shape, p.gamma, &o);
    case BINARY_CROSS_ENTROPY:
        return losses_binary_cross_entropy(loss, grad, x, y, p.shape, &o);
    case SIGMOID_FOCAL:
        return losses_sigmoid_focal(loss, grad, x, y, p.shape, p.gamma, &o);
    case DICE:
        return losses_dice(loss, grad, x, y, p.shape, &o);
    case KINDS:
        break;
    }
    return LOSSES_BAD_OPTION;
}

static void name_case(mode m, const char *where)
{
    const losses_options *o = &p.options;
    check_case("%s, %s, %lu x %lu x %lu, %s, strides %lu %lu, gamma %g, reduction %d, "
               "ignore_index %d, smoothing %g, z_loss %g: %s, %s",
               kind_names[p.kind], is_plain() ? "no targets" : type_names[p.type],
               (unsigned long)p.shape.samples, (unsigned long)p.shape.classes,
               (unsigned long)p.shape.positions, spacing_names[p.space],
               (unsigned long)p.shape.sample_stride, (unsigned long)p.shape.class_stride,
               (double)p.gamma, (int)o->reduction, o->has_ignore_index, (double)o->label_smoothing,
               (double)o->z_loss, mode_names[m], where);
}

/* From ordinary arrays, accumulating or not. */
static int find_answer(int accumulate)
{
    const mode m = accumulate ? ACCUMULATE : BOTH;
    unsigned char **const answer = answers[accumulate];
    int a;
    name_case(m, "ordinary arrays");
    hold_runs(ordinary[GRAD]);
    for (a = LOSS; a <= LOG_SUM_EXP; a++) hold(ordinary[a], p.bytes[a]);
    if (!CHECK_STATUS(solve(m, ordinary, &reports[accumulate]), LOSSES_OK)) return 0;
    memcpy(answer[LOSS], ordinary[LOSS], p.bytes[LOSS]);
    memcpy(answer[LOG_SUM_EXP], ordinary[LOG_SUM_EXP], p.bytes[LOG_SUM_EXP]);
    if (p.space != PAGES) hold(answer[GRAD], p.bytes[GRAD]);
    copy_runs(answer[GRAD], ordinary[GRAD]);
    return 1;
}

/* --- checking --------------------------------------------------------------------------------- */

static int is_striped(array a) { return p.space == PAGES && is_laid_out(a); }

static void place_all(int at_end)
{
    int a;
    for (a = 0; a < ARRAYS; a++) {
        const size_t bytes = p.bytes[a], run = p.run * sizeof(float);
        placed[a] = NULL;
        placed_bytes[a] = bytes;
        if (bytes == 0) continue;
        placed[a] = is_striped((array)a) ? striped[a] + (at_end ? page - run : 0)
                                         : solid[a] + (at_end ? solid_bytes() - bytes : 0);
    }
}

/* The open side of n bytes in a room of so many. */
static unsigned char *margin(unsigned char *start, size_t n, size_t room, int at_end, size_t *bytes)
{
    *bytes = room - n < MARGIN ? room - n : MARGIN;
    return at_end ? start - *bytes : start + n;
}

/* Puts HELD into an output and its margin, or says whether the margin has it still. */
static int margins(array a, int at_end, int fill)
{
    const size_t runs = is_striped(a) ? p.runs : 1;
    const size_t n = is_striped(a) ? p.run * sizeof(float) : p.bytes[a];
    size_t i, bytes;
    for (i = 0; i < runs; i++) {
        unsigned char *const start = placed[a] + (is_striped(a) ? run_at(i) * sizeof(float) : 0);
        unsigned char *const beside =
            margin(start, n, is_striped(a) ? page : solid_bytes(), at_end, &bytes);
        if (fill) hold(start, n), hold(beside, bytes);
        if (!fill && !held(beside, bytes)) return 0;
    }
    return 1;
}

static int same_array(array a, unsigned char *const want[ARRAYS])
{
    if (is_striped(a)) return same_runs(placed[a], want[a]);
    return memcmp(placed[a], want[a], p.bytes[a]) == 0;
}

static void put_input(unsigned char *to, array a)
{
    if (is_laid_out(a)) copy_runs(to, ordinary[a]);
    if (!is_laid_out(a)) memcpy(to, ordinary[a], p.bytes[a]);
}

static int same_input(array a)
{
    return is_laid_out(a) ? same_runs(placed[a], ordinary[a]) : same_array(a, ordinary);
}

static void check_mode(mode m, int at_end)
{
    unsigned char *const *const want = answers[m == ACCUMULATE];
    const losses_report *const wanted = &reports[m == ACCUMULATE];
    losses_report report;
    int a;
    memset(&report, 0, sizeof report);
    name_case(m, at_end ? "ending at a guard" : "starting at a guard");
    for (a = GRAD; a <= LOG_SUM_EXP; a++)
        if (p.bytes[a] > 0) margins((array)a, at_end, 1);
    if (m == IN_PLACE || m == GRADIENT_IN_PLACE) put_input(placed[GRAD], LOGITS);
    if (m == ON_UPSTREAM) copy_runs(placed[GRAD], ordinary[LIKE_LOGITS]);
    if (!CHECK_STATUS(solve(m, placed, &report), LOSSES_OK)) return;
    for (a = GRAD; a <= LOG_SUM_EXP; a++) {
        const int unused = (a == LOSS && (m == GRADIENT || m == GRADIENT_IN_PLACE)) ||
                           (a == GRAD && m == VALUE) || (a != LOG_SUM_EXP && m == NEITHER);
        if (p.bytes[a] == 0 || unused) continue;
        if (a == GRAD) CHECK(same_array(GRAD, want));
        if (a == LOSS) CHECK(same_array(LOSS, want));
        if (a == LOG_SUM_EXP) CHECK(same_array(LOG_SUM_EXP, want));
        CHECK(margins((array)a, at_end, 0));
    }
    if (is_plain()) return;
    CHECK(report.counted == wanted->counted);
    CHECK(memcmp(&report.sum, &wanted->sum, sizeof report.sum) == 0);
    CHECK(memcmp(&report.denominator, &wanted->denominator, sizeof report.denominator) == 0);
}

static void check_problem(loss_kind kind, target_type type, losses_shape shape, spacing space)
{
    int m, at_end, a;
    p.kind = kind;
    p.type = type;
    set_strides(shape, space);
    draw_options();
    set_sizes();
    draw_inputs();
    if (!find_answer(0) || (!is_plain() && !find_answer(1))) return;
    for (at_end = 0; at_end < 2; at_end++) {
        int intact = 1;
        place_all(at_end);
        for (a = 0; a < ARRAYS; a++)
            if (p.bytes[a] > 0 && (a < GRAD || a > LOG_SUM_EXP)) put_input(placed[a], (array)a);
        for (m = 0; m < MODES; m++)
            if (has_mode((mode)m)) check_mode((mode)m, at_end);
        for (a = 0; a < ARRAYS; a++)
            if (p.bytes[a] > 0 && (a < GRAD || a > LOG_SUM_EXP)) intact &= same_input((array)a);
        CHECK(intact);
    }
}

/* --- sizes ------------------------------------------------------------------------------------ */

enum { SOFTMAX = 1, SIGMOID = 2, ALL = 3 }; /* losses */

/* Packed with every type of target, spaced with one that is drawn; where not everything is tried,
 * the spacing is drawn as well. */
static void check_shape(losses_shape shape, int losses)
{
#if defined(__OPTIMIZE__)
    const int everything = check_on_best_set() && !check_quick;
#else
    const int everything = 0;
#endif
    const int columns = shape.positions == 1 && shape.samples > 1;
    int kind, type, space;
    for (kind = losses & SOFTMAX ? 0 : BINARY_CROSS_ENTROPY;
         kind < (losses & SIGMOID ? KINDS : BINARY_CROSS_ENTROPY); kind++) {
        const int floats_too = kind == CROSS_ENTROPY || kind >= BINARY_CROSS_ENTROPY;
        const int types = kind <= LOG_SOFTMAX_GRADIENT ? 1 : floats_too ? TYPES : F32;
        const int only = (int)random_below(columns ? SPACINGS : SPACINGS - 1);
        for (space = 0; space < (columns ? SPACINGS : SPACINGS - 1); space++) {
            const int only_type = (int)random_below((uint32_t)types);
            if (!everything && space != only) continue;
            for (type = 0; type < types; type++)
                if (type == only_type || (everything && space == PACKED))
                    check_problem((loss_kind)kind, (target_type)type, shape, (spacing)space);
        }
    }
}

/* Steps of 3 come past every remainder of 16. */
static size_t next_small(size_t n) { return n + (check_quick && n >= 17 ? 3 : 1); }

static size_t next_size(size_t n)
{
    if (n < 70) return next_small(n);
    return n < 100 ? 100 : n == 100 ? 1000 : 1001;
}

static void check_calls(void)
{
    static const size_t few_classes[] = {3, 10}, image_classes[] = {1, 3, 40};
    size_t n, k;
    state = 1;
    for (n = 1; n <= 1000; n = next_size(n)) {
        check_shape(losses_rows(1, n), ALL);
        check_shape(losses_rows(n <= 40 ? 16 + n % 6 : 3, n), SOFTMAX);
        check_shape(losses_masks(2, n), SIGMOID);
    }
    for (k = 0; k < COUNT(few_classes); k++)
        for (n = 1; n <= 33; n = next_small(n))
            check_shape(losses_rows(n, few_classes[k]), k == 0 ? ALL : SOFTMAX);
    for (k = 0; k < COUNT(image_classes); k++)
        for (n = 1; n <= 40; n = next_small(n))
            check_shape(losses_images(2, image_classes[k], n), ALL);
}

/* --- the functions for one row or mask -------------------------------------------------------- */

typedef enum row_kind { CROSS_ENTROPY_ROW, FOCAL_ROW, DICE_MASK, ROW_KINDS } row_kind;
static const char *const row_names[ROW_KINDS] = {"cross_entropy_row", "focal_row", "dice_mask"};

static float solve_row(row_kind kind, float *grad, const float *x, const uint8_t *mask, size_t n,
                       size_t target)
{
    if (kind == CROSS_ENTROPY_ROW) return losses_cross_entropy_row(grad, x, n, target, 0.5f);
    if (kind == FOCAL_ROW) return losses_focal_row(grad, x, n, target, p.gamma, 0.5f);
    return losses_dice_mask(grad, x, mask, n, 1, 0.5f);
}

static void check_row(row_kind kind, size_t n, size_t target)
{
    static const char *const grads[] = {"no gradient", "gradient", "in place"};
    const float want = solve_row(kind, floats(ordinary[GRAD]), floats(ordinary[LOGITS]),
                                 ordinary[LABELS], n, target);
    int at_end, how;
    for (at_end = 0; at_end < 2; at_end++) {
        place_all(at_end);
        for (how = 0; how < 3; how++) {
            float *const grad = floats(placed[GRAD]), *const x = floats(placed[LOGITS]);
            float got;
            check_case("%s, %lu, target %lu, gamma %g: %s, %s", row_names[kind], (unsigned long)n,
                       (unsigned long)target, (double)p.gamma, grads[how],
                       at_end ? "ending at a guard" : "starting at a guard");
            margins(GRAD, at_end, 1);
            put_input(placed[LOGITS], LOGITS);
            put_input(placed[LABELS], LABELS);
            if (how == 2) put_input(placed[GRAD], LOGITS);
            got = solve_row(kind, how == 0 ? NULL : grad, how == 2 ? grad : x, placed[LABELS], n,
                            target);
            CHECK(memcmp(&got, &want, sizeof got) == 0);
            if (how == 0) CHECK(held(placed[GRAD], p.bytes[GRAD]));
            if (how != 0) CHECK(same_array(GRAD, ordinary));
            CHECK(margins(GRAD, at_end, 0));
            CHECK(same_input(LOGITS) && same_input(LABELS));
        }
    }
}

static void check_rows(void)
{
    static const float gammas[] = {0, 0.5f, 1, 2, 3.7f};
    size_t n, t, i;
    for (n = 1; n <= 1000; n = next_size(n)) {
        set_strides(losses_rows(1, n), PACKED);
        p.kind = DICE;
        p.type = U8;
        memset(&p.options, 0, sizeof p.options);
        set_sizes();
        draw_inputs();
        for (i = 0; i < n; i++) ordinary[LABELS][i] = (uint8_t)random_below(2);
        for (t = 0; t < 3; t++) {
            const size_t targets[] = {0, n / 2, n - 1};
            p.gamma = gammas[(n + t) % COUNT(gammas)];
            check_row(CROSS_ENTROPY_ROW, n, targets[t]);
            check_row(FOCAL_ROW, n, targets[t]);
        }
        check_row(DICE_MASK, n, 0);
    }
}

void test_guard(void)
{
    size_t bytes;
    int a, have = map_memory();
    bytes = PLANES * 2 * page > ROOM ? PLANES * 2 * page : ROOM;
    for (a = 0; a < ARRAYS; a++) {
        ordinary[a] = (unsigned char *)malloc(bytes);
        answers[0][a] = (unsigned char *)malloc(bytes);
        answers[1][a] = (unsigned char *)malloc(bytes);
        have &= ordinary[a] != NULL && answers[0][a] != NULL && answers[1][a] != NULL;
    }
    check_case("memory with guards");
    if (CHECK(have)) {
        catch_faults();
        guards_hold();
        check_calls();
        check_rows();
        sigaction(SIGSEGV, &on_segv, NULL);
        sigaction(SIGBUS, &on_bus, NULL);
    }
    for (a = 0; a < ARRAYS; a++) free(ordinary[a]), free(answers[0][a]), free(answers[1][a]);
    if (mapping != MAP_FAILED) munmap(mapping, mapped);
}
#endif
