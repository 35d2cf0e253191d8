/* Exact results: the formulas of PART 1 of losses.h, term by term in 256 bits. They are arranged
 * only where those bits would not do: 1 - p is the sum of the other classes, -log p is
 * (x_r - x) + log1p(sum of the others) from the greatest logit x_r, and dice is V / (P + T + E) with
 * V = sum p (1-t) + (1-p) t. */
#include <math.h>
#include <mpfr.h>
#include "exact.h"

#define N MPFR_RNDN

struct exact_number exact_values[EXACT_MOST], exact_outputs[EXACT_MOST];
int exact_overflows;

static struct exact_case *const at = &exact_case;

/* Of the position in hand, with r its greatest logit: e^(x_c - x_r), their sum, the sum without r,
 * and lse - x_r; and k_c = w_c q'_c, the target of cross-entropy. */
static mpfr_t power[EXACT_CLASSES], all, others, above, k[EXACT_CLASSES];
static size_t r;

static mpfr_t sum, denominator, factor, largest, value, p, n, a, b, c, d, rest, zero;

static void start(void)
{
    static int started;
    size_t i;
    if (started++) return;
    mpfr_set_default_prec(256);
    for (i = 0; i < EXACT_CLASSES; i++) mpfr_inits(power[i], k[i], (mpfr_ptr)NULL);
    mpfr_inits(all, others, above, sum, denominator, factor, largest, value, p, n, a, b, c, d, rest,
               zero, (mpfr_ptr)NULL);
    mpfr_set_zero(zero, 1);
}

/* size: NULL where nothing cancels */
static void put(struct exact_number *to, mpfr_t number, mpfr_srcptr size)
{
    to->high = mpfr_get_d(number, N);
    mpfr_sub_d(rest, number, to->high, N);
    to->low = mpfr_get_d(rest, N);
    to->size = size != NULL ? mpfr_get_d(size, N) : 0;
}

static void term(mpfr_t number) /* keeps the largest */
{
    if (mpfr_cmpabs(number, largest) > 0) mpfr_abs(largest, number, N);
}

/* --- reductions ------------------------------------------------------------------------------- */

static void set_factor(size_t i) /* of the gradients of loss i: upstream / D */
{
    const losses_options *o = &at->options;
    mpfr_set_d(factor, 1, N);
    if (o->upstream != NULL)
        mpfr_set_flt(factor, o->upstream[o->reduction == LOSSES_NONE ? i : 0], N);
    if (o->reduction == LOSSES_MEAN) mpfr_div(factor, factor, denominator, N);
}

static void add_loss(size_t i)
{
    mpfr_add(sum, sum, value, N);
    if (isinf(mpfr_get_flt(value, N))) exact_overflows = 1;
    if (at->options.reduction == LOSSES_NONE) put(&exact_values[i], value, NULL);
}

static void put_gradient(size_t element, mpfr_t g, int cancels)
{
    mpfr_mul(g, g, factor, N);
    if (cancels) mpfr_mul(largest, largest, factor, N), mpfr_abs(largest, largest, N);
    put(&exact_outputs[element], g, cancels ? largest : NULL);
}

static void put_zeros(size_t element, size_t count, size_t step)
{
    for (; count-- > 0; element += step) put(&exact_outputs[element], zero, NULL);
}

static void put_reduced(void)
{
    if (at->options.reduction == LOSSES_NONE) return;
    if (at->options.reduction == LOSSES_MEAN) mpfr_div(sum, sum, denominator, N);
    put(&exact_values[0], sum, NULL);
}

/* --- one softmax ------------------------------------------------------------------------------ */

static void softmax(const float *x, size_t classes, size_t step)
{
    size_t j;
    for (r = 0, j = 1; j < classes; j++)
        if (x[j * step] > x[r * step]) r = j;
    mpfr_set_zero(others, 1);
    for (j = 0; j < classes; j++) {
        mpfr_set_flt(power[j], x[j * step], N);
        mpfr_sub_d(power[j], power[j], (double)x[r * step], N);
        mpfr_exp(power[j], power[j], N);
        if (j != r) mpfr_add(others, others, power[j], N);
    }
    mpfr_add(all, others, power[r], N);
    mpfr_log1p(above, others, N);
}

static void set_p(mpfr_t to, size_t j) { mpfr_div(to, power[j], all, N); }

static void set_1_minus_p(mpfr_t to, size_t j)
{
    mpfr_sub(to, all, power[j], N);
    mpfr_div(to, j == r ? others : to, all, N);
}

static void set_minus_log_p(mpfr_t to, const float *x, size_t j, size_t step)
{
    mpfr_set_flt(to, x[r * step], N);
    mpfr_sub_d(to, to, (double)x[j * step], N);
    mpfr_add(to, to, above, N);
}

static void set_lse(mpfr_t to, const float *x, size_t step)
{
    mpfr_add_d(to, above, (double)x[r * step], N);
}

static void set_1_minus(mpfr_t to, double t)
{
    mpfr_set_d(to, t, N);
    mpfr_ui_sub(to, 1, to, N);
}

static double weight_of(const float *weights, size_t j)
{
    return weights != NULL ? (double)weights[j] : 1;
}

/* k_j = w_j ((1-e) q_j + e/C), q_j = [j = t] for a class index; its larger term is in d. */
static void set_target(mpfr_t to, const float *q, int32_t t, size_t j, size_t step)
{
    const losses_options *o = &at->options;
    const double q_j = q != NULL ? (double)q[j * step] : t == (int32_t)j;
    set_1_minus(to, (double)o->label_smoothing);
    mpfr_mul_d(to, to, q_j, N);
    mpfr_set_d(d, (double)o->label_smoothing, N);
    mpfr_div_ui(d, d, (unsigned long)at->shape.classes, N);
    if (mpfr_cmpabs(to, d) > 0) mpfr_swap(to, d);
    mpfr_add(to, to, d, N);
    mpfr_mul_d(to, to, weight_of(o->class_weight, j), N);
    mpfr_mul_d(d, d, weight_of(o->class_weight, j), N);
}

/* l = sum k_c (-log p_c) + z lse^2;  dl/dx_j = A p_j - k_j + 2 z lse p_j, A = sum k_c, of which the
 * first two are (A - k_j) p_j - k_j (1 - p_j). */
static void cross_entropy(const float *x, const float *q, int32_t t, size_t first, size_t step,
                          size_t i)
{
    const size_t classes = at->shape.classes;
    const double z = (double)at->options.z_loss;
    const int cancels = q != NULL || z > 0 || at->options.label_smoothing > 0;
    size_t j;
    softmax(x, classes, step);
    set_lse(c, x, step);
    mpfr_mul_d(c, c, z, N); /* z lse */
    set_lse(a, x, step);
    mpfr_mul(value, c, a, N);
    mpfr_mul_ui(c, c, 2, N);
    mpfr_set_zero(b, 1); /* A */
    for (j = 0; j < classes; j++) {
        set_target(k[j], q, t, j, step);
        mpfr_add(b, b, k[j], N);
        set_minus_log_p(a, x, j, step);
        if (!mpfr_zero_p(k[j])) mpfr_fma(value, k[j], a, value, N);
    }
    add_loss(i);
    set_factor(i);
    for (j = 0; j < classes; j++) {
        mpfr_set_zero(largest, 1);
        if (cancels) {
            set_target(a, q, t, j, step);
            term(q != NULL ? a : d);
        }
        set_p(p, j);
        set_1_minus_p(n, j);
        mpfr_mul(a, b, p, N);
        if (cancels) term(a);
        mpfr_sub(a, b, k[j], N);
        mpfr_mul(a, a, p, N);
        mpfr_mul(n, n, k[j], N);
        mpfr_sub(a, a, n, N);
        mpfr_mul(p, p, c, N);
        if (cancels) term(p);
        mpfr_add(a, a, p, N);
        put_gradient(first + j * step, a, cancels);
    }
}

/* L = -log p_t, s = 1 - p_t:  l = a s^gamma L,  h = -a s^gamma (gamma p_t L + s),
 * dl/dx_t = h,  dl/dx_j = -h p_j / s */
static void focal(const float *x, int32_t t, size_t first, size_t step, size_t i)
{
    const losses_options *o = &at->options;
    size_t j;
    softmax(x, at->shape.classes, step);
    set_1_minus_p(n, (size_t)t);
    set_p(p, (size_t)t);
    set_minus_log_p(b, x, (size_t)t, step);
    mpfr_set_flt(a, at->gamma, N);
    mpfr_pow(a, n, a, N);
    mpfr_mul_d(a, a, o->alpha > 0 ? (double)o->alpha : 1, N);
    mpfr_mul_d(a, a, weight_of(o->class_alpha, (size_t)t), N);
    mpfr_mul(value, a, b, N);
    add_loss(i);
    set_factor(i);
    mpfr_mul(b, b, p, N);
    mpfr_mul_d(b, b, (double)at->gamma, N);
    mpfr_add(b, b, n, N);
    mpfr_mul(a, a, b, N); /* -h */
    mpfr_div(b, a, n, N); /* -h / s */
    if (mpfr_zero_p(n)) mpfr_set_zero(b, 1);
    mpfr_neg(a, a, N);
    for (j = 0; j < at->shape.classes; j++) {
        set_p(c, j);
        mpfr_mul(c, c, b, N);
        put_gradient(first + j * step, j == (size_t)t ? a : c, 0);
    }
}

static void nll(const float *x, int32_t t, size_t first, size_t step, size_t i)
{
    put_zeros(first, at->shape.classes, step);
    mpfr_set_d(a, -weight_of(at->options.class_weight, (size_t)t), N);
    mpfr_mul_d(value, a, (double)x[(size_t)t * step], N);
    add_loss(i);
    set_factor(i);
    put_gradient(first + (size_t)t * step, a, 0);
}

static void log_softmax(const float *x, size_t first, size_t step)
{
    size_t j;
    softmax(x, at->shape.classes, step);
    for (j = 0; j < at->shape.classes; j++) {
        set_minus_log_p(a, x, j, step);
        mpfr_neg(a, a, N);
        put(&exact_outputs[first + j * step], a, NULL);
    }
}

static void log_sum_exp(const float *x, size_t step, size_t i)
{
    softmax(x, at->shape.classes, step);
    mpfr_set_flt(a, x[r * step], N);
    mpfr_set_zero(largest, 1);
    term(a);
    term(above);
    set_lse(a, x, step);
    put(&exact_outputs[i], a, largest);
}

/* u_j - e^(x_j) sum_c u_c, x the log-probabilities */
static void log_softmax_gradient(const float *x, const float *u, size_t first, size_t step)
{
    size_t j;
    mpfr_set_zero(b, 1);
    for (j = 0; j < at->shape.classes; j++) mpfr_add_d(b, b, (double)u[j * step], N);
    for (j = 0; j < at->shape.classes; j++) {
        mpfr_set_flt(p, x[j * step], N);
        mpfr_exp(p, p, N);
        mpfr_mul(p, p, b, N);
        mpfr_set_flt(a, u[j * step], N);
        mpfr_set_zero(largest, 1);
        term(a);
        term(p);
        mpfr_sub(a, a, p, N);
        put(&exact_outputs[first + j * step], a, largest);
    }
}

static void softmax_losses(void)
{
    const size_t step = at->shape.positions, classes = at->shape.classes;
    size_t sample, m, i = 0;
    mpfr_set_zero(denominator, 1);
    for (i = 0; i < at->labels; i++)
        if (at->t[i] != -100)
            mpfr_add_d(denominator, denominator,
                       weight_of(at->options.class_weight, (size_t)at->t[i]), N);
    if (at->soft) mpfr_set_ui(denominator, (unsigned long)(at->shape.samples * step), N);
    for (i = sample = 0; sample < at->shape.samples; sample++) {
        for (m = 0; m < step; m++, i++) {
            const size_t first = sample * classes * step + m;
            const float *x = at->x + first, *q = at->q + first;
            const int32_t t = at->t[i];
            if (at->labels > 0 && t == -100) {
                mpfr_set_zero(value, 1);
                add_loss(i);
                put_zeros(first, classes, step);
            } else if (at->loss == LOG_SOFTMAX) {
                log_softmax(x, first, step);
            } else if (at->loss == LOG_SUM_EXP) {
                log_sum_exp(x, step, i);
            } else if (at->loss == LOG_SOFTMAX_GRADIENT) {
                log_softmax_gradient(x, q, first, step);
            } else if (at->loss == NLL) {
                nll(x, t, first, step, i);
            } else if (at->loss == FOCAL) {
                focal(x, t, first, step, i);
            } else {
                cross_entropy(x, at->soft ? q : NULL, t, first, step, i);
            }
        }
    }
}

/* --- one sigmoid ------------------------------------------------------------------------------ */

/* p = s(x), n = 1 - p = s(-x); value = t sp(-x) + (1-t) sp(x), the first times positive; d = 1-t */
static void sigmoid(double x, double t, double positive)
{
    mpfr_set_d(a, -fabs(x), N);
    mpfr_exp(a, a, N);
    mpfr_log1p(b, a, N); /* sp(-|x|) */
    mpfr_add_ui(p, a, 1, N);
    mpfr_div(n, a, p, N);
    mpfr_ui_div(p, 1, p, N); /* s(|x|) */
    mpfr_add_d(a, b, fabs(x), N);
    if (x < 0) mpfr_swap(p, n), mpfr_swap(a, b);
    mpfr_mul_d(b, b, t, N);
    mpfr_mul_d(b, b, positive, N);
    set_1_minus(d, t);
    mpfr_mul(value, a, d, N);
    mpfr_add(value, value, b, N);
}

/* dl/dx = w ((1-t) p - b t n) */
static void binary_cross_entropy(double x, double t, size_t class, size_t i)
{
    const double positive = weight_of(at->options.positive_weight, class);
    const double w = weight_of(at->options.class_weight, class);
    sigmoid(x, t, positive);
    mpfr_mul_d(value, value, w, N);
    add_loss(i);
    set_factor(i);
    mpfr_set_zero(largest, 1);
    mpfr_mul(p, p, d, N);
    mpfr_mul_d(p, p, w, N);
    mpfr_mul_d(n, n, t, N);
    mpfr_mul_d(n, n, positive, N);
    mpfr_mul_d(n, n, w, N);
    term(p);
    term(n);
    mpfr_sub(p, p, n, N);
    put_gradient(i, p, at->soft);
}

/* l = a m^gamma bce,  dl/dx = a (m^gamma (p - t) + gamma m^(gamma-1) (1-2t) p n bce), with
 * m = t n + (1-t) p and p - t = (1-t) p - t n */
static void sigmoid_focal(double x, double t, size_t i)
{
    const double alpha = at->options.alpha != 0 ? (double)at->options.alpha : 0.25;
    sigmoid(x, t, 1);
    mpfr_mul_d(a, n, t, N);
    mpfr_mul(b, p, d, N);
    mpfr_add(c, a, b, N); /* m */
    mpfr_mul(p, p, n, N);
    mpfr_mul(p, p, value, N);
    mpfr_sub_d(n, d, t, N); /* 1 - 2t */
    mpfr_mul(p, p, n, N);
    mpfr_mul_d(p, p, (double)at->gamma, N);
    if (!mpfr_zero_p(p)) mpfr_div(p, p, c, N); /* where p n is 0 that third term is */
    mpfr_set_flt(n, at->gamma, N);
    mpfr_pow(c, c, n, N);
    if (alpha > 0) {
        set_1_minus(n, alpha);
        mpfr_mul(d, d, n, N);
        mpfr_set_d(n, alpha, N);
        mpfr_mul_d(n, n, t, N);
        mpfr_add(d, d, n, N);
        mpfr_mul(c, c, d, N);
    }
    mpfr_mul(value, value, c, N);
    add_loss(i);
    set_factor(i);
    mpfr_mul(a, a, c, N);
    mpfr_mul(b, b, c, N);
    mpfr_mul(p, p, c, N);
    mpfr_set_zero(largest, 1);
    term(a);
    term(b);
    term(p);
    mpfr_sub(b, b, a, N);
    mpfr_add(b, b, p, N);
    put_gradient(i, b, at->soft);
}

static void sigmoid_losses(void)
{
    size_t i, counted = 0;
    for (i = 0; i < at->outputs; i++) counted += at->soft || at->t[i] != -100;
    mpfr_set_ui(denominator, (unsigned long)counted, N);
    for (i = 0; i < at->outputs; i++) {
        const double t = at->soft ? (double)at->q[i] : (double)at->t[i];
        if (!at->soft && t < 0) {
            mpfr_set_zero(value, 1);
            add_loss(i);
            put_zeros(i, 1, 1);
        } else if (at->loss == SIGMOID_FOCAL) {
            sigmoid_focal((double)at->x[i], t, i);
        } else {
            binary_cross_entropy((double)at->x[i], t, i / at->shape.positions % at->shape.classes,
                                 i);
        }
    }
}

/* --- dice ------------------------------------------------------------------------------------- */

static void set_smooth(mpfr_t to)
{
    if (at->options.eps > 0)
        mpfr_set_flt(to, at->options.eps, N);
    else
        mpfr_set_str(to, "1e-6", 10, N);
    mpfr_mul_d(to, to, at->options.scale > 0 ? (double)at->options.scale : 1000, N);
}

/* l = V / D,  dl/dx = p n ((2I + E) - 2 t D) / D^2,  D = P + T + E */
static void dice(size_t first, size_t i)
{
    size_t m, counted = 0;
    mpfr_set_zero(c, 1); /* V */
    set_smooth(largest); /* 2I + E */
    for (m = first; m < first + at->shape.positions; m++) {
        const double t = at->soft ? (double)at->q[m] : (double)at->t[m];
        if (!at->soft && t < 0) continue;
        counted++;
        sigmoid((double)at->x[m], t, 1);
        mpfr_mul_d(a, p, 2 * t, N);
        mpfr_add(largest, largest, a, N);
        mpfr_mul(p, p, d, N);
        mpfr_mul_d(n, n, t, N);
        mpfr_add(c, c, p, N);
        mpfr_add(c, c, n, N);
    }
    mpfr_add(d, c, largest, N); /* D */
    mpfr_div(value, c, d, N);
    if (counted == 0) mpfr_set_zero(value, 1);
    add_loss(i);
    set_factor(i);
    mpfr_div(factor, factor, d, N);
    mpfr_div(c, largest, d, N); /* (2I + E) / D; sigmoid takes d */
    for (m = first; m < first + at->shape.positions; m++) {
        const double t = at->soft ? (double)at->q[m] : (double)at->t[m];
        if (!at->soft && t < 0) {
            put_zeros(m, 1, 1);
            continue;
        }
        sigmoid((double)at->x[m], t, 1);
        mpfr_mul(p, p, n, N);
        mpfr_mul(a, p, c, N);
        mpfr_mul_d(p, p, 2 * t, N);
        mpfr_set_zero(largest, 1);
        term(a);
        term(p);
        mpfr_sub(a, a, p, N);
        put_gradient(m, a, at->soft);
    }
}

static void dice_losses(void)
{
    const size_t masks = at->shape.samples * at->shape.classes;
    size_t i, m, counted = 0;
    for (i = 0; i < masks; i++) {
        for (m = 0; m < at->shape.positions; m++) {
            if (at->soft || at->t[i * at->shape.positions + m] >= 0) {
                counted++;
                break;
            }
        }
    }
    mpfr_set_str(denominator, "1e-8", 10, N);
    mpfr_add_ui(denominator, denominator, (unsigned long)counted, N);
    for (i = 0; i < masks; i++) dice(i * at->shape.positions, i);
}

void exact_compute(void)
{
    start();
    mpfr_set_zero(sum, 1);
    exact_overflows = 0;
    if (at->loss == DICE)
        dice_losses();
    else if (at->loss == BINARY_CROSS_ENTROPY || at->loss == SIGMOID_FOCAL)
        sigmoid_losses();
    else
        softmax_losses();
    if (at->values > 0) put_reduced();
}
