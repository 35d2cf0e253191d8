/* Walks over expected.inc: answers computed in many digits from the textbook definitions, not from
 * the forms that the library uses. Each case runs in float and on the reference. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

enum expected_call {
    LOG_SOFTMAX,
    LOG_SOFTMAX_GRADIENT,
    NLL,
    CROSS_ENTROPY,
    FOCAL,
    BINARY_CROSS_ENTROPY,
    SIGMOID_FOCAL,
    DICE
};
enum expected_type { U8, I32, I64 };
static const char *const call_names[] = {
    "log_softmax", "log_softmax_gradient", "nll",           "cross_entropy",
    "focal",       "binary_cross_entropy", "sigmoid_focal", "dice"};

/* logits, soft, start, grad and size are packed here, also where the call gets strides. */
struct expected_case {
    enum expected_call call;
    losses_shape shape;
    const float *logits;
    enum expected_type type;
    const int64_t *labels;
    const float *soft; /* probabilities; for log_softmax_gradient the upstream */
    float gamma;
    losses_options options;
    const float *start; /* in grad before, with accumulate */
    const double *loss; /* the answers ... */
    const double *grad;
    const double *lse;  /* NULL: not asked for */
    const double *size; /* natural size of grad: the sum of |terms| of an element; NULL: |answer| */
    const double *lse_size; /* the same of lse */
    double sum, denominator;
    size_t counted;
};

#define F(...) \
    (const float[]) { __VA_ARGS__ }
#define D(...) \
    (const double[]) { __VA_ARGS__ }
#define I(...) \
    (const int64_t[]) { __VA_ARGS__ }
#include "expected.inc"

#define LARGEST 1024
#define PADDING 12345.0f

static struct {
    float logits[LARGEST], soft[LARGEST], grad[LARGEST], loss[LARGEST], lse[LARGEST];
    double logits_wide[LARGEST], soft_wide[LARGEST], grad_wide[LARGEST], loss_wide[LARGEST];
    uint8_t u8[LARGEST];
    int32_t i32[LARGEST];
    char used[LARGEST];
} at;

static size_t elements(losses_shape s) { return s.samples * s.classes * s.positions; }

static size_t place(losses_shape s, size_t element) /* of a packed element, among the strides */
{
    size_t class_stride = s.class_stride ? s.class_stride : s.positions;
    size_t sample_stride = s.sample_stride ? s.sample_stride : s.classes * class_stride;
    size_t plane = element / s.positions;
    return plane / s.classes * sample_stride + plane % s.classes * class_stride +
           element % s.positions;
}

static size_t losses_of(const struct expected_case *c) /* how many */
{
    if (c->call == LOG_SOFTMAX || c->call == LOG_SOFTMAX_GRADIENT) return 0;
    if (c->options.reduction != LOSSES_NONE) return 1;
    if (c->call == DICE) return c->shape.samples * c->shape.classes;
    if (c->call == BINARY_CROSS_ENTROPY || c->call == SIGMOID_FOCAL) return elements(c->shape);
    return c->shape.samples * c->shape.positions;
}

static void lay_out(const struct expected_case *c)
{
    size_t i, n = elements(c->shape);
    for (i = 0; i < LARGEST; i++) {
        at.logits[i] = at.soft[i] = at.grad[i] = PADDING;
        at.logits_wide[i] = at.soft_wide[i] = at.grad_wide[i] = (double)PADDING;
    }
    memset(at.used, 0, sizeof at.used);
    for (i = 0; i < n; i++) {
        size_t p = place(c->shape, i);
        at.used[p] = 1;
        at.logits[p] = c->logits[i];
        at.logits_wide[p] = (double)c->logits[i];
        if (c->soft) {
            at.soft[p] = c->soft[i];
            at.soft_wide[p] = (double)c->soft[i];
        }
        if (c->start) {
            at.grad[p] = c->start[i];
            at.grad_wide[p] = (double)c->start[i];
        }
    }
}

static losses_targets targets_of(const struct expected_case *c)
{
    int per_element =
        c->call == BINARY_CROSS_ENTROPY || c->call == SIGMOID_FOCAL || c->call == DICE;
    size_t i, n = per_element ? elements(c->shape) : c->shape.samples * c->shape.positions;
    if (!c->labels) return losses_f32(at.soft);
    for (i = 0; i < n; i++) {
        at.u8[i] = (uint8_t)c->labels[i];
        at.i32[i] = (int32_t)c->labels[i];
    }
    if (c->type == U8) return losses_u8(at.u8);
    if (c->type == I32) return losses_i32(at.i32);
    return losses_i64(c->labels);
}

/* The call of case c, on a set of arguments of one precision. */
#define CALL(prefix, real, loss, grad, logits, soft) \
    switch (c->call) { \
    case LOG_SOFTMAX: \
        return prefix##log_softmax(grad, logits, shape); \
    case LOG_SOFTMAX_GRADIENT: \
        return prefix##log_softmax_gradient(grad, soft, logits, shape); \
    case NLL: \
        return prefix##nll(loss, grad, logits, targets, shape, options); \
    case CROSS_ENTROPY: \
        return prefix##cross_entropy(loss, grad, logits, targets, shape, options); \
    case FOCAL: \
        return prefix##focal(loss, grad, logits, targets, shape, (real)c->gamma, options); \
    case BINARY_CROSS_ENTROPY: \
        return prefix##binary_cross_entropy(loss, grad, logits, targets, shape, options); \
    case SIGMOID_FOCAL: \
        return prefix##sigmoid_focal(loss, grad, logits, targets, shape, (real)c->gamma, options); \
    case DICE: \
        return prefix##dice(loss, grad, logits, targets, shape, options); \
    } \
    return LOSSES_BAD_OPTION

static losses_status call_float(const struct expected_case *c, const losses_options *options)
{
    losses_shape shape = c->shape;
    losses_targets targets = targets_of(c);
    CALL(losses_, float, at.loss, at.grad, at.logits, at.soft);
}

#if !defined(LOSSES_NO_REFERENCE) && !defined(LOSSES_NO_DOUBLE)
static losses_status call_reference(const struct expected_case *c, const losses_options *options)
{
    losses_shape shape = c->shape;
    losses_targets targets = targets_of(c);
    CALL(losses_reference_, double, at.loss_wide, at.grad_wide, at.logits_wide, at.soft_wide);
}
#endif

static int flushes_to_zero(void) /* a process linked with -Ofast: denormals come out as 0 */
{
    volatile float least = FLT_MIN;
    least /= 2;
    return least == 0;
}

/* Within ulps, or within 4 * 2^-24 of the natural size where the terms of an answer cancel. */
static void check_float(float got, double want, double size, double ulps)
{
    double natural = 4 * ldexp(size, -24);
    if (fabs(want) < (double)FLT_MIN && flushes_to_zero()) natural = (double)FLT_MIN;
    if (fabs((double)got - want) <= natural) {
        CHECK_NEAR((double)got, want, natural);
    } else {
        CHECK_ULP(got, want, ulps);
        CHECK(got != 0 || fabs(want) < 1.5e-45);
    }
}

static void check_double(double got, double want, double size)
{
    CHECK_NEAR(got, want, 100 * ldexp(size, -53));
}

static double size_of(const double *sizes, const double *want, size_t i)
{
    return sizes ? sizes[i] : fabs(want[i]);
}

static void walk(const struct expected_case *c, int reference)
{
    size_t i, n = elements(c->shape), rows = c->shape.samples * c->shape.positions;
    double grad_ulps = c->call == LOG_SOFTMAX ? 4 : 32; /* log_softmax has values there */
    int intact = 1;                                     /* the padding */
    losses_status status = LOSSES_OK;
    losses_options options = c->options;
    losses_report report;
    if (c->lse) options.log_sum_exp = at.lse;
    options.report = &report;
    lay_out(c);
    if (!reference) status = call_float(c, &options);
#if !defined(LOSSES_NO_REFERENCE) && !defined(LOSSES_NO_DOUBLE)
    if (reference) status = call_reference(c, &options);
#endif
    CHECK_STATUS(status, LOSSES_OK);
    if (status != LOSSES_OK) return;

    for (i = 0; i < losses_of(c); i++) {
        if (reference)
            check_double(at.loss_wide[i], c->loss[i], fabs(c->loss[i]));
        else
            check_float(at.loss[i], c->loss[i], fabs(c->loss[i]), 4);
    }
    for (i = 0; i < n; i++) {
        size_t p = place(c->shape, i);
        double size = size_of(c->size, c->grad, i);
        if (reference)
            check_double(at.grad_wide[p], c->grad[i], size);
        else
            check_float(at.grad[p], c->grad[i], size, grad_ulps);
    }
    for (i = 0; i < LARGEST; i++) {
        double there = reference ? at.grad_wide[i] : (double)at.grad[i];
        if (!at.used[i] && there != (double)PADDING) intact = 0;
    }
    CHECK(intact);
    for (i = 0; c->lse && i < rows; i++) {
        check_float(at.lse[i], c->lse[i], size_of(c->lse_size, c->lse, i), 4);
    }
    if (!c->loss) return;
    CHECK(report.counted == c->counted);
    if (reference) {
        check_double((double)report.sum, c->sum, fabs(c->sum));
        check_double((double)report.denominator, c->denominator, c->denominator);
    } else {
        check_float((float)report.sum, c->sum, fabs(c->sum), 4);
        check_float((float)report.denominator, c->denominator, c->denominator, 4);
    }
}

void test_expected(void)
{
    size_t i, count = sizeof expected_cases / sizeof expected_cases[0];
    int reference;
    for (reference = 0; reference <= check_on_best_set(); reference++) {
#if defined(LOSSES_NO_REFERENCE) || defined(LOSSES_NO_DOUBLE)
        if (reference) break;
#endif
        for (i = 0; i < count; i++) {
            const struct expected_case *c = &expected_cases[i];
            check_case("%s case %u of expected.inc%s: %u x %u x %u, gamma %g", call_names[c->call],
                       (unsigned)i, reference ? ", reference" : "", (unsigned)c->shape.samples,
                       (unsigned)c->shape.classes, (unsigned)c->shape.positions, (double)c->gamma);
            walk(c, reference);
        }
    }
}
