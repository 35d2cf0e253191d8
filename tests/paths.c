/* The float path against the double reference: every loss over sizes 0 to 130, at every alignment,
 * with padded strides, in place, value only and gradient only, and with options drawn at random. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#if defined(LOSSES_NO_REFERENCE) || defined(LOSSES_NO_DOUBLE)
void test_paths(void) {}
#else
#define ROOM 34000 /* elements that the largest case needs, padding and alignment included */

typedef enum kind {
    CROSS_ENTROPY,
    SOFT_CROSS_ENTROPY,
    FOCAL,
    BINARY,
    SIGMOID_FOCAL,
    DICE,
    KINDS
} kind;
static const char *const kind_name[] = {"cross_entropy", "cross_entropy with probabilities",
                                        "focal",         "binary_cross_entropy",
                                        "sigmoid_focal", "dice"};

static unsigned long seed;

static unsigned draw(unsigned below) /* 0 .. below - 1; Numerical Recipes' linear congruence */
{
    seed = (seed * 1664525ul + 1013904223ul) & 0xfffffffful;
    return (unsigned)(((unsigned long long)seed * below) >> 32);
}

static float draw_float(float low, float high)
{
    return low + (high - low) * (float)draw(1u << 24) / (float)(1u << 24);
}

/* One call, whatever the loss, in float or in double */
typedef struct problem {
    kind loss;
    losses_shape shape;
    losses_targets targets;
    float gamma;
    losses_options options;
} problem;

static losses_status solve(const problem *p, float *loss, float *grad, const float *x)
{
    const losses_options *o = &p->options;
    switch (p->loss) {
    case CROSS_ENTROPY:
    case SOFT_CROSS_ENTROPY:
        return losses_cross_entropy(loss, grad, x, p->targets, p->shape, o);
    case FOCAL:
        return losses_focal(loss, grad, x, p->targets, p->shape, p->gamma, o);
    case BINARY:
        return losses_binary_cross_entropy(loss, grad, x, p->targets, p->shape, o);
    case SIGMOID_FOCAL:
        return losses_sigmoid_focal(loss, grad, x, p->targets, p->shape, p->gamma, o);
    default:
        return losses_dice(loss, grad, x, p->targets, p->shape, o);
    }
}

static losses_status refer(const problem *p, double *loss, double *grad, const double *x)
{
    const losses_options *o = &p->options;
    const double gamma = (double)p->gamma;
    switch (p->loss) {
    case CROSS_ENTROPY:
    case SOFT_CROSS_ENTROPY:
        return losses_reference_cross_entropy(loss, grad, x, p->targets, p->shape, o);
    case FOCAL:
        return losses_reference_focal(loss, grad, x, p->targets, p->shape, gamma, o);
    case BINARY:
        return losses_reference_binary_cross_entropy(loss, grad, x, p->targets, p->shape, o);
    case SIGMOID_FOCAL:
        return losses_reference_sigmoid_focal(loss, grad, x, p->targets, p->shape, gamma, o);
    default:
        return losses_reference_dice(loss, grad, x, p->targets, p->shape, o);
    }
}

static float logits[ROOM], grad[ROOM], again[ROOM], soft[ROOM], losses[ROOM], losses_again[ROOM];
static double logits_d[ROOM], grad_d[ROOM], losses_d[ROOM];
static int32_t labels[ROOM];
static float weights[ROOM], more_weights[ROOM], upstream[ROOM];

static size_t count_losses(const problem *p)
{
    const losses_shape *s = &p->shape;
    if (p->options.reduction != LOSSES_NONE) return 1;
    if (p->loss == DICE) return s->samples * s->classes;
    return s->samples * s->positions * (p->loss >= BINARY ? s->classes : 1);
}

/* Draws logits, targets and options for p->loss and p->shape. */
static void fill(problem *p)
{
    const float range[] = {1, 4, 20, 60};
    const float reach = range[draw(4)];
    const unsigned classes = (unsigned)p->shape.classes;
    const int some = draw(2) == 0; /* are ignored */
    losses_options none;
    size_t i;
    memset(&none, 0, sizeof none);
    p->options = none;
    p->options.reduction = (losses_reduction)draw(3);
    p->options.accumulate = draw(4) == 0;
    if (draw(2)) p->options.upstream = upstream;
    p->gamma = p->loss == FOCAL || p->loss == SIGMOID_FOCAL ? (float)draw(11) / 2 : 0;
    for (i = 0; i < (p->shape.classes * p->shape.positions < 4000 ? 9000 : ROOM); i++) {
        logits[i] = draw_float(-reach, reach);
        soft[i] = draw(4) ? draw_float(0, 1) : 0;
        weights[i] = draw(8) ? draw_float(0.1f, 3) : 0;
        more_weights[i] = draw_float(0.1f, 3);
        upstream[i] = draw_float(-2, 2);
        labels[i] = some && draw(7) == 0 ? -100 : (int32_t)draw(p->loss >= BINARY ? 2 : classes);
        grad[i] = 7;
    }
    p->targets = losses_i32(labels);
    if (p->loss == SOFT_CROSS_ENTROPY || (p->loss >= BINARY && draw(3) == 0))
        p->targets = losses_f32(soft);
    if (p->loss == CROSS_ENTROPY || p->loss == SOFT_CROSS_ENTROPY) {
        if (draw(2)) p->options.class_weight = weights;
        if (draw(2)) p->options.label_smoothing = draw_float(0, 1);
        if (draw(2)) p->options.z_loss = draw_float(0, 0.1f);
    }
    if (p->loss == FOCAL && draw(2)) p->options.class_alpha = weights;
    if (p->loss == FOCAL || p->loss == SIGMOID_FOCAL) p->options.alpha = draw(2) ? 0.f : 0.75f;
    if (p->loss == BINARY && draw(2)) p->options.class_weight = weights;
    if (p->loss == BINARY && draw(2)) p->options.positive_weight = more_weights;
    if (p->loss == DICE && draw(2)) p->options.scale = p->options.eps = 1;
}

static double magnitude(const float *values, size_t n)
{
    double most = 0;
    size_t i;
    for (i = 0; i < n; i++) most = fmax(most, fabs((double)values[i]));
    return most;
}

/* The largest term of a gradient element whose terms may cancel; 0 for the losses where none does. */
static double natural_size(const problem *p)
{
    const losses_options *o = &p->options;
    const int terms = p->loss == SOFT_CROSS_ENTROPY || o->label_smoothing > 0 || o->z_loss > 0 ||
                      (p->targets.type == losses_f32(soft).type);
    double u = o->upstream ? magnitude(upstream, count_losses(p)) : 1, w,
           held = o->accumulate ? 7 : 0;
    if (!terms) return held;
    w = o->class_weight ? 3 : 1;
    if (o->positive_weight) w *= 3;
    if (p->loss <= SOFT_CROSS_ENTROPY)
        w = w * (p->targets.type == losses_f32(soft).type ? (double)p->shape.classes : 1) +
            (double)o->z_loss * 2 * 70;
    return held + u * w * (p->loss == SIGMOID_FOCAL ? 1 + (double)p->gamma * 60 : 1);
}

static int close_enough(float got, double want, double ulps, double size)
{
    if (isnan(want) || isinf(want)) return isnan(want) ? isnan(got) : (double)got == want;
    return fabs((double)got - want) <= ulps * fmax(ldexp(1, -23) * fabs(want), ldexp(1, -149)) +
                                           4 * ldexp(1, -24) * size +
                                           (check_flushes ? (double)FLT_MIN : 0);
}

static void check_problem(problem *p, size_t shift)
{
    losses_shape s = p->shape;
    const size_t row = s.class_stride ? s.class_stride : s.positions;
    const size_t step = s.sample_stride ? s.sample_stride : s.classes * row;
    float *const x = logits + shift, *const g = grad + (shift * 5) % 16;
    const size_t used = s.samples * step + 32, n = count_losses(p);
    const double size = natural_size(p), reach = 1 + magnitude(x, used);
    size_t i, sample, c, m, bad = 0;
    losses_report report, report_d;
    losses_wide sum;

    if (p->targets.type == losses_f32(soft).type) p->targets = losses_f32(soft + (shift * 3) % 16);
    check_case("%s, %lu x %lu x %lu, strides %lu %lu, shift %lu, gamma %g, seed %lu",
               kind_name[p->loss], (unsigned long)s.samples, (unsigned long)s.classes,
               (unsigned long)s.positions, (unsigned long)s.sample_stride,
               (unsigned long)s.class_stride, (unsigned long)shift, (double)p->gamma, seed);
    for (i = 0; i < used; i++) logits_d[i] = (double)x[i], grad_d[i] = 7;
    losses[n] = 123;
    p->options.report = &report_d;
    if (!CHECK_STATUS(refer(p, losses_d, grad_d, logits_d), LOSSES_OK)) return;
    p->options.report = &report;
    if (!CHECK_STATUS(solve(p, losses, g, x), LOSSES_OK)) return;
    CHECK(losses[n] == 123);
    /* Smoothing, z_loss and weights of 0 add terms, all of them positive. Of z lse^2 the error is
     * 2 z lse times that of lse, which cancels. */
    for (i = 0; i < n; i++)
        if (!close_enough(losses[i], losses_d[i], 4,
                          2 * sqrt((double)p->options.z_loss * fabs(losses_d[i])) * reach))
            CHECK_NEAR((double)losses[i], losses_d[i], 0), bad++;
    CHECK(bad == 0);
    CHECK(report.counted == report_d.counted);
    CHECK(close_enough((float)report.sum, report_d.sum, 4, 0));
    CHECK_NEAR(report.denominator, report_d.denominator, 1e-12 * report_d.denominator);

    for (i = 0; i < used; i++) { /* elements within the bound, everything between them untouched */
        sample = step ? i / step : s.samples;
        c = step ? i % step / row : 0;
        m = step ? i % step % row : 0;
        if (sample < s.samples && c < s.classes && m < s.positions)
            bad += !close_enough(g[i], grad_d[i], 32, size);
        else
            bad += !(g[i] == 7);
        if (bad == 1) {
            CHECK_NEAR((double)g[i], grad_d[i], 0);
            break;
        }
    }
    CHECK(bad == 0);

    /* value only, gradient only and elsewhere, in place: the same bits, also of the sum */
    sum = report.sum;
    CHECK_STATUS(solve(p, losses_again, NULL, x), LOSSES_OK);
    CHECK(memcmp(losses, losses_again, n * sizeof(float)) == 0);
    CHECK(memcmp(&sum, &report.sum, sizeof sum) == 0);
    for (i = 0; i < used; i++) again[i] = 7;
    CHECK_STATUS(solve(p, NULL, again, x), LOSSES_OK);
    CHECK(memcmp(g, again, used * sizeof(float)) == 0);
    CHECK(memcmp(&sum, &report.sum, sizeof sum) == 0);
    if (p->options.accumulate || s.sample_stride || s.class_stride) return;
    memcpy(again, x, used * sizeof(float));
    CHECK_STATUS(solve(p, losses_again, again, again), LOSSES_OK);
    CHECK(memcmp(losses, losses_again, n * sizeof(float)) == 0);
    CHECK(memcmp(g, again, s.samples * step * sizeof(float)) == 0);
    CHECK(memcmp(&sum, &report.sum, sizeof sum) == 0);
}

/* More classes or positions than tiles, strips and near caches hold. */
static void wide_shapes(void)
{
    static const size_t shapes[][3] = {{3, 1500, 1}, {2, 16700, 1}, {1, 100, 129}, {2, 40, 200},
                                       {2, 3, 700},  {60, 9, 1},    {2, 1, 1000}};
    problem p;
    size_t i;
    int k, time;
    seed = 21;
    for (i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (k = 0; k < KINDS; k++) {
            for (time = 0; time < (check_quick ? 2 : 6); time++) {
                p.loss = (kind)k;
                p.shape = losses_images(shapes[i][0], shapes[i][1], shapes[i][2]);
                fill(&p);
                p.options.accumulate = time % 2;
                check_problem(&p, 3);
            }
        }
    }
}

/* Labels that all count, and no option: whole strips, a part of one, and whole blocks of that. */
static void plain_masks(void)
{
    static const size_t pixels[] = {32, 700, 16 * 20};
    losses_options none;
    problem p;
    size_t i, j;
    unsigned half;
    memset(&none, 0, sizeof none);
    seed = 22;
    for (i = 0; i < sizeof pixels / sizeof *pixels; i++) {
        for (half = 0; half < 8; half++) { /* of gamma; 7: binary cross-entropy */
            p.loss = half < 7 ? SIGMOID_FOCAL : BINARY;
            p.shape = losses_masks(3, pixels[i]);
            fill(&p);
            for (j = 0; j < 3 * pixels[i] + 32; j++) labels[j] = (int32_t)draw(2);
            p.options = none;
            p.targets = losses_i32(labels);
            p.gamma = half < 7 ? (float)half / 2 : 0;
            check_problem(&p, 5);
        }
    }
}

/* The power magnifies what is lost of a single term. */
static void steep_focal(kind loss)
{
    const size_t n = loss == FOCAL ? 4000 : 8000;
    problem p;
    size_t i, bad = 0;
    seed = 22;
    p.loss = loss;
    p.shape = losses_rows(4000, 2);
    fill(&p);
    memset(&p.options, 0, sizeof p.options);
    p.options.reduction = LOSSES_NONE;
    p.gamma = 10;
    for (i = 0; i < 8000; i++) logits_d[i] = (double)(logits[i] = draw_float(-3, 3));
    for (i = 0; i < n; i++) labels[i] = (int32_t)draw(2);
    p.targets = losses_i32(labels);
    check_case("%s, gamma 10, two classes", kind_name[loss]);
    CHECK_STATUS(refer(&p, losses_d, NULL, logits_d), LOSSES_OK);
    CHECK_STATUS(solve(&p, losses, NULL, logits), LOSSES_OK);
    for (i = 0; i < n; i++) {
        const double off = fabs((double)losses[i] - losses_d[i]);
        bad += !(off <= 4 * ldexp(1, ilogb(losses_d[i]) - 23));
    }
    CHECK(bad == 0);
}

/* Where all classes but the target are equal, all additions of a sum lose the same way. */
static void level_focal(void)
{
    static const float level[][2] = {{-2.38420677f, 19.3524017f}, {1.77871513f, 22.8060532f},
                                     {1.77433026f, 22.1031456f},  {2.45312071f, 20.7422428f},
                                     {-2.40382004f, 21.4037437f}, {0.390774608f, 10.3277102f}};
    const size_t rows = sizeof level / sizeof *level, classes = 256;
    problem p;
    size_t i;
    p.loss = FOCAL;
    p.shape = losses_rows(rows, classes);
    fill(&p);
    memset(&p.options, 0, sizeof p.options);
    p.options.reduction = LOSSES_NONE;
    p.gamma = 2;
    for (i = 0; i < rows * classes; i++)
        logits_d[i] = (double)(logits[i] = level[i / classes][i % classes == 100]);
    for (i = 0; i < rows; i++) labels[i] = 100;
    p.targets = losses_i32(labels);
    CHECK_STATUS(refer(&p, losses_d, NULL, logits_d), LOSSES_OK);
    CHECK_STATUS(solve(&p, losses, NULL, logits), LOSSES_OK);
    for (i = 0; i < rows; i++) {
        const double off = fabs((double)losses[i] - losses_d[i]);
        check_case("focal, gamma 2, 255 classes at %.9g", (double)level[i][0]);
        CHECK(off <= 4 * ldexp(1, ilogb(losses_d[i]) - 23));
    }
}

void test_paths(void)
{
    problem p;
    size_t n, layout;
    int k;
    seed = 20;
    for (n = 0; n <= 130; n += check_quick ? 1 + n / 8 : 1) {
        for (k = 0; k < KINDS; k++) {
            for (layout = 0; layout < 6; layout++) {
                p.loss = (kind)k;
                switch (layout) {
                case 0:
                    p.shape = losses_rows(3, n > 0 ? n : 1);
                    break;
                case 1:
                    p.shape = losses_rows(n, 1 + draw(12));
                    break;
                case 2:
                    p.shape = losses_images(2, 1 + draw(5), n);
                    break;
                case 3:
                    p.shape = losses_masks(2, n);
                    break;
                case 4: /* padded rows */
                    p.shape = losses_rows(3, n > 0 ? n : 1);
                    p.shape.sample_stride = p.shape.classes + 1 + draw(9);
                    break;
                default: /* padded images */
                    p.shape = losses_images(2, 3, n);
                    p.shape.class_stride = n + 1 + draw(5);
                    p.shape.sample_stride = 3 * p.shape.class_stride + draw(9);
                    break;
                }
                fill(&p);
                check_problem(&p, n % 16);
            }
        }
    }
    wide_shapes();
    plain_masks();
    steep_focal(FOCAL);
    steep_focal(SIGMOID_FOCAL);
    level_focal();
}
#endif
