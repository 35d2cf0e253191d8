/* The same bits from any number of threads: makes some hundred calls that are large enough to be spread,
 * and small ones, over every loss, option, layout and instruction set, and prints for each
 *     SET LOSS SHAPE DRAW STATUS HASH
 * with a hash of all that it wrote. threads.sh compares what builds with and without LOSSES_OPENMP print.
 * Where the linker counts the parallel regions (WRAPPED), large calls must have one and small ones none.
 *     threads [--short]      the best set only, and fewer calls: for sanitizers, which are slow */
#include <stdio.h>
#include <string.h>
#define LOSSI_TEST
#define LOSSES_NO_REFERENCE
#define LOSSES_STATIC
#define LOSSES_IMPLEMENTATION
#include "../losses.h"

#define ROOM 1200000 /* elements of the largest call, with its padding */

static float x[ROOM], grad[ROOM], q[ROOM], loss[ROOM], lse[ROOM], upstream[ROOM];
static float weight[60000], positive[60000];
static int64_t labels[ROOM];
static int32_t labels32[ROOM];
static uint8_t labels8[ROOM];
static unsigned long regions, failed;
static int brief;

#ifdef WRAPPED
void __real_GOMP_parallel(void (*run)(void *), void *data, unsigned threads, unsigned flags);
void __wrap_GOMP_parallel(void (*run)(void *), void *data, unsigned threads, unsigned flags);
void __wrap_GOMP_parallel(void (*run)(void *), void *data, unsigned threads, unsigned flags)
{
    regions += threads != 1; /* 1: the `if` of the region did not hold */
    __real_GOMP_parallel(run, data, threads, flags);
}
#endif

static uint32_t seed = 1;

static uint32_t draw(uint32_t below) /* 0 .. below - 1; Marsaglia's xorshift */
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static float draw_float(float low, float high)
{
    return low + (high - low) * (float)draw(1u << 24) / 16777216.f;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n) /* FNV-1a, by words */
{
    const unsigned char *p = (const unsigned char *)data;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t u;
        memcpy(&u, p, 8);
        hash = (hash ^ u) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    for (; n > 0; n--) hash = (hash ^ *p++) * 0x100000001b3u;
    return hash;
}

/* --- the calls ---------------------------------------------------------------------------------- */
typedef enum kind {
    LOG_SOFTMAX,
    LOG_SOFTMAX_GRADIENT,
    NLL,
    CROSS_ENTROPY,
    SOFT_CROSS_ENTROPY,
    FOCAL,
    BINARY,
    SIGMOID_FOCAL,
    DICE,
    PARTIAL_DICE,
    KINDS
} kind;
static const char *const kind_name[] = {"log_softmax",
                                        "log_softmax_gradient",
                                        "nll",
                                        "cross_entropy",
                                        "cross_entropy with probabilities",
                                        "focal",
                                        "binary_cross_entropy",
                                        "sigmoid_focal",
                                        "dice",
                                        "partial_dice"};

/* sample and class stride of 0: packed; 1: padded; 2: classes outermost */
typedef struct form {
    size_t samples, classes, positions;
    int layout, always;
} form;
static const form forms[] = {
    {3, 5, 1, 0, 1},       {1, 1000, 1, 0, 0},   {40, 700, 1, 0, 0},   {20011, 10, 1, 0, 1},
    {3001, 32, 1, 1, 0},   {301, 1000, 1, 0, 1}, {97, 1021, 1, 1, 0},  {5, 50001, 1, 0, 0},
    {100003, 1, 1, 0, 0},  {2, 19, 5003, 0, 1},  {3, 21, 2401, 1, 0},  {401, 5, 49, 0, 0},
    {7, 3, 20000, 2, 0},   {1, 2, 131071, 0, 0}, {2, 1, 131073, 1, 1}, {1, 3, 262145, 0, 0},
    {1, 1, 1000000, 0, 0},
};

static losses_status take(kind loss_kind, const form *f, unsigned number, int wrong,
                          size_t *written)
{
    const int sigmoid = loss_kind >= BINARY;
    const size_t n = f->samples, c = f->classes, m = f->positions, all = n * c * m;
    const size_t targets_count = sigmoid ? all : n * m;
    const int float_targets = loss_kind == SOFT_CROSS_ENTROPY || (sigmoid && number % 4 == 3);
    const int type = (int)(number % 3);
    losses_shape shape = losses_images(n, c, m);
    losses_options o = {LOSSES_MEAN, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,           NULL, 0, 0, NULL, 0,    NULL, NULL};
    losses_report report = {-1, -1, 77, 77};
    losses_partial_mask states[64];
    losses_targets targets;
    losses_status status = LOSSES_OK;
    float gamma = number % 2 ? 2.f : 1.7f, value = -1, *out = &value, *to = grad;
    const float *from = x;
    uint64_t hash = 0xcbf29ce484222325u;
    size_t i, extent;
    int options = loss_kind > LOG_SOFTMAX_GRADIENT;

    if (f->layout == 1) {
        shape.class_stride = m == 1 ? 1 : m + 3;
        shape.sample_stride = c * shape.class_stride + 5;
    } else if (f->layout == 2) {
        shape.sample_stride = m;
        shape.class_stride = n * m + 1;
    }
    extent = f->layout == 0   ? all
             : f->layout == 1 ? n * shape.sample_stride
                              : c * shape.class_stride;
    if (extent > ROOM) return LOSSES_OK;
    for (i = 0; i < extent; i++) {
        x[i] = draw_float(-6, 6);
        q[i] = draw_float(0, 1);
        grad[i] = number % 5 == 1 ? draw_float(-1, 1) : -3.f;
    }
    for (i = 0; i < 40; i++) x[draw((uint32_t)extent)] = draw_float(-200, 200);
    for (i = 0; i < targets_count; i++) {
        labels[i] = (int64_t)draw(sigmoid ? 2 : (uint32_t)c);
        if (number % 3 == 2 && draw(5) == 0) labels[i] = sigmoid || c < 200 ? 200 : (int64_t)c;
    }
    if (wrong) { /* of several the first is reported */
        labels[targets_count - 1] = labels[targets_count * 2 / 3] = (int64_t)c + 1;
        labels[targets_count / 3] = (int64_t)c + 1;
    }
    for (i = 0; i < targets_count; i++) {
        labels32[i] = (int32_t)labels[i];
        labels8[i] = (uint8_t)labels[i];
    }
    if (float_targets)
        targets = losses_f32(q);
    else if (type == 0)
        targets = losses_i64(labels);
    else if (type == 1)
        targets = losses_i32(labels32);
    else
        targets = (c <= 200 || sigmoid) ? losses_u8(labels8) : losses_i64(labels);

    if (number % 3 == 2 && !float_targets) {
        o.has_ignore_index = 1;
        o.ignore_index = sigmoid || c < 200 ? 200 : (int64_t)c;
    }
    o.reduction = (losses_reduction)(number / 2 % 3);
    if (o.reduction == LOSSES_MEAN && number % 4 == 1) o.denominator = 12345;
    o.accumulate = number % 5 == 1;
    o.report = &report;
    if (number % 3 == 0) o.upstream = upstream;
    if ((loss_kind == NLL || loss_kind == CROSS_ENTROPY || loss_kind == SOFT_CROSS_ENTROPY ||
         loss_kind == BINARY) &&
        number % 2)
        o.class_weight = weight;
    if (loss_kind == BINARY && number % 4 == 1) o.positive_weight = positive;
    if (loss_kind == FOCAL && number % 2) o.class_alpha = weight;
    if ((loss_kind == CROSS_ENTROPY || loss_kind == SOFT_CROSS_ENTROPY) && number % 3 == 1)
        o.label_smoothing = 0.1f, o.z_loss = 1e-3f;
    if (loss_kind >= CROSS_ENTROPY && loss_kind <= FOCAL && number % 2 == 0) o.log_sum_exp = lse;
    if (number % 7 == 6 && !o.accumulate) { /* in place */
        memcpy(grad, x, extent * sizeof *x);
        from = grad;
    }
    if (number % 7 == 5) to = NULL;
    if (loss_kind <= LOG_SOFTMAX_GRADIENT) to = grad;
    if (o.reduction == LOSSES_NONE) out = loss;
    memset(loss, 0, (options ? all : 1) * sizeof *loss);
    memset(lse, 0, n * m * sizeof *lse);
    regions = 0;
    switch (loss_kind) {
    case LOG_SOFTMAX:
        status = losses_log_softmax(to, from, shape);
        break;
    case LOG_SOFTMAX_GRADIENT:
        status = losses_log_softmax_gradient(to, q, from, shape);
        break;
    case NLL:
        status = losses_nll(out, to, from, targets, shape, &o);
        break;
    case CROSS_ENTROPY:
    case SOFT_CROSS_ENTROPY:
        status = losses_cross_entropy(out, to, from, targets, shape, &o);
        break;
    case FOCAL:
        status = losses_focal(out, to, from, targets, shape, gamma, &o);
        break;
    case BINARY:
        status = losses_binary_cross_entropy(out, to, from, targets, shape, &o);
        break;
    case SIGMOID_FOCAL:
        status = losses_sigmoid_focal(out, to, from, targets, shape, gamma, &o);
        break;
    case DICE:
        status = losses_dice(out, to, from, targets, shape, &o);
        break;
    default:
        if (n * c > 64) return LOSSES_OK;
        memset(states, 0, sizeof states);
        status = losses_partial_dice_fold(states, from, targets, shape, &o);
        if (status == LOSSES_OK) status = losses_partial_dice(out, states, n * c, &o);
        if (status == LOSSES_OK)
            status = losses_partial_dice_gradient(grad, states, from, targets, shape, &o);
        for (i = 0; i < n * c; i++) {
            hash = hash_bytes(hash, &states[i].intersection, sizeof states[i].intersection);
            hash = hash_bytes(hash, &states[i].difference, sizeof states[i].difference);
            hash = hash_bytes(hash, &states[i].counted, sizeof states[i].counted);
        }
    }
#ifdef WRAPPED
    {
        const size_t items = loss_kind >= DICE  ? (m > 131072 ? all : n * c)
                             : sigmoid          ? all / 128
                             : c > 32 && m == 1 ? n / 16
                                                : n * m / 64;
        const int spread = loss_kind == NLL && to == NULL ? n * m >= 32768 : all >= 32768;
        if (!wrong && (spread && items > 1 ? regions == 0 : !spread && regions > 0)) {
            failed++;
            printf("FAILED: %lu regions: %s %lux%lux%lu\n", regions, kind_name[loss_kind],
                   (unsigned long)n, (unsigned long)c, (unsigned long)m);
        }
    }
#endif
    hash = hash_bytes(hash, grad, extent * sizeof *grad);
    hash = hash_bytes(hash, loss, (options ? all : 1) * sizeof *loss);
    hash = hash_bytes(hash, lse, n * m * sizeof *lse);
    hash = hash_bytes(hash, &value, sizeof value);
    hash = hash_bytes(hash, &report.sum, sizeof report.sum);
    hash = hash_bytes(hash, &report.denominator, sizeof report.denominator);
    hash = hash_bytes(hash, &report.counted, sizeof report.counted);
    hash = hash_bytes(hash, &report.bad_position, sizeof report.bad_position);
    printf("%s %s %lux%lux%lu %u%s %s %08lx%08lx\n", losses_isa(), kind_name[loss_kind],
           (unsigned long)n, (unsigned long)c, (unsigned long)m, number, wrong ? " wrong" : "",
           losses_status_name(status), (unsigned long)(hash >> 32),
           (unsigned long)(hash & 0xffffffffu));
    *written += 1;
    return status;
}

/* The row function of a mask against the call: the same pieces */
static void row_of_mask(size_t pixels)
{
    float value, row;
    losses_options o = {LOSSES_SUM, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                        0,          NULL, 0, 0, NULL, 0,    NULL, NULL};
    size_t i;
    o.scale = o.eps = 1;
    for (i = 0; i < pixels; i++) {
        x[i] = draw_float(-6, 6);
        labels8[i] = (uint8_t)draw(2);
    }
    losses_dice(&value, grad, x, losses_u8(labels8), losses_masks(1, pixels), &o);
    row = losses_dice_mask(q, x, labels8, pixels, 1, 1);
    if (memcmp(&row, &value, sizeof row) != 0 || memcmp(grad, q, pixels * sizeof *q) != 0) {
        failed++;
        printf("FAILED: %s: losses_dice_mask of %lu pixels\n", losses_isa(), (unsigned long)pixels);
    }
}

int main(int argc, char **argv)
{
    size_t i, written = 0;
    int set, k;
    brief = argc > 1 && strcmp(argv[1], "--short") == 0;
    for (i = 0; i < 60000; i++) {
        weight[i] = draw_float(0, 2);
        positive[i] = draw_float(0, 2);
    }
    for (i = 0; i < ROOM; i++) upstream[i] = draw_float(-2, 2);
    for (set = 0; set < (brief ? 1 : LOSSI_SETS); set++) {
        if (losses_use_isa(lossi_table[set]->name) != LOSSES_OK) continue;
        if (brief) losses_use_isa(NULL);
        for (k = 0; k < KINDS; k++) {
            for (i = 0; i < sizeof forms / sizeof *forms; i++) {
                unsigned number;
                if (brief && !forms[i].always) continue;
                for (number = 0; number < (brief ? 2u : 3u); number++)
                    take((kind)k, &forms[i], (unsigned)(i * 11 + (size_t)k * 5) % 13 + 4 * number,
                         0, &written);
                if (k > LOG_SOFTMAX_GRADIENT && k != SOFT_CROSS_ENTROPY)
                    take((kind)k, &forms[i], 4 * (unsigned)(i % 3), 1, &written);
            }
        }
        row_of_mask(1000);
        row_of_mask(131073);
        row_of_mask(1000000);
    }
    losses_use_isa(NULL);
    printf("%lu calls\n", (unsigned long)written);
    return failed > 0;
}
