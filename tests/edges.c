/* The documented answers at the edges: nothing to count, NaN, inf, numbers near the end of the
 * range, ignored targets; and the bits that are promised to be the same. Every loss, in every
 * setting below, over rows and images, in float and in double. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#if !defined(LOSSES_NO_REFERENCE) && !defined(LOSSES_NO_DOUBLE)
#define HAVE_REFERENCE 1
#else
#define HAVE_REFERENCE 0
#endif

enum { ROOM = 1500, CLASSES = 1000 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* HELD stands in every output before a call. */
static const float HELD = 0.5f;

/* log_softmax is run as a loss without value and targets, its output as grad. */
typedef enum loss_kind {
    LOG_SOFTMAX,
    NLL,
    CROSS_ENTROPY,
    FOCAL,
    BINARY_CROSS_ENTROPY,
    SIGMOID_FOCAL,
    DICE
} loss_kind;

/* weights: class_weight, positive_weight or class_alpha, whatever the loss knows. */
typedef struct setting {
    const char *name;
    loss_kind kind;
    int soft, weights;
    float gamma, label_smoothing, z_loss, alpha, scale, eps;
} setting;

static const setting settings[] = {
    {"log_softmax", LOG_SOFTMAX, 0, 0, 0, 0, 0, 0, 0, 0},
    {"nll", NLL, 0, 0, 0, 0, 0, 0, 0, 0},
    {"nll, weights", NLL, 0, 1, 0, 0, 0, 0, 0, 0},
    {"cross_entropy", CROSS_ENTROPY, 0, 0, 0, 0, 0, 0, 0, 0},
    {"cross_entropy, weights", CROSS_ENTROPY, 0, 1, 0, 0, 0, 0, 0, 0},
    {"cross_entropy, smoothing", CROSS_ENTROPY, 0, 0, 0, 0.1f, 0, 0, 0, 0},
    {"cross_entropy, everything", CROSS_ENTROPY, 0, 1, 0, 0.5f, 0.01f, 0, 0, 0},
    {"cross_entropy, soft", CROSS_ENTROPY, 1, 0, 0, 0, 0, 0, 0, 0},
    {"cross_entropy, soft, everything", CROSS_ENTROPY, 1, 1, 0, 0.5f, 0.01f, 0, 0, 0},
    {"focal, gamma 0", FOCAL, 0, 0, 0, 0, 0, 0, 0, 0},
    {"focal, gamma 0.5", FOCAL, 0, 0, 0.5f, 0, 0, 0, 0, 0},
    {"focal, gamma 2, weights", FOCAL, 0, 1, 2, 0, 0, 0.25f, 0, 0},
    {"focal, gamma 3.7", FOCAL, 0, 0, 3.7f, 0, 0, 0, 0, 0},
    {"binary_cross_entropy", BINARY_CROSS_ENTROPY, 0, 0, 0, 0, 0, 0, 0, 0},
    {"binary_cross_entropy, weights", BINARY_CROSS_ENTROPY, 0, 1, 0, 0, 0, 0, 0, 0},
    {"binary_cross_entropy, soft, weights", BINARY_CROSS_ENTROPY, 1, 1, 0, 0, 0, 0, 0, 0},
    {"sigmoid_focal, gamma 0", SIGMOID_FOCAL, 0, 0, 0, 0, 0, 0, 0, 0},
    {"sigmoid_focal, gamma 0.5", SIGMOID_FOCAL, 0, 0, 0.5f, 0, 0, 1, 0, 0},
    {"sigmoid_focal, gamma 2, no alpha", SIGMOID_FOCAL, 0, 0, 2, 0, 0, -1, 0, 0},
    {"sigmoid_focal, gamma 3.7", SIGMOID_FOCAL, 0, 0, 3.7f, 0, 0, 0, 0, 0},
    {"sigmoid_focal, gamma 0.5, soft", SIGMOID_FOCAL, 1, 0, 0.5f, 0, 0, 0, 0, 0},
    {"sigmoid_focal, gamma 2, soft", SIGMOID_FOCAL, 1, 0, 2, 0, 0, 0.75f, 0, 0},
    {"dice", DICE, 0, 0, 0, 0, 0, 0, 0, 0},
    {"dice, scale 1, eps 1", DICE, 0, 0, 0, 0, 0, 0, 1, 1},
    {"dice, soft", DICE, 1, 0, 0, 0, 0, 0, 0, 0},
};

/* Samples, classes, positions: rows and images, few and many classes, around blocks of 16. */
static const size_t shapes[][3] = {
    {1, 1, 1},   {17, 1, 1},  {2, 1, 17},  {1, 3, 1},   {15, 3, 1},   {16, 3, 1}, {17, 3, 1},
    {33, 3, 1},  {2, 3, 15},  {1, 3, 16},  {1, 3, 17},  {2, 3, 33},   {1, 40, 1}, {5, 40, 1},
    {1, 40, 16}, {2, 40, 17}, {1, 100, 1}, {3, 100, 1}, {1, 100, 15},
};

/* Everything is packed. labels are the targets where the setting is not soft. */
typedef struct problem {
    const setting *loss;
    losses_shape shape;
    losses_options options;
    float logits[ROOM], soft[ROOM], upstream[ROOM];
    int64_t labels[ROOM];
} problem;

typedef struct answer {
    losses_report report;
    double loss[ROOM], grad[ROOM];
    float log_sum_exp[ROOM];
} answer;

static problem p;
static float weights[CLASSES], weights_with_zeros[CLASSES], other_weights_with_zeros[CLASSES];

static int is_softmax(void) { return p.loss->kind <= FOCAL; }
static int has_log_sum_exp(void) { return p.loss->kind == CROSS_ENTROPY || p.loss->kind == FOCAL; }
static size_t elements(void) { return p.shape.samples * p.shape.classes * p.shape.positions; }

/* A unit is what has one loss: a position, an element, a mask. This one has packed element i. */
static size_t unit_of(size_t i)
{
    const size_t plane = p.shape.classes * p.shape.positions;
    if (is_softmax()) return i / plane * p.shape.positions + i % p.shape.positions;
    return p.loss->kind == DICE ? i / p.shape.positions : i;
}

static size_t class_of(size_t i) { return i / p.shape.positions % p.shape.classes; }
static size_t target_of(size_t i) { return is_softmax() ? unit_of(i) : i; }
static size_t units(void) { return elements() == 0 ? 0 : unit_of(elements() - 1) + 1; }
static size_t targets(void) { return elements() == 0 ? 0 : target_of(elements() - 1) + 1; }
static int64_t labels_below(void) { return is_softmax() ? (int64_t)p.shape.classes : 2; }

static uint32_t state;

static uint32_t random_below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

static void set_weights(const float *some, const float *others)
{
    if (!p.loss->weights) return;
    if (p.loss->kind == FOCAL) {
        p.options.class_alpha = some;
        return;
    }
    p.options.class_weight = some;
    if (p.loss->kind == BINARY_CROSS_ENTROPY) p.options.positive_weight = others;
}

/* Moderate logits; labels, or probabilities that are sometimes 0 but not for all classes. */
static void set_up(const setting *loss, losses_shape shape)
{
    size_t i;
    memset(&p, 0, sizeof p);
    p.loss = loss;
    p.shape = shape;
    p.options.label_smoothing = loss->label_smoothing;
    p.options.z_loss = loss->z_loss;
    p.options.alpha = loss->alpha;
    p.options.scale = loss->scale;
    p.options.eps = loss->eps;
    set_weights(weights, weights + 1);
    for (i = 0; i < elements(); i++) {
        p.logits[i] = ((float)random_below(1024) - (loss->kind == NLL ? 1024 : 511.5f)) / 64;
        p.soft[i] = (float)random_below(5) / 4;
        if (is_softmax() && class_of(i) == 0) p.soft[i] = 0.5f;
        p.upstream[i] = (float)(1 + random_below(100)) / 32;
        p.labels[i] = (int64_t)random_below((uint32_t)labels_below());
    }
    check_case("%s: %u x %u x %u", loss->name, (unsigned)shape.samples, (unsigned)shape.classes,
               (unsigned)shape.positions);
}

/* --- calling ---------------------------------------------------------------------------------- */

enum {
    IN_DOUBLE = 1,
    NO_LOSS = 2,
    NO_GRAD = 4,
    NO_LSE = 8,
    IN_PLACE = 16,
    AS_U8 = 32,
    AS_I32 = 64,
    NULL_DATA = 128
};

static losses_targets targets_as(int how)
{
    static uint8_t as_u8[ROOM];
    static int32_t as_i32[ROOM];
    size_t i;
    if (p.loss->soft) return losses_f32(how & NULL_DATA ? NULL : p.soft);
    if (how & NULL_DATA) return losses_i64(NULL);
    for (i = 0; i < targets(); i++) {
        as_u8[i] = (uint8_t)p.labels[i];
        as_i32[i] = (int32_t)p.labels[i];
    }
    return how & AS_U8    ? losses_u8(as_u8)
           : how & AS_I32 ? losses_i32(as_i32)
                          : losses_i64(p.labels);
}

#define DEFINE_CALL(number, prefix) \
    static losses_status call_##number(number *loss, number *grad, const number *logits, \
                                       losses_targets t, losses_shape shape, \
                                       const losses_options *options) \
    { \
        const number gamma = (number)p.loss->gamma; \
        switch (p.loss->kind) { \
        case LOG_SOFTMAX: \
            return prefix##log_softmax(grad, logits, shape); \
        case NLL: \
            return prefix##nll(loss, grad, logits, t, shape, options); \
        case CROSS_ENTROPY: \
            return prefix##cross_entropy(loss, grad, logits, t, shape, options); \
        case FOCAL: \
            return prefix##focal(loss, grad, logits, t, shape, gamma, options); \
        case BINARY_CROSS_ENTROPY: \
            return prefix##binary_cross_entropy(loss, grad, logits, t, shape, options); \
        case SIGMOID_FOCAL: \
            return prefix##sigmoid_focal(loss, grad, logits, t, shape, gamma, options); \
        case DICE: \
            return prefix##dice(loss, grad, logits, t, shape, options); \
        } \
        return LOSSES_BAD_OPTION; \
    } \
    static losses_status solve_##number(answer *a, int how, const losses_options *options) \
    { \
        static number loss[ROOM], grad[ROOM], logits[ROOM]; \
        losses_status status; \
        size_t i; \
        for (i = 0; i < elements(); i++) { \
            loss[i] = grad[i] = (number)HELD; \
            logits[i] = (number)p.logits[i]; \
        } \
        loss[0] = (number)HELD; \
        status = \
            call_##number(how & NO_LOSS ? NULL : loss, \
                          how & (NO_GRAD | NULL_DATA) ? NULL \
                          : how & IN_PLACE            ? logits \
                                                      : grad, \
                          how & NULL_DATA ? NULL : logits, targets_as(how), p.shape, options); \
        a->loss[0] = (double)loss[0]; \
        for (i = 0; i < elements(); i++) { \
            a->loss[i] = (double)loss[i]; \
            a->grad[i] = (double)(how & IN_PLACE ? logits[i] : grad[i]); \
        } \
        return status; \
    }

DEFINE_CALL(float, losses_)
#if HAVE_REFERENCE
DEFINE_CALL(double, losses_reference_)
#endif

static void solve(answer *a, int how)
{
    losses_options options = p.options;
    size_t i;
    for (i = 0; i < units(); i++) a->log_sum_exp[i] = HELD;
    memset(&a->report, 0, sizeof a->report);
    options.report = &a->report;
    if (has_log_sum_exp() && !(how & NO_LSE)) options.log_sum_exp = a->log_sum_exp;
#if HAVE_REFERENCE
    if (how & IN_DOUBLE) {
        CHECK_STATUS(solve_double(a, how, &options), LOSSES_OK);
        return;
    }
#endif
    CHECK_STATUS(solve_float(a, how, &options), LOSSES_OK);
}

/* --- comparing -------------------------------------------------------------------------------- */

/* The same bits; the payload of a NaN is nobody's promise. */
static int same(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static int all_same(const double *a, const double *b, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (!same(a[i], b[i])) return 0;
    return 1;
}

static int all_equal(const double *a, double value, size_t n) /* 0 equals -0 */
{
    size_t i;
    for (i = 0; i < n; i++)
        if (!(a[i] == value)) return 0;
    return 1;
}

static int same_log_sum_exp(const answer *a, const answer *b)
{
    size_t i;
    for (i = 0; i < units(); i++)
        if (!same((double)a->log_sum_exp[i], (double)b->log_sum_exp[i])) return 0;
    return 1;
}

static size_t losses_written(void) { return p.options.reduction == LOSSES_NONE ? units() : 1; }

/* Outside the unit everything has the clean bits. A reduced loss is not compared. */
static int same_outside(const answer *a, const answer *clean, size_t unit)
{
    size_t i;
    for (i = 0; i < elements(); i++)
        if (unit_of(i) != unit && !same(a->grad[i], clean->grad[i])) return 0;
    for (i = 0; i < units(); i++) {
        if (i == unit) continue;
        if (p.options.reduction == LOSSES_NONE && !same(a->loss[i], clean->loss[i])) return 0;
        if (!same((double)a->log_sum_exp[i], (double)clean->log_sum_exp[i])) return 0;
    }
    return 1;
}

static int nan_inside(const answer *a, size_t unit)
{
    size_t i;
    for (i = 0; i < elements(); i++)
        if (unit_of(i) == unit && !isnan(a->grad[i])) return 0;
    if (p.loss->kind == LOG_SOFTMAX) return 1;
    return isnan(a->loss[p.options.reduction == LOSSES_NONE ? unit : 0]);
}

/* A wanted number as the type has it: beyond the largest float, a float is infinite. */
static double as_number(double value, int how)
{
    return !(how & IN_DOUBLE) && fabs(value) > (double)FLT_MAX ? copysign((double)INFINITY, value)
                                                               : value;
}

/* Near to within rounding errors of size. */
static double rounding(double size, int how)
{
    const double relative = how & IN_DOUBLE ? 1e-10 : 4e-6;
    return isinf(size) ? 0 : relative * fabs(size);
}

/* --- nothing to count ------------------------------------------------------------------------- */

static answer got, clean;

static void check_nothing(int how, double mean, double grad)
{
    solve(&got, how);
    CHECK_NEAR(got.loss[0], mean, 0);
    CHECK(all_equal(got.grad, grad, elements()));
}

static void nothing_counted(int how)
{
    const float nan_upstream[] = {NAN};
    size_t i;
    if (p.loss->kind == LOG_SOFTMAX || p.loss->soft) return;
    for (i = 0; i < elements(); i++) {
        p.logits[i] = i % 2 ? NAN : INFINITY;
        p.labels[i] = -100;
    }
    check_nothing(how, 0, 0);
    CHECK((double)got.report.sum == 0 && got.report.counted == 0);
    if (p.loss->kind != DICE) CHECK((double)got.report.denominator == 0);
    for (i = 0; has_log_sum_exp() && i < units(); i++) CHECK((double)got.log_sum_exp[i] == 0);
    p.options.upstream = nan_upstream;
    check_nothing(how, 0, 0);
    p.options.upstream = NULL;
    p.options.accumulate = 1;
    check_nothing(how, 0, (double)HELD);
    p.options.accumulate = 0;
    p.options.nan_if_empty = 1;
    check_nothing(how, (double)NAN, 0);
    CHECK((double)got.report.sum == 0 && got.report.counted == 0);
    p.options.nan_if_empty = 0;
    p.options.denominator = 3;
    check_nothing(how, 0, 0);
    CHECK_NEAR((double)got.report.denominator, 3, 1e-6);
    p.options.denominator = 0;
    p.options.reduction = LOSSES_SUM;
    check_nothing(how, 0, 0);
    p.options.reduction = LOSSES_NONE;
    check_nothing(how, 0, 0);
    CHECK(all_equal(got.loss, 0, units()));
}

/* D = sum of w_t = 0: all weights are 0, or the target's, where smoothing and z_loss leave a sum. */
static void total_weight_zero(int how)
{
    static const float zeros[CLASSES] = {0};
    static float only_first_zero[CLASSES];
    size_t i, only_first;
    for (i = 1; i < CLASSES; i++) only_first_zero[i] = 1;
    for (only_first = 0; only_first < 2; only_first++) {
        for (i = 0; only_first && i < targets(); i++) p.labels[i] = 0;
        p.options.class_weight = only_first ? only_first_zero : zeros;
        check_nothing(how, 0, 0);
        CHECK((double)got.report.denominator == 0 && got.report.counted == units());
        p.options.nan_if_empty = 1;
        check_nothing(how, (double)NAN, 0);
        p.options.nan_if_empty = 0;
        if (p.loss->kind == CROSS_ENTROPY && !check_finite) {
            const float held = p.logits[0];
            p.logits[0] = NAN; /* comes through the mean over nothing */
            solve(&got, how);
            CHECK(isnan(got.loss[0]));
            p.logits[0] = held;
        }
        p.options.denominator = 4;
        solve(&got, how);
        CHECK_NEAR(got.loss[0], (double)got.report.sum / 4, rounding((double)got.report.sum, how));
        p.options.denominator = 0;
    }
}

static void zero_weights(int how)
{
    static const float zeros[CLASSES] = {0};
    const int by_weight = p.loss->kind == NLL || p.loss->kind == CROSS_ENTROPY;
    if (!p.loss->weights) return;
    if (by_weight && !p.loss->soft) {
        total_weight_zero(how);
        return;
    }
    /* The mean divides by a number of positions or elements: worth 0, but not empty. */
    set_weights(zeros, weights);
    p.options.z_loss = 0;
    p.options.nan_if_empty = 1;
    check_nothing(how, 0, 0);
    CHECK(got.report.counted == units());
    CHECK_NEAR((double)got.report.denominator, (double)units(), 0);
}

/* No samples, or no positions, and data pointers that are NULL. */
static void empty_batch(const setting *loss, int how)
{
    static const size_t empty[][3] = {{0, 1, 1}, {0, 3, 1},  {0, 40, 1}, {0, 3, 5},
                                      {2, 3, 0}, {1, 40, 0}, {0, 3, 0}};
    size_t i;
    for (i = 0; i < COUNT(empty); i++) {
        const int without_value = loss->kind == LOG_SOFTMAX;
        set_up(loss, losses_images(empty[i][0], empty[i][1], empty[i][2]));
        check_nothing(how | NULL_DATA, without_value ? (double)HELD : 0, 0);
        if (without_value) continue;
        CHECK((double)got.report.sum == 0 && got.report.counted == 0);
        if (loss->kind != DICE) CHECK((double)got.report.denominator == 0);
        p.options.denominator = 3;
        check_nothing(how | NULL_DATA, 0, 0);
        p.options.denominator = 0;
        p.options.nan_if_empty = 1;
        check_nothing(how | NULL_DATA, (double)NAN, 0);
        p.options.nan_if_empty = 0;
        p.options.reduction = LOSSES_SUM;
        check_nothing(how | NULL_DATA, 0, 0);
        p.options.reduction = LOSSES_NONE;
        /* A mask without pixels is still a mask. */
        if (loss->kind == DICE && p.shape.samples > 0) continue;
        p.options.upstream = (const float *)(uintptr_t)64; /* of no element: not to be read */
        check_nothing(how | NULL_DATA, (double)HELD, 0);
        p.options.upstream = NULL;
    }
}

/* --- NaN and inf ------------------------------------------------------------------------------ */

/* A NaN logit makes its unit NaN and leaves everything else alone, bit for bit; in a softmax so
 * does a +inf, or a position that is all -inf. */
static void spoilt_logits(int how)
{
    static float kept[ROOM];
    enum { PLUS_NAN, MINUS_NAN, PLUS_INF, ALL_MINUS_INF, ALL_NAN, SPOILERS };
    const float spoilers[SPOILERS] = {NAN, -NAN, INFINITY, -INFINITY, NAN};
    const size_t last = elements() - 1;
    const size_t places[] = {0, last / 2, last};
    int reduction, spoiler;
    size_t i, k;
    if (p.loss->kind == NLL) return;
    memcpy(kept, p.logits, sizeof kept);
    for (reduction = LOSSES_MEAN; reduction <= LOSSES_NONE; reduction += LOSSES_NONE) {
        p.options.reduction = (losses_reduction)reduction;
        solve(&clean, how);
        for (spoiler = 0; spoiler < (is_softmax() ? SPOILERS : PLUS_INF); spoiler++)
            for (k = 0; k < COUNT(places); k++) {
                const size_t unit = unit_of(places[k]);
                for (i = 0; i < elements(); i++)
                    if (i == places[k] || (spoiler >= ALL_MINUS_INF && unit_of(i) == unit))
                        p.logits[i] = spoilers[spoiler];
                solve(&got, how);
                CHECK(nan_inside(&got, unit));
                CHECK(same_outside(&got, &clean, unit));
                memcpy(p.logits, kept, sizeof kept);
            }
    }
}

/* NLL: the value shows the special log-probability, the gradient does not; weight 0 hides it. */
static void special_log_probabilities(int how)
{
    const float specials[] = {NAN, -NAN, -INFINITY};
    const size_t unit = units() / 2;
    size_t i, s, silent;
    if (p.loss->kind != NLL) return;
    for (s = 0; s < COUNT(specials); s++)
        for (silent = 0; silent < (p.loss->weights ? 2u : 1u); silent++) {
            static float some_weights[CLASSES];
            const size_t t = (size_t)p.labels[unit];
            const double w = silent ? 0 : p.loss->weights ? (double)weights[t] : 1;
            const double value = silent ? 0 : isnan(specials[s]) ? (double)NAN : (double)INFINITY;
            size_t place = 0;
            while (unit_of(place) != unit || class_of(place) != t) place++;
            memcpy(some_weights, weights, sizeof weights);
            some_weights[t] = (float)w;
            set_weights(some_weights, NULL);
            p.options.reduction = LOSSES_NONE;
            solve(&clean, how);
            const float kept = p.logits[place];
            p.logits[place] = specials[s];
            solve(&got, how);
            CHECK_NEAR(got.loss[unit], value, 0);
            CHECK(same_outside(&got, &clean, unit));
            for (i = 0; i < elements(); i++)
                if (unit_of(i) == unit) CHECK_NEAR(got.grad[i], i == place ? -w : 0, 0);
            p.options.reduction = LOSSES_SUM;
            solve(&got, how);
            if (!silent) CHECK_NEAR(got.loss[0], value, 0);
            if (silent) CHECK(isfinite(got.loss[0]));
            p.logits[place] = kept;
        }
}

/* NaN and inf in upstream reach every gradient of their loss that is not 0, and nothing else; an
 * ignored target keeps its 0. */
static void special_upstream(int how)
{
    const float specials[] = {NAN, INFINITY, -INFINITY};
    const size_t unit = units() - 1 - units() / 2;
    size_t i, s;
    if (p.loss->kind == LOG_SOFTMAX) return;
    p.options.upstream = p.upstream;
    for (s = 0; s < COUNT(specials); s++) {
        const float kept = p.upstream[unit], kept_first = p.upstream[0];
        int propagated = 1;
        p.options.reduction = LOSSES_NONE;
        solve(&clean, how);
        p.upstream[unit] = specials[s];
        solve(&got, how);
        p.upstream[unit] = kept;
        CHECK(same_outside(&got, &clean, unit));
        CHECK(all_same(got.loss, clean.loss, units()));
        for (i = 0; i < elements(); i++) {
            if (unit_of(i) != unit || clean.grad[i] == 0) continue;
            propagated &= isnan(specials[s]) ? isnan(got.grad[i]) : !isfinite(got.grad[i]);
        }
        p.options.reduction = LOSSES_MEAN;
        solve(&clean, how);
        p.upstream[0] = specials[s];
        solve(&got, how);
        p.upstream[0] = kept_first;
        CHECK(same(got.loss[0], clean.loss[0]));
        for (i = 0; i < elements(); i++) {
            if (clean.grad[i] == 0) continue;
            propagated &= isnan(specials[s]) ? isnan(got.grad[i]) : !isfinite(got.grad[i]);
        }
        CHECK(propagated);
    }
}

static void special_soft_targets(int how)
{
    const float specials[] = {NAN, INFINITY, -INFINITY};
    const size_t place = elements() / 2, unit = unit_of(place);
    size_t s;
    if (!p.loss->soft) return;
    p.options.reduction = LOSSES_NONE;
    solve(&clean, how);
    for (s = 0; s < COUNT(specials); s++) {
        const float kept = p.soft[place];
        p.soft[place] = specials[s];
        solve(&got, how);
        p.soft[place] = kept;
        CHECK(same_outside(&got, &clean, unit));
        /* One class alone has log p = 0 and an inf may meet it as 0 * inf or not. */
        if (isnan(specials[s])) CHECK(nan_inside(&got, unit));
        if (is_softmax() && p.shape.classes == 1) continue;
        CHECK(!isfinite(got.loss[unit]));
        CHECK(!isfinite(got.grad[place]));
    }
}

/* The gradient of log_softmax: a NaN in upstream is in the sum that every class gets; a -inf
 * log-probability gets upstream alone. */
static void log_softmax_gradient(int how)
{
    static float grad[ROOM], untouched[ROOM];
    const size_t place = elements() / 2, unit = unit_of(place);
    size_t i, spoilt;
    int held = 1;
    if (p.loss->kind != LOG_SOFTMAX || how & IN_DOUBLE) return;
    for (spoilt = 0; spoilt < 2; spoilt++) {
        if (spoilt) p.upstream[place] = NAN;
        CHECK_STATUS(
            losses_log_softmax_gradient(spoilt ? grad : untouched, p.upstream, p.logits, p.shape),
            LOSSES_OK);
    }
    for (i = 0; i < elements(); i++)
        held &= unit_of(i) == unit ? isnan(grad[i]) : same((double)grad[i], (double)untouched[i]);
    CHECK(held);
    p.upstream[place] = 0.375f;
    p.logits[place] = -INFINITY;
    CHECK_STATUS(losses_log_softmax_gradient(grad, p.upstream, p.logits, p.shape), LOSSES_OK);
    CHECK_NEAR((double)grad[place], 0.375, 0);
    CHECK_STATUS(losses_log_softmax_gradient(NULL, NULL, NULL, losses_rows(0, 3)), LOSSES_OK);
    CHECK_STATUS(losses_log_softmax_gradient(NULL, NULL, NULL, losses_images(2, 3, 0)), LOSSES_OK);
}

/* --- far out logits --------------------------------------------------------------------------- */

/* K classes at a top, the others so far below that they have no part in it: p is 1/K and 0, lse is
 * top + ln K, and -log p_c = lse - x_c is ln K at the top and (top - low) + ln K below. */
typedef struct position {
    double top, low;
    size_t tops, first, classes, target;
} position;

static int on_top(const position *at, size_t c)
{
    return (c + at->classes - at->first) % at->classes < at->tops;
}

static double minus_log_p(const position *at, size_t c)
{
    return on_top(at, c) ? log((double)at->tops) : (at->top - at->low) + log((double)at->tops);
}

/* A product in which 0 * inf is 0. */
static double times(double factor, double value) { return factor == 0 ? 0 : factor * value; }

/* l = sum_c w_c q'_c (-log p_c) + z lse^2, q' = (1-e) q + e/C; an index t is q_c = [c = t].
 * dl/dx_j = (sum_c w_c q'_c + 2 z lse) p_j - w_j q'_j; size: its largest term. */
static double cross_entropy_at(const position *at, const float *q, size_t stride, double *grad,
                               double *size)
{
    const double e = (double)p.loss->label_smoothing, z = (double)p.loss->z_loss;
    const double lse = at->top + log((double)at->tops), each = 1 / (double)at->tops;
    const double n = (double)at->classes;
    double value = times(z, lse * lse), total = 0;
    size_t c;
    for (c = 0; c < at->classes; c++) {
        const double w = p.options.class_weight ? (double)p.options.class_weight[c] : 1;
        const double of_c = p.loss->soft ? (double)q[c * stride] : c == at->target;
        const double term = w * ((1 - e) * of_c + e / n);
        value += times(term, minus_log_p(at, c));
        total += term;
        grad[c] = -term;
        size[c] = term;
    }
    for (c = 0; c < at->classes; c++) {
        if (!on_top(at, c)) continue;
        grad[c] += (total + 2 * z * lse) * each;
        size[c] += (total + 2 * z * fabs(lse)) * each;
    }
    for (c = 0; e == 0 && z == 0 && !p.loss->soft && c < at->classes; c++)
        size[c] = fabs(grad[c]); /* nothing cancels */
    return value;
}

/* l = a s^gamma (-log p_t), s = 1 - p_t; dl/dx_t = h = -a s^gamma (gamma p_t (-log p_t) + s),
 * and -h in equal parts for the top classes other than t. */
static double focal_at(const position *at, double *grad, double *size)
{
    const double gamma = (double)p.loss->gamma;
    const double factor = p.loss->alpha == 0 ? 1 : (double)p.loss->alpha;
    const double by_class = p.options.class_alpha ? (double)p.options.class_alpha[at->target] : 1;
    const int top = on_top(at, at->target);
    const double p_t = top ? 1 / (double)at->tops : 0, s = 1 - p_t;
    const double weight = factor * by_class * pow(s, gamma);
    const double surprise = minus_log_p(at, at->target);
    const double h = -weight * (gamma * times(p_t, surprise) + s);
    const double others = (double)at->tops - top;
    size_t c;
    for (c = 0; c < at->classes; c++) {
        grad[c] = c == at->target ? h : on_top(at, c) ? -h / others : 0;
        size[c] = fabs(grad[c]);
    }
    return times(weight, surprise);
}

/* Losses that are inf add up to inf. */
static void check_sum(double sum, int how)
{
    if (p.loss->kind == LOG_SOFTMAX) return;
    p.options.reduction = LOSSES_SUM;
    solve(&got, how);
    CHECK_NEAR(got.loss[0], as_number(sum, how), rounding(sum, how));
    p.options.reduction = LOSSES_NONE;
}

static void far_softmax(int how)
{
    static double grad[CLASSES], size[CLASSES];
    const float levels[][2] = {
        {0, -INFINITY},      {5, -INFINITY},   {FLT_MAX, -INFINITY}, {-FLT_MAX, -INFINITY},
        {FLT_MAX, -FLT_MAX}, {FLT_MAX, 0},     {0, -FLT_MAX},        {1e30f, -1e30f},
        {3e19f, -3e19f},     {-1e30f, -3e38f}, {1000, -1000},
    };
    const size_t classes = p.shape.classes, positions = p.shape.positions;
    position at = {0, 0, 0, 0, 0, 0};
    size_t level, i, c;
    p.options.reduction = LOSSES_NONE;
    set_weights(weights_with_zeros, NULL);
    at.classes = classes;
    for (level = 0; level < COUNT(levels); level++) {
        int values = 1, grads = 1, log_sum_exps = 1;
        double sum = 0;
        at.top = (double)levels[level][0];
        at.low = (double)levels[level][1];
        for (i = 0; i < elements(); i++) {
            at.first = unit_of(i) % classes;
            at.tops = 1 + unit_of(i) * 7 % classes;
            p.logits[i] = levels[level][!on_top(&at, class_of(i))];
        }
        solve(&got, how);
        for (i = 0; i < units(); i++) {
            const size_t start = i / positions * classes * positions + i % positions;
            const double lse_size = fabs(at.top) + log((double)classes);
            double value = 0;
            at.first = i % classes;
            at.tops = 1 + i * 7 % classes;
            at.target = (size_t)p.labels[i];
            if (p.loss->kind == CROSS_ENTROPY)
                value = cross_entropy_at(&at, p.soft + start, positions, grad, size);
            if (p.loss->kind == FOCAL) value = focal_at(&at, grad, size);
            for (c = 0; p.loss->kind == LOG_SOFTMAX && c < classes; c++) {
                grad[c] = -minus_log_p(&at, c);
                size[c] = fabs(grad[c]);
            }
            value = as_number(value, how);
            if (p.loss->kind != LOG_SOFTMAX)
                values = values && CHECK_NEAR(got.loss[i], value, rounding(value, how));
            for (c = 0; c < classes; c++)
                grads = grads && CHECK_NEAR(got.grad[start + c * positions],
                                            as_number(grad[c], how), rounding(size[c], how));
            if (has_log_sum_exp())
                log_sum_exps =
                    log_sum_exps && CHECK_NEAR((double)got.log_sum_exp[i],
                                               at.top + log((double)at.tops), 4e-6 * lse_size);
            if (!(values && grads && log_sum_exps)) break;
            sum += value;
        }
        if (i == units()) check_sum(sum, how);
    }
}

/* p is 0 or 1, sp(x) = max(x, 0), sp(-x) = max(-x, 0), and 0 * inf is 0. */
static void far_sigmoid(int how)
{
    const float far[] = {INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1e30f, -1e30f};
    static const float soft[] = {0, 1, 0.25f, 0.5f};
    const double gamma = (double)p.loss->gamma;
    const double alpha = p.loss->alpha == 0 ? 0.25 : (double)p.loss->alpha;
    double sum = 0;
    size_t i;
    p.options.reduction = LOSSES_NONE;
    set_weights(weights_with_zeros, other_weights_with_zeros);
    for (i = 0; i < elements(); i++) {
        p.logits[i] = far[i % COUNT(far)];
        p.labels[i] = (int64_t)(i / COUNT(far) % 2);
        p.soft[i] = soft[i / COUNT(far) % COUNT(soft)];
    }
    solve(&got, how);
    for (i = 0; i < elements(); i++) {
        const double x = (double)p.logits[i],
                     t = p.loss->soft ? (double)p.soft[i] : (double)p.labels[i];
        const double one = x > 0, sp = x > 0 ? x : 0, sp_minus = x > 0 ? 0 : -x;
        const size_t c = class_of(i);
        double value, grad;
        if (p.loss->kind == BINARY_CROSS_ENTROPY) {
            const double w = p.options.class_weight ? (double)p.options.class_weight[c] : 1;
            const double b = p.options.positive_weight ? (double)p.options.positive_weight[c] : 1;
            value = times(w * b * t, sp_minus) + times(w * (1 - t), sp);
            grad = w * ((1 - t) * one - b * t * (1 - one));
        } else {
            const double weight = alpha < 0 ? 1 : alpha * t + (1 - alpha) * (1 - t);
            const double m = weight * pow(t + one - 2 * t * one, gamma);
            value = times(m, times(t, sp_minus) + times(1 - t, sp));
            grad = m * (one - t); /* the other term has p (1-p) = 0 */
        }
        value = as_number(value, how);
        if (!CHECK_NEAR(got.loss[i], value, rounding(value, how))) return;
        if (!CHECK_NEAR(got.grad[i], grad, rounding(grad, how))) return;
        sum += value;
    }
    check_sum(sum, how);
}

/* The formula, with p = 0, 1 or 1/2 in every pixel. */
static void far_dice(int how)
{
    const float far[] = {INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 0, -1e30f, 1e30f};
    const size_t pixels = p.shape.positions;
    const double scale = p.loss->scale == 0 ? 1000 : (double)p.loss->scale;
    const double smooth = scale * (p.loss->eps == 0 ? 1e-6 : (double)p.loss->eps);
    size_t i, unit;
    p.options.reduction = LOSSES_NONE;
    for (i = 0; i < elements(); i++) p.logits[i] = far[i * 5 % COUNT(far)];
    solve(&got, how);
    for (unit = 0; unit < units(); unit++) {
        double wrong = 0, both = 0, total = smooth;
        for (i = unit * pixels; i < (unit + 1) * pixels; i++) {
            const double t = p.loss->soft ? (double)p.soft[i] : (double)p.labels[i];
            const double one = p.logits[i] > 0 ? 1 : p.logits[i] < 0 ? 0 : 0.5;
            wrong += one * (1 - t) + (1 - one) * t;
            both += one * t;
            total += one + t;
        }
        if (!CHECK_NEAR(got.loss[unit], wrong / total, rounding(wrong / total, how))) return;
        for (i = unit * pixels; i < (unit + 1) * pixels; i++) {
            const double t = p.loss->soft ? (double)p.soft[i] : (double)p.labels[i];
            const double slope = p.logits[i] == 0 ? 0.25 / (total * total) : 0;
            const double first = slope * (2 * both + smooth), second = slope * 2 * t * total;
            if (!CHECK_NEAR(got.grad[i], first - second, rounding(first + second, how))) return;
        }
    }
}

static void far_out(int how)
{
    if (p.loss->kind == DICE) {
        far_dice(how);
    } else if (!is_softmax()) {
        far_sigmoid(how);
    } else if (p.loss->kind != NLL) {
        far_softmax(how);
    }
}

#if !defined(LOSSES_NO_DOUBLE)
/* Sixteen losses of FLT_MAX: their sum is no float, their mean is. */
static void mean_of_far_losses(int how)
{
    static const setting loss = {"cross_entropy", CROSS_ENTROPY, 0, 0, 0, 0, 0, 0, 0, 0};
    size_t i;
    set_up(&loss, losses_rows(16, 2));
    for (i = 0; i < elements(); i++) p.logits[i] = i % 2 ? FLT_MAX : 0;
    for (i = 0; i < units(); i++) p.labels[i] = 0;
    solve(&got, how);
    CHECK_NEAR(got.loss[0], (double)FLT_MAX, 0);
    CHECK_NEAR((double)got.report.sum, 16 * (double)FLT_MAX, 0);
    p.options.reduction = LOSSES_SUM;
    solve(&got, how);
    CHECK_NEAR(got.loss[0], as_number(16 * (double)FLT_MAX, how), 0);
}
#endif

/* Whatever the logit, a single class has probability 1. */
static void one_class(int how)
{
    static const float far[] = {0, 5, -5, FLT_MAX, -FLT_MAX, 1e30f, -1e30f, 100};
    size_t i;
    if (p.shape.classes != 1 || !is_softmax() || p.loss->kind == NLL) return;
    for (i = 0; i < elements(); i++) p.logits[i] = far[i % COUNT(far)];
    p.options.reduction = LOSSES_NONE;
    p.options.z_loss = 0;
    solve(&got, how);
    CHECK(all_equal(got.grad, 0, elements()));
    if (p.loss->kind != LOG_SOFTMAX) CHECK(all_equal(got.loss, 0, units()));
    for (i = 0; has_log_sum_exp() && i < units(); i++)
        CHECK_NEAR((double)got.log_sum_exp[i], (double)p.logits[i], 0);
}

/* --- ignored targets -------------------------------------------------------------------------- */

/* Every third unit is ignored, logits NaN: it gets 0, or keeps its old gradient, the others get
 * the bits that they have when nothing is ignored, and the mean divides by what is left. */
static void ignored_units(int how, int has_ignore_index, int64_t ignored)
{
    const int inside = ignored >= 0 && ignored < labels_below();
    double denominator = 0, sum = 0;
    size_t i, counted = 0;
    int accumulate;
    if (p.loss->kind == LOG_SOFTMAX || p.loss->soft || (inside && labels_below() == 1)) return;
    for (i = 0; i < targets(); i++) {
        if (p.labels[i] == ignored) p.labels[i] = ignored == 0 ? 1 : 0;
        if (is_softmax() && i % 3 != 1)
            denominator +=
                p.loss->weights && p.loss->kind != FOCAL ? (double)weights[p.labels[i]] : 1;
    }
    p.options.reduction = LOSSES_NONE;
    solve(&clean, how);
    for (i = 0; i < elements(); i++) {
        if (unit_of(i) % 3 != 1) continue;
        p.logits[i] = NAN;
        p.labels[target_of(i)] = ignored;
    }
    for (i = 0; i < units(); i++) {
        if (i % 3 == 1) continue;
        counted++;
        sum += clean.loss[i];
    }
    if (!is_softmax()) denominator = (double)counted;
    p.options.has_ignore_index = has_ignore_index;
    p.options.ignore_index = has_ignore_index ? ignored : 0;
    for (accumulate = 0; accumulate < 2; accumulate++) {
        int held = 1;
        p.options.accumulate = accumulate;
        solve(&got, how);
        for (i = 0; i < elements(); i++) {
            if (unit_of(i) % 3 == 1) held &= got.grad[i] == (accumulate ? (double)HELD : 0);
            if (unit_of(i) % 3 != 1 && !accumulate) held &= same(got.grad[i], clean.grad[i]);
        }
        for (i = 0; i < units(); i++) {
            held &= i % 3 == 1 ? got.loss[i] == 0 : same(got.loss[i], clean.loss[i]);
            if (!has_log_sum_exp()) continue;
            held &= i % 3 == 1 ? (double)got.log_sum_exp[i] == 0
                               : same((double)got.log_sum_exp[i], (double)clean.log_sum_exp[i]);
        }
        CHECK(held);
        CHECK(got.report.counted == counted);
    }
    p.options.accumulate = 0;
    p.options.reduction = LOSSES_MEAN;
    solve(&got, how);
    CHECK_NEAR((double)got.report.denominator, denominator, 1e-6 * denominator);
    CHECK_NEAR((double)got.report.sum, sum, 1e-5 * sum);
    CHECK_NEAR(got.loss[0], sum / denominator, 1e-5 * sum / denominator);
    for (i = 0; i < elements(); i++)
        if (unit_of(i) % 3 == 1 && !CHECK_NEAR(got.grad[i], 0, 0)) break;
}

/* An ignored pixel is as good as absent: with logits 0, K counted pixels, T of them 1, and E = 1,
 * l = (K/2) / (K/2 + T + 1), dl/dx = ((T + 1) - 2 t (K/2 + T + 1)) / 4 / (K/2 + T + 1)^2. */
static void ignored_pixels(int how)
{
    static const setting loss = {"dice", DICE, 0, 0, 0, 0, 0, 0, 1, 1};
    const losses_shape shape = losses_masks(2, 37);
    double counted = 0, ones = 0, total;
    size_t i;
    set_up(&loss, shape);
    for (i = 0; i < elements(); i++) {
        p.labels[i] = i % 5 == 0 ? -100 : (int64_t)(i % 2);
        p.logits[i] = i % 5 == 0 ? NAN : 0;
        if (i >= 37) p.labels[i] = -100; /* the whole second mask */
        if (i < 37 && i % 5 != 0) {
            counted++;
            ones += (double)(i % 2);
        }
    }
    total = counted / 2 + ones + 1;
    solve(&got, how);
    CHECK(got.report.counted == 1);
    CHECK_NEAR((double)got.report.denominator, 1 + 1e-8, 1e-7);
    CHECK_NEAR(got.loss[0], counted / 2 / total / (1 + 1e-8), rounding(1, how));
    for (i = 0; i < elements(); i++) {
        const double t = (double)p.labels[i];
        const double slope = 0.25 / (total * total) / (1 + 1e-8);
        const double grad = p.labels[i] < 0 ? 0 : slope * (ones + 1 - 2 * t * total);
        CHECK_NEAR(got.grad[i], grad, rounding(grad, how));
    }
}

/* ignore_index is compared as a whole number, not as the type of the targets has it. */
static void ignore_index_is_wide(int how)
{
    static const struct {
        int type;
        int64_t ignored, label;
        int is_ignored;
    } cases[] = {
        {AS_U8, 255, 255, 1},
        {AS_U8, 256, 0, 0},
        {AS_U8, -256, 0, 0},
        {AS_I32, -1, -1, 1},
        {AS_I32, INT32_MIN, INT32_MIN, 1},
        {AS_I32, (int64_t)1 << 32, 0, 0},
        {AS_I32, INT64_MIN, 0, 0},
        {0, INT64_MIN, INT64_MIN, 1},
        {0, INT64_MAX, INT64_MAX, 1},
        {0, (int64_t)1 << 32, 0, 0},
        {0, (int64_t)1 << 32, (int64_t)1 << 32, 1},
    };
    size_t i, k;
    if (p.loss->kind == LOG_SOFTMAX || p.loss->soft) return;
    p.options.has_ignore_index = 1;
    for (k = 0; k < COUNT(cases); k++) {
        for (i = 0; i < targets(); i++) p.labels[i] = cases[k].label;
        p.options.ignore_index = cases[k].ignored;
        solve(&got, how | cases[k].type);
        CHECK(got.report.counted == (cases[k].is_ignored ? 0 : units()));
    }
}

/* --- the same bits ---------------------------------------------------------------------------- */

/* Which outputs are wanted, in place or not, and the type of the targets make no difference. */
static void same_whatever_is_asked(int how)
{
    static const int ways[] = {NO_LOSS, NO_GRAD, NO_LOSS | NO_GRAD, NO_LSE,
                               AS_U8,   AS_I32,  IN_PLACE,          IN_PLACE | NO_LOSS | AS_U8};
    int reduction, accumulate;
    size_t k;
    p.options.upstream = p.upstream;
    for (reduction = LOSSES_MEAN; reduction <= LOSSES_NONE; reduction++)
        for (accumulate = 0; accumulate < 2; accumulate++) {
            if (p.loss->kind == LOG_SOFTMAX && (accumulate || reduction)) continue;
            p.options.reduction = (losses_reduction)reduction;
            p.options.accumulate = accumulate;
            solve(&clean, how);
            for (k = 0; k < COUNT(ways); k++) {
                if (accumulate && ways[k] & IN_PLACE) continue;
                if (p.loss->kind == LOG_SOFTMAX && !(ways[k] & IN_PLACE)) continue;
                solve(&got, how | ways[k]);
                if (!(ways[k] & NO_LOSS)) CHECK(all_same(got.loss, clean.loss, losses_written()));
                if (!(ways[k] & NO_GRAD)) CHECK(all_same(got.grad, clean.grad, elements()));
                if (!(ways[k] & NO_LSE)) CHECK(same_log_sum_exp(&got, &clean));
                CHECK(same((double)got.report.sum, (double)clean.report.sum));
                CHECK(same((double)got.report.denominator, (double)clean.report.denominator));
                CHECK(got.report.counted == clean.report.counted);
            }
        }
}

/* A unit alone, at its old strides: a position, an element, a mask. */
static void same_alone(void)
{
    static float grad[ROOM];
    const size_t n = elements(), positions = p.shape.positions;
    size_t i, unit;
    p.options.reduction = LOSSES_NONE;
    p.options.upstream = p.loss->kind == LOG_SOFTMAX ? NULL : p.upstream;
    solve(&clean, 0);
    for (i = 0, unit = 0; unit < units(); i++) {
        losses_options options = p.options;
        losses_targets t = losses_i64(p.labels + target_of(i));
        losses_shape alone = losses_rows(1, 1);
        float loss = HELD;
        size_t k, stride = 1, size = 1;
        int held = 1;
        if (unit_of(i) != unit || (is_softmax() && class_of(i) != 0)) continue;
        if (p.loss->soft) t = losses_f32(p.soft + i);
        if (is_softmax()) {
            size = alone.classes = p.shape.classes;
            stride = alone.class_stride = positions;
        } else {
            if (p.loss->kind == DICE) size = alone.positions = positions;
            if (options.class_weight) options.class_weight += class_of(i);
            if (options.positive_weight) options.positive_weight += class_of(i);
        }
        options.upstream = p.upstream + unit;
        CHECK_STATUS(call_float(&loss, grad, p.logits + i, t, alone, &options), LOSSES_OK);
        held &= p.loss->kind == LOG_SOFTMAX || same((double)loss, clean.loss[unit]);
        for (k = 0; k < size; k++)
            held &=
                i + k * stride < n && same((double)grad[k * stride], clean.grad[i + k * stride]);
        if (!CHECK(held)) return;
        unit++;
        if (p.loss->kind == DICE) i += positions - 1;
    }
}

/* The functions for one row or mask against a call for one sample with LOSSES_SUM. */
typedef enum row_kind { CROSS_ENTROPY_ROW, FOCAL_ROW, DICE_MASK } row_kind;

typedef struct row {
    row_kind kind;
    size_t n, target;
    float number, upstream; /* number: gamma or smooth */
    float logits[CLASSES];
    uint8_t mask[CLASSES];
} row;

static float run_row(const row *r, float *grad, const float *logits)
{
    switch (r->kind) {
    case CROSS_ENTROPY_ROW:
        return losses_cross_entropy_row(grad, logits, r->n, r->target, r->upstream);
    case FOCAL_ROW:
        return losses_focal_row(grad, logits, r->n, r->target, r->number, r->upstream);
    case DICE_MASK:
        return losses_dice_mask(grad, logits, r->mask, r->n, r->number, r->upstream);
    }
    return 0;
}

static losses_status run_call(const row *r, float *loss, float *grad)
{
    const losses_shape shape = losses_rows(1, r->n);
    const int64_t target = (int64_t)r->target;
    losses_options options;
    memset(&options, 0, sizeof options);
    options.reduction = LOSSES_SUM;
    options.upstream = &r->upstream;
    switch (r->kind) {
    case CROSS_ENTROPY_ROW:
        return losses_cross_entropy(loss, grad, r->logits, losses_i64(&target), shape, &options);
    case FOCAL_ROW:
        return losses_focal(loss, grad, r->logits, losses_i64(&target), shape, r->number, &options);
    case DICE_MASK:
        options.scale = 1;
        options.eps = r->number;
        return losses_dice(loss, grad, r->logits, losses_u8(r->mask), losses_masks(1, r->n),
                           &options);
    }
    return LOSSES_BAD_OPTION;
}

static void check_row(const row *r)
{
    static float grad[CLASSES], want[CLASSES];
    float loss;
    check_case("row function %d: %u elements, target %u, gamma or smooth %g, upstream %g", r->kind,
               (unsigned)r->n, (unsigned)r->target, (double)r->number, (double)r->upstream);
    CHECK_STATUS(run_call(r, &loss, want), LOSSES_OK);
    CHECK(same((double)run_row(r, grad, r->logits), (double)loss));
    CHECK(memcmp(grad, want, r->n * sizeof *grad) == 0);
    CHECK(same((double)run_row(r, NULL, r->logits), (double)loss));
    memcpy(grad, r->logits, sizeof grad);
    CHECK(same((double)run_row(r, grad, grad), (double)loss));
    CHECK(memcmp(grad, want, r->n * sizeof *grad) == 0);
}

/* Two classes, the target `behind` by some: s = 1 / (1 + e^-behind), and the loss is s^gamma log(1 + e^behind).
 * A large gamma asks for log s = -log1p(e^-behind) to all its digits; where it is too small to have more than
 * a float, gamma log s ulp are added. */
static void focal_of_large_gamma(void)
{
    static const float behinds[] = {-5, -1, 0, 1, 3, 7, 12, 17, 25, 30};
    static const float gammas[] = {2, 30, 1e4f, 1e9f, 1e12f, 1e30f, FLT_MAX};
    size_t b, g;
    for (b = 0; b < COUNT(behinds); b++) {
        for (g = 0; g < COUNT(gammas); g++) {
            const float x[2] = {behinds[b], 0};
            const double behind = (double)behinds[b], gamma = (double)gammas[g];
            const double log_s = behind > 0 ? -log1p(exp(-behind)) : behind - log1p(exp(behind));
            const double want = exp(gamma * log_s) * log1p(exp(behind));
            float grad[2], loss;
            check_case("focal, target behind by %g, gamma %g", behind, gamma);
            loss = losses_focal_row(grad, x, 2, 1, gammas[g], 1);
            CHECK_NEAR((double)loss, want,
                       (4 - gamma * log_s) * (double)FLT_EPSILON * want + 1.5e-45);
            CHECK(grad[0] >= 0 && grad[1] <= 0); /* and not NaN */
        }
    }
}

static void rows_as_calls(void)
{
    static const float gammas[] = {0, 0.5f, 1, 2, 3.7f, FLT_MAX}, smooths[] = {1e-3f, 1, 40};
    static row r;
    size_t n, k, place;
    for (n = 1; n <= CLASSES; n = n < 40 ? n + 1 : n < 100 ? 100 : n < 130 ? 130 : n + 870) {
        const size_t targets_of_row[] = {0, n / 2, n - 1};
        r.n = n;
        r.upstream = n % 3 ? 1 : -0.375f;
        for (k = 0; k < n; k++) {
            r.logits[k] = ((float)random_below(1024) - 511.5f) / 64;
            r.mask[k] = (uint8_t)random_below(2);
        }
        r.logits[random_below((uint32_t)n)] = n % 4 == 0 ? 40 : n % 4 == 1 ? -90 : 0;
        for (place = 0; place < 3; place++) {
            r.target = targets_of_row[place];
            r.kind = CROSS_ENTROPY_ROW;
            check_row(&r);
            r.kind = FOCAL_ROW;
            for (k = 0; k < COUNT(gammas); k++) {
                r.number = gammas[k];
                check_row(&r);
            }
        }
        r.kind = DICE_MASK;
        for (k = 0; k < COUNT(smooths); k++) {
            r.number = smooths[k];
            check_row(&r);
        }
    }
    check_case("losses_dice_mask without pixels");
    CHECK_NEAR((double)losses_dice_mask(NULL, NULL, NULL, 0, 1, 1), 0, 0);
}

/* What is not 0 is 1 to losses_dice_mask. */
static void any_mask_value(void)
{
    static const float logits[] = {-1, 2, 0.5f, -3};
    static const uint8_t ones[] = {0, 1, 1, 0}, others[] = {0, 255, 2, 0};
    float grad[4], want[4];
    check_case("losses_dice_mask with 255 and 2 in the mask");
    CHECK(same((double)losses_dice_mask(grad, logits, others, 4, 1, 1),
               (double)losses_dice_mask(want, logits, ones, 4, 1, 1)));
    CHECK(memcmp(grad, want, sizeof grad) == 0);
}

/* q = e^-60, which s(-60) is to 26 digits, E = 2^-100. All wrong but an even chance, x = (-60, 0), t = (1, 0):
 *     I = q, P = q + 1/2, T = 1, P + T + E = 3/2,  l = 1 - (2q + E) 2/3,
 *     dl_0 = q (2q + E - 3) 4/9 = -4/3 q,  dl_1 = 1/4 (2q + E) 4/9 = (2q + E)/9.
 * All right, x = (60, -60), t = (1, 0): 2I + E = P + T + E - 2q and P + T + E = 2, l = 2q/2 = q. */
static void tiny_sums(void)
{
    static const float wrong[] = {-60, 0}, right[] = {60, -60};
    static const uint8_t mask[] = {1, 0};
    const double q = exp(-60.0), E = ldexp(1, -100);
    float grad[2];
    check_case("losses_dice_mask, tiny sums");
    CHECK_ULP(losses_dice_mask(grad, wrong, mask, 2, (float)E, 1), 1, 4);
    CHECK_ULP(grad[0], -4 * q / 3, 32);
    CHECK_ULP(grad[1], (2 * q + E) / 9, 32);
    CHECK_ULP(losses_dice_mask(grad, right, mask, 2, (float)E, 1), q, 4);
}

/* The edges that have an answer in the row functions too. */
static void rows_at_the_edge(void)
{
    static row r;
    size_t n, i, spoilt;
    for (n = 1; n <= 100; n = n == 1 ? 3 : n == 3 ? 40 : n + 60) {
        for (r.kind = CROSS_ENTROPY_ROW; r.kind <= DICE_MASK; r.kind = (row_kind)(r.kind + 1)) {
            static float grad[CLASSES];
            r.n = n;
            r.number = r.upstream = 1;
            r.target = n / 2;
            for (spoilt = 0; spoilt < n; spoilt += 1 + n / 5) {
                for (i = 0; i < n; i++) r.logits[i] = i == spoilt ? NAN : 1;
                check_case("row function %d: %u elements, NaN at %u", r.kind, (unsigned)n,
                           (unsigned)spoilt);
                CHECK(isnan(run_row(&r, grad, r.logits)));
                for (i = 0; i < n; i++)
                    if (!CHECK(isnan(grad[i]))) break;
            }
        }
    }
}

/* --- what make fuzz found ---------------------------------------------------------------------- */

/* The weight alpha t + (1 - alpha) (1 - t) is alpha for t = 1, however small. */
static void small_alpha(void)
{
    static const float x = -1.875f, one = 1;
    const double s = 1 / (1 + exp(-1.875)); /* 1 - p */
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    float loss;
    check_case("sigmoid_focal, probability 1, alpha 1e-6");
    o.alpha = 1e-6f;
    CHECK_STATUS(losses_sigmoid_focal(&loss, NULL, &x, losses_f32(&one), losses_rows(1, 1), 2, &o),
                 LOSSES_OK);
    CHECK_ULP(loss, (double)o.alpha * s * s * log1p(exp(1.875)), 4);
}

/* t |x| counts where e^x is nothing. */
static void tiny_target(void)
{
    static const float x[] = {-83, -8000, 83, 1}, t[] = {7.7037198e-34f, 7.7037198e-34f, 1, 0};
    const double want[] = {83 * 7.7037198e-34 + exp(-83), 8000 * 7.7037198e-34, exp(-83)};
    losses_options o = {LOSSES_NONE, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,           NULL, 0, 0, NULL, 0,    NULL, NULL};
    float loss[3];
    size_t i;
    CHECK_STATUS(losses_binary_cross_entropy(loss, NULL, x, losses_f32(t), losses_rows(1, 3), &o),
                 LOSSES_OK);
    for (i = 0; i < 3; i++) {
        check_case("binary_cross_entropy, x %g, t %g", (double)x[i], (double)t[i]);
        CHECK_ULP(loss[i], want[i], 4);
    }
}

/* log_sum_exp is an output, of which the others do not depend: a gradient of -0 stays -0. */
static void with_log_sum_exp(void)
{
    static const float x[] = {-9.4f, -3e13f, -3e13f, -3e13f, -3e13f}, upstream = -1;
    static const uint8_t t = 0;
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    float lse, with[5], without[5];
    check_case("focal, with and without log_sum_exp");
    o.upstream = &upstream;
    CHECK_STATUS(losses_focal(NULL, without, x, losses_u8(&t), losses_rows(1, 5), 2, &o),
                 LOSSES_OK);
    o.log_sum_exp = &lse;
    CHECK_STATUS(losses_focal(NULL, with, x, losses_u8(&t), losses_rows(1, 5), 2, &o), LOSSES_OK);
    CHECK(memcmp(with, without, sizeof with) == 0);
}

/* Class weights above 1, label smoothing or probabilities, and logits near FLT_MAX: parts of the loss, of either sign,
 * are above FLT_MAX where the loss is not, or where it is. With x_1 so far ahead that lse = x_1:
 * l = (1/2 + 1/6) w_0 (x_1 - x_0) + 1/6 w_2 (x_1 - x_2) for e = 1/2 and target 0; w_0 / 2 (x_1 - x_0) for q = (1/2, 1/2, 0). */
static void far_and_heavy(void)
{
    static const float x[3] = {1, 3.4e38f, -3e38f}, q[3] = {0.5f, 0.5f, 0};
    static const uint8_t t = 0;
    static const float some[][3] = {{0.5f, 100, 0},    {0.5f, 1e12f, 0}, {6.7f, 9.7f, 0},
                                    {1e-3f, 3e38f, 0}, {700, 300, 300},  {0.5f, 100, 0.5f}};
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    size_t i, soft;
    for (i = 0; i < COUNT(some); i++) {
        for (soft = 0; soft < 2; soft++) {
            const double w_0 = (double)some[i][0], w_2 = (double)some[i][2];
            const double d_0 = (double)x[1] - (double)x[0], d_2 = (double)x[1] - (double)x[2];
            const double want =
                soft ? 0.5 * w_0 * d_0 : (0.5 + 0.5 / 3) * w_0 * d_0 + 0.5 / 3 * w_2 * d_2;
            float loss;
            check_case("cross_entropy, weights %g %g %g, soft %u", w_0, (double)some[i][1], w_2,
                       (unsigned)soft);
            o.class_weight = some[i];
            o.label_smoothing = soft ? 0 : 0.5f;
            CHECK_STATUS(losses_cross_entropy(&loss, NULL, x, soft ? losses_f32(q) : losses_u8(&t),
                                              losses_rows(1, 3), &o),
                         LOSSES_OK);
            if (want > (double)FLT_MAX)
                CHECK(isinf(loss) && loss > 0);
            else
                CHECK_ULP(loss, want, 4);
        }
    }
}

/* The greatest logit comes late: what came before keeps its gradient. In the second call many classes add
 * a little less than half an ulp each. */
static void late_and_many(void)
{
    enum { MANY = 10000 };
    static float x[2 * MANY], grad[2 * MANY];
    static const int32_t late[] = {15, 15}, first[] = {0, 0};
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    double S = 0;
    size_t i;
    for (i = 0; i < 70; i++) {
        x[i] = i / 2 == 28 ? 88 : i / 2 == 2 ? 4.5f : 0;
        if (i % 2 == 0) S += exp((double)x[i] - 88);
    }
    check_case("cross_entropy, the greatest of 35 classes is the 29th");
    CHECK_STATUS(losses_cross_entropy(NULL, grad, x, losses_i32(late), losses_images(1, 35, 2), &o),
                 LOSSES_OK);
    CHECK_ULP(grad[4], exp(4.5 - 88) / S, 32);
    CHECK_ULP(grad[5], exp(4.5 - 88) / S, 32);
    for (i = 0; i < 2 * MANY; i++) x[i] = i < 4 ? 17.25f : 0.35f;
    S = 2 + (MANY - 2) * exp((double)0.35f - 17.25);
    check_case("cross_entropy, %d classes", MANY);
    CHECK_STATUS(
        losses_cross_entropy(NULL, grad, x, losses_i32(first), losses_images(1, MANY, 2), &o),
        LOSSES_OK);
    CHECK_ULP(grad[0], 1 / S - 1, 32);
    CHECK_ULP(grad[2], 1 / S, 32);
    CHECK_ULP(grad[4], exp((double)0.35f - 17.25) / S, 32);
}

/* --- what make mutate found --------------------------------------------------------------------- */

/* The greatest logit, 200 above the target and 100 above the others, is any class of a row that just fits its
 * memory: the loss is 200, and the others have no part in it, for 2000 e^-100 < 1e-40. */
static void greatest_anywhere(size_t classes, size_t step)
{
    float *const x = malloc(classes * sizeof *x), *const grad = malloc(classes * sizeof *x);
    float *const none = malloc(classes * sizeof *x);
    int32_t target;
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    size_t i, k;
    for (i = 0; i < classes; i++) none[i] = 0;
    o.class_weight = none;
    o.z_loss = 0.5f;
    for (k = 1; k < classes; k += step) {
        float loss;
        int held = 1;
        for (i = 0; i < classes; i++) x[i] = 0;
        x[0] = -100;
        x[k] = 100;
        loss = losses_cross_entropy_row(grad, x, classes, 0, 1);
        check_case("the greatest of %lu classes is number %lu", (unsigned long)classes,
                   (unsigned long)k);
        CHECK_NEAR((double)loss, 200, 0);
        for (i = 1; i < classes; i++) held &= i == k || (grad[i] >= 0 && grad[i] <= 1e-37f);
        CHECK(held);
        CHECK_ULP(grad[0], -1, 32);
        CHECK_ULP(grad[k], 1, 32);
        /* the z-loss alone: lse = 1, its gradient 2 z lse p, p_t = e^-41; the others have none */
        for (i = 0; i < classes; i++) x[i] = -200;
        target = k == 5 ? 0 : 5;
        x[target] = -40;
        x[k] = 1;
        CHECK_STATUS(
            losses_cross_entropy(&loss, grad, x, losses_i32(&target), losses_rows(1, classes), &o),
            LOSSES_OK);
        CHECK_ULP(loss, 0.5, 4);
        CHECK_ULP(grad[target], 1.5628821893349888e-18, 32);
        CHECK_ULP(grad[k], 1, 32);
    }
    free(x);
    free(grad);
    free(none);
}

/* A row long enough for blocks to be taken unchecked, where x_j = (j % 5) / 4 but for a run of classes from k on,
 * `away` from the target: so far that an exponent has no room for it, or just not. Plain, with label smoothing, and
 * with probabilities that are 1/2 at two classes; expected in double, by the formula. */
static void stray(size_t classes, size_t k, size_t run, float away)
{
    enum { MOST = 300 };
    static float x[MOST], q[MOST], grad[MOST];
    static double p_j[MOST];
    const size_t t = k > 0 ? 0 : classes - 1, other = classes / 2;
    const int32_t target = (int32_t)t;
    double top, S = 0, lse, mean = 0;
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    int way, in_place;
    size_t j;
    for (j = 0; j < classes; j++) {
        x[j] = j >= k && j < k + run && j != t ? away : 0.25f * (float)(j % 5);
        q[j] = 0;
    }
    x[t] = 0;
    q[t] = q[other] = 0.5f;
    top = away > 1 ? (double)away : 1;
    for (j = 0; j < classes; j++) S += exp((double)x[j] - top);
    lse = top + log(S);
    for (j = 0; j < classes; j++) {
        p_j[j] = exp((double)x[j] - lse);
        mean += (double)x[j] / (double)classes;
    }
    for (way = 0; way < 3; way++) {
        const double keep = way == 1 ? 0.9 : 1, uniform = way == 1 ? 0.1 / (double)classes : 0;
        const double x_q = way < 2 ? (double)x[t] : 0.5 * ((double)x[t] + (double)x[other]);
        const double want = lse - keep * x_q - (way == 1 ? 0.1 * mean : 0);
        o.label_smoothing = way == 1 ? 0.1f : 0;
        for (in_place = 0; in_place < 2; in_place++) {
            float loss;
            int held = 1;
            memcpy(grad, x, sizeof x);
            check_case("%lu classes, %lu from number %lu on %g away, way %d, in place %d",
                       (unsigned long)classes, (unsigned long)run, (unsigned long)k, (double)away,
                       way, in_place);
            CHECK_STATUS(losses_cross_entropy(&loss, grad, in_place ? grad : x,
                                              way < 2 ? losses_i32(&target) : losses_f32(q),
                                              losses_rows(1, classes), &o),
                         LOSSES_OK);
            CHECK_NEAR((double)loss, want, 4 * 6e-8 * fabs(want) + 1.2e-38);
            for (j = 0; j < classes; j++) {
                const double t_j = uniform + (way < 2 ? j == t ? keep : 0 : (double)q[j]);
                const double error = fabs((double)grad[j] - (p_j[j] - t_j));
                held &= error <= 32 * 6e-8 * p_j[j] + 4 * 6e-8 * t_j + 1.2e-38;
            }
            CHECK(held);
        }
    }
}

static void strays(void)
{
    /* -2907200: 2^22 turns less than the reference, and 80 */
    static const float away[] = {-1e30f, -9e6f,  -6e6f,  -5.814e6f, -2907200, -1e6f, -1e4f,
                                 -300,   -170,   -117,   -116,      -115.5f,  -115,  -100,
                                 28,     29.5f,  30.5f,  60,        61.5f,    62,    64,
                                 88,     104.5f, 150.5f, 239.5f,    400,      1e4f,  8.7e6f};
    size_t i;
    for (i = 0; i < COUNT(away); i++) {
        stray(128, 3, 1, away[i]);
        stray(145, 127, 1, away[i]);
        stray(257, 20, 40, away[i]);
        stray(300, 0, 299, away[i]);
        stray(300, 255, 1, away[i]);
    }
}

/* u_j - e^a_j (u_0 + u_1), where e^a_1 is nothing, which is what a float beside u_1 cannot show */
static void far_log_probabilities(void)
{
    static const float upstream[] = {2, 1};
    float a[2] = {0}, grad[2];
    int k;
    for (k = 90; k < 100000; k += k / 30) {
        a[1] = (float)-k;
        check_case("log_softmax_gradient of a log-probability of %d", -k);
        CHECK_STATUS(losses_log_softmax_gradient(grad, upstream, a, losses_rows(1, 2)), LOSSES_OK);
        CHECK_NEAR((double)grad[0], -1, 0);
        CHECK_NEAR((double)grad[1], 1, 0);
    }
}

/* Enough for pieces of a call. All numbers are eighths, so that sums are exact. */
static void many_positions(void)
{
    enum { MANY = 40000 };
    static float x[2 * MANY];
    static uint8_t t[MANY];
    static const float weight[] = {1, 0.5f};
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    losses_report report = {0, 0, 0, 0};
    float loss = 0, want = 0;
    double all = 0;
    size_t i;
    for (i = 0; i < MANY; i++) {
        t[i] = i % 7 < 3;
        x[2 * i] = -0.25f * (float)(i % 8);
        x[2 * i + 1] = -0.25f * (float)(i % 11);
        want -= weight[t[i]] * x[2 * i + t[i]];
        all += (double)weight[t[i]];
    }
    o.class_weight = weight;
    o.report = &report;
    check_case("nll, %d positions", MANY);
    CHECK_STATUS(losses_nll(&loss, NULL, x, losses_u8(t), losses_rows(MANY, 2), &o), LOSSES_OK);
    CHECK(loss == want);
    CHECK(report.counted == MANY);
    CHECK_NEAR((double)report.denominator, all, 0);
    t[30001] = t[39000] = 2;
    CHECK_STATUS(losses_nll(&loss, NULL, x, losses_u8(t), losses_rows(MANY, 2), &o),
                 LOSSES_BAD_TARGET);
    CHECK(report.bad_position == 30001);
    CHECK(loss == want);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void every_edge(const setting *loss, losses_shape shape, int how)
{
    static const int64_t outside[] = {-1, 255, INT64_MIN, (int64_t)1 << 32};
    size_t i;
    set_up(loss, shape), nothing_counted(how);
    set_up(loss, shape), zero_weights(how);
    if (!check_finite) {
        set_up(loss, shape), spoilt_logits(how);
        set_up(loss, shape), special_log_probabilities(how);
        set_up(loss, shape), special_upstream(how);
        set_up(loss, shape), special_soft_targets(how);
        set_up(loss, shape), far_out(how);
    }
    set_up(loss, shape), log_softmax_gradient(how);
    set_up(loss, shape), one_class(how);
    set_up(loss, shape), ignored_units(how, 0, -100);
    set_up(loss, shape), ignored_units(how, 1, 0);
    set_up(loss, shape), ignored_units(how, 1, labels_below() - 1);
    for (i = 0; i < COUNT(outside); i++) set_up(loss, shape), ignored_units(how, 1, outside[i]);
    set_up(loss, shape), ignore_index_is_wide(how);
    set_up(loss, shape), same_whatever_is_asked(how);
    if (how & IN_DOUBLE) return;
    set_up(loss, shape), same_alone();
}

static void every_loss(int how)
{
    const size_t step = !check_quick ? 1 : check_on_best_set() ? 3 : 6;
    size_t i, k;
    for (i = 0; i < COUNT(settings); i++) {
        for (k = i % step; k < COUNT(shapes); k += step)
            every_edge(&settings[i], losses_images(shapes[k][0], shapes[k][1], shapes[k][2]), how);
        empty_batch(&settings[i], how);
    }
    ignored_pixels(how);
#if !defined(LOSSES_NO_DOUBLE)
    mean_of_far_losses(how);
#endif
}

void test_edges(void)
{
    size_t c;
    state = 1;
    for (c = 0; c < CLASSES; c++) {
        weights[c] = 0.25f * (float)(1 + c % 7);
        weights_with_zeros[c] = c % 3 == 1 ? 0 : weights[c];
        other_weights_with_zeros[c] = c % 3 == 2 ? 0 : 2 - weights[c];
    }
    every_loss(0);
    rows_as_calls();
    focal_of_large_gamma();
    any_mask_value();
    tiny_sums();
    small_alpha();
    tiny_target();
    with_log_sum_exp();
    if (!check_finite) far_and_heavy();
    late_and_many();
    greatest_anywhere(31, 1);
    greatest_anywhere(130, 1);
    greatest_anywhere(800, 7);
    greatest_anywhere(2000, 31);
    strays();
    far_log_probabilities();
    many_positions();
    if (!check_finite) rows_at_the_edge();
#if HAVE_REFERENCE
    if (check_on_best_set()) every_loss(IN_DOUBLE);
#endif
}
