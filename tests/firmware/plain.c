/* What people write today over libm: the loops that the row functions are measured beside. */
#include "plain.h"

/* of newlib, whose headers clang does not find */
float expf(float x);
float logf(float x);
float powf(float x, float y);

float plain_cross_entropy(float *grad, const float *x, size_t classes, size_t target)
{
    float top = x[0], sum = 0;
    const float logit = x[target];
    size_t i;
    for (i = 1; i < classes; i++) top = x[i] > top ? x[i] : top;
    for (i = 0; i < classes; i++) {
        grad[i] = expf(x[i] - top);
        sum += grad[i];
    }
    for (i = 0; i < classes; i++) grad[i] /= sum;
    grad[target] -= 1;
    return logf(sum) + top - logit;
}

float plain_focal(float *grad, const float *x, size_t classes, size_t target, float gamma)
{
    float top = x[0], sum = 0, p, left, scale, loss;
    size_t i;
    for (i = 1; i < classes; i++) top = x[i] > top ? x[i] : top;
    for (i = 0; i < classes; i++) {
        grad[i] = expf(x[i] - top);
        sum += grad[i];
    }
    for (i = 0; i < classes; i++) grad[i] /= sum;
    p = grad[target];
    left = powf(1 - p, gamma - 1);
    loss = -logf(p);
    scale = left * (1 - p) + gamma * left * p * loss;
    for (i = 0; i < classes; i++) grad[i] *= scale;
    grad[target] -= scale;
    return left * (1 - p) * loss;
}

float plain_dice(float *grad, const float *x, const uint8_t *mask, size_t pixels, float smooth)
{
    float inside = 0, sum = 0, top, bottom;
    size_t i;
    for (i = 0; i < pixels; i++) {
        grad[i] = 1 / (1 + expf(-x[i]));
        sum += grad[i];
        if (mask[i]) {
            inside += grad[i];
            sum += 1;
        }
    }
    top = 2 * inside + smooth;
    bottom = sum + smooth;
    for (i = 0; i < pixels; i++) {
        const float p = grad[i];
        grad[i] = p * (1 - p) * (top - (mask[i] ? 2 * bottom : 0)) / (bottom * bottom);
    }
    return 1 - top / bottom;
}
