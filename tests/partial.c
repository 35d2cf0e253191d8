/* Partial results against the whole: blocks of classes in any split, folded and merged in any order, give what
 * losses_cross_entropy and losses_focal give, and what the reference gives in double. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#if defined(LOSSES_NO_REFERENCE) || defined(LOSSES_NO_DOUBLE)
void test_partial(void) {}
#else
enum { MOST = 1500, RANKS = 4, POSITIONS = 64, CLASSES = 400 };

/* xorshift64* of Marsaglia and Vigna */
static uint64_t state;
static uint64_t random64(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
}
static size_t below(size_t n) { return (size_t)((random64() >> 33) % n); }
static float uniform(void) { return (float)(random64() >> 40) * 0x1p-24f; }
static float bell(void) { return uniform() + uniform() + uniform() + uniform() - 2; } /* +-2 */

static float x[MOST], q[MOST], weight[CLASSES], upstream[POSITIONS];
static float grad[MOST], whole[MOST], loss[POSITIONS], whole_loss[POSITIONS], lse[POSITIONS], whole_lse[POSITIONS];
static double exact[MOST], exact_loss[POSITIONS], exact_p[MOST], x_wide[MOST];
static int32_t targets[POSITIONS];
static losses_partial states[RANKS][POSITIONS];

/* One call: its shape, in classes n of the positions that lie as described. */
typedef struct task {
    losses_shape shape; /* strides in full */
    int soft, focal;
    float gamma;
    losses_options o;
} task;

static size_t element(const task *a, size_t i, size_t c)
{
    return i / a->shape.positions * a->shape.sample_stride + c * a->shape.class_stride + i % a->shape.positions;
}

static losses_targets targets_of(const task *a, size_t first)
{
    return a->soft ? losses_f32(q + first * a->shape.class_stride) : losses_i32(targets);
}

static float gamma_of(const task *a) { return a->focal ? a->gamma : 0; }

/* Folds blocks of random sizes into random ranks, in random order. */
static void fold_all(const task *a, size_t ranks, size_t most)
{
    size_t begin[CLASSES + 1], blocks = 0, c = 0, k, r;
    losses_shape s = a->shape;
    while (c < a->shape.classes) {
        begin[blocks++] = c;
        c += 1 + below(most);
    }
    begin[blocks] = a->shape.classes;
    memset(states, 0, sizeof states);
    for (k = 0; k < blocks; k++) { /* the next one of those that are left, or a later one */
        static unsigned char done[CLASSES];
        const losses_block block = {0, a->shape.classes};
        losses_block at = block;
        size_t pick = ranks == 1 ? 0 : below(blocks - k), i;
        if (k == 0) memset(done, 0, sizeof done);
        for (i = 0; done[i] || pick > 0; i++)
            if (!done[i]) pick--;
        done[i] = 1;
        at.first = begin[i];
        s.classes = (begin[i + 1] < a->shape.classes ? begin[i + 1] : a->shape.classes) - begin[i];
        CHECK_STATUS(losses_partial_fold(states[below(ranks)], x + at.first * a->shape.class_stride,
                                         targets_of(a, at.first), s, at, gamma_of(a), &a->o),
                     LOSSES_OK);
    }
    for (r = ranks; r > 1; r--) { /* one of the others into one */
        const size_t to = below(r - 1);
        CHECK_STATUS(losses_partial_merge(states[to], states[r - 1], POSITIONS), LOSSES_OK);
    }
}

static void gradient_all(const task *a, size_t most)
{
    losses_shape s = a->shape;
    size_t c, n;
    for (c = 0; c < a->shape.classes; c += n) {
        losses_block at = {0, 0};
        n = 1 + below(most);
        if (n > a->shape.classes - c) n = a->shape.classes - c;
        at.first = c;
        at.classes = a->shape.classes;
        s.classes = n;
        CHECK_STATUS(losses_partial_gradient(grad + c * a->shape.class_stride, states[0],
                                             x + c * a->shape.class_stride, targets_of(a, c), s, at, gamma_of(a), &a->o),
                     LOSSES_OK);
    }
}

static double ulp_of(double y)
{
    int e;
    if (!(fabs(y) > 0) || isinf(y)) return ldexp(1, -149);
    frexp(y, &e);
    return ldexp(1, e > -125 ? e - 24 : -149);
}

static void compare(const task *a)
{
    const size_t n = a->shape.samples * a->shape.positions;
    const int each = a->o.reduction == LOSSES_NONE;
    losses_options o = a->o;
    losses_report report, whole_report;
    losses_block all = {0, 0};
    size_t i;
    all.classes = a->shape.classes;
    for (i = 0; i < MOST; i++) {
        grad[i] = whole[i] = 0.25f;
        exact[i] = o.accumulate ? 0.25 : 0;
        x_wide[i] = (double)x[i];
    }
    o.report = &whole_report;
    o.log_sum_exp = whole_lse;
    if (a->focal) {
        losses_focal(whole_loss, whole, x, targets_of(a, 0), a->shape, a->gamma, &o);
        losses_reference_focal(exact_loss, exact, x_wide, targets_of(a, 0), a->shape, (double)a->gamma, &o);
        losses_focal(whole_loss, NULL, x, targets_of(a, 0), a->shape, a->gamma, &o);
    } else {
        losses_cross_entropy(whole_loss, whole, x, targets_of(a, 0), a->shape, &o);
        losses_reference_cross_entropy(exact_loss, exact, x_wide, targets_of(a, 0), a->shape, &o);
        losses_cross_entropy(whole_loss, NULL, x, targets_of(a, 0), a->shape, &o);
    }
    losses_reference_log_softmax(exact_p, x_wide, a->shape);
    o.report = &report;
    o.log_sum_exp = lse;
    CHECK_STATUS(losses_partial_finish(loss, states[0], targets_of(a, 0), a->shape, all, gamma_of(a), &o), LOSSES_OK);
    for (i = 0; i < (each ? n : 1); i++) {
        CHECK_ULP(loss[i], exact_loss[i], 4);
        CHECK_ULP(loss[i], (double)whole_loss[i], 4);
    }
    for (i = 0; i < n; i++) /* x + log1p(S) may cancel */
        CHECK_NEAR((double)lse[i], (double)whole_lse[i], fmax(4 * ulp_of((double)whole_lse[i]), 0x1p-21));
    CHECK_NEAR(report.denominator, whole_report.denominator, 0);
    CHECK(report.counted == whole_report.counted);
}

static void compare_gradients(const task *a)
{
    const size_t n = a->shape.samples * a->shape.positions;
    const int cancels = a->soft || a->o.label_smoothing > 0 || a->o.z_loss > 0;
    size_t i, c;
    for (i = 0; i < n; i++) {
        double A = 0;
        for (c = 0; c < a->shape.classes; c++) { /* at least the target terms */
            const double w = a->o.class_weight != NULL ? (double)weight[c] : 1;
            A += w * (a->soft ? (double)q[element(a, i, c)] : 1);
        }
        for (c = 0; c < a->shape.classes; c++) {
            const size_t k = element(a, i, c);
            const double w = a->o.class_weight != NULL ? (double)weight[c] : 1;
            const double z = 2 * (double)a->o.z_loss * fabs((double)lse[i]), u = fabs((double)states[0][i].u);
            double near = 32 * ulp_of(exact[k]);
            if (cancels || a->o.accumulate)
                near = fmax(near, 4 * 0x1p-24 * (u * ((A + z) * exp(exact_p[k]) + w) + (a->o.accumulate ? 0.25 : 0)));
            if (!CHECK_NEAR((double)grad[k], exact[k], near)) { printf("   class %zu of %zu position %zu t %d  whole %g near %g r %zu\n", c, a->shape.classes, i, targets[i], whole[k], near, states[0][i].r); return;}
            (void)whole;
        }
    }
}

static void fill(const task *a, int kind)
{
    const size_t n = a->shape.samples * a->shape.positions;
    size_t i, c;
    for (i = 0; i < MOST; i++) x[i] = q[i] = 7;
    for (c = 0; c < CLASSES; c++) weight[c] = below(5) == 0 ? 0 : uniform() * 3;
    for (i = 0; i < n; i++) {
        const float spread = kind == 3 ? 150 : kind == 4 ? 3e30f : below(2) ? 2 : 20;
        const size_t t = below(a->shape.classes);
        double sum = 0;
        targets[i] = below(9) == 0 ? -100 : (int32_t)t;
        upstream[i] = bell();
        for (c = 0; c < a->shape.classes; c++) {
            float *y = &x[element(a, i, c)], *p = &q[element(a, i, c)];
            *y = bell() * spread;
            if (kind == 1 && c == t) *y += 10 + 60 * uniform();
            if (kind == 2 && below(3) == 0) *y = -INFINITY;
            if (kind == 5) *y += 290;
            *p = below(2) ? uniform() : 0;
            sum += (double)*p;
        }
        if (kind == 1 && below(2) == 0)
            for (c = 0; c < a->shape.classes; c++) q[element(a, i, c)] = c == t;
        else
            for (c = 0; c < a->shape.classes && sum > 0; c++) q[element(a, i, c)] /= (float)sum;
        if (kind == 6 && below(4) == 0) x[element(a, i, below(a->shape.classes))] = below(2) ? NAN : INFINITY;
    }
}

static void one(unsigned seed)
{
    static const float gammas[] = {1, 2, 0.5f, 5, 0.25f};
    losses_options zero;
    task a;
    size_t m;
    const size_t most[] = {1, 3, 17, 100, 400};
    int kind;
    state = seed * 0x9e3779b97f4a7c15u + 1;
    memset(&zero, 0, sizeof zero);
    a.o = zero;
    m = below(2) ? 1 : 1 + below(20);
    a.shape = losses_images(1 + below(3), 1, m);
    if (m == 1) a.shape.samples = 1 + below(20);
    a.shape.classes = 1 + below(below(3) ? 40 : CLASSES);
    while (a.shape.samples * m > POSITIONS || a.shape.samples * (a.shape.classes * (m + 1) + 2) > MOST)
        if (a.shape.samples > 1) a.shape.samples--;
        else a.shape.classes--;
    a.shape.class_stride = m + below(2);
    a.shape.sample_stride = a.shape.class_stride * a.shape.classes + below(3);
    kind = (int)below(check_finite ? 2 : 7);
    a.focal = below(3) == 0;
    a.soft = !a.focal && below(3) == 0;
    a.gamma = gammas[below(5)];
    fill(&a, kind);
    a.o.reduction = below(3) == 0 ? LOSSES_MEAN : below(2) ? LOSSES_SUM : LOSSES_NONE;
    if (below(2)) a.o.upstream = upstream;
    if (below(4) == 0) a.o.accumulate = 1;
    if (!a.focal && below(3) == 0) a.o.label_smoothing = below(4) ? 0.1f : 1;
    if (!a.focal && below(4) == 0) a.o.z_loss = 1e-3f;
    if (below(3) == 0) {
        if (a.focal) a.o.class_alpha = weight;
        else a.o.class_weight = weight;
    }
    check_case("seed %u: %u x %u x %u, kind %d, focal %d, soft %d", seed, (unsigned)a.shape.samples, (unsigned)a.shape.classes, (unsigned)m, kind, a.focal, a.soft);
    fold_all(&a, 1 + below(RANKS), most[below(5)]);
    compare(&a);
    gradient_all(&a, most[below(5)]);
    compare_gradients(&a);
}

void test_partial(void)
{
    unsigned seed;
    for (seed = 1; seed < (check_quick ? 1000 : 10000); seed++) one(seed);
}
#endif
