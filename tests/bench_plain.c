/* The losses as plain C loops over libm, the way they are written today. Compiled once for each set
 * of flags; BENCH_PLAIN is the name of the table of them. */
#include <math.h>
#include <stdlib.h>
#include "bench.h"

/* The loss of a position; scale becomes that of its gradient. Focal through p_t and powf. */
static inline float finish(float log_p, int focal, float gamma, float *scale)
{
    if (!focal) return -log_p;
    const float p = expf(log_p), power = powf(1 - p, gamma);
    *scale *= power - gamma * powf(1 - p, gamma - 1) * p * log_p;
    return -log_p * power;
}

static float rows(float *grad, const float *x, const int32_t *labels, losses_shape shape, int focal,
                  float gamma)
{
    const size_t n = shape.samples, classes = shape.classes;
    float loss = 0;
    for (size_t i = 0; i < n; i++, x += classes) {
        const float at = x[labels[i]];
        float max = x[0], sum = 0, scale = 1 / (float)n;
        for (size_t c = 1; c < classes; c++) max = x[c] > max ? x[c] : max;
        if (!grad) {
            for (size_t c = 0; c < classes; c++) sum += expf(x[c] - max);
        } else {
            for (size_t c = 0; c < classes; c++) {
                grad[c] = expf(x[c] - max);
                sum += grad[c];
            }
        }
        loss += finish(at - max - logf(sum), focal, gamma, &scale);
        if (!grad) continue;
        for (size_t c = 0; c < classes; c++) grad[c] *= scale / sum;
        grad[labels[i]] -= scale;
        grad += classes;
    }
    return loss / (float)n;
}

/* Plane after plane, never a stride; needs room for two planes. With a gradient, and not in
 * place. */
static float images(float *grad, const float *x, const uint8_t *labels, losses_shape shape,
                    int focal, float gamma)
{
    const size_t pixels = shape.positions, classes = shape.classes;
    const float n = (float)(shape.samples * pixels);
    float *max = malloc(2 * pixels * sizeof(float)), *sum = max + pixels, loss = 0;
    if (!max) return NAN;
    for (size_t s = 0; s < shape.samples; s++, labels += pixels) {
        const float *image = x + s * classes * pixels;
        float *out = grad + s * classes * pixels;
        for (size_t i = 0; i < pixels; i++) max[i] = image[i], sum[i] = 0;
        for (size_t c = 1; c < classes; c++)
            for (size_t i = 0; i < pixels; i++)
                max[i] = image[c * pixels + i] > max[i] ? image[c * pixels + i] : max[i];
        for (size_t c = 0; c < classes; c++)
            for (size_t i = 0; i < pixels; i++) {
                const float e = expf(image[c * pixels + i] - max[i]);
                out[c * pixels + i] = e;
                sum[i] += e;
            }
        for (size_t i = 0; i < pixels; i++) {
            float scale = 1 / n;
            const float at = image[labels[i] * pixels + i];
            loss += finish(at - max[i] - logf(sum[i]), focal, gamma, &scale);
            sum[i] = scale / sum[i];
            max[i] = scale;
        }
        for (size_t c = 0; c < classes; c++)
            for (size_t i = 0; i < pixels; i++) out[c * pixels + i] *= sum[i];
        for (size_t i = 0; i < pixels; i++) out[labels[i] * pixels + i] -= max[i];
    }
    free(max);
    return loss / n;
}

static float dice(float *grad, const float *x, const uint8_t *masks, losses_shape shape)
{
    const size_t pixels = shape.positions;
    float loss = 0;
    for (size_t m = 0; m < shape.samples; m++, x += pixels, masks += pixels) {
        float both = 0, p_sum = 0, t_sum = 0;
        for (size_t i = 0; i < pixels; i++) {
            const float p = 1 / (1 + expf(-x[i])), t = masks[i];
            both += p * t;
            p_sum += p;
            t_sum += t;
            if (grad) grad[i] = p;
        }
        const float over = 2 * both + 1e-3f, under = p_sum + t_sum + 1e-3f;
        loss += 1 - over / under;
        if (!grad) continue;
        for (size_t i = 0; i < pixels; i++) {
            const float p = grad[i], t = masks[i];
            grad[i] = p * (1 - p) * (over - 2 * t * under) / (under * under) / (float)shape.samples;
        }
        grad += pixels;
    }
    return loss / (float)shape.samples;
}

static float binary(float *grad, const float *x, const uint8_t *masks, losses_shape shape)
{
    const size_t pixels = shape.positions, n = shape.samples * pixels;
    float loss = 0;
    for (size_t m = 0; m < n; m += pixels) {
        float sum = 0;
        for (size_t i = m; i < m + pixels; i++) {
            const float t = masks[i], p = 1 / (1 + expf(-x[i]));
            sum -= t * logf(p) + (1 - t) * logf(1 - p);
            if (grad) grad[i] = (p - t) / (float)n;
        }
        loss += sum;
    }
    return loss / (float)n;
}

static float sigmoid_focal(float *grad, const float *x, const uint8_t *masks, losses_shape shape,
                           float gamma)
{
    const size_t pixels = shape.positions, n = shape.samples * pixels;
    float loss = 0;
    for (size_t m = 0; m < n; m += pixels) {
        float sum = 0;
        for (size_t i = m; i < m + pixels; i++) {
            const float t = masks[i], p = 1 / (1 + expf(-x[i]));
            const float right = t * p + (1 - t) * (1 - p), log_right = logf(right);
            const float weight = (0.75f - 0.5f * t) * powf(1 - right, gamma);
            sum -= weight * log_right;
            if (grad)
                grad[i] =
                    (2 * t - 1) * weight * (gamma * right * log_right - (1 - right)) / (float)n;
        }
        loss += sum;
    }
    return loss / (float)n;
}

/* As fast as memory gives them: eight vectors at once, as wide as the CPU allows. */
typedef float wide __attribute__((vector_size(64), aligned(4), may_alias));

static float read_all(const float *x, size_t n)
{
    wide sums[8] = {{0}};
    size_t i = 0;
    float sum = 0;
    for (; i + 128 <= n; i += 128)
        for (size_t j = 0; j < 8; j++) sums[j] += *(const wide *)(x + i + 16 * j);
    for (size_t j = 1; j < 8; j++) sums[0] += sums[j];
    for (size_t j = 0; j < 16; j++) sum += sums[0][j];
    for (; i < n; i++) sum += x[i];
    return sum;
}

const bench_plain BENCH_PLAIN = {rows, images, dice, binary, sigmoid_focal, read_all};
