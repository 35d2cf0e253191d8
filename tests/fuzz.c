/* A harness for libFuzzer: `make fuzz`. Bytes become one call: any loss, option, shape, layout, type of
 * target and instruction set, right or wrong in one way. Held are
 *     the status, which for a wrong call is known, and that of the reference, the same
 *     after an error, that no byte of any argument has changed
 *     value and gradient within the bounds that PART 1 of losses.h states, beside the reference
 *     padding, and what stands beside each output, untouched; nothing read behind (or before) an array,
 *     which ends (or begins) where memory does
 *     the bits of a second call that is promised to have the same: value only, gradient only, in place, at
 *     another address, for another type of target, on another instruction set of the class, for one sample
 *     or one position of the call alone, by the row functions
 *     what blocks of classes give that are folded, merged and finished, within the same bounds
 * Bounds are not held where weights, upstream, targets or gamma are absurd (wild below): what the header
 * says about them is that they go through the arithmetic. */
#if !defined(__APPLE__)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define LOSSI_TEST     /* offers "scalar" beside the sets of the CPU */
#define LOSSI_LARGE 48 /* so that small gradients go past the caches too */
#define LOSSES_STATIC
#define LOSSES_IMPLEMENTATION
#include "../losses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- bytes ------------------------------------------------------------------------------------ */

/* What the bytes of an input mean, by their position; behind them literal logits, four bytes each. */
enum field {
    KIND,
    SET,
    TYPE,
    SIZE,
    SAMPLES,
    CLASSES,
    POSITIONS,
    LAYOUT,
    OUTPUTS,
    POINTERS,
    FLAGS,
    REDUCTION,
    GAMMA,
    SMOOTHING,
    Z_LOSS,
    ALPHA,
    SCALE,
    EPS,
    DENOMINATOR,
    IGNORE,
    LOGITS_LIKE,
    TARGETS_LIKE,
    WEIGHTS_LIKE,
    UPSTREAM_LIKE,
    SECOND,
    WRONG,
    HOW_WRONG,
    LITERALS_AT,
    SEED,
    FIELDS = SEED + 4
};

static uint8_t in[FIELDS];
static uint64_t state;

static uint32_t draw(uint32_t below) /* 0 .. below - 1 */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * below >> 32);
}

static float draw_float(float low, float high)
{
    return low + (high - low) * (float)draw(1u << 24) * (1.f / (1u << 24));
}

/* --- memory: each array ends, or begins, where memory does ------------------------------------- */

enum array {
    X,
    Q, /* float targets, and the upstream of the log-softmax gradient */
    LABELS,
    CLASS_WEIGHT,
    POSITIVE_WEIGHT,
    CLASS_ALPHA,
    UPSTREAM,
    OPTIONS,
    GRAD,
    LOSS,
    LSE,
    REPORT,
    ONE_CALL, /* what a call has; the rest is for the second and for the reference */
    GRAD_2 = ONE_CALL,
    LOSS_2,
    LSE_2,
    LABELS_2,
    X_WIDE,
    Q_WIDE,
    GRAD_WIDE,
    LOSS_WIDE,
    LSE_WIDE,
    ARRAYS
};

enum { MOST = 1200, BYTES = 1 << 14, GUARD = 1 << 12, MARGIN = 8, PLACES = BYTES + GUARD };

static unsigned char *memory[ARRAYS];
static size_t bytes_of[ARRAYS];
static int behind;                          /* memory ends behind the arrays */
static const uint32_t canary = 0x7fc5a5a5u; /* a NaN, if it is read */

static void print_worst(void);

static void map_memory(void)
{
    unsigned char *next;
    int a;
    next = (unsigned char *)mmap(NULL, ARRAYS * PLACES + GUARD, PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED) abort();
    atexit(print_worst);
    for (a = 0, next += GUARD; a < ARRAYS; a++, next += PLACES) {
        memory[a] = next;
        if (mprotect(next, BYTES, PROT_READ | PROT_WRITE) != 0) abort();
    }
}

static void *place(enum array a, size_t bytes)
{
    bytes_of[a] = bytes;
    return behind ? memory[a] + BYTES - bytes : memory[a];
}

static unsigned char *start_of(enum array a)
{
    return behind ? memory[a] + BYTES - bytes_of[a] : memory[a];
}

static float *floats(enum array a) { return (float *)(void *)start_of(a); }
static double *doubles(enum array a) { return (double *)(void *)floats(a); }

static uint32_t *beside(enum array a) /* on its open side */
{
    return (uint32_t *)(void *)(behind ? start_of(a) - 4 * MARGIN
                                       : memory[a] + (bytes_of[a] + 3) / 4 * 4);
}

static uint32_t bits(float value)
{
    union {
        float f;
        uint32_t u;
    } both;
    both.f = value;
    return both.u;
}

static float from_bits(uint32_t u)
{
    union {
        float f;
        uint32_t u;
    } both;
    both.u = u;
    return both.f;
}

/* --- the call --------------------------------------------------------------------------------- */

enum kind {
    LOG_SOFTMAX,
    LOG_SOFTMAX_GRADIENT,
    NLL,
    CROSS_ENTROPY,
    FOCAL,
    BINARY,
    SIGMOID_FOCAL,
    DICE
};

static const char *const kind_names[] = {
    "log_softmax", "log_softmax_gradient", "nll",           "cross_entropy",
    "focal",       "binary_cross_entropy", "sigmoid_focal", "dice"};
static const size_t label_bytes[] = {0, 1, 4, 8, 4};

static struct call {
    enum kind kind;
    losses_shape shape;    /* as it is passed */
    size_t step, row;      /* its strides, resolved */
    size_t extent, values; /* floats from the first to the last element; losses */
    size_t labels;         /* integer targets */
    int type, soft, softmax, set, wants_loss, wants_grad;
    int wild; /* no bounds for: 1 values, 2 gradients */
    float gamma;
    losses_options options;
    losses_status status; /* that is expected; 1: OK or BAD_SHAPE */
    size_t bad;           /* bad_position */
    const float *x;       /* NULL for a wrong call, as are the next */
    const void *target_data;
    float *grad, *loss;
} at;

static uint8_t owned[MOST]; /* by an element, not padding */
static uint32_t held[MOST]; /* what stands in grad before a call */
static int at_rest;         /* held has the canary throughout */

static size_t element(size_t n, size_t c, size_t m) { return n * at.step + c * at.row + m; }

static losses_status call_float(const struct call *k, float *loss, float *grad, const float *x,
                                losses_targets t, losses_shape s, const losses_options *o)
{
    switch (k->kind) {
    case LOG_SOFTMAX:
        return losses_log_softmax(grad, x, s);
    case LOG_SOFTMAX_GRADIENT:
        return losses_log_softmax_gradient(grad, (const float *)t.data, x, s);
    case NLL:
        return losses_nll(loss, grad, x, t, s, o);
    case CROSS_ENTROPY:
        return losses_cross_entropy(loss, grad, x, t, s, o);
    case FOCAL:
        return losses_focal(loss, grad, x, t, s, k->gamma, o);
    case BINARY:
        return losses_binary_cross_entropy(loss, grad, x, t, s, o);
    case SIGMOID_FOCAL:
        return losses_sigmoid_focal(loss, grad, x, t, s, k->gamma, o);
    case DICE:
        break;
    }
    return losses_dice(loss, grad, x, t, s, o);
}

static losses_status call_reference(const struct call *k, double *loss, double *grad,
                                    const double *x, losses_targets t, losses_shape s,
                                    const losses_options *o)
{
    switch (k->kind) {
    case LOG_SOFTMAX:
        return losses_reference_log_softmax(grad, x, s);
    case LOG_SOFTMAX_GRADIENT:
        return losses_reference_log_softmax_gradient(grad, (const double *)t.data, x, s);
    case NLL:
        return losses_reference_nll(loss, grad, x, t, s, o);
    case CROSS_ENTROPY:
        return losses_reference_cross_entropy(loss, grad, x, t, s, o);
    case FOCAL:
        return losses_reference_focal(loss, grad, x, t, s, (double)k->gamma, o);
    case BINARY:
        return losses_reference_binary_cross_entropy(loss, grad, x, t, s, o);
    case SIGMOID_FOCAL:
        return losses_reference_sigmoid_focal(loss, grad, x, t, s, (double)k->gamma, o);
    case DICE:
        break;
    }
    return losses_reference_dice(loss, grad, x, t, s, o);
}

/* Not losses_use_isa, which asks the CPU each time and under a hypervisor takes longer than a call. */
static void use_set(int i) { LOSSI_ATOMIC_SET(&lossi_choice, i); }

static int first_set(void) /* that this CPU has */
{
    static int first = -1;
    if (first < 0) first = lossi_best();
    return first;
}

/* --- a finding -------------------------------------------------------------------------------- */

static const char *second_name = "";

static void show_floats(const char *name, const float *v, size_t n)
{
    size_t i;
    if (v == NULL || n == 0) return;
    printf("  %s:", name);
    for (i = 0; i < n && i < 40; i++) printf(" %a", (double)v[i]);
    printf("\n");
}

/* The position, element or mask that element i of the logits is in, if it is one of those. */
static void show_unit(size_t i)
{
    const losses_shape s = at.shape;
    size_t n, c, m, k;
    losses_targets t;
    t.data = start_of(LABELS);
    t.type = at.type;
    for (n = 0; n < s.samples; n++)
        for (c = 0; c < s.classes; c++)
            for (m = 0; m < s.positions; m++) {
                const size_t count = at.softmax ? s.classes : at.kind == DICE ? s.positions : 1;
                if (element(n, c, m) != i) continue;
                printf("  it is %lu %lu %lu; x, t:", (unsigned long)n, (unsigned long)c,
                       (unsigned long)m);
                for (k = 0; k < count; k++) {
                    const size_t at_k = element(n, at.softmax ? k : c, at.kind == DICE ? k : m);
                    const size_t label_k =
                        at.softmax ? n * s.positions + m
                                   : (n * s.classes + c) * s.positions + (at.kind == DICE ? k : m);
                    printf(" %a", (double)floats(X)[at_k]);
                    if (at.soft || at.kind == LOG_SOFTMAX_GRADIENT)
                        printf(", %a;", (double)floats(Q)[at_k]);
                    else if (at.labels > label_k)
                        printf(", %lld;", (long long)lossi_target(t, label_k));
                }
                printf("\n");
            }
}

static void finding(const char *what, size_t i, double got, double want)
{
    const losses_options *o = &at.options;
    const losses_shape s = at.shape;
#ifdef FUZZ_ON
    static int seen[64];
    unsigned h =
        (unsigned)at.kind * 8u + (unsigned)(what[0] + what[3] + what[strlen(what) - 1]) % 8u;
    if (seen[h]++ >= 2) return;
#endif
    printf("FINDING: %s [%s] %s%s\n  index %lu: got %a (%.9g) want %a (%.17g)\n",
           kind_names[at.kind], lossi_table[at.set]->name, what, second_name, (unsigned long)i, got,
           got, want, want);
    printf("  shape %lu x %lu x %lu, strides %lu %lu; type %d, reduction %d, gamma %a\n",
           (unsigned long)s.samples, (unsigned long)s.classes, (unsigned long)s.positions,
           (unsigned long)s.sample_stride, (unsigned long)s.class_stride, at.type,
           (int)o->reduction, (double)at.gamma);
    printf("  denominator %a, ignore %d %lld, nan_if_empty %d, smoothing %a, z_loss %a, alpha %a, "
           "scale %a, "
           "eps %a, accumulate %d, wild %d, loss %d, grad %d\n",
           o->denominator, o->has_ignore_index, (long long)o->ignore_index, o->nan_if_empty,
           (double)o->label_smoothing, (double)o->z_loss, (double)o->alpha, (double)o->scale,
           (double)o->eps, o->accumulate, at.wild, at.wants_loss, at.wants_grad);
    if (at.extent <= MOST && at.extent > 0) show_unit(i);
    show_floats("class_weight", o->class_weight, s.classes);
    show_floats("positive_weight", o->positive_weight, s.classes);
    show_floats("class_alpha", o->class_alpha, s.classes);
    show_floats("upstream", o->upstream, bytes_of[UPSTREAM] / 4);
    fflush(stdout);
#ifndef FUZZ_ON
    abort();
#endif
}

/* --- from bytes to a call --------------------------------------------------------------------- */

static size_t size_from(unsigned b)
{
    if (b < 150) return 1 + b % 5;
    if (b < 215) return 1 + b % 18;
    if (b < 240) return 1 + b % 35;
    return b < 252 ? 1 + b % 70 : b < 255 ? 64 + b % 8 : 0;
}

static void decode_shape(void)
{
    const size_t most = in[SIZE] < 190 ? 14 : in[SIZE] < 245 ? 45 : in[SIZE] < 253 ? 150 : 560;
    losses_shape *const s = &at.shape;
    size_t n = size_from(in[SAMPLES]), c = size_from(in[CLASSES]), m = size_from(in[POSITIONS]),
           column;
    if (c == 0) c = 33;
    if ((in[LAYOUT] & 3) == 0) m = m > 0;
    while ((n > 0 ? n : 1) * c * (m > 0 ? m : 1) > most) {
        if (n >= c && n >= m)
            n = n / 2;
        else if (m >= c)
            m = m / 2;
        else
            c = c / 2;
    }
    *s = losses_images(n, c, m);
    column = (n > 0 ? n : 1) * m;
    at.row = m;
    at.step = c * m;
    switch (in[LAYOUT] >> 4) {
    default: /* packed */
        break;
    case 9: /* the same, said */
        s->class_stride = m;
        s->sample_stride = c * m;
        break;
    case 10:
        at.step = s->sample_stride = c * m + 1 + in[LAYOUT] % 16;
        break;
    case 11:
        at.row = s->class_stride = m + 1 + in[LAYOUT] % 4;
        at.step = c * at.row;
        break;
    case 12:
        at.row = s->class_stride = m + in[LAYOUT] % 4;
        at.step = s->sample_stride = c * at.row + in[LAYOUT] / 4 % 4;
        break;
    case 13: /* samples are neighbours */
        at.step = s->sample_stride = m + in[LAYOUT] / 8 % 2;
        at.row = s->class_stride = column + in[LAYOUT] % 8 + (n > 0 ? n : 1);
        break;
    case 14: /* right or wrong */
    case 15:
        s->class_stride = draw(2) ? 1 + draw((uint32_t)(column + 2)) : draw((uint32_t)(m + 2));
        s->sample_stride = draw((uint32_t)(c * m + 4));
        at.row = s->class_stride ? s->class_stride : m;
        at.step = s->sample_stride ? s->sample_stride : c * at.row;
        at.status = (losses_status)1;
        break;
    }
    at.extent = n == 0 || m == 0 ? 0 : (n - 1) * at.step + (c - 1) * at.row + m;
    if (at.extent > MOST) {
        s->class_stride = s->sample_stride = 0;
        at.row = m;
        at.step = c * m;
        at.extent = n * c * m;
        at.status = LOSSES_OK;
    }
}

static float number_from(unsigned b) /* any of (0, 1] */
{
    static const float some[] = {1, 0.5f, 0.1f, 0.25f, 1e-3f, 1e-6f, FLT_MIN, 0.9999999f};
    return b < 128 ? some[b % 8] : (float)(b - 127) / 128;
}

static float draw_logit(unsigned like)
{
    static const float specials[] = {0,       -0.f,   1,         -1,          FLT_MAX, -FLT_MAX,
                                     FLT_MIN, 1e-45f, 88.72284f, -103.97208f, 16,      -17,
                                     30,      3e38f,  -3e38f,    100};
    switch (like) {
    case 0:
        return draw_float(-3, 3);
    case 1:
        return draw_float(-20, 20);
    case 2:
        return draw_float(-120, 120);
    case 3: /* ties */
        return (float)draw(3);
    case 4:
        return draw_float(-3e38f, 3e38f);
    case 5:
        return from_bits(draw(0x01000000u) | draw(2) << 31); /* tiny */
    case 6:
        return draw(6) ? draw_float(-5, 5) : specials[draw(16)];
    case 7:
        return draw(10)  ? draw_float(-5, 5)
               : draw(3) ? -LOSSI_INF
               : draw(2) ? LOSSI_INF
                         : LOSSI_NAN;
    case 8:
        return draw(2) ? -LOSSI_INF : (float)draw(2);
    case 9: /* nearly equal */
        return from_bits(bits(17.25f) + draw(8));
    case 10:
        return draw(4) ? draw_float(-1, 1) : draw_float(-1, 1) * 1e4f;
    case 11: /* one leads */
        return draw(4) ? draw_float(-1, 1) : draw_float(10, 110);
    case 12: /* of all sizes */
        return from_bits((draw(40) + 107) << 23 | draw(1u << 23) | draw(2) << 31);
    case 13: /* any finite number */
        return from_bits(draw(0x7f800000u) | draw(2) << 31);
    default: /* anything */
        return from_bits((uint32_t)draw(0xffffffffu));
    }
}

static void fill_logits(const uint8_t *literals, size_t count)
{
    const unsigned like = in[LOGITS_LIKE] % 24;
    const int negative = at.kind == NLL || at.kind == LOG_SOFTMAX_GRADIENT;
    float *x = (float *)place(X, at.extent * 4), *q;
    size_t i, k;
    if (at.step != at.shape.classes * at.row || at.row != at.shape.positions)
        for (i = 0; i < at.extent; i++) x[i] = from_bits(canary);
    for (i = 0; i < at.extent; i++) {
        if (!owned[i]) continue;
        x[i] = draw_logit(like < 15 ? like : like < 20 ? 0 : draw(15));
        if (negative && x[i] > 0 && !(in[LOGITS_LIKE] & 128)) x[i] = -x[i];
    }
    for (i = at.extent ? in[LITERALS_AT] % at.extent : 0, k = 0; k + 4 <= count && i < at.extent;
         k += 4, i++)
        if (owned[i]) memcpy(&x[i], literals + k, 4);
    for (i = 0; i < at.extent && at.kind == LOG_SOFTMAX_GRADIENT; i++)
        if (x[i] > 1) x[i] = -x[i]; /* not the log of a probability: not in the contract */
    if (!at.soft && at.kind != LOG_SOFTMAX_GRADIENT) return;
    q = (float *)place(Q, at.extent * 4);
    for (i = 0; i < at.extent; i++) {
        const unsigned how = in[TARGETS_LIKE] % 8;
        if (at.kind == LOG_SOFTMAX_GRADIENT)
            q[i] = how == 7 ? draw_logit(draw(15)) : how == 6 ? draw_logit(12) : draw_float(-2, 2);
        else
            q[i] = how == 0   ? (float)draw(2)
                   : how == 1 ? (float)draw(5) / 4
                   : how == 2 ? from_bits((draw(30) + 97) << 23 | draw(1u << 23))
                   : how == 3 ? (draw(3) ? 0.f : draw_float(0, 1))
                              : draw_float(0, 1);
        if (at.kind != LOG_SOFTMAX_GRADIENT && in[TARGETS_LIKE] >= 240 && draw(3) == 0)
            q[i] = draw_logit(14);
        if (!owned[i]) q[i] = from_bits(canary);
    }
    if (at.kind != LOG_SOFTMAX_GRADIENT && in[TARGETS_LIKE] >= 240) at.wild = 3;
    if (at.kind == LOG_SOFTMAX_GRADIENT && in[TARGETS_LIKE] % 8 == 7) at.wild = 3;
}

static void put_label(enum array a, int type, size_t i, int64_t t)
{
    unsigned char *const p = start_of(a);
    if (type == LOSSI_U8) p[i] = (uint8_t)t;
    if (type == LOSSI_I32) ((int32_t *)(void *)p)[i] = (int32_t)t;
    if (type == LOSSI_I64) ((int64_t *)(void *)p)[i] = t;
}

static int64_t label(size_t i)
{
    losses_targets t;
    t.data = start_of(LABELS);
    t.type = at.type;
    return lossi_target(t, i);
}

static int64_t ignored_label(void)
{
    return at.options.has_ignore_index ? at.options.ignore_index : -100;
}

static void fill_labels(void)
{
    static const int64_t indices[] = {
        255, -1, -100, 0, 1, 2, INT64_MIN, INT64_MAX, (int64_t)1 << 32, 7, 3, 254};
    losses_options *const o = &at.options;
    const uint32_t below = at.softmax ? (uint32_t)at.shape.classes : 2;
    const unsigned often = in[TARGETS_LIKE] % 8;
    int64_t ignored = -100;
    int can;
    size_t i;
    at.labels = at.shape.samples * at.shape.positions * (at.softmax ? 1 : at.shape.classes);
    if (in[IGNORE] >= 96) {
        o->has_ignore_index = 1;
        o->ignore_index = ignored = in[IGNORE] < 160 ? 255 : indices[in[IGNORE] % 12];
    }
    can = at.type == LOSSI_I64 || (at.type == LOSSI_I32 && ignored == (int32_t)ignored) ||
          (at.type == LOSSI_U8 && ignored == (uint8_t)ignored);
    place(LABELS, at.labels * label_bytes[at.type]);
    for (i = 0; i < at.labels; i++) {
        int64_t t = (int64_t)draw(below);
        if (can && (often == 7 || (often >= 3 && draw(8 - often) == 0))) t = ignored;
        put_label(LABELS, at.type, i, t);
    }
}

static float draw_weight(void)
{
    const unsigned like = in[WEIGHTS_LIKE];
    if (like < 100) return draw_float(0.1f, 3);
    if (like < 180) return draw(3) ? draw_float(0.1f, 3) : 0;
    if (like < 200) return (float)draw(2);
    if (like < 230) return from_bits((draw(24) + 115) << 23 | draw(1u << 23));
    if (like < 240) return 0;
    at.wild = 3;
    return from_bits(draw(0x7f800000u));
}

static const float *weights(enum array a)
{
    float *w = (float *)place(a, at.shape.classes * 4);
    size_t i;
    for (i = 0; i < at.shape.classes; i++) w[i] = draw_weight();
    return w;
}

static void fill_upstream(void)
{
    const unsigned like = in[UPSTREAM_LIKE];
    float *u = (float *)place(UPSTREAM, at.values * 4);
    size_t i;
    for (i = 0; i < at.values; i++) {
        u[i] = like < 100   ? draw_float(-2, 2)
               : like < 150 ? (float)draw(3) - 1
               : like < 200 ? from_bits((draw(24) + 115) << 23 | draw(2) << 31 | draw(1u << 23))
               : like < 240 ? 1.f
                            : draw_logit(14);
    }
    if (like >= 240) at.wild |= 2;
    at.options.upstream = u;
}

static void decode_options(void)
{
    static const float gammas[] = {0, 2, 1, 0.5f, 3, 5, 0.25f, 1.5f, 1e-3f, 2.5f, FLT_MIN, 4};
    static const float scales[] = {0, 1, 1000, 1e-3f, 100, 7};
    losses_options *const o = &at.options;
    const unsigned p = in[POINTERS];
    o->reduction = (losses_reduction)(in[REDUCTION] % 3);
    if (o->reduction == LOSSES_MEAN && in[DENOMINATOR] >= 160) {
        o->denominator = in[DENOMINATOR] < 220 ? 1 + draw(50) : (double)draw_float(0.01f, 100);
        if (in[DENOMINATOR] >= 250) {
            o->denominator = in[DENOMINATOR] % 2 ? DBL_MAX : DBL_MIN;
            at.wild = 3;
        }
    }
    o->nan_if_empty = in[FLAGS] & 1;
    o->accumulate = (in[FLAGS] >> 1 & 3) == 3;
    at.values = o->reduction != LOSSES_NONE ? 1
                : at.kind == DICE
                    ? at.shape.samples * at.shape.classes
                    : at.shape.samples * at.shape.positions * (at.softmax ? 1 : at.shape.classes);
    if ((p & 3) == 3 && (at.kind == NLL || at.kind == CROSS_ENTROPY || at.kind == BINARY))
        o->class_weight = weights(CLASS_WEIGHT);
    if ((p >> 2 & 3) == 3 && at.kind == BINARY) o->positive_weight = weights(POSITIVE_WEIGHT);
    if ((p >> 2 & 3) == 3 && at.kind == FOCAL) o->class_alpha = weights(CLASS_ALPHA);
    if (p >> 4 & 1) fill_upstream();
    if ((p >> 5 & 1) && (at.kind == CROSS_ENTROPY || at.kind == FOCAL)) {
        float *lse = (float *)place(LSE, at.shape.samples * at.shape.positions * 4);
        o->log_sum_exp = lse;
    }
    if (at.kind == CROSS_ENTROPY && in[SMOOTHING] >= 128) {
        o->label_smoothing = number_from(2 * (in[SMOOTHING] - 128u));
        if (o->label_smoothing < 1e-30f) at.wild = 3; /* denormal numbers again */
    }
    if (at.kind == CROSS_ENTROPY && in[Z_LOSS] >= 160) {
        o->z_loss = in[Z_LOSS] < 250 ? number_from(2 * (in[Z_LOSS] - 160u)) * 0.1f : 1e30f;
        if (in[Z_LOSS] >= 250) at.wild = 3;
    }
    if (at.kind == FOCAL || at.kind == SIGMOID_FOCAL) {
        at.gamma = in[GAMMA] < 200 ? gammas[in[GAMMA] % 12] : (float)(in[GAMMA] - 200) / 11.f;
        if (in[GAMMA] >= 250) {
            at.gamma = in[GAMMA] == 255 ? FLT_MAX : (float)(1u << in[GAMMA] % 8 * 4);
            at.wild = 3;
        }
        if (in[ALPHA] >= 100) o->alpha = number_from(in[ALPHA]);
        if (o->alpha > 0 && o->alpha < 1e-30f)
            at.wild = 3; /* for 0: nearly all of it is denormal */
        if (in[ALPHA] >= 200) o->alpha = at.kind == FOCAL ? (float)(in[ALPHA] - 199) : -1;
    }
    if (at.kind == DICE) {
        o->scale = scales[in[SCALE] % 6];
        o->eps = in[EPS] < 64 ? 0 : in[EPS] < 128 ? 1 : number_from(in[EPS]);
        if (o->eps > 0 && o->eps < 1e-6f) o->eps = 1e-6f;
    }
}

/* Puts an output over another argument, by one element at an end. Returns 0 where there is no element. */
static int overlap(unsigned how)
{
    const enum array out = (enum array)(GRAD + how % 3), other = (enum array)(how / 3 % (LSE + 1));
    const int first = how / 64 & 1;
    unsigned char *b;
    size_t a_bytes, b_bytes;
    if (out == other || other == OPTIONS || at.extent == 0) return 0;
    if (out == GRAD && !at.wants_grad) return 0;
    if (out == LOSS && !at.wants_loss) return 0;
    if (out == LSE && at.options.log_sum_exp == NULL) return 0;
    if (at.kind <= LOG_SOFTMAX_GRADIENT && (out != GRAD || other != (at.kind == LOG_SOFTMAX ? X
                                                                     : in[HOW_WRONG] & 1    ? X
                                                                                            : Q)))
        return 0;
    if ((other == Q && !at.soft && at.kind != LOG_SOFTMAX_GRADIENT) ||
        (other == LABELS && at.labels == 0) ||
        (other == CLASS_WEIGHT && at.options.class_weight == NULL) ||
        (other == POSITIVE_WEIGHT && at.options.positive_weight == NULL) ||
        (other == CLASS_ALPHA && at.options.class_alpha == NULL) ||
        (other == UPSTREAM && at.options.upstream == NULL) || (other == GRAD && !at.wants_grad) ||
        (other == LOSS && !at.wants_loss) || (other == LSE && at.options.log_sum_exp == NULL))
        return 0;
    a_bytes = bytes_of[out];
    b_bytes = bytes_of[other];
    b = start_of(other);
    if (out == GRAD && other == X && a_bytes == 4 && !at.options.accumulate)
        return 0; /* in place */
    if (at.kind <= LOG_SOFTMAX_GRADIENT && a_bytes == 4) return 0;
    b += first ? (size_t)((b_bytes - 1) / 4 * 4) : 0;
    if (!first) b -= a_bytes - 4;
    if ((uintptr_t)b % 4 != 0) return 0; /* u8 targets */
    if (out == GRAD) at.grad = (float *)(void *)b;
    if (out == LOSS) at.loss = (float *)(void *)b;
    if (out == LSE) at.options.log_sum_exp = (float *)(void *)b;
    return 1;
}

/* Makes the call wrong in one way, of which the status is known. */
static void make_wrong(void)
{
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 4 + 1, SIZE_MAX / 8 + 1,
                                  SIZE_MAX / 3};
    const float no_numbers[] = {-1, LOSSI_NAN, LOSSI_INF, -LOSSI_INF, -FLT_MIN};
    const unsigned how = in[HOW_WRONG];
    const int plain = at.kind <= LOG_SOFTMAX_GRADIENT;
    const float no_number = no_numbers[how % 5];
    losses_options *const o = &at.options;
    losses_status status = LOSSES_BAD_OPTION;
    if (at.status != LOSSES_OK) return; /* may be wrong already */
    switch (in[WRONG] % 16) {
    case 0:
        if (at.extent > 0) at.x = NULL, at.status = LOSSES_BAD_POINTER;
        return;
    case 1:
        if (at.extent > 0 && at.kind != LOG_SOFTMAX)
            at.target_data = NULL, at.status = LOSSES_BAD_POINTER;
        return;
    case 2:
        if (at.extent == 0) return;
        if (how % 3 == 0) at.shape.samples = huge[how / 3 % 5];
        if (how % 3 == 1) at.shape.classes = huge[how / 3 % 5];
        if (how % 3 == 2) at.shape.positions = huge[how / 3 % 5];
        at.status = LOSSES_BAD_SHAPE;
        return;
    case 3:
        if (how % 3 == 0) {
            at.shape.classes = 0;
        } else {
            if (at.extent == 0 || at.shape.samples < 2 || at.shape.classes < 2) return;
            if (how % 3 == 1) at.shape.sample_stride = huge[how / 3 % 5];
            if (how % 3 == 2) at.shape.class_stride = huge[how / 3 % 5];
        }
        at.status = LOSSES_BAD_SHAPE;
        return;
    case 4:
    case 5:
        if (overlap(how)) at.status = LOSSES_BAD_OVERLAP;
        return;
    case 6:
        if (plain) return;
        at.type = how % 4 == 0 ? 0 : how % 4 == 1 ? 5 : how % 4 == 2 ? -1 : LOSSI_F32;
        if (at.type == LOSSI_F32 && at.kind != NLL && at.kind != FOCAL) at.type = 77;
        at.status = LOSSES_BAD_TARGET;
        return;
    case 7:
    case 8:
        if (plain || at.labels == 0) return;
        {
            const int64_t c = at.softmax ? (int64_t)at.shape.classes : 2, wide = (int64_t)1 << 32;
            const int64_t bad[] = {c,         c + 1,     -1,   255,      INT32_MAX,
                                   INT32_MIN, INT64_MIN, wide, wide + 1, -wide};
            int64_t t = bad[how % (at.type == LOSSI_I64 ? 10 : 6)];
            if (at.type == LOSSI_U8) t = (uint8_t)t;
            if (t == ignored_label() || (t >= 0 && t < c)) return;
            at.bad = draw((uint32_t)at.labels);
            put_label(LABELS, at.type, at.bad, t);
            at.status = LOSSES_BAD_TARGET;
        }
        return;
    case 9:
        if (plain) return;
        at.gamma = at.kind == FOCAL || at.kind == SIGMOID_FOCAL ? no_number : at.gamma;
        if (at.kind == CROSS_ENTROPY) o->label_smoothing = how & 1 ? 1.0000001f : no_number;
        if (at.kind == NLL || at.kind == BINARY) o->label_smoothing = 0.1f;
        if (at.kind == DICE) o->scale = no_number;
        break;
    case 10:
        o->denominator = o->reduction == LOSSES_MEAN ? (double)no_number : 1;
        break;
    case 11:
        if (how % 4 == 0) o->accumulate = how & 64 ? 2 : -1;
        if (how % 4 == 1) o->nan_if_empty = how & 64 ? 2 : -1;
        if (how % 4 == 2) o->has_ignore_index = at.soft ? 1 : 2;
        if (how % 4 == 3) o->reduction = (losses_reduction)(how & 64 ? 3 : -1);
        break;
    case 12:
        if (at.kind == CROSS_ENTROPY) o->z_loss = no_number;
        if (at.kind != CROSS_ENTROPY) o->z_loss = how & 1 ? no_number : 0.5f;
        break;
    case 13:
        if (at.kind == FOCAL) o->alpha = no_number;
        if (at.kind == SIGMOID_FOCAL) o->alpha = how & 1 ? LOSSI_NAN : 1.0000001f;
        if (at.kind != FOCAL && at.kind != SIGMOID_FOCAL) o->alpha = how & 1 ? no_number : 0.5f;
        break;
    case 14:
        if (at.kind == DICE) o->eps = no_number;
        if (at.kind != DICE) o->eps = how & 1 ? no_number : 1;
        break;
    default:
        if (plain) return;
        {
            float *w = (float *)place(CLASS_WEIGHT, at.shape.classes * 4);
            size_t i;
            for (i = 0; i < at.shape.classes; i++) w[i] = 1;
            if (at.kind == FOCAL) o->class_alpha = w;
            if (at.kind == NLL || at.kind == CROSS_ENTROPY || at.kind == BINARY)
                o->class_weight = w;
            if (at.kind == SIGMOID_FOCAL || at.kind == DICE) o->class_weight = w;
            w[draw((uint32_t)at.shape.classes)] = no_number;
            if (!o->has_ignore_index && (how & 128)) o->ignore_index = 3;
        }
        break;
    }
    if (!plain) at.status = status;
}

/* --- bounds ----------------------------------------------------------------------------------- */

static double ulp(double want) /* of the float that is nearest */
{
    int exponent = -125;
    if (want != 0) frexp(want, &exponent);
    return ldexp(1, exponent < -125 ? -149 : exponent - 24);
}

static int both_special(float got, double want)
{
    const double most = (double)FLT_MAX * (1 - 0x1p-22);
    if (isnan(want)) return isnan(got);
    if (isinf(got)) return got > 0 ? want >= most : want <= -most;
    return 0;
}

static int within(float got, double want, double ulps)
{
    return both_special(got, want) || fabs((double)got - want) <= ulps * ulp(want);
}

/* Of a loss. PART 1 says 4; a power of s has as many times the error of s, and where a sum has a term for
 * each class its roundings add up if the logits are chosen for that. */
static double value_ulps(void)
{
    const losses_options *o = &at.options;
    if (at.kind == FOCAL || at.kind == SIGMOID_FOCAL) return 4;
    return at.kind == CROSS_ENTROPY && (at.soft || o->label_smoothing > 0) ? 8 : 4;
}

static double wide(const float *w, size_t i) { return w != NULL ? (double)w[i] : 1; }

static double most_of(const float *w, size_t n) /* 1, or more */
{
    double most = 1;
    size_t i;
    for (i = 0; w != NULL && i < n; i++) most = fmax(most, fabs((double)w[i]));
    return most;
}

static double most_finite(const float *x, size_t n)
{
    double most = 0;
    size_t i;
    for (i = 0; i < n; i++)
        if (owned[i] && fabs((double)x[i]) > most && fabs((double)x[i]) <= (double)FLT_MAX)
            most = fabs((double)x[i]);
    return most;
}

/* What underflows before weights, alpha and upstream are applied may be 0: this times 2^-149. */
static double most_weight(int gradient)
{
    const losses_options *o = &at.options;
    const size_t c = at.shape.classes;
    const losses_report *report = (const losses_report *)(const void *)floats(REPORT);
    const float *x = floats(X);
    const double E =
        (o->scale > 0 ? (double)o->scale : 1000) * (o->eps > 0 ? (double)o->eps : 1e-6);
    double most = most_of(o->class_weight, c) * most_of(o->positive_weight, c) *
                  most_of(o->class_alpha, c) * fmax(1, (double)o->alpha);
    if (at.kind == DICE) most *= fmax(1, gradient ? 1 / E / E : 1 / E);
    if (o->z_loss > 0 || at.soft) most *= 1 + 2 * most_finite(x, at.extent); /* 2 z lse, t x */
    if (o->reduction == LOSSES_MEAN && report->denominator > 0)
        most *= fmax(1, 1 / report->denominator);
    return gradient ? most * most_of(o->upstream, o->upstream != NULL ? at.values : 0) : most;
}

static double factor_of(size_t i)
{
    const losses_options *o = &at.options;
    const losses_report *report = (const losses_report *)(const void *)floats(REPORT);
    const double u =
        o->upstream != NULL ? (double)o->upstream[o->reduction == LOSSES_NONE ? i : 0] : 1;
    return o->reduction == LOSSES_MEAN && report->denominator > 0 ? u / report->denominator : u;
}

/* The largest term of the gradient of an element, where terms cancel. */
static double largest_term(size_t n, size_t c, size_t m)
{
    const losses_options *o = &at.options;
    const size_t j = element(n, c, m), first = element(n, 0, m), i = n * at.shape.positions + m;
    const float *x = floats(X), *q = floats(Q);
    double most = 0, sum = 0, A = 0, p, t, lse;
    size_t k;
    switch (at.kind) {
    case LOG_SOFTMAX:
    case NLL:
    case FOCAL:
        return 0;
    case LOG_SOFTMAX_GRADIENT:
        for (k = 0; k < at.shape.classes; k++) sum += fabs((double)q[first + k * at.row]);
        return fabs((double)q[j]) + exp((double)x[j]) * sum;
    case CROSS_ENTROPY:
        if (!at.soft && !(o->label_smoothing > 0) && !(o->z_loss > 0)) return 0;
        most = (double)x[first];
        for (k = 1; k < at.shape.classes; k++) most = fmax(most, (double)x[first + k * at.row]);
        for (k = 0; k < at.shape.classes; k++) {
            const double e = (double)o->label_smoothing,
                         q_k = at.soft ? (double)q[first + k * at.row] : (int64_t)k == label(i);
            sum += exp((double)x[first + k * at.row] - most);
            A += wide(o->class_weight, k) * ((1 - e) * q_k + e / (double)at.shape.classes);
        }
        lse = most + log(sum);
        p = exp((double)x[j] - most) / sum;
        t = at.soft ? (double)q[j] : (int64_t)c == label(i);
        t = wide(o->class_weight, c) * fmax((1 - (double)o->label_smoothing) * t,
                                            (double)o->label_smoothing / (double)at.shape.classes);
        /* lse = x_r + log1p(S), whose terms cancel too */
        lse = fmax(
            fabs(lse),
            fmax(fabs(most),
                 fmax(log(sum), at.soft ? 0 : fabs((double)x[first + (size_t)label(i) * at.row]))));
        return fabs(factor_of(i)) * fmax(fmax(A * p, t), 2 * (double)o->z_loss * lse * p);
    case BINARY:
        if (!at.soft) return 0;
        k = (n * at.shape.classes + c) * at.shape.positions + m;
        return fabs(factor_of(k)) * wide(o->class_weight, c) *
               fmax((1 - (double)q[j]) * lossi_logistic((double)x[j]),
                    wide(o->positive_weight, c) * (double)q[j] * lossi_logistic(-(double)x[j]));
    case SIGMOID_FOCAL:
        if (!at.soft) return 0;
        k = (n * at.shape.classes + c) * at.shape.positions + m;
        {
            const double v = (double)x[j], s = lossi_logistic(v), r = lossi_logistic(-v),
                         y = (double)q[j];
            const double M = y * r + (1 - y) * s, power = pow(M, (double)at.gamma);
            const double bce = y * lossi_softplus(-v) + (1 - y) * lossi_softplus(v);
            const double alpha = !(o->alpha > 0 || o->alpha < 0) ? 0.25 : (double)o->alpha;
            const double a = alpha < 0 ? 1 : alpha * y + (1 - alpha) * (1 - y);
            const double third =
                M > 0 && isfinite(bce) ? fabs((double)at.gamma * (1 - 2 * y) * s * r / M * bce) : 0;
            return fabs(factor_of(k)) * a * power * fmax(fmax(y * r, (1 - y) * s), third);
        }
    case DICE:
        break;
    }
    if (!at.soft) return 0;
    {
        const double E =
            (o->scale > 0 ? (double)o->scale : 1000) * (o->eps > 0 ? (double)o->eps : 1e-6);
        double I2 = E, D = E;
        for (k = 0; k < at.shape.positions; k++) {
            const double v = (double)x[element(n, c, k)], y = (double)q[element(n, c, k)];
            I2 += 2 * y * lossi_logistic(v);
            D += y + lossi_logistic(v);
        }
        p = lossi_logistic((double)x[j]) * lossi_logistic(-(double)x[j]);
        return fabs(factor_of(n * at.shape.classes + c)) * p / D * fmax(I2 / D, 2 * (double)q[j]);
    }
}

/* The bounds that the header states are measured on random inputs. A fuzzer looks for worse: it may find what
 * is SLACK times as much, and the worst that it found is printed at the end. */
#ifndef SLACK
#define SLACK 2
#endif
static struct worst {
    double error;
    struct call at;
    double got, want;
} worst[8][3]; /* by kind: values in ulp, gradients in ulp, in 2^-24 of their largest term */

static int bounded(int what, double error, double bound, double got, double want)
{
    struct worst *const w = &worst[at.kind][what];
    if (!(error <= SLACK * bound)) return 0;
    if (error <= w->error || fabs(want) < 1e-36)
        return 1; /* of the latter, 2^-149 may be a large part */
    w->error = error;
    w->at = at;
    w->got = got;
    w->want = want;
    return 1;
}

static void print_worst(void)
{
    static const char *const units[] = {"value, ulp", "gradient, ulp",
                                        "gradient, 2^-24 of its largest term"};
    int k, what;
    for (k = 0; k < 8; k++)
        for (what = 0; what < 3; what++) {
            const struct worst *w = &worst[k][what];
            if (!(w->error > 0)) continue;
            printf("worst: %.2f %s: %s [%s] type %d gamma %.9g, got %a want %a\n", w->error,
                   units[what], kind_names[k], lossi_table[w->at.set]->name, w->at.type,
                   (double)w->at.gamma, w->got, w->want);
        }
}

static void check_gradient(size_t n, size_t c, size_t m, float got, double want)
{
    const size_t i = element(n, c, m);
    const int value = at.kind == LOG_SOFTMAX;
    const double before = at.options.accumulate ? (double)from_bits(held[i]) : 0;
    double error, size;
    if ((at.wild & 2) || both_special(got, want)) return;
    error = fabs((double)got - want);
    size = largest_term(n, c, m);
    if (at.options.accumulate) size = fmax(size, fabs(before));
    if (!(size > 0) && bounded(value ? 0 : 1, error / ulp(want), value ? 4 : 32, (double)got, want))
        return;
    if (error <= 32 * ulp(want)) return;
    error -= 0x1p-149 * most_weight(1);
    if (error <= SLACK * (value ? 4 : 32) * ulp(want)) return;
    if (at.options.accumulate) error -= 32 * ulp(want - before);
    if (error <= 0 || (size > 0 && bounded(2, error / size * 0x1p24, 4, (double)got, want))) return;
    if (at.options.z_loss > 0 && 2 * (double)at.options.z_loss * most_weight(1) > 1e38 &&
        !isfinite(got))
        return; /* 2 z lse u is not in float, or nearly */
    finding(value ? "log-probability" : "gradient", i, (double)got, want);
}

/* An element that loss i is of */
static size_t element_of(size_t i)
{
    const losses_shape s = at.shape;
    if (at.options.reduction != LOSSES_NONE) return 0;
    if (at.softmax) return element(i / s.positions, 0, i % s.positions);
    if (at.kind == DICE) return element(i / s.classes, i % s.classes, 0);
    return element(i / s.positions / s.classes, i / s.positions % s.classes, i % s.positions);
}

/* A loss that is reduced: its terms may be of both signs, and one of them beyond float. */
static void check_value(size_t i, float got, double want, losses_targets t, const char *what)
{
    const double D = ((const losses_report *)(const void *)floats(REPORT))->denominator;
    struct call each = at;
    losses_options o = at.options;
    double sum = 0, error, all[MOST];
    size_t k, count;
    if ((at.wild & 1) || both_special(got, want)) return;
    error = fabs((double)got - want);
    if (o.reduction == LOSSES_NONE && !(o.z_loss > 0)
            ? bounded(0, error / ulp(want), value_ulps(), (double)got, want)
            : error <= SLACK * value_ulps() * ulp(want))
        return;
    error -= 0x1p-149 * most_weight(0) * (o.reduction != LOSSES_NONE ? (double)at.extent : 1);
    if (isnan(got) && at.kind == CROSS_ENTROPY && want > (double)FLT_MAX)
        return; /* inf - inf under way */
    if (error <= SLACK * value_ulps() * ulp(want)) return;
    if (o.z_loss > 0) { /* of z lse^2, where lse = x_r + log1p(S) cancels */
        const double e = SLACK * 0x1p-22 * (1 + most_finite(floats(X), at.extent)),
                     z = (double)o.z_loss;
        error -= 2 * sqrt(z * fabs(want)) * e + z * e * e;
    }
    if (error <= 0) return;
    if (o.reduction != LOSSES_NONE) {
        count = at.shape.samples * (at.kind == DICE ? 1 : at.shape.positions) *
                (at.softmax ? 1 : at.shape.classes);
        o.upstream = NULL;
        o.denominator = 0;
        o.log_sum_exp = NULL;
        o.report = NULL;
        o.accumulate = 0;
        o.reduction = LOSSES_NONE;
        if (call_reference(&each, all, NULL, doubles(X_WIDE), t, at.shape, &o) != LOSSES_OK)
            finding("reference of each loss", i, 0, 0);
        for (k = 0; k < count; k++) {
            if (fabs(all[k]) > (double)FLT_MAX * (1 - 0x1p-22) && (isinf(got) || isnan(got)))
                return;
            sum += fabs(all[k]);
        }
        if (at.options.reduction == LOSSES_MEAN && D > 0) sum /= D;
        if (error <= 4 * 0x1p-23 * sum) return;
    }
    finding(what, element_of(i), (double)got, want);
}

/* lse = x_r + log1p(S) for an r that is not always the greatest: the target's, if it is a class */
static void check_lse(size_t i, float got, float want)
{
    const size_t n = i / at.shape.positions, m = i % at.shape.positions;
    double most = 0, size = 0;
    size_t k;
    if (within(got, (double)want, 4)) return;
    for (k = 0; k < at.shape.classes; k++) {
        const double v = (double)floats(X)[element(n, k, m)];
        if (k == 0 || v > most) most = v;
    }
    if (!at.soft) most = (double)floats(X)[element(n, (size_t)label(i), m)];
    size = fmax(fabs(most), fabs((double)want - most));
    if (fabs((double)got - (double)want) <= 5 * 0x1p-24 * size) return;
    finding("log_sum_exp", i, (double)got, (double)want);
}

/* --- the call and its checks ------------------------------------------------------------------ */

static void set_beside(enum array a)
{
    uint32_t *const p = beside(a);
    int i;
    for (i = 0; i < MARGIN; i++) p[i] = canary;
}

static void check_beside(enum array a, const char *what)
{
    const uint32_t *const p = beside(a);
    int i;
    for (i = 0; i < MARGIN; i++)
        if (p[i] != canary) finding(what, (size_t)i, 0, 0);
}

static void hold(enum array a, size_t count)
{
    uint32_t *const p = (uint32_t *)place(a, count * 4);
    size_t i;
    for (i = 0; i < count; i++) p[i] = canary;
    set_beside(a);
}

static void hold_grad(enum array a)
{
    memcpy(place(a, at.extent * 4), held, at.extent * 4);
    set_beside(a);
}

static int same_bits(const float *a, const float *b, size_t n)
{
    size_t i;
    if (memcmp(a, b, n * 4) == 0) return 1;
    for (i = 0; i < n; i++)
        if (bits(a[i]) != bits(b[i]) && !(isnan(a[i]) && isnan(b[i]))) return 0;
    return 1;
}

static void check_same(const float *a, const float *b, size_t n, const char *what)
{
    size_t i;
    if (same_bits(a, b, n)) return;
    for (i = 0; same_bits(a + i, b + i, 1); i++) continue;
    finding(what, i, (double)a[i], (double)b[i]);
}

static void check_same_report(const losses_report *a, const losses_report *b)
{
    if (a->counted != b->counted || a->denominator != b->denominator ||
        (a->sum != b->sum && !(isnan(a->sum) && isnan(b->sum))))
        finding("report differs", 0, a->sum, b->sum);
}

static losses_targets targets_at(const void *data, int type)
{
    losses_targets t;
    t.data = data;
    t.type = type;
    return t;
}

static const void *target_data(void)
{
    return at.soft || at.kind == LOG_SOFTMAX_GRADIENT ? start_of(Q) : start_of(LABELS);
}

/* A second call, which is to have the same bits. */
/* The softmax losses from blocks of classes, in some order into two sets of states, beside the reference. */
static void check_blocks(losses_targets t, float *loss, float *grad, const losses_options *o)
{
    static losses_partial states[2][MOST];
    const size_t positions = at.shape.samples * at.shape.positions, classes = at.shape.classes;
    const float gamma = at.kind == FOCAL ? at.gamma : 0;
    const float *const x = floats(X);
    losses_shape s = at.shape;
    losses_block b = {0, classes};
    losses_targets y = t;
    size_t i, n, c, m, to = draw(2);
    int gradient;
    second_name = ": in blocks";
    memset(states, 0, sizeof states);
    s.class_stride = at.row;
    s.sample_stride = at.step;
    for (gradient = 0; gradient < 2; gradient++) {
        for (b.first = 0; b.first < classes; b.first += s.classes) {
            const size_t k = b.first * at.row;
            losses_status status = LOSSES_OK;
            s.classes = 1 + draw((uint32_t)(classes - b.first));
            if (at.soft) y.data = (const float *)t.data + k;
            if (gradient && grad != NULL)
                status = losses_partial_gradient(grad + k, states[to], x + k, y, s, b, gamma, o);
            else if (!gradient)
                status = losses_partial_fold(states[draw(2)], x + k, y, s, b, gamma, o);
            if (status != LOSSES_OK) finding("status", b.first, (double)status, 0);
        }
        if (gradient) break;
        b.first = 0;
        if (losses_partial_merge(states[to], states[1 - to], positions) != LOSSES_OK ||
            losses_partial_finish(loss, states[to], t, s, b, gamma, o) != LOSSES_OK)
            finding("status of the finish", 0, 0, 0);
    }
    for (i = 0; loss != NULL && i < at.values; i++)
        check_value(i, loss[i], doubles(LOSS_WIDE)[i], t, "loss");
    for (n = 0; n < at.shape.samples && grad != NULL && at.grad != NULL; n++)
        for (c = 0; c < classes; c++)
            for (m = 0; m < at.shape.positions; m++) {
                i = element(n, c, m);
                if (!(fabs((double)grad[i] - doubles(GRAD_WIDE)[i]) <=
                      0x1p-22 * fabs(doubles(GRAD_WIDE)[i])))
                    check_gradient(n, c, m, grad[i], doubles(GRAD_WIDE)[i]);
            }
    check_beside(GRAD_2, "written beside grad");
    check_beside(LOSS_2, "written beside loss");
}

static void check_second(losses_targets t)
{
    static const int others[] = {1, 0, 3, 2}; /* avx512 and avx2, sse2 and scalar */
    struct call k = at;
    losses_options o = at.options;
    losses_report report;
    const float *x = floats(X), *const g = floats(GRAD);
    float *loss, *grad;
    const losses_shape s = at.shape;
    size_t n, m, c;
    losses_status status;
    losses_report *const first_report = (losses_report *)(void *)floats(REPORT);
    const size_t positions = s.samples * s.positions;

    o.report = &report;
    hold(LOSS_2, at.values);
    hold_grad(GRAD_2);
    if (o.log_sum_exp != NULL) {
        hold(LSE_2, positions);
        o.log_sum_exp = floats(LSE_2);
    }
    loss = at.wants_loss ? floats(LOSS_2) : NULL;
    grad = at.wants_grad ? floats(GRAD_2) : NULL;
    switch (in[SECOND] % 8) {
    case 0:
        second_name = ": value only";
        if (at.kind <= LOG_SOFTMAX_GRADIENT) return;
        grad = NULL;
        break;
    case 1:
        second_name = ": gradient only";
        if (at.kind <= LOG_SOFTMAX_GRADIENT) return;
        loss = NULL;
        o.log_sum_exp = NULL;
        break;
    case 2:
        second_name = ": in place";
        if (o.accumulate || grad == NULL) return;
        memcpy(grad, x, at.extent * 4);
        for (n = 0; n < at.extent; n++)
            if (!owned[n]) ((uint32_t *)(void *)grad)[n] = held[n];
        x = grad;
        break;
    case 3:
        second_name = ": on another instruction set of the class";
        if (at.wild) return; /* out of the domain of exp and log sets may differ */
        n = (size_t)(LOSSI_SETS == 4 ? others[at.set] : at.set);
        if ((int)n < first_set()) return;
        use_set((int)n);
        break;
    case 4:
        second_name = ": for another type of target";
        if (at.soft || at.kind <= LOG_SOFTMAX_GRADIENT) return;
        k.type = 1 + (at.type + in[SECOND] / 8 % 2) % 3;
        place(LABELS_2, at.labels * label_bytes[k.type]);
        for (n = 0; n < at.labels; n++) {
            const int64_t y = label(n);
            put_label(LABELS_2, k.type, n, y);
            if (lossi_target(targets_at(start_of(LABELS_2), k.type), n) != y) return;
        }
        if (k.type == LOSSI_U8 && !o.has_ignore_index)
            k.type = LOSSI_U8; /* -100 cannot be among them */
        t = targets_at(start_of(LABELS_2), k.type);
        break;
    case 5: /* one sample, of losses that are not reduced or summed */
    case 6: /* one position of it */
        second_name = in[SECOND] % 8 == 5 ? ": one sample alone" : ": one position alone";
        if (at.extent == 0 || o.reduction == LOSSES_MEAN || grad == NULL) return;
        if (o.reduction == LOSSES_SUM && loss != NULL && s.samples * s.positions > 1) loss = NULL;
        n = draw((uint32_t)s.samples);
        m = in[SECOND] % 8 == 5 || at.kind == DICE ? 0 : draw((uint32_t)s.positions);
        {
            const int whole = in[SECOND] % 8 == 5 || at.kind == DICE;
            const size_t from = n * at.step + m, i = n * s.positions + m;
            const size_t first = at.kind == DICE ? n * s.classes
                                 : at.softmax    ? i
                                                 : n * s.classes * s.positions;
            losses_shape one = losses_images(1, s.classes, whole ? s.positions : 1);
            const size_t values = o.reduction == LOSSES_SUM ? 1
                                  : at.kind == DICE         ? s.classes
                                  : at.softmax              ? one.positions
                                                            : s.classes * one.positions;
            if (!whole && !at.softmax) return; /* packed targets are not side by side */
            one.class_stride = at.row;
            if (t.type == LOSSI_F32 || at.kind <= LOG_SOFTMAX_GRADIENT)
                t.data = (const float *)t.data + (at.kind == LOG_SOFTMAX ? 0 : from);
            else
                t.data = (const uint8_t *)t.data +
                         (at.softmax ? i : n * s.classes * s.positions) * label_bytes[t.type];
            if (o.reduction == LOSSES_NONE && o.upstream != NULL) o.upstream += first;
            if (o.log_sum_exp != NULL) o.log_sum_exp += i;
            status =
                call_float(&k, loss == NULL ? NULL : loss + (o.reduction == LOSSES_SUM ? 0 : first),
                           grad + from, x + from, t, one, &o);
            if (status != LOSSES_OK) finding("status", 0, (double)status, 0);
            if (loss != NULL && o.reduction == LOSSES_NONE)
                check_same(loss + first, floats(LOSS) + first, values, "loss differs");
            for (c = 0; c < s.classes; c++)
                check_same(grad + from + c * at.row, g + from + c * at.row, one.positions,
                           "gradient differs");
            if (o.log_sum_exp != NULL)
                check_same(o.log_sum_exp, floats(LSE) + i, one.positions, "log_sum_exp differs");
            second_name = "";
        }
        return;
    default:
        if (in[SECOND] / 8 % 4 > 0 && at.extent > 0 &&
            (at.kind == CROSS_ENTROPY || (at.kind == FOCAL && at.gamma > 0))) {
            check_blocks(t, loss, grad, &o);
            return;
        }
        second_name = ": again";
        break;
    }
    status = call_float(&k, loss, grad, x, t, s, &o);
    if (status != LOSSES_OK) finding("status", 0, (double)status, 0);
    if (loss != NULL) check_same(loss, floats(LOSS), at.values, "loss differs");
    if (grad != NULL) check_same(grad, g, at.extent, "gradient differs");
    if (o.log_sum_exp != NULL)
        check_same(o.log_sum_exp, floats(LSE), positions, "log_sum_exp differs");
    if (at.kind > LOG_SOFTMAX_GRADIENT) check_same_report(&report, first_report);
    check_beside(GRAD_2, "written beside grad");
    check_beside(LOSS_2, "written beside loss");
    second_name = "";
}

/* losses_cross_entropy_row, losses_focal_row and losses_dice_mask beside the call that they are. */
static void check_row(void)
{
    const float *x = floats(X);
    const float u = at.options.upstream != NULL ? at.options.upstream[0] : 1;
    const size_t n = at.extent;
    const int in_place = in[HOW_WRONG] & 1;
    float *grad, loss = 0, smooth = at.options.eps;
    float gamma = at.gamma;
    size_t target = 0, i;
    int wrong = in[WRONG] >= 232;
    uint8_t *mask = NULL;
    second_name = ": row function";
    hold_grad(GRAD_2);
    grad = floats(GRAD_2);
    if (in_place) memcpy(grad, x, n * 4), x = grad;
    if (!at.wants_grad) grad = NULL;
    if (at.kind == DICE) {
        mask = (uint8_t *)place(LABELS_2, n);
        for (i = 0; i < n; i++) mask[i] = label(i) ? (uint8_t)(1 + draw(255)) : 0;
        if (wrong)
            smooth = in[HOW_WRONG] & 2   ? LOSSI_NAN
                     : in[HOW_WRONG] & 4 ? LOSSI_INF
                     : in[HOW_WRONG] & 8 ? 0
                                         : -1.f;
        loss = losses_dice_mask(grad, x, mask, n, smooth, u);
    } else {
        target = (size_t)label(0);
        if (wrong && (at.kind == CROSS_ENTROPY || (in[HOW_WRONG] & 2)))
            target = in[HOW_WRONG] & 4 ? SIZE_MAX : at.shape.classes;
        else if (wrong)
            gamma = in[HOW_WRONG] & 4 ? LOSSI_NAN : in[HOW_WRONG] & 8 ? LOSSI_INF : -1;
        loss = at.kind == FOCAL ? losses_focal_row(grad, x, at.shape.classes, target, gamma, u)
                                : losses_cross_entropy_row(grad, x, at.shape.classes, target, u);
    }
    if (wrong) {
        if (!isnan(loss)) finding("accepted", 0, (double)loss, 0);
        if (memcmp(floats(GRAD_2), in_place ? (const void *)floats(X) : (const void *)held,
                   n * 4) != 0)
            finding("touched", 0, 0, 0);
    } else {
        if (at.wants_loss) check_same(&loss, floats(LOSS), 1, "loss differs");
        if (grad != NULL) check_same(grad, floats(GRAD), n, "gradient differs");
    }
    check_beside(GRAD_2, "written beside grad");
    second_name = "";
}

static unsigned char snapshot[ONE_CALL][BYTES];

static void take_snapshot(void)
{
    int a;
    for (a = 0; a < ONE_CALL; a++) memcpy(snapshot[a], start_of((enum array)a), bytes_of[a]);
}

static void check_snapshot(losses_status status)
{
    int a;
    if (status == LOSSES_BAD_TARGET && at.options.report != NULL && at.labels > 0 && at.type >= 1 &&
        at.type <= 3) {
        losses_report *report = (losses_report *)(void *)snapshot[REPORT];
        report->bad_position = at.bad;
    }
    for (a = 0; a < ONE_CALL; a++)
        if (memcmp(snapshot[a], start_of((enum array)a), bytes_of[a]) != 0)
            finding("an error, and touched", (size_t)a, 0, 0);
}

static void refuse(const losses_options *o, losses_targets t)
{
    losses_status status;
    take_snapshot();
    status = call_float(&at, at.loss, at.grad, at.x, t, at.shape, o);
    if (status != at.status) finding("status", 0, (double)status, (double)at.status);
    check_snapshot(status);
    if (at.status == LOSSES_BAD_OVERLAP) return; /* doubles are elsewhere */
    status = call_reference(
        &at, doubles(LOSS_WIDE), doubles(GRAD_WIDE), at.x != NULL ? doubles(X_WIDE) : NULL,
        t.data != NULL && at.kind == LOG_SOFTMAX_GRADIENT ? targets_at(doubles(Q_WIDE), 0) : t,
        at.shape, o);
    if (status != at.status)
        finding("status of the reference", 0, (double)status, (double)at.status);
    check_snapshot(status);
}

static void run(void)
{
    const losses_shape s = at.shape;
    const int plain = at.kind <= LOG_SOFTMAX_GRADIENT,
              apart = at.extent != s.samples * s.classes * s.positions;
    const size_t positions = s.samples * s.positions;
    losses_options *o = (losses_options *)place(OPTIONS, sizeof *o), wide_options;
    losses_report *report = (losses_report *)place(REPORT, sizeof *report), report_wide;
    losses_targets t, t_wide;
    losses_status status;
    double *x_wide = (double *)place(X_WIDE, at.extent * 8),
           *grad_wide = (double *)place(GRAD_WIDE, at.extent * 8);
    double *loss_wide = (double *)place(LOSS_WIDE, at.values * 8), *q_wide;
    const float *x = floats(X);
    size_t n, c, m, i;

    memset(report, 0, sizeof *report);
    at.options.report = report;
    if (plain) at.wants_grad = 1, at.wants_loss = 0;
    hold_grad(GRAD);
    hold(LOSS, at.values);
    if (at.options.log_sum_exp != NULL) hold(LSE, positions);
    at.grad = at.wants_grad ? floats(GRAD) : NULL;
    at.loss = at.wants_loss ? floats(LOSS) : NULL;
    at.x = x;
    at.target_data = target_data();
    for (i = 0; i < at.extent; i++)
        x_wide[i] = (double)x[i], grad_wide[i] = (double)from_bits(held[i]);
    if (at.kind == LOG_SOFTMAX_GRADIENT) {
        q_wide = (double *)place(Q_WIDE, at.extent * 8);
        for (i = 0; i < at.extent; i++) q_wide[i] = (double)floats(Q)[i];
    }
    if (in[WRONG] >= 232) make_wrong();
    t = targets_at(at.target_data, at.type);
    *o = at.options;
    if (at.status < 0) {
        refuse(o, t);
        return;
    }
    if (at.status == 1) { /* either, but not OK if elements overlap */
        static uint8_t count[MOST];
        int twice = 0;
        memset(count, 0, at.extent);
        for (n = 0; n < s.samples; n++)
            for (c = 0; c < s.classes; c++)
                for (m = 0; m < s.positions; m++) twice |= count[element(n, c, m)]++ > 0;
        take_snapshot();
        status = call_float(&at, at.loss, at.grad, at.x, t, s, o);
        if (status == LOSSES_BAD_SHAPE) {
            check_snapshot(status);
            at.status = status;
            refuse(o, t);
            return;
        }
        if (twice) finding("accepted elements that overlap", 0, 0, 0);
        if (status != LOSSES_OK) finding("status", 0, (double)status, 0);
        hold_grad(GRAD);
    }

    status = call_float(&at, at.loss, at.grad, x, t, s, o);
    if (status != LOSSES_OK) finding("status", 0, (double)status, 0);
    wide_options = at.options;
    wide_options.report = &report_wide;
    if (at.options.log_sum_exp != NULL)
        wide_options.log_sum_exp = (float *)place(LSE_WIDE, positions * 4);
    t_wide = at.kind == LOG_SOFTMAX_GRADIENT ? targets_at(doubles(Q_WIDE), 0) : t;
    status = call_reference(&at, at.loss != NULL ? loss_wide : NULL,
                            at.grad != NULL ? grad_wide : NULL, x_wide, t_wide, s, &wide_options);
    if (status != LOSSES_OK) finding("status of the reference", 0, (double)status, 0);

    for (i = 0; at.loss != NULL && i < at.values; i++)
        if (!(fabs((double)at.loss[i] - loss_wide[i]) <= 0x1p-22 * fabs(loss_wide[i]) * 0.5))
            check_value(i, at.loss[i], loss_wide[i], t, "loss");
    if (at.grad != NULL) {
        for (n = 0; n < s.samples; n++)
            for (c = 0; c < s.classes; c++)
                for (m = 0; m < s.positions; m++) {
                    i = element(n, c, m);
                    if (!(fabs((double)at.grad[i] - grad_wide[i]) <= 0x1p-22 * fabs(grad_wide[i])))
                        check_gradient(n, c, m, at.grad[i], grad_wide[i]);
                }
        for (i = 0; apart && i < at.extent; i++)
            if (!owned[i] && bits(at.grad[i]) != held[i])
                finding("written between elements", i, 0, 0);
    } else if (memcmp(floats(GRAD), held, at.extent * 4) != 0) {
        finding("no gradient, but written", 0, 0, 0);
    }
    if (!plain) {
        if (report->counted != report_wide.counted ||
            report->denominator != report_wide.denominator)
            finding("report", 0, report->denominator, report_wide.denominator);
        if (!(fabs(report->sum - report_wide.sum) <= 0x1p-23 * fabs(report_wide.sum)) &&
            !(at.wild & 1)) {
            const losses_reduction reduction = at.options.reduction;
            if (reduction == LOSSES_MEAN || fabs(report->sum) < (double)FLT_MAX) {
                at.options.reduction = LOSSES_SUM;
                check_value(0, (float)report->sum, report_wide.sum, t, "report->sum");
                at.options.reduction = reduction;
            }
        }
        if (at.options.log_sum_exp != NULL)
            for (i = 0; i < positions; i++)
                check_lse(i, at.options.log_sum_exp[i], wide_options.log_sum_exp[i]);
    }
    check_beside(GRAD, "written beside grad");
    check_beside(LOSS, "written beside loss");
    if (at.options.log_sum_exp != NULL) check_beside(LSE, "written beside log_sum_exp");
    check_second(t);
    second_name = "";
}

/* The options of a row function: none. */
static int as_row(void)
{
    if (in[SECOND] < 200) return 0;
    return at.kind == CROSS_ENTROPY || at.kind == FOCAL || at.kind == DICE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t kinds[] = {
        CROSS_ENTROPY, CROSS_ENTROPY,        FOCAL, SIGMOID_FOCAL, BINARY, DICE, NLL,
        LOG_SOFTMAX,   LOG_SOFTMAX_GRADIENT, FOCAL, CROSS_ENTROPY, DICE};
    static struct call none;
    size_t n, c, m, i;
    uint32_t seed = 2166136261u;
    int a, row;
    if (memory[0] == NULL) map_memory();
    for (i = 0; i < size && i < SEED; i++) seed = (seed ^ data[i]) * 16777619u;
    state = ((uint64_t)seed << 1 | 1) * 0x9e3779b97f4a7c15u;
    for (i = 0; i < FIELDS; i++)
        in[i] = i < size ? data[i] : (uint8_t)draw(256); /* no byte: any byte */
    memcpy(&seed, in + SEED, 4);
    state = ((uint64_t)seed << 1 | 1) * 0x9e3779b97f4a7c15u;
    at = none;
    for (a = 0; a < ONE_CALL; a++) bytes_of[a] = 0;
    behind = in[SET] & 1;
    at.kind = (enum kind)kinds[in[KIND] % 12];
    at.softmax = at.kind <= FOCAL;
    at.set = first_set() + in[SET] / 2 % (LOSSI_SETS - first_set());
    use_set(at.set);
    at.type = 1 + in[TYPE] % 4;
    row = as_row();
    if (at.type == LOSSI_F32 && (at.kind == NLL || at.kind == FOCAL)) at.type = LOSSI_I32;
    if (row) at.type = at.kind == DICE ? LOSSI_U8 : LOSSI_I64;
    at.soft = at.type == LOSSI_F32;
    at.wants_loss = (in[OUTPUTS] & 7) != 0;
    at.wants_grad = (in[OUTPUTS] >> 3 & 3) != 0;
    decode_shape();
    if (row) {
        at.status = LOSSES_OK;
        at.shape = at.kind == DICE ? losses_masks(1, at.shape.samples * at.shape.positions)
                                   : losses_rows(1, at.shape.classes);
        at.row = at.shape.positions;
        at.step = at.extent = at.shape.classes * at.shape.positions;
    }
    memset(owned, 0, at.extent);
    for (n = 0; n < at.shape.samples; n++)
        for (c = 0; c < at.shape.classes; c++)
            for (m = 0; m < at.shape.positions; m++) owned[element(n, c, m)] = 1;
    decode_options();
    if (row) {
        losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                            0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
        at.values = 1;
        at.options = o;
        if (in[POINTERS] >> 4 & 1) fill_upstream();
        if (at.kind == DICE)
            at.options.scale = 1, at.options.eps = number_from(in[EPS]) * 16 + 0x1p-20f;
    }
    if (at.soft) {
        at.labels = 0;
    } else if (at.kind > LOG_SOFTMAX_GRADIENT) {
        if (row) in[IGNORE] = 0, in[TARGETS_LIKE] = 0;
        fill_labels();
    }
    fill_logits(data + FIELDS, size > FIELDS ? size - FIELDS : 0);
    if (at.kind <= LOG_SOFTMAX_GRADIENT) at.options.accumulate = 0;
    if (at.options.accumulate) {
        for (i = 0; i < at.extent; i++) held[i] = owned[i] ? bits(draw_float(-2, 2)) : canary;
        at_rest = 0;
    } else if (!at_rest) {
        for (i = 0; i < MOST; i++) held[i] = canary;
        at_rest = 1;
    }
    if (row && in[WRONG] >= 232) {
        const uint8_t wrong = in[WRONG];
        in[WRONG] = 0;
        run();
        in[WRONG] = wrong;
    } else {
        run();
    }
    if (row) use_set(at.set), check_row();
    return 0;
}
