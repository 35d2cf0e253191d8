/* The last layer of a language model, without its logits: 512 words, each of 50257 possible ones, and the
 * product that makes the logits taken a block of classes at a time. A block is made, folded into 512 small
 * states and forgotten; for the gradient it is made again. Beside it the same layer with all logits in
 * memory, from the same products. */
#define LOSSES_IMPLEMENTATION
#include "losses.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WORDS = 512,
    CLASSES = 50257,
    WIDTH = 64,   /* of a hidden state */
    BLOCK = 2016, /* classes whose logits are there at one time; rows of 2^n share cache sets */
    LANES = 16,   /* columns that a product makes side by side */
    DEPTH = 64,   /* terms of a sum before it goes to memory */
    RUNS = 4
};

static float hidden[WORDS][WIDTH];
static float weights[CLASSES][WIDTH];
static int32_t next_word[WORDS];

static void fail(const char *why)
{
    fprintf(stderr, "stream: %s\n", why);
    exit(1);
}

static void check(losses_status status)
{
    if (status != LOSSES_OK) fail(losses_status_name(status));
}

static uint32_t random_state = 1;

static float uniform(void) /* [0, 1), xorshift */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (float)(random_state >> 8) / 16777216;
}

static float bell(void)
{
    return uniform() + uniform() + uniform() - uniform() - uniform() - uniform();
}

/* Hidden states that lean towards the word that comes next, as those of a trained model do. */
static void make_model(void)
{
    size_t i, k;
    for (i = 0; i < CLASSES; i++)
        for (k = 0; k < WIDTH; k++) weights[i][k] = bell() / 4;
    for (i = 0; i < WORDS; i++) {
        const float *word = weights[next_word[i] = (int32_t)(uniform() * CLASSES)];
        for (k = 0; k < WIDTH; k++) hidden[i][k] = 4 * word[k] + bell();
    }
}

/* c = a b, or c += a b with add: c is rows x columns, a is rows x depth, b is depth x columns. The steps lead
 * to the next row, or, a_step, to the next column; b may be read up to 15 columns too far. */
static void multiply(float *c, size_t c_row, int add, const float *a, size_t a_row, size_t a_step,
                     const float *b, size_t b_row, size_t rows, size_t columns, size_t depth)
{
    size_t first, i, j, k;
    int lane;
    for (first = 0; first < depth; first += DEPTH) {
        const size_t terms = depth - first < DEPTH ? depth - first : DEPTH;
        for (j = 0; j < columns; j += LANES) {
            const size_t width = columns - j < LANES ? columns - j : LANES;
            for (i = 0; i < rows; i++) {
                const float *left = a + i * a_row + first * a_step, *right = b + first * b_row + j;
                float sum[LANES] = {0};
                for (k = 0; k < terms; k++) {
                    const float x = left[k * a_step];
                    for (lane = 0; lane < LANES; lane++) sum[lane] += x * right[lane];
                    right += b_row;
                }
                if (add || first > 0)
                    for (k = 0; k < width; k++) sum[k] += c[i * c_row + j + k];
                memcpy(c + i * c_row + j, sum, width * sizeof *sum);
            }
        }
    }
}

/* One layer's way: its logits (later their gradient), its results, its time. */
typedef struct layer {
    const char *name;
    float *logits;
    size_t row; /* of the logits: BLOCK or CLASSES */
    float loss;
    float (*to_hidden)[WIDTH], (*to_weights)[WIDTH]; /* gradients */
    double forward, backward, losses;                /* seconds of the processor, the best run */
} layer;

/* Adds the processor's seconds since the last call. */
static void lap(double *seconds)
{
    static clock_t last;
    const clock_t now = clock();
    if (seconds) *seconds += (double)(now - last) / CLOCKS_PER_SEC;
    last = now;
}

static size_t block_size(size_t first) { return CLASSES - first < BLOCK ? CLASSES - first : BLOCK; }

static losses_shape shape_of(size_t first)
{
    losses_shape shape = losses_rows(WORDS, block_size(first));
    shape.sample_stride = BLOCK; /* the last block is narrower than the buffer */
    return shape;
}

static float *logits_of(const layer *l, size_t first)
{
    return l->row == BLOCK ? l->logits : l->logits + first;
}

/* logits = hidden * weights^T, for the classes of a block */
static void forward(const layer *l, size_t first)
{
    static float turned[WIDTH][BLOCK + LANES];
    const size_t n = block_size(first);
    size_t j, k;
    for (j = 0; j < n; j++)
        for (k = 0; k < WIDTH; k++) turned[k][j] = weights[first + j][k];
    multiply(logits_of(l, first), l->row, 0, hidden[0], WIDTH, 1, turned[0], BLOCK + LANES, WORDS,
             n, WIDTH);
}

/* to_hidden += grad * weights and to_weights = grad^T * hidden, for the classes of a block */
static void backward(const layer *l, size_t first)
{
    const float *grad = logits_of(l, first);
    const size_t n = block_size(first);
    multiply(l->to_hidden[0], WIDTH, 1, grad, l->row, 1, weights[first], WIDTH, WORDS, WIDTH, n);
    multiply(l->to_weights[first], WIDTH, 0, grad, 1, l->row, hidden[0], WIDTH, n, WIDTH, WORDS);
}

static void keep_best(double *best, double seconds)
{
    if (*best == 0 || seconds < *best) *best = seconds;
}

static void keep_times(layer *l, double to_logits, double from_grad, double losses)
{
    keep_best(&l->forward, to_logits);
    keep_best(&l->backward, from_grad);
    keep_best(&l->losses, losses);
}

static losses_partial states[WORDS];

static void stream(layer *l)
{
    const losses_targets targets = losses_i32(next_word);
    losses_block block = {0, CLASSES};
    double to_logits = 0, from_grad = 0, losses = 0;
    memset(states, 0, sizeof states);
    memset(l->to_hidden, 0, WORDS * sizeof *l->to_hidden);
    lap(NULL);
    for (block.first = 0; block.first < CLASSES; block.first += BLOCK) {
        const losses_shape shape = shape_of(block.first);
        forward(l, block.first);
        lap(&to_logits);
        check(losses_partial_fold(states, l->logits, targets, shape, block, 0, NULL));
        lap(&losses);
    }
    block.first = 0;
    check(losses_partial_finish(&l->loss, states, targets, losses_rows(WORDS, CLASSES), block, 0,
                                NULL));
    lap(&losses);
    for (block.first = 0; block.first < CLASSES; block.first += BLOCK) {
        const losses_shape shape = shape_of(block.first);
        forward(l, block.first);
        lap(&to_logits);
        check(
            losses_partial_gradient(l->logits, states, l->logits, targets, shape, block, 0, NULL));
        lap(&losses);
        backward(l, block.first);
        lap(&from_grad);
    }
    keep_times(l, to_logits, from_grad, losses);
}

static void whole(layer *l)
{
    double to_logits = 0, from_grad = 0, losses = 0;
    size_t first;
    memset(l->to_hidden, 0, WORDS * sizeof *l->to_hidden);
    lap(NULL);
    for (first = 0; first < CLASSES; first += BLOCK) forward(l, first);
    lap(&to_logits);
    check(losses_cross_entropy(&l->loss, l->logits, l->logits, losses_i32(next_word),
                               losses_rows(WORDS, CLASSES), NULL));
    lap(&losses);
    for (first = 0; first < CLASSES; first += BLOCK) backward(l, first);
    lap(&from_grad);
    keep_times(l, to_logits, from_grad, losses);
}

/* The largest difference, in units of the largest element. */
static double difference(const float *a, const float *b, size_t count)
{
    double most = 0, largest = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        if (isnan(a[i] - b[i])) return HUGE_VAL;
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return most / largest;
}

static void print_layer(const layer *l)
{
    printf("%-18s  %5.1f MB    %.2f s     %.2f s      %4.1f ms   %.7f", l->name,
           (double)(WORDS * l->row * sizeof *l->logits) / 1e6, l->forward, l->backward,
           1e3 * l->losses, (double)l->loss);
}

int main(void)
{
    static float some[WORDS][BLOCK], every[WORDS][CLASSES];
    static float to_hidden[2][WORDS][WIDTH], to_weights[2][CLASSES][WIDTH];
    layer parts = {.name = "a block at a time", .logits = some[0], .row = BLOCK};
    layer all = {.name = "all at once", .logits = every[0], .row = CLASSES};
    double of_loss, of_hidden, of_weights;
    int run;
    parts.to_hidden = to_hidden[0];
    parts.to_weights = to_weights[0];
    all.to_hidden = to_hidden[1];
    all.to_weights = to_weights[1];
    make_model();
    printf("The last layer of a language model: %d words, %d classes, %d of them at a time\n",
           WORDS, CLASSES, BLOCK);
    for (run = 1; run <= RUNS; run++) {
        stream(&parts);
        whole(&all);
        printf("  run %d of %d   loss %.4f in blocks, %.4f at once\n", run, RUNS,
               (double)parts.loss, (double)all.loss);
    }
    of_loss = fabs((double)parts.loss - (double)all.loss) / (double)all.loss;
    of_hidden = difference(parts.to_hidden[0], all.to_hidden[0], WORDS * WIDTH);
    of_weights = difference(parts.to_weights[0], all.to_weights[0], CLASSES * WIDTH);

    printf("\n                      logits   forward   backward   loss calls        loss   "
           "hidden gradient differs by\n");
    print_layer(&parts);
    printf("   %.0g of its largest\n", of_hidden);
    print_layer(&all);
    printf(
        "\nThe blocks' gradient of the weights differs by %.0e of its largest, the loss by %.0g.\n"
        "Both ways hold the weights and their gradient, %.1f MB each; the blocks %.0f kB of "
        "states.\n\n",
        of_weights, of_loss, (double)sizeof weights / 1e6, (double)sizeof states / 1e3);
    return of_loss <= 4.8e-7 && of_hidden <= 1e-6 && of_weights <= 1e-6 ? 0 : 1;
}
