/* Partial results of dice: masks in tiles, folded and merged in any order, against the reference and against
 * losses_dice; wrong calls, of which no argument may change; reports of several calls. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#if defined(LOSSES_NO_REFERENCE) || defined(LOSSES_NO_DOUBLE)
void test_partial_dice(void) {}
#else
#define ROOM  300007 /* elements of the largest case, with padding */
#define MASKS 6      /* masks of a case, at most */
#define PARTS 5      /* arrays of states that are merged */

typedef enum target_type { U8, I32, I64, F32, TYPES } target_type;
static const char *const type_names[TYPES] = {"u8", "i32", "i64", "f32"};

static float logits[ROOM], grad[ROOM], whole_grad[ROOM], old[ROOM], soft[ROOM], upstream[MASKS];
static double wide_logits[ROOM], want_grad[ROOM];
static uint8_t labels8[ROOM], tile8[ROOM];
static int32_t labels32[ROOM], tile32[ROOM];
static int64_t labels64[ROOM], tile64[ROOM];
static losses_partial_mask states[PARTS][MASKS];
static losses_report report;

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

typedef struct problem {
    losses_shape shape; /* strides given */
    target_type type;
    losses_options options;
    int empty_mask; /* all of whose pixels are ignored, or -1 */
} problem;

static size_t masks_of(const problem *p) { return p->shape.samples * p->shape.classes; }

static size_t start_of(const problem *p, size_t mask)
{
    return mask / p->shape.classes * p->shape.sample_stride +
           mask % p->shape.classes * p->shape.class_stride;
}

static size_t extent_of(const problem *p)
{
    return p->shape.positions == 0 ? 0 : start_of(p, masks_of(p) - 1) + p->shape.positions;
}

/* Targets of all pixels, or with a place for them of a tile, packed anew */
static losses_targets targets_of(const problem *p, size_t from, size_t to)
{
    const size_t m = p->shape.positions, n = to - from;
    size_t i, k;
    if (p->type == F32) return losses_f32(soft + from);
    for (i = 0; i < masks_of(p); i++) {
        for (k = 0; k < n; k++) {
            tile8[i * n + k] = labels8[i * m + from + k];
            tile32[i * n + k] = labels32[i * m + from + k];
            tile64[i * n + k] = labels64[i * m + from + k];
        }
    }
    return p->type == U8    ? losses_u8(tile8)
           : p->type == I32 ? losses_i32(tile32)
                            : losses_i64(tile64);
}

static int64_t ignored_label(const problem *p)
{
    return p->options.has_ignore_index ? p->options.ignore_index : -100;
}

/* some: of ten pixels that many are ignored */
static void fill(const problem *p, unsigned some, float range)
{
    const size_t m = p->shape.positions;
    size_t i, k;
    for (i = 0; i < extent_of(p); i++) {
        logits[i] = draw_float(-range, range);
        soft[i] = draw_float(0, 1);
        old[i] = draw_float(-1, 1);
    }
    for (i = 0; i < masks_of(p); i++) {
        upstream[i] = draw_float(-2, 2);
        for (k = 0; k < m; k++) {
            const int off = p->type != F32 && (draw(10) < some || (int)i == p->empty_mask);
            const int64_t t = off ? ignored_label(p) : (int64_t)draw(2);
            labels8[i * m + k] = (uint8_t)t;
            labels32[i * m + k] = (int32_t)t;
            labels64[i * m + k] = t;
        }
    }
}

static void fold(const problem *p, losses_partial_mask *to, size_t from, size_t end)
{
    losses_shape tile = p->shape;
    tile.positions = end - from;
    CHECK_STATUS(
        losses_partial_dice_fold(to, logits + from, targets_of(p, from, end), tile, &p->options),
        LOSSES_OK);
}

static void slope(const problem *p, const losses_partial_mask *of, size_t from, size_t end,
                  int in_place)
{
    losses_shape tile = p->shape;
    tile.positions = end - from;
    CHECK_STATUS(losses_partial_dice_gradient(grad + from, of, (in_place ? grad : logits) + from,
                                              targets_of(p, from, end), tile, &p->options),
                 LOSSES_OK);
}

static int same_bits(const void *a, const void *b, size_t size)
{
    return size == 0 || memcmp(a, b, size) == 0;
}

/* Within 32 ulp, or 4 * 2^-24 of a term where terms cancel, and the rounding of what it is added to */
static void check_gradient(float got, double want, double before, double term)
{
    double tolerance = fabs(want) * ldexp(1, -19);
    if (before == 0 && term == 0) {
        CHECK_ULP(got, want, 32);
        return;
    }
    if (tolerance < term * ldexp(1, -22)) tolerance = term * ldexp(1, -22);
    tolerance += before != 0 ? fabs(before + want) * ldexp(1, -24) : 0;
    CHECK_NEAR((double)got, before + want, tolerance + ldexp(1, -145));
}

/* p's masks in tiles that end at cuts[0 .. count-1], the last at the end; which state each goes to, and
 * in which order they are merged, is drawn. */
static void check_tiling(const problem *p, const size_t *cuts, size_t count)
{
    const size_t masks = masks_of(p), m = p->shape.positions, extent = extent_of(p);
    const int none = p->options.reduction == LOSSES_NONE, add = p->options.accumulate;
    const int in_place = !add && draw(2) == 0;
    const size_t values = none ? masks : 1;
    losses_partial_mask finished[MASKS];
    losses_options of_reference = p->options;
    losses_report want_report;
    double want[MASKS];
    float loss[MASKS], whole[MASKS];
    size_t i, k, from, left = PARTS;

    of_reference.report = &want_report;
    for (i = 0; i < extent; i++) {
        wide_logits[i] = (double)logits[i];
        want_grad[i] = 0;
        whole_grad[i] = add ? old[i] : 77;
        grad[i] = add ? old[i] : in_place ? logits[i] : 77;
    }
    of_reference.accumulate = 0;
    CHECK_STATUS(losses_reference_dice(want, want_grad, wide_logits, targets_of(p, 0, m), p->shape,
                                       &of_reference),
                 LOSSES_OK);
    CHECK_STATUS(losses_dice(whole, whole_grad, logits, targets_of(p, 0, m), p->shape, &p->options),
                 LOSSES_OK);

    memset(states, 0, sizeof states);
    for (i = 0, from = 0; i < count; i++) {
        fold(p, states[draw(PARTS)], from, cuts[i]);
        from = cuts[i];
    }
    for (; left > 1; left--) { /* the last into another, each time */
        const size_t to = draw((unsigned)left - 1), last = left - 1;
        CHECK_STATUS(losses_partial_dice_merge(states[to], states[last], masks), LOSSES_OK);
    }
    memcpy(finished, states[0], sizeof finished);
    CHECK_STATUS(losses_partial_dice(loss, finished, masks, &p->options), LOSSES_OK);
    for (i = 0; i < values; i++) {
        if (none || p->options.reduction == LOSSES_MEAN || masks == 1)
            CHECK_ULP(loss[i], want[i], 4);
        else
            CHECK_NEAR((double)loss[i], want[i], want[i] * ldexp(1, -21));
        CHECK_ULP(loss[i], (double)whole[i], 4);
    }
    CHECK(report.counted == want_report.counted);
    CHECK(same_bits(&report.denominator, &want_report.denominator, sizeof report.denominator));
    CHECK_NEAR(report.sum, want_report.sum, fabs(want_report.sum) * ldexp(1, -21));
    CHECK(report.bad_position == 0);
    for (i = 0; i < masks; i++) {
        size_t counted = 0;
        for (k = 0; k < m; k++)
            counted += p->type == F32 || labels64[i * m + k] != ignored_label(p);
        CHECK(finished[i].counted == counted);
        CHECK(same_bits(&finished[i].intersection, &states[0][i].intersection, sizeof(double)));
        CHECK(same_bits(&finished[i].difference, &states[0][i].difference, sizeof(double)));
    }
    for (i = 0, from = 0; i < count; i++) {
        slope(p, finished, from, cuts[i], in_place);
        from = cuts[i];
    }
    for (i = 0; i < masks; i++) {
        for (k = 0; k < m; k++) {
            const size_t at = start_of(p, i) + k;
            const double before = add ? (double)old[at] : 0;
            double term = 0;
            if (p->type == F32) { /* c0 - t (c0 + c1) */
                const double n = exp(-fabs(wide_logits[at]));
                const double c0 = finished[i].slope_0, c1 = finished[i].slope_1;
                term = (double)soft[at] * (c0 + c1);
                term = n / (1 + n) / (1 + n) * fabs(finished[i].factor) * (term > c0 ? term : c0);
            }
            check_gradient(grad[at], want_grad[at], before, term);
            check_gradient(grad[at], (double)whole_grad[at] - (add ? before : 0), before,
                           add ? fabs(before) + term : term);
        }
    }
    for (i = 0; i + 1 < masks && m > 0; i++) /* padding */
        for (k = start_of(p, i) + m; k < start_of(p, i + 1); k++)
            CHECK(grad[k] == (add ? old[k] : in_place ? logits[k] : 77));
}

/* Every way to cut up to 6 pixels, with tiles of none between them */
static void small_masks(void)
{
    unsigned number = 0;
    size_t m, way;
    for (m = 0; m <= 6; m++) {
        for (way = 0; way < ((size_t)1 << (m > 0 ? m - 1 : 0)); way++) {
            for (number = 0; number < 24; number++) {
                problem p;
                size_t cuts[16], count = 0, k;
                memset(&p, 0, sizeof p);
                p.type = (target_type)(number % 4);
                p.shape = losses_images(1 + draw(2), 1 + draw(3), m);
                p.shape.class_stride = m + draw(3);
                p.shape.sample_stride = p.shape.classes * p.shape.class_stride + draw(3);
                if (p.shape.class_stride == 0) p.shape.class_stride = 1;
                if (p.shape.sample_stride < p.shape.classes * p.shape.class_stride)
                    p.shape.sample_stride = p.shape.classes * p.shape.class_stride;
                p.options.reduction = (losses_reduction)(number % 3);
                p.options.report = &report;
                p.options.accumulate = number % 5 == 4;
                if (number % 2) p.options.upstream = upstream;
                if (number % 3 == 0 && draw(2)) p.options.denominator = 7;
                if (number % 4 == 1) p.options.scale = p.options.eps = 1;
                if (p.type == U8) p.options.has_ignore_index = 1, p.options.ignore_index = 2;
                p.empty_mask = draw(3) == 0 ? (int)draw((unsigned)masks_of(&p)) : -1;
                check_case("small masks, %s, %u x %u x %u, way %u, number %u, seed %lu",
                           type_names[p.type], (unsigned)p.shape.samples, (unsigned)p.shape.classes,
                           (unsigned)m, (unsigned)way, number, seed);
                fill(&p, draw(4), 8);
                if (draw(2)) cuts[count++] = 0;
                for (k = 1; k <= m; k++) {
                    if (k == m || way >> (k - 1) & 1) cuts[count++] = k;
                    if (count > 0 && draw(4) == 0) {
                        cuts[count] = cuts[count - 1];
                        count++;
                    }
                }
                if (count == 0) cuts[count++] = 0;
                check_tiling(&p, cuts, count);
            }
        }
    }
}

static void large_masks(void)
{
    static const size_t sizes[] = {15, 16, 17, 31, 127, 128, 129, 500, 3001};
    unsigned number;
    for (number = 0; number < (check_quick ? 90u : 400u); number++) {
        problem p;
        size_t cuts[64], count = 0, m = sizes[number % (sizeof sizes / sizeof *sizes)], at = 0;
        memset(&p, 0, sizeof p);
        p.type = (target_type)draw(4);
        p.shape = losses_images(1 + draw(2), 1 + draw(3), m);
        p.shape.class_stride = m + draw(2);
        p.shape.sample_stride = p.shape.classes * p.shape.class_stride;
        p.options.reduction = (losses_reduction)draw(3);
        p.options.report = &report;
        p.options.accumulate = draw(3) == 0;
        if (draw(2)) p.options.upstream = upstream;
        if (draw(2)) p.options.scale = p.options.eps = 1;
        if (p.type == U8) p.options.has_ignore_index = 1, p.options.ignore_index = 255;
        p.empty_mask = -1;
        check_case("large masks, %s, %u x %u x %u, number %u, seed %lu", type_names[p.type],
                   (unsigned)p.shape.samples, (unsigned)p.shape.classes, (unsigned)m, number, seed);
        fill(&p, draw(4), draw(2) ? 8.f : 90.f);
        while (at < m && count < 63) {
            at += draw(3) == 0 ? draw((unsigned)m) : draw(3);
            if (at > m) at = m;
            cuts[count++] = at;
        }
        if (at < m) cuts[count++] = m;
        check_tiling(&p, cuts, count);
    }
}

/* Longer than what a call takes whole */
static void long_mask(void)
{
    const size_t cuts[] = {131072, 131073, 300000};
    problem p;
    memset(&p, 0, sizeof p);
    p.shape = losses_masks(1, 300000);
    p.shape.class_stride = p.shape.sample_stride = 300000;
    p.options.report = &report;
    p.type = I32;
    p.empty_mask = -1;
    check_case("a mask of 300000 pixels");
    fill(&p, 1, 6);
    check_tiling(&p, cuts, 3);
    check_tiling(&p, cuts + 2, 1);
}

/* Finished, more folded and finished again; a state that is not finished has the gradient 0 */
static void twice(void)
{
    problem p;
    losses_partial_mask once[2], again[2];
    float a[2], b[2];
    size_t i;
    memset(&p, 0, sizeof p);
    p.shape = losses_images(1, 2, 50);
    p.shape.class_stride = 50;
    p.shape.sample_stride = 100;
    p.options.reduction = LOSSES_NONE;
    p.empty_mask = -1;
    p.type = U8;
    check_case("finished twice");
    fill(&p, 0, 5);
    memset(once, 0, sizeof once);
    memset(again, 0, sizeof again);
    fold(&p, once, 0, 20);
    fold(&p, again, 0, 20);
    for (i = 0; i < 100; i++) grad[i] = 77;
    slope(&p, once, 0, 50, 0);
    for (i = 0; i < 100; i++) CHECK(grad[i] == 0);
    CHECK_STATUS(losses_partial_dice(b, again, 2, &p.options), LOSSES_OK);
    CHECK_STATUS(losses_partial_dice(NULL, again, 2, &p.options), LOSSES_OK);
    fold(&p, once, 20, 50);
    fold(&p, again, 20, 50);
    CHECK_STATUS(losses_partial_dice(a, once, 2, &p.options), LOSSES_OK);
    CHECK_STATUS(losses_partial_dice(b, again, 2, &p.options), LOSSES_OK);
    CHECK(same_bits(a, b, sizeof a));
    CHECK(same_bits(once, again, sizeof once));
}

static void not_a_number(void)
{
    const size_t cuts[] = {10, 30};
    size_t mask, k;
    if (check_finite) return;
    for (mask = 0; mask < 3; mask++) {
        problem p;
        losses_partial_mask s[3];
        float loss[3], mean;
        memset(&p, 0, sizeof p);
        memset(s, 0, sizeof s);
        p.shape = losses_masks(3, 30);
        p.shape.class_stride = p.shape.sample_stride = 30;
        p.options.reduction = LOSSES_NONE;
        p.options.report = &report;
        p.empty_mask = -1;
        p.type = I64;
        check_case("NaN in mask %u", (unsigned)mask);
        fill(&p, 0, 5);
        logits[mask * 30 + 13] = NAN;
        labels64[mask * 30 + 20] = -100; /* an ignored pixel has gradient 0 all the same */
        logits[(mask + 1) % 3 * 30 + 20] = NAN;
        labels64[(mask + 1) % 3 * 30 + 20] = -100;
        fold(&p, s, 0, cuts[0]);
        fold(&p, s, cuts[0], cuts[1]);
        CHECK_STATUS(losses_partial_dice(loss, s, 3, &p.options), LOSSES_OK);
        slope(&p, s, 0, 15, 0);
        slope(&p, s, 15, 30, 0);
        for (k = 0; k < 3; k++) CHECK(isnan(loss[k]) == (k == mask));
        for (k = 0; k < 90; k++) CHECK(isnan(grad[k]) == (k / 30 == mask && labels64[k] != -100));
        CHECK(report.counted == 3);
        p.options.reduction = LOSSES_MEAN;
        CHECK_STATUS(losses_partial_dice(&mean, s, 3, &p.options), LOSSES_OK);
        CHECK(isnan(mean) && isnan(report.sum));
    }
    {
        problem p;
        losses_partial_mask s[1] = {{0, 0, 0, 0, 0, 0}};
        struct {
            losses_partial_mask s;
            float loss[2];
        } behind = {{0, 0, 0, 0, 0, 0}, {77, 77}};
        float loss = 77;
        memset(&p, 0, sizeof p);
        check_case("nothing counted");
        p.options.report = &report;
        CHECK_STATUS(losses_partial_dice(&loss, s, 1, &p.options), LOSSES_OK);
        CHECK(loss == 0 && report.counted == 0 && report.sum == 0);
        CHECK_STATUS(losses_partial_dice(&loss, NULL, 0, NULL), LOSSES_OK);
        CHECK(loss == 0);
        /* the loss right behind the state, or in its end */
        CHECK_STATUS(losses_partial_dice(behind.loss, &behind.s, 1, NULL), LOSSES_OK);
        CHECK(behind.loss[0] == 0);
        CHECK_STATUS(losses_partial_dice((float *)(void *)&behind.s.factor + 1, &behind.s, 1, NULL),
                     LOSSES_BAD_OVERLAP);
        p.options.nan_if_empty = 1;
        CHECK_STATUS(losses_partial_dice(&loss, s, 1, &p.options), LOSSES_OK);
        CHECK(isnan(loss));
    }
}

/* --- wrong calls --------------------------------------------------------------------------------- */
enum { PIXELS = 8 };

static struct memory { /* of one call */
    losses_partial_mask states[4], others[4];
    float logits[3 * PIXELS], grad[3 * PIXELS], loss[4], soft[3 * PIXELS], upstream[4];
    int32_t labels[3 * PIXELS];
    losses_options options;
    losses_report report;
} a, before;

static void reset(void)
{
    size_t i;
    memset(&a, 0, sizeof a);
    for (i = 0; i < 3 * PIXELS; i++) {
        a.logits[i] = draw_float(-3, 3);
        a.grad[i] = 77;
        a.labels[i] = (int32_t)draw(2);
        a.soft[i] = draw_float(0, 1);
    }
    for (i = 0; i < 4; i++) {
        a.states[i].intersection = a.others[i].intersection = 1;
        a.states[i].difference = a.others[i].difference = 2;
        a.states[i].counted = a.others[i].counted = 5;
        a.loss[i] = 77;
        a.upstream[i] = 1;
    }
    a.options.report = &a.report;
    before = a;
}

/* Prepares with some statements, then makes the call, which must leave everything as it was. */
#define WRONG(status, prepare, call) \
    do { \
        check_case("wrong: %s; %s", #prepare, #call); \
        reset(); \
        prepare; \
        before = a; \
        CHECK_STATUS(call, status); \
        CHECK(memcmp(&a, &before, sizeof a) == 0); \
    } while (0)
#define SHAPE losses_images(1, 3, PIXELS)
#define FOLD  losses_partial_dice_fold(s, x, t, shape, o)
#define END   losses_partial_dice(loss, s, masks, o)
#define SLOPE losses_partial_dice_gradient(g, s, x, t, shape, o)
#define MERGE losses_partial_dice_merge(s, s2, masks)

static void wrong_calls(void)
{
    const float *x = a.logits;
    float *g = a.grad, *loss = a.loss;
    losses_partial_mask *s = a.states, *s2 = a.others;
    losses_targets t = losses_i32(a.labels);
    losses_shape shape = SHAPE;
    const losses_options *o = &a.options;
    size_t masks = 3;

#define BOTH(status, prepare) \
    WRONG(status, prepare, FOLD); \
    WRONG(status, prepare, SLOPE)
#define ALL(status, prepare) \
    BOTH(status, prepare); \
    WRONG(status, prepare, END)

    BOTH(LOSSES_BAD_POINTER, x = NULL);
    x = a.logits;
    ALL(LOSSES_BAD_POINTER, s = NULL);
    s = a.states;
    BOTH(LOSSES_BAD_POINTER, t.data = NULL);
    t = losses_i32(a.labels);
    WRONG(LOSSES_BAD_POINTER, g = NULL, SLOPE);
    g = a.grad;
    WRONG(LOSSES_BAD_POINTER, s = NULL, MERGE);
    s = a.states;
    WRONG(LOSSES_BAD_POINTER, s2 = NULL, MERGE);
    s2 = a.others;

    BOTH(LOSSES_BAD_SHAPE, shape.classes = 0);
    shape = SHAPE;
    BOTH(LOSSES_BAD_SHAPE, shape.class_stride = PIXELS - 1);
    shape = SHAPE;
    BOTH(LOSSES_BAD_SHAPE, shape.positions = SIZE_MAX / 2);
    shape = losses_images(SIZE_MAX / sizeof *s + 1, 1, 0);
    BOTH(LOSSES_BAD_SHAPE, (void)0);
    shape = losses_images(SIZE_MAX, 2, 0);
    BOTH(LOSSES_BAD_SHAPE, (void)0);
    shape = SHAPE;
    WRONG(LOSSES_BAD_SHAPE, masks = SIZE_MAX / sizeof *s + 1, END);
    WRONG(LOSSES_BAD_SHAPE, masks = SIZE_MAX / sizeof *s + 1, MERGE);
    masks = 3;

    ALL(LOSSES_BAD_OPTION, a.options.reduction = (losses_reduction)3);
    ALL(LOSSES_BAD_OPTION, a.options.denominator = -1);
    ALL(LOSSES_BAD_OPTION, a.options.reduction = LOSSES_SUM; a.options.denominator = 1);
    ALL(LOSSES_BAD_OPTION, a.options.has_ignore_index = 2);
    ALL(LOSSES_BAD_OPTION, a.options.ignore_index = 2);
    ALL(LOSSES_BAD_OPTION, a.options.nan_if_empty = -1);
    ALL(LOSSES_BAD_OPTION, a.options.class_weight = a.upstream);
    ALL(LOSSES_BAD_OPTION, a.options.positive_weight = a.upstream);
    ALL(LOSSES_BAD_OPTION, a.options.class_alpha = a.upstream);
    ALL(LOSSES_BAD_OPTION, a.options.label_smoothing = 0.1f);
    ALL(LOSSES_BAD_OPTION, a.options.z_loss = 1);
    ALL(LOSSES_BAD_OPTION, a.options.alpha = 1);
    ALL(LOSSES_BAD_OPTION, a.options.scale = -1);
    ALL(LOSSES_BAD_OPTION, a.options.eps = -1);
    ALL(LOSSES_BAD_OPTION, a.options.eps = FLT_MIN; a.options.scale = 0.1f);
    ALL(LOSSES_BAD_OPTION, a.options.accumulate = 2);
    ALL(LOSSES_BAD_OPTION, a.options.log_sum_exp = a.loss);
    t = losses_f32(a.soft);
    BOTH(LOSSES_BAD_OPTION, a.options.has_ignore_index = 1);
    t = losses_i32(a.labels);

    BOTH(LOSSES_BAD_TARGET, t.type = 0);
    BOTH(LOSSES_BAD_TARGET, t.type = 5);
    t = losses_i32(a.labels);
    BOTH(LOSSES_BAD_TARGET, a.options.report = NULL; a.labels[11] = 2);
    BOTH(LOSSES_BAD_TARGET, a.options.report = NULL; a.labels[3 * PIXELS - 1] = -1);

    WRONG(LOSSES_BAD_OVERLAP, s = (losses_partial_mask *)(void *)(a.logits + 2 * PIXELS + 2), FOLD);
    WRONG(LOSSES_BAD_OVERLAP, s = (losses_partial_mask *)(void *)(a.labels + 2 * PIXELS + 2), FOLD);
    s = a.states;
    t = losses_f32((const float *)(const void *)a.states);
    WRONG(LOSSES_BAD_OVERLAP, (void)0, FOLD);
    t = losses_i32(a.labels);
    ALL(LOSSES_BAD_OVERLAP, a.options.report = (losses_report *)(void *)&a.states[2]);
    WRONG(LOSSES_BAD_OVERLAP, a.options.upstream = (const float *)(const void *)&a.states[1], FOLD);
    WRONG(LOSSES_BAD_OVERLAP, a.options.upstream = (const float *)(const void *)&a.states[1], END);
    s = (losses_partial_mask *)(void *)&a.options;
    shape.classes = masks = 1;
    WRONG(LOSSES_BAD_OVERLAP, a.options.report = NULL, FOLD);
    WRONG(LOSSES_BAD_OVERLAP, a.options.report = NULL, END);
    shape.classes = masks = 3;
    s = a.states;
    WRONG(LOSSES_BAD_OVERLAP, loss = (float *)(void *)&a.states[2], END);
    WRONG(LOSSES_BAD_OVERLAP, loss = (float *)(void *)&a.report, END);
    loss = a.loss;
    WRONG(LOSSES_BAD_OVERLAP, a.options.reduction = LOSSES_NONE;
          a.options.upstream = a.loss + 2, END);
    WRONG(LOSSES_BAD_OVERLAP, g = (float *)(void *)&a.states[2], SLOPE);
    WRONG(LOSSES_BAD_OVERLAP, g = a.logits + 1, SLOPE);
    WRONG(LOSSES_BAD_OVERLAP, g = a.logits; a.options.accumulate = 1, SLOPE);
    WRONG(LOSSES_BAD_OVERLAP, g = (float *)(void *)&a.labels[5], SLOPE);
    WRONG(LOSSES_BAD_OVERLAP, g = (float *)(void *)&a.report, SLOPE);
    g = a.grad;
    WRONG(LOSSES_BAD_OVERLAP, a.options.upstream = a.grad + 5, SLOPE);
    WRONG(LOSSES_BAD_OVERLAP, s2 = a.states + 2, MERGE);
    WRONG(LOSSES_BAD_OVERLAP, s2 = a.states, MERGE);
    s2 = a.others;
    WRONG(LOSSES_BAD_POINTER, (void)0, losses_partial_report(NULL, &a.report));
    WRONG(LOSSES_BAD_POINTER, (void)0, losses_partial_report(&a.report, NULL));
    WRONG(LOSSES_BAD_OVERLAP, (void)0, losses_partial_report(&a.report, &a.report));

    check_case("a bad target is told, and nothing else");
    reset();
    a.labels[13] = a.labels[17] = 3;
    before = a;
    CHECK_STATUS(FOLD, LOSSES_BAD_TARGET);
    CHECK(a.report.bad_position == 13);
    before.report.bad_position = 13;
    CHECK(memcmp(&a, &before, sizeof a) == 0);
    CHECK_STATUS(SLOPE, LOSSES_BAD_TARGET);
    CHECK(memcmp(&a, &before, sizeof a) == 0);

    shape = losses_images(1, 1, PIXELS); /* of one mask of one pixel, too */
    masks = 1;
    ALL(LOSSES_BAD_POINTER, s = NULL);
    shape.positions = 1;
    ALL(LOSSES_BAD_POINTER, s = NULL);
    s = a.states;
    WRONG(LOSSES_BAD_POINTER, g = NULL, SLOPE);
    g = a.grad;
    WRONG(LOSSES_BAD_POINTER, s = NULL, MERGE);
    s = a.states;
    WRONG(LOSSES_BAD_POINTER, s2 = NULL, MERGE);
    s2 = a.others;
    shape = SHAPE;
    masks = 3;

    check_case("right, next to what is wrong");
    reset();
    CHECK_STATUS(FOLD, LOSSES_OK);
    CHECK(a.states[2].counted == 5 + PIXELS && a.states[3].counted == 5);
    CHECK_STATUS(END, LOSSES_OK);
    CHECK_STATUS(SLOPE, LOSSES_OK);
    CHECK_STATUS(MERGE, LOSSES_OK);
    CHECK(a.states[2].counted == 10 + PIXELS && a.states[3].counted == 5);
    masks = 0;
    CHECK_STATUS(losses_partial_dice_merge(NULL, NULL, 0), LOSSES_OK);
    shape.positions = 0; /* a tile without a pixel needs no data, and changes nothing */
    before = a;
    CHECK_STATUS(losses_partial_dice_fold(a.states, NULL, losses_u8(NULL), shape, o), LOSSES_OK);
    CHECK_STATUS(losses_partial_dice_gradient(NULL, a.states, NULL, losses_u8(NULL), shape, o),
                 LOSSES_OK);
    CHECK(memcmp(&a, &before, sizeof a) == 0);
}

/* The mean over a batch in two calls is that of one call. */
static void reports(void)
{
    losses_report first, second, all;
    losses_options o;
    float loss;
    problem p;
    memset(&p, 0, sizeof p);
    memset(&o, 0, sizeof o);
    check_case("reports of two calls");
    p.shape = losses_masks(6, 20);
    p.shape.class_stride = p.shape.sample_stride = 20;
    p.type = I64;
    p.empty_mask = 1;
    fill(&p, 1, 4);
    o.report = &all;
    losses_binary_cross_entropy(&loss, NULL, logits, losses_i64(labels64), losses_masks(6, 20), &o);
    o.report = &first;
    losses_binary_cross_entropy(NULL, NULL, logits, losses_i64(labels64), losses_masks(2, 20), &o);
    o.report = &second;
    losses_binary_cross_entropy(NULL, NULL, logits + 40, losses_i64(labels64 + 40),
                                losses_masks(4, 20), &o);
    first.bad_position = 5;
    CHECK_STATUS(losses_partial_report(&first, &second), LOSSES_OK);
    CHECK(first.counted == all.counted && first.bad_position == 5);
    CHECK(first.denominator == all.denominator);
    CHECK_NEAR(first.sum, all.sum, all.sum * 1e-13);
    CHECK_ULP(loss, first.sum / first.denominator, 1);
}

void test_partial_dice(void)
{
    seed = 27;
    small_masks();
    large_masks();
    if (!check_quick && check_on_best_set()) long_mask();
    twice();
    not_a_number();
    wrong_calls();
    reports();
}
#endif
