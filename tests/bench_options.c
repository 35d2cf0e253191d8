/* What each option costs: its time over that of the plain call, value and gradient, in one
 * instruction set. */
#include <string.h>
#include "bench.h"

#define MOST 16

static struct variant {
    char name[48];
    double goal;
    bench_call call;
} variants[MOST];
static int count;

/* One more variant: the base with what the caller then changes. The first is the plain call. */
static bench_call *add(const char *name, double goal, const bench_call *base)
{
    struct variant *v = &variants[count++];
    snprintf(v->name, sizeof v->name, "%s", name);
    v->goal = goal;
    v->call = *base;
    return &v->call;
}

static void measure(const char *isa, const char *work, FILE *tsv)
{
    static bench_subject subjects[MOST];
    for (int i = 0; i < count; i++) {
        subjects[i].name = variants[i].name;
        subjects[i].isa = isa;
        subjects[i].run = bench_ours;
        subjects[i].call = &variants[i].call;
    }
    const int n = bench_measure(subjects, count);
    printf("%s, options: %d repetitions, %s\n", work, n, isa);
    for (int i = 0; i < count; i++) {
        const double ns = bench_ns(&subjects[i], n), goal = variants[i].goal;
        const double ratio = bench_ratio(&subjects[i], &subjects[0], n);
        printf("    %-30s %10.3f", variants[i].name, ns);
        fprintf(tsv, "options\t\t%s\t%s\t%s\t%.4f\t\t\t\t%.3f\tplain call\t", work,
                variants[i].name, isa, ns, ratio);
        if (i > 0) {
            const int held = ratio <= goal;
            printf("%8.2f x plain", ratio);
            if (goal > 0) printf(", goal %.4g: %s", goal, held ? "reached" : "MISSED");
            if (goal > 0) fprintf(tsv, "%.2f\t%s\n", goal, held ? "yes" : "no");
        }
        if (i == 0 || !(goal > 0)) { fprintf(tsv, "\t\n"); }
        puts("");
    }
    fflush(stdout);
    count = 0;
}

#define GOAL      1.5
#define GOAL_FOLD 1.15 /* the value in blocks of classes */
#define GOAL_SOFT 2.0  /* probability targets: as much again to read */

static float weights[1000];

static void cross_entropy(const char *isa, const char *work, losses_shape shape, FILE *tsv)
{
    const int images = shape.positions > 1;
    bench_draw_targets(shape, 0, 1);
    const losses_targets u8 = losses_u8(bench_data.u8), i32 = losses_i32(bench_data.i32);
    bench_call base = bench_begin(BENCH_CROSS_ENTROPY, shape, 0, BENCH_BOTH);
    base.targets = images ? u8 : i32;
    add(images ? "plain call, u8" : "plain call, i32", 0, &base);
    add("class_weight", GOAL, &base)->options.class_weight = weights;
    add("label_smoothing", GOAL, &base)->options.label_smoothing = 0.1f;
    bench_call *call = add("label_smoothing, class_weight", GOAL, &base);
    call->options.label_smoothing = 0.1f;
    call->options.class_weight = weights;
    add("z_loss", GOAL, &base)->options.z_loss = 1e-4f;
    call = add("upstream, no reduction", GOAL, &base);
    call->options.reduction = LOSSES_NONE;
    call->options.upstream = bench_data.upstream;
    add("accumulate", GOAL, &base)->options.accumulate = 1;
    add("a tenth ignored, i32", GOAL, &base)->targets = losses_i32(bench_data.ignored);
    add("i64", GOAL, &base)->targets = losses_i64(bench_data.i64);
    if (shape.positions == 1) {
        call = add("by columns", GOAL, &base);
        call->shape.sample_stride = 1;
        call->shape.class_stride = shape.samples;
    }
    if (images)
        add("i32", GOAL, &base)->targets = i32;
    else if (shape.classes <= 256)
        add("u8", GOAL, &base)->targets = u8;
    add("probabilities", GOAL_SOFT, &base)->targets = losses_f32(bench_data.probabilities);
    measure(isa, work, tsv);
}

/* The base and the same on the other types of mask; the caller adds more and measures. */
static bench_call begin_masks(bench_loss loss, losses_shape shape, float gamma)
{
    bench_draw_targets(shape, 1, 1);
    bench_call base = bench_begin(loss, shape, gamma, BENCH_BOTH);
    base.targets = losses_u8(bench_data.u8);
    add("plain call, u8", 0, &base);
    add("i32", GOAL, &base)->targets = losses_i32(bench_data.i32);
    add("i64", GOAL, &base)->targets = losses_i64(bench_data.i64);
    add("a tenth ignored, i32", GOAL, &base)->targets = losses_i32(bench_data.ignored);
    add("probabilities", GOAL, &base)->targets = losses_f32(bench_data.probabilities);
    return base;
}

static void gammas(const bench_call *base)
{
    add("gamma 0", GOAL, base)->gamma = 0;
    add("gamma 1", GOAL, base)->gamma = 1;
    add("gamma 1.5", GOAL, base)->gamma = 1.5f;
}

static void focal(const char *isa, const char *work, losses_shape shape, FILE *tsv)
{
    bench_draw_targets(shape, 0, 0);
    bench_call base = bench_begin(BENCH_FOCAL, shape, 2, BENCH_BOTH);
    base.targets = losses_i32(bench_data.i32);
    add("plain call, gamma 2, i32", 0, &base);
    gammas(&base);
    measure(isa, work, tsv);
}

static void binary(const char *isa, const char *work, losses_shape shape, FILE *tsv)
{
    const bench_call base = begin_masks(BENCH_BINARY, shape, 0);
    bench_call *call = add("class_weight, positive_weight", GOAL, &base);
    call->options.class_weight = weights;
    call->options.positive_weight = weights + 1;
    measure(isa, work, tsv);
}

static void sigmoid_focal(const char *isa, const char *work, losses_shape shape, FILE *tsv)
{
    const bench_call base = begin_masks(BENCH_SIGMOID_FOCAL, shape, 2);
    gammas(&base);
    measure(isa, work, tsv);
}

static void dice(const char *isa, const char *work, losses_shape shape, FILE *tsv)
{
    begin_masks(BENCH_DICE, shape, 0);
    measure(isa, work, tsv);
}

/* Rows whose classes come in blocks, beside the whole rows */
static void blocks(const char *isa, const char *work, losses_shape shape, FILE *tsv)
{
    const int value = strstr(work, "value") != NULL;
    const size_t c = shape.classes, sizes[] = {c, c / 4 + 1, c / 16 + 1};
    bench_draw_targets(shape, 0, 0);
    bench_call base = bench_begin(BENCH_CROSS_ENTROPY, shape, 0, value ? BENCH_VALUE : BENCH_BOTH);
    base.targets = losses_i32(bench_data.i32);
    if (strstr(work, "smoothed")) base.options.label_smoothing = 0.1f;
    add(value ? "plain call, value" : "plain call, value + gradient", 0, &base);
    for (int i = 0; i < 6; i++) {
        const int parts = i / 3;
        char name[48];
        if (sizes[i % 3] == c && parts) continue;
        snprintf(name, sizeof name, "in blocks of %zu%s", sizes[i % 3], parts ? ", of rows" : "");
        bench_call *const call = add(name, value && !parts ? GOAL_FOLD : 0, &base);
        call->block = sizes[i % 3];
        call->parts = parts;
    }
    measure(isa, work, tsv);
}

int bench_options(const char *isa, const char *only, FILE *tsv)
{
    const losses_shape images = losses_images(4, 21, 65536), masks = losses_masks(100, 65536);
    const struct {
        const char *work;
        void (*run)(const char *isa, const char *work, losses_shape shape, FILE *tsv);
        losses_shape shape;
    } works[] = {
        {"cross-entropy 64x1000", cross_entropy, losses_rows(64, 1000)},
        {"cross-entropy 8192x1000", cross_entropy, losses_rows(8192, 1000)},
        {"cross-entropy 65536x100", cross_entropy, losses_rows(65536, 100)},
        {"cross-entropy 262144x10", cross_entropy, losses_rows(262144, 10)},
        {"cross-entropy 4x21x256x256", cross_entropy, images},
        {"value in blocks 512x50257", blocks, losses_rows(512, 50257)},
        {"smoothed value in blocks 512x50257", blocks, losses_rows(512, 50257)},
        {"in blocks 512x50257", blocks, losses_rows(512, 50257)},
        {"value in blocks 64x1000", blocks, losses_rows(64, 1000)},
        {"in blocks 64x1000", blocks, losses_rows(64, 1000)},
        {"focal 8192x1000", focal, losses_rows(8192, 1000)},
        {"focal 262144x10", focal, losses_rows(262144, 10)},
        {"focal 4x21x256x256", focal, images},
        {"binary cross-entropy 4x21x256x256", binary, images},
        {"binary cross-entropy 8192x1000", binary, losses_rows(8192, 1000)},
        {"binary cross-entropy 262144x10", binary, losses_rows(262144, 10)},
        {"sigmoid focal 100x256x256", sigmoid_focal, masks},
        {"dice 100x256x256", dice, masks},
    };
    int measured = 0;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        weights[i] = 0.5f + bench_uniform();
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s, options", works[i].work);
        if (!strstr(name, only)) continue;
        works[i].run(isa, works[i].work, works[i].shape, tsv);
        measured++;
    }
    return measured;
}
