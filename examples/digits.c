/* Trains a small network on handwritten digits: cross-entropy with and without label smoothing, then
 * the rare-class task "is it an 8?" with binary cross-entropy and with sigmoid focal loss. */
#define LOSSES_IMPLEMENTATION
#include "losses.h"
#include "svg.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLES = 1797,
    PIXELS = 64,
    RECORD = PIXELS + 1,   /* 8 x 8 pixels, then the digit */
    TRAIN = SAMPLES - 360, /* the rest is held out */
    HIDDEN = 32,
    BATCH = 32,
    EPOCHS = 40,
    /* the network's weights, one after the other */
    W1 = 0,                    /* [PIXELS][HIDDEN] */
    B1 = W1 + PIXELS * HIDDEN, /* [HIDDEN]         */
    W2 = B1 + HIDDEN,          /* [HIDDEN][10]     */
    B2 = W2 + HIDDEN * 10,     /* [10]             */
    WEIGHTS = B2 + 10
};

static float pixels[SAMPLES][PIXELS];
static int32_t digits[SAMPLES];

static void fail(const char *why)
{
    fprintf(stderr, "digits: %s\n", why);
    exit(1);
}

static uint32_t random_state = 1;

static float uniform(void) /* [0, 1), xorshift */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (float)(random_state >> 8) / 16777216;
}

static void shuffle(size_t *order, size_t n)
{
    for (; n > 1; n--) {
        const size_t other = (size_t)(uniform() * (float)n), swap = order[n - 1];
        order[n - 1] = order[other];
        order[other] = swap;
    }
}

/* In random order: what is held out is by the same writers as the rest. */
static void load(const char *path)
{
    static unsigned char records[SAMPLES * RECORD];
    static size_t order[SAMPLES];
    FILE *file = fopen(path, "rb");
    size_t i = 0, j;
    int byte;
    if (!file) fail(path);
    while ((byte = getc(file)) != EOF) {
        /* the high half counts zeros, the low half is the value after them, less 1 */
        i += (size_t)byte >> 4;
        if (i >= sizeof records) fail("too much data");
        records[i++] = (unsigned char)((byte & 15) + 1);
    }
    fclose(file);
    if (i != sizeof records) fail("too little data");
    for (i = 0; i < SAMPLES; i++) order[i] = i;
    shuffle(order, SAMPLES);
    for (i = 0; i < SAMPLES; i++) {
        const unsigned char *record = records + order[i] * RECORD;
        for (j = 0; j < PIXELS; j++) pixels[i][j] = (float)record[j] / 16;
        digits[i] = record[PIXELS] - 1;
    }
}

static void forward(const float *weights, const float *x, float *hidden, float *logits,
                    size_t outputs)
{
    size_t i, j;
    memcpy(hidden, weights + B1, HIDDEN * sizeof *hidden);
    for (i = 0; i < PIXELS; i++) {
        for (j = 0; j < HIDDEN; j++) hidden[j] += x[i] * weights[W1 + i * HIDDEN + j];
    }
    for (j = 0; j < HIDDEN; j++) hidden[j] = hidden[j] > 0 ? hidden[j] : 0;
    memcpy(logits, weights + B2, outputs * sizeof *logits);
    for (i = 0; i < HIDDEN; i++) {
        for (j = 0; j < outputs; j++) logits[j] += hidden[i] * weights[W2 + i * 10 + j];
    }
}

/* Adds the gradient of the weights to `sum`, given that of the logits. */
static void backward(const float *weights, const float *x, const float *hidden, const float *grad,
                     float *sum, size_t outputs)
{
    float grad_hidden[HIDDEN] = {0};
    size_t i, j;
    for (j = 0; j < outputs; j++) sum[B2 + j] += grad[j];
    for (i = 0; i < HIDDEN; i++) {
        if (!(hidden[i] > 0)) continue;
        for (j = 0; j < outputs; j++) {
            sum[W2 + i * 10 + j] += hidden[i] * grad[j];
            grad_hidden[i] += weights[W2 + i * 10 + j] * grad[j];
        }
        sum[B1 + i] += grad_hidden[i];
    }
    for (i = 0; i < PIXELS; i++) {
        for (j = 0; j < HIDDEN; j++) sum[W1 + i * HIDDEN + j] += x[i] * grad_hidden[j];
    }
}

/* The four losses: n rows of logits against digits, or against 1 for an 8 and 0 for all others. */
typedef losses_status loss_call(float *loss, float *grad, const float *logits,
                                const int32_t *targets, size_t n);

static losses_status plain(float *loss, float *grad, const float *logits, const int32_t *targets,
                           size_t n)
{
    return losses_cross_entropy(loss, grad, logits, losses_i32(targets), losses_rows(n, 10), NULL);
}

static losses_status smoothed(float *loss, float *grad, const float *logits, const int32_t *targets,
                              size_t n)
{
    losses_options options = {0};
    options.label_smoothing = 0.1f;
    return losses_cross_entropy(loss, grad, logits, losses_i32(targets), losses_rows(n, 10),
                                &options);
}

static losses_status binary(float *loss, float *grad, const float *logits, const int32_t *targets,
                            size_t n)
{
    return losses_binary_cross_entropy(loss, grad, logits, losses_i32(targets), losses_rows(n, 1),
                                       NULL);
}

/* Divided by the number of 8s, as the paper does, not by that of all rows. */
static losses_status focal(float *loss, float *grad, const float *logits, const int32_t *targets,
                           size_t n)
{
    losses_options options = {0};
    int32_t eights = 0;
    size_t i;
    for (i = 0; i < n; i++) eights += targets[i];
    options.denominator = eights > 0 ? eights : 1;
    return losses_sigmoid_focal(loss, grad, logits, losses_i32(targets), losses_rows(n, 1), 2,
                                &options);
}

typedef struct model {
    const char *name, *colour;
    loss_call *call;
    size_t outputs;
    float weights[WEIGHTS];
    float train_loss[EPOCHS], held_out_loss[EPOCHS];
    float logits[SAMPLES * 10]; /* after training */
} model;

static float call(const model *m, float *grad, const float *logits, const int32_t *targets,
                  size_t n)
{
    float loss;
    losses_status status = m->call(&loss, grad, logits, targets, n);
    if (status != LOSSES_OK) fail(losses_status_name(status));
    return loss;
}

static void train(model *m, const int32_t *targets)
{
    static float velocity[WEIGHTS];
    float gradient[WEIGHTS], hidden[BATCH][HIDDEN], logits[BATCH * 10], grad[BATCH * 10];
    int32_t batch_targets[BATCH];
    size_t order[TRAIN], epoch, i, j, n;

    random_state = 1;
    memset(velocity, 0, sizeof velocity);
    for (i = 0; i < B1; i++) m->weights[W1 + i] = (uniform() - 0.5f) * 2 * sqrtf(6.0f / PIXELS);
    for (i = W2; i < B2; i++) m->weights[i] = (uniform() - 0.5f) * 2 * sqrtf(6.0f / HIDDEN);
    for (i = 0; i < TRAIN; i++) order[i] = i;

    for (epoch = 0; epoch < EPOCHS; epoch++) {
        shuffle(order, TRAIN);
        for (i = 0; i < TRAIN; i += n) {
            n = TRAIN - i < BATCH ? TRAIN - i : BATCH;
            for (j = 0; j < n; j++) {
                forward(m->weights, pixels[order[i + j]], hidden[j], logits + j * m->outputs,
                        m->outputs);
                batch_targets[j] = targets[order[i + j]];
            }
            call(m, grad, logits, batch_targets, n);
            memset(gradient, 0, sizeof gradient);
            for (j = 0; j < n; j++) {
                backward(m->weights, pixels[order[i + j]], hidden[j], grad + j * m->outputs,
                         gradient, m->outputs);
            }
            for (j = 0; j < WEIGHTS; j++) {
                velocity[j] = 0.9f * velocity[j] + gradient[j];
                m->weights[j] -= 0.02f * velocity[j];
            }
        }
        for (i = 0; i < SAMPLES; i++) {
            forward(m->weights, pixels[i], hidden[0], m->logits + i * m->outputs, m->outputs);
        }
        m->train_loss[epoch] = call(m, NULL, m->logits, targets, TRAIN);
        m->held_out_loss[epoch] =
            call(m, NULL, m->logits + TRAIN * m->outputs, targets + TRAIN, SAMPLES - TRAIN);
        if (epoch % 10 == 9) {
            printf("  %-20s epoch %2u   loss %.4f   held out %.4f\n", m->name, (unsigned)epoch + 1,
                   (double)m->train_loss[epoch], (double)m->held_out_loss[epoch]);
        }
    }
}

static double accuracy(const model *m, size_t first, size_t last)
{
    size_t i, j, right = 0;
    for (i = first; i < last; i++) {
        const float *logits = m->logits + i * 10;
        size_t best = 0;
        for (j = 1; j < 10; j++) best = logits[j] > logits[best] ? j : best;
        right += best == (size_t)digits[i];
    }
    return 100.0 * (double)right / (double)(last - first);
}

static void print_eights(const model *m)
{
    size_t i, found = 0, claimed = 0, eights = 0;
    for (i = TRAIN; i < SAMPLES; i++) {
        const size_t claim = m->logits[i] > 0, eight = digits[i] == 8;
        found += claim & eight;
        claimed += claim;
        eights += eight;
    }
    printf("%-20s    %5.1f %%    %5.1f %%    %3u of %u\n", m->name,
           claimed ? 100.0 * (double)found / (double)claimed : 0.0,
           100.0 * (double)found / (double)eights, (unsigned)found, (unsigned)eights);
}

static void write_curves(const char *path, const model *models)
{
    static const char *const title[2] = {"digits: loss (dashed: held out)",
                                         "is it an 8? loss (dashed: held out)"};
    FILE *file = svg_open(path, 2);
    int chart;
    if (!file) fail(path);
    for (chart = 0; chart < 2; chart++) {
        const model *a = &models[2 * chart], *b = a + 1;
        const svg_curve curves[4] = {{a->name, a->colour, 0, a->train_loss},
                                     {NULL, a->colour, 1, a->held_out_loss},
                                     {b->name, b->colour, 0, b->train_loss},
                                     {NULL, b->colour, 1, b->held_out_loss}};
        svg_chart(file, chart, title[chart], "epoch", EPOCHS, curves, 4);
    }
    if (svg_close(file) != 0) fail(path);
}

int main(void)
{
    static model models[4] = {
        {.name = "cross-entropy", .colour = "#0072b2", .call = plain, .outputs = 10},
        {.name = "label smoothing 0.1", .colour = "#d55e00", .call = smoothed, .outputs = 10},
        {.name = "binary cross-entropy", .colour = "#0072b2", .call = binary, .outputs = 1},
        {.name = "sigmoid focal", .colour = "#d55e00", .call = focal, .outputs = 1}};
    static int32_t eights[SAMPLES];
    int i;
    load("data/digits.bin");
    for (i = 0; i < SAMPLES; i++) eights[i] = digits[i] == 8;

    printf("Handwritten digits: %d for training, %d held out\n", TRAIN, SAMPLES - TRAIN);
    for (i = 0; i < 2; i++) train(&models[i], digits);
    printf("\n                               accuracy\n"
           "                         train   held out\n");
    for (i = 0; i < 2; i++) {
        printf("%-20s    %5.1f %%    %5.1f %%\n", models[i].name, accuracy(&models[i], 0, TRAIN),
               accuracy(&models[i], TRAIN, SAMPLES));
    }

    printf("\nIs it an 8? One digit in ten is.\n");
    for (i = 2; i < 4; i++) train(&models[i], eights);
    printf("\n                               held-out 8s\n"
           "                     precision     recall       found\n");
    for (i = 2; i < 4; i++) print_eights(&models[i]);

    write_curves("build/digits.svg", models);
    printf("Loss curves in build/digits.svg\n\n");
    return 0;
}
