/* The benchmark's data, its stopwatch, and the runners that are timed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench.h"

bench_arrays bench_data;

static uint64_t state = 1;

static uint32_t draw(uint32_t below) /* 0 .. below - 1; the high half of Knuth's MMIX generator */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 32) * below) >> 32);
}

float bench_uniform(void) { return (float)draw(1u << 24) / (float)(1u << 24); }

static void *take(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 4096, bytes + 4096)) {
        fprintf(stderr, "bench: no memory for %lu bytes\n", (unsigned long)bytes);
        exit(2);
    }
    memset(memory, 0, bytes);
    return memory;
}

void bench_reserve(size_t n)
{
    bench_data.logits = take(n * sizeof(float));
    bench_data.grad = take(n * sizeof(float));
    for (size_t i = 0; i < n; i += 2) { /* Box and Muller */
        const float radius = 2 * sqrtf(-2 * logf(1 - bench_uniform()));
        const float angle = 6.2831853f * bench_uniform();
        bench_data.logits[i] = radius * cosf(angle);
        if (i + 1 < n) bench_data.logits[i + 1] = radius * sinf(angle);
    }
}

size_t bench_elements(losses_shape shape)
{
    return shape.samples * shape.classes * shape.positions;
}

bench_call bench_begin(bench_loss loss, losses_shape shape, float gamma, bench_output output)
{
    bench_call call;
    memset(&call, 0, sizeof call);
    call.loss = loss;
    call.shape = shape;
    call.gamma = gamma;
    call.output = output;
    return call;
}

/* Nonnegative, of sum 1 over the classes of a position; for masks each in [0, 1). */
static void draw_probabilities(losses_shape shape, int masks)
{
    const size_t n = bench_elements(shape);
    float *q = bench_data.probabilities = take(n * sizeof(float));
    for (size_t i = 0; i < n; i++) q[i] = bench_uniform();
    for (size_t s = 0; s < shape.samples && !masks; s++)
        for (size_t p = 0; p < shape.positions; p++) {
            float *first = q + s * shape.classes * shape.positions + p, sum = 0;
            for (size_t c = 0; c < shape.classes; c++) sum += first[c * shape.positions];
            for (size_t c = 0; c < shape.classes; c++) first[c * shape.positions] /= sum;
        }
}

void bench_draw_targets(losses_shape shape, int masks, int probabilities)
{
    bench_arrays *d = &bench_data;
    const size_t n = shape.samples * shape.positions * (masks ? shape.classes : 1);
    const uint32_t below = masks ? 2 : (uint32_t)shape.classes;
    free(d->losses);
    free(d->upstream);
    free(d->probabilities);
    free(d->u8);
    free(d->i32);
    free(d->ignored);
    free(d->i64);
    d->losses = take(n * sizeof(float));
    d->upstream = take(n * sizeof(float));
    d->u8 = take(n);
    d->i32 = take(n * sizeof(int32_t));
    d->ignored = take(n * sizeof(int32_t));
    d->i64 = take(n * sizeof(int64_t));
    d->probabilities = NULL;
    for (size_t i = 0; i < n; i++) {
        const uint32_t target = draw(below);
        d->u8[i] = (uint8_t)target; /* of use up to 256 classes */
        d->i32[i] = (int32_t)target;
        d->i64[i] = (int64_t)target;
        d->ignored[i] = draw(10) ? (int32_t)target : -100;
        d->upstream[i] = bench_uniform();
    }
    if (probabilities) draw_probabilities(shape, masks);
}

/* --- the stopwatch ---------------------------------------------------------------------------- */
double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* Nanoseconds of all inner calls. In place, the logits are put back first, off the clock. */
static double time_once(const bench_subject *s, double *loss)
{
    if (s->isa && losses_use_isa(s->isa) != LOSSES_OK) {
        fprintf(stderr, "bench: no instruction set %s\n", s->isa);
        exit(2);
    }
    if (s->call->output == BENCH_IN_PLACE) bench_memcpy(s->call);
    const double start = bench_now();
    for (size_t i = 0; i < s->inner; i++) *loss = s->run(s->call);
    return bench_now() - start;
}

int bench_measure(bench_subject *subjects, int count)
{
    int order[64], repetitions = 0;
    for (int k = 0; k < count; k++) {
        bench_subject *s = &subjects[k];
        const size_t n = bench_elements(s->call->shape);
        s->inner = 1;
        s->gradient = 0;
        double ns = time_once(s, &s->loss), loss;
        for (size_t i = 0; i < n; i++) s->gradient += fabs((double)bench_data.grad[i]);
        while (ns < 2e6 && s->call->output != BENCH_IN_PLACE) {
            s->inner *= 2;
            ns = time_once(s, &loss);
        }
        order[k] = k;
    }
    const double start = bench_now();
    while (repetitions < BENCH_MOST && (repetitions < 9 || bench_now() - start < 2e9)) {
        for (int k = count - 1; k > 0; k--) { /* so that none always finds the same caches */
            const int other = (int)draw((uint32_t)k + 1), swap = order[k];
            order[k] = order[other];
            order[other] = swap;
        }
        for (int k = 0; k < count; k++) {
            bench_subject *s = &subjects[order[k]];
            double loss, work = (double)s->inner * (double)bench_elements(s->call->shape);
            s->ns[repetitions] = time_once(s, &loss) / work;
        }
        repetitions++;
    }
    return repetitions;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

double bench_ns(const bench_subject *a, int repetitions)
{
    double times[BENCH_MOST];
    memcpy(times, a->ns, sizeof times);
    return median(times, repetitions);
}

double bench_ratio(const bench_subject *a, const bench_subject *b, int repetitions)
{
    double ratios[BENCH_MOST];
    for (int r = 0; r < repetitions; r++) ratios[r] = a->ns[r] / b->ns[r];
    return median(ratios, repetitions);
}

int bench_agree(const char *cell, const bench_subject *a, const bench_subject *b)
{
    const int gradients = a->call->output != BENCH_VALUE;
    if (fabs(a->loss - b->loss) <= 1e-3 * fabs(b->loss) &&
        (!gradients || fabs(a->gradient - b->gradient) <= 1e-3 * fabs(b->gradient)))
        return 1;
    printf("WRONG: %s: %s has loss %.6g and gradients of sum %.6g, %s has %.6g and %.6g\n", cell,
           a->name, a->loss, a->gradient, b->name, b->loss, b->gradient);
    return 0;
}

/* --- the runners ------------------------------------------------------------------------------ */
static const float *input(const bench_call *call)
{
    return call->output == BENCH_IN_PLACE ? bench_data.grad : bench_data.logits;
}

static float *output(const bench_call *call)
{
    return call->output == BENCH_VALUE ? NULL : bench_data.grad;
}

/* Rows of cross-entropy or focal in blocks of classes, each an array of its own or a part of whole rows */
static losses_status in_blocks(float *loss, float *grad, const float *x, const bench_call *c)
{
    static losses_partial states[8192];
    const float gamma = c->loss == BENCH_FOCAL ? c->gamma : 0;
    const size_t classes = c->shape.classes, apart = c->parts ? 1 : c->shape.samples;
    losses_shape s = c->shape;
    losses_block at = {0, classes};
    losses_status status = LOSSES_OK;
    memset(states, 0, s.samples * sizeof *states);
    if (c->parts) {
        s.class_stride = 1;
        s.sample_stride = classes;
    }
    for (; at.first < classes && status == LOSSES_OK; at.first += c->block) {
        s.classes = classes - at.first < c->block ? classes - at.first : c->block;
        status = losses_partial_fold(states, x + apart * at.first, c->targets, s, at, gamma,
                                     &c->options);
    }
    at.first = 0;
    if (status == LOSSES_OK)
        status = losses_partial_finish(loss, states, c->targets, s, at, gamma, &c->options);
    for (; grad && at.first < classes && status == LOSSES_OK; at.first += c->block) {
        s.classes = classes - at.first < c->block ? classes - at.first : c->block;
        status = losses_partial_gradient(grad + apart * at.first, states, x + apart * at.first,
                                         c->targets, s, at, gamma, &c->options);
    }
    return status;
}

double bench_ours(const bench_call *c)
{
    const losses_options *o = &c->options;
    const float *x = input(c);
    float *grad = output(c), *loss = bench_data.losses;
    losses_status status = LOSSES_OK;
    if (c->block) {
        if (in_blocks(loss, grad, x, c) == LOSSES_OK) return (double)loss[0];
        exit(2);
    }
    switch (c->loss) {
    case BENCH_CROSS_ENTROPY:
        status = losses_cross_entropy(loss, grad, x, c->targets, c->shape, o);
        break;
    case BENCH_FOCAL:
        status = losses_focal(loss, grad, x, c->targets, c->shape, c->gamma, o);
        break;
    case BENCH_BINARY:
        status = losses_binary_cross_entropy(loss, grad, x, c->targets, c->shape, o);
        break;
    case BENCH_SIGMOID_FOCAL:
        status = losses_sigmoid_focal(loss, grad, x, c->targets, c->shape, c->gamma, o);
        break;
    case BENCH_DICE:
        status = losses_dice(loss, grad, x, c->targets, c->shape, o);
        break;
    }
    if (status != LOSSES_OK) {
        fprintf(stderr, "bench: %s\n", losses_status_name(status));
        exit(2);
    }
    return (double)loss[0];
}

double bench_exp(const bench_call *c)
{
    bench_map_exp(bench_data.grad, bench_data.logits, bench_elements(c->shape));
    return 0;
}

double bench_memcpy(const bench_call *c)
{
    memcpy(bench_data.grad, bench_data.logits, bench_elements(c->shape) * sizeof(float));
    return 0;
}

double bench_read(const bench_call *c)
{
    return (double)bench_loops_o3.read(bench_data.logits, bench_elements(c->shape));
}

static double plain(const bench_plain *loops, const bench_call *c)
{
    const bench_arrays *d = &bench_data;
    const float *x = input(c);
    float *grad = output(c), loss = 0;
    const int focal = c->loss == BENCH_FOCAL;
    switch (c->loss) {
    case BENCH_CROSS_ENTROPY:
    case BENCH_FOCAL:
        loss = c->shape.positions == 1 ? loops->rows(grad, x, d->i32, c->shape, focal, c->gamma)
                                       : loops->images(grad, x, d->u8, c->shape, focal, c->gamma);
        break;
    case BENCH_BINARY:
        loss = loops->binary(grad, x, d->u8, c->shape);
        break;
    case BENCH_SIGMOID_FOCAL:
        loss = loops->sigmoid_focal(grad, x, d->u8, c->shape, c->gamma);
        break;
    case BENCH_DICE:
        loss = loops->dice(grad, x, d->u8, c->shape);
        break;
    }
    return (double)loss;
}

double bench_plain_o3(const bench_call *call) { return plain(&bench_loops_o3, call); }

double bench_plain_ofast(const bench_call *call) { return plain(&bench_loops_ofast, call); }
