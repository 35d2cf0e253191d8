/* One loss, value and gradient, a number of times: what is counted by bench_count.sh.
 * Usage: bench_count SET CELL TIMES. Prints the number of elements of a call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define LOSSES_IMPLEMENTATION
#include "../losses.h"

enum { MOST = 50257 };
static float logits[MOST], grad[MOST];
static uint8_t labels[MOST];

int main(int argc, char **argv)
{
    static const struct cell {
        const char *name;
        size_t samples, classes, positions;
    } cells[] = {{"1x50257", 1, 50257, 1}, {"16x1000", 16, 1000, 1},      {"64x100", 64, 100, 1},
                 {"256x10", 256, 10, 1},   {"1x21x1024", 1, 21, 1024},    {"dice", 1, 1, 16384},
                 {"bce", 1, 1, 16384},     {"sigmoid-focal", 1, 1, 16384}};
    unsigned long seed = 1;
    const struct cell *c = cells;
    losses_status status = LOSSES_OK;
    losses_shape shape;
    losses_targets targets;
    float loss;
    int i, times;
    if (argc != 4 || losses_use_isa(argv[1]) != LOSSES_OK) return 2;
    while (c < cells + sizeof cells / sizeof *cells && strcmp(c->name, argv[2]) != 0) c++;
    if (c == cells + sizeof cells / sizeof *cells) return 2;
    for (i = 0; i < MOST; i++) {
        seed = (seed * 1664525ul + 1013904223ul) & 0xfffffffful;
        logits[i] = (float)(seed >> 8) / 2097152.f - 4;
        labels[i] = (uint8_t)((seed >> 8) % (c->classes == 1    ? 2
                                             : c->classes < 256 ? c->classes
                                                                : 256));
    }
    shape = losses_images(c->samples, c->classes, c->positions);
    targets = losses_u8(labels);
    for (times = atoi(argv[3]); times > 0 && status == LOSSES_OK; times--) {
        if (strcmp(c->name, "dice") == 0)
            status = losses_dice(&loss, grad, logits, targets, shape, NULL);
        else if (strcmp(c->name, "bce") == 0)
            status = losses_binary_cross_entropy(&loss, grad, logits, targets, shape, NULL);
        else if (strcmp(c->name, "sigmoid-focal") == 0)
            status = losses_sigmoid_focal(&loss, grad, logits, targets, shape, 2, NULL);
        else
            status = losses_cross_entropy(&loss, grad, logits, targets, shape, NULL);
    }
    printf("%lu\n", (unsigned long)(c->samples * c->classes * c->positions));
    return status != LOSSES_OK;
}
