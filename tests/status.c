/* Every way to call wrongly: the status, and that not a byte of any argument has changed. All
 * arguments of a call stand in one memory, so that they can be laid over each other and compared
 * as a whole. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#if !defined(LOSSES_NO_REFERENCE) && !defined(LOSSES_NO_DOUBLE)
#define HAVE_REFERENCE 1
#else
#define HAVE_REFERENCE 0
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

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

/* What a call is given, outputs first. The log-softmax functions write to GRAD, and the gradient
 * takes its upstream, laid out like the logits, as TARGETS. */
typedef enum region {
    LOSS,
    GRAD,
    LOG_SUM_EXP,
    REPORT,
    OUTPUTS,
    LOGITS = OUTPUTS,
    TARGETS,
    CLASS_WEIGHT,
    POSITIVE_WEIGHT,
    CLASS_ALPHA,
    UPSTREAM,
    OPTIONS,
    REGIONS
} region;

static const char *const region_names[REGIONS] = {
    "loss",        "grad",     "log_sum_exp",  "report",
    "logits",      "targets",  "class_weight", "positive_weight",
    "class_alpha", "upstream", "options"};

/* Strides leave gaps between classes and between samples. From first to last element it is
 * EXTENT. */
enum { SAMPLES = 2, CLASSES = 4, POSITIONS = 4, CLASS_STRIDE = 6, SAMPLE_STRIDE = 26, EXTENT = 48 };

enum { APART = 1024, MEMORY = (REGIONS + 1) * APART }; /* bytes */

static unsigned char *memory, *before;

typedef struct trial {
    loss_kind kind;
    int in_double;
    target_type type;
    losses_shape shape;
    double gamma;
    losses_options options;        /* the pointers come from place */
    unsigned char *place[REGIONS]; /* NULL: not given */
} trial;

static int is_plain(const trial *t) { return t->kind <= LOG_SOFTMAX_GRADIENT; }
static int is_softmax(const trial *t) { return t->kind <= FOCAL; }
static int64_t labels_below(const trial *t) { return is_softmax(t) ? CLASSES : 2; }

static int takes(loss_kind kind, target_type type)
{
    if (kind <= LOG_SOFTMAX_GRADIENT) return type == F32;
    return type != F32 || (kind != NLL && kind != FOCAL);
}

static size_t targets_of(const trial *t)
{
    return SAMPLES * POSITIONS * (is_softmax(t) ? 1 : CLASSES);
}

/* The options that are no pointers and belong to some losses only. */
typedef enum number { LABEL_SMOOTHING, Z_LOSS, ALPHA, SCALE, EPS, NUMBERS } number;

static const char *const number_names[NUMBERS] = {"label_smoothing", "z_loss", "alpha", "scale",
                                                  "eps"};

static void set_number(trial *t, number option, float value)
{
    switch (option) {
    case LABEL_SMOOTHING:
        t->options.label_smoothing = value;
        break;
    case Z_LOSS:
        t->options.z_loss = value;
        break;
    case ALPHA:
        t->options.alpha = value;
        break;
    case SCALE:
        t->options.scale = value;
        break;
    case EPS:
        t->options.eps = value;
        break;
    case NUMBERS:
        break;
    }
}

static int knows_number(loss_kind kind, number option)
{
    switch (option) {
    case LABEL_SMOOTHING:
    case Z_LOSS:
        return kind == CROSS_ENTROPY;
    case ALPHA:
        return kind == FOCAL || kind == SIGMOID_FOCAL;
    case SCALE:
    case EPS:
        return kind == DICE;
    case NUMBERS:
        break;
    }
    return 0;
}

static int knows_region(loss_kind kind, region r)
{
    switch (r) {
    case GRAD:
    case LOGITS:
        return 1;
    case TARGETS:
        return kind != LOG_SOFTMAX;
    case CLASS_WEIGHT:
        return kind == NLL || kind == CROSS_ENTROPY || kind == BINARY_CROSS_ENTROPY;
    case POSITIVE_WEIGHT:
        return kind == BINARY_CROSS_ENTROPY;
    case CLASS_ALPHA:
        return kind == FOCAL;
    case LOG_SUM_EXP:
        return kind == CROSS_ENTROPY || kind == FOCAL;
    default:
        return kind > LOG_SOFTMAX_GRADIENT;
    }
}

/* --- calling ---------------------------------------------------------------------------------- */

static losses_targets targets(const trial *t)
{
    const void *data = t->place[TARGETS];
    switch (t->type) {
    case U8:
        return losses_u8((const uint8_t *)data);
    case I32:
        return losses_i32((const int32_t *)data);
    case I64:
        return losses_i64((const int64_t *)data);
    default:
        return losses_f32((const float *)data);
    }
}

#define DEFINE_CALL(real, prefix) \
    static losses_status call_##real(const trial *t, losses_targets y, \
                                     const losses_options *options) \
    { \
        real *loss = (real *)(void *)t->place[LOSS], *grad = (real *)(void *)t->place[GRAD]; \
        const real *x = (const real *)(void *)t->place[LOGITS]; \
        const real *upstream = (const real *)(void *)t->place[TARGETS]; \
        switch (t->kind) { \
        case LOG_SOFTMAX: \
            return prefix##log_softmax(grad, x, t->shape); \
        case LOG_SOFTMAX_GRADIENT: \
            return prefix##log_softmax_gradient(grad, upstream, x, t->shape); \
        case NLL: \
            return prefix##nll(loss, grad, x, y, t->shape, options); \
        case CROSS_ENTROPY: \
            return prefix##cross_entropy(loss, grad, x, y, t->shape, options); \
        case FOCAL: \
            return prefix##focal(loss, grad, x, y, t->shape, (real)t->gamma, options); \
        case BINARY_CROSS_ENTROPY: \
            return prefix##binary_cross_entropy(loss, grad, x, y, t->shape, options); \
        case SIGMOID_FOCAL: \
            return prefix##sigmoid_focal(loss, grad, x, y, t->shape, (real)t->gamma, options); \
        case DICE: \
            return prefix##dice(loss, grad, x, y, t->shape, options); \
        case KINDS: \
            break; \
        } \
        return LOSSES_OK; \
    }

DEFINE_CALL(float, losses_)
#if HAVE_REFERENCE
DEFINE_CALL(double, losses_reference_)
#endif

/* Writes the options to their place. */
static void put_options(const trial *t)
{
    losses_options options = t->options;
    if (t->place[OPTIONS] == NULL) return;
    options.class_weight = (const float *)(void *)t->place[CLASS_WEIGHT];
    options.positive_weight = (const float *)(void *)t->place[POSITIVE_WEIGHT];
    options.class_alpha = (const float *)(void *)t->place[CLASS_ALPHA];
    options.upstream = (const float *)(void *)t->place[UPSTREAM];
    options.log_sum_exp = (float *)(void *)t->place[LOG_SUM_EXP];
    options.report = (losses_report *)(void *)t->place[REPORT];
    memcpy(t->place[OPTIONS], &options, sizeof options);
}

static losses_status call_with(const trial *t, losses_targets y)
{
    const losses_options *options = (const losses_options *)(void *)t->place[OPTIONS];
#if HAVE_REFERENCE
    if (t->in_double) return call_double(t, y, options);
#endif
    return call_float(t, y, options);
}

static losses_status call(const trial *t) { return call_with(t, targets(t)); }

static void put_float(unsigned char *to, size_t i, float value)
{
    memcpy(to + i * sizeof value, &value, sizeof value);
}

static void put_real(const trial *t, region r, size_t i, float value)
{
    const double wide = (double)value;
    if (t->in_double) memcpy(t->place[r] + i * sizeof wide, &wide, sizeof wide);
    if (!t->in_double) put_float(t->place[r], i, value);
}

static void put_label(const trial *t, size_t i, int64_t value)
{
    const uint8_t u8 = (uint8_t)value;
    const int32_t i32 = (int32_t)value;
    if (t->type == U8) t->place[TARGETS][i] = u8;
    if (t->type == I32) memcpy(t->place[TARGETS] + i * sizeof i32, &i32, sizeof i32);
    if (t->type == I64) memcpy(t->place[TARGETS] + i * sizeof value, &value, sizeof value);
}

/* A call that is right, with everything that the loss knows, in fresh memory. */
static trial right_call(loss_kind kind, int in_double, target_type type)
{
    trial t;
    size_t i;
    int r;
    memset(&t, 0, sizeof t);
    memset(memory, 0xA5, MEMORY);
    t.kind = kind;
    t.in_double = in_double;
    t.type = type;
    t.shape = losses_images(SAMPLES, CLASSES, POSITIONS);
    t.shape.class_stride = CLASS_STRIDE;
    t.shape.sample_stride = SAMPLE_STRIDE;
    t.gamma = 2;
    for (r = 0; r < REGIONS; r++)
        if (knows_region(kind, (region)r)) t.place[r] = memory + APART / 2 + r * APART;
    for (i = 0; i < EXTENT; i++) {
        put_real(&t, LOGITS, i, (float)(i * 5 % 7) - 8);
        if (kind == LOG_SOFTMAX_GRADIENT) put_real(&t, TARGETS, i, 0.25f);
        if (kind > LOG_SOFTMAX_GRADIENT && type == F32) put_float(t.place[TARGETS], i, 0.25f);
    }
    for (i = 0; type != F32 && i < targets_of(&t); i++)
        put_label(&t, i, (int64_t)i * 3 % labels_below(&t));
    for (r = CLASS_WEIGHT; r <= UPSTREAM; r++)
        for (i = 0; t.place[r] != NULL && i < EXTENT; i++) put_float(t.place[r], i, 1);
    return t;
}

/* --- checking --------------------------------------------------------------------------------- */

/* Ready to call: the case has its name, the options are in memory. */
static void prepare(const trial *t, const char *what, const char *more)
{
    static const char *const type_names[TYPES] = {"u8", "i32", "i64", "f32"};
    check_case("%s%s, %s targets, reduction %d: %s %s", t->in_double ? "reference_" : "",
               kind_names[t->kind], type_names[t->type], (int)t->options.reduction, what, more);
    put_options(t);
}

static void accepted(const trial *t, const char *what, const char *more)
{
    prepare(t, what, more);
    CHECK_STATUS(call(t), LOSSES_OK);
}

static int left_out(float value) { return check_finite && (isnan(value) || isinf(value)); }

static void refused(const trial *t, losses_status status, const char *what, const char *more)
{
    prepare(t, what, more);
    memcpy(before, memory, MEMORY);
    CHECK_STATUS(call(t), status);
    CHECK(memcmp(memory, before, MEMORY) == 0);
}

static size_t bad_position_at(const trial *t)
{
    return (size_t)(t->place[REPORT] - memory) + offsetof(losses_report, bad_position);
}

/* Of the whole memory report->bad_position alone may change, and it is bad. */
static void refused_target(const trial *t, size_t bad, const char *what)
{
    prepare(t, what, "");
    memcpy(before, memory, MEMORY);
    CHECK_STATUS(call(t), LOSSES_BAD_TARGET);
    memcpy(before + bad_position_at(t), &bad, sizeof bad);
    CHECK(memcmp(memory, before, MEMORY) == 0);
}

/* Calls test(kind, in_double, type) for all that fit together. */
static void for_all(void (*test)(loss_kind, int, target_type))
{
    const int reference = HAVE_REFERENCE && check_on_best_set();
    int kind, in_double, type;
    for (kind = 0; kind < KINDS; kind++)
        for (in_double = 0; in_double <= reference; in_double++)
            for (type = 0; type < TYPES; type++)
                if (takes((loss_kind)kind, (target_type)type))
                    test((loss_kind)kind, in_double, (target_type)type);
}

/* --- pointers and shapes ---------------------------------------------------------------------- */

static void pointers(loss_kind kind, int in_double, target_type type)
{
    trial t = right_call(kind, in_double, type);
    int r;
    accepted(&t, "everything right", "");
    for (r = 0; r < REGIONS; r++) {
        const int required = r == LOGITS || r == TARGETS || (r == GRAD && is_plain(&t));
        t = right_call(kind, in_double, type);
        if (t.place[r] == NULL) continue;
        t.place[r] = NULL;
        if (required) refused(&t, LOSSES_BAD_POINTER, "without", region_names[r]);
        if (!required) accepted(&t, "without", region_names[r]);
    }
    if (is_plain(&t)) return;
    t = right_call(kind, in_double, type);
    t.place[LOSS] = t.place[GRAD] = NULL;
    accepted(&t, "without loss and grad", "");
}

static void bad_shapes(loss_kind kind, int in_double, target_type type)
{
    const size_t half = ((size_t)1 << (sizeof(size_t) * CHAR_BIT / 2)); /* half * half is 0 */
    const struct {
        const char *what;
        losses_shape shape; /* samples, classes, positions, sample_stride, class_stride */
    } cases[] = {
        {"no classes", {2, 0, 4, 0, 0}},
        {"no classes, no samples", {0, 0, 4, 0, 0}},
        {"no classes, no positions", {2, 0, 0, 0, 0}},
        {"classes overlap", {2, 4, 4, 26, 3}},
        {"classes overlap, one sample", {1, 4, 4, 0, 3}},
        {"classes overlap, by all but one", {1, 2, 4, 0, 1}},
        {"samples overlap by one", {2, 4, 4, 15, 4}},
        {"samples overlap by one, gaps", {2, 4, 4, 21, 6}},
        {"rows overlap by one", {3, 4, 1, 3, 0}},
        {"masks overlap by one", {2, 1, 4, 3, 0}},
        {"columns overlap", {4, 3, 1, 1, 3}},
        {"too many samples", {SIZE_MAX, 2, 1, 0, 0}},
        {"too many classes", {2, SIZE_MAX, 1, 0, 0}},
        {"too many classes for their bytes", {1, SIZE_MAX, 1, 0, 0}},
        {"too many positions", {2, 3, SIZE_MAX, 0, 0}},
        {"twice half of size_t", {SIZE_MAX / 2 + 1, 2, 1, 0, 0}},
        {"samples x classes wraps to 0", {half, half, 1, 0, 0}},
        {"samples x positions wraps to 0", {half, 1, half, 0, 0}},
        {"classes x positions wraps to 0", {1, half, half, 0, 0}},
        {"all three wrap to 0", {half, half, half, 0, 0}},
        {"more bytes than size_t", {SIZE_MAX / 4 + 1, 1, 1, 0, 0}},
        {"more bytes than size_t in a mask", {1, 1, SIZE_MAX / 4 + 1, 0, 0}},
        {"sample stride out of range", {2, 4, 4, SIZE_MAX, 0}},
        {"sample stride wraps to 0", {half + 1, 1, 1, half, 0}},
        {"sample stride out of range in bytes", {2, 1, 4, SIZE_MAX / 4, 0}},
        {"class stride out of range", {1, 4, 4, 0, SIZE_MAX}},
        {"class stride wraps", {1, 4, 4, 0, SIZE_MAX / 3 + 2}},
        {"class stride out of range in bytes", {1, 2, 4, 0, SIZE_MAX / 4}},
        {"classes times their stride wrap", {2, 2, 1, 0, SIZE_MAX / 2 + 2}},
        {"classes times their stride wrap, one sample", {1, 2, 1, 0, SIZE_MAX / 2 + 2}},
        {"sum of the strides wraps", {2, 2, 4, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1}},
    };
    static const struct {
        const char *what;
        losses_shape shape;
    } good[] = {
        {"no samples", {0, 4, 4, 0, 0}},
        {"no positions", {2, 4, 0, 0, 0}},
        {"packed", {2, 4, 4, 0, 0}},
        {"one sample", {1, 4, 4, 0, 0}},
        {"shortest strides", {2, 4, 4, 22, 6}},
        {"columns", {2, 4, 1, 1, 2}},
    };
    size_t i;
    for (i = 0; i < COUNT(cases); i++) {
        trial t = right_call(kind, in_double, type);
        t.shape = cases[i].shape;
        refused(&t, LOSSES_BAD_SHAPE, "shape:", cases[i].what);
    }
    if (type == I64) { /* the targets are larger than the float logits */
        trial t = right_call(kind, in_double, type);
        t.shape = losses_rows(SIZE_MAX / 8 + 1, 1);
        refused(&t, LOSSES_BAD_SHAPE, "shape:", "more bytes of targets than size_t");
    }
    for (i = 0; i < COUNT(good); i++) {
        trial t = right_call(kind, in_double, type);
        t.shape = good[i].shape;
        accepted(&t, "shape:", good[i].what);
    }
}

/* --- options ---------------------------------------------------------------------------------- */

static void unknown_options(loss_kind kind, int in_double, target_type type)
{
    static const region pointers_known_to_some[] = {CLASS_WEIGHT, POSITIVE_WEIGHT, CLASS_ALPHA,
                                                    LOG_SUM_EXP};
    trial t = right_call(kind, in_double, type);
    size_t i;
    int option;
    if (is_plain(&t)) return;
    for (option = 0; option < NUMBERS; option++) {
        t = right_call(kind, in_double, type);
        set_number(&t, (number)option, 0.5f);
        if (knows_number(kind, (number)option)) {
            accepted(&t, "known", number_names[option]);
            continue;
        }
        refused(&t, LOSSES_BAD_OPTION, "unknown", number_names[option]);
        set_number(&t, (number)option, NAN);
        if (!check_finite) refused(&t, LOSSES_BAD_OPTION, "unknown, NaN", number_names[option]);
        set_number(&t, (number)option, -0.5f);
        refused(&t, LOSSES_BAD_OPTION, "unknown, negative", number_names[option]);
    }
    for (i = 0; i < COUNT(pointers_known_to_some); i++) {
        const region r = pointers_known_to_some[i];
        t = right_call(kind, in_double, type);
        if (knows_region(kind, r)) continue;
        t.place[r] = memory + APART / 2 + r * APART;
        if (r >= OUTPUTS)
            for (option = 0; option < CLASSES; option++) put_float(t.place[r], (size_t)option, 1);
        refused(&t, LOSSES_BAD_OPTION, "unknown", region_names[r]);
    }
}

static void numbers_out_of_range(loss_kind kind, int in_double, target_type type)
{
    static const struct {
        loss_kind kind;
        number option;
        float bad[3], good[3]; /* besides NaN and inf */
    } cases[] = {
        {CROSS_ENTROPY, LABEL_SMOOTHING, {-FLT_MIN, 1 + FLT_EPSILON, 2}, {0, FLT_MIN, 1}},
        {CROSS_ENTROPY, Z_LOSS, {-FLT_MIN, -1, -FLT_MAX}, {0, FLT_MIN, FLT_MAX}},
        {FOCAL, ALPHA, {-FLT_MIN, -1, -FLT_MAX}, {0, FLT_MIN, FLT_MAX}},
        {SIGMOID_FOCAL, ALPHA, {1 + FLT_EPSILON, 2, FLT_MAX}, {1, -FLT_MAX, FLT_MIN}},
        {DICE, SCALE, {-FLT_MIN, -1, -FLT_MAX}, {0, 1, 1e30f}},
        {DICE, EPS, {-FLT_MIN, -1, -FLT_MAX}, {0, 1, FLT_MIN}},
    };
    const float never[] = {NAN, INFINITY, -INFINITY};
    size_t i, k;
    for (i = 0; i < COUNT(cases); i++) {
        trial t = right_call(kind, in_double, type);
        const char *const name = number_names[cases[i].option];
        if (cases[i].kind != kind) continue;
        for (k = 0; k < 3; k++) {
            set_number(&t, cases[i].option, never[k]);
            if (!check_finite) refused(&t, LOSSES_BAD_OPTION, "not finite:", name);
            set_number(&t, cases[i].option, cases[i].bad[k]);
            refused(&t, LOSSES_BAD_OPTION, "out of range:", name);
        }
        for (k = 0; k < 3; k++) {
            set_number(&t, cases[i].option, cases[i].good[k]);
            accepted(&t, "at the end of the range:", name);
        }
    }
    if (kind == DICE) { /* eps * scale is to be a normal float */
        trial t = right_call(kind, in_double, type);
        t.options.scale = t.options.eps = 1e20f;
        refused(&t, LOSSES_BAD_OPTION, "eps * scale beyond float", "");
        t.options.scale = t.options.eps = 1e-20f;
        refused(&t, LOSSES_BAD_OPTION, "eps * scale not a normal float", "");
    }
}

static void weights_out_of_range(loss_kind kind, int in_double, target_type type)
{
    const float bad[] = {-FLT_MIN, -1, NAN, INFINITY, -INFINITY};
    static const float good[] = {0, FLT_MIN, 5};
    int r;
    size_t c, k;
    for (r = CLASS_WEIGHT; r <= CLASS_ALPHA; r++) {
        trial t = right_call(kind, in_double, type);
        if (t.place[r] == NULL) continue;
        for (c = 0; c < CLASSES; c++) {
            for (k = 0; k < COUNT(bad); k++) {
                if (left_out(bad[k])) continue;
                put_float(t.place[r], c, bad[k]);
                refused(&t, LOSSES_BAD_OPTION, "out of range:", region_names[r]);
            }
            for (k = 0; k < COUNT(good); k++) {
                put_float(t.place[r], c, good[k]);
                accepted(&t, "in range:", region_names[r]);
            }
        }
        put_float(t.place[r], CLASSES, NAN);
        accepted(&t, "one for each class and no more:", region_names[r]);
    }
}

static void gamma_out_of_range(loss_kind kind, int in_double, target_type type)
{
    const float bad[] = {-FLT_MIN, -1, -FLT_MAX, NAN, INFINITY, -INFINITY};
    static const float good[] = {0, FLT_MIN, 0.5f, FLT_MAX};
    trial t = right_call(kind, in_double, type);
    size_t i;
    if (kind != FOCAL && kind != SIGMOID_FOCAL) return;
    for (i = 0; i < COUNT(bad); i++) {
        if (left_out(bad[i])) continue;
        t.gamma = (double)bad[i];
        refused(&t, LOSSES_BAD_OPTION, "out of range: gamma", "");
    }
    for (i = 0; i < COUNT(good); i++) {
        t.gamma = (double)good[i];
        accepted(&t, "in range: gamma", "");
    }
}

static void common_options(loss_kind kind, int in_double, target_type type)
{
    static const int no_reductions[] = {3, -1, 100, INT_MAX, INT_MIN};
    static const int no_flags[] = {2, -1, 256, INT_MAX, INT_MIN};
    static const int64_t indices[] = {1, -100, -1, INT64_MAX, INT64_MIN, (int64_t)1 << 32};
    const float no_denominators[] = {-FLT_MIN, -1, NAN, INFINITY, -INFINITY};
    trial t = right_call(kind, in_double, type);
    const losses_options defaults = t.options;
    size_t i;
    if (is_plain(&t)) return;
    for (i = 0; i < COUNT(no_reductions); i++, t.options = defaults) {
        t.options.reduction = (losses_reduction)no_reductions[i];
        refused(&t, LOSSES_BAD_OPTION, "unknown reduction", "");
    }
    for (i = 0; i < COUNT(no_flags); i++, t.options = defaults) {
        t.options.nan_if_empty = no_flags[i];
        refused(&t, LOSSES_BAD_OPTION, "no flag:", "nan_if_empty");
        t.options = defaults;
        t.options.accumulate = no_flags[i];
        refused(&t, LOSSES_BAD_OPTION, "no flag:", "accumulate");
        t.options = defaults;
        t.options.has_ignore_index = no_flags[i];
        refused(&t, LOSSES_BAD_OPTION, "no flag:", "has_ignore_index");
    }
    for (i = 0; i < COUNT(indices); i++, t.options = defaults) {
        t.options.ignore_index = indices[i];
        refused(&t, LOSSES_BAD_OPTION, "ignore_index without has_ignore_index", "");
        t.options.has_ignore_index = 1;
        if (type == F32) refused(&t, LOSSES_BAD_OPTION, "ignore_index with float targets", "");
        if (type != F32) accepted(&t, "ignore_index", "");
    }
    t.options.has_ignore_index = 1;
    if (type == F32) refused(&t, LOSSES_BAD_OPTION, "has_ignore_index with float targets", "");
    t.options = defaults;
    for (i = 0; i < COUNT(no_denominators); i++, t.options = defaults) {
        if (left_out(no_denominators[i])) continue;
        t.options.denominator = (losses_wide)no_denominators[i];
        refused(&t, LOSSES_BAD_OPTION, "out of range: denominator", "");
    }
    t.options.denominator = 3;
    accepted(&t, "denominator", "");
    t.options.reduction = LOSSES_SUM;
    refused(&t, LOSSES_BAD_OPTION, "denominator without a mean", "");
    t.options.reduction = LOSSES_NONE;
    refused(&t, LOSSES_BAD_OPTION, "denominator without a mean", "");
}

/* --- targets ---------------------------------------------------------------------------------- */

/* No one target is to blame, so that bad_position may be anything. */
static void refused_type(const trial *t, losses_targets y, const char *what)
{
    prepare(t, what, "");
    memcpy(before, memory, MEMORY);
    CHECK_STATUS(call_with(t, y), LOSSES_BAD_TARGET);
    memcpy(before + bad_position_at(t), memory + bad_position_at(t), sizeof(size_t));
    CHECK(memcmp(memory, before, MEMORY) == 0);
}

static void types(loss_kind kind, int in_double, target_type type)
{
    static const int no_types[] = {0, -1, 5, 99, INT_MAX, INT_MIN};
    trial t = right_call(kind, in_double, type);
    losses_targets y = targets(&t);
    size_t i;
    if (is_plain(&t)) return;
    for (i = 0; i < COUNT(no_types); i++) {
        y.type = no_types[i];
        refused_type(&t, y, "unknown type of target");
    }
    if (takes(kind, F32)) return;
    for (i = 0; i < EXTENT; i++) put_float(t.place[TARGETS], i, 0.25f);
    t.type = F32;
    refused_type(&t, targets(&t), "float targets");
}

static void bad_labels(loss_kind kind, int in_double, target_type type)
{
    const int64_t wide[] = {
        -1,        -99,       -101, 2,   CLASSES, INT64_MAX,        INT64_MIN,
        INT32_MAX, INT32_MIN, 255,  156, 256,     (int64_t)1 << 32, ((int64_t)1 << 32) + 1};
    trial t = right_call(kind, in_double, type);
    size_t i, k;
    if (type == F32) return;
    for (k = 0; k < COUNT(wide); k++) {
        const int64_t label = wide[k];
        const int fits = type == I64 || (type == U8 && label >= 0 && label <= 255) ||
                         (type == I32 && label >= INT32_MIN && label <= INT32_MAX);
        if (!fits || (label >= 0 && label < labels_below(&t))) continue;
        for (i = 0; i < targets_of(&t); i++) {
            t = right_call(kind, in_double, type);
            put_label(&t, i, label);
            refused_target(&t, i, "a label out of range");
        }
        t.options.has_ignore_index = 1;
        t.options.ignore_index = label;
        accepted(&t, "the same as ignore_index", "");
    }
}

static void first_bad_label(loss_kind kind, int in_double, target_type type)
{
    trial t = right_call(kind, in_double, type);
    const size_t last = targets_of(&t) - 1;
    if (type == F32) return;
    put_label(&t, last, 200);
    put_label(&t, 5, 100);
    put_label(&t, 6, 200);
    refused_target(&t, 5, "several labels out of range");
    t.options.has_ignore_index = 1;
    t.options.ignore_index = 100;
    refused_target(&t, 6, "an ignored label counts in bad_position");
    t.options.ignore_index = 200;
    refused_target(&t, 5, "a label out of range before ignored ones");
    t.place[GRAD] = t.place[LOGITS];
    refused_target(&t, 5, "in place");
    t.place[LOSS] = t.place[GRAD] = NULL;
    refused_target(&t, 5, "without loss and grad");
    t.place[REPORT] = NULL;
    refused(&t, LOSSES_BAD_TARGET, "without report", "");
    t = right_call(kind, in_double, type);
    put_label(&t, 3, -100); /* 156 in u8 */
    t.options.has_ignore_index = type != U8;
    t.options.ignore_index = type == U8 ? 0 : 1;
    refused_target(&t, 3, "-100 is not what is ignored");
    t = right_call(kind, in_double, type);
    if (type == I64) return;
    put_label(&t, 2, -1);
    t.options.has_ignore_index = 1;
    t.options.ignore_index = type == U8 ? -1 : (int64_t)UINT32_MAX;
    refused_target(&t, 2, "ignore_index does not wrap");
    t = right_call(kind, in_double, type);
    put_label(&t, 0, 200);
    t.place[GRAD] = NULL;
    t.shape.sample_stride = SIZE_MAX / 64;
    refused_target(&t, 0, "samples far apart, for which a grad of NULL has no bytes to overlap");
}

/* --- overlap ---------------------------------------------------------------------------------- */

static size_t element_bytes(const trial *t, region r)
{
    static const size_t target_bytes[TYPES] = {1, 4, 8, 4};
    const size_t real = t->in_double ? sizeof(double) : sizeof(float);
    if (r == LOSS || r == GRAD || r == LOGITS) return real;
    if (r == TARGETS) return t->kind == LOG_SOFTMAX_GRADIENT ? real : target_bytes[t->type];
    return r == REPORT ? sizeof(losses_report) : sizeof(float);
}

static size_t region_bytes(const trial *t, region r)
{
    const size_t positions = SAMPLES * POSITIONS;
    size_t count = CLASSES;
    if (r == LOSS || r == UPSTREAM) {
        count = t->kind == DICE ? SAMPLES * CLASSES : targets_of(t);
        if (t->options.reduction != LOSSES_NONE) count = 1;
    }
    if (r == GRAD || r == LOGITS || (r == TARGETS && t->type == F32)) count = EXTENT;
    if (r == TARGETS && t->type != F32) count = targets_of(t);
    if (r == LOG_SUM_EXP) count = positions;
    if (r == REPORT) count = 1;
    if (r == OPTIONS) return sizeof(losses_options);
    return count * element_bytes(t, r);
}

/* Puts output at the first to last place where it still touches other, and just beside. Steps
 * are as wide as the output's alignment asks for. */
static void touching(const trial *right, region output, region other)
{
    const size_t bytes = region_bytes(right, output), other_bytes = region_bytes(right, other);
    const size_t step = output == REPORT ? sizeof(size_t) : element_bytes(right, output);
    const size_t steps = (other_bytes + step - 1) / step;
    unsigned char *const start = right->place[other];
    trial t = *right;
    size_t i;
    t.place[output] = start - bytes;
    accepted(&t, region_names[output], region_names[other]);
    t.place[output] = start - bytes + step;
    refused(&t, LOSSES_BAD_OVERLAP, region_names[output], region_names[other]);
    for (i = 0; i < steps; i++) {
        const int in_place = i == 0 && output == GRAD && !t.options.accumulate &&
                             (other == LOGITS || (other == TARGETS && is_plain(&t)));
        t.place[output] = start + i * step;
        if (!in_place) refused(&t, LOSSES_BAD_OVERLAP, region_names[output], region_names[other]);
    }
    t.place[output] = start + steps * step;
    accepted(&t, region_names[output], region_names[other]);
}

static void overlaps(loss_kind kind, int in_double, target_type type)
{
    static const losses_reduction reductions[] = {LOSSES_MEAN, LOSSES_NONE};
    size_t i;
    int output, other;
    for (i = 0; i < COUNT(reductions); i++)
        for (output = 0; output < OUTPUTS; output++)
            for (other = 0; other < REGIONS; other++) {
                trial t = right_call(kind, in_double, type);
                if (output == other || t.place[output] == NULL || t.place[other] == NULL) continue;
                if (is_plain(&t) && i > 0) continue;
                t.options.reduction = reductions[i];
                touching(&t, (region)output, (region)other);
            }
}

/* Masks and labels in u8 have no alignment: one byte in common is enough. */
static void touching_bytes(loss_kind kind, int in_double, target_type type)
{
    int output;
    if (type != U8) return;
    for (output = 0; output < OUTPUTS; output++) {
        trial t = right_call(kind, in_double, type);
        const size_t bytes = targets_of(&t);
        unsigned char *const start = t.place[output], *end;
        if (start == NULL) continue;
        end = start + region_bytes(&t, (region)output);
        /* Labels of 0 wherever the targets come to stand. */
        memset(start - APART / 8, 0, APART * 3 / 4);
        t.place[TARGETS] = start - bytes + 1;
        refused(&t, LOSSES_BAD_OVERLAP, "the last byte of the targets on", region_names[output]);
        t.place[TARGETS] = end - 1;
        refused(&t, LOSSES_BAD_OVERLAP, "the first byte of the targets on", region_names[output]);
        t.place[TARGETS] = start - bytes;
        accepted(&t, "targets just before", region_names[output]);
        t.place[TARGETS] = end;
        accepted(&t, "targets just behind", region_names[output]);
    }
}

static void in_place(loss_kind kind, int in_double, target_type type)
{
    trial t = right_call(kind, in_double, type);
    t.place[GRAD] = t.place[LOGITS];
    accepted(&t, "in place", "");
    if (kind == LOG_SOFTMAX_GRADIENT) {
        t = right_call(kind, in_double, type);
        t.place[GRAD] = t.place[TARGETS];
        accepted(&t, "in place, on upstream", "");
        t.place[LOGITS] = t.place[TARGETS];
        accepted(&t, "in place, on both", "");
    }
    if (is_plain(&t)) return;
    t = right_call(kind, in_double, type);
    t.options.accumulate = 1;
    accepted(&t, "accumulating", "");
    t.place[GRAD] = t.place[LOGITS];
    refused(&t, LOSSES_BAD_OVERLAP, "in place, accumulating", "");
}

/* --- row functions ---------------------------------------------------------------------------- */

static void untouched_row(float returned, const float *grad, size_t n, const char *what)
{
    size_t i;
    int held = 1;
    check_case("row function: %s", what);
    for (i = 0; i < n; i++) held &= grad[i] == 0.75f;
    CHECK(isnan(returned));
    CHECK(held);
}

static void row_functions(void)
{
    enum { ROW = 40 };
    const float bad[] = {-FLT_MIN, -1, NAN, INFINITY, -INFINITY};
    static const size_t sizes[] = {1, 3, ROW};
    static float x[ROW], g[ROW];
    static const uint8_t mask[ROW] = {1, 0, 1};
    size_t i, s;
    for (i = 0; i < ROW; i++) g[i] = x[i] = 0.75f;
    untouched_row(losses_cross_entropy_row(g, x, 0, 0, 1), g, ROW, "cross_entropy, no classes");
    untouched_row(losses_focal_row(g, x, 0, 0, 2, 1), g, ROW, "focal, no classes");
    for (s = 0; s < COUNT(sizes); s++) {
        const size_t n = sizes[s], targets_beyond[] = {n, n + 1, SIZE_MAX};
        for (i = 0; i < COUNT(targets_beyond); i++) {
            const size_t t = targets_beyond[i];
            untouched_row(losses_cross_entropy_row(g, x, n, t, 1), g, n, "cross_entropy, target");
            untouched_row(losses_cross_entropy_row(x, x, n, t, 1), x, n, "the same in place");
            untouched_row(losses_focal_row(g, x, n, t, 2, 1), g, n, "focal, target");
            untouched_row(losses_focal_row(x, x, n, t, 2, 1), x, n, "the same in place");
            CHECK(isnan(losses_cross_entropy_row(NULL, x, n, t, 1)));
            CHECK(isnan(losses_focal_row(NULL, x, n, t, 2, 1)));
        }
        for (i = 0; i < COUNT(bad); i++) {
            if (left_out(bad[i])) continue;
            untouched_row(losses_focal_row(g, x, n, 0, bad[i], 1), g, n, "gamma");
            untouched_row(losses_dice_mask(g, x, mask, n, bad[i], 1), g, n, "smooth");
            CHECK(isnan(losses_focal_row(NULL, x, n, 0, bad[i], 1)));
            CHECK(isnan(losses_dice_mask(NULL, x, mask, n, bad[i], 1)));
        }
        untouched_row(losses_dice_mask(g, x, mask, n, 0, 1), g, n, "smooth 0");
    }
}

void test_status(void)
{
    memory = (unsigned char *)malloc(MEMORY);
    before = (unsigned char *)malloc(MEMORY);
    check_case("memory");
    if (CHECK(memory != NULL && before != NULL)) {
        for_all(pointers);
        for_all(bad_shapes);
        for_all(unknown_options);
        for_all(numbers_out_of_range);
        for_all(weights_out_of_range);
        for_all(gamma_out_of_range);
        for_all(common_options);
        for_all(types);
        for_all(bad_labels);
        for_all(first_bad_label);
        for_all(overlaps);
        for_all(touching_bytes);
        for_all(in_place);
    }
    free(memory);
    free(before);
    row_functions();
}
