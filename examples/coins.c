/* Segments a photograph of coins with binary cross-entropy, with dice, and with their sum. Each pixel's
 * logit is a weighted sum of the brightness and contrast around it; the upper two rows of coins are for
 * training, the lower two are held out. */
#define LOSSES_IMPLEMENTATION
#include "losses.h"
#include "svg.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 384,
    HEIGHT = 303,
    PIXELS = WIDTH * HEIGHT,
    TRAIN = WIDTH * 151, /* between the second row of coins and the third */
    SCALES = 6,
    FEATURES = 2 * SCALES + 1,
    STEPS = 300,
    MODELS = 3,
    GAP = 8, /* in the picture */
    ACROSS = (2 + MODELS) * (WIDTH + GAP) + GAP,
    DOWN = HEIGHT + 2 * GAP
};

static unsigned char photo[PIXELS];
static uint8_t truth[PIXELS]; /* 1: coin, 0: none */
static float features[PIXELS][FEATURES];

static void fail(const char *why)
{
    fprintf(stderr, "coins: %s\n", why);
    exit(1);
}

static FILE *open_after(const char *path, int lines)
{
    FILE *file = fopen(path, "rb");
    int c;
    if (!file) fail(path);
    while (lines > 0 && (c = getc(file)) != EOF) lines -= c == '\n';
    return file;
}

static void load(void)
{
    FILE *file = open_after("data/coins.pgm", 3);
    int i, byte = 0;
    if (fread(photo, sizeof photo, 1, file) != 1) fail("data/coins.pgm is too short");
    fclose(file);
    file = open_after("data/coins_mask.pbm", 2);
    for (i = 0; i < PIXELS; i++) { /* eight pixels in a byte, the first in its highest bit */
        if (i % 8 == 0) byte = getc(file);
        truth[i] = (uint8_t)(byte >> (7 - i % 8) & 1);
    }
    if (byte == EOF) fail("data/coins_mask.pbm is too short");
    fclose(file);
}

/* table[y][x] is a sum over all pixels above and to the left: four of them give any box. */
typedef double table[HEIGHT + 1][WIDTH + 1];

static float box_mean(table sums, int y, int x, int radius)
{
    const int top = y < radius ? 0 : y - radius, left = x < radius ? 0 : x - radius;
    const int bottom = y + radius < HEIGHT ? y + radius + 1 : HEIGHT;
    const int right = x + radius < WIDTH ? x + radius + 1 : WIDTH;
    return (float)((sums[bottom][right] - sums[bottom][left] - sums[top][right] + sums[top][left]) /
                   ((bottom - top) * (right - left)));
}

/* Mean and deviation in boxes of several sizes, the mean relative to a wide one, and that itself. */
static void find_features(void)
{
    static const int radius[SCALES] = {1, 2, 4, 8, 14, 24};
    static table sums, squares;
    int y, x, i;
    for (y = 0; y < HEIGHT; y++) {
        for (x = 0; x < WIDTH; x++) {
            const double v = photo[y * WIDTH + x] / 64.0;
            sums[y + 1][x + 1] = v + sums[y][x + 1] + sums[y + 1][x] - sums[y][x];
            squares[y + 1][x + 1] = v * v + squares[y][x + 1] + squares[y + 1][x] - squares[y][x];
        }
    }
    for (y = 0; y < HEIGHT; y++) {
        for (x = 0; x < WIDTH; x++) {
            float *f = features[y * WIDTH + x];
            const float wide = box_mean(sums, y, x, 40);
            for (i = 0; i < SCALES; i++) {
                const float mean = box_mean(sums, y, x, radius[i]);
                f[2 * i] = mean - wide;
                f[2 * i + 1] = sqrtf(fmaxf(box_mean(squares, y, x, radius[i]) - mean * mean, 0));
            }
            f[2 * SCALES] = wide;
        }
    }
}

typedef losses_status loss_call(float *loss, float *grad, const float *logits, const uint8_t *mask,
                                size_t pixels);

static losses_status binary(float *loss, float *grad, const float *logits, const uint8_t *mask,
                            size_t pixels)
{
    return losses_binary_cross_entropy(loss, grad, logits, losses_u8(mask), losses_masks(1, pixels),
                                       NULL);
}

static losses_status dice(float *loss, float *grad, const float *logits, const uint8_t *mask,
                          size_t pixels)
{
    return losses_dice(loss, grad, logits, losses_u8(mask), losses_masks(1, pixels), NULL);
}

static losses_status sum(float *loss, float *grad, const float *logits, const uint8_t *mask,
                         size_t pixels)
{
    losses_options add = {0};
    float first, second;
    losses_status status = binary(&first, grad, logits, mask, pixels);
    if (status != LOSSES_OK) return status;
    add.accumulate = grad != NULL;
    status = losses_dice(&second, grad, logits, losses_u8(mask), losses_masks(1, pixels), &add);
    if (status == LOSSES_OK) *loss = first + second;
    return status;
}

typedef struct region {
    size_t first, pixels;
    float loss[STEPS], error[STEPS]; /* error: 1 - IoU */
    size_t missed, extra;
} region;

typedef struct model {
    const char *name, *colour;
    loss_call *call;
    float logits[PIXELS];
    region train, held_out;
} model;

/* Loss and errors of one region; grad may be NULL. */
static void evaluate(model *m, region *r, int step, float *grad)
{
    const float *logits = m->logits + r->first;
    const uint8_t *mask = truth + r->first;
    size_t i, coins = 0;
    losses_status status = m->call(&r->loss[step], grad, logits, mask, r->pixels);
    if (status != LOSSES_OK) fail(losses_status_name(status));
    r->missed = r->extra = 0;
    for (i = 0; i < r->pixels; i++) {
        coins += mask[i];
        if (mask[i])
            r->missed += !(logits[i] > 0);
        else
            r->extra += logits[i] > 0;
    }
    r->error[step] = (float)(r->missed + r->extra) / (float)(coins + r->extra);
}

static void train(model *m)
{
    static float grad[TRAIN];
    float weights[FEATURES + 1] = {0}, first[FEATURES + 1] = {0}, second[FEATURES + 1] = {0};
    size_t i, j;
    int step;
    m->train.pixels = TRAIN;
    m->held_out.first = TRAIN;
    m->held_out.pixels = PIXELS - TRAIN;
    for (step = 0; step < STEPS; step++) {
        float gradient[FEATURES + 1] = {0};
        for (i = 0; i < PIXELS; i++) {
            float logit = weights[FEATURES];
            for (j = 0; j < FEATURES; j++) logit += weights[j] * features[i][j];
            m->logits[i] = logit;
        }
        evaluate(m, &m->train, step, grad);
        evaluate(m, &m->held_out, step, NULL);
        if (step % 100 == 99) {
            printf("  %-20s step %3d   loss %.4f   held out %.4f\n", m->name, step + 1,
                   (double)m->train.loss[step], (double)m->held_out.loss[step]);
        }
        for (i = 0; i < TRAIN; i++) {
            for (j = 0; j < FEATURES; j++) gradient[j] += grad[i] * features[i][j];
            gradient[FEATURES] += grad[i];
        }
        for (j = 0; j <= FEATURES; j++) { /* Adam */
            first[j] = 0.9f * first[j] + 0.1f * gradient[j];
            second[j] = 0.99f * second[j] + 0.01f * gradient[j] * gradient[j];
            weights[j] -= 0.1f * first[j] / (sqrtf(second[j]) + 1e-9f);
        }
    }
}

static unsigned char picture[DOWN][ACROSS][3];

static void paint(int panel, int i, unsigned char red, unsigned char green, unsigned char blue)
{
    unsigned char *pixel = picture[GAP + i / WIDTH][GAP + panel * (WIDTH + GAP) + i % WIDTH];
    pixel[0] = red;
    pixel[1] = green;
    pixel[2] = blue;
}

/* Photograph, truth, predictions; an orange frame around what was held out. In the predictions found
 * coins are white, missed parts blue, and red is what is no coin. */
static void write_picture(const char *path, const model *models)
{
    FILE *file = fopen(path, "wb");
    int i, k;
    memset(picture, 255, sizeof picture);
    for (i = 0; i < PIXELS; i++) {
        const unsigned char grey = photo[i], coin = truth[i] ? 255 : 0;
        paint(0, i, grey, grey, grey);
        paint(1, i, coin, coin, coin);
        for (k = 0; k < MODELS; k++) {
            const unsigned char claim = models[k].logits[i] > 0 ? 255 : 0;
            if (claim == coin)
                paint(2 + k, i, coin, coin, coin);
            else if (claim)
                paint(2 + k, i, 213, 40, 0);
            else
                paint(2 + k, i, 0, 130, 230);
        }
        if (i < TRAIN) continue;
        if (i < TRAIN + 2 * WIDTH || i >= PIXELS - 2 * WIDTH || (i + 2) % WIDTH < 4) {
            for (k = 0; k < 2 + MODELS; k++) paint(k, i, 255, 160, 0);
        }
    }
    if (!file) fail(path);
    fprintf(file, "P6\n%d %d\n255\n", ACROSS, DOWN);
    if (fwrite(picture, sizeof picture, 1, file) != 1 || fclose(file) != 0) fail(path);
}

static void write_curves(const char *path, const model *models)
{
    FILE *file = svg_open(path, 2);
    svg_curve loss[2 * MODELS], error[2 * MODELS];
    int k;
    for (k = 0; k < MODELS; k++) {
        const model *m = &models[k];
        const svg_curve curves[4] = {{m->name, m->colour, 0, m->train.loss},
                                     {NULL, m->colour, 1, m->held_out.loss},
                                     {m->name, m->colour, 0, m->train.error},
                                     {NULL, m->colour, 1, m->held_out.error}};
        loss[2 * k] = curves[0];
        loss[2 * k + 1] = curves[1];
        error[2 * k] = curves[2];
        error[2 * k + 1] = curves[3];
    }
    if (!file) fail(path);
    svg_chart(file, 0, "coins: loss (dashed: held out)", "step", STEPS, loss, 2 * MODELS);
    svg_chart(file, 1, "coins: 1 - IoU (dashed: held out)", "step", STEPS, error, 2 * MODELS);
    if (svg_close(file) != 0) fail(path);
}

int main(void)
{
    static model models[MODELS] = {
        {.name = "binary cross-entropy", .colour = "#0072b2", .call = binary},
        {.name = "dice", .colour = "#d55e00", .call = dice},
        {.name = "sum of both", .colour = "#009e73", .call = sum}};
    int k;
    load();
    find_features();
    printf("Coins: %d pixels for training, %d held out\n", TRAIN, PIXELS - TRAIN);
    for (k = 0; k < MODELS; k++) train(&models[k]);

    printf("\n                          IoU            held-out pixels\n"
           "                     train  held out    missed     extra\n");
    for (k = 0; k < MODELS; k++) {
        const model *m = &models[k];
        printf("%-20s %.3f     %.3f    %6u    %6u\n", m->name,
               1 - (double)m->train.error[STEPS - 1], 1 - (double)m->held_out.error[STEPS - 1],
               (unsigned)m->held_out.missed, (unsigned)m->held_out.extra);
    }
    write_picture("build/coins.ppm", models);
    write_curves("build/coins.svg", models);
    printf("Masks in build/coins.ppm, curves in build/coins.svg\n\n");
    return 0;
}
