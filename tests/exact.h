/* make exact: whole losses on generated inputs against the formulas of PART 1 of losses.h in MPFR.
 * exact_cases.c makes the cases, exact_mpfr.c their exact results, exact.c compares. */
#ifndef EXACT_H
#define EXACT_H
#include <stddef.h>
#include "../losses.h"

/* Numbers as exact_peers.py has them too. */
enum exact_loss {
    LOG_SOFTMAX,
    LOG_SUM_EXP, /* the option log_sum_exp of cross-entropy, alone */
    LOG_SOFTMAX_GRADIENT,
    NLL,
    CROSS_ENTROPY,
    FOCAL,
    BINARY_CROSS_ENTROPY,
    SIGMOID_FOCAL,
    DICE
};

#define EXACT_MOST    ((size_t)2000000) /* logits of a case */
#define EXACT_CLASSES ((size_t)50257)

/* One call. The log-softmax calls are without a value. */
struct exact_case {
    unsigned number;    /* 1 for the first */
    const char *family; /* one line of the table */
    char what[120];     /* the case in words */
    enum exact_loss loss;
    int row; /* by losses_cross_entropy_row, losses_focal_row or losses_dice_mask */
    losses_shape shape;
    int soft; /* the targets are q */
    float gamma;
    losses_options options;
    size_t values, outputs; /* numbers that come out: losses; gradients, log-softmax, log-sum-exp */
    size_t labels;          /* integer targets, if not soft */
    float x[EXACT_MOST];    /* logits or log-probabilities */
    float q[EXACT_MOST];    /* probabilities; of LOG_SOFTMAX_GRADIENT the upstream */
    int32_t t[EXACT_MOST];
    float weight[EXACT_CLASSES], positive[EXACT_CLASSES], upstream[EXACT_MOST];
};
extern struct exact_case exact_case;

/* The exact number is high + low; size: its largest term where terms cancel, otherwise 0. */
struct exact_number {
    double high, low, size;
};
extern struct exact_number exact_values[EXACT_MOST], exact_outputs[EXACT_MOST];
extern int exact_overflows; /* one of the losses that were summed is not finite in float */

void exact_cases(void);   /* makes one case after the other, each followed by exact_run */
void exact_run(void);     /* what is to be done with a case */
void exact_compute(void); /* exact_values, exact_outputs and exact_overflows of the case */
#endif
