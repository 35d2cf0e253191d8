/* How exact the header's own exp, log and log1p are, on every instruction set: their errors over a sweep
 * of all 2^32 floats (--every), or over some of them, against the bounds that losses.h states. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "check.h"

#define BLOCK 4096
#define ZERO  -88.02970f /* -127 ln 2 */

/* The C library's function in double is within an ulp of double, 2^-29 ulp of float, of the answer, and
 * shares nothing with the header. low..high is the domain. Outside of it NaN gives NaN (but for log), exp is
 * 0 up to ZERO, and from there to low 0 or as in the domain; no more is promised there. */
static const struct function {
    const char *name;
    double (*exact)(double);
    float low, high;
} functions[] = {
    {"exp", exp, -87.62f, 88.37f}, /* what 2^-126 to 2^127 times 1 + t reaches in any case */
    {"log", log, FLT_MIN, FLT_MAX},
    {"log1p", log1p, 0, FLT_MAX},
    {"log1p_unit", log1p, 0, 1},
    {"exp_one", exp, -87.33654f, 88.02969f}, /* from 2^-126 to 2^127 */
    {"log_ratio", log1p, 0, 4.2535296e37f},  /* 2^125 */
};
enum { EXP, LOG, LOG1P, LOG1P_UNIT, EXP_ONE, LOG_RATIO };

static struct block {
    float x[BLOCK];
    double want[BLOCK], per_ulp[BLOCK]; /* 1 / the ulp of the float nearest to it */
    size_t n;
} inside, outside;

static struct result {
    double worst, bound; /* ulp */
    float at;
    int promised; /* what is promised outside of the domain has held */
    int equal;    /* to the bits of the first set with FMA, or without, alike */
} results[16];

static double tried, in_domain;

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int has_fma(const char *set)
{
    return strcmp(set, "sse2") != 0 && strcmp(set, "wasm") != 0 && strcmp(set, "scalar") != 0;
}

/* The line "Bound of exp: 1.23 ulp with FMA, 1.23 without", or "Bound of exp_one: 1.23 ulp", of losses.h, for
 * its function; 0: not found */
static double stated_bound(const char *name, int fma)
{
    FILE *const file = fopen("../losses.h", "r");
    double with = 0, without = 0;
    char line[256], start[32];
    snprintf(start, sizeof start, "Bound of %s: ", name);
    while (file != NULL && without == 0 && fgets(line, sizeof line, file) != NULL) {
        const char *const found = strstr(line, start);
        if (found != NULL &&
            sscanf(found + strlen(start), "%lf ulp with FMA, %lf without", &with, &without) == 1)
            without = with;
    }
    if (file != NULL) fclose(file);
    return fma ? with : without;
}

static double error_of(const struct block *block, size_t i, float y)
{
    return fabs((double)y - block->want[i]) * block->per_ulp[i];
}

static void check_inside(int which)
{
    static float y[BLOCK], first[2][BLOCK];
    int known[2] = {0, 0};
    size_t s, i;
    for (s = 0; check_sets[s] != NULL; s++) {
        struct result *const r = &results[s];
        const int class = has_fma(check_sets[s]);
        const size_t bytes = inside.n * sizeof *y;
        check_map(check_sets[s], which, y, inside.x, inside.n);
        if (known[class] && memcmp(y, first[class], bytes) != 0) r->equal = 0;
        if (known[class] && r->equal) continue;
        if (!known[class]) memcpy(first[class], y, bytes);
        known[class] = 1;
        for (i = 0; i < inside.n; i++) {
            const double error = error_of(&inside, i, y[i]);
            if (error <= r->worst) continue;
            r->worst = error < HUGE_VAL ? error : HUGE_VAL; /* NaN too */
            r->at = inside.x[i];
        }
    }
    inside.n = 0;
}

static void check_outside(int which)
{
    static float y[BLOCK];
    size_t s, i;
    for (s = 0; check_sets[s] != NULL; s++) {
        struct result *const r = &results[s];
        check_map(check_sets[s], which, y, outside.x, outside.n);
        for (i = 0; i < outside.n; i++) {
            const float x = outside.x[i];
            int held = 1;
            if (isnan(x))
                held = which == LOG || isnan(y[i]);
            else if ((which == EXP || which == EXP_ONE) && x < functions[which].low)
                held = y[i] == 0 || (x > ZERO && error_of(&outside, i, y[i]) <= r->bound);
            if (!held) r->promised = 0;
        }
    }
    outside.n = 0;
}

static void try_bits(int which, uint32_t bits)
{
    const struct function *const f = &functions[which];
    const float x = float_of(bits);
    const int in = f->low <= x && x <= f->high;
    struct block *const b = in ? &inside : &outside;
    b->x[b->n] = x;
    if (in || which == EXP || which == EXP_ONE) {
        const double want = f->exact((double)x);
        const uint32_t exponent = bits_of((float)want) >> 23 & 255;
        const uint64_t power = (uint64_t)(1023 + 150 - (exponent > 1 ? exponent : 1)) << 52;
        b->want[b->n] = want;
        memcpy(&b->per_ulp[b->n], &power, sizeof power);
    }
    tried++;
    in_domain += in;
    if (++b->n == BLOCK) (in ? check_inside : check_outside)(which);
}

/* The neighbours of a float, on both sides, and of its negative */
static void try_around(int which, uint32_t bits, uint32_t reach)
{
    uint32_t near;
    for (near = bits - reach; near != bits + reach + 1; near++) {
        try_bits(which, near);
        try_bits(which, near ^ 0x80000000u);
    }
}

static void try_edges(int which, uint32_t reach)
{
    static const double ends[] = {0, 0.5,
                                  0.5849625007211562}; /* of what 2^n is multiplied with in exp */
    uint32_t exponent;
    size_t i;
    int n;
    for (exponent = 0; exponent < 256; exponent++) {
        try_around(which, exponent << 23, reach);               /* 0, powers of two, inf */
        try_around(which, (exponent << 23) + 0x400000u, reach); /* those times 3/2 */
    }
    for (n = -128; n < 128; n++)
        for (i = 0; i < sizeof ends / sizeof *ends; i++)
            try_around(which, bits_of((float)((n + ends[i]) * 0.6931471805599453)), reach);
    try_around(which, bits_of(functions[which].low), reach);
    try_around(which, bits_of(functions[which].high), reach);
}

static void sweep(int which)
{
    const struct function *const f = &functions[which];
    const uint64_t step = check_every ? 1 : check_quick ? 65537 : 1021;
    struct result *first[2] = {NULL, NULL};
    uint64_t bits;
    size_t s;
    char row[200];
    for (s = 0; check_sets[s] != NULL; s++) {
        memset(&results[s], 0, sizeof results[s]);
        results[s].bound = stated_bound(f->name, has_fma(check_sets[s]));
        results[s].promised = results[s].equal = 1;
    }
    tried = in_domain = 0;
    for (bits = 0; bits <= 0xffffffffu; bits += step) try_bits(which, (uint32_t)bits);
    if (!check_every) try_edges(which, check_quick ? 2 : 64);
    check_inside(which);
    check_outside(which);
    for (s = 0; check_sets[s] != NULL; s++) {
        struct result *const r = &results[s], **const alike = &first[has_fma(check_sets[s])];
        if (*alike == NULL) *alike = r;
        if (r->equal) r->worst = (*alike)->worst, r->at = (*alike)->at;
        snprintf(row, sizeof row,
                 "%-10s %-6s %.0f inputs, %.0f in the domain, worst %.5f ulp at 0x%08lx (%.9g), "
                 "bound %.2f",
                 f->name, check_sets[s], tried, in_domain, r->worst, (unsigned long)bits_of(r->at),
                 (double)r->at, r->bound);
        if (check_every) printf("%s\n", row);
        check_case("%s", row);
        CHECK(r->bound > 0);
        CHECK(r->worst <= r->bound);
        CHECK(r->promised);
        CHECK(r->equal);
    }
}

void test_exp(void) { sweep(EXP); }
void test_log(void) { sweep(LOG); }
void test_log1p(void) { sweep(LOG1P); }
void test_log1p_unit(void) { sweep(LOG1P_UNIT); }
#ifdef LOSSES_NO_SIMD
void test_exp_one(void) { sweep(EXP_ONE); }
void test_log_ratio(void) { sweep(LOG_RATIO); }
#endif
