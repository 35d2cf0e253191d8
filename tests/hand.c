/* Numbers worked out by hand: every loss, every option of every loss, every reduction. The logits
 * are logarithms of small numbers, so that every probability is a fraction; the working stands
 * above each case. A case is written once and run in float and in double, packed and padded, with
 * every integer type of the targets, with each output present or absent, and in place. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#if !defined(LOSSES_NO_REFERENCE) && !defined(LOSSES_NO_DOUBLE)
#define HAVE_REFERENCE 1
#else
#define HAVE_REFERENCE 0
#endif

#define LN2 0.69314718055994531
#define LN3 1.0986122886681098
#define LN4 (2 * LN2)
#define LN6 (LN2 + LN3)

#define D(...) ((const double[]){__VA_ARGS__})
#define F(...) ((const float[]){__VA_ARGS__})
#define I(...) ((const int[]){__VA_ARGS__})

enum { ROOM = 2048 }; /* elements in each buffer, padding included */

/* FILL stands wherever nothing may be read or written, HELD in grad before every call. */
static const double FILL = 77, HELD = 0.5;

typedef enum { NLL, CROSS_ENTROPY, FOCAL, BINARY_CROSS_ENTROPY, SIGMOID_FOCAL, DICE } loss_kind;

static const char *const kind_names[] = {
    "nll", "cross_entropy", "focal", "binary_cross_entropy", "sigmoid_focal", "dice"};

/* Every array is packed. Integer targets (labels) are run as u8 where they fit, i32 and i64,
 * otherwise there are float targets (probabilities). The runner supplies options.log_sum_exp and
 * options.report.
 *
 * Wanted: loss; grad, to which HELD is added by accumulate; log_sum_exp, or NULL not to ask for it;
 * and the report. size 0: the logits are floats and the answer is due within 4 ulp. Otherwise
 * rounding them to float moves the answer, by 2^-24 at most times a slope of at most 1, and it is
 * due within 4 * 2^-24 * size, the size of the largest answer or term. In double it is always due
 * within 1e-14, relative above 1. */
typedef struct hand_case {
    loss_kind kind;
    losses_shape shape;
    const double *logits;
    const int *labels;
    const float *probabilities;
    float gamma;
    losses_options options;
    const double *loss, *grad, *log_sum_exp;
    double sum, denominator;
    size_t counted;
    double size;
} hand_case;

static void answer(hand_case *c, const double *loss, const double *grad)
{
    c->loss = loss;
    c->grad = grad;
}

static void report(hand_case *c, double sum, double denominator, size_t counted)
{
    c->sum = sum;
    c->denominator = denominator;
    c->counted = counted;
}

/* --- running a case -------------------------------------------------------------------------- */

#define DEFINE_CALL(number, prefix) \
    static losses_status call_##number(const hand_case *c, number *loss, number *grad, \
                                       const number *logits, losses_targets targets, \
                                       losses_shape shape, const losses_options *options) \
    { \
        const number gamma = (number)c->gamma; \
        switch (c->kind) { \
        case NLL: \
            return prefix##nll(loss, grad, logits, targets, shape, options); \
        case CROSS_ENTROPY: \
            return prefix##cross_entropy(loss, grad, logits, targets, shape, options); \
        case FOCAL: \
            return prefix##focal(loss, grad, logits, targets, shape, gamma, options); \
        case BINARY_CROSS_ENTROPY: \
            return prefix##binary_cross_entropy(loss, grad, logits, targets, shape, options); \
        case SIGMOID_FOCAL: \
            return prefix##sigmoid_focal(loss, grad, logits, targets, shape, gamma, options); \
        case DICE: \
            return prefix##dice(loss, grad, logits, targets, shape, options); \
        } \
        return LOSSES_BAD_OPTION; \
    }

DEFINE_CALL(float, losses_)
#if HAVE_REFERENCE
DEFINE_CALL(double, losses_reference_)
#endif

static float *narrow(float *to, const double *from)
{
    size_t i;
    if (from == NULL) return NULL;
    for (i = 0; i < ROOM; i++) to[i] = (float)from[i];
    return to;
}

static void widen(double *to, const float *from)
{
    size_t i;
    for (i = 0; i < ROOM && to != NULL; i++) to[i] = (double)from[i];
}

/* Calls the float or the double version on buffers of ROOM doubles. */
static losses_status call(const hand_case *c, int in_double, double *loss, double *grad,
                          const double *logits, losses_targets targets, losses_shape shape,
                          const losses_options *options)
{
    static float loss_f[ROOM], grad_f[ROOM], logits_f[ROOM];
    losses_status status;
#if HAVE_REFERENCE
    if (in_double) return call_double(c, loss, grad, logits, targets, shape, options);
#endif
    (void)in_double;
    narrow(loss_f, loss);
    narrow(grad_f, grad);
    narrow(logits_f, logits);
    if (grad == logits) {
        status = call_float(c, loss ? loss_f : NULL, logits_f, logits_f, targets, shape, options);
        widen(grad, logits_f);
    } else {
        status = call_float(c, loss ? loss_f : NULL, grad ? grad_f : NULL, logits_f, targets, shape,
                            options);
        widen(grad, grad_f);
    }
    widen(loss, loss_f);
    return status;
}

static losses_shape with_strides(losses_shape shape, int padded)
{
    shape.class_stride = shape.positions + (padded ? 3 : 0);
    shape.sample_stride = shape.classes * shape.class_stride + (padded ? 5 : 0);
    return shape;
}

static size_t elements(losses_shape s) { return s.samples * s.classes * s.positions; }

/* Where packed element i stands under the strides of s. */
static size_t place(losses_shape s, size_t i)
{
    const size_t plane = i / s.positions;
    return plane / s.classes * s.sample_stride + plane % s.classes * s.class_stride +
           i % s.positions;
}

static void fill(double *buffer, double value)
{
    size_t i;
    for (i = 0; i < ROOM; i++) buffer[i] = value;
}

static void spread(double *buffer, const double *packed, losses_shape s)
{
    size_t i;
    fill(buffer, FILL);
    for (i = 0; i < elements(s); i++) buffer[place(s, i)] = packed[i];
}

/* Whether everything but the elements of s still has its value; forgets those elements. */
static int padding_kept(double *buffer, losses_shape s, double value)
{
    size_t i;
    for (i = 0; i < elements(s); i++) buffer[place(s, i)] = value;
    for (i = 0; i < ROOM && buffer[i] == value; i++) continue;
    return i == ROOM;
}

static void check_value(int in_double, double got, double want, double size)
{
    if (in_double)
        CHECK_NEAR(got, want, 1e-14 * fmax(1, fabs(want)));
    else if (size > 0)
        CHECK_NEAR(got, want, 4 * ldexp(1, -24) * size);
    else
        CHECK_ULP((float)got, want, 4);
}

/* The targets of c as type u8, i32, i64, f32 (0 to 3); 0 if they are not to be had so. */
static int targets_as(const hand_case *c, int type, losses_shape s, losses_targets *targets)
{
    static uint8_t u8[ROOM];
    static int32_t i32[ROOM];
    static int64_t i64[ROOM];
    static float f32[ROOM];
    const size_t per_element = c->kind >= BINARY_CROSS_ENTROPY ? s.classes : 1;
    size_t i;
    if ((type == 3) != (c->probabilities != NULL)) return 0;
    if (type == 3) {
        for (i = 0; i < ROOM; i++) f32[i] = (float)FILL;
        for (i = 0; i < elements(s); i++) f32[place(s, i)] = c->probabilities[i];
        *targets = losses_f32(f32);
        return 1;
    }
    for (i = 0; i < s.samples * per_element * s.positions; i++) {
        if (type == 0 && (c->labels[i] < 0 || c->labels[i] > 255)) return 0;
        u8[i] = (uint8_t)c->labels[i];
        i32[i] = c->labels[i];
        i64[i] = c->labels[i];
    }
    *targets = type == 0 ? losses_u8(u8) : type == 1 ? losses_i32(i32) : losses_i64(i64);
    return 1;
}

static size_t number_of_losses(const hand_case *c)
{
    const losses_shape s = c->shape;
    if (c->options.reduction != LOSSES_NONE) return 1;
    if (c->kind == DICE) return s.samples * s.classes;
    return s.samples * s.positions * (c->kind >= BINARY_CROSS_ENTROPY ? s.classes : 1);
}

typedef struct run_mode {
    const char *name;
    int loss, grad, in_place, report;
} run_mode;

static const run_mode modes[] = {{"value and gradient", 1, 1, 0, 1},
                                 {"without report", 1, 1, 0, 0},
                                 {"value only", 1, 0, 0, 1},
                                 {"gradient only", 0, 1, 0, 1},
                                 {"report only", 0, 0, 0, 1},
                                 {"in place", 1, 1, 1, 1},
                                 {"gradient only, in place", 0, 1, 1, 0}};

static void run(const hand_case *c, int in_double, losses_targets targets, losses_shape strided,
                losses_shape passed, const run_mode *mode)
{
    static double loss[ROOM], own_grad[ROOM], logits[ROOM];
    static float log_sum_exp[ROOM];
    double *grad = mode->in_place ? logits : own_grad;
    losses_report made;
    losses_options options = c->options;
    size_t i;
    fill(loss, FILL);
    fill(own_grad, HELD);
    spread(logits, c->logits, strided);
    narrow(log_sum_exp, loss);
    options.log_sum_exp = c->log_sum_exp ? log_sum_exp : NULL;
    options.report = mode->report ? &made : NULL;
    CHECK_STATUS(call(c, in_double, mode->loss ? loss : NULL, mode->grad ? grad : NULL, logits,
                      targets, passed, &options),
                 LOSSES_OK);
    if (mode->loss) {
        for (i = 0; i < number_of_losses(c); i++)
            check_value(in_double, loss[i], c->loss[i], c->size);
        CHECK(loss[i] == FILL);
    }
    if (mode->grad) {
        for (i = 0; i < elements(strided); i++)
            check_value(in_double, grad[place(strided, i)], c->grad[i], c->size);
        CHECK(padding_kept(grad, strided, mode->in_place ? FILL : HELD));
    }
    if (mode->report) {
        const double exact = sizeof(losses_wide) == sizeof(double) ? 1e-14 : ldexp(1, -22);
        check_value(in_double, (double)made.sum, c->sum, c->size);
        CHECK_NEAR((double)made.denominator, c->denominator, exact);
        CHECK(made.counted == c->counted);
    }
    if (c->log_sum_exp) {
        const size_t positions = strided.samples * strided.positions;
        for (i = 0; i < positions; i++)
            check_value(0, (double)log_sum_exp[i], c->log_sum_exp[i], c->size);
        CHECK(log_sum_exp[positions] == (float)FILL);
    }
}

static void expect(const hand_case *c, const char *name)
{
    static const char *const types[] = {"u8", "i32", "i64", "f32"};
    const int reference = HAVE_REFERENCE && check_on_best_set();
    int in_double, padded, type;
    size_t m;
    losses_targets targets;
    for (m = 0; m < c->shape.samples * c->shape.classes * c->shape.positions; m++)
        if (check_finite && isinf(c->logits[m])) return;
    for (in_double = 0; in_double <= reference; in_double++)
        for (padded = 0; padded <= 1; padded++)
            for (type = 0; type < 4; type++) {
                const losses_shape strided = with_strides(c->shape, padded);
                if (!targets_as(c, type, strided, &targets)) continue;
                for (m = 0; m < sizeof modes / sizeof *modes; m++) {
                    if (modes[m].in_place && c->options.accumulate) continue;
                    check_case("%s: %s; %s, %s, %s, %s", kind_names[c->kind], name,
                               in_double ? "double" : "float", padded ? "padded" : "packed",
                               types[type], modes[m].name);
                    run(c, in_double, targets, strided, padded ? strided : c->shape, &modes[m]);
                }
            }
}

/* The row function of a case of one sample under LOSSES_SUM: the same numbers, the same bits as
 * the call. */
static float call_row(const hand_case *c, float *grad, const float *logits)
{
    const float upstream = c->options.upstream ? *c->options.upstream : 1;
    const size_t n = elements(c->shape), target = (size_t)c->labels[0];
    uint8_t mask[ROOM];
    size_t i;
    if (c->kind == CROSS_ENTROPY)
        return losses_cross_entropy_row(grad, logits, n, target, upstream);
    if (c->kind == FOCAL) return losses_focal_row(grad, logits, n, target, c->gamma, upstream);
    for (i = 0; i < n; i++) mask[i] = c->labels[i] ? 255 : 0; /* any value but 0 is inside */
    return losses_dice_mask(grad, logits, mask, n, c->options.eps * c->options.scale, upstream);
}

static void expect_row(const hand_case *c, const char *name)
{
    float loss, grad[ROOM], logits[ROOM], call_loss, call_grad[ROOM];
    const size_t n = elements(c->shape);
    const losses_shape shape = c->shape;
    losses_targets targets;
    size_t i;
    check_case("%s row: %s", kind_names[c->kind], name);
    for (i = 0; i < n; i++) logits[i] = (float)c->logits[i];
    grad[n] = (float)FILL;
    loss = call_row(c, grad, logits);
    check_value(0, (double)loss, c->loss[0], c->size);
    for (i = 0; i < n; i++) check_value(0, (double)grad[i], c->grad[i], c->size);
    CHECK(grad[n] == (float)FILL);
    CHECK(targets_as(c, 1, with_strides(shape, 0), &targets));
    CHECK_STATUS(call_float(c, &call_loss, call_grad, logits, targets, shape, &c->options),
                 LOSSES_OK);
    CHECK(memcmp(&loss, &call_loss, sizeof loss) == 0);
    CHECK(memcmp(grad, call_grad, n * sizeof *grad) == 0);
    CHECK(call_row(c, NULL, logits) == loss);
    CHECK(call_row(c, logits, logits) == loss);
    CHECK(memcmp(grad, logits, n * sizeof *grad) == 0);
}

/* --- log-softmax ----------------------------------------------------------------------------- */

/* Exactly in place is out == in; upstream NULL: log_softmax, otherwise its gradient. */
static losses_status call_log_softmax(int in_double, double *out, const double *upstream,
                                      const double *in, losses_shape shape)
{
    static float out_f[ROOM], upstream_f[ROOM], in_f[ROOM];
    float *to = out == in ? in_f : out == upstream ? upstream_f : out_f;
    losses_status status;
#if HAVE_REFERENCE
    if (in_double)
        return upstream ? losses_reference_log_softmax_gradient(out, upstream, in, shape)
                        : losses_reference_log_softmax(out, in, shape);
#endif
    (void)in_double;
    narrow(out_f, out);
    narrow(upstream_f, upstream);
    narrow(in_f, in);
    status = upstream ? losses_log_softmax_gradient(to, upstream_f, in_f, shape)
                      : losses_log_softmax(to, in_f, shape);
    widen(out, to);
    return status;
}

static void expect_log_softmax(const char *name, losses_shape shape, const double *upstream,
                               const double *in, const double *want, double size)
{
    static double out[ROOM], up[ROOM], x[ROOM];
    int in_double, padded, where;
    size_t i;
    for (in_double = 0; in_double <= HAVE_REFERENCE; in_double++)
        for (padded = 0; padded <= 1; padded++)
            for (where = 0; where < (upstream ? 3 : 2); where++) { /* out, onto in, onto upstream */
                const losses_shape s = with_strides(shape, padded);
                double *to = where == 0 ? out : where == 1 ? x : up;
                fill(out, FILL);
                spread(x, in, s);
                if (upstream) spread(up, upstream, s);
                check_case("log_softmax%s: %s; %s, %s, onto %s", upstream ? "_gradient" : "", name,
                           in_double ? "double" : "float", padded ? "padded" : "packed",
                           where == 0   ? "its own"
                           : where == 1 ? "its input"
                                        : "upstream");
                CHECK_STATUS(
                    call_log_softmax(in_double, to, upstream ? up : NULL, x, padded ? s : shape),
                    LOSSES_OK);
                for (i = 0; i < elements(s); i++)
                    check_value(in_double, to[place(s, i)], want[i], size);
                CHECK(padding_kept(to, s, FILL));
            }
}

static void log_softmax(void)
{
    /* exp x = (1, 2, 3), lse = ln 6, p = (1, 2, 3)/6; equal logits: p = 1/3 */
    expect_log_softmax("rows", losses_rows(2, 3), NULL, D(0, LN2, LN3, 5, 5, 5),
                       D(-LN6, -LN3, -LN2, -LN3, -LN3, -LN3), 2);
    /* The columns (0, ln 2, ln 3), (0, 0, 0) of the first image and (ln 3, 0, ln 2), (-7, -7, -7)
     * of the second; e^x / sum is 1/6, 2/6, 3/6 | 1/3 | 3/6, 1/6, 2/6 | 1/3. */
    expect_log_softmax(
        "images", losses_images(2, 3, 2), NULL, D(0, 0, LN2, 0, LN3, 0, LN3, -7, 0, -7, LN2, -7),
        D(-LN6, -LN3, -LN3, -LN3, -LN2, -LN3, -LN2, -LN3, -LN6, -LN3, -LN3, -LN3), 2);
    /* Exact floats: two equal classes are 1/2 each, a class at -inf has probability 0; log 1 for a
     * single class. */
    expect_log_softmax("a class at -inf", losses_rows(1, 3), NULL, D(4, (double)-INFINITY, 4),
                       D(-LN2, (double)-INFINITY, -LN2), 0);
    expect_log_softmax("one class", losses_rows(2, 1), NULL, D(3, -1000), D(0, 0), 0);

    /* dx_j = u_j - p_j sum u.
     * First row p = (1, 2, 3)/6, u = (1, 0, 2), sum 3: 1 - 1/2, 0 - 1, 2 - 3/2.
     * Second row p = 1/3, u = (-1, 0, 0), sum -1: -1 + 1/3, 1/3, 1/3. */
    expect_log_softmax("rows", losses_rows(2, 3), D(1, 0, 2, -1, 0, 0),
                       D(-LN6, -LN3, -LN2, -LN3, -LN3, -LN3),
                       D(0.5, -1, 0.5, -2.0 / 3, 1.0 / 3, 1.0 / 3), 4);
    /* Two positions of two classes, p = 1/2:
     * u = (1, 3), sum 4: 1 - 2, 3 - 2; u = (2, -4), sum -2: 2 + 1, -4 + 1. */
    expect_log_softmax("images", losses_images(1, 2, 2), D(1, 2, 3, -4), D(-LN2, -LN2, -LN2, -LN2),
                       D(-1, 3, 1, -3), 4);
    /* p = (1, 0), exactly: u = (1, 2), sum 3: 1 - 3, 2 - 0. */
    expect_log_softmax("certain", losses_rows(1, 2), D(1, 2), D(0, (double)-INFINITY), D(-2, 2), 0);
    /* One class: u - 1 u. */
    expect_log_softmax("one class", losses_rows(1, 1), D(3), D(0), D(0), 0);
}

/* --- negative log-likelihood ----------------------------------------------------------------- */

static void nll(void)
{
    /* Any floats will do for log-probabilities: here a_t = -2 and -4, all exact. */
    const hand_case base = {.kind = NLL,
                            .shape = losses_rows(2, 3),
                            .logits = D(-1, -2, -0.5, -4, -0.25, -3),
                            .labels = I(1, 0),
                            .loss = D(3),
                            .grad = D(0, -0.5, 0, -0.5, 0, 0),
                            .sum = 6,
                            .denominator = 2,
                            .counted = 2};
    hand_case c = base; /* (2 + 4)/2 = 3; gradient -1/2 at the targets */
    expect(&c, "mean");

    /* 2 + 4 */
    c.options.reduction = LOSSES_SUM;
    answer(&c, D(6), D(0, -1, 0, -1, 0, 0));
    expect(&c, "sum");

    /* 3 times the gradient, the loss as it was */
    c.options.upstream = F(3);
    c.grad = D(0, -3, 0, -3, 0, 0);
    expect(&c, "sum, upstream");

    /* on top of 1/2 */
    c.options.accumulate = 1;
    c.grad = D(0.5, -2.5, 0.5, -2.5, 0.5, 0.5);
    expect(&c, "sum, upstream, accumulate");

    /* -1 times 2 and -5 */
    c = base;
    c.options.reduction = LOSSES_NONE;
    c.options.upstream = F(2, -5);
    answer(&c, D(2, 4), D(0, -2, 0, 5, 0, 0));
    expect(&c, "none, upstream per loss");

    /* 6/8, -1/8 */
    c = base;
    c.options.denominator = 8;
    answer(&c, D(0.75), D(0, -0.125, 0, -0.125, 0, 0));
    c.denominator = 8;
    expect(&c, "denominator 8");

    /* 1/2 - 3/2 */
    c = base;
    c.options.upstream = F(3);
    c.options.accumulate = 1;
    c.grad = D(0.5, -1, 0.5, -1, 0.5, 0.5);
    expect(&c, "mean, upstream, accumulate");

    /* w_t = 1 and 2: l = 2 and 8, D = 3; gradient -1/3 and -2/3 */
    c = base;
    c.options.class_weight = F(2, 1, 4);
    answer(&c, D(10.0 / 3), D(0, -1.0 / 3, 0, -2.0 / 3, 0, 0));
    c.sum = 10;
    c.denominator = 3;
    expect(&c, "class_weight");
    c.options.reduction = LOSSES_NONE;
    answer(&c, D(2, 8), D(0, -1, 0, -2, 0, 0));
    expect(&c, "class_weight, none");

    /* Only the first counts, l = 2: D = 1 */
    c = base;
    c.labels = I(1, -100);
    answer(&c, D(2), D(0, -1, 0, 0, 0, 0));
    report(&c, 2, 1, 1);
    expect(&c, "ignore_index -100");
    c.labels = I(1, 255);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 255;
    expect(&c, "ignore_index 255");
    c.labels = I(1, 0);
    c.options.ignore_index = 0;
    expect(&c, "ignore_index 0, a class");
    /* weights 1, -: D is still w_t of what counts */
    c.options.class_weight = F(2, 1, 4);
    c.options.reduction = LOSSES_NONE;
    c.loss = D(2, 0);
    expect(&c, "ignore_index, class_weight, none");

    /* The mean over nothing, and over a weight of 0 */
    c = base;
    c.labels = I(-100, -100);
    answer(&c, D(0), D(0, 0, 0, 0, 0, 0));
    report(&c, 0, 0, 0);
    expect(&c, "all ignored");
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    expect(&c, "all ignored, nan_if_empty");
    c.labels = I(1, 0);
    c.options.class_weight = F(0, 0, 1);
    c.counted = 2;
    expect(&c, "weight 0, nan_if_empty");
    c.options.nan_if_empty = 0;
    c.loss = D(0);
    expect(&c, "weight 0");

    /* Columns (-1, -2), (-3, -4), (-5, -6): l = 2, 3, 6; mean 11/3, gradient -1/3 */
    c = base;
    c.shape = losses_images(1, 2, 3);
    c.logits = D(-1, -3, -5, -2, -4, -6);
    c.labels = I(1, 0, 1);
    answer(&c, D(11.0 / 3), D(0, -1.0 / 3, 0, -1.0 / 3, 0, -1.0 / 3));
    report(&c, 11, 3, 3);
    expect(&c, "images");
}

/* --- cross-entropy --------------------------------------------------------------------------- */

/* Row A = (0, ln 2, ln 3): lse = ln 6, p = (1, 2, 3)/6, its logits add up to ln 6.
 * Row B = (0, 0, 0):       lse = ln 3, p = (1, 1, 1)/3. */
#define ROWS_AB D(0, LN2, LN3, 0, 0, 0)

static void cross_entropy(void)
{
    /* A, t = 0: l = ln 6, p - [t] = (-5, 2, 3)/6. B, t = 2: l = ln 3, p - [t] = (1, 1, -2)/3. */
    const hand_case base = {.kind = CROSS_ENTROPY,
                            .shape = losses_rows(2, 3),
                            .logits = ROWS_AB,
                            .labels = I(0, 2),
                            .loss = D((LN6 + LN3) / 2),
                            .grad = D(-5.0 / 12, 1.0 / 6, 0.25, 1.0 / 6, 1.0 / 6, -1.0 / 3),
                            .log_sum_exp = D(LN6, LN3),
                            .sum = LN6 + LN3,
                            .denominator = 2,
                            .counted = 2,
                            .size = 3};
    hand_case c = base, summed;
    expect(&c, "mean");
    c.log_sum_exp = NULL; /* not asked for */
    expect(&c, "mean, without log_sum_exp");

    summed = base;
    summed.options.reduction = LOSSES_SUM;
    answer(&summed, D(LN6 + LN3), D(-5.0 / 6, 1.0 / 3, 0.5, 1.0 / 3, 1.0 / 3, -2.0 / 3));
    expect(&summed, "sum");

    c = summed;
    c.options.reduction = LOSSES_NONE;
    c.loss = D(LN6, LN3);
    expect(&c, "none");

    /* 2 (-5, 2, 3)/6, -3 (1, 1, -2)/3 */
    c.options.upstream = F(2, -3);
    c.grad = D(-5.0 / 3, 2.0 / 3, 1, -1, -1, 2);
    expect(&c, "none, upstream per loss");

    /* 1/2 more */
    c.options.accumulate = 1;
    c.grad = D(-7.0 / 6, 7.0 / 6, 1.5, -0.5, -0.5, 2.5);
    expect(&c, "none, upstream per loss, accumulate");

    c = summed;
    /* -3 times */
    c.options.upstream = F(-3);
    c.grad = D(2.5, -1, -1.5, -1, -1, 2);
    expect(&c, "sum, upstream");

    /* 6/2 (-5, 2, 3)/6, 6/2 (1, 1, -2)/3 */
    c = base;
    c.options.upstream = F(6);
    c.grad = D(-2.5, 1, 1.5, 1, 1, -2);
    expect(&c, "mean, upstream");
    c.options.accumulate = 1;
    c.grad = D(-2, 1.5, 2, 1.5, 1.5, -1.5);
    expect(&c, "mean, upstream, accumulate");

    /* half of the mean over 2 */
    c = base;
    c.options.denominator = 4;
    answer(&c, D((LN6 + LN3) / 4), D(-5.0 / 24, 1.0 / 12, 0.125, 1.0 / 12, 1.0 / 12, -1.0 / 6));
    c.denominator = 4;
    expect(&c, "denominator 4");

    /* The first image's columns (0, ln 2, ln 3), t = 0 | (0, 0, 0), t = 2 and the second's
     * (ln 3, 0, ln 2), t = 0 | (ln 2, ln 2, ln 2), t = 1:
     *     l       = ln 6         | ln 3         | ln 2         | ln 3
     *     lse     = ln 6         | ln 3         | ln 6         | ln 2 + ln 3
     *     p - [t] = (-5, 2, 3)/6 | (1, 1, -2)/3 | (-3, 1, 2)/6 | (1, -2, 1)/3 */
    c = summed;
    c.shape = losses_images(2, 3, 2);
    c.logits = D(0, 0, LN2, 0, LN3, 0, LN3, LN2, 0, LN2, LN2, LN2);
    c.labels = I(0, 2, 0, 1);
    c.loss = D(LN6 + LN3 + LN2 + LN3);
    c.grad = D(-5.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 3, 0.5, -2.0 / 3, /* class by class */
               -0.5, 1.0 / 3, 1.0 / 6, -2.0 / 3, 1.0 / 3, 1.0 / 3);
    c.log_sum_exp = D(LN6, LN3, LN6, LN6);
    report(&c, LN6 + LN3 + LN2 + LN3, 4, 4);
    c.size = 5;
    expect(&c, "images, sum");
    c.options.reduction = LOSSES_NONE;
    c.labels = I(0, -100, 0, 1);
    answer(&c, D(LN6, 0, LN2, LN3),
           D(-5.0 / 6, 0, 1.0 / 3, 0, 0.5, 0, -0.5, 1.0 / 3, 1.0 / 6, -2.0 / 3, 1.0 / 3, 1.0 / 3));
    c.log_sum_exp = D(LN6, 0, LN6, LN6);
    report(&c, LN6 + LN2 + LN3, 3, 3);
    expect(&c, "images, none, one ignored");
}

static void cross_entropy_ignored(void)
{
    /* Row B alone, t = 2: l = ln 3, D = 1, gradient (1, 1, -2)/3 */
    const hand_case base = {.kind = CROSS_ENTROPY,
                            .shape = losses_rows(2, 3),
                            .logits = ROWS_AB,
                            .labels = I(-100, 2),
                            .loss = D(LN3),
                            .grad = D(0, 0, 0, 1.0 / 3, 1.0 / 3, -2.0 / 3),
                            .log_sum_exp = D(0, LN3),
                            .sum = LN3,
                            .denominator = 1,
                            .counted = 1};
    hand_case c = base;
    expect(&c, "ignore_index -100");
    c.options.accumulate = 1;
    c.grad = D(0.5, 0.5, 0.5, 5.0 / 6, 5.0 / 6, -1.0 / 6);
    c.size = 1;
    expect(&c, "ignore_index -100, accumulate");

    c = base;
    c.options.reduction = LOSSES_NONE;
    c.options.upstream = F(7, 3);
    answer(&c, D(0, LN3), D(0, 0, 0, 1, 1, -2));
    expect(&c, "ignore_index -100, none, upstream per loss");

    c = base;
    c.labels = I(255, 2);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 255;
    expect(&c, "ignore_index 255");
    c.labels = I(-1, 2);
    c.options.ignore_index = -1;
    expect(&c, "ignore_index -1");
    c.labels = I(1, 2);
    c.options.ignore_index = 1;
    expect(&c, "ignore_index 1, a class");
    /* (ln 3)/4, (1, 1, -2)/12 */
    c.labels = I(0, 2);
    c.options.ignore_index = 0;
    c.options.denominator = 4;
    answer(&c, D(LN3 / 4), D(0, 0, 0, 1.0 / 12, 1.0 / 12, -1.0 / 6));
    c.denominator = 4;
    expect(&c, "ignore_index 0, a class, denominator 4");

    /* Weight 4 for t = 2: l = 4 ln 3, D = 4: the mean and its gradient are as without */
    c = base;
    c.options.class_weight = F(2, 1, 4);
    c.sum = 4 * LN3;
    c.denominator = 4;
    expect(&c, "ignore_index -100, class_weight");

    c = base;
    c.labels = I(-100, -100);
    answer(&c, D(0), D(0, 0, 0, 0, 0, 0));
    c.log_sum_exp = D(0, 0);
    report(&c, 0, 0, 0);
    expect(&c, "all ignored");
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    expect(&c, "all ignored, nan_if_empty");
    c.shape = losses_rows(0, 3);
    expect(&c, "no sample, nan_if_empty");
    c.options.nan_if_empty = 0;
    c.loss = D(0);
    expect(&c, "no sample");
    c.options.reduction = LOSSES_NONE;
    expect(&c, "no sample, none");

    /* Weights of 0 on both targets: a total weight of 0, but both count and lse is there */
    c = base;
    c.labels = I(0, 2);
    c.options.class_weight = F(0, 1, 0);
    answer(&c, D(0), D(0, 0, 0, 0, 0, 0));
    c.log_sum_exp = D(LN6, LN3);
    report(&c, 0, 0, 2);
    c.size = 2;
    expect(&c, "weight 0");
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    expect(&c, "weight 0, nan_if_empty");
    /* changes nothing: row A counts with weight 1 */
    c.labels = I(1, 2); /* l = ln 6 - ln 2 = ln 3 */
    answer(&c, D(LN3), D(1.0 / 6, -2.0 / 3, 0.5, 0, 0, 0));
    c.sum = LN3;
    c.denominator = 1;
    expect(&c, "not empty, nan_if_empty");
}

static void cross_entropy_weighted(void)
{
    /* w = (2, 1, 4), D = 2 + 4.
     * A, t = 0: 2 ln 6, 2 (-5, 2, 3)/6. B, t = 2: 4 ln 3, 4 (1, 1, -2)/3. */
    const hand_case base = {.kind = CROSS_ENTROPY,
                            .shape = losses_rows(2, 3),
                            .logits = ROWS_AB,
                            .labels = I(0, 2),
                            .options.reduction = LOSSES_NONE,
                            .options.class_weight = F(2, 1, 4),
                            .loss = D(2 * LN6, 4 * LN3),
                            .grad = D(-5.0 / 3, 2.0 / 3, 1, 4.0 / 3, 4.0 / 3, -8.0 / 3),
                            .log_sum_exp = D(LN6, LN3),
                            .sum = 2 * LN6 + 4 * LN3,
                            .denominator = 6,
                            .counted = 2,
                            .size = 8};
    hand_case c = base;
    expect(&c, "class_weight, none");
    /* all over 6 */
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D((LN6 + 2 * LN3) / 3), D(-5.0 / 18, 1.0 / 9, 1.0 / 6, 2.0 / 9, 2.0 / 9, -4.0 / 9));
    expect(&c, "class_weight, mean");
    c.options.denominator = 2;
    answer(&c, D(LN6 + 2 * LN3), D(-5.0 / 6, 1.0 / 3, 0.5, 2.0 / 3, 2.0 / 3, -4.0 / 3));
    c.denominator = 2;
    expect(&c, "class_weight, denominator 2");

    /* e = 1/2, so e/C = 1/6 for every class.
     * A: l = (ln 6)/2 + (3 ln 6 - ln 6)/6 = 5/6 ln 6; p - [t]/2 - 1/6 = (-3, 1, 2)/6.
     * B: l = (ln 3)/2 + (3 ln 3)/6 = ln 3;            p - [t]/2 - 1/6 = (1, 1, -2)/6. */
    c = base;
    c.options.class_weight = NULL;
    c.options.label_smoothing = 0.5F;
    answer(&c, D(5 * LN6 / 6, LN3), D(-0.5, 1.0 / 6, 1.0 / 3, 1.0 / 6, 1.0 / 6, -1.0 / 3));
    c.sum = 5 * LN6 / 6 + LN3;
    c.denominator = 2;
    c.size = 3;
    expect(&c, "label_smoothing 1/2, none");
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D(5 * LN6 / 12 + LN3 / 2),
           D(-0.25, 1.0 / 12, 1.0 / 6, 1.0 / 12, 1.0 / 12, -1.0 / 6));
    expect(&c, "label_smoothing 1/2, mean");

    /* e = 1: the target does not matter.
     * A: l = (3 ln 6 - ln 6)/3, p - 1/3 = (-1, 0, 1)/6. B: l = ln 3, p - 1/3 = 0. */
    c.options.reduction = LOSSES_SUM;
    c.options.label_smoothing = 1;
    answer(&c, D(2 * LN6 / 3 + LN3), D(-1.0 / 6, 0, 1.0 / 6, 0, 0, 0));
    c.sum = 2 * LN6 / 3 + LN3;
    expect(&c, "label_smoothing 1, sum");

    /* Both: w = (2, 1, 4), W = 7, e = 1/2, A = w_t/2 + 7/6.
     * A: l = 2/2 ln 6 + (2 ln 6 + 1 ln 3 + 4 ln 2)/6 = ln 6 + ln 2 + (ln 3)/2
     *    A = 13/6: 13/6 p - (1, 0, 0) - (2, 1, 4)/6 = (13 - 36 - 12, 26 - 6, 39 - 24)/36
     * B: l = 4/2 ln 3 + 7/6 ln 3 = 19/6 ln 3
     *    A = 19/6: 19/6 p - (0, 0, 2) - (2, 1, 4)/6 = (19 - 6, 19 - 3, 19 - 36 - 12)/18
     * D = 2 + 4, as without smoothing. */
    c = base;
    c.options.label_smoothing = 0.5F;
    answer(&c, D(LN6 + LN2 + LN3 / 2, 19 * LN3 / 6),
           D(-35.0 / 36, 20.0 / 36, 15.0 / 36, 13.0 / 18, 16.0 / 18, -29.0 / 18));
    c.sum = LN6 + LN2 + LN3 / 2 + 19 * LN3 / 6;
    expect(&c, "class_weight, label_smoothing 1/2, none");
    /* 3/6 of that */
    c.options.reduction = LOSSES_MEAN;
    c.options.upstream = F(3);
    answer(&c, D((LN6 + LN2 + LN3 / 2 + 19 * LN3 / 6) / 6),
           D(-35.0 / 72, 20.0 / 72, 15.0 / 72, 13.0 / 36, 16.0 / 36, -29.0 / 36));
    expect(&c, "class_weight, label_smoothing 1/2, mean, upstream");

    /* z = 1/2 adds lse^2/2 and lse p, unweighted.
     * A: (ln 6)^2/2, ln 6 (1, 2, 3)/6.  B: (ln 3)^2/2, ln 3 (1, 1, 1)/3. */
    c = base;
    c.options.class_weight = NULL;
    c.options.z_loss = 0.5F;
    c.loss = D(LN6 + LN6 * LN6 / 2, LN3 + LN3 * LN3 / 2);
    c.grad = D((-5 + LN6) / 6, (2 + 2 * LN6) / 6, (3 + 3 * LN6) / 6, (1 + LN3) / 3, (1 + LN3) / 3,
               (-2 + LN3) / 3);
    c.sum = LN6 + LN6 * LN6 / 2 + LN3 + LN3 * LN3 / 2;
    c.denominator = 2;
    expect(&c, "z_loss 1/2, none");
    c.options.class_weight = F(2, 1, 4);
    c.options.reduction = LOSSES_SUM;
    c.loss = D(2 * LN6 + LN6 * LN6 / 2 + 4 * LN3 + LN3 * LN3 / 2);
    c.grad = D((-10 + LN6) / 6, (4 + 2 * LN6) / 6, (6 + 3 * LN6) / 6, (4 + LN3) / 3, (4 + LN3) / 3,
               (-8 + LN3) / 3);
    c.sum = 2 * LN6 + LN6 * LN6 / 2 + 4 * LN3 + LN3 * LN3 / 2;
    c.denominator = 6;
    expect(&c, "z_loss 1/2, class_weight, sum");
    /* A alone: D = 1 */
    c.options.class_weight = NULL;
    c.options.label_smoothing = 0.5F;
    c.options.reduction = LOSSES_MEAN;
    c.labels = I(0, -100);
    answer(&c, D(5 * LN6 / 6 + LN6 * LN6 / 2),
           D((-3 + LN6) / 6, (1 + 2 * LN6) / 6, (2 + 3 * LN6) / 6, 0, 0, 0));
    c.log_sum_exp = D(LN6, 0);
    report(&c, 5 * LN6 / 6 + LN6 * LN6 / 2, 1, 1);
    expect(&c, "z_loss 1/2, label_smoothing 1/2, mean, one ignored");
}

static void cross_entropy_probabilities(void)
{
    /* A, q = (2, 1, 1)/4: l = (ln 6)/2 + (ln 3)/4 + (ln 2)/4 = 3/4 ln 6; p - q = (-4, 1, 3)/12.
     * B, q = (0, 2, 0), which sums to 2: l = 2 ln 3; 2 p - q = (2, -4, 2)/3. */
    const hand_case base = {.kind = CROSS_ENTROPY,
                            .shape = losses_rows(2, 3),
                            .logits = ROWS_AB,
                            .probabilities = F(0.5F, 0.25F, 0.25F, 0, 2, 0),
                            .options.reduction = LOSSES_NONE,
                            .loss = D(3 * LN6 / 4, 2 * LN3),
                            .grad = D(-1.0 / 3, 1.0 / 12, 0.25, 2.0 / 3, -4.0 / 3, 2.0 / 3),
                            .log_sum_exp = D(LN6, LN3),
                            .sum = 3 * LN6 / 4 + 2 * LN3,
                            .denominator = 2,
                            .counted = 2,
                            .size = 4};
    hand_case c = base;
    expect(&c, "probabilities, none");
    /* 1/2 + 6 g, 1/2 - 3 g */
    c.options.upstream = F(6, -3);
    c.options.accumulate = 1;
    c.grad = D(-1.5, 1, 2, -1.5, 4.5, -1.5);
    expect(&c, "probabilities, none, upstream per loss, accumulate");

    c = base;
    c.options.reduction = LOSSES_SUM;
    c.loss = D(3 * LN6 / 4 + 2 * LN3);
    expect(&c, "probabilities, sum");

    /* over 2 positions */
    c = base;
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D(3 * LN6 / 8 + LN3), D(-1.0 / 6, 1.0 / 24, 0.125, 1.0 / 3, -2.0 / 3, 1.0 / 3));
    expect(&c, "probabilities, mean");
    /* 2 * 3 times the sum's gradient */
    c.options.denominator = (losses_wide)0.5;
    c.options.upstream = F(3);
    answer(&c, D(3 * LN6 / 2 + 4 * LN3), D(-2, 0.5, 1.5, 4, -8, 4));
    c.denominator = 0.5;
    c.size = 12;
    expect(&c, "probabilities, denominator 1/2, upstream");

    /* w = (2, 1, 4). A: w q = (4, 1, 4)/4: l = ln 6 + (ln 3)/4 + ln 2; 9/4 p - w q = (-5, 4, 1)/8.
     * B: w q = (0, 2, 0) as without. The mean divides by 2 positions, not by weights. */
    c = base;
    c.options.reduction = LOSSES_MEAN;
    c.options.class_weight = F(2, 1, 4);
    answer(&c, D((LN6 + LN3 / 4 + LN2 + 2 * LN3) / 2),
           D(-5.0 / 16, 0.25, 1.0 / 16, 1.0 / 3, -2.0 / 3, 1.0 / 3));
    c.sum = LN6 + LN3 / 4 + LN2 + 2 * LN3;
    expect(&c, "probabilities, class_weight, mean");

    /* e = 1/2, q' = q/2 + 1/6.
     * A: q' = (10, 7, 7)/24: l = (10 ln 6 + 7 ln 3 + 7 ln 2)/24 = 17/24 ln 6,
     *    p - q' = (4 - 10, 8 - 7, 12 - 7)/24.
     * B: q' = (1, 7, 1)/6, in all 3/2: l = 3/2 ln 3, 3/2 p - q' = (3 - 1, 3 - 7, 3 - 1)/6. */
    c = base;
    c.options.label_smoothing = 0.5F;
    answer(&c, D(17 * LN6 / 24, 1.5 * LN3),
           D(-0.25, 1.0 / 24, 5.0 / 24, 1.0 / 3, -2.0 / 3, 1.0 / 3));
    c.sum = 17 * LN6 / 24 + 1.5 * LN3;
    expect(&c, "probabilities, label_smoothing 1/2");

    /* With w:
     * A: w q' = (20, 7, 28)/24, in all 55/24: l = (20 ln 6 + 7 ln 3 + 28 ln 2)/24,
     *    55/24 p - w q' = (55 - 120, 110 - 42, 165 - 168)/144.
     * B: w q' = (2, 7, 4)/6, in all 13/6: l = 13/6 ln 3,
     *    13/6 p - w q' = (13 - 6, 13 - 21, 13 - 12)/18. */
    c.options.class_weight = F(2, 1, 4);
    answer(&c, D((20 * LN6 + 7 * LN3 + 28 * LN2) / 24, 13 * LN3 / 6),
           D(-65.0 / 144, 68.0 / 144, -3.0 / 144, 7.0 / 18, -8.0 / 18, 1.0 / 18));
    c.sum = (20 * LN6 + 7 * LN3 + 28 * LN2) / 24 + 13 * LN3 / 6;
    expect(&c, "probabilities, label_smoothing 1/2, class_weight");

    /* z = 1/2 adds lse^2/2 and lse p, as with index targets */
    c = base;
    c.options.z_loss = 0.5F;
    c.options.reduction = LOSSES_SUM;
    c.loss = D(3 * LN6 / 4 + LN6 * LN6 / 2 + 2 * LN3 + LN3 * LN3 / 2);
    c.grad = D((-2 + LN6) / 6, (0.5 + 2 * LN6) / 6, (1.5 + 3 * LN6) / 6, (2 + LN3) / 3,
               (-4 + LN3) / 3, (2 + LN3) / 3);
    c.sum = 3 * LN6 / 4 + LN6 * LN6 / 2 + 2 * LN3 + LN3 * LN3 / 2;
    expect(&c, "probabilities, z_loss 1/2, sum");

    /* Two positions: columns (0, 0), q = (1, 3)/4: l = ln 2, p - q = (1, -1)/4;
     * (0, -inf), q = (1, 0): l = 0 + 0 inf = 0, p - q = 0. lse = ln 2 | 0. Exact floats. */
    c = base;
    c.shape = losses_images(1, 2, 2);
    c.logits = D(0, 0, 0, (double)-INFINITY);
    c.probabilities = F(0.25F, 1, 0.75F, 0);
    c.options.reduction = LOSSES_SUM;
    answer(&c, D(LN2), D(0.25, 0, -0.25, 0));
    c.log_sum_exp = D(LN2, 0);
    c.sum = LN2;
    c.size = 0;
    expect(&c, "probabilities, images, sum");

    c = base;
    c.shape = losses_rows(0, 3);
    c.options.reduction = LOSSES_MEAN;
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    report(&c, 0, 0, 0);
    expect(&c, "probabilities, no sample, nan_if_empty");
    c.options.nan_if_empty = 0;
    c.loss = D(0);
    expect(&c, "probabilities, no sample");
}

/* --- focal ----------------------------------------------------------------------------------- */

static void focal(void)
{
    /* s = 1 - p_t, sp = -log p_t; l = s^g sp, h = -s^g (g p_t sp + s); dl = h for the target and
     * -h p_j/s elsewhere.
     * A, t = 2: p_t = s = 1/2, sp = ln 2, p_j/s = (1, 2)/3.
     * B, t = 0: p_t = 1/3, s = 2/3, sp = ln 3, p_j/s = (1, 1)/2.
     * g = 2: A: l = (ln 2)/4, h = -(ln 2 + 1/2)/4. B: l = 4/9 ln 3, h = -4/9 (2/3 ln 3 + 2/3). */
    static const double a = (LN2 + 0.5) / 4, b = 8 * (LN3 + 1) / 27;
    const hand_case base = {.kind = FOCAL,
                            .shape = losses_rows(2, 3),
                            .logits = ROWS_AB,
                            .labels = I(2, 0),
                            .gamma = 2,
                            .options.reduction = LOSSES_NONE,
                            .loss = D(LN2 / 4, 4 * LN3 / 9),
                            .grad = D(a / 3, 2 * a / 3, -a, -b, b / 2, b / 2),
                            .log_sum_exp = D(LN6, LN3),
                            .sum = LN2 / 4 + 4 * LN3 / 9,
                            .denominator = 2,
                            .counted = 2,
                            .size = 2};
    hand_case c = base;
    expect(&c, "gamma 2, none");
    /* -3 and 2 times */
    c.options.upstream = F(-3, 2);
    c.grad = D(-a, -2 * a, 3 * a, -2 * b, b, b);
    expect(&c, "gamma 2, none, upstream per loss");
    c.options.accumulate = 1;
    c.grad = D(0.5 - a, 0.5 - 2 * a, 0.5 + 3 * a, 0.5 - 2 * b, 0.5 + b, 0.5 + b);
    expect(&c, "gamma 2, none, upstream per loss, accumulate");

    c = base;
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D(LN2 / 8 + 2 * LN3 / 9), D(a / 6, a / 3, -a / 2, -b / 2, b / 4, b / 4));
    expect(&c, "gamma 2, mean");
    /* it is not empty */
    c.options.nan_if_empty = 1;
    expect(&c, "gamma 2, mean, nan_if_empty");
    /* 4/8 of the sum's gradient is the mean's */
    c.options.nan_if_empty = 0;
    c.options.denominator = 8;
    c.options.upstream = F(4);
    c.loss = D(LN2 / 32 + LN3 / 18);
    c.denominator = 8;
    expect(&c, "gamma 2, denominator 8, upstream");

    c = base;
    c.options.reduction = LOSSES_SUM;
    c.loss = D(LN2 / 4 + 4 * LN3 / 9);
    expect(&c, "gamma 2, sum");

    /* alpha 1/2 and class_alpha (2, 1, 4): 1/2 * 4 for t = 2, 1/2 * 2 for t = 0. The mean
     * divides by the number of positions all the same. */
    c = base;
    c.options.alpha = 0.5F;
    answer(&c, D(LN2 / 8, 2 * LN3 / 9), D(a / 6, a / 3, -a / 2, -b / 2, b / 4, b / 4));
    c.sum = LN2 / 8 + 2 * LN3 / 9;
    expect(&c, "alpha 1/2");
    /* 4 and 2 */
    c.options.alpha = 0;
    c.options.class_alpha = F(2, 1, 4);
    answer(&c, D(LN2, 8 * LN3 / 9), D(4 * a / 3, 8 * a / 3, -4 * a, -2 * b, b, b));
    c.sum = LN2 + 8 * LN3 / 9;
    expect(&c, "class_alpha");
    c.options.reduction = LOSSES_MEAN;
    c.options.alpha = 0.5F;
    answer(&c, D(LN2 / 4 + 2 * LN3 / 9), D(a / 3, 2 * a / 3, -a, -b / 2, b / 4, b / 4));
    c.sum = LN2 / 2 + 4 * LN3 / 9;
    expect(&c, "alpha 1/2, class_alpha, mean");
    /* stands for 0 */
    c.options.class_alpha = NULL;
    c.options.alpha = FLT_MIN;
    answer(&c, D(0), D(0, 0, 0, 0, 0, 0));
    c.sum = 0;
    expect(&c, "alpha FLT_MIN");
    /* only row B is left, with its weight of 1: D is still 2 */
    c.options.alpha = 0;
    c.options.class_alpha = F(1, 0, 0);
    answer(&c, D(2 * LN3 / 9), D(0, 0, 0, -b / 2, b / 4, b / 4));
    c.sum = 4 * LN3 / 9;
    expect(&c, "class_alpha 0 for one");

    /* Row B alone: D = 1 */
    c = base;
    c.options.reduction = LOSSES_MEAN;
    c.labels = I(-100, 0);
    answer(&c, D(4 * LN3 / 9), D(0, 0, 0, -b, b / 2, b / 2));
    c.log_sum_exp = D(0, LN3);
    report(&c, 4 * LN3 / 9, 1, 1);
    expect(&c, "ignore_index -100, mean");
    c.labels = I(2, 0);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 2;
    expect(&c, "ignore_index 2, a class");
    c.labels = I(255, 0);
    c.options.ignore_index = 255;
    c.options.reduction = LOSSES_NONE;
    c.loss = D(0, 4 * LN3 / 9);
    expect(&c, "ignore_index 255, none");

    c = base;
    c.options.reduction = LOSSES_MEAN;
    c.labels = I(-100, -100);
    answer(&c, D(0), D(0, 0, 0, 0, 0, 0));
    c.log_sum_exp = D(0, 0);
    report(&c, 0, 0, 0);
    expect(&c, "all ignored");
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    expect(&c, "all ignored, nan_if_empty");
}

static void focal_gamma(void)
{
    /* A with t = 0: p_t = 1/6, s = 5/6, sp = ln 6, p_j/s = (2, 3)/5.
     * g = 1: l = 5/6 ln 6, h = -5/6 (ln 6/6 + 5/6) = -5/36 (ln 6 + 5). */
    const double h1 = 5 * (LN6 + 5) / 36, root = sqrt(0.5);
    hand_case c = {.kind = FOCAL,
                   .shape = losses_rows(1, 3),
                   .logits = D(0, LN2, LN3),
                   .labels = I(0),
                   .gamma = 1,
                   .loss = D(5 * LN6 / 6),
                   .grad = D(-h1, 2 * h1 / 5, 3 * h1 / 5),
                   .log_sum_exp = D(LN6),
                   .sum = 5 * LN6 / 6,
                   .denominator = 1,
                   .counted = 1,
                   .size = 2};
    expect(&c, "gamma 1");

    /* g = 0: cross-entropy, l = ln 6, p - [t] */
    c.gamma = 0;
    answer(&c, D(LN6), D(-5.0 / 6, 1.0 / 3, 0.5));
    c.sum = LN6;
    expect(&c, "gamma 0");

    /* t = 2: p_t = s = 1/2, sp = ln 2, p_j/s = (1, 2)/3.
     * g = 1/2: s^g = sqrt(1/2), h = -sqrt(1/2) (ln 2/4 + 1/2). */
    c.labels = I(2);
    c.gamma = 0.5F;
    answer(&c, D(root * LN2),
           D(root * (LN2 + 2) / 12, root * (LN2 + 2) / 6, -root * (LN2 + 2) / 4));
    c.sum = root * LN2;
    expect(&c, "gamma 1/2");

    /* g = 3: l = ln 2/8, h = -(3/2 ln 2 + 1/2)/8 */
    c.gamma = 3;
    answer(&c, D(LN2 / 8), D((3 * LN2 + 1) / 48, (3 * LN2 + 1) / 24, -(3 * LN2 + 1) / 16));
    c.sum = LN2 / 8;
    expect(&c, "gamma 3");

    /* Exact floats, one position per column, g = 2, equal logits of 2 classes: p_t = s = 1/2,
     * l = ln 2/4, h = -(ln 2 + 1/2)/4, p_j/s = 1. */
    c.shape = losses_images(1, 2, 2);
    c.logits = D(3, -9, 3, -9);
    c.labels = I(0, 1);
    c.gamma = 2;
    c.options.reduction = LOSSES_SUM;
    answer(&c, D(LN2 / 2), D(-(LN2 + 0.5) / 4, (LN2 + 0.5) / 4, (LN2 + 0.5) / 4, -(LN2 + 0.5) / 4));
    c.log_sum_exp = D(3 + LN2, -9 + LN2);
    report(&c, LN2 / 2, 2, 2);
    c.size = 0;
    expect(&c, "gamma 2, images");
}

/* --- binary cross-entropy -------------------------------------------------------------------- */

/* The logits (0, ln 3 | -ln 3, ln 2), two samples of two classes:
 *     s(x)            1/2     3/4           1/4           2/3
 *     sp(x)           ln 2    ln 4          ln 4 - ln 3   ln 3
 *     sp(-x)          ln 2    ln 4 - ln 3   ln 4          ln 3 - ln 2
 * where s(x) = 1/(1 + e^-x), sp(x) = log(1 + e^x). */
#define FOUR_LOGITS D(0, LN3, -LN3, LN2)

static void binary_cross_entropy(void)
{
    /* t = (1, 0 | 1, 1): l = sp(-x), sp(x), sp(-x), sp(-x), in all 4 ln 2 + ln 3; dl = s(x) - t */
    const hand_case base = {.kind = BINARY_CROSS_ENTROPY,
                            .shape = losses_rows(2, 2),
                            .logits = FOUR_LOGITS,
                            .labels = I(1, 0, 1, 1),
                            .options.reduction = LOSSES_NONE,
                            .loss = D(LN2, LN4, LN4, LN3 - LN2),
                            .grad = D(-0.5, 0.75, -0.75, -1.0 / 3),
                            .sum = 4 * LN2 + LN3,
                            .denominator = 4,
                            .counted = 4,
                            .size = 4};
    hand_case c = base;
    expect(&c, "none");
    c.options.upstream = F(2, -4, 0, 3);
    c.grad = D(-1, -3, 0, -1);
    expect(&c, "none, upstream per loss");
    c.options.accumulate = 1;
    c.grad = D(-0.5, -2.5, 0.5, -0.5);
    expect(&c, "none, upstream per loss, accumulate");

    c = base;
    c.options.reduction = LOSSES_SUM;
    c.loss = D(4 * LN2 + LN3);
    expect(&c, "sum");
    c.options.upstream = F(-2);
    c.grad = D(1, -1.5, 1.5, 2.0 / 3);
    expect(&c, "sum, upstream");

    /* over 4 elements */
    c = base;
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D(LN2 + LN3 / 4), D(-0.125, 3.0 / 16, -3.0 / 16, -1.0 / 12));
    expect(&c, "mean");
    c.options.denominator = 2;
    c.options.upstream = F(0.5F);
    c.loss = D(2 * LN2 + LN3 / 2);
    c.denominator = 2;
    expect(&c, "denominator 2, upstream");

    /* 2 for the first class, 1 for the second; the mean divides by 4 elements all the same */
    c = base;
    c.options.class_weight = F(2, 1);
    answer(&c, D(2 * LN2, LN4, 2 * LN4, LN3 - LN2), D(-1, 0.75, -1.5, -1.0 / 3));
    c.sum = 7 * LN2 + LN3;
    expect(&c, "class_weight, none");
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D((7 * LN2 + LN3) / 4), D(-0.25, 3.0 / 16, -3.0 / 8, -1.0 / 12));
    expect(&c, "class_weight, mean");

    /* 3 times the positives of the first class, 1/2 times those of the second */
    c = base;
    c.options.positive_weight = F(3, 0.5F);
    answer(&c, D(3 * LN2, LN4, 3 * LN4, (LN3 - LN2) / 2), D(-1.5, 0.75, -2.25, -1.0 / 6));
    c.sum = 10.5 * LN2 + LN3 / 2;
    c.size = 8;
    expect(&c, "positive_weight");
    c.options.class_weight = F(2, 1);
    c.options.reduction = LOSSES_SUM;
    c.loss = D(19.5 * LN2 + LN3 / 2); /* 6 ln 2 + ln 4 + 6 ln 4 + (ln 3 - ln 2)/2 */
    c.grad = D(-3, 0.75, -4.5, -1.0 / 6);
    c.sum = 19.5 * LN2 + LN3 / 2;
    c.size = 16;
    expect(&c, "positive_weight, class_weight, sum");

    /* Exact floats: every logit is 0, which gives ln 2 and 1/2 - t. Two positions per class,
     * w = (2, 4), b = (3, 1/2), t = (1, 0 | 0, 1): 6, 2, 4, 2 times ln 2, in all 14 ln 2;
     * -6/2, 2/2, 4/2, -2/2, over 4. */
    c = base;
    c.shape = losses_images(1, 2, 2);
    c.logits = D(0, 0, 0, 0);
    c.labels = I(1, 0, 0, 1);
    c.options.reduction = LOSSES_MEAN;
    c.options.class_weight = F(2, 4);
    c.options.positive_weight = F(3, 0.5F);
    answer(&c, D(3.5 * LN2), D(-0.75, 0.25, 0.5, -0.25));
    c.sum = 14 * LN2;
    c.size = 0;
    expect(&c, "images, weights, mean");
}

/* Far ahead, with large and small weights, t = 0, x = (-103, -9), w = (2^50, 2^-86):
 *     w log1p(e^x) = 2.08529809826195e-30, 1.59493592008860e-30
 *     w e^x / (1 + e^x) = 2.08529809826195e-30, 1.59483751484394e-30
 * The first without its weight is below the normal numbers, the second with it below 2^-98. */
static void binary_cross_entropy_far_ahead(void)
{
    hand_case c = {.kind = BINARY_CROSS_ENTROPY,
                   .shape = losses_rows(1, 2),
                   .logits = D(-103, -9),
                   .labels = I(0, 0),
                   .options.reduction = LOSSES_NONE,
                   .options.class_weight = F(0x1p50F, 0x1p-86F),
                   .loss = D(2.08529809826195027907e-30, 1.59493592008859631874e-30),
                   .grad = D(2.08529809826195027907e-30, 1.59483751484394301893e-30),
                   .sum = 3.68023401835054659781e-30,
                   .denominator = 2,
                   .counted = 2};
    expect(&c, "far ahead, weights");
    c.labels = NULL;
    c.probabilities = F(0, 0);
    expect(&c, "far ahead, weights, probabilities");
}

static void binary_cross_entropy_ignored(void)
{
    /* The first and third are left: ln 2 + ln 4, D = 2, (s(x) - t)/2 */
    const hand_case base = {.kind = BINARY_CROSS_ENTROPY,
                            .shape = losses_rows(2, 2),
                            .logits = FOUR_LOGITS,
                            .labels = I(1, -100, 1, -100),
                            .loss = D(1.5 * LN2),
                            .grad = D(-0.25, 0, -0.375, 0),
                            .sum = 3 * LN2,
                            .denominator = 2,
                            .counted = 2,
                            .size = 2};
    hand_case c = base;
    expect(&c, "ignore_index -100");
    c.labels = I(1, 255, 1, 255);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 255;
    expect(&c, "ignore_index 255");
    c.options.reduction = LOSSES_NONE;
    c.options.accumulate = 1;
    answer(&c, D(LN2, 0, LN4, 0), D(0, 0.5, -0.25, 0.5));
    expect(&c, "ignore_index 255, none, accumulate");

    /* t = (1, - | 1, 1): ln 2 + ln 4 + ln 3 - ln 2, D = 3 */
    c = base;
    c.labels = I(1, 0, 1, 1);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 0;
    answer(&c, D((LN4 + LN3) / 3), D(-1.0 / 6, 0, -0.25, -1.0 / 9));
    report(&c, LN4 + LN3, 3, 3);
    expect(&c, "ignore_index 0, a mask value");
    /* t = (-, 0 | -, -): ln 4, D = 1 */
    c.options.ignore_index = 1;
    answer(&c, D(LN4), D(0, 0.75, 0, 0));
    report(&c, LN4, 1, 1);
    expect(&c, "ignore_index 1, a mask value");

    c = base;
    c.labels = I(-100, -100, -100, -100);
    answer(&c, D(0), D(0, 0, 0, 0));
    report(&c, 0, 0, 0);
    expect(&c, "all ignored");
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    expect(&c, "all ignored, nan_if_empty");
}

static void binary_cross_entropy_probabilities(void)
{
    /* t = (1/4, 1/2 | 3/4, 1/2), l = t sp(-x) + (1-t) sp(x), s(x) - t:
     * (ln 2)/4 + 3/4 ln 2 = ln 2;               1/2 - 1/4
     * (ln 4 - ln 3)/2 + (ln 4)/2;               3/4 - 1/2
     * 3/4 ln 4 + (ln 4 - ln 3)/4;               1/4 - 3/4
     * (ln 3 - ln 2)/2 + (ln 3)/2;               2/3 - 1/2 */
    const hand_case base = {.kind = BINARY_CROSS_ENTROPY,
                            .shape = losses_rows(2, 2),
                            .logits = FOUR_LOGITS,
                            .probabilities = F(0.25F, 0.5F, 0.75F, 0.5F),
                            .options.reduction = LOSSES_NONE,
                            .loss = D(LN2, LN4 - LN3 / 2, LN4 - LN3 / 4, LN3 - LN2 / 2),
                            .grad = D(0.25, 0.25, -0.5, 1.0 / 6),
                            .sum = 4.5 * LN2 + LN3 / 4,
                            .denominator = 4,
                            .counted = 4,
                            .size = 4};
    hand_case c = base;
    expect(&c, "probabilities, none");
    /* 1/2 + 8/4 g */
    c.options.reduction = LOSSES_MEAN;
    c.options.upstream = F(8);
    c.options.accumulate = 1;
    answer(&c, D((4.5 * LN2 + LN3 / 4) / 4), D(1, 1, -0.5, 5.0 / 6));
    expect(&c, "probabilities, mean, upstream, accumulate");

    /* w = (2, 1), b = (3, 1/2): l = w (b t sp(-x) + (1-t) sp(x)), w ((1-t) s(x) - b t s(-x)):
     * 2 (3/4 ln 2 + 3/4 ln 2);                  2 (3/8 - 3/8)
     * (ln 4 - ln 3)/4 + (ln 4)/2;               3/8 - 1/16
     * 2 (9/4 ln 4 + (ln 4 - ln 3)/4);           2 (1/16 - 27/16)
     * (ln 3 - ln 2)/4 + (ln 3)/2;               1/3 - 1/12 */
    c = base;
    c.options.class_weight = F(2, 1);
    c.options.positive_weight = F(3, 0.5F);
    answer(&c, D(3 * LN2, 0.75 * LN4 - LN3 / 4, 5 * LN4 - LN3 / 2, 0.75 * LN3 - LN2 / 4),
           D(0, 5.0 / 16, -3.25, 0.25));
    c.sum = 14.25 * LN2;
    c.size = 12;
    expect(&c, "probabilities, class_weight, positive_weight");
    c.options.reduction = LOSSES_MEAN;
    c.options.denominator = (losses_wide)0.5;
    answer(&c, D(28.5 * LN2), D(0, 0.625, -6.5, 0.5));
    c.denominator = 0.5;
    c.size = 24;
    expect(&c, "probabilities, class_weight, positive_weight, denominator 1/2");

    c = base;
    c.shape = losses_rows(0, 2);
    c.options.reduction = LOSSES_MEAN;
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    report(&c, 0, 0, 0);
    expect(&c, "probabilities, no sample, nan_if_empty");
}

/* --- sigmoid focal --------------------------------------------------------------------------- */

static void sigmoid_focal(void)
{
    /* t = (1, 0 | 1, 1), z = (2t-1) x = (0, -ln 3 | -ln 3, ln 2), s = s(-z) = (1/2, 3/4, 3/4, 1/3),
     * sp = sp(-z) = (ln 2, ln 4, ln 4, ln 3 - ln 2); l = a s^g sp,
     * dl = -(2t-1) a s^g (s + g s(z) sp). For g = 2 and a = 1:
     *     l  = (ln 2)/4, 9/16 ln 4, 9/16 ln 4, (ln 3 - ln 2)/9
     *     dl = -(1/2 + ln 2)/4, 9/16 (3/4 + ln 2), -9/16 (3/4 + ln 2),
     *          -(1/3 + 4/3 (ln 3 - ln 2))/9
     * alpha 0 is 1/4: a = 1/4 for t = 1, 3/4 for t = 0. */
    const double l0 = LN2 / 4, l1 = 9 * LN2 / 8, l3 = (LN3 - LN2) / 9;
    const double g0 = -(0.5 + LN2) / 4, g1 = 9 * (0.75 + LN2) / 16,
                 g3 = -(1 + 4 * (LN3 - LN2)) / 27;
    const hand_case base = {.kind = SIGMOID_FOCAL,
                            .shape = losses_rows(2, 2),
                            .logits = FOUR_LOGITS,
                            .labels = I(1, 0, 1, 1),
                            .gamma = 2,
                            .options.reduction = LOSSES_NONE,
                            .loss = D(l0 / 4, 3 * l1 / 4, l1 / 4, l3 / 4),
                            .grad = D(g0 / 4, 3 * g1 / 4, -g1 / 4, g3 / 4),
                            .sum = (l0 + 4 * l1 + l3) / 4,
                            .denominator = 4,
                            .counted = 4,
                            .size = 1};
    hand_case c = base;
    expect(&c, "none");
    c.options.upstream = F(4, -4, 8, 0);
    c.options.accumulate = 1;
    c.grad = D(0.5 + g0, 0.5 - 3 * g1, 0.5 - 2 * g1, 0.5);
    c.size = 4;
    expect(&c, "none, upstream per loss, accumulate");

    c = base;
    c.options.reduction = LOSSES_SUM;
    c.options.upstream = F(-4);
    answer(&c, D((l0 + 4 * l1 + l3) / 4), D(-g0, -3 * g1, g1, -g3));
    c.size = 4;
    expect(&c, "sum, upstream");

    /* over 4 elements */
    c = base;
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D((l0 + 4 * l1 + l3) / 16), D(g0 / 16, 3 * g1 / 16, -g1 / 16, g3 / 16));
    expect(&c, "mean");
    c.options.denominator = 2;
    answer(&c, D((l0 + 4 * l1 + l3) / 8), D(g0 / 8, 3 * g1 / 8, -g1 / 8, g3 / 8));
    c.denominator = 2;
    expect(&c, "denominator 2");

    c = base;
    c.options.alpha = 0.5F;
    answer(&c, D(l0 / 2, l1 / 2, l1 / 2, l3 / 2), D(g0 / 2, g1 / 2, -g1 / 2, g3 / 2));
    c.sum = (l0 + 2 * l1 + l3) / 2;
    expect(&c, "alpha 1/2");
    /* 1 and 0 */
    c.options.alpha = 1;
    answer(&c, D(l0, 0, l1, l3), D(g0, 0, -g1, g3));
    c.sum = l0 + l1 + l3;
    expect(&c, "alpha 1");
    /* stands for 0: 0 and 1 */
    c.options.alpha = FLT_MIN;
    answer(&c, D(0, l1, 0, 0), D(0, g1, 0, 0));
    c.sum = l1;
    expect(&c, "alpha FLT_MIN");
    /* a = 1 */
    c.options.alpha = -1;
    answer(&c, D(l0, l1, l1, l3), D(g0, g1, -g1, g3));
    c.sum = l0 + 2 * l1 + l3;
    c.size = 2;
    expect(&c, "alpha off");

    /* the first and the fourth: D = 2 */
    c = base;
    c.labels = I(1, -100, -100, 1);
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D((l0 + l3) / 8), D(g0 / 8, 0, 0, g3 / 8));
    report(&c, (l0 + l3) / 4, 2, 2);
    expect(&c, "ignore_index -100, mean");
    c.labels = I(1, 255, 255, 1);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 255;
    expect(&c, "ignore_index 255, mean");
    /* only t = 0 is left */
    c.labels = I(1, 0, 1, 1);
    c.options.ignore_index = 1;
    c.options.reduction = LOSSES_NONE;
    answer(&c, D(0, 3 * l1 / 4, 0, 0), D(0, 3 * g1 / 4, 0, 0));
    report(&c, 3 * l1 / 4, 1, 1);
    expect(&c, "ignore_index 1, a mask value, none");

    c = base;
    c.labels = I(-100, -100, -100, -100);
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D(0), D(0, 0, 0, 0));
    report(&c, 0, 0, 0);
    expect(&c, "all ignored");
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    expect(&c, "all ignored, nan_if_empty");
}

static void sigmoid_focal_gamma(void)
{
    /* As above with a = 1. g = 1: l = s sp, dl = -(2t-1) s (s + s(z) sp). */
    const double root = sqrt(0.5);
    hand_case c = {.kind = SIGMOID_FOCAL,
                   .shape = losses_images(1, 2, 2),
                   .logits = FOUR_LOGITS,
                   .labels = I(1, 0, 1, 1),
                   .gamma = 1,
                   .options.reduction = LOSSES_SUM,
                   .options.alpha = -1,
                   .loss = D(LN2 / 2 + 1.5 * LN4 + (LN3 - LN2) / 3),
                   .grad = D(-(1 + LN2) / 4, 3 * (3 + LN4) / 16, -3 * (3 + LN4) / 16,
                             -(1 + 2 * (LN3 - LN2)) / 9),
                   .sum = LN2 / 2 + 1.5 * LN4 + (LN3 - LN2) / 3,
                   .denominator = 4,
                   .counted = 4,
                   .size = 2};
    expect(&c, "gamma 1");

    /* g = 0: binary cross-entropy, s(x) - t */
    c.gamma = 0;
    answer(&c, D(4 * LN2 + LN3), D(-0.5, 0.75, -0.75, -1.0 / 3));
    c.sum = 4 * LN2 + LN3;
    c.size = 4;
    expect(&c, "gamma 0");

    /* g = 1/2 at 0, exact floats: s = 1/2, sp = ln 2: l = sqrt(1/2) ln 2,
     * dl = -+ sqrt(1/2) (1/2 + (ln 2)/4) */
    c.shape = losses_rows(1, 2);
    c.logits = D(0, 0);
    c.labels = I(1, 0);
    c.gamma = 0.5F;
    answer(&c, D(2 * root * LN2), D(-root * (2 + LN2) / 4, root * (2 + LN2) / 4));
    report(&c, 2 * root * LN2, 2, 2);
    c.size = 0;
    expect(&c, "gamma 1/2");

    /* g = 3 at 0: (ln 2)/8, -+ (1/2 + 3/2 ln 2)/8; with alpha 1/4: 1/4 and 3/4 of that */
    c.gamma = 3;
    c.options.alpha = 0.25F;
    answer(&c, D(LN2 / 8), D(-(1 + 3 * LN2) / 64, 3 * (1 + 3 * LN2) / 64));
    c.sum = LN2 / 8;
    expect(&c, "gamma 3, alpha 1/4");
}

static void sigmoid_focal_probabilities(void)
{
    /* m = t + p - 2 p t, a = t/4 + 3/4 (1-t), b = t sp(-x) + (1-t) sp(x), g = 2:
     * l = a m^2 b, dl = a (m^2 (p - t) + 2 m (1-2t) p (1-p) b).
     * x = 0, p = 1/2:    t = 1/4: m = 1/2, a = 5/8, b = ln 2: l = 5/32 ln 2,
     *                             dl = 5/8 (1/16 + (ln 2)/8)
     *                    t = 1/2: m = 1/2, a = 1/2, b = ln 2: l = (ln 2)/8, dl = 0
     * x = ln 3, p = 3/4: t = 1/4: m = 5/8, a = 5/8, b = ln 4 - (ln 3)/4: l = 125/512 b,
     *                             dl = 5/8 (25/128 + 15/128 b) */
    const double b = LN4 - LN3 / 4;
    const hand_case base = {.kind = SIGMOID_FOCAL,
                            .shape = losses_rows(1, 3),
                            .logits = D(0, 0, LN3),
                            .probabilities = F(0.25F, 0.5F, 0.25F),
                            .gamma = 2,
                            .options.reduction = LOSSES_NONE,
                            .loss = D(5 * LN2 / 32, LN2 / 8, 125 * b / 512),
                            .grad = D(5 * (1 + 2 * LN2) / 128, 0, (125 + 75 * b) / 1024),
                            .sum = 9 * LN2 / 32 + 125 * b / 512,
                            .denominator = 3,
                            .counted = 3,
                            .size = 1};
    hand_case c = base;
    expect(&c, "probabilities, none");
    c.options.reduction = LOSSES_MEAN;
    c.options.upstream = F(-6); /* -6/3 */
    answer(&c, D((9 * LN2 / 32 + 125 * b / 512) / 3),
           D(-5 * (1 + 2 * LN2) / 64, 0, -(125 + 75 * b) / 512));
    expect(&c, "probabilities, mean, upstream");

    /* l and dl over 5/8, 1/2, 5/8 */
    c = base;
    c.options.alpha = -1;
    answer(&c, D(LN2 / 4, LN2 / 4, 25 * b / 64), D((1 + 2 * LN2) / 16, 0, (25 + 15 * b) / 128));
    c.sum = LN2 / 2 + 25 * b / 64;
    expect(&c, "probabilities, alpha off");
    /* a = t */
    c.options.alpha = 1;
    c.options.reduction = LOSSES_SUM;
    c.options.accumulate = 1;
    answer(&c, D(LN2 / 16 + LN2 / 8 + 25 * b / 256),
           D(0.5 + (1 + 2 * LN2) / 64, 0.5, 0.5 + (25 + 15 * b) / 512));
    c.sum = LN2 / 16 + LN2 / 8 + 25 * b / 256;
    expect(&c, "probabilities, alpha 1, sum, accumulate");

    /* g = 0: a b, a (p - t) */
    c = base;
    c.gamma = 0;
    c.options.reduction = LOSSES_MEAN;
    c.options.denominator = (losses_wide)0.5;
    answer(&c, D(1.25 * LN2 + LN2 + 1.25 * b), D(5.0 / 16, 0, 5.0 / 8));
    c.sum = 0.625 * LN2 + 0.5 * LN2 + 0.625 * b;
    c.denominator = 0.5;
    c.size = 4;
    expect(&c, "probabilities, gamma 0, denominator 1/2");

    c = base;
    c.shape = losses_rows(0, 3);
    c.options.reduction = LOSSES_MEAN;
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    report(&c, 0, 0, 0);
    expect(&c, "probabilities, no sample, nan_if_empty");
}

/* --- dice ------------------------------------------------------------------------------------ */

static void dice(void)
{
    /* I = sum p t, P = sum p, T = sum t, E = eps scale = 1; l = 1 - (2I + E)/(P + T + E),
     * dl_i = p_i (1 - p_i) ((2I + E) - 2 t_i (P + T + E))/(P + T + E)^2.
     * Mask 1: x = (0, 0), p = 1/2, t = (1, 0): I = 1/2, P = 1, T = 1: l = 1 - 2/3,
     *         dl = (2 - 6)/4/9, 2/4/9.
     * Mask 2: x = (ln 3, -ln 3), p = (3, 1)/4, t = (1, 1): I = 1, P = 1, T = 2: l = 1 - 3/4,
     *         dl = 3/16 (3 - 8)/16 for both. */
    const hand_case base = {.kind = DICE,
                            .shape = losses_masks(2, 2),
                            .logits = D(0, 0, LN3, -LN3),
                            .labels = I(1, 0, 1, 1),
                            .options.reduction = LOSSES_NONE,
                            .options.scale = 1,
                            .options.eps = 1,
                            .loss = D(1.0 / 3, 0.25),
                            .grad = D(-1.0 / 9, 1.0 / 18, -15.0 / 256, -15.0 / 256),
                            .sum = 7.0 / 12,
                            .denominator = 2 + 1e-8,
                            .counted = 2,
                            .size = 1};
    hand_case c = base;
    expect(&c, "none");
    /* a mask is a plane of one sample and class */
    c.shape = losses_images(1, 2, 2);
    expect(&c, "none, two classes of one sample");
    /* 1/2 + 9 g, 1/2 - 32 g */
    c.options.upstream = F(9, -32);
    c.options.accumulate = 1;
    c.grad = D(-0.5, 1, 2.375, 2.375);
    c.size = 2;
    expect(&c, "none, upstream per loss, accumulate");

    c = base;
    c.options.reduction = LOSSES_SUM;
    c.loss = D(7.0 / 12);
    expect(&c, "sum");
    c.options.upstream = F(-2);
    c.grad = D(2.0 / 9, -1.0 / 9, 15.0 / 128, 15.0 / 128);
    expect(&c, "sum, upstream");

    /* over 2 masks + 1e-8 */
    c = base;
    c.options.reduction = LOSSES_MEAN;
    c.loss = D(7.0 / 12 / (2 + 1e-8));
    c.grad = D(-1.0 / 9 / (2 + 1e-8), 1.0 / 18 / (2 + 1e-8), -15.0 / 256 / (2 + 1e-8),
               -15.0 / 256 / (2 + 1e-8));
    expect(&c, "mean");
    /* over 4 + 1e-8 */
    c.options.denominator = 4;
    c.options.upstream = F(3);
    c.loss = D(7.0 / 12 / (4 + 1e-8));
    c.grad = D(-1.0 / 3 / (4 + 1e-8), 1.0 / 6 / (4 + 1e-8), -45.0 / 256 / (4 + 1e-8),
               -45.0 / 256 / (4 + 1e-8));
    c.denominator = 4 + 1e-8;
    expect(&c, "denominator 4, upstream");

    /* only their product matters */
    c = base;
    c.options.eps = 0.25F;
    c.options.scale = 4;
    expect(&c, "eps 1/4, scale 4");
    /* E = 1/2. Mask 1: 2I + E = 3/2, P + T + E = 5/2: l = 2/5, dl = (3/2 - 5)/25, 3/2/25.
     * Mask 2: 5/2, 7/2: l = 2/7, dl = 3/16 (5/2 - 7) 4/49. */
    c.options.scale = 2;
    answer(&c, D(0.4, 2.0 / 7), D(-0.14, 0.06, -27.0 / 392, -27.0 / 392));
    c.sum = 24.0 / 35;
    expect(&c, "eps 1/4, scale 2");

    /* scale 1000 and eps 1e-6: E = 1/1000. Mask 1: 1.001, 2.001: l = 1/2.001,
     * dl = (1.001 - 4.002)/4/2.001^2, 1.001/4/2.001^2. Mask 2: 2.001, 3.001: l = 1/3.001,
     * dl = 3/16 (2.001 - 6.002)/3.001^2. */
    c = base;
    c.options.eps = c.options.scale = 0;
    c.loss = D(1 / 2.001, 1 / 3.001);
    c.grad = D(-3.001 / (4 * 2.001 * 2.001), 1.001 / (4 * 2.001 * 2.001),
               -3 * 4.001 / (16 * 3.001 * 3.001), -3 * 4.001 / (16 * 3.001 * 3.001));
    c.sum = 1 / 2.001 + 1 / 3.001;
    expect(&c, "default eps and scale");
    /* E = 250. Mask 1: 251, 252: l = 1/252, dl = (251 - 504)/4/252^2, 251/4/252^2.
     * Mask 2: 252, 253: l = 1/253, dl = 3/16 (252 - 506)/253^2. */
    c.options.eps = 0.25F;
    c.loss = D(1.0 / 252, 1.0 / 253);
    c.grad = D(-253.0 / (4 * 252 * 252), 251.0 / (4 * 252 * 252), -762.0 / (16 * 253 * 253),
               -762.0 / (16 * 253 * 253));
    c.sum = 1.0 / 252 + 1.0 / 253;
    expect(&c, "eps 1/4, default scale");
    /* E = 1.024. Mask 1: 2.024, 3.024 (l = 1/3.024); mask 2: 3.024, 4.024 (l = 1/4.024). */
    c.options.eps = 0;
    c.options.scale = 1024000;
    c.loss = D(1 / 3.024, 1 / 4.024);
    c.grad = D(-4.024 / (4 * 3.024 * 3.024), 2.024 / (4 * 3.024 * 3.024),
               -3 * 5.024 / (16 * 4.024 * 4.024), -3 * 5.024 / (16 * 4.024 * 4.024));
    c.sum = 1 / 3.024 + 1 / 4.024;
    c.options.reduction = LOSSES_NONE;
    expect(&c, "default eps, scale 1024000");
}

static void dice_ignored(void)
{
    /* An ignored pixel is in none of the sums: mask 1 is the first of dice() with a pixel at ln 2
     * that does not count; mask 2 has nothing that counts, so there is one mask. */
    const hand_case base = {.kind = DICE,
                            .shape = losses_masks(2, 3),
                            .logits = D(0, LN2, 0, LN3, 1, 2),
                            .labels = I(1, -100, 0, -100, -100, -100),
                            .options.reduction = LOSSES_NONE,
                            .options.scale = 1,
                            .options.eps = 1,
                            .loss = D(1.0 / 3, 0),
                            .grad = D(-1.0 / 9, 0, 1.0 / 18, 0, 0, 0),
                            .sum = 1.0 / 3,
                            .denominator = 1 + 1e-8,
                            .counted = 1};
    hand_case c = base;
    expect(&c, "ignore_index -100, none");
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D(1.0 / 3 / (1 + 1e-8)),
           D(-1.0 / 9 / (1 + 1e-8), 0, 1.0 / 18 / (1 + 1e-8), 0, 0, 0));
    expect(&c, "ignore_index -100, mean");

    c = base;
    c.labels = I(1, 255, 0, 255, 255, 255);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 255;
    c.options.reduction = LOSSES_SUM;
    c.loss = D(1.0 / 3);
    expect(&c, "ignore_index 255, sum");

    /* Without the ones: x = (0, 0), t = 0: P = 1, 2I + E = 1, P + T + E = 2: l = 1/2, dl = 1/4/4 */
    c = base;
    c.logits = D(0, LN2, 0, LN3, 1, 2);
    c.labels = I(0, 1, 0, 1, 1, 1);
    c.options.has_ignore_index = 1;
    c.options.ignore_index = 1;
    answer(&c, D(0.5, 0), D(1.0 / 16, 0, 1.0 / 16, 0, 0, 0));
    c.sum = 0.5;
    expect(&c, "ignore_index 1, a mask value");

    c = base;
    c.labels = I(-100, -100, -100, -100, -100, -100);
    c.options.reduction = LOSSES_MEAN;
    answer(&c, D(0), D(0, 0, 0, 0, 0, 0));
    report(&c, 0, 1e-8, 0);
    expect(&c, "all ignored");
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    expect(&c, "all ignored, nan_if_empty");
}

static void dice_probabilities(void)
{
    /* E = 1.
     * Mask 1: p = 1/2, t = (1/2, 1/4): I = 3/8, P = 1, T = 3/4: 2I + E = 7/4, P + T + E = 11/4:
     *         l = 4/11, dl = (7/4 - 11/4)/4 16/121, (7/4 - 11/8)/4 16/121.
     * Mask 2: p = (3, 1)/4, t = (1, 1/2): I = 7/8, P = 1, T = 3/2: 2I + E = 11/4, P + T + E = 7/2:
     *         l = 3/14, dl = 3/16 (11/4 - 7) 4/49, 3/16 (11/4 - 7/2) 4/49. */
    const hand_case base = {.kind = DICE,
                            .shape = losses_masks(2, 2),
                            .logits = D(0, 0, LN3, -LN3),
                            .probabilities = F(0.5F, 0.25F, 1, 0.5F),
                            .options.reduction = LOSSES_NONE,
                            .options.scale = 1,
                            .options.eps = 1,
                            .loss = D(4.0 / 11, 3.0 / 14),
                            .grad = D(-4.0 / 121, 3.0 / 242, -51.0 / 784, -9.0 / 784),
                            .sum = 89.0 / 154,
                            .denominator = 2 + 1e-8,
                            .counted = 2,
                            .size = 1};
    hand_case c = base;
    expect(&c, "probabilities, none");
    c.options.reduction = LOSSES_SUM;
    c.options.upstream = F(-2);
    c.options.accumulate = 1;
    answer(&c, D(89.0 / 154),
           D(0.5 + 8.0 / 121, 0.5 - 3.0 / 121, 0.5 + 51.0 / 392, 0.5 + 9.0 / 392));
    expect(&c, "probabilities, sum, upstream, accumulate");

    /* over 1/2 + 1e-8 */
    c = base;
    c.options.reduction = LOSSES_MEAN;
    c.options.denominator = (losses_wide)0.5;
    c.loss = D(89.0 / 154 / (0.5 + 1e-8));
    c.grad = D(-4.0 / 121 / (0.5 + 1e-8), 3.0 / 242 / (0.5 + 1e-8), -51.0 / 784 / (0.5 + 1e-8),
               -9.0 / 784 / (0.5 + 1e-8));
    c.denominator = 0.5 + 1e-8;
    c.size = 2;
    expect(&c, "probabilities, denominator 1/2");

    c = base;
    c.shape = losses_masks(0, 2);
    c.options.reduction = LOSSES_MEAN;
    c.options.nan_if_empty = 1;
    c.loss = D((double)NAN);
    report(&c, 0, 1e-8, 0);
    expect(&c, "probabilities, no mask, nan_if_empty");
}

/* --- one position at a time ------------------------------------------------------------------ */

static void rows(void)
{
    /* Row A, p = (1, 2, 3)/6, t = 1: l = ln 3, p - [t] = (1, -4, 3)/6 */
    hand_case c = {.kind = CROSS_ENTROPY,
                   .shape = losses_rows(1, 3),
                   .logits = D(0, LN2, LN3),
                   .labels = I(1),
                   .options.reduction = LOSSES_SUM,
                   .loss = D(LN3),
                   .grad = D(1.0 / 6, -2.0 / 3, 0.5),
                   .size = 2};
    expect_row(&c, "three classes");
    c.options.upstream = F(-6);
    c.grad = D(-1, 4, -3);
    c.size = 6;
    expect_row(&c, "three classes, upstream");

    /* One class is certain. */
    c.shape = losses_rows(1, 1);
    c.logits = D(3);
    c.labels = I(0);
    answer(&c, D(0), D(0));
    c.size = 0;
    expect_row(&c, "one class");
    c.kind = FOCAL;
    c.gamma = 2;
    expect_row(&c, "one class");

    /* t = 2: p_t = 1/2, as in focal(): l = (ln 2)/4, h = -(ln 2 + 1/2)/4 */
    c.shape = losses_rows(1, 3);
    c.logits = D(0, LN2, LN3);
    c.labels = I(2);
    c.options.upstream = F(12);
    answer(&c, D(LN2 / 4), D(LN2 + 0.5, 2 * (LN2 + 0.5), -3 * (LN2 + 0.5)));
    c.size = 4;
    expect_row(&c, "gamma 2, upstream");
    /* ln 2, p - [t] */
    c.gamma = 0;
    c.options.upstream = NULL;
    answer(&c, D(LN2), D(1.0 / 6, 1.0 / 3, -0.5));
    c.size = 1;
    expect_row(&c, "gamma 0");
    /* (ln 2)/2, h = -(ln 2/2 + 1/2)/2 */
    c.gamma = 1;
    answer(&c, D(LN2 / 2), D((LN2 + 1) / 12, (LN2 + 1) / 6, -(LN2 + 1) / 4));
    expect_row(&c, "gamma 1");
    /* as in focal_gamma() */
    c.gamma = 0.5F;
    answer(&c, D(sqrt(0.5) * LN2),
           D(sqrt(0.5) * (LN2 + 2) / 12, sqrt(0.5) * (LN2 + 2) / 6, -sqrt(0.5) * (LN2 + 2) / 4));
    expect_row(&c, "gamma 1/2");

    /* The second mask of dice(), smooth = 1: l = 1/4, dl = -15/256 */
    c.kind = DICE;
    c.shape = losses_masks(1, 2);
    c.logits = D(LN3, -LN3);
    c.labels = I(1, 1);
    c.options.eps = c.options.scale = 1;
    answer(&c, D(0.25), D(-15.0 / 256, -15.0 / 256));
    expect_row(&c, "smooth 1");
    /* l = 2/7, dl = -27/392 */
    c.options.eps = 0.5F;
    c.options.upstream = F(-392);
    answer(&c, D(2.0 / 7), D(27, 27));
    c.size = 32;
    expect_row(&c, "smooth 1/2, upstream");
}

/* --- many equal logits: exact floats of every length ----------------------------------------- */

static void set_gradient(double *grad, const int *labels, size_t n, double at_one, double elsewhere)
{
    size_t i;
    for (i = 0; i < n; i++) grad[i] = labels[i] ? at_one : elsewhere;
}

/* C logits of 3: p = 1/C. */
static void uniform_softmax(size_t classes)
{
    static double logits[ROOM], grad[ROOM], log_probabilities[ROOM];
    const double n = (double)classes, ln = log(n), s = (n - 1) / n, h = s * s * (2 * ln / n + s);
    const int target = (int)(classes / 2);
    size_t i;
    hand_case c = {.kind = CROSS_ENTROPY,
                   .shape = losses_rows(1, classes),
                   .logits = logits,
                   .labels = I(target),
                   .gamma = 2,
                   .options.reduction = LOSSES_SUM,
                   .loss = D(ln),
                   .grad = grad,
                   .log_sum_exp = D(3 + ln),
                   .sum = ln,
                   .denominator = 1,
                   .counted = 1};
    char name[32];
    snprintf(name, sizeof name, "uniform, %d classes", (int)classes);

    for (i = 0; i < classes; i++) {
        logits[i] = 3;
        log_probabilities[i] = -ln;
        grad[i] = 1 / n;
    }
    grad[target] = 1 / n - 1;
    expect(&c, name);
    expect_row(&c, name);
    expect_log_softmax(name, c.shape, NULL, logits, log_probabilities, 0);

    /* s = 1 - 1/C: l = s^2 ln C, h = -s^2 (2 (ln C)/C + s), shared evenly by the other classes */
    c.kind = FOCAL;
    c.loss = D(s * s * ln);
    c.sum = s * s * ln;
    for (i = 0; i < classes; i++) grad[i] = h / (n - 1);
    grad[target] = -h;
    expect(&c, name);
    expect_row(&c, name);

    /* e = 1/2: l = ln C still; 1/C - 1/2/C, the target 1/2 less */
    c.kind = CROSS_ENTROPY;
    c.options.label_smoothing = 0.5F;
    c.loss = D(ln);
    c.sum = ln;
    for (i = 0; i < classes; i++) grad[i] = 0.5 / n;
    grad[target] = 0.5 / n - 0.5;
    c.size = 1;
    expect(&c, name);

    /* Probability targets of 1/C, which must be a float: l = ln C, gradient 0 */
    if ((classes & (classes - 1)) == 0) {
        static float probabilities[ROOM];
        for (i = 0; i < classes; i++) {
            probabilities[i] = (float)(1 / n);
            grad[i] = 0;
        }
        c.options.label_smoothing = 0;
        c.labels = NULL;
        c.probabilities = probabilities;
        expect(&c, name);
    }
}

/* Logits of 0, every second one of n inside the mask, the first first. */
static void uniform_sigmoid(size_t pixels)
{
    static double logits[ROOM], grad[ROOM], loss[1];
    static int labels[ROOM];
    const double n = (double)pixels, ones = (double)((pixels + 1) / 2), d = n / 2 + ones + 1;
    size_t i;
    hand_case c = {.kind = BINARY_CROSS_ENTROPY,
                   .shape = losses_masks(1, pixels),
                   .logits = logits,
                   .labels = labels,
                   .loss = loss,
                   .grad = grad,
                   .sum = n * LN2,
                   .denominator = n,
                   .counted = pixels};
    char name[32];
    snprintf(name, sizeof name, "uniform, %d pixels", (int)pixels);
    for (i = 0; i < pixels; i++) {
        logits[i] = 0;
        labels[i] = i % 2 == 0;
    }
    /* Each ln 2, 1/2 - t */
    loss[0] = LN2;
    set_gradient(grad, labels, pixels, -0.5 / n, 0.5 / n);
    expect(&c, name);

    /* g = 2, a = 1: each (ln 2)/4, -+ (1/2 + ln 2)/4 */
    c.kind = SIGMOID_FOCAL;
    c.gamma = 2;
    c.options.alpha = -1;
    loss[0] = LN2 / 4;
    c.sum = n * LN2 / 4;
    set_gradient(grad, labels, pixels, -(0.5 + LN2) / (4 * n), (0.5 + LN2) / (4 * n));
    expect(&c, name);

    /* T = ones, 2I = T, P = n/2, E = 1: l = 1 - (T + 1)/d = (n/2)/d, d = n/2 + T + 1;
     * dl = ((T + 1) - 2 t d)/4/d^2 */
    c.kind = DICE;
    c.options.alpha = 0;
    c.options.eps = c.options.scale = 1;
    c.options.reduction = LOSSES_SUM;
    loss[0] = n / 2 / d;
    report(&c, n / 2 / d, 1 + 1e-8, 1);
    set_gradient(grad, labels, pixels, (ones + 1 - 2 * d) / (4 * d * d), (ones + 1) / (4 * d * d));
    expect(&c, name);
    expect_row(&c, name);
}

/* Positions of 3 equal classes, the targets 0, 1, 2, 0 ...: l = ln 3, p - [t] over the number. */
static void uniform_positions(losses_shape shape)
{
    static double logits[ROOM], grad[ROOM];
    static int labels[ROOM];
    const size_t count = shape.samples * shape.positions;
    const double n = (double)count;
    size_t i;
    hand_case c = {.kind = CROSS_ENTROPY,
                   .shape = shape,
                   .logits = logits,
                   .labels = labels,
                   .loss = D(LN3),
                   .grad = grad,
                   .sum = n * LN3,
                   .denominator = n,
                   .counted = count};
    char name[48];
    snprintf(name, sizeof name, "uniform, %d x 3 x %d", (int)shape.samples, (int)shape.positions);
    for (i = 0; i < count; i++) labels[i] = (int)(i % 3);
    for (i = 0; i < elements(shape); i++) {
        const size_t plane = i / shape.positions, class_index = plane % 3;
        const size_t position = plane / 3 * shape.positions + i % shape.positions;
        logits[i] = 3;
        grad[i] = (position % 3 == class_index ? -2.0 / 3 : 1.0 / 3) / n;
    }
    expect(&c, name);

    /* g = 2: s = 2/3: l = 4/9 ln 3, h = -8/27 (ln 3 + 1), the others half of it */
    c.kind = FOCAL;
    c.gamma = 2;
    c.loss = D(4 * LN3 / 9);
    c.sum = 4 * n * LN3 / 9;
    for (i = 0; i < elements(shape); i++) grad[i] *= 4 * (LN3 + 1) / 9;
    expect(&c, name);
}

static void uniform(void)
{
    static const size_t lengths[] = {2, 3, 5, 15, 16, 17, 31, 32, 33, 64, 100, 257};
    size_t i;
    for (i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uniform_softmax(lengths[i]);
        uniform_sigmoid(lengths[i]);
        if (lengths[i] > 100) continue;
        uniform_positions(losses_rows(lengths[i], 3));
        uniform_positions(losses_images(1, 3, lengths[i]));
        uniform_positions(losses_images(2, 3, lengths[i]));
    }
    uniform_sigmoid(1);
}

/* --- identities ------------------------------------------------------------------------------ */

/* cross_entropy == nll(log_softmax), forward and backward, and == focal with gamma 0. */
static void identities(void)
{
    static double logits[ROOM], log_probabilities[ROOM], loss[ROOM], grad[ROOM], other_loss[ROOM],
        other_grad[ROOM];
    const losses_shape shape = losses_rows(4, 5);
    int in_double;
    size_t i, weighted;
    losses_targets targets;
    hand_case c = {.shape = shape, .labels = I(2, -100, 0, 4)};
    CHECK(targets_as(&c, 1, with_strides(shape, 0), &targets));
    for (i = 0; i < elements(shape); i++) logits[i] = (double)(i * 7 % 11) * 0.75 - 3;
    for (in_double = 0; in_double <= HAVE_REFERENCE; in_double++)
        for (weighted = 0; weighted <= 1; weighted++) {
            losses_options options = {.class_weight = weighted ? F(1, 2, 0.5F, 3, 4) : NULL};
            check_case("cross_entropy == nll(log_softmax)%s, %s", weighted ? ", class_weight" : "",
                       in_double ? "double" : "float");
            c.kind = CROSS_ENTROPY;
            CHECK_STATUS(call(&c, in_double, loss, grad, logits, targets, shape, &options),
                         LOSSES_OK);
            CHECK_STATUS(call_log_softmax(in_double, log_probabilities, NULL, logits, shape),
                         LOSSES_OK);
            c.kind = NLL;
            CHECK_STATUS(call(&c, in_double, other_loss, other_grad, log_probabilities, targets,
                              shape, &options),
                         LOSSES_OK);
            CHECK_STATUS(
                call_log_softmax(in_double, other_grad, other_grad, log_probabilities, shape),
                LOSSES_OK);
            check_value(in_double, other_loss[0], loss[0], 4);
            for (i = 0; i < elements(shape); i++) check_value(in_double, other_grad[i], grad[i], 4);
            if (weighted)
                continue; /* the weights would be class_alpha, and not in the denominator */
            check_case("cross_entropy == focal, gamma 0, %s", in_double ? "double" : "float");
            c.kind = FOCAL;
            CHECK_STATUS(
                call(&c, in_double, other_loss, other_grad, logits, targets, shape, &options),
                LOSSES_OK);
            check_value(in_double, other_loss[0], loss[0], 4);
            for (i = 0; i < elements(shape); i++) check_value(in_double, other_grad[i], grad[i], 4);
        }
}

/* --- the rest -------------------------------------------------------------------------------- */

static void status_names(void)
{
    check_case("losses_status_name");
    CHECK(strcmp(losses_status_name(LOSSES_OK), "LOSSES_OK") == 0);
    CHECK(strcmp(losses_status_name(LOSSES_BAD_POINTER), "LOSSES_BAD_POINTER") == 0);
    CHECK(strcmp(losses_status_name(LOSSES_BAD_SHAPE), "LOSSES_BAD_SHAPE") == 0);
    CHECK(strcmp(losses_status_name(LOSSES_BAD_OPTION), "LOSSES_BAD_OPTION") == 0);
    CHECK(strcmp(losses_status_name(LOSSES_BAD_TARGET), "LOSSES_BAD_TARGET") == 0);
    CHECK(strcmp(losses_status_name(LOSSES_BAD_OVERLAP), "LOSSES_BAD_OVERLAP") == 0);
    CHECK(strcmp(losses_status_name((losses_status)INT_MIN), "unknown losses_status") == 0);
    CHECK(strcmp(losses_status_name((losses_status)INT_MAX), "unknown losses_status") == 0);
    CHECK(losses_status_name((losses_status)-6) != NULL);
    CHECK(losses_status_name((losses_status)1) != NULL);
    CHECK(strncmp(losses_status_name((losses_status)-6), "LOSSES_", 7) != 0);
    CHECK(strncmp(losses_status_name((losses_status)1), "LOSSES_", 7) != 0);
}

static void version(void)
{
    char text[64];
    check_case("version");
    snprintf(text, sizeof text, "%d.%d.%d", LOSSES_VERSION_MAJOR, LOSSES_VERSION_MINOR,
             LOSSES_VERSION_PATCH);
    CHECK(strcmp(LOSSES_VERSION_STRING, text) == 0);
    CHECK(LOSSES_VERSION ==
          10000 * LOSSES_VERSION_MAJOR + 100 * LOSSES_VERSION_MINOR + LOSSES_VERSION_PATCH);
}

void test_hand(void)
{
    log_softmax();
    nll();
    cross_entropy();
    cross_entropy_ignored();
    cross_entropy_weighted();
    cross_entropy_probabilities();
    focal();
    focal_gamma();
    binary_cross_entropy();
    binary_cross_entropy_far_ahead();
    binary_cross_entropy_ignored();
    binary_cross_entropy_probabilities();
    sigmoid_focal();
    sigmoid_focal_gamma();
    sigmoid_focal_probabilities();
    dice();
    dice_ignored();
    dice_probabilities();
    rows();
    uniform();
    identities();
    status_names();
    version();
}
