/* Two threads against one, with LOSSES_OPENMP, in the same run. Usage: bench_threads
 * Calls alternate between one and two threads; the least time of each counts, which other programs on the
 * machine disturb least. Cells that caches hold should reach 1.7; the others wait for memory. */
#include <omp.h>
#include <stdlib.h>
#include "bench.h"
#define LOSSES_NO_REFERENCE
#define LOSSES_IMPLEMENTATION
#include "../losses.h"

typedef struct cell {
    bench_loss loss;
    const char *work;
    losses_shape shape;
    double goal; /* or 0 */
} cell;

static const cell cells[] = {
    {BENCH_CROSS_ENTROPY, "cross-entropy 256x1000", {256, 1000, 1, 0, 0}, 1.7},
    {BENCH_CROSS_ENTROPY, "cross-entropy 20000x10", {20000, 10, 1, 0, 0}, 1.7},
    {BENCH_CROSS_ENTROPY, "cross-entropy 1x19x128x128", {1, 19, 16384, 0, 0}, 1.7},
    {BENCH_FOCAL, "focal 256x1000", {256, 1000, 1, 0, 0}, 1.7},
    {BENCH_BINARY, "binary cross-entropy 4x256x256", {4, 1, 65536, 0, 0}, 1.7},
    {BENCH_SIGMOID_FOCAL, "sigmoid focal 4x256x256", {4, 1, 65536, 0, 0}, 1.7},
    {BENCH_DICE, "dice 4x256x256", {4, 1, 65536, 0, 0}, 1.7},
    {BENCH_DICE, "dice 1x512x512", {1, 1, 262144, 0, 0}, 1.7},
    {BENCH_CROSS_ENTROPY, "cross-entropy 8192x1000", {8192, 1000, 1, 0, 0}, 0},
    {BENCH_CROSS_ENTROPY, "cross-entropy 4x21x256x256", {4, 21, 65536, 0, 0}, 0},
    {BENCH_DICE, "dice 100x256x256", {100, 1, 65536, 0, 0}, 0},
    {BENCH_CROSS_ENTROPY, "cross-entropy 8x50, too small", {8, 50, 1, 0, 0}, 0},
};

static float *logits, *grad;
static int32_t *labels;
static uint8_t *labels8;

static void run(const cell *c)
{
    float loss;
    const losses_targets y = losses_i32(labels), masks = losses_u8(labels8);
    losses_status status = LOSSES_OK;
    switch (c->loss) {
    case BENCH_CROSS_ENTROPY:
        status = losses_cross_entropy(&loss, grad, logits, y, c->shape, NULL);
        break;
    case BENCH_FOCAL:
        status = losses_focal(&loss, grad, logits, y, c->shape, 2, NULL);
        break;
    case BENCH_BINARY:
        status = losses_binary_cross_entropy(&loss, grad, logits, masks, c->shape, NULL);
        break;
    case BENCH_SIGMOID_FOCAL:
        status = losses_sigmoid_focal(&loss, grad, logits, masks, c->shape, 2, NULL);
        break;
    default:
        status = losses_dice(&loss, grad, logits, masks, c->shape, NULL);
    }
    if (status != LOSSES_OK) exit(2);
}

static double now(void) { return omp_get_wtime() * 1e9; }

int main(void)
{
    const size_t most = 8192 * 1000;
    uint32_t state = 1;
    if (omp_get_num_procs() < 2) {
        printf("\nskipped: two threads against one: one CPU\n");
        return 0;
    }
    logits = (float *)malloc(most * sizeof *logits);
    grad = (float *)malloc(most * sizeof *grad);
    labels = (int32_t *)malloc(most * sizeof *labels);
    labels8 = (uint8_t *)malloc(most);
    if (!logits || !grad || !labels || !labels8) return 2;
    for (size_t i = 0; i < most; i++) {
        state = state * 1664525u + 1013904223u;
        logits[i] = (float)(state >> 8) / 16777216 * 12 - 6;
        labels[i] = (int32_t)(state >> 16) % 10;
        labels8[i] = (uint8_t)(state >> 20 & 1);
    }
    printf("\n%-34s %10s %10s\n", "threads, ns/element", "one", "two");
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        const cell *c = &cells[i];
        const size_t n = c->shape.samples * c->shape.classes * c->shape.positions;
        const double end = now() + 1.5e9;
        double least[2] = {1e30, 1e30};
        for (int k = 0; k < 5 || now() < end; k++) {
            for (int two = 0; two < 2; two++) {
                omp_set_num_threads(1 + two);
                run(c); /* so that the data lies where this many threads want it */
                for (int again = 0; again < (n < 1000000 ? 4 : 1); again++) {
                    const double begin = now();
                    run(c);
                    const double time = now() - begin;
                    if (time < least[two]) least[two] = time;
                }
            }
        }
        const double ratio = least[0] / least[1];
        printf("    %-30s %10.3f %10.3f   %.2f times as fast", c->work, least[0] / (double)n,
               least[1] / (double)n, ratio);
        if (c->goal > 0) printf("   >= %.1f: %s", c->goal, ratio >= c->goal ? "reached" : "MISSED");
        puts("");
    }
    return 0;
}
