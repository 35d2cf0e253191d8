/* Partial results against the whole: blocks of classes in any split, folded and merged in any order, give what
 * losses_cross_entropy and losses_focal give, and what the reference gives in double. */
#include <float.h>
#include <math.h>
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
static float grad_room[MOST + 16],
    *grad = grad_room; /* on a line: a gradient can leave past the caches */
static float whole[MOST], loss[POSITIONS], whole_loss[POSITIONS], lse[POSITIONS],
    whole_lse[POSITIONS];
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
    return i / a->shape.positions * a->shape.sample_stride + c * a->shape.class_stride +
           i % a->shape.positions;
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
                                             x + c * a->shape.class_stride, targets_of(a, c), s, at,
                                             gamma_of(a), &a->o),
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
        losses_reference_focal(exact_loss, exact, x_wide, targets_of(a, 0), a->shape,
                               (double)a->gamma, &o);
        losses_focal(whole_loss, NULL, x, targets_of(a, 0), a->shape, a->gamma, &o);
    } else {
        losses_cross_entropy(whole_loss, whole, x, targets_of(a, 0), a->shape, &o);
        losses_reference_cross_entropy(exact_loss, exact, x_wide, targets_of(a, 0), a->shape, &o);
        losses_cross_entropy(whole_loss, NULL, x, targets_of(a, 0), a->shape, &o);
    }
    losses_reference_log_softmax(exact_p, x_wide, a->shape);
    o.report = &report;
    o.log_sum_exp = lse;
    CHECK_STATUS(
        losses_partial_finish(loss, states[0], targets_of(a, 0), a->shape, all, gamma_of(a), &o),
        LOSSES_OK);
    for (i = 0; i < (each ? n : 1); i++) {
        if (check_flushes && fabs(exact_loss[i]) < 1e-30) continue;
        CHECK_ULP(loss[i], exact_loss[i], 4);
        CHECK_ULP(loss[i], (double)whole_loss[i], 4);
    }
    for (i = 0; i < n; i++) /* x + log1p(S) may cancel */
        CHECK_NEAR((double)lse[i], (double)whole_lse[i],
                   fmax(4 * ulp_of((double)whole_lse[i]), 0x1p-21));
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
        for (c = 0; c < a->shape.classes; c++) { /* the sum of the target terms, or more */
            const double w = a->o.class_weight != NULL ? (double)weight[c] : 1;
            A += w * (a->soft ? (double)q[element(a, i, c)] : 1);
        }
        for (c = 0; c < a->shape.classes; c++) {
            const size_t k = element(a, i, c);
            const double w = a->o.class_weight != NULL ? (double)weight[c] : 1;
            const double z = 2 * (double)a->o.z_loss * fabs((double)lse[i]),
                         u = fabs((double)states[0][i].u);
            double near = 32 * ulp_of(exact[k]) + (check_flushes ? 1e-36 : 0);
            if (cancels || a->o.accumulate)
                near = fmax(
                    near, 4 * 0x1p-24 *
                              (u * ((A + z) * exp(exact_p[k]) + w) + (a->o.accumulate ? 0.25 : 0)));
            if (!CHECK_NEAR((double)grad[k], exact[k], near)) return;
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
        const float near = below(2) ? 290 : -290;
        const size_t t = below(a->shape.classes);
        double sum = 0;
        targets[i] = below(9) == 0 ? -100 : (int32_t)t;
        upstream[i] = bell();
        for (c = 0; c < a->shape.classes; c++) {
            float *y = &x[element(a, i, c)], *p = &q[element(a, i, c)];
            *y = bell() * spread;
            if (kind == 1 && c == t) *y += 10 + 60 * uniform();
            if (kind == 2 && below(3) == 0) *y = -INFINITY;
            if (kind == 7 && below(3) == 0) *y = below(2) || check_finite ? -1e4f : -1e30f;
            if (kind == 5) *y = below(5) ? *y + near : near > 0 ? 300 : -300;
            *p = below(2) ? uniform() : 0;
            sum += (double)*p;
        }
        if (kind == 1 && below(2) == 0)
            for (c = 0; c < a->shape.classes; c++) q[element(a, i, c)] = c == t;
        else
            for (c = 0; c < a->shape.classes && sum > 0; c++) q[element(a, i, c)] /= (float)sum;
        if (kind == 6 && below(4) == 0)
            x[element(a, i, below(a->shape.classes))] = below(2) ? NAN : INFINITY;
    }
}

/* masked: with classes of -1e4 and -1e30, and a loss to which they count */
static void one(unsigned seed, int masked)
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
    while (a.shape.samples * m > POSITIONS ||
           a.shape.samples * (a.shape.classes * (m + 1) + 2) > MOST)
        if (a.shape.samples > 1)
            a.shape.samples--;
        else
            a.shape.classes--;
    a.shape.class_stride = m + below(2);
    a.shape.sample_stride = a.shape.class_stride * a.shape.classes + below(3);
    kind = (int)below(check_finite ? 2 : 7);
    a.focal = below(3) == 0;
    a.soft = !a.focal && below(3) == 0;
    a.gamma = gammas[below(5)];
    if (masked) a.focal = 0, kind = 7;
    fill(&a, kind);
    a.o.reduction = below(3) == 0 ? LOSSES_MEAN : below(2) ? LOSSES_SUM : LOSSES_NONE;
    if (below(2)) a.o.upstream = upstream;
    if (below(4) == 0) a.o.accumulate = 1;
    if (!a.focal && below(3) == 0) a.o.label_smoothing = below(3) ? 0.1f : below(2) ? 0.4f : 1;
    if (masked && !a.soft && !(a.o.label_smoothing > 0)) a.o.label_smoothing = 0.1f;
    if (!a.focal && below(4) == 0) a.o.z_loss = 1e-3f;
    if (below(3) == 0) {
        if (a.focal)
            a.o.class_alpha = weight;
        else
            a.o.class_weight = weight;
    }
    check_case("seed %u: %u x %u x %u, kind %d, focal %d, soft %d", seed, (unsigned)a.shape.samples,
               (unsigned)a.shape.classes, (unsigned)m, kind, a.focal, a.soft);
    fold_all(&a, 1 + below(RANKS), most[below(5)]);
    compare(&a);
    gradient_all(&a, most[below(5)]);
    compare_gradients(&a);
}

/* e^x 2^k and log u of the states, by the math library */
static void scalars(void)
{
    int i;
    for (i = 0; i < 4000; i++) {
        const double v = ((double)uniform() - 0.5) * (i % 2 ? 2 : 600), u = exp(v);
        const double k = floor(v * 1.44);
        check_case("e^%a", v);
        CHECK_NEAR(check_exp(v, 0), u, 0x1p-50 * u);
        CHECK_NEAR(check_exp(v, -k), ldexp(u, (int)-k), ldexp(0x1p-50 * u, (int)-k));
        check_case("log %a", u);
        CHECK_NEAR(check_log(u, 0), log(u), 0x1p-50 * fabs(log(u)));
        CHECK_NEAR(check_log(u, 0.125), log(u) + 0.125, 0x1p-50 * (fabs(log(u)) + 0.125));
    }
    CHECK(check_exp(0, 3) >= 8 && check_exp(0, 3) <= 8 && check_exp(0, 0) >= 1 &&
          check_exp(0, 0) <= 1);
    CHECK(check_exp(-2e4, 0) <= 0 && check_exp(0, -1022) <= 0 && check_exp(0, -1021) > 0);
}

/* Which of two states is merged into which makes no difference, also where their greatest logits are equal. */
static void either_way(void)
{
    static float p[8];
    losses_partial a[2], b[2];
    losses_block block = {0, 8};
    int i, k;
    memset(p, 0, sizeof p);
    for (i = 0; i < 200; i++) {
        float y[8];
        check_case("two halves, %d", i);
        for (k = 0; k < 8; k++) y[k] = i % 2 ? (float)below(3) : bell() * 20;
        memset(a, 0, sizeof a);
        for (k = 0; k < 2; k++) {
            block.first = 4u * (unsigned)k;
            p[5] = 1;
            CHECK_STATUS(losses_partial_fold(&a[k], y + block.first, losses_f32(p + block.first),
                                             losses_rows(1, 4), block, 0, NULL),
                         LOSSES_OK);
        }
        memcpy(b, a, sizeof b);
        CHECK_STATUS(losses_partial_merge(&a[0], &a[1], 1), LOSSES_OK);
        CHECK_STATUS(losses_partial_merge(&b[1], &b[0], 1), LOSSES_OK);
        CHECK(memcmp(&a[0], &b[1], offsetof(losses_partial, u)) == 0);
    }
}

/* Four equal logits in two blocks: the loss is log 4, the gradient 1/4 and 1/4 - 1. The sum over the others of the
 * target is 1 + 1 + 1. */
static void by_hand(void)
{
    static const float zeros[4] = {0, 0, 0, 0};
    const int32_t t = 2;
    losses_partial a[2];
    losses_block block = {0, 4};
    losses_options o;
    float l, g[4];
    check_case("four equal logits");
    memset(a, 0, sizeof a);
    CHECK_STATUS(
        losses_partial_fold(&a[0], zeros, losses_i32(&t), losses_rows(1, 1), block, 0, NULL),
        LOSSES_OK);
    block.first = 1;
    CHECK_STATUS(
        losses_partial_fold(&a[1], zeros, losses_i32(&t), losses_rows(1, 3), block, 0, NULL),
        LOSSES_OK);
    CHECK(a[0].folded == 1 && a[1].folded == 3);
    CHECK_STATUS(losses_partial_finish(&l, a, losses_i32(&t), losses_rows(1, 4), block, 0, NULL),
                 LOSSES_BAD_SHAPE);
    CHECK_STATUS(losses_partial_merge(&a[0], &a[1], 1), LOSSES_OK);
    CHECK_NEAR(a[0].sum, 3, 1e-6);
    CHECK(a[0].folded == 4);
    CHECK_STATUS(losses_partial_finish(&l, a, losses_i32(&t), losses_rows(1, 4), block, 0, NULL),
                 LOSSES_OK);
    CHECK_ULP(l, 1.3862943611198906, 1);
    block.first = 0;
    CHECK_STATUS(
        losses_partial_gradient(g, a, zeros, losses_i32(&t), losses_rows(1, 4), block, 0, NULL),
        LOSSES_OK);
    CHECK_ULP(g[0], 0.25, 2);
    CHECK_ULP(g[1], 0.25, 2);
    CHECK_ULP(g[2], -0.75, 2);
    CHECK_ULP(g[3], 0.25, 2);
    /* losses of each are not asked for, or are */
    memset(&o, 0, sizeof o);
    o.reduction = LOSSES_NONE;
    CHECK_STATUS(losses_partial_finish(NULL, a, losses_i32(&t), losses_rows(1, 4), block, 0, &o),
                 LOSSES_OK);
    l = 0;
    CHECK_STATUS(losses_partial_finish(&l, a, losses_i32(&t), losses_rows(1, 4), block, 0, &o),
                 LOSSES_OK);
    CHECK_ULP(l, 1.3862943611198906, 1);
    /* a state that has no class is nothing to merge; finishing again gives the same */
    memset(&a[1], 0, sizeof a[1]);
    CHECK_STATUS(losses_partial_merge(&a[0], &a[1], 1), LOSSES_OK);
    CHECK_STATUS(losses_partial_finish(&l, a, losses_i32(&t), losses_rows(1, 4), block, 0, NULL),
                 LOSSES_OK);
    CHECK_ULP(l, 1.3862943611198906, 1);
    CHECK_STATUS(losses_partial_merge(&a[1], &a[0], 1), LOSSES_OK);
    CHECK_STATUS(
        losses_partial_finish(&l, &a[1], losses_i32(&t), losses_rows(1, 4), block, 0, NULL),
        LOSSES_OK);
    CHECK_ULP(l, 1.3862943611198906, 1);
}

/* Every argument wrong in turn: what the call says, and that nothing was written. */
static void wrong(void)
{
    enum { N = 3, C = 5 };
    static float logits[N * C], out[N * C], losses[N];
    static losses_partial at[N], old[N];
    static int32_t labels[N] = {4, 0, -100};
    const losses_block all = {0, C};
    const losses_shape rows = losses_rows(N, C);
    losses_block block;
    losses_options o, none;
    losses_shape s;
    size_t i;
    memset(&none, 0, sizeof none);
    memset(at, 0, sizeof at);
    for (i = 0; i < N * C; i++) logits[i] = (float)i, out[i] = 3;
    check_case("wrong calls of partial results");
#define FOLD(states, x, t, s, b, g, o)        losses_partial_fold(states, x, t, s, b, g, o)
#define FINISH(loss, states, t, s, b, g, o)   losses_partial_finish(loss, states, t, s, b, g, o)
#define GRADIENT(y, states, x, t, s, b, g, o) losses_partial_gradient(y, states, x, t, s, b, g, o)
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, all, 0, NULL), LOSSES_OK);
    CHECK_STATUS(FINISH(losses, at, losses_i32(labels), rows, all, 0, NULL), LOSSES_OK);
    memcpy(old, at, sizeof at);
    losses[0] = losses[1] = losses[2] = 3;
    /* pointers */
    CHECK_STATUS(FOLD(NULL, logits, losses_i32(labels), rows, all, 0, NULL), LOSSES_BAD_POINTER);
    CHECK_STATUS(FOLD(at, NULL, losses_i32(labels), rows, all, 0, NULL), LOSSES_BAD_POINTER);
    CHECK_STATUS(FOLD(at, logits, losses_i32(NULL), rows, all, 0, NULL), LOSSES_BAD_POINTER);
    CHECK_STATUS(FINISH(losses, NULL, losses_i32(labels), rows, all, 0, NULL), LOSSES_BAD_POINTER);
    CHECK_STATUS(GRADIENT(NULL, at, logits, losses_i32(labels), rows, all, 0, NULL),
                 LOSSES_BAD_POINTER);
    CHECK_STATUS(GRADIENT(out, NULL, logits, losses_i32(labels), rows, all, 0, NULL),
                 LOSSES_BAD_POINTER);
    CHECK_STATUS(losses_partial_merge(NULL, at, 1), LOSSES_BAD_POINTER);
    CHECK_STATUS(losses_partial_merge(at, NULL, 1), LOSSES_BAD_POINTER);
    CHECK_STATUS(losses_partial_merge(NULL, NULL, 0), LOSSES_OK);
    /* blocks and shapes */
    block.first = 1, block.classes = C;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    block.first = SIZE_MAX;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    block.first = 0, block.classes = C - 1;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    CHECK_STATUS(GRADIENT(out, at, logits, losses_i32(labels), rows, block, 0, NULL),
                 LOSSES_BAD_SHAPE);
    block.classes = 0;
    CHECK_STATUS(FINISH(losses, at, losses_i32(labels), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    block.classes = C + 1; /* one class is missing */
    CHECK_STATUS(FINISH(losses, at, losses_i32(labels), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    CHECK_STATUS(FINISH(losses, at, losses_f32(logits), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    block.classes = SIZE_MAX; /* of which -1 would be one */
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    block.classes = SIZE_MAX / 8 + 1;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, block, 0, NULL), LOSSES_BAD_SHAPE);
    s = losses_rows(N, 0);
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), s, all, 0, NULL), LOSSES_BAD_SHAPE);
    s = losses_rows(SIZE_MAX / 8, C);
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), s, all, 0, NULL), LOSSES_BAD_SHAPE);
    s = losses_images(SIZE_MAX, C, 2); /* positions overflow, not only their states */
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), s, all, 0, NULL), LOSSES_BAD_SHAPE);
    CHECK_STATUS(losses_partial_merge(at, old, SIZE_MAX / 8), LOSSES_BAD_SHAPE);
    s = rows;
    s.sample_stride = C - 1;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), s, all, 0, NULL), LOSSES_BAD_SHAPE);
    /* options */
    o = none, o.label_smoothing = -1;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, all, 0, &o), LOSSES_BAD_OPTION);
    CHECK_STATUS(FINISH(losses, at, losses_i32(labels), rows, all, 0, &o), LOSSES_BAD_OPTION);
    CHECK_STATUS(GRADIENT(out, at, logits, losses_i32(labels), rows, all, 0, &o),
                 LOSSES_BAD_OPTION);
    o = none, o.label_smoothing = 0.5f;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, all, 1, &o), LOSSES_BAD_OPTION);
    o = none, o.alpha = 0.5f;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, all, 0, &o), LOSSES_BAD_OPTION);
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, all, -1, NULL), LOSSES_BAD_OPTION);
    if (!check_finite) {
        CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, all, NAN, NULL), LOSSES_BAD_OPTION);
        CHECK_STATUS(FINISH(losses, at, losses_i32(labels), rows, all, INFINITY, NULL),
                     LOSSES_BAD_OPTION);
    }
    /* targets */
    labels[0] = C;
    CHECK_STATUS(FOLD(at, logits, losses_i32(labels), rows, all, 0, NULL), LOSSES_BAD_TARGET);
    CHECK_STATUS(FINISH(losses, at, losses_i32(labels), rows, all, 0, NULL), LOSSES_BAD_TARGET);
    CHECK_STATUS(GRADIENT(out, at, logits, losses_i32(labels), rows, all, 0, NULL),
                 LOSSES_BAD_TARGET);
    labels[0] = 4;
    CHECK_STATUS(FOLD(at, logits, losses_f32(logits), rows, all, 2, NULL), LOSSES_BAD_TARGET);
    /* overlaps */
    CHECK_STATUS(FOLD((losses_partial *)(void *)logits, logits, losses_i32(labels),
                      losses_rows(1, C), all, 0, NULL),
                 LOSSES_BAD_OVERLAP);
    CHECK_STATUS(FINISH((float *)(void *)at, at, losses_i32(labels), rows, all, 0, NULL),
                 LOSSES_BAD_OVERLAP);
    CHECK_STATUS(GRADIENT((float *)(void *)at, at, logits, losses_i32(labels), losses_rows(1, C),
                          all, 0, NULL),
                 LOSSES_BAD_OVERLAP);
    CHECK_STATUS(
        GRADIENT(logits + 1, at, logits, losses_i32(labels), losses_rows(1, C), all, 0, NULL),
        LOSSES_BAD_OVERLAP);
    o = none, o.log_sum_exp = (float *)(void *)at;
    CHECK_STATUS(FINISH(losses, at, losses_i32(labels), rows, all, 0, &o), LOSSES_BAD_OVERLAP);
    CHECK_STATUS(losses_partial_merge(at, at, N), LOSSES_BAD_OVERLAP);
    CHECK_STATUS(losses_partial_merge(at, at + 1, 2), LOSSES_BAD_OVERLAP);
    CHECK(memcmp(at, old, sizeof at) == 0);
    for (i = 0; i < N * C; i++) CHECK(logits[i] == (float)i && out[i] == 3);
    CHECK(losses[0] == 3 && losses[1] == 3 && losses[2] == 3);
    /* and nothing at all is right */
    CHECK_STATUS(FOLD(NULL, NULL, losses_i32(NULL), losses_rows(0, C), all, 0, NULL), LOSSES_OK);
    CHECK_STATUS(FINISH(losses, NULL, losses_i32(NULL), losses_rows(0, C), all, 0, NULL),
                 LOSSES_OK);
    CHECK(losses[0] == 0);
    CHECK_STATUS(GRADIENT(NULL, NULL, NULL, losses_i32(NULL), losses_rows(0, C), all, 0, NULL),
                 LOSSES_OK);
}

/* One position of three classes, each a block, in this order; probabilities q, or target 0 (focal: gamma 2) */
static void three(const float logits[3], const float *probabilities, int focal)
{
    losses_options zero;
    task a;
    memset(&zero, 0, sizeof zero);
    a.o = zero;
    a.shape = losses_rows(1, 3);
    a.shape.class_stride = 1;
    a.shape.sample_stride = 3;
    a.soft = probabilities != NULL;
    a.focal = focal;
    a.gamma = 2;
    targets[0] = 0;
    memcpy(x, logits, 3 * sizeof *x);
    if (a.soft) memcpy(q, probabilities, 3 * sizeof *q);
    check_case("%g %g %g, soft %d, focal %d", (double)logits[0], (double)logits[1],
               (double)logits[2], a.soft, focal);
    fold_all(&a, 1, 1);
    compare(&a);
    gradient_all(&a, 1);
    compare_gradients(&a);
    gradient_all(&a, 3);
    compare_gradients(&a);
}

static void extremes(void)
{
    static const float plain[3] = {1, 2, 3}, third[3] = {0.5f, 0.25f, 0.25f};
    static const float negative[3] = {-1, 0.5f, 1.5f};
    static const float low[3] = {-299.9f, -310, -320}, high[3] = {280, 299.9f, 290};
    static const float endless[3] = {INFINITY, 0, 1}, after[3] = {0, 1, INFINITY};
    static const float largest[3] = {-FLT_MAX, 0, FLT_MAX}, apart[3] = {-800, 0, 1};
    static const float *const all[] = {low, high, apart,
                                       largest}; /* the last has infinite losses */
    size_t i;
    for (i = 0; i < (check_finite ? 3 : 4); i++) {
        three(all[i], NULL, 0);
        three(all[i], NULL, 1);
        three(all[i], third, 0);
    }
    three(plain, negative, 0);
    if (check_finite) return;
    for (i = 0; i < 3; i++) { /* not finite, but which is left open */
        losses_partial a = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        const losses_block block = {0, 3};
        float infinite[3] = {0, 0, 1}, l = 0;
        infinite[i] = INFINITY;
        check_case("infinite probability %u", (unsigned)i);
        CHECK_STATUS(
            losses_partial_fold(&a, plain, losses_f32(infinite), losses_rows(1, 3), block, 0, NULL),
            LOSSES_OK);
        CHECK_STATUS(
            losses_partial_finish(&l, &a, losses_f32(infinite), losses_rows(1, 3), block, 0, NULL),
            LOSSES_OK);
        CHECK(!isfinite(l));
    }
    for (i = 0; i < 2; i++) {
        three(i == 0 ? endless : after, NULL, 0);
        three(i == 0 ? endless : after, NULL, 1);
        three(i == 0 ? endless : after, third, 0);
    }
}

/* Masked classes, then others, the target last: blocks before it hold the ones or both. Of many classes those
 * that a first block is sampled in are masked, all or but for a few. */
static void masked_first(void)
{
    static const float logits[5] = {-1e4f, 0, -1, -2, 1};
    losses_options zero;
    task a;
    size_t most, i, c, masked, n;
    memset(&zero, 0, sizeof zero);
    a.o = zero;
    a.o.label_smoothing = 0.1f;
    a.soft = a.focal = 0;
    a.gamma = 0;
    for (i = 0; i < 180; i++) {
        n = i < 60 ? 5 : CLASSES;
        masked = i < 60 ? 1 : below(2) ? 1 + below(3) : 64 + below(CLASSES / 2);
        most = i < 60 ? 1 + i % 4 : CLASSES;
        a.shape = losses_rows(1, n);
        a.shape.class_stride = 1;
        a.shape.sample_stride = n;
        targets[0] = (int32_t)n - 1;
        for (c = 0; c < n; c++) x[c] = c < masked ? logits[0] : logits[1 + c % 3];
        x[n - 1] = logits[4];
        x[masked] += bell(); /* other roundings each time */
        x[masked + 1] += bell();
        check_case("masked first, %u, blocks of up to %u", (unsigned)i, (unsigned)most);
        fold_all(&a, 1, most);
        compare(&a);
        gradient_all(&a, most);
        compare_gradients(&a);
    }
}

/* The first class 24 to 30 behind the others: margins to it would cancel, unless they are summed again. */
static void one_behind(void)
{
    static const struct {
        size_t classes, first;
        int32_t target;
        float x_0, x_t, smoothing;
    } rows[] = {{30, 27, 27, -27.7988548F, 3.99750233F, 0.3F},
                {6, 5, 5, -24.5782661F, 0, 0.49F},
                {24, 23, 23, -26.0629501F, 0.293723106F, 0.49F},
                {10, 7, 9, -29.1925182F, 0, 0.49F}};
    losses_options zero;
    task a;
    size_t i;
    memset(&zero, 0, sizeof zero);
    a.soft = a.focal = 0;
    a.gamma = 0;
    for (i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        const size_t k = i / 2;
        const size_t ends[] = {i % 2, rows[k].first, rows[k].classes};
        size_t j;
        a.o = zero;
        a.o.label_smoothing = rows[k].smoothing;
        a.shape = losses_rows(1, rows[k].classes);
        a.shape.class_stride = 1;
        a.shape.sample_stride = rows[k].classes;
        memset(x, 0, sizeof x);
        x[0] = rows[k].x_0;
        x[rows[k].target] = rows[k].x_t;
        targets[0] = rows[k].target;
        check_case("one behind, row %u, in a block of its own %d", (unsigned)k, (int)(i % 2));
        memset(states, 0, sizeof states);
        for (j = 0; j < 3; j++) {
            const losses_block block = {j == 0 ? 0 : ends[j - 1], rows[k].classes};
            losses_shape s = a.shape;
            s.classes = ends[j] - block.first;
            if (s.classes > 0)
                CHECK_STATUS(losses_partial_fold(states[0], x + block.first, losses_i32(targets), s,
                                                 block, 0, &a.o),
                             LOSSES_OK);
        }
        compare(&a);
    }
}

/* States that nothing was folded into, but any bytes: results may be anything, and nothing else happens. */
static void any_bytes(void)
{
    enum { N = 8, C = 5 };
    static losses_partial at[N], other[N];
    static float logits[N * C], out[N * C], losses[N];
    static int32_t labels[N];
    const losses_block all = {0, C};
    losses_options o;
    size_t i;
    int k, try_;
    memset(&o, 0, sizeof o);
    o.reduction = LOSSES_NONE;
    check_case("states of any bytes");
    for (try_ = 0; try_ < 200; try_++) {
        unsigned char *const bytes = (unsigned char *)at, *const more = (unsigned char *)other;
        for (i = 0; i < sizeof at; i++)
            bytes[i] = (unsigned char)random64(), more[i] = (unsigned char)random64();
        for (i = 0; i < N; i++) labels[i] = (int32_t)below(C);
        if (try_ % 2 > 0)
            for (i = 0; i < N; i++) at[i].x_t = 1e9f, at[i].x_r = bell(), at[i].sum = 1;
        for (k = 0; k < 2; k++) {
            o.label_smoothing = k == 0 ? 0.1f : 0;
            CHECK_STATUS(losses_partial_merge(at, other, N), LOSSES_OK);
            for (i = 0; i < N; i++) at[i].folded = C;
            CHECK_STATUS(losses_partial_finish(losses, at, losses_i32(labels), losses_rows(N, C),
                                               all, (float)k, &o),
                         LOSSES_OK);
            CHECK_STATUS(losses_partial_gradient(out, at, logits, losses_i32(labels),
                                                 losses_rows(N, C), all, (float)k, &o),
                         LOSSES_OK);
            CHECK_STATUS(losses_partial_fold(at, logits, losses_i32(labels), losses_rows(N, C), all,
                                             (float)k, &o),
                         LOSSES_OK);
        }
    }
}

void test_partial(void)
{
    unsigned seed;
    state = 1;
    grad = grad_room + (64 - (uintptr_t)grad_room % 64) / sizeof(float);
    scalars();
    either_way();
    by_hand();
    if (!check_finite) any_bytes();
    extremes();
    masked_first();
    one_behind();
    wrong();
    for (seed = 1; seed < (check_quick ? 1000 : 2000); seed++) one(seed, 0);
    for (seed = 1; seed < (check_quick ? 500 : 2000); seed++) one(seed, 1);
}
#endif
