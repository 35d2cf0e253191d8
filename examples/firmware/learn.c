/* Learns on the device: the last layer of the digits network, 32 features to 10 digits, begins at zero and
 * is trained by stochastic gradient descent. The first layer came with the firmware, in 8 bits; the digits
 * stand for what a sensor would see. A step needs one row of 10 floats besides the weights: the logits,
 * which losses_cross_entropy_row turns into their gradient in place. No C library, no heap, no double. */
#define LOSSES_NO_SIMD
#define LOSSES_NO_DOUBLE
#define LOSSES_IMPLEMENTATION
#include "losses.h"
#include "build/firmware/digits.h" /* SAMPLES, TRAIN, PIXELS, HIDDEN, weights, biases, digits */

enum { DIGITS = 10, EPOCHS = 8 };
static const float rate = 0.02f;

/* All of the RAM. The last feature is always 1: its weights are the biases of the last layer. */
static float last_layer[HIDDEN + 1][DIGITS];
static float features[HIDDEN + 1];
static float logits[DIGITS];

/* max(0, weights * pixels / 16 + biases), in integers until the last line */
static void first_layer(const uint8_t *pixels)
{
    int i, j;
    for (j = 0; j < HIDDEN; j++) {
        int32_t sum = biases[j] * 16;
        for (i = 0; i < PIXELS; i++) sum += weights[i][j] * pixels[i];
        features[j] = sum > 0 ? (float)sum * (WEIGHT_UNIT / 16) : 0;
    }
    features[HIDDEN] = 1;
}

static void forward(const uint8_t *pixels)
{
    int i, j;
    first_layer(pixels);
    for (j = 0; j < DIGITS; j++) logits[j] = 0;
    for (i = 0; i <= HIDDEN; i++)
        for (j = 0; j < DIGITS; j++) logits[j] += features[i] * last_layer[i][j];
}

/* One step; returns the loss before it. With the rate for upstream, the logits become what to subtract. */
static float learn(const uint8_t *pixels, size_t digit)
{
    float loss;
    int i, j;
    forward(pixels);
    loss = losses_cross_entropy_row(logits, logits, DIGITS, digit, rate);
    for (i = 0; i <= HIDDEN; i++)
        for (j = 0; j < DIGITS; j++) last_layer[i][j] -= features[i] * logits[j];
    return loss;
}

/* Of the digits that were held out, how many it gets right; *loss: their mean loss. */
static int test(float *loss)
{
    int i, j, best, right = 0;
    *loss = 0;
    for (i = TRAIN; i < SAMPLES; i++) {
        const size_t digit = digits[i][PIXELS];
        forward(digits[i]);
        for (best = 0, j = 1; j < DIGITS; j++) best = logits[j] > logits[best] ? j : best;
        right += best == (int)digit;
        *loss += losses_cross_entropy_row(NULL, logits, DIGITS, digit, 1);
    }
    *loss /= SAMPLES - TRAIN;
    return right;
}

void put(const char *text); /* start.c */

static void put_number(uint32_t value, int decimals) /* value / 10^decimals */
{
    char text[13], *p = text + 12;
    *p = 0;
    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
        if (--decimals == 0) *--p = '.';
    } while (value != 0 || decimals >= 0);
    put(p);
}

static void put_thousandths(const char *label, float value)
{
    put(label), put_number((uint32_t)(value * 1000 + 0.5f), 3);
}

int main(void)
{
    float sum, loss, first;
    int epoch, i, right = test(&first);
    put_thousandths("before       loss held out ", first), put("\n");
    for (epoch = 1; epoch <= EPOCHS; epoch++) {
        for (i = 0, sum = 0; i < TRAIN; i++) sum += learn(digits[i], digits[i][PIXELS]);
        right = test(&loss);
        put("epoch "), put_number((uint32_t)epoch, 0);
        put_thousandths("  loss ", sum / TRAIN), put_thousandths("  held out ", loss);
        put("  right "), put_number((uint32_t)right, 0);
        put(" of "), put_number(SAMPLES - TRAIN, 0), put("\n");
    }
    put_thousandths("held-out accuracy ", (float)right / (SAMPLES - TRAIN)), put("\n");
    return loss < first / 4 && right * 10 > (SAMPLES - TRAIN) * 9 ? 0 : 1;
}
