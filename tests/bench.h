/* What the benchmark's programs share: the data, what is timed, and how. */
#ifndef BENCH_H
#define BENCH_H
#include <stdio.h>
#include "../losses.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_MOST 41 /* repetitions */

typedef enum bench_loss {
    BENCH_CROSS_ENTROPY,
    BENCH_FOCAL,
    BENCH_BINARY,
    BENCH_SIGMOID_FOCAL,
    BENCH_DICE
} bench_loss;
typedef enum bench_output { BENCH_VALUE, BENCH_BOTH, BENCH_IN_PLACE } bench_output;

typedef struct bench_call {
    bench_loss loss;
    losses_shape shape;
    losses_targets targets;
    float gamma;
    bench_output output;
    losses_options options;
    size_t block; /* classes of a block, where partial results are taken instead; or 0 */
    int parts;    /* the blocks are parts of whole rows, and not each an array of its own */
} bench_call;

/* One thing to time: run does the work of call and returns its loss, or 0 if it has none. */
typedef struct bench_subject {
    const char *name;
    const char *isa; /* the instruction set that losses.h is to use; NULL: as it is */
    double (*run)(const bench_call *call);
    const bench_call *call;
    size_t inner;          /* calls per repetition */
    double loss, gradient; /* of the first call; gradient: the sum of its absolute values */
    double ns[BENCH_MOST]; /* per element */
} bench_subject;

/* Logits are normal with standard deviation 2, targets uniform, everything from one fixed seed. */
typedef struct bench_arrays {
    float *logits, *grad;
    float *losses, *upstream; /* for LOSSES_NONE: one per position */
    float *probabilities;     /* targets as losses_f32 */
    uint8_t *u8;              /* the same targets in each integer type */
    int32_t *i32, *ignored;   /* ignored: every tenth at random is -100 */
    int64_t *i64;
} bench_arrays;
extern bench_arrays bench_data;

/* Takes memory for shapes up to that many elements, draws the logits, and touches every page. */
void bench_reserve(size_t elements);
/* Draws the targets for this shape, and the probabilities if they are wanted. */
void bench_draw_targets(losses_shape shape, int masks, int probabilities);
float bench_uniform(void); /* [0, 1) */

size_t bench_elements(losses_shape shape);
/* A call without targets and options. */
bench_call bench_begin(bench_loss loss, losses_shape shape, float gamma, bench_output output);
double bench_now(void); /* nanoseconds, CLOCK_MONOTONIC */

/* Times the subjects, each once in every repetition, in an order drawn anew; a call shorter than
 * 2 ms is repeated until it lasts that long. 9 repetitions, more while they fit into 2 seconds.
 * Returns how many. */
int bench_measure(bench_subject *subjects, int count);

/* The median of a's times, and of a's time over b's time in the same repetition. */
double bench_ns(const bench_subject *a, int repetitions);
double bench_ratio(const bench_subject *a, const bench_subject *b, int repetitions);

/* 1 if both computed the same, to 3 digits; says so otherwise. */
int bench_agree(const char *cell, const bench_subject *a, const bench_subject *b);

/* What is run. */
double bench_ours(const bench_call *call);
double bench_exp(const bench_call *call);    /* the header's exp, logits to grad */
double bench_memcpy(const bench_call *call); /* logits to grad */
double bench_read(const bench_call *call);   /* sums the logits */
double bench_plain_o3(const bench_call *call);
double bench_plain_ofast(const bench_call *call);

/* bench_lib.c */
void bench_map_exp(float *y, const float *x, size_t n);

/* bench_plain.c: the loops that people write today, compiled once per set of flags. */
typedef struct bench_plain {
    float (*rows)(float *grad, const float *x, const int32_t *labels, losses_shape shape, int focal,
                  float gamma);
    float (*images)(float *grad, const float *x, const uint8_t *labels, losses_shape shape,
                    int focal, float gamma);
    float (*dice)(float *grad, const float *x, const uint8_t *masks, losses_shape shape);
    float (*binary)(float *grad, const float *x, const uint8_t *masks, losses_shape shape);
    float (*sigmoid_focal)(float *grad, const float *x, const uint8_t *masks, losses_shape shape,
                           float gamma);
    float (*read)(const float *x, size_t n);
} bench_plain;
extern const bench_plain bench_loops_o3, bench_loops_ofast;

/* bench_options.c: what each option costs, on works whose name contains only. Returns how many. */
int bench_options(const char *isa, const char *only, FILE *tsv);

#ifdef __cplusplus
}
#endif
#endif
