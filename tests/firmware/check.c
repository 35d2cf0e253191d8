/* The bits of the row functions. Built for the device and for this machine, it must print the same:
 *     FUNCTION INPUTS SIZE LOSSES GRADIENTS
 * with a hash of the losses and one of the gradients of some calls. A NaN counts as any other. Every call
 * is made into another array, in place, and for the loss alone; what these disagree in is printed too. */
#include "../../losses.h"
#include <float.h>
#if __STDC_HOSTED__
#include <stdio.h>
static void put(const char *text) { fputs(text, stdout); }
#else
void put(const char *text);
#endif

enum { LARGEST = 40, GUARD = 2 }; /* elements behind the last that must stay as they are */

static const float untouched = 12345;
static uint32_t seed = 1, loss_hash, grad_hash;
static float logits[LARGEST + GUARD], grad[LARGEST + GUARD], in_place[LARGEST + GUARD];
static uint8_t mask[LARGEST];
static int differ;

static uint32_t draw(uint32_t below) /* 0 .. below - 1; Marsaglia's xorshift */
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static float from_bits(uint32_t bits)
{
    union {
        uint32_t u;
        float f;
    } both;
    both.u = bits;
    return both.f;
}

static uint32_t to_bits(float value)
{
    union {
        uint32_t u;
        float f;
    } both;
    both.f = value;
    return (both.u & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : both.u;
}

static void hash(uint32_t *sum, float value)
{
    *sum = (*sum ^ to_bits(value)) * 0x9e3779b1u;
    *sum ^= *sum >> 15;
}

/* 0 or 2^low <= |x| < 2^high */
static float draw_float(int low, int high)
{
    const uint32_t exponent = (uint32_t)(low + 127) + draw((uint32_t)(high - low));
    return draw(50) == 0 ? 0 : from_bits(draw(2) << 31 | exponent << 23 | draw(1u << 23));
}

enum { NEAR, TIES, WIDE, FAR, HUGE, TINY, INFINITE, NOT, INPUTS, REFUSED = INPUTS };
static const char *const input_names[] = {"near", "ties",     "wide", "far",    "huge",
                                          "tiny", "infinite", "nan",  "refused"};

static void draw_logits(int inputs, uint32_t n)
{
    uint32_t i;
    for (i = 0; i < n; i++) {
        float x = draw_float(-8, 3);
        if (inputs == TIES) x = (float)draw(3);
        if (inputs == WIDE) x = draw_float(-4, 7);
        if (inputs == FAR && i == n / 2) x = (float)(10 + draw(110)); /* one leads */
        if (inputs == HUGE) x = draw_float(100, 128);
        if (inputs == TINY) x = from_bits(draw(2) << 31 | draw(1u << 24)); /* denormal numbers */
        if (inputs == INFINITE && draw(3) == 0) x = draw(4) ? -FLT_MAX * 2 : FLT_MAX * 2;
        if (inputs == NOT && draw(n) == 0) x = from_bits(0x7fc00000u);
        logits[i] = x;
        mask[i] = draw(2) ? (uint8_t)draw(256) : 0;
    }
}

/* A call: focal for gamma >= 0, cross-entropy for -1, dice for -2. */
static float call(float *to, const float *x, uint32_t n, uint32_t target, float gamma, float u)
{
    if (gamma >= 0) return losses_focal_row(to, x, n, target, gamma, u);
    if (gamma < -1) return losses_dice_mask(to, x, mask, n, (float)(1 + target) / 8, u);
    return losses_cross_entropy_row(to, x, n, target, u);
}

static void try(uint32_t n, uint32_t target, float gamma, float u)
{
    uint32_t i;
    float loss;
    for (i = 0; i < LARGEST + GUARD; i++) {
        grad[i] = untouched;
        in_place[i] = i < n ? logits[i] : untouched;
    }
    loss = call(grad, logits, n, target, gamma, u);
    hash(&loss_hash, loss);
    differ |= to_bits(loss) != to_bits(call(NULL, logits, n, target, gamma, u));
    differ |= to_bits(loss) != to_bits(call(in_place, in_place, n, target, gamma, u));
    for (i = 0; i < LARGEST + GUARD; i++) {
        hash(&grad_hash, grad[i]);
        differ |= to_bits(grad[i]) != to_bits(in_place[i]);
        differ |= i >= n && to_bits(grad[i]) != to_bits(untouched);
    }
}

static void put_number(uint32_t value, uint32_t base)
{
    char text[12], *p = text + 11;
    *p = 0;
    do {
        *--p = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put(p);
}

static void line(const char *function, int inputs, uint32_t n)
{
    put(function), put(" "), put(input_names[inputs]), put(" ");
    put_number(n, 10), put(" "), put_number(loss_hash, 16), put(" "), put_number(grad_hash, 16);
    put(differ ? " differs within itself\n" : "\n");
    differ = 0;
    loss_hash = grad_hash = 0;
}

/* An argument out of range: NaN, and nothing is touched. */
static void refused(float loss)
{
    uint32_t i;
    hash(&loss_hash, loss);
    differ = loss == loss;
    for (i = 0; i < LARGEST; i++) {
        differ |= grad[i] < untouched || grad[i] > untouched;
        grad[i] = untouched;
    }
    line("argument", REFUSED, 2);
}

int main(void)
{
    static const float gammas[] = {0, 0.25f, 0.5f, 1, 1.5f, 2, 3, 5, 100, 1e-30f, FLT_MAX};
    static const float upstreams[] = {1, -0.5f, 0.001f, 0, 65536, 1e-40f, FLT_MAX};
    const float bad[] = {-0.5f, FLT_MAX * 2, from_bits(0x7fc00000u), 0};
    const uint32_t us = sizeof upstreams / sizeof upstreams[0];
    const uint32_t gs = sizeof gammas / sizeof gammas[0];
    uint32_t n, i;
    int inputs;
    for (inputs = 0; inputs < INPUTS; inputs++) {
        for (n = 1; n <= LARGEST; n++) {
            draw_logits(inputs, n);
            for (i = 0; i < n; i += 1 + n / 3) try(n, i, -1, upstreams[(i + n) % us]);
            try(n, n / 2, -1, 1);
            line("cross_entropy_row", inputs, n);
            for (i = 0; i < 4; i++) try(n, draw(n), gammas[(i + n) % gs], upstreams[i * n % us]);
            try(n, n / 2, 2, 1);
            line("focal_row", inputs, n);
            for (i = 0; i < 3; i++) try(n, i * n, -2, upstreams[(i + n) % us]);
            line("dice_mask", inputs, n);
        }
    }
    for (i = 0; i < LARGEST; i++) grad[i] = untouched;
    refused(losses_cross_entropy_row(grad, logits, 2, 2, 1));
    refused(losses_cross_entropy_row(grad, logits, 0, 0, 1));
    refused(losses_focal_row(grad, logits, 2, 2, 1, 1));
    for (i = 0; i < 3; i++) refused(losses_focal_row(grad, logits, 2, 1, bad[i], 1));
    for (i = 0; i < 4; i++) refused(losses_dice_mask(grad, logits, mask, 2, bad[i], 1));
    return 0;
}
