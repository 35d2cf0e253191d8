/* losses.h 0.1.0 - loss functions and their gradients in one header.
 * Cross-entropy, focal, binary cross-entropy, sigmoid focal and dice loss on logits; C99 and C++.
 * SPDX-License-Identifier: MIT-0
 *
 * In exactly one .c or .cpp file:      Everywhere else:
 *     #define LOSSES_IMPLEMENTATION        #include "losses.h"
 *     #include "losses.h"
 *
 * Nothing is allocated or printed, and nothing is kept between calls but the choice of losses_use_isa.
 *
 * Switches, defined before the include:
 *   LOSSES_IMPLEMENTATION  compiles the library into this file: in exactly one .c or .cpp
 *   LOSSES_STATIC          everything static, for a library inside a library
 *   LOSSES_API             decorates each declaration, e.g. for a DLL
 *   LOSSES_NO_SIMD         plain C, one number at a time: smallest, needs no CPU test
 *   LOSSES_NO_REFERENCE    leaves the double reference out, and with it the only use of libm
 *   LOSSES_NO_DOUBLE       no double in any arithmetic (implies LOSSES_NO_REFERENCE)
 *   LOSSES_FILE            the name this file was given, if it was renamed: "my_losses.h"
 *
 * Contents:
 *   PART 1  INTERFACE   what you call, documented           every includer
 *   PART 2  GROUND      compiler facts, types, helpers      LOSSES_IMPLEMENTATION from here on
 *   PART 3  VOCABULARY  vector words, per instruction set
 *   PART 4  KERNELS     exp and log once, each loss once
 *   PART 5  CALLS       argument checks, reductions, dispatch
 *   PART 6  REFERENCE   the same losses in double, plain loops: the specification
 */
#ifndef LOSSES_H
#define LOSSES_H
/* ===================================== PART 1: INTERFACE ========================================
 *
 *     float loss;
 *     losses_cross_entropy(&loss, grad, logits, losses_i32(labels), losses_rows(n, c), NULL);
 *
 * A call reads like (loss, grad) = L(logits, targets). Pass NULL for loss or for grad when you do
 * not want it; with both NULL, report and log_sum_exp are still filled. A NULL or zeroed
 * losses_options is the textbook loss. Logits are float; nothing needs to be aligned beyond float.
 *
 * Common to all calls:
 *   bits      A result has the same bits with and without the other output, in place or not, at any
 *             alignment, and for any integer type of the targets. What a position gets does not
 *             depend on what else is in the call: alone or in a batch, the bits are the same.
 *   exact     Values are within 4 ulp and gradients within 32 ulp of the exact result for the
 *             given float inputs, also where the model is confident. Where the terms of a gradient
 *             cancel (smoothing, probability targets, z_loss) it is within 4 * 2^-24 of the
 *             largest term instead. A position's loss above FLT_MAX is +inf.
 *   NaN, inf  A NaN logit gives NaN in the value and gradient of its position (softmax losses),
 *             element (sigmoid losses) or mask (dice) and in the reduced value, nowhere else; so does
 *             +inf in a softmax, or a position that is all -inf. A -inf logit has probability 0. NaN
 *             and inf in upstream and in float targets go through the arithmetic.
 *   ignored   An ignored position has loss 0 and gradient 0, its logits do not matter, and it counts
 *             in no denominator.
 *   empty     The mean over nothing, or over a total weight of 0, is 0 (NaN with nan_if_empty),
 *             with gradient 0. Data pointers may be NULL when there is no element.
 *   errors    Arguments are checked before anything is written; after an error no output has been
 *             touched, apart from report->bad_position.
 *   aliasing  grad may be logits itself, unless accumulating; any other overlap is refused. */
#include <stddef.h>
#include <stdint.h>

#define LOSSES_VERSION_MAJOR  0
#define LOSSES_VERSION_MINOR  1
#define LOSSES_VERSION_PATCH  0
#define LOSSES_VERSION        100 /* 10000 * major + 100 * minor + patch */
#define LOSSES_VERSION_STRING "0.1.0"

#if defined(LOSSES_NO_DOUBLE) && !defined(LOSSES_NO_REFERENCE)
#define LOSSES_NO_REFERENCE
#endif
#ifndef LOSSES_API
#if !defined(LOSSES_STATIC)
#define LOSSES_API extern
#elif defined(__GNUC__)
#define LOSSES_API static __attribute__((unused))
#else
#define LOSSES_API static
#endif
#endif
#if defined(__GNUC__)
#define LOSSES_INLINE static inline __attribute__((unused))
#else
#define LOSSES_INLINE static inline
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* For sums and denominators: double; float where there is to be no double. */
#ifdef LOSSES_NO_DOUBLE
typedef float losses_wide;
#else
typedef double losses_wide;
#endif

/* --- results ---------------------------------------------------------------------------------- */
typedef enum losses_status {
    LOSSES_OK = 0,
    LOSSES_BAD_POINTER = -1, /* a required pointer is NULL                                        */
    LOSSES_BAD_SHAPE = -2,  /* no classes, strides that overlap, or more bytes than size_t counts */
    LOSSES_BAD_OPTION = -3, /* out of range, not finite, without effect, or of another loss       */
    LOSSES_BAD_TARGET = -4, /* a class index out of range, a mask value other than 0, 1 or ignored,
                                or a type of target that this loss does not take                   */
    LOSSES_BAD_OVERLAP = -5 /* an output shares memory with an input or another output            */
} losses_status;

/* --- what goes in -----------------------------------------------------------------------------
 * Integer targets are class indices for the softmax losses, packed [samples][positions], or masks of
 * 0 and 1 for the sigmoid losses and dice, packed [samples][classes][positions]. Float targets are
 * probabilities laid out like the logits, strides included; cross-entropy, the sigmoid losses and dice
 * take them. They are not checked, and need not sum to 1. */
typedef struct losses_targets {
    const void *data;
    int type; /* private: set by the functions below */
} losses_targets;

LOSSES_INLINE losses_targets losses_u8(const uint8_t *values)
{
    losses_targets targets = {NULL, 1};
    targets.data = values;
    return targets;
}

LOSSES_INLINE losses_targets losses_i32(const int32_t *values)
{
    losses_targets targets = {NULL, 2};
    targets.data = values;
    return targets;
}

LOSSES_INLINE losses_targets losses_i64(const int64_t *values)
{
    losses_targets targets = {NULL, 3};
    targets.data = values;
    return targets;
}

LOSSES_INLINE losses_targets losses_f32(const float *values)
{
    losses_targets targets = {NULL, 4};
    targets.data = values;
    return targets;
}

/* Element (sample, class, position) stands at sample * sample_stride + class * class_stride + position.
 * Positions share the class axis: 1 for an N x C matrix, H*W for an N x C x H x W tensor. A stride of
 * 0 means packed: class_stride = positions, sample_stride = classes * class_stride. Padding between
 * strides is never read and never written. grad and float targets are laid out like the logits;
 * integer targets, losses, log_sum_exp and per-loss upstream values are always packed. */
typedef struct losses_shape {
    size_t samples, classes, positions;
    size_t sample_stride, class_stride;
} losses_shape;

LOSSES_INLINE losses_shape losses_images(size_t samples, size_t classes, size_t positions)
{
    losses_shape shape = {0, 0, 0, 0, 0};
    shape.samples = samples;
    shape.classes = classes;
    shape.positions = positions;
    return shape;
}

LOSSES_INLINE losses_shape losses_rows(size_t samples, size_t classes) /* N x C */
{
    return losses_images(samples, classes, 1);
}

LOSSES_INLINE losses_shape losses_masks(size_t masks, size_t pixels) /* M x 1 x (H*W) */
{
    return losses_images(masks, 1, pixels);
}

typedef enum losses_reduction { LOSSES_MEAN = 0, LOSSES_SUM = 1, LOSSES_NONE = 2 } losses_reduction;

/* What the reduction was made of, whatever the reduction. Written on success. */
typedef struct losses_report {
    losses_wide sum;         /* of the counted, weighted losses */
    losses_wide denominator; /* what LOSSES_MEAN divided by, or would have */
    size_t counted;      /* not ignored: positions (softmax), elements (sigmoid), masks (dice) */
    size_t bad_position; /* after LOSSES_BAD_TARGET: the first bad one in the packed targets */
} losses_report;

/* Zeroed = defaults. An option that a loss does not know must be zero, flags are 0 or 1; otherwise
 * LOSSES_BAD_OPTION. Where 0 means "the default", a true zero is had with FLT_MIN.
 * Upstream is dL/dloss, the factor of every gradient. */
typedef struct losses_options {
    losses_reduction reduction;   /* default LOSSES_MEAN; all losses */
    losses_wide denominator;      /* > 0: LOSSES_MEAN divides by this; mean only; all losses */
    int has_ignore_index;         /* 0: integer targets equal to -100 are ignored */
    int64_t ignore_index;         /* 1: this value instead, any integer; otherwise must be 0 */
    int nan_if_empty;             /* 1: the mean over nothing is NaN, 0: it is 0; all losses */
    const float *class_weight;    /* [classes], finite, >= 0; nll, (binary) cross-entropy */
    const float *positive_weight; /* [classes], finite, >= 0; binary cross-entropy */
    float label_smoothing;        /* [0, 1]; cross-entropy */
    float z_loss;                 /* >= 0: adds z_loss * lse^2, not class-weighted; cross-entropy */
    float alpha; /* focal: >= 0, 0 means 1; sigmoid focal: <= 1, 0 means 0.25, < 0 off */
    const float *class_alpha; /* [classes], finite, >= 0, multiplies alpha; focal */
    float scale, eps;         /* > 0, 0 means 1000 and 1e-6; dice */
    const float *upstream;    /* 1 value (mean, sum) or one per loss (none); NULL = 1; all losses */
    int accumulate;           /* 1: gradients are added to grad, not stored; all losses */
    float *log_sum_exp;       /* out: [samples][positions], 0 where ignored; cross-entropy, focal */
    losses_report *report;    /* out; all losses */
} losses_options;

/* --- the losses -------------------------------------------------------------------------------
 * loss: 1 value for mean and sum; for none one per position (softmax losses), per element (sigmoid
 * losses), or per mask, that is plane of one sample and class (dice). grad: laid out like the logits.
 *
 * Notation: x the logits of one position, C classes, t its target, p = softmax(x), w class weights
 * (1 if absent), lse = log sum_j e^(x_j), s(d) = 1 / (1 + e^-d), sp(d) = log(1 + e^d), e = label_smoothing,
 * [.] = 1 if true else 0. Gradients are given before upstream and the mean's 1/D. */

/* a_j = x_j - lse for every position. May run in place. -inf for a -inf logit.
 * Cost: one exp per logit; reads twice or three times, writes once. Error: 4 ulp. */
LOSSES_API losses_status losses_log_softmax(float *log_probabilities, const float *logits,
                                            losses_shape shape);

/* dx_j = u_j - e^(a_j) sum_c u_c, with a the log-probabilities. May run in place, on either input.
 * Cost: one exp per element. Error: 4 * 2^-24 of |u_j| + e^(a_j) sum_c |u_c|. */
LOSSES_API losses_status losses_log_softmax_gradient(float *grad, const float *upstream,
                                                     const float *log_probabilities,
                                                     losses_shape shape);

/* Negative log-likelihood of given log-probabilities a:  l = -w_t a_t,  dl/da_j = -w_t [j = t].
 * mean: D = sum of w_t over the counted positions. Targets: integers. Options: class_weight and those
 * of all losses. A NaN or -inf in a_t gives a NaN or +inf value, and with w_t = 0 the value 0; the
 * gradient is -w_t all the same. Cost: one read per position; the gradient is a fill with zeros. */
LOSSES_API losses_status losses_nll(float *loss, float *grad, const float *log_probabilities,
                                    losses_targets targets, losses_shape shape,
                                    const losses_options *options);

/* Softmax cross-entropy (log-softmax + NLL).
 * Index targets, A = (1-e) w_t + (e/C) sum_c w_c:
 *     l = (1-e) w_t (lse - x_t) + (e/C) sum_c w_c (lse - x_c)
 *     dl/dx_j = A p_j - (1-e) w_t [j = t] - (e/C) w_j           mean: D = sum of w_t
 * Probability targets q, q' = (1-e) q + e/C, A = sum_c w_c q'_c:
 *     l = -sum_c w_c q'_c log p_c,  dl/dx_j = A p_j - w_j q'_j  mean: D = number of positions
 * z_loss z adds z lse^2, gradient 2 z lse p_j. A target class at -inf gives the value +inf and a
 * finite gradient; 0 * inf counts as 0 where a weight or target probability is 0.
 * Options: class_weight, label_smoothing, z_loss, log_sum_exp. Cost: one exp per logit (two when
 * accumulating). Sources: Szegedy et al. 2016 (label smoothing), de Brebisson & Vincent 2016 (z-loss). */
LOSSES_API losses_status losses_cross_entropy(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              const losses_options *options);

/* Focal loss on the softmax, a = alpha * class_alpha_t, gamma >= 0 and finite:
 *     l = a (1-p_t)^gamma (-log p_t);   with d = log sum_{j != t} e^(x_j) - x_t:
 *     l = a s(d)^gamma sp(d),  h = -a s(d)^gamma (gamma p_t sp(d) + s(d))
 *     dl/dx_t = h,  dl/dx_j = -h p_j / (1 - p_t)                mean: D = number of positions
 * Targets: integers. Options: alpha, class_alpha, log_sum_exp. gamma = 0 is cross-entropy. Cost: as
 * cross-entropy, and one exp and log per position unless gamma is 0, 1 or 2.
 * Source: Lin et al. 2017, in the margin form, which has no negative power. */
LOSSES_API losses_status losses_focal(float *loss, float *grad, const float *logits,
                                      losses_targets targets, losses_shape shape, float gamma,
                                      const losses_options *options);

/* Binary cross-entropy on logits, t in [0, 1], b = positive_weight:
 *     l = w_c (b_c t sp(-x) + (1-t) sp(x)),  dl/dx = w_c ((1-t) s(x) - b_c t s(-x))
 * mean: D = number of counted elements. Targets: masks or probabilities. Options: class_weight,
 * positive_weight. x = +inf is worth 0 for t = 1 and +inf for t = 0, x = -inf the reverse, the
 * gradients finite. Cost: one exp and one log1p per element. */
LOSSES_API losses_status losses_binary_cross_entropy(float *loss, float *grad, const float *logits,
                                                     losses_targets targets, losses_shape shape,
                                                     const losses_options *options);

/* Focal loss on the sigmoid, p = s(x), t in [0, 1], gamma >= 0 and finite, m = t + p - 2 p t,
 * a = alpha t + (1-alpha) (1-t), or 1 where alpha < 0:
 *     l = a m^gamma bce,  bce = t sp(-x) + (1-t) sp(x)
 *     dl/dx = a (m^gamma (p - t) + gamma m^(gamma-1) (1-2t) p (1-p) bce)
 * mean: D = number of counted elements. Targets: masks or probabilities. Options: alpha. Infinite
 * logits as in binary cross-entropy. Cost: as that, and one more exp and log unless gamma is 0, 1 or 2.
 * Source: Lin et al. 2017. */
LOSSES_API losses_status losses_sigmoid_focal(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              float gamma, const losses_options *options);

/* Soft dice on logits, one loss for each mask (a plane of one sample and class), p = s(x),
 * I = sum p t, P = sum p, T = sum t over its pixels that are not ignored, E = eps * scale:
 *     l = 1 - (2I + E) / (P + T + E)
 *     dl/dx_i = p_i (1-p_i) ((2I + E) - 2 t_i (P + T + E)) / (P + T + E)^2
 * mean: D = number of masks (or denominator) + 1e-8. A mask without a counted pixel is worth 0 and is
 * not counted. Targets: masks or probabilities. Options: scale, eps. E must be a normal float. Infinite
 * logits are p = 0 and p = 1. Cost: one exp per pixel (two when accumulating).
 * Source: Milletari et al. 2016, with the linear denominator of Sudre et al. 2017. */
LOSSES_API losses_status losses_dice(float *loss, float *grad, const float *logits,
                                     losses_targets targets, losses_shape shape,
                                     const losses_options *options);

/* --- one position at a time: the kernels under the calls above ---------------------------------
 * For firmware, for rows that arrive one by one, and for your own loops: contiguous floats, no options,
 * the same bits as a call for one sample with LOSSES_SUM. Each returns the loss and, if grad is not
 * NULL, stores upstream * dloss/dlogits; grad may be logits. An argument out of range (target not
 * < classes; gamma or smooth negative, infinite or NaN; smooth 0) returns NaN and touches nothing. */
LOSSES_API float losses_cross_entropy_row(float *grad, const float *logits, size_t classes,
                                          size_t target, float upstream);
LOSSES_API float losses_focal_row(float *grad, const float *logits, size_t classes, size_t target,
                                  float gamma, float upstream);
/* mask: 0 or not 0, [pixels]; smooth = eps * scale */
LOSSES_API float losses_dice_mask(float *grad, const float *logits, const uint8_t *mask,
                                  size_t pixels, float smooth, float upstream);

#ifndef LOSSES_NO_REFERENCE
/* --- the same in double, plain and slow: the specification --------------------------------------
 * Float targets, weights, upstream and log_sum_exp stay float. Within 100 * 2^-53 of the exact result
 * (of the largest term where terms cancel). Uses exp, expm1, log1p and pow of libm. */
LOSSES_API losses_status losses_reference_log_softmax(double *log_probabilities,
                                                      const double *logits, losses_shape shape);
LOSSES_API losses_status losses_reference_log_softmax_gradient(double *grad, const double *upstream,
                                                               const double *log_probabilities,
                                                               losses_shape shape);
LOSSES_API losses_status losses_reference_nll(double *loss, double *grad,
                                              const double *log_probabilities,
                                              losses_targets targets, losses_shape shape,
                                              const losses_options *options);
LOSSES_API losses_status losses_reference_cross_entropy(double *loss, double *grad,
                                                        const double *logits,
                                                        losses_targets targets, losses_shape shape,
                                                        const losses_options *options);
LOSSES_API losses_status losses_reference_focal(double *loss, double *grad, const double *logits,
                                                losses_targets targets, losses_shape shape,
                                                double gamma, const losses_options *options);
LOSSES_API losses_status losses_reference_binary_cross_entropy(double *loss, double *grad,
                                                               const double *logits,
                                                               losses_targets targets,
                                                               losses_shape shape,
                                                               const losses_options *options);
LOSSES_API losses_status losses_reference_sigmoid_focal(double *loss, double *grad,
                                                        const double *logits,
                                                        losses_targets targets, losses_shape shape,
                                                        double gamma,
                                                        const losses_options *options);
LOSSES_API losses_status losses_reference_dice(double *loss, double *grad, const double *logits,
                                               losses_targets targets, losses_shape shape,
                                               const losses_options *options);
#endif

/* --- the rest ---------------------------------------------------------------------------------- */
/* "LOSSES_BAD_TARGET" ...; "unknown losses_status" for any other number. */
LOSSES_API const char *losses_status_name(losses_status status);

/* The instruction set in use: "avx512", "avx2", "sse2", "neon", "scalar" ... */
LOSSES_API const char *losses_isa(void);

/* Forces one by its name (for tests), for calls that start later in any thread; NULL = the best there
 * is. LOSSES_BAD_OPTION, and no change, if this build or machine lacks it. */
LOSSES_API losses_status losses_use_isa(const char *name);

#ifdef __cplusplus
}
#endif
/* You can stop reading here: the rest is how it is done. */
#endif /* LOSSES_H */

#if defined(LOSSES_IMPLEMENTATION) && !defined(LOSSI_DONE)
#define LOSSI_DONE
/* ====================================== PART 2: GROUND ==========================================
 * Compiler facts, the types that the parts share, and the scalar helpers. */
#include <float.h>
#ifndef LOSSES_NO_REFERENCE
#include <math.h>
#endif

/* The arithmetic below is meant as written, also where the including program is compiled with -Ofast
 * or -ffast-math: no fused multiply-add but where it says so, and nothing re-associated. */
#if defined(__clang__)
#pragma float_control(push)
#pragma float_control(precise, on)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("no-fast-math", "fp-contract=off")
#elif defined(_MSC_VER)
#pragma float_control(precise, on, push)
#pragma fp_contract(off)
#endif

#if defined(__GNUC__)
#define LOSSI_FORCE static inline __attribute__((always_inline, unused))
#elif defined(_MSC_VER)
#define LOSSI_FORCE static __forceinline
#else
#define LOSSI_FORCE static inline
#endif
#if defined(__GNUC__) /* for what is seldom needed: not copied into every loop */
#define LOSSI_APART __attribute__((noinline))
#else
#define LOSSI_APART
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The losses, as bits of a set. */
#define LOSSI_LOG_SOFTMAX   1
#define LOSSI_LOG_SOFTMAX_G 2
#define LOSSI_NLL           4
#define LOSSI_CROSS_ENTROPY 8
#define LOSSI_FOCAL         16
#define LOSSI_BINARY        32
#define LOSSI_SIGMOID_FOCAL 64
#define LOSSI_DICE          128
#define LOSSI_SOFTMAX       (LOSSI_NLL | LOSSI_CROSS_ENTROPY | LOSSI_FOCAL)

/* losses_targets.type */
#define LOSSI_U8  1
#define LOSSI_I32 2
#define LOSSI_I64 3
#define LOSSI_F32 4

/* What a float call fixes for all its positions; a kernel reads what concerns it. */
typedef struct lossi_job {
    int loss;
    size_t classes;
    losses_targets targets;
    int64_t ignore;
    float keep, uniform;   /* 1 - e and e / C of label smoothing */
    float alpha, gamma;    /* sigmoid focal: alpha < 0 means off */
    float z_loss, smooth;  /* dice: smooth = eps * scale         */
    const float *weight;   /* per class: class_weight, or class_alpha in focal */
    const float *positive; /* per class: positive_weight         */
    const float *upstream; /* one per loss, or NULL: factor      */
    float factor;          /* of every gradient: upstream / D    */
    int accumulate;
    float *log_sum_exp;
} lossi_job;

/* Some positions of one softmax call, or some elements of one plane: what a kernel works on. */
typedef struct lossi_place {
    float *grad;    /* or NULL; may be x */
    const float *x; /* logits */
    const float
        *q;       /* float targets, or the upstream of the log-softmax gradient; laid out like x */
    size_t step;  /* from a class to the next (of rows: from a row to the next) */
    size_t count; /* positions, elements */
    size_t first; /* index of the first into the packed targets */
    size_t plane; /* sigmoid losses: its class; dice: its mask */
    float *loss;  /* out: one for each position; one for each element, or NULL */
} lossi_place;

/* What one instruction set provides. */
typedef struct lossi_kernels {
    const char *name;
    size_t lanes;
    void (*along)(const lossi_job *job, const lossi_place *at);
    void (*rows)(const lossi_job *job, const lossi_place *at);
    void (*across)(const lossi_job *job, const lossi_place *at);
    float (*sigmoid)(const lossi_job *job, const lossi_place *at, float *low);
    float (*dice)(const lossi_job *job, const lossi_place *at);
    float (*cross_entropy_row)(float *grad, const float *x, size_t classes, size_t t, float u);
    float (*focal_row)(float *grad, const float *x, size_t classes, size_t t, float gamma, float u);
    float (*dice_mask)(float *grad, const float *x, const uint8_t *mask, size_t n, float smooth,
                       float u);
} lossi_kernels;

/* The job of a zeroed losses_options with the sum as reduction. */
LOSSI_FORCE lossi_job lossi_textbook(int loss, size_t classes, losses_targets targets, float factor)
{
    lossi_job job;
    job.loss = loss;
    job.classes = classes;
    job.targets = targets;
    job.ignore = -100;
    job.keep = job.alpha = 1;
    job.uniform = job.gamma = job.z_loss = job.smooth = 0;
    job.weight = job.positive = job.upstream = NULL;
    job.factor = factor;
    job.accumulate = 0;
    job.log_sum_exp = NULL;
    return job;
}

#define LOSSI_FEW        32 /* classes of a row up to which rows go side by side */
#define LOSSI_MOST_LANES 16

LOSSI_FORCE float lossi_float(uint32_t bits)
{
    union { /* free where memcpy is a call */
        uint32_t u;
        float f;
    } both;
    both.u = bits;
    return both.f;
}

LOSSI_FORCE uint32_t lossi_bits(float value)
{
    union {
        uint32_t u;
        float f;
    } both;
    both.f = value;
    return both.u;
}

#define LOSSI_INF lossi_float(0x7f800000u)
#define LOSSI_NAN lossi_float(0x7fc00000u)

LOSSI_FORCE int lossi_finite(losses_wide x) { return x - x == 0; }

/* Integer target i; not for float targets. */
LOSSI_FORCE int64_t lossi_target(losses_targets targets, size_t i)
{
    if (targets.type == LOSSI_U8) return ((const uint8_t *)targets.data)[i];
    if (targets.type == LOSSI_I32) return ((const int32_t *)targets.data)[i];
    return ((const int64_t *)targets.data)[i];
}

/* A compensated sum: high + low is the exact sum to nearly twice the precision. */
typedef struct lossi_sum {
    losses_wide high, low;
} lossi_sum;

/* Identity (Knuth's two-sum): with s = fl(a + b) and z = s - a, a + b = s + ((a - (s - z)) + (b - z)).
 * An infinite sum stays infinite: its low part would be NaN. */
LOSSI_FORCE void lossi_add(lossi_sum *sum, losses_wide b)
{
    losses_wide a = sum->high, s = a + b, z = s - a;
    sum->high = s;
    if (lossi_finite(s)) sum->low += (a - (s - z)) + (b - z);
}

LOSSI_FORCE losses_wide lossi_total(const lossi_sum *sum)
{
    return lossi_finite(sum->high) ? sum->high + sum->low : sum->high;
}

#define LOSSI_SCALAR 0 /* plain C, 16 lanes */
#define LOSSI_SINGLE 1 /* plain C, 1 lane   */

#ifdef LOSSES_NO_SIMD
#define LOSSI_PASS LOSSI_SINGLE
#else
#define LOSSI_PASS LOSSI_SCALAR
#endif
#define LOSSI_JOIN2(a, b, c) a##b##_##c
#define LOSSI_JOIN(a, b, c)  LOSSI_JOIN2(a, b, c)

/* ===================================== PART 3: VOCABULARY =======================================
 * lossv is LOSSV_N floats, 16 or 1, whatever the registers: sums run in the same lanes everywhere.
 * Each word is one line of arithmetic on every lane; the contract of the words that are not plain:
 *   load(p, m, fill)     p[0..m) in the first lanes and fill in the rest; all of them for m >= LOSSV_N
 *   store(p, m, v)       the first m lanes; nothing is read or written outside
 *   live(m)              1 in the first m lanes, 0 in the rest
 *   fma(a, b, c)         a * b + c, rounded once or twice: a class of builds has one answer
 *   rest(a, q, b)        a - q * b rounded once, for q = fl(a / b)
 *   min, max(a, b)       b where one is NaN
 *   if_lt, if_eq(a, b, x, y)  x where a < b, a == b, otherwise y
 *   all_le(a, b)         true if a <= b in every lane
 *   pow2(d, base, &n)    n = d * log2(e) to the nearest integer, and 2^(n + base): 0 for an exponent of -127,
 *                        inf for 128, anything outside of these
 *   mantissa(u, &e)      m in [sqrt(1/2), sqrt(2)) with u = m * 2^e, u positive and normal
 *   top(a)               the first 12 bits of a: products of two of these are exact */
#if LOSSI_PASS == LOSSI_SINGLE
#define LOSSV_N     1
#define LOSSV_W     1 /* floats in a register */
#define LOSSI_FN(f) LOSSI_JOIN(lossi_, f, single)
#elif defined(__GNUC__) && !defined(__TINYC__)
#define LOSSV_N 16
#define LOSSV_W \
    4 /* the compiler's own vectors: SSE2, NEON, or taken apart where there is nothing */
#define LOSSI_FN(f) LOSSI_JOIN(lossi_, f, scalar)
#else
#define LOSSV_N     16
#define LOSSV_W     1
#define LOSSI_FN(f) LOSSI_JOIN(lossi_, f, scalar)
#endif
#define LOSSI_NAME "scalar"
#define LOSSI_TARGET
#define LOSSI_OP     LOSSI_FORCE LOSSI_TARGET
#define LOSSI_KERNEL static LOSSI_TARGET
#define LOSSV_LN2_HI 0.693359375f /* 10 bits: times an integer up to 2^14 exact */
#define LOSSV_LN2_LO -2.12194440e-4f

#define lossv          LOSSI_FN(v)
#define lossv_set      LOSSI_FN(set)
#define lossv_load     LOSSI_FN(load)
#define lossv_store    LOSSI_FN(store)
#define lossv_live     LOSSI_FN(live)
#define lossv_add      LOSSI_FN(add)
#define lossv_sub      LOSSI_FN(sub)
#define lossv_mul      LOSSI_FN(mul)
#define lossv_div      LOSSI_FN(div)
#define lossv_fma      LOSSI_FN(fma)
#define lossv_rest     LOSSI_FN(rest)
#define lossv_abs      LOSSI_FN(abs)
#define lossv_min      LOSSI_FN(min)
#define lossv_max      LOSSI_FN(max)
#define lossv_if_lt    LOSSI_FN(if_lt)
#define lossv_if_eq    LOSSI_FN(if_eq)
#define lossv_all_le   LOSSI_FN(all_le)
#define lossv_pow2     LOSSI_FN(pow2)
#define lossv_mantissa LOSSI_FN(mantissa)
#define lossv_top      LOSSI_FN(top)

#if LOSSV_W > 1
typedef float LOSSI_FN(reg) __attribute__((vector_size(4 * LOSSV_W)));
typedef float LOSSI_FN(unaligned) __attribute__((vector_size(4 * LOSSV_W), aligned(4), may_alias));
typedef int32_t LOSSI_FN(int) __attribute__((vector_size(4 * LOSSV_W)));
typedef uint32_t LOSSI_FN(uint) __attribute__((vector_size(4 * LOSSV_W)));
#define LOSSV_SET(x) \
    { \
        x, x, x, x \
    }
#define LOSSV_BITS(x)    ((LOSSI_FN(uint))(x))
#define LOSSV_FLOAT(u)   ((LOSSI_FN(reg))(u))
#define LOSSV_CONVERT(u) __builtin_convertvector((LOSSI_FN(int))(u), LOSSI_FN(reg))
#define LOSSV_IF(mask, x, y) \
    ((LOSSI_FN(reg))(((mask) & (LOSSI_FN(int))(x)) | (~(mask) & (LOSSI_FN(int))(y))))
#else
typedef float LOSSI_FN(reg);
typedef float LOSSI_FN(unaligned);
typedef uint32_t LOSSI_FN(uint);
#define LOSSV_SET(x)         x
#define LOSSV_BITS(x)        lossi_bits(x)
#define LOSSV_FLOAT(u)       lossi_float(u)
#define LOSSV_CONVERT(u)     ((float)(int32_t)(u))
#define LOSSV_IF(mask, x, y) ((mask) ? (x) : (y))
#endif
#define LOSSV_R (LOSSV_N / LOSSV_W)

typedef struct lossv {
    LOSSI_FN(reg) r[LOSSV_R];
} lossv;

/* statement for each register i; not a loop where that would keep the registers in memory */
#define LOSSV_WITH(number, statement) \
    { \
        enum { i = number }; \
        statement; \
    }
#if LOSSV_R == 1
#define LOSSV_ALL(statement) LOSSV_WITH(0, statement)
#elif LOSSV_R == 4
#define LOSSV_ALL(statement) \
    LOSSV_WITH(0, statement) \
    LOSSV_WITH(1, statement) LOSSV_WITH(2, statement) LOSSV_WITH(3, statement)
#else
#define LOSSV_ALL(statement) \
    { \
        size_t i; \
        for (i = 0; i < LOSSV_R; i++) statement; \
    }
#endif
/* the body of a word whose value is y */
#define LOSSV_EACH(value) \
    lossv y; \
    LOSSV_ALL(y.r[i] = (value)) \
    return y

LOSSI_OP lossv lossv_set(float x)
{
    const LOSSI_FN(reg) all = LOSSV_SET(x);
    LOSSV_EACH(all);
}

LOSSI_OP lossv LOSSI_FN(load_all)(const float *p)
{
    LOSSV_EACH(*(const LOSSI_FN(unaligned) *)(p + i * LOSSV_W));
}

LOSSI_KERNEL LOSSI_APART void LOSSI_FN(fill)(float *lanes, const float *p, size_t m, float fill)
{
    size_t l;
    for (l = 0; l < LOSSV_N; l++) lanes[l] = l < m ? p[l] : fill;
}

LOSSI_OP lossv lossv_load(const float *p, size_t m, float fill)
{
    float lanes[LOSSV_N];
    if (m >= LOSSV_N) return LOSSI_FN(load_all)(p);
    LOSSI_FN(fill)(lanes, p, m, fill);
    return LOSSI_FN(load_all)(lanes);
}

LOSSI_KERNEL LOSSI_APART void LOSSI_FN(copy)(float *p, const float *lanes, size_t m)
{
    size_t l;
    for (l = 0; l < m; l++) p[l] = lanes[l];
}

LOSSI_OP void lossv_store(float *p, size_t m, lossv v)
{
    float lanes[LOSSV_N], *to = m < LOSSV_N ? lanes : p;
    LOSSV_ALL(*(LOSSI_FN(unaligned) *)(to + i * LOSSV_W) = v.r[i])
    if (m < LOSSV_N) LOSSI_FN(copy)(p, lanes, m);
}

LOSSI_OP lossv lossv_live(size_t m)
{
    float ones[LOSSV_N];
    lossv_store(ones, LOSSV_N, lossv_set(1));
    return lossv_load(ones, m, 0);
}

LOSSI_OP lossv lossv_add(lossv a, lossv b) { LOSSV_EACH(a.r[i] + b.r[i]); }
LOSSI_OP lossv lossv_sub(lossv a, lossv b) { LOSSV_EACH(a.r[i] - b.r[i]); }
LOSSI_OP lossv lossv_mul(lossv a, lossv b) { LOSSV_EACH(a.r[i] * b.r[i]); }
LOSSI_OP lossv lossv_div(lossv a, lossv b) { LOSSV_EACH(a.r[i] / b.r[i]); }
LOSSI_OP lossv lossv_fma(lossv a, lossv b, lossv c) { LOSSV_EACH(a.r[i] * b.r[i] + c.r[i]); }
LOSSI_OP lossv lossv_min(lossv a, lossv b)
{
    LOSSV_EACH(LOSSV_IF(a.r[i] < b.r[i], a.r[i], b.r[i]));
}
LOSSI_OP lossv lossv_max(lossv a, lossv b)
{
    LOSSV_EACH(LOSSV_IF(a.r[i] > b.r[i], a.r[i], b.r[i]));
}
LOSSI_OP lossv lossv_abs(lossv a) { LOSSV_EACH(LOSSV_FLOAT(LOSSV_BITS(a.r[i]) & 0x7fffffffu)); }
LOSSI_OP lossv lossv_top(lossv a) { LOSSV_EACH(LOSSV_FLOAT(LOSSV_BITS(a.r[i]) & 0xfffff000u)); }
LOSSI_OP lossv lossv_if_lt(lossv a, lossv b, lossv x, lossv z)
{
    LOSSV_EACH(LOSSV_IF(a.r[i] < b.r[i], x.r[i], z.r[i]));
}
LOSSI_OP lossv lossv_if_eq(lossv a, lossv b, lossv x, lossv z)
{
    LOSSV_EACH(LOSSV_IF(a.r[i] == b.r[i], x.r[i], z.r[i]));
}

LOSSI_OP int lossv_all_le(lossv a, lossv b)
{
    const lossv above =
        lossv_if_lt(a, b, lossv_set(0), lossv_if_eq(a, b, lossv_set(0), lossv_set(1)));
    float lane[LOSSV_N], most = 0;
    size_t l;
    lossv_store(lane, LOSSV_N, above);
    for (l = 0; l < LOSSV_N; l++) most += lane[l];
    return most < 1;
}

/* Adding 1.5 * 2^23 leaves the nearest integer in the last bits; with 127 + base added too, those are
 * the exponent field of 2^(n + base). The integer n is taken from the bits: that holds with x87 too. */
LOSSI_OP lossv lossv_pow2(lossv d, lossv base, lossv *n)
{
    const lossv magic = lossv_add(base, lossv_set(12582912.f + 127.f));
    const lossv sum = lossv_fma(d, lossv_set(1.44269504f), magic);
    LOSSV_ALL(n->r[i] = LOSSV_CONVERT(LOSSV_BITS(sum.r[i]) - LOSSV_BITS(magic.r[i])))
    LOSSV_EACH(LOSSV_FLOAT(LOSSV_BITS(sum.r[i]) << 23));
}

/* 0x3f3504f3 is sqrt(1/2); 0x40000000 keeps what is shifted positive */
#define LOSSV_ABOVE(u) (LOSSV_BITS(u) - 0x3f3504f3u + 0x40000000u)
LOSSI_OP lossv lossv_mantissa(lossv u, lossv *e)
{
    LOSSV_ALL(e->r[i] = LOSSV_CONVERT((LOSSV_ABOVE(u.r[i]) >> 23) - 128u))
    LOSSV_EACH(LOSSV_FLOAT((LOSSV_ABOVE(u.r[i]) & 0x007fffffu) + 0x3f3504f3u));
}

LOSSI_OP lossv lossv_rest(lossv a, lossv q, lossv b)
{
    const lossv q1 = lossv_top(q), b1 = lossv_top(b), q2 = lossv_sub(q, q1), b2 = lossv_sub(b, b1);
    lossv r = lossv_sub(a, lossv_mul(q1, b1));
    r = lossv_sub(lossv_sub(r, lossv_mul(q1, b2)), lossv_mul(q2, b1));
    return lossv_sub(r, lossv_mul(q2, b2));
}

/* ====================================== PART 4: KERNELS =========================================
 * exp and log once, then each loss once. Throughout, a pair (high, low) stands for high + low with
 * |low| a few ulp of high at most, and B = 2^40 scales what may be too small for a float. */
#define lossv_pair       LOSSI_FN(pair)
#define lossv_two_sum    LOSSI_FN(two_sum)
#define lossv_accumulate LOSSI_FN(accumulate)
#define lossv_collapse   LOSSI_FN(collapse)
#define lossv_gather     LOSSI_FN(gather)
#define lossv_exp        LOSSI_FN(exp)
#define lossv_log1p      LOSSI_FN(log1p)
#define lossv_power      LOSSI_FN(power)
#define LOSSV_B          1.099511627776e12f     /* 2^40  */
#define LOSSV_1_B        9.094947017729282e-13f /* 2^-40 */
#define LOSSV_LN2        0.69314718f

typedef struct lossv_pair {
    lossv high, low;
} lossv_pair;

/* Identity (Knuth): a + b = s + ((a - (s - z)) + (b - z)) with s = fl(a + b), z = s - a. */
LOSSI_OP lossv lossv_two_sum(lossv a, lossv b, lossv *error)
{
    const lossv s = lossv_add(a, b), z = lossv_sub(s, a);
    *error = lossv_add(lossv_sub(a, lossv_sub(s, z)), lossv_sub(b, z));
    return s;
}

LOSSI_OP void lossv_accumulate(lossv_pair *total, lossv b)
{
    lossv error;
    total->high = lossv_two_sum(total->high, b, &error);
    total->low = lossv_add(total->low, error);
}

/* high + low; an infinite sum has a low part of NaN */
LOSSI_OP lossv lossv_collapse(lossv_pair total)
{
    return lossv_if_lt(lossv_abs(total.high), lossv_set(LOSSI_INF),
                       lossv_add(total.high, total.low), total.high);
}

/* The sum of all lanes, in every lane, always in the same order: by halves. */
LOSSI_OP lossv_pair lossv_gather(lossv_pair total)
{
#if LOSSV_N > 1
    float high[LOSSV_N], low[LOSSV_N];
    size_t half, i;
    lossv_store(high, LOSSV_N, total.high);
    lossv_store(low, LOSSV_N, total.low);
    for (half = LOSSV_N / 2; half > 0; half /= 2) {
        for (i = 0; i < half; i++) {
            const float a = high[i], b = high[i + half], s = a + b, z = s - a;
            high[i] = s;
            low[i] = (low[i] + low[i + half]) + ((a - (s - z)) + (b - z));
        }
    }
    total.high = lossv_set(high[0]);
    total.low = lossv_set(low[0]);
#endif
    return total;
}

/* e^d 2^base = *s (1 + t) with *s a power of two, |t| < 0.42; returns t. low must be (-127 - base) ln 2:
 * at and below it *s is 0. d + base ln 2 < 128 ln 2. A NaN comes back as t.
 * Identity: d = n ln 2 + r, |r| <= ln 2 / 2, s = 2^(n + base), t = e^r - 1 = r + r^2 q(r).
 * Bound: the polynomial is within 3.2e-9 of e^r, relative to it, for |r| < 0.3466; coefficients by
 * weighted minimax fit (Lawson), rounded to float from the lowest up. */
LOSSI_OP lossv lossv_exp(lossv d, lossv base, lossv low, lossv *s)
{
    lossv n, r, q;
    d = lossv_max(low, d);
    *s = lossv_pow2(d, base, &n);
    r = lossv_fma(n, lossv_set(-LOSSV_LN2_HI), d);
    r = lossv_fma(n, lossv_set(-LOSSV_LN2_LO), r);
    q = lossv_fma(lossv_set(1.38214522e-3f), r, lossv_set(8.36866163e-3f));
    q = lossv_fma(q, r, lossv_set(4.16682549e-2f));
    q = lossv_fma(q, r, lossv_set(1.66665211e-1f));
    q = lossv_fma(q, r, lossv_set(4.99999940e-1f));
    return lossv_fma(q, lossv_mul(r, r), r);
}

/* log(1 + f) - f for sqrt(1/2) - 1 <= f <= sqrt(2) - 1:  -f^2 / 2 + f^3 P(f).
 * Bound: within 7.8e-10 of log(1 + f), relative to it; coefficients as for exp. */
LOSSI_OP lossv LOSSI_FN(log_rest)(lossv f)
{
    lossv p = lossv_fma(lossv_set(6.74985722e-2f), f, lossv_set(-1.16711758e-1f));
    p = lossv_fma(p, f, lossv_set(1.18838735e-1f));
    p = lossv_fma(p, f, lossv_set(-1.24061145e-1f));
    p = lossv_fma(p, f, lossv_set(1.42203107e-1f));
    p = lossv_fma(p, f, lossv_set(-1.66679919e-1f));
    p = lossv_fma(p, f, lossv_set(2.00020730e-1f));
    p = lossv_fma(p, f, lossv_set(-2.50000089e-1f));
    p = lossv_fma(p, f, lossv_set(3.33333135e-1f));
    return lossv_mul(lossv_mul(f, f), lossv_fma(f, p, lossv_set(-0.5f)));
}

/* log(u (1 + c)) as a pair, u = m 2^(e + shift) positive and normal, c of the order of an ulp. */
LOSSI_OP lossv_pair LOSSI_FN(log)(lossv u, lossv c, float shift)
{
    lossv_pair y;
    lossv e, error;
    const lossv f = lossv_sub(lossv_mantissa(u, &e), lossv_set(1));
    e = lossv_sub(e, lossv_set(shift));
    y.high = lossv_two_sum(lossv_mul(e, lossv_set(LOSSV_LN2_HI)), f, &error);
    y.low = lossv_fma(e, lossv_set(LOSSV_LN2_LO), lossv_add(error, c));
    y.low = lossv_add(LOSSI_FN(log_rest)(f), y.low);
    return y;
}

/* log(1 + x), x a pair >= 0; inverse = 1 / (1 + x). Below 2^-25 the answer is in the low part alone.
 * Identity: u = fl(1 + x), 1 + x = u + error, log(1 + x) = log u + error / u. */
LOSSI_OP lossv_pair lossv_log1p(lossv_pair x, lossv inverse)
{
    lossv error, u = lossv_two_sum(lossv_set(1), x.high, &error);
    return LOSSI_FN(log)(u, lossv_mul(lossv_add(error, x.low), inverse), 0);
}

/* B (s / B)^gamma, s a pair in [0, B].
 * Identity: e^(gamma log s), with gamma and the high part of the log split into halves whose
 * product is exact, for an error of 2^-24 in the exponent would be one of 2^-18 in the result. */
LOSSI_OP lossv lossv_power(lossv_pair s, float gamma)
{
    const lossv u = lossv_max(lossv_set(FLT_MIN), s.high), g = lossv_set(gamma), g1 = lossv_top(g);
    const lossv_pair y = LOSSI_FN(log)(u, lossv_div(s.low, u), 40);
    const lossv y1 = lossv_top(y.high);
    lossv x, error, t, scale;
    error = lossv_add(lossv_mul(g1, lossv_sub(y.high, y1)), lossv_mul(lossv_sub(g, g1), y.high));
    error = lossv_add(error, lossv_mul(g, y.low));
    x = lossv_two_sum(lossv_mul(g1, y1), error, &error);
    t = lossv_exp(x, lossv_set(40), lossv_set(-167 * LOSSV_LN2), &scale);
    t = lossv_add(lossv_fma(t, error, error), t);
    return lossv_fma(scale, t, scale);
}

/* The focal factor B (s / B)^gamma, s a pair in [0, B]: without a pow for gamma = 0, 1 and 2. */
LOSSI_OP lossv LOSSI_FN(focus)(lossv_pair s, float gamma)
{
    if (gamma == 0) return lossv_set(LOSSV_B);
    if (gamma == 1) return lossv_add(s.high, s.low);
    if (gamma == 2) {
        const lossv both = lossv_mul(s.high, s.low);
        return lossv_mul(lossv_fma(s.high, s.high, lossv_add(both, both)), lossv_set(LOSSV_1_B));
    }
    return lossv_power(s, gamma);
}

/* (a.high + a.low) / (1 + e.high + e.low) as a pair; inverse = 1 / (1 + e). */
LOSSI_OP lossv_pair LOSSI_FN(divide)(lossv_pair a, lossv_pair e, lossv inverse)
{
    lossv_pair y;
    lossv error, b = lossv_two_sum(lossv_set(1), e.high, &error), rest;
    y.high = lossv_mul(a.high, inverse);
    rest = lossv_add(lossv_rest(a.high, y.high, b), a.low);
    rest = lossv_sub(rest, lossv_mul(y.high, lossv_add(error, e.low)));
    y.low = lossv_mul(rest, inverse);
    return y;
}

/* --- the softmax losses -------------------------------------------------------------------------
 * One sweep in blocks of LOSSV_N over the classes of a position (along), or over the classes of LOSSV_N
 * positions side by side (across): the block number of a class is its number / LOSSV_N, or its number.
 *
 * The margin form: with a reference class r for each position, S = sum_{j != r} e^(x_j - x_r) gives
 *     lse = x_r + log1p(S),  p_r = 1 / (1 + S),  1 - p_r = S / (1 + S),  p_j = e^(x_j - x_r) / (1 + S),
 * none of which cancels where r leads. r is the target, which costs no sweep for the maximum, unless a
 * logit stands more than LOSSI_AHEAD above it; otherwise, or where other classes have a part in the
 * loss, r is the class of the greatest logit.
 *
 * x_j - x_r is never rounded: e^(x_j) and e^(x_r) are reduced separately and meet as powers of two, with
 * k = x_r / ln 2 rounded; beyond LOSSI_NEAR, where that would lose bits, x_j - x_r is exact. */
#define LOSSI_AHEAD 20.f
#define LOSSI_NEAR  300.f
#define LOSSI_EXACT ((size_t)1 << 24) /* integers below are exact in float */
#define LOSSI_TINY  7.8886091e-31f    /* 2^-100 */
#define LOSSI_GROUP 4                 /* additions before the compensated one */

/* What the kernels below work on. */
typedef struct LOSSI_FN(view) {
    const lossi_job *job;
    const lossi_place *at;
    int along;
    size_t blocks, lanes; /* lanes: positions */
    lossv on;             /* across: 1 where a position counts, 0 elsewhere */
} LOSSI_FN(view);
#define lossv_view LOSSI_FN(view)

/* x_r and what follows from it */
typedef struct LOSSI_FN(margin) {
    lossv x, anchor, base, low, most; /* a logit minus anchor is safe up to most */
    lossv scale, t;                   /* e^-(x - anchor) 2^k = scale (1 + t) */
} LOSSI_FN(margin);
#define lossv_margin LOSSI_FN(margin)

LOSSI_OP lossv_view LOSSI_FN(look)(const lossi_job *job, const lossi_place *at, int along)
{
    lossv_view v;
    v.job = job;
    v.at = at;
    v.along = along;
    v.blocks = along ? (job->classes + (LOSSV_N - 1)) / LOSSV_N : job->classes;
    v.lanes = along ? 1 : at->count;
    v.on = lossv_live(v.lanes);
    return v;
}

LOSSI_OP size_t LOSSI_FN(lanes)(const lossv_view *v, size_t i)
{
    return v->along ? v->job->classes - i * LOSSV_N : v->at->count;
}

LOSSI_OP size_t LOSSI_FN(offset)(const lossv_view *v, size_t i)
{
    return v->along ? i * LOSSV_N : i * v->at->step;
}

/* Block i of an array laid out like the logits; 0 for positions that do not count. */
LOSSI_OP lossv LOSSI_FN(block)(const lossv_view *v, const float *p, size_t i, float fill)
{
    const lossv x =
        lossv_load(p + LOSSI_FN(offset)(v, i), LOSSI_FN(lanes)(v, i), v->along ? fill : 0);
    return v->along ? x : lossv_if_eq(v->on, lossv_set(1), x, lossv_set(0));
}

LOSSI_OP void LOSSI_FN(put)(const lossv_view *v, float *p, size_t i, lossv x)
{
    lossv_store(p + LOSSI_FN(offset)(v, i), LOSSI_FN(lanes)(v, i), x);
}

/* Element of class c of position l in an array laid out like the logits */
LOSSI_OP size_t LOSSI_FN(element)(const lossv_view *v, size_t l, size_t c)
{
    return v->along ? c : c * v->at->step + l;
}

/* One number for each position -> lanes */
LOSSI_OP lossv LOSSI_FN(spread)(const lossv_view *v, const float *each)
{
    return v->along ? lossv_set(each[0]) : lossv_load(each, v->lanes, 0);
}

/* Marks the reference classes r among the blocks from `begin` on: in the lane of r,
 * the number of its block less begin; in all other lanes -1. */
LOSSI_OP lossv LOSSI_FN(mark)(const lossv_view *v, const size_t *r, size_t begin)
{
    float mark[LOSSV_N];
    size_t l;
    for (l = 0; l < LOSSV_N; l++) mark[l] = -1;
    for (l = 0; l < v->lanes; l++) {
        const size_t i = v->along ? r[l] / LOSSV_N : r[l];
        if (i >= begin && i - begin < LOSSI_EXACT)
            mark[v->along ? r[l] % LOSSV_N : l] = (float)(i - begin);
    }
    return LOSSI_FN(load_all)(mark);
}

/* The class of the greatest logit of each position, the first of several; NaN is passed over. */
LOSSI_OP void LOSSI_FN(greatest)(const lossv_view *v, const float *x, size_t *r)
{
    float value[LOSSV_N], best[LOSSV_N];
    size_t i, begin, l;
    lossv top = lossv_set(-LOSSI_INF);
    for (l = 0; l < LOSSV_N; l++) r[l] = v->along ? l : 0;
    for (begin = 0; begin < v->blocks; begin = i) {
        const size_t end = v->blocks - begin > LOSSI_EXACT ? begin + LOSSI_EXACT : v->blocks;
        lossv number = lossv_set(0), where = lossv_set(-1);
        for (i = begin; i < end; i++, number = lossv_add(number, lossv_set(1))) {
            const lossv y = LOSSI_FN(block)(v, x, i, -LOSSI_INF);
            where = lossv_if_lt(top, y, number, where);
            top = lossv_if_lt(top, y, y, top);
        }
        lossv_store(best, LOSSV_N, where);
        for (l = 0; l < LOSSV_N; l++)
            if (best[l] >= 0)
                r[l] = v->along ? (begin + (size_t)best[l]) * LOSSV_N + l : begin + (size_t)best[l];
    }
    if (v->along) {
        lossv_store(value, LOSSV_N, top);
        for (l = 1; l < LOSSV_N; l++) {
            if (value[l] > value[0] ||
                (value[l] == value[0] && r[l] < r[0] && r[l] < v->job->classes)) {
                value[0] = value[l];
                r[0] = r[l];
            }
        }
    }
}

LOSSI_OP lossv_margin LOSSI_FN(margin_at)(lossv x)
{
    const lossv zero = lossv_set(0);
    lossv_margin m;
    lossv d, k;
    m.x = x;
    m.anchor = lossv_if_lt(lossv_abs(x), lossv_set(LOSSI_NEAR), zero, x);
    d = lossv_sub(x, m.anchor);
    lossv_pow2(d, zero, &k);
    m.base = lossv_sub(lossv_set(40), k); /* terms come out times B */
    m.low = lossv_mul(lossv_add(m.base, lossv_set(127)), lossv_set(-LOSSV_LN2));
    m.most = lossv_add(d, lossv_set(LOSSI_AHEAD));
    m.t = lossv_exp(lossv_sub(zero, d), k, lossv_set(-2 * LOSSI_NEAR), &m.scale);
    return m;
}

/* Sums over the classes of a position. For the softmax losses beyond index targets ("soft"), with t_c
 * the target terms of class c: margins = sum t_c (x_r - x_c) / 2 and rest = sum_{c != r} t_c. */
typedef struct LOSSI_FN(sums) {
    lossv_pair S, margins, rest;
    lossv top; /* of the logits less the anchor */
} LOSSI_FN(sums);
#define lossv_sums LOSSI_FN(sums)

LOSSI_OP lossv_sums LOSSI_FN(nothing)(void)
{
    lossv_sums y;
    y.S.high = y.S.low = y.margins.high = y.margins.low = y.rest.high = y.rest.low = lossv_set(0);
    y.top = lossv_set(-LOSSI_INF);
    return y;
}

/* Target terms w_c q'_c of the classes in block i, but for the target of an index */
LOSSI_OP lossv LOSSI_FN(target_terms)(const lossv_view *v, size_t i)
{
    const lossi_job *job = v->job;
    const size_t m = LOSSI_FN(lanes)(v, i);
    lossv w = v->along ? lossv_live(m) : lossv_set(1), q = lossv_set(job->uniform);
    if (job->weight != NULL)
        w = v->along ? lossv_load(job->weight + i * LOSSV_N, m, 0) : lossv_set(job->weight[i]);
    if (v->at->q != NULL)
        q = lossv_fma(LOSSI_FN(block)(v, v->at->q, i, 0), lossv_set(job->keep), q);
    return lossv_mul(w, q);
}

/* B e^(x - x_r) up to the factor m.scale (1 + m.t), of block i; 0 at the marked class */
LOSSI_OP lossv LOSSI_FN(term)(const lossv_view *v, const lossv_margin *m, const float *x, size_t i,
                              lossv number, lossv mark, lossv *scale, lossv *top)
{
    lossv d = lossv_sub(LOSSI_FN(block)(v, x, i, -LOSSI_INF), m->anchor);
    *top = lossv_max(d, *top);
    d = lossv_if_eq(mark, number, lossv_set(-LOSSI_INF), d);
    return lossv_exp(d, m->base, m->low, scale);
}

/* The sweep: S, the further sums if soft, and the terms themselves if they are wanted.
 * Identity: sum s (1 + t) = sum s + sum s t; the first is nearly exact, being of powers of two. */
LOSSI_OP void LOSSI_FN(sweep)(const lossv_view *v, const lossv_margin *m, const float *x,
                              const size_t *r, int soft, float *terms, lossv_sums *sums)
{
    const lossv zero = lossv_set(0), half = lossv_set(0.5f);
    lossv_sums y = LOSSI_FN(nothing)();
    lossv ones = zero, rests = zero;
    size_t i, begin;

    for (begin = 0; begin < v->blocks; begin = i) {
        const size_t end = v->blocks - begin > LOSSI_EXACT ? begin + LOSSI_EXACT : v->blocks;
        const lossv mark = LOSSI_FN(mark)(v, r, begin);
        lossv number = zero;
        for (i = begin; i < end; i++, number = lossv_add(number, lossv_set(1))) {
            lossv s, t;
            if (soft) {
                const lossv w = LOSSI_FN(target_terms)(v, i);
                const lossv h = lossv_sub(lossv_mul(half, m->x),
                                          lossv_mul(half, LOSSI_FN(block)(v, x, i, -LOSSI_INF)));
                lossv_accumulate(&y.margins, lossv_if_eq(w, zero, zero, lossv_mul(w, h)));
                lossv_accumulate(&y.rest, lossv_if_eq(mark, number, zero, w));
            }
            t = LOSSI_FN(term)(v, m, x, i, number, mark, &s, &y.top);
            ones = lossv_add(ones, s);
            rests = lossv_fma(s, t, rests);
            if (terms != NULL) LOSSI_FN(put)(v, terms, i, lossv_fma(s, t, s));
            if ((i + 1) % LOSSI_GROUP == 0 || i + 1 == v->blocks) {
                lossv_accumulate(&y.S, ones);
                lossv_accumulate(&y.S, rests);
                ones = rests = zero;
            }
        }
    }
    if (v->along) {
        y.S = lossv_gather(y.S);
        if (soft) y.margins = lossv_gather(y.margins), y.rest = lossv_gather(y.rest);
    }
    *sums = y;
}

/* S of the margin form from the sum of terms, NaN unless x_r is finite */
LOSSI_OP lossv_pair LOSSI_FN(margin_sum)(const lossv_margin *m, lossv_pair terms)
{
    const lossv b = lossv_set(LOSSV_1_B), scale = lossv_mul(m->scale, b);
    const lossv high = lossv_mul(terms.high, scale), low = lossv_mul(terms.low, scale);
    lossv_pair S;
    S.high = lossv_two_sum(high, lossv_fma(high, m->t, lossv_fma(low, m->t, low)), &S.low);
    S.high = lossv_add(S.high, lossv_sub(m->x, m->x));
    return S;
}

/* The logits of the classes r, one for each position */
LOSSI_OP lossv LOSSI_FN(logits_at)(const lossv_view *v, const float *x, const size_t *r)
{
    float y[LOSSV_N] = {0};
    size_t l;
    for (l = 0; l < v->lanes; l++) y[l] = x[LOSSI_FN(element)(v, l, r[l])];
    return v->along ? lossv_set(y[0])
                    : lossv_if_eq(v->on, lossv_set(1), lossv_load(y, v->lanes, 0), lossv_set(0));
}

/* True if no logit is too far above its reference. Otherwise r becomes the class of the greatest logit for
 * the positions where one is, and for these only: what a position gets is its own affair. */
LOSSI_OP int LOSSI_FN(within)(const lossv_view *v, const lossv_margin *m, lossv top, const float *x,
                              size_t *r)
{
    float most[LOSSV_N], value[LOSSV_N];
    size_t greatest[LOSSV_N], l, k;
    if (lossv_all_le(top, m->most)) return 1;
    lossv_store(most, LOSSV_N, m->most);
    lossv_store(value, LOSSV_N, top);
    LOSSI_FN(greatest)(v, x, greatest);
    for (l = 0; l < v->lanes; l++) {
        int inside = 1;
        for (k = 0; k < LOSSV_N; k++)
            if ((v->along || k == l) && !(value[k] <= most[k])) inside = 0;
        if (!inside) r[l] = greatest[l];
    }
    return 0;
}

/* Cross-entropy with all its options, and focal as a function of it: with s = 1 - p_t,
 *     focal = a s^gamma l,  dfocal/dx = A dl/dx,  A = a s^gamma (1 + gamma p_t l / s).
 * Gradient: (A + Z) p_j - t_j with A = sum t_c and Z = 2 z lse; at r, where p_r > 1/2, that is
 * (A - t_r) - A (1 - p_r) + Z p_r with A - t_r summed over the others, so that nothing cancels. */
LOSSI_OP void LOSSI_FN(softmax)(const lossi_job *job, const lossi_place *at, int along, int soft)
{
    const lossv zero = lossv_set(0), one = lossv_set(1), half = lossv_set(0.5f);
    lossv_view v = LOSSI_FN(look)(job, at, along);
    float on[LOSSV_N] = {0}, w_l[LOSSV_N] = {0}, u_l[LOSSV_N] = {0}, t_r_l[LOSSV_N] = {0},
          leads_l[LOSSV_N] = {0};
    float g[LOSSV_N], g_t[LOSSV_N], old[LOSSV_N] = {0};
    size_t t[LOSSV_N], r[LOSSV_N], l, i, begin;
    const int index = at->q == NULL;
    const int focal = !soft && job->loss == LOSSI_FOCAL;
    int guess = 1, swept, within;
    float *terms = at->grad != NULL && !job->accumulate ? at->grad : NULL;
    lossv_margin m;
    lossv_sums sums;
    lossv_pair S, L;
    lossv x_t, inverse, s, l_r, lse, error, loss, rest, A, Z, u, w, K, K2, c, leads, lag, t_r, g_r;

    for (l = 0; l < v.lanes; l++) {
        int64_t target = index ? lossi_target(job->targets, at->first + l) : 0;
        on[l] = !index || target != job->ignore ? 1.f : 0.f;
        t[l] = on[l] > 0 ? (size_t)target : 0;
        w_l[l] = job->weight != NULL && index ? job->weight[t[l]] : 1.f;
        u_l[l] = !(on[l] > 0)            ? 0.f
                 : job->upstream != NULL ? job->upstream[at->first + l]
                                         : job->factor;
        r[l] = t[l];
    }
    if (along && !(on[0] > 0)) {
        for (i = 0; terms != NULL && i < job->classes; i++) terms[i] = 0;
        if (job->log_sum_exp != NULL) job->log_sum_exp[at->first] = 0;
        at->loss[0] = 0;
        return;
    }
    v.on = LOSSI_FN(spread)(&v, on);

    if (soft) LOSSI_FN(greatest)(&v, at->x, r);
    x_t = LOSSI_FN(logits_at)(&v, at->x, t);
    do { /* in place there is one sweep only, so look before it */
        m = LOSSI_FN(margin_at)(LOSSI_FN(logits_at)(&v, at->x, r));
        swept = soft || !guess || terms != at->x;
        sums = LOSSI_FN(nothing)();
        if (swept) {
            LOSSI_FN(sweep)(&v, &m, at->x, r, soft, terms, &sums);
        } else {
            for (i = 0; i < v.blocks; i++)
                sums.top = lossv_max(lossv_sub(LOSSI_FN(block)(&v, at->x, i, -LOSSI_INF), m.anchor),
                                     sums.top);
        }
        within = soft || !guess || LOSSI_FN(within)(&v, &m, sums.top, at->x, r);
        guess = 0;
    } while (!within || !swept);

    S = LOSSI_FN(margin_sum)(&m, sums.S);
    inverse = lossv_div(one, lossv_add(one, S.high));
    L = lossv_log1p(S, inverse);
    l_r = lossv_add(L.high, L.low); /* lse - x_r */
    lse = lossv_two_sum(m.x, L.high, &error);
    lse = lossv_add(lse, lossv_add(error, L.low));
    for (l = 0; l < v.lanes; l++) {
        leads_l[l] = index && r[l] == t[l] ? 1.f : 0.f;
        t_r_l[l] = 0;
        if (soft) {
            t_r_l[l] = job->uniform;
            if (!index) t_r_l[l] += job->keep * at->q[LOSSI_FN(element)(&v, l, r[l])];
            if (job->weight != NULL) t_r_l[l] *= job->weight[r[l]];
        }
    }
    leads = LOSSI_FN(spread)(&v, leads_l);
    t_r = LOSSI_FN(spread)(&v, t_r_l);
    u = LOSSI_FN(spread)(&v, u_l);
    w = lossv_mul(LOSSI_FN(spread)(&v, w_l), lossv_set(focal ? job->alpha : job->keep));
    if (!index) w = zero; /* from here on the weight of the target class of an index */
    lag = lossv_sub(lossv_mul(m.x, half),
                    lossv_mul(x_t, half)); /* (x_r - x_t) / 2: may not overflow */
    lag = lossv_mul(w, lossv_if_eq(w, zero, lossv_min(lossv_set(FLT_MAX), lag), lag));
    rest = lossv_if_eq(leads, one, zero, w);
    t_r = lossv_add(t_r, lossv_sub(w, rest));
    A = w;
    Z = zero;
    s = lossv_mul(S.high, inverse);
    if (focal) {
        lossv_pair scaled, focus;
        lossv P, ratio = lossv_if_eq(S.high, zero, one, lossv_div(l_r, S.high)); /* p_t l / s */
        scaled.high = lossv_mul(S.high, lossv_set(LOSSV_B));
        scaled.low = lossv_mul(S.low, lossv_set(LOSSV_B));
        focus = LOSSI_FN(divide)(scaled, S, inverse);
        focus.high = lossv_if_eq(leads, one, focus.high, lossv_set(LOSSV_B)); /* s = 1 far behind */
        focus.low = lossv_if_eq(leads, one, focus.low, zero);
        P = LOSSI_FN(focus)(focus, job->gamma);
        ratio = lossv_if_eq(leads, one, ratio, zero);
        loss = lossv_mul(lossv_mul(lossv_mul(P, l_r), w), lossv_set(LOSSV_1_B));
        loss = lossv_add(loss, lossv_add(lag, lag));
        A = lossv_mul(lossv_mul(w, lossv_mul(P, lossv_set(LOSSV_1_B))),
                      lossv_fma(lossv_set(job->gamma), ratio, one));
        rest = lossv_if_eq(leads, one, zero, A);
        t_r = lossv_sub(A, rest);
    } else {
        if (soft) {
            rest = lossv_add(rest, lossv_collapse(sums.rest));
            A = lossv_add(rest, t_r);
            lag = lossv_add(lag, lossv_collapse(sums.margins));
        }
        loss = lossv_fma(A, l_r, lossv_add(lag, lag));
        Z = lossv_mul(lossv_set(job->z_loss), lse);
        loss = lossv_fma(Z, lse, loss);
        Z = lossv_add(Z, Z);
    }
    lossv_store(at->loss, v.lanes, lossv_if_eq(v.on, one, loss, zero));
    if (job->log_sum_exp != NULL)
        lossv_store(job->log_sum_exp + at->first, v.lanes, lossv_if_eq(v.on, one, lse, zero));
    if (at->grad == NULL) return;

    g_r = lossv_if_lt(S.high, one, lossv_sub(rest, lossv_mul(A, s)),
                      lossv_sub(lossv_mul(A, inverse), t_r));
    lossv_store(g, LOSSV_N, lossv_mul(u, lossv_fma(Z, inverse, g_r)));
    lossv_store(g_t, LOSSV_N, lossv_mul(u, focal ? A : w));
    c = lossv_mul(lossv_mul(lossv_fma(m.scale, m.t, m.scale), lossv_set(LOSSV_1_B)),
                  inverse); /* B e^(x_j - x_r) to p_j */
    K2 = lossv_mul(u, lossv_add(A, Z));
    K = lossv_mul(K2, c);
    K2 = lossv_if_lt(lossv_abs(K), lossv_set(LOSSI_TINY), K2,
                     one); /* a tiny K would not be a normal number */
    K = lossv_if_lt(lossv_abs(K), lossv_set(LOSSI_TINY), c, K);
    for (l = 0; l < v.lanes && job->accumulate; l++)
        old[l] = at->grad[LOSSI_FN(element)(&v, l, r[l])];
    for (begin = 0; begin < v.blocks; begin = i) {
        const size_t end = v.blocks - begin > LOSSI_EXACT ? begin + LOSSI_EXACT : v.blocks;
        const lossv mark = LOSSI_FN(mark)(&v, r, begin);
        lossv number = zero;
        for (i = begin; i < end; i++, number = lossv_add(number, one)) {
            const lossv previous =
                lossv_load(at->grad + LOSSI_FN(offset)(&v, i), LOSSI_FN(lanes)(&v, i), 0);
            lossv y;
            if (job->accumulate) {
                y = LOSSI_FN(term)(&v, &m, at->x, i, number, mark, &s, &sums.top);
                y = lossv_fma(s, y, s);
            } else {
                y = previous;
            }
            y = lossv_mul(lossv_mul(y, K), K2);
            if (soft) y = lossv_sub(y, lossv_mul(u, LOSSI_FN(target_terms)(&v, i)));
            if (job->accumulate) y = lossv_add(previous, y);
            LOSSI_FN(put)(&v, at->grad, i, y);
        }
    }
    for (l = 0; l < v.lanes; l++) {
        if (!(on[l] > 0)) continue;
        if (index && r[l] != t[l]) at->grad[LOSSI_FN(element)(&v, l, t[l])] -= g_t[l];
        at->grad[LOSSI_FN(element)(&v, l, r[l])] = job->accumulate ? old[l] + g[l] : g[l];
    }
}

LOSSI_OP void LOSSI_FN(log_softmax)(const lossi_job *job, const lossi_place *at, int along)
{
    const lossv_view v = LOSSI_FN(look)(job, at, along);
    size_t r[LOSSV_N], i;
    lossv_margin m;
    lossv_sums sums;
    lossv_pair S;
    lossv x;
    LOSSI_FN(greatest)(&v, at->x, r);
    m = LOSSI_FN(margin_at)(LOSSI_FN(logits_at)(&v, at->x, r));
    LOSSI_FN(sweep)(&v, &m, at->x, r, 0, NULL, &sums);
    S = LOSSI_FN(margin_sum)(&m, sums.S);
    S = lossv_log1p(S, lossv_div(lossv_set(1), lossv_add(lossv_set(1), S.high)));
    for (i = 0; i < v.blocks; i++) {
        x = lossv_sub(LOSSI_FN(block)(&v, at->x, i, 0), m.x);
        LOSSI_FN(put)(&v, at->grad, i, lossv_sub(x, lossv_add(S.high, S.low)));
    }
}

LOSSI_OP void LOSSI_FN(log_softmax_gradient)(const lossi_job *job, const lossi_place *at, int along)
{
    const lossv_view v = LOSSI_FN(look)(job, at, along);
    lossv_pair total = {lossv_set(0), lossv_set(0)};
    lossv U, s, t;
    size_t i;
    for (i = 0; i < v.blocks; i++) lossv_accumulate(&total, LOSSI_FN(block)(&v, at->q, i, 0));
    if (v.along) total = lossv_gather(total);
    U = lossv_collapse(total);
    for (i = 0; i < v.blocks; i++) {
        t = lossv_exp(LOSSI_FN(block)(&v, at->x, i, 0), lossv_set(40), lossv_set(-167 * LOSSV_LN2),
                      &s);
        t = lossv_mul(lossv_mul(lossv_fma(s, t, s), U), lossv_set(LOSSV_1_B));
        LOSSI_FN(put)(&v, at->grad, i, lossv_sub(LOSSI_FN(block)(&v, at->q, i, 0), t));
    }
}

LOSSI_OP void LOSSI_FN(positions)(const lossi_job *job, const lossi_place *at, int along)
{
    if (job->loss == LOSSI_LOG_SOFTMAX)
        LOSSI_FN(log_softmax)(job, at, along);
    else if (job->loss == LOSSI_LOG_SOFTMAX_G)
        LOSSI_FN(log_softmax_gradient)(job, at, along);
    else if (at->q != NULL || job->uniform > 0)
        LOSSI_FN(softmax)(job, at, along, 1);
    else
        LOSSI_FN(softmax)(job, at, along, 0);
}

/* at->count positions side by side, at->step from class to class */
LOSSI_KERNEL void LOSSI_FN(across)(const lossi_job *job, const lossi_place *at)
{
    LOSSI_FN(positions)(job, at, 0);
}

#if LOSSV_N > 1
/* One position whose classes are contiguous */
LOSSI_KERNEL void LOSSI_FN(along)(const lossi_job *job, const lossi_place *at)
{
    LOSSI_FN(positions)(job, at, 1);
}

/* at->count rows of few contiguous classes, at->step from row to row: turned so that they lie across */
LOSSI_KERNEL void LOSSI_FN(rows)(const lossi_job *job, const lossi_place *at)
{
    float x[LOSSI_FEW * LOSSV_N], q[LOSSI_FEW * LOSSV_N], grad[LOSSI_FEW * LOSSV_N];
    lossi_job turned_job = *job;
    lossi_place turned = *at;
    size_t l, c;
    for (l = 0; l < at->count; l++) {
        for (c = 0; c < job->classes; c++) {
            x[c * LOSSV_N + l] = at->x[l * at->step + c];
            if (at->q != NULL) q[c * LOSSV_N + l] = at->q[l * at->step + c];
        }
    }
    turned.x = x;
    turned.q = at->q != NULL ? q : NULL;
    turned.grad = at->grad != NULL ? grad : NULL;
    turned.step = LOSSV_N;
    turned_job.accumulate = 0;
    LOSSI_FN(across)(&turned_job, &turned);
    for (l = 0; l < at->count && at->grad != NULL; l++) {
        for (c = 0; c < job->classes; c++) {
            float *y = &at->grad[l * at->step + c];
            *y = job->accumulate ? *y + grad[c * LOSSV_N + l] : grad[c * LOSSV_N + l];
        }
    }
}
#endif

/* --- the sigmoid losses and dice ------------------------------------------------------------------
 * Elementwise, from e = e^-|x|: s(|x|) = 1 / (1 + e), s(-|x|) = e / (1 + e), sp(x) = max(x, 0) + log1p(e). */
typedef struct LOSSI_FN(elements) {
    lossv x, t, on;           /* logit (0 where ignored), target, and 1 or 0 where ignored */
    lossv e, inverse;         /* e^-|x|, 1 / (1 + e) */
    lossv_pair scaled;        /* B e */
    lossv positive, negative; /* s(x), s(-x) */
} LOSSI_FN(elements);
#define lossv_elements LOSSI_FN(elements)

/* Targets of block i, and 1 where they count, 0 where they do not */
LOSSI_OP lossv LOSSI_FN(targets_at)(const lossi_job *job, const lossi_place *at, size_t i,
                                    lossv *on)
{
    const size_t m = at->count - i;
    float t[LOSSV_N] = {0}, counts[LOSSV_N] = {0};
    size_t l;
    *on = lossv_live(m);
    if (at->q != NULL) return lossv_load(at->q + i, m, 0);
    for (l = 0; l < LOSSV_N && l < m; l++) {
        const int64_t target = lossi_target(job->targets, at->first + i + l);
        counts[l] = target != job->ignore ? 1.f : 0.f;
        t[l] = target != 0 && target != job->ignore ? 1.f : 0.f;
    }
    *on = lossv_load(counts, m, 0);
    return lossv_load(t, m, 0);
}

LOSSI_OP lossv_elements LOSSI_FN(elements_at)(const lossi_job *job, const lossi_place *at, size_t i)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    const size_t m = at->count - i;
    lossv_elements y;
    lossv s, p, small;
    y.t = LOSSI_FN(targets_at)(job, at, i, &y.on);
    y.x = lossv_if_eq(y.on, one, lossv_load(at->x + i, m, 0), zero);
    p = lossv_exp(lossv_sub(zero, lossv_abs(y.x)), lossv_set(40), lossv_set(-167 * LOSSV_LN2), &s);
    y.scaled.high = lossv_fma(s, p, s);
    y.scaled.low = lossv_fma(s, p, lossv_sub(s, y.scaled.high)); /* exact: s is a power of two */
    y.e = lossv_mul(y.scaled.high, lossv_set(LOSSV_1_B));
    y.inverse = lossv_div(one, lossv_add(one, y.e));
    small = lossv_mul(y.e, y.inverse);
    y.positive = lossv_if_lt(y.x, zero, small, y.inverse);
    y.negative = lossv_if_lt(y.x, zero, y.inverse, small);
    return y;
}

/* a * b, where a = 0 makes an infinite b count as nothing */
LOSSI_OP lossv LOSSI_FN(times)(lossv a, lossv b)
{
    return lossv_mul(a, lossv_if_eq(a, lossv_set(0), lossv_min(lossv_set(FLT_MAX), b), b));
}

/* sum of c_negative sp(-x) + c_positive sp(x) */
LOSSI_OP lossv LOSSI_FN(softplus)(const lossv_elements *y, lossv c_negative, lossv c_positive)
{
    lossv_pair e = y->scaled, L;
    e.high = y->e;
    e.low = lossv_mul(e.low, lossv_set(LOSSV_1_B));
    L = lossv_log1p(e, y->inverse);
    return lossv_fma(
        lossv_add(c_negative, c_positive), lossv_add(L.high, L.low),
        LOSSI_FN(times)(lossv_if_lt(y->x, lossv_set(0), c_negative, c_positive), lossv_abs(y->x)));
}

/* Binary cross-entropy of a block; *slope is its gradient times u. The small one of s(x) and s(-x) goes
 * through B, so that the product with u is rounded once, at the end. */
LOSSI_OP lossv LOSSI_FN(binary)(const lossv_elements *y, float w, float b, lossv u, lossv *slope)
{
    const lossv zero = lossv_set(0), large = lossv_mul(y->inverse, u);
    const lossv small =
        lossv_mul(lossv_mul(lossv_mul(y->scaled.high, y->inverse), u), lossv_set(LOSSV_1_B));
    const lossv negative = lossv_mul(lossv_set(w * b), y->t);
    const lossv positive = lossv_mul(lossv_set(w), lossv_sub(lossv_set(1), y->t));
    *slope = lossv_sub(lossv_mul(positive, lossv_if_lt(y->x, zero, small, large)),
                       lossv_mul(negative, lossv_if_lt(y->x, zero, large, small)));
    return LOSSI_FN(softplus)(y, negative, positive);
}

/* Sigmoid focal of a block. Identity: with c1, c2 = 1-t, t for x >= 0 and t, 1-t for x < 0, and M = c1 + c2 e,
 * m = M / (1 + e); p (1-p) / m = (e / M) / (1 + e), where e / M is 1 for the right hard target. */
LOSSI_OP lossv LOSSI_FN(sigmoid_focal)(const lossv_elements *y, float alpha, float gamma, lossv u,
                                       lossv *slope)
{
    const lossv zero = lossv_set(0), one = lossv_set(1), negative = lossv_sub(one, y->t);
    const lossv c1 = lossv_if_lt(y->x, zero, y->t, negative),
                c2 = lossv_if_lt(y->x, zero, negative, y->t);
    const lossv bce = LOSSI_FN(softplus)(y, y->t, negative);
    lossv_pair M, e;
    lossv a = one, P, v;
    if (!(alpha < 0))
        a = lossv_fma(lossv_set(alpha), y->t,
                      lossv_mul(lossv_sub(one, lossv_set(alpha)), negative));
    M.high =
        lossv_two_sum(lossv_mul(c1, lossv_set(LOSSV_B)), lossv_mul(c2, y->scaled.high), &M.low);
    M.low = lossv_fma(c2, y->scaled.low, M.low);
    e.high = y->e;
    e.low = lossv_mul(y->scaled.low, lossv_set(LOSSV_1_B));
    P = LOSSI_FN(focus)(LOSSI_FN(divide)(M, e, y->inverse), gamma);
    v = lossv_if_eq(M.high, y->scaled.high, one, lossv_div(y->scaled.high, M.high));
    v = lossv_mul(v, y->inverse);
    v = LOSSI_FN(times)(lossv_mul(lossv_mul(lossv_set(gamma), lossv_sub(negative, y->t)), v), bce);
    v = lossv_add(v, lossv_sub(lossv_mul(negative, y->positive), lossv_mul(y->t, y->negative)));
    *slope = lossv_mul(lossv_mul(lossv_mul(P, v), lossv_mul(a, u)), lossv_set(LOSSV_1_B));
    /* 1 / B after the product where that is small, before it where it is large */
    v = lossv_if_lt(bce, one, one, lossv_set(LOSSV_1_B));
    P = LOSSI_FN(times)(lossv_mul(lossv_mul(P, v), a), bce);
    return lossv_mul(P, lossv_if_lt(bce, one, lossv_set(LOSSV_1_B), one));
}

/* at->count elements of the plane of class at->plane; returns the sum of their losses */
LOSSI_KERNEL float LOSSI_FN(sigmoid)(const lossi_job *job, const lossi_place *at, float *low)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    const float w = job->weight != NULL ? job->weight[at->plane] : 1.f;
    const float b = job->positive != NULL ? job->positive[at->plane] : 1.f;
    lossv_pair total = {zero, zero};
    float sum[LOSSV_N];
    size_t i;
    for (i = 0; i < at->count; i += LOSSV_N) {
        const size_t m = at->count - i;
        const lossv_elements y = LOSSI_FN(elements_at)(job, at, i);
        const lossv u = job->upstream != NULL ? lossv_load(job->upstream + at->first + i, m, 0)
                                              : lossv_set(job->factor);
        lossv slope, l = job->loss == LOSSI_BINARY
                             ? LOSSI_FN(binary)(&y, w, b, u, &slope)
                             : LOSSI_FN(sigmoid_focal)(&y, job->alpha, job->gamma, u, &slope);
        l = lossv_if_eq(y.on, one, l, zero);
        lossv_accumulate(&total, l);
        if (at->loss != NULL) lossv_store(at->loss + i, m, l);
        if (at->grad != NULL) {
            slope = lossv_if_eq(y.on, one, slope, zero);
            if (job->accumulate) slope = lossv_add(lossv_load(at->grad + i, m, 0), slope);
            lossv_store(at->grad + i, m, slope);
        }
    }
    total = lossv_gather(total);
    lossv_store(sum, LOSSV_N, total.low);
    *low = sum[0];
    lossv_store(sum, LOSSV_N, total.high);
    return sum[0];
}

/* B p (1-p) of a block */
LOSSI_OP lossv LOSSI_FN(bump)(const lossv_elements *y)
{
    return lossv_if_eq(y->on, lossv_set(1),
                       lossv_mul(lossv_mul(y->scaled.high, y->inverse), y->inverse), lossv_set(0));
}

/* One mask. Identity: with V = sum p (1-t) + (1-p) t, P + T = V + 2I, so that with D = V + 2I + E the loss is
 * V / D without a subtraction, and its gradient p (1-p) ((1-t) (2I + E) - t (2V + 2I + E)) / D^2. */
LOSSI_OP float LOSSI_FN(dice_of)(const lossi_job *job, const lossi_place *at)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    lossv_pair V = {zero, zero}, I = {zero, zero};
    lossv I2, D, c0, c1, u, on;
    float loss[LOSSV_N];
    size_t i;
    for (i = 0; i < at->count; i += LOSSV_N) {
        const lossv_elements y = LOSSI_FN(elements_at)(job, at, i);
        lossv right = lossv_mul(y.t, y.positive);
        lossv wrong = lossv_fma(y.t, y.negative, lossv_mul(lossv_sub(one, y.t), y.positive));
        lossv_accumulate(&I, lossv_if_eq(y.on, one, right, zero));
        lossv_accumulate(&V, lossv_if_eq(y.on, one, wrong, zero));
        if (at->grad != NULL && !job->accumulate)
            lossv_store(at->grad + i, at->count - i, LOSSI_FN(bump)(&y));
    }
    I = lossv_gather(I);
    V = lossv_gather(V);
    V.high = lossv_collapse(V);
    I2 = lossv_collapse(I);
    I2 = lossv_add(lossv_add(I2, I2), lossv_set(job->smooth));
    D = lossv_add(V.high, I2);
    lossv_store(loss, LOSSV_N, lossv_div(V.high, D));
    if (at->grad == NULL) return loss[0];
    c0 = lossv_div(lossv_div(I2, D), D);
    c1 = lossv_div(lossv_div(lossv_add(lossv_add(V.high, V.high), I2), D), D);
    u = lossv_set(job->upstream != NULL ? job->upstream[at->plane] : job->factor);
    for (i = 0; i < at->count; i += LOSSV_N) {
        const size_t m = at->count - i;
        const lossv previous = lossv_load(at->grad + i, m, 0);
        lossv g = previous, t;
        if (job->accumulate) {
            const lossv_elements y = LOSSI_FN(elements_at)(job, at, i);
            g = LOSSI_FN(bump)(&y);
            t = y.t;
        } else {
            t = LOSSI_FN(targets_at)(job, at, i, &on);
        }
        g = lossv_mul(g, lossv_sub(lossv_mul(lossv_sub(one, t), c0), lossv_mul(t, c1)));
        g = lossv_mul(lossv_mul(g, u), lossv_set(LOSSV_1_B));
        lossv_store(at->grad + i, m, job->accumulate ? lossv_add(previous, g) : g);
    }
    return loss[0];
}

LOSSI_KERNEL float LOSSI_FN(dice)(const lossi_job *job, const lossi_place *at)
{
    return LOSSI_FN(dice_of)(job, at);
}

/* --- one position at a time: the same with every option folded away -------------------------------- */
LOSSI_OP float LOSSI_FN(softmax_row)(const lossi_job *job, float *grad, const float *x)
{
    float loss;
    lossi_place at;
    at.grad = grad;
    at.x = x;
    at.q = NULL;
    at.step = at.count = 1;
    at.first = at.plane = 0;
    at.loss = &loss;
#if LOSSV_N > 1
    (job->classes > LOSSI_FEW ? LOSSI_FN(along) : LOSSI_FN(across))(job, &at);
#else
    LOSSI_FN(softmax)(job, &at, 0, 0); /* nothing but what this loss needs */
#endif
    return loss;
}

LOSSI_KERNEL float LOSSI_FN(cross_entropy_row)(float *grad, const float *x, size_t classes,
                                               size_t t, float u)
{
    const int64_t target = (int64_t)t;
    const lossi_job job = lossi_textbook(LOSSI_CROSS_ENTROPY, classes, losses_i64(&target), u);
    return LOSSI_FN(softmax_row)(&job, grad, x);
}

LOSSI_KERNEL float LOSSI_FN(focal_row)(float *grad, const float *x, size_t classes, size_t t,
                                       float gamma, float u)
{
    const int64_t target = (int64_t)t;
    lossi_job job = lossi_textbook(LOSSI_FOCAL, classes, losses_i64(&target), u);
    job.gamma = gamma;
    return LOSSI_FN(softmax_row)(&job, grad, x);
}

LOSSI_KERNEL float LOSSI_FN(dice_mask)(float *grad, const float *x, const uint8_t *mask, size_t n,
                                       float smooth, float u)
{
    lossi_job job = lossi_textbook(LOSSI_DICE, 1, losses_u8(mask), u);
    lossi_place at;
    at.grad = grad;
    at.x = x;
    at.q = NULL;
    at.step = at.count = n;
    at.first = at.plane = 0;
    at.loss = NULL;
    job.smooth = smooth;
    return LOSSI_FN(dice_of)(&job, &at);
}

static const lossi_kernels LOSSI_FN(kernels) = {LOSSI_NAME,          LOSSV_N,
#if LOSSV_N > 1
                                                LOSSI_FN(along),     LOSSI_FN(rows),
#else
                                                LOSSI_FN(across), /* one lane: all shapes are one */
                                                LOSSI_FN(across),
#endif
                                                LOSSI_FN(across),    LOSSI_FN(sigmoid),
                                                LOSSI_FN(dice),      LOSSI_FN(cross_entropy_row),
                                                LOSSI_FN(focal_row), LOSSI_FN(dice_mask)};

/* ======================================= PART 5: CALLS ==========================================
 * Every call of the float and of the double path begins with lossi_prepare, which checks all there is
 * to check and resolves the options, and ends with lossi_finish, which reduces. */
#ifdef LOSSES_NO_DOUBLE
#define LOSSI_WIDE_MAX FLT_MAX
#else
#define LOSSI_WIDE_MAX DBL_MAX
#endif

typedef struct lossi_call {
    losses_shape shape; /* strides resolved */
    losses_targets targets;
    losses_options options; /* NULL and defaults resolved */
    int64_t ignore;
    size_t counted;
    losses_wide denominator, smooth; /* smooth = eps * scale of dice */
    int empty;                       /* the mean is over nothing */
    lossi_sum sum;
} lossi_call;

static int lossi_overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    uintptr_t p = (uintptr_t)a, q = (uintptr_t)b;
    if (a == NULL || b == NULL || a_bytes == 0 || b_bytes == 0) return 0;
    return p <= q ? q - p < a_bytes : p - q < b_bytes;
}

/* *product = a * b + c, or 0 returned where that is more than size_t holds */
static int lossi_fits(size_t *product, size_t a, size_t b, size_t c)
{
    if (b != 0 && a > (SIZE_MAX - c) / b) return 0;
    *product = a * b + c;
    return 1;
}

/* Resolves the strides and measures from first to last element. Elements are apart if samples step
 * over whole classes x positions blocks, or classes over whole samples x positions blocks. */
static losses_status lossi_measure(losses_shape *shape, size_t *extent)
{
    size_t n = shape->samples, c = shape->classes, m = shape->positions, row, column, bytes;
    *extent = 0;
    if (c == 0 || !lossi_fits(&bytes, c, sizeof(double), 0)) return LOSSES_BAD_SHAPE;
    if (n == 0 || m == 0) return LOSSES_OK;
    if (shape->class_stride == 0) shape->class_stride = m;
    if (!lossi_fits(&row, c - 1, shape->class_stride, m)) return LOSSES_BAD_SHAPE;
    if (shape->sample_stride == 0) {
        if (!lossi_fits(&shape->sample_stride, c, shape->class_stride, 0)) {
            if (n > 1) return LOSSES_BAD_SHAPE;
            shape->sample_stride = row;
        }
    }
    if (!lossi_fits(&column, n - 1, shape->sample_stride, m) ||
        !lossi_fits(extent, n - 1, shape->sample_stride, row) ||
        !lossi_fits(&bytes, *extent, sizeof(double), 0)) {
        return LOSSES_BAD_SHAPE;
    }
    if ((c == 1 || shape->class_stride >= m) && (n == 1 || shape->sample_stride >= row))
        return LOSSES_OK;
    if ((n == 1 || shape->sample_stride >= m) && (c == 1 || shape->class_stride >= column))
        return LOSSES_OK;
    return LOSSES_BAD_SHAPE;
}

static int lossi_bad_weights(const float *weight, size_t classes, int known)
{
    size_t c;
    if (weight == NULL) return 0;
    if (!known) return 1;
    for (c = 0; c < classes; c++)
        if (!(weight[c] >= 0) || !lossi_finite((losses_wide)weight[c])) return 1;
    return 0;
}

/* value is refused unless lowest <= value <= highest, and 0 where the loss does not know it */
static int lossi_bad_number(losses_wide value, losses_wide lowest, losses_wide highest, int known)
{
    return !known ? !(value == 0) : !(value >= lowest && value <= highest);
}

static losses_status lossi_options(lossi_call *call, int loss, losses_wide gamma)
{
    losses_options *o = &call->options;
    const losses_wide most = (losses_wide)FLT_MAX;
    const int integers = call->targets.type != LOSSI_F32;
    const int focal = (loss & (LOSSI_FOCAL | LOSSI_SIGMOID_FOCAL)) != 0;
    const int entropy = loss == LOSSI_CROSS_ENTROPY, dice = loss == LOSSI_DICE;
    const size_t c = call->shape.classes;
    const int reduction = (int)o->reduction;

    if (reduction < LOSSES_MEAN || reduction > LOSSES_NONE || (o->accumulate & ~1) ||
        (o->nan_if_empty & ~1) || (o->has_ignore_index & ~1) ||
        (o->has_ignore_index ? !integers : o->ignore_index != 0) ||
        lossi_bad_number(o->denominator, 0, LOSSI_WIDE_MAX, reduction == LOSSES_MEAN) ||
        lossi_bad_weights(o->class_weight, c,
                          loss & (LOSSI_NLL | LOSSI_CROSS_ENTROPY | LOSSI_BINARY)) ||
        lossi_bad_weights(o->positive_weight, c, loss == LOSSI_BINARY) ||
        lossi_bad_weights(o->class_alpha, c, loss == LOSSI_FOCAL) ||
        lossi_bad_number((losses_wide)o->label_smoothing, 0, 1, entropy) ||
        lossi_bad_number((losses_wide)o->z_loss, 0, most, entropy) ||
        lossi_bad_number((losses_wide)o->alpha, loss == LOSSI_FOCAL ? 0 : -most,
                         loss == LOSSI_FOCAL ? most : 1, focal) ||
        lossi_bad_number((losses_wide)o->scale, 0, most, dice) ||
        lossi_bad_number((losses_wide)o->eps, 0, most, dice) ||
        (o->log_sum_exp != NULL && !(loss & (LOSSI_CROSS_ENTROPY | LOSSI_FOCAL))) ||
        !(gamma >= 0) || !lossi_finite(gamma)) {
        return LOSSES_BAD_OPTION;
    }
    call->ignore = o->has_ignore_index ? o->ignore_index : -100;
    if (!(o->alpha > 0 || o->alpha < 0)) o->alpha = loss == LOSSI_FOCAL ? 1.f : 0.25f;
    if (dice) {
        call->smooth = (o->scale > 0 ? (losses_wide)o->scale : 1000) *
                       (o->eps > 0 ? (losses_wide)o->eps : (losses_wide)1e-6);
        if (!(call->smooth >= (losses_wide)FLT_MIN && call->smooth <= most))
            return LOSSES_BAD_OPTION;
    }
    return LOSSES_OK;
}

/* Checks the targets and counts what the mean divides by. */
static losses_status lossi_scan(lossi_call *call, int loss, size_t *bad)
{
    const size_t m = call->shape.positions, c = call->shape.classes;
    const size_t planes = call->shape.samples * ((loss & LOSSI_SOFTMAX) ? 1 : c);
    const float *weight = (loss & LOSSI_SOFTMAX) ? call->options.class_weight : NULL;
    const int64_t highest = (loss & LOSSI_SOFTMAX) == 0 ? 1
                            : c > INT64_MAX             ? INT64_MAX
                                                        : (int64_t)(c - 1);
    lossi_sum total = {0, 0};
    size_t i, plane, counted;

    call->counted = 0;
    for (plane = 0; plane < planes; plane++) {
        counted = call->targets.type == LOSSI_F32 ? m : 0;
        for (i = plane * m; call->targets.type != LOSSI_F32 && i < plane * m + m; i++) {
            int64_t t = lossi_target(call->targets, i);
            if (t == call->ignore) continue;
            if (t < 0 || t > highest) {
                *bad = i;
                return LOSSES_BAD_TARGET;
            }
            counted++;
            if (weight != NULL) lossi_add(&total, (losses_wide)weight[t]);
        }
        call->counted += loss == LOSSI_DICE ? counted > 0 : counted;
    }
    call->denominator = (losses_wide)call->counted;
    if (weight != NULL && call->targets.type != LOSSI_F32) call->denominator = lossi_total(&total);
    call->empty = !(call->denominator > 0) && !(call->options.denominator > 0);
    if (call->options.denominator > 0) call->denominator = call->options.denominator;
    if (loss == LOSSI_DICE) call->denominator += (losses_wide)1e-8;
    return LOSSES_OK;
}

/* size: of a logit, loss and gradient, that of float or double */
static losses_status lossi_prepare(lossi_call *call, int loss, const void *losses, const void *grad,
                                   const void *logits, size_t size, losses_targets targets,
                                   losses_shape shape, losses_wide gamma,
                                   const losses_options *options)
{
    static const losses_options defaults = {LOSSES_MEAN, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                                            0,           NULL, 0, 0, NULL, 0,    NULL, NULL};
    const size_t target_size[] = {0, 1, 4, 8, 4};
    const void *in[7], *out[4];
    size_t in_bytes[7], out_bytes[4], extent, positions, elements, values, classes, i, k;
    losses_status status;

    call->options = options != NULL ? *options : defaults;
    call->targets = targets;
    call->shape = shape;
    call->sum.high = call->sum.low = call->smooth = 0;
    status = lossi_measure(&call->shape, &extent);
    if (status != LOSSES_OK) return status;
    if (extent > 0 && (logits == NULL || targets.data == NULL)) return LOSSES_BAD_POINTER;
    if (targets.type < LOSSI_U8 || targets.type > LOSSI_F32 ||
        (targets.type == LOSSI_F32 && (loss & (LOSSI_NLL | LOSSI_FOCAL)))) {
        return LOSSES_BAD_TARGET;
    }
    status = lossi_options(call, loss, gamma);
    if (status != LOSSES_OK) return status;

    positions = shape.samples * shape.positions; /* all of these are at most extent */
    elements = positions * shape.classes;
    values = loss & LOSSI_SOFTMAX ? positions
             : loss == LOSSI_DICE ? shape.samples * shape.classes
                                  : elements;
    if (call->options.reduction != LOSSES_NONE) values = 1;
    classes = shape.classes * sizeof(float);
    out[0] = losses, out_bytes[0] = values * size;
    out[1] = grad, out_bytes[1] = extent * size;
    out[2] = call->options.log_sum_exp, out_bytes[2] = positions * sizeof(float);
    out[3] = call->options.report, out_bytes[3] = sizeof(losses_report);
    in[0] = logits, in_bytes[0] = extent * size;
    in[1] = targets.data,
    in_bytes[1] = target_size[targets.type] * (targets.type == LOSSI_F32 ? extent
                                               : loss & LOSSI_SOFTMAX    ? positions
                                                                         : elements);
    in[2] = call->options.class_weight, in_bytes[2] = classes;
    in[3] = call->options.positive_weight, in_bytes[3] = classes;
    in[4] = call->options.class_alpha, in_bytes[4] = classes;
    in[5] = call->options.upstream, in_bytes[5] = values * sizeof(float);
    in[6] = options, in_bytes[6] = sizeof *options;
    for (i = 0; i < 4; i++) {
        for (k = 0; k < 7; k++) {
            if (i == 1 && k == 0 && grad == logits && !call->options.accumulate) continue;
            if (lossi_overlap(out[i], out_bytes[i], in[k], in_bytes[k])) return LOSSES_BAD_OVERLAP;
        }
        for (k = 0; k < i; k++)
            if (lossi_overlap(out[i], out_bytes[i], out[k], out_bytes[k]))
                return LOSSES_BAD_OVERLAP;
    }

    status = lossi_scan(call, loss, &i);
    if (status == LOSSES_BAD_TARGET && call->options.report != NULL)
        call->options.report->bad_position = i;
    return status;
}

/* The factor of the gradients of loss i: upstream / D, and 0 in the mean over nothing. */
static losses_wide lossi_factor(const lossi_call *call, size_t i)
{
    const losses_options *o = &call->options;
    losses_wide u =
        o->upstream == NULL ? 1 : (losses_wide)o->upstream[o->reduction == LOSSES_NONE ? i : 0];
    if (o->reduction != LOSSES_MEAN) return u;
    return call->empty ? 0 : u / call->denominator;
}

/* Reduces and reports; returns what goes to loss[0], unless the reduction is none. */
static losses_wide lossi_finish(const lossi_call *call)
{
    const losses_options *o = &call->options;
    losses_wide sum = lossi_total(&call->sum);
    if (o->report != NULL) {
        o->report->sum = sum;
        o->report->denominator = call->denominator;
        o->report->counted = call->counted;
        o->report->bad_position = 0;
    }
    if (o->reduction != LOSSES_MEAN) return sum;
    if (!call->empty) return sum / call->denominator;
    return o->nan_if_empty ? (losses_wide)LOSSI_NAN : sum == sum ? 0 : sum;
}

/* The log-softmax calls: an output laid out like two inputs (or one, twice), in place or apart. */
static losses_status lossi_prepare_plain(const void *out, const void *a, const void *b, size_t size,
                                         losses_shape *shape)
{
    size_t extent;
    losses_status status = lossi_measure(shape, &extent);
    if (status != LOSSES_OK || extent == 0) return status;
    if (out == NULL || a == NULL || b == NULL) return LOSSES_BAD_POINTER;
    if ((out != a && lossi_overlap(out, extent * size, a, extent * size)) ||
        (out != b && lossi_overlap(out, extent * size, b, extent * size))) {
        return LOSSES_BAD_OVERLAP;
    }
    return LOSSES_OK;
}

/* --- dispatch ----------------------------------------------------------------------------------- */
static const lossi_kernels *lossi_use(void) { return &LOSSI_FN(kernels); }

static int lossi_same_name(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) a++, b++;
    return *a == *b;
}

LOSSES_API const char *losses_isa(void) { return lossi_use()->name; }

LOSSES_API losses_status losses_use_isa(const char *name)
{
    return name == NULL || lossi_same_name(name, lossi_use()->name) ? LOSSES_OK : LOSSES_BAD_OPTION;
}

LOSSES_API const char *losses_status_name(losses_status status)
{
    switch ((int)status) {
    case LOSSES_OK:
        return "LOSSES_OK";
    case LOSSES_BAD_POINTER:
        return "LOSSES_BAD_POINTER";
    case LOSSES_BAD_SHAPE:
        return "LOSSES_BAD_SHAPE";
    case LOSSES_BAD_OPTION:
        return "LOSSES_BAD_OPTION";
    case LOSSES_BAD_TARGET:
        return "LOSSES_BAD_TARGET";
    case LOSSES_BAD_OVERLAP:
        return "LOSSES_BAD_OVERLAP";
    default:
        return "unknown losses_status";
    }
}

/* --- the float calls ---------------------------------------------------------------------------- */
static lossi_job lossi_job_of(const lossi_call *call, int loss, float gamma)
{
    const losses_options *o = &call->options;
    lossi_job job =
        lossi_textbook(loss, call->shape.classes, call->targets, (float)lossi_factor(call, 0));
    job.ignore = call->ignore;
    job.keep = 1.f - o->label_smoothing;
    job.uniform = o->label_smoothing / (float)job.classes;
    job.alpha = o->alpha;
    if (!(loss & (LOSSI_FOCAL | LOSSI_SIGMOID_FOCAL))) job.alpha = 1;
    job.gamma = gamma < 1e30f ? gamma : 1e30f; /* the same power, and no overflow on the way */
    job.z_loss = o->z_loss;
    job.smooth = (float)call->smooth;
    job.weight = loss == LOSSI_FOCAL ? o->class_alpha : o->class_weight;
    job.positive = o->positive_weight;
    if (o->reduction == LOSSES_NONE) job.upstream = o->upstream;
    job.accumulate = o->accumulate;
    job.log_sum_exp = o->log_sum_exp;
    return job;
}

static void lossi_take(lossi_call *call, float *loss, size_t i, float l)
{
    lossi_add(&call->sum, (losses_wide)l);
    if (loss != NULL && call->options.reduction == LOSSES_NONE) loss[i] = l;
}

static losses_status lossi_end(const lossi_call *call, float *loss)
{
    const losses_wide value = lossi_finish(call);
    if (loss != NULL && call->options.reduction != LOSSES_NONE) *loss = (float)value;
    return LOSSES_OK;
}

/* Takes all positions of a softmax call through the kernel for their layout. call is NULL for the
 * log-softmax calls, which have no loss. */
static void lossi_each_position(const lossi_job *job, const losses_shape *shape, float *grad,
                                const float *x, const float *q, lossi_call *call, float *loss)
{
    const lossi_kernels *kernels = lossi_use();
    const int contiguous =
        shape->positions == 1 && (shape->class_stride == 1 || shape->classes == 1);
    const int few = contiguous && kernels->lanes > 1 && shape->classes <= LOSSI_FEW;
    const size_t samples = few ? kernels->lanes : 1, positions = few ? 1 : kernels->lanes;
    float losses[LOSSI_MOST_LANES] = {0};
    size_t n, m, l;
    for (n = 0; n < shape->samples; n += samples) {
        for (m = 0; m < shape->positions; m += positions) {
            const size_t at = n * shape->sample_stride + m;
            const size_t left = few ? shape->samples - n : shape->positions - m;
            lossi_place place;
            place.grad = grad != NULL ? grad + at : NULL;
            place.x = x + at;
            place.q = q != NULL ? q + at : NULL;
            place.step = few ? shape->sample_stride : shape->class_stride;
            place.count = left < kernels->lanes ? left : kernels->lanes;
            place.first = n * shape->positions + m;
            place.plane = 0;
            place.loss = losses;
            (few ? kernels->rows : contiguous ? kernels->along : kernels->across)(job, &place);
            for (l = 0; call != NULL && l < place.count; l++)
                lossi_take(call, loss, place.first + l, losses[l]);
        }
    }
}

static const float *lossi_float_targets(losses_targets targets)
{
    return targets.type == LOSSI_F32 ? (const float *)targets.data : NULL;
}

static losses_status lossi_softmax(int kind, float *loss, float *grad, const float *logits,
                                   losses_targets targets, losses_shape shape, float gamma,
                                   const losses_options *options)
{
    lossi_call call;
    lossi_job job;
    losses_status status = lossi_prepare(&call, kind, loss, grad, logits, sizeof *logits, targets,
                                         shape, (losses_wide)gamma, options);
    if (status != LOSSES_OK) return status;
    job = lossi_job_of(&call, kind, gamma);
    lossi_each_position(&job, &call.shape, grad, logits, lossi_float_targets(targets), &call, loss);
    return lossi_end(&call, loss);
}

LOSSES_API losses_status losses_log_softmax(float *log_probabilities, const float *logits,
                                            losses_shape shape)
{
    const lossi_job job = lossi_textbook(LOSSI_LOG_SOFTMAX, shape.classes, losses_u8(NULL), 1);
    losses_status status =
        lossi_prepare_plain(log_probabilities, logits, logits, sizeof *logits, &shape);
    if (status == LOSSES_OK)
        lossi_each_position(&job, &shape, log_probabilities, logits, NULL, NULL, NULL);
    return status;
}

LOSSES_API losses_status losses_log_softmax_gradient(float *grad, const float *upstream,
                                                     const float *log_probabilities,
                                                     losses_shape shape)
{
    const lossi_job job = lossi_textbook(LOSSI_LOG_SOFTMAX_G, shape.classes, losses_u8(NULL), 1);
    losses_status status =
        lossi_prepare_plain(grad, upstream, log_probabilities, sizeof *grad, &shape);
    if (status == LOSSES_OK)
        lossi_each_position(&job, &shape, grad, log_probabilities, upstream, NULL, NULL);
    return status;
}

LOSSES_API losses_status losses_nll(float *loss, float *grad, const float *log_probabilities,
                                    losses_targets targets, losses_shape shape,
                                    const losses_options *options)
{
    lossi_call call;
    size_t n, m, c, i;
    losses_status status = lossi_prepare(&call, LOSSI_NLL, loss, grad, log_probabilities,
                                         sizeof *grad, targets, shape, 0, options);
    if (status != LOSSES_OK) return status;
    shape = call.shape;
    for (n = 0; n < shape.samples; n++) {
        for (m = 0; m < shape.positions; m++) {
            const size_t at = n * shape.sample_stride + m, k = shape.class_stride;
            const float *weight = call.options.class_weight;
            int64_t t;
            float w, a;
            i = n * shape.positions + m;
            t = lossi_target(targets, i);
            w = t == call.ignore ? 0 : weight != NULL ? weight[t] : 1;
            a = t == call.ignore ? 0 : log_probabilities[at + (size_t)t * k];
            lossi_take(&call, loss, i, w > 0 ? -w * a : 0);
            if (grad == NULL) continue;
            for (c = 0; c < shape.classes && !call.options.accumulate; c++) grad[at + c * k] = 0;
            if (t != call.ignore) grad[at + (size_t)t * k] -= w * (float)lossi_factor(&call, i);
        }
    }
    return lossi_end(&call, loss);
}

LOSSES_API losses_status losses_cross_entropy(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              const losses_options *options)
{
    return lossi_softmax(LOSSI_CROSS_ENTROPY, loss, grad, logits, targets, shape, 0, options);
}

LOSSES_API losses_status losses_focal(float *loss, float *grad, const float *logits,
                                      losses_targets targets, losses_shape shape, float gamma,
                                      const losses_options *options)
{
    return lossi_softmax(LOSSI_FOCAL, loss, grad, logits, targets, shape, gamma, options);
}

/* Takes all planes of a sigmoid loss or dice through their kernel. */
static losses_status lossi_each_plane(int kind, float *loss, float *grad, const float *logits,
                                      losses_targets targets, losses_shape shape, float gamma,
                                      const losses_options *options)
{
    lossi_call call;
    lossi_job job;
    size_t n, c;
    losses_status status = lossi_prepare(&call, kind, loss, grad, logits, sizeof *logits, targets,
                                         shape, (losses_wide)gamma, options);
    if (status != LOSSES_OK) return status;
    job = lossi_job_of(&call, kind, gamma);
    shape = call.shape;
    for (n = 0; n < shape.samples; n++) {
        for (c = 0; c < shape.classes; c++) {
            const size_t at = n * shape.sample_stride + c * shape.class_stride,
                         plane = n * shape.classes + c;
            const float *q = lossi_float_targets(targets);
            lossi_place place;
            if (shape.positions == 0) { /* a mask without a pixel is worth 0 */
                if (kind == LOSSI_DICE) lossi_take(&call, loss, plane, 0);
                continue;
            }
            place.grad = grad != NULL ? grad + at : NULL;
            place.x = logits + at;
            place.q = q != NULL ? q + at : NULL;
            place.step = 0;
            place.count = shape.positions;
            place.first = plane * shape.positions;
            place.loss = NULL;
            if (kind == LOSSI_DICE) {
                place.plane = plane;
                lossi_take(&call, loss, plane, lossi_use()->dice(&job, &place));
            } else {
                float high, low;
                place.plane = c;
                if (loss != NULL && call.options.reduction == LOSSES_NONE)
                    place.loss = loss + place.first;
                high = lossi_use()->sigmoid(&job, &place, &low);
                lossi_add(&call.sum, (losses_wide)high);
                if (lossi_finite((losses_wide)low)) lossi_add(&call.sum, (losses_wide)low);
            }
        }
    }
    return lossi_end(&call, loss);
}

LOSSES_API losses_status losses_binary_cross_entropy(float *loss, float *grad, const float *logits,
                                                     losses_targets targets, losses_shape shape,
                                                     const losses_options *options)
{
    return lossi_each_plane(LOSSI_BINARY, loss, grad, logits, targets, shape, 0, options);
}

LOSSES_API losses_status losses_sigmoid_focal(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              float gamma, const losses_options *options)
{
    return lossi_each_plane(LOSSI_SIGMOID_FOCAL, loss, grad, logits, targets, shape, gamma,
                            options);
}

LOSSES_API losses_status losses_dice(float *loss, float *grad, const float *logits,
                                     losses_targets targets, losses_shape shape,
                                     const losses_options *options)
{
    return lossi_each_plane(LOSSI_DICE, loss, grad, logits, targets, shape, 0, options);
}

LOSSES_API float losses_cross_entropy_row(float *grad, const float *logits, size_t classes,
                                          size_t target, float upstream)
{
    if (target >= classes) return LOSSI_NAN;
    return lossi_use()->cross_entropy_row(grad, logits, classes, target, upstream);
}

LOSSES_API float losses_focal_row(float *grad, const float *logits, size_t classes, size_t target,
                                  float gamma, float upstream)
{
    if (target >= classes || !(gamma >= 0 && gamma <= FLT_MAX)) return LOSSI_NAN;
    return lossi_use()->focal_row(grad, logits, classes, target, gamma < 1e30f ? gamma : 1e30f,
                                  upstream);
}

LOSSES_API float losses_dice_mask(float *grad, const float *logits, const uint8_t *mask,
                                  size_t pixels, float smooth, float upstream)
{
    if (!(smooth > 0 && smooth <= FLT_MAX)) return LOSSI_NAN;
    return lossi_use()->dice_mask(grad, logits, mask, pixels, smooth, upstream);
}

#ifndef LOSSES_NO_REFERENCE
/* ===================================== PART 6: REFERENCE ========================================
 * The losses again in double with plain loops: the specification that the float path is held to.
 * k is the class stride, so that x[c * k] is the logit of class c. */

/* a * b where 0 * inf is 0: what a weight or a target of 0 multiplies does not count. */
static double lossi_times(double a, double b)
{
    return (a == 0 && isinf(b)) || (b == 0 && isinf(a)) ? 0 : a * b;
}

/* Identity: sp(d) = log(1 + e^d) = max(d, 0) + log1p(e^-|d|). */
static double lossi_softplus(double d) { return (d > 0 ? d : 0) + log1p(exp(-fabs(d))); }

static double lossi_logistic(double d)
{
    return d >= 0 ? 1 / (1 + exp(-d)) : exp(d) / (1 + exp(d));
}

static double lossi_store(double *grad, int accumulate, double value)
{
    return *grad = accumulate ? *grad + value : value;
}

/* The margin form: r, the class of the greatest logit, and S = sum_{c != r} e^(x_c - x_r), so that
 * lse = x_r + log1p(S) and p_c = e^(x_c - x_r) / (1 + S). NaN unless x_r is finite. */
static double lossi_reference_margin(const double *x, size_t classes, size_t k, size_t *r)
{
    lossi_sum S = {0, 0};
    size_t c;
    *r = 0;
    for (c = 1; c < classes; c++)
        if (x[c * k] > x[*r * k] || isnan(x[*r * k])) *r = c;
    for (c = 0; c < classes; c++)
        if (c != *r) lossi_add(&S, exp(x[c * k] - x[*r * k]));
    return lossi_total(&S) + (x[*r * k] - x[*r * k]);
}

LOSSES_API losses_status losses_reference_log_softmax(double *log_probabilities,
                                                      const double *logits, losses_shape shape)
{
    size_t n, m, c;
    losses_status status =
        lossi_prepare_plain(log_probabilities, logits, logits, sizeof *logits, &shape);
    if (status != LOSSES_OK) return status;
    for (n = 0; n < shape.samples; n++) {
        for (m = 0; m < shape.positions; m++) {
            const size_t k = shape.class_stride, at = n * shape.sample_stride + m;
            const double *x = logits + at;
            size_t r;
            const double L = log1p(lossi_reference_margin(x, shape.classes, k, &r)), x_r = x[r * k];
            for (c = 0; c < shape.classes; c++)
                log_probabilities[at + c * k] = (x[c * k] - x_r) - L;
        }
    }
    return LOSSES_OK;
}

LOSSES_API losses_status losses_reference_log_softmax_gradient(double *grad, const double *upstream,
                                                               const double *log_probabilities,
                                                               losses_shape shape)
{
    size_t n, m, c;
    losses_status status =
        lossi_prepare_plain(grad, upstream, log_probabilities, sizeof *grad, &shape);
    if (status != LOSSES_OK) return status;
    for (n = 0; n < shape.samples; n++) {
        for (m = 0; m < shape.positions; m++) {
            const size_t k = shape.class_stride, at = n * shape.sample_stride + m;
            const double *a = log_probabilities + at, *u = upstream + at;
            lossi_sum U = {0, 0};
            for (c = 0; c < shape.classes; c++) lossi_add(&U, u[c * k]);
            for (c = 0; c < shape.classes; c++)
                grad[at + c * k] = u[c * k] - exp(a[c * k]) * lossi_total(&U);
        }
    }
    return LOSSES_OK;
}

/* Puts loss i where it belongs. */
static void lossi_reference_loss(lossi_call *call, double *loss, size_t i, double l)
{
    lossi_add(&call->sum, l);
    if (loss != NULL && call->options.reduction == LOSSES_NONE) loss[i] = l;
}

static losses_status lossi_reference_end(const lossi_call *call, double *loss)
{
    double value = lossi_finish(call);
    if (loss != NULL && call->options.reduction != LOSSES_NONE) *loss = value;
    return LOSSES_OK;
}

LOSSES_API losses_status losses_reference_nll(double *loss, double *grad,
                                              const double *log_probabilities,
                                              losses_targets targets, losses_shape shape,
                                              const losses_options *options)
{
    lossi_call call;
    size_t n, m, c, i;
    losses_status status = lossi_prepare(&call, LOSSI_NLL, loss, grad, log_probabilities,
                                         sizeof(double), targets, shape, 0, options);
    if (status != LOSSES_OK) return status;
    shape = call.shape;
    for (n = 0; n < shape.samples; n++) {
        for (m = 0; m < shape.positions; m++) {
            const size_t k = shape.class_stride, at = n * shape.sample_stride + m;
            const float *w = call.options.class_weight;
            int64_t t;
            double a_t, w_t;
            i = n * shape.positions + m;
            t = lossi_target(targets, i);
            w_t = t == call.ignore ? 0 : w != NULL ? (double)w[t] : 1;
            a_t = t == call.ignore ? 0 : log_probabilities[at + (size_t)t * k];
            lossi_reference_loss(&call, loss, i, w_t == 0 ? 0 : -w_t * a_t);
            for (c = 0; grad != NULL && c < shape.classes; c++)
                lossi_store(&grad[at + c * k], call.options.accumulate,
                            t != call.ignore && c == (size_t)t ? -w_t * lossi_factor(&call, i) : 0);
        }
    }
    return lossi_reference_end(&call, loss);
}

/* What a position's loss is asked to predict of class c: w_c q'_c, q = [c = t] for index targets. */
static double lossi_reference_target(const lossi_call *call, const float *q, int64_t t, size_t c)
{
    const losses_options *o = &call->options;
    const double e = (double)o->label_smoothing,
                 w_c = o->class_weight != NULL ? (double)o->class_weight[c] : 1;
    const double q_c = q != NULL         ? (double)q[c * call->shape.class_stride]
                       : t == (int64_t)c ? 1
                                         : 0;
    return w_c * ((1 - e) * q_c + e / (double)call->shape.classes);
}

/* Cross-entropy of one position, or focal as a function of it. Returns the loss.
 * Identity: with t_c = w_c q'_c and A = sum t_c, l = sum t_c (lse - x_c) and dl/dx_c = A p_c - t_c. At r
 * that is (A - t_r) - A (1 - p_r), with A - t_r summed over the others: nothing cancels for p_r near 1.
 * Focal is f(l) = a s^gamma l with s = 1 - p_t = 1 - e^-l, so its gradient is f'(l) dl/dx,
 * f'(l) = a s^gamma (1 + gamma p_t l / s). */
static double lossi_reference_position(const lossi_call *call, double *grad, const double *x,
                                       const float *q, int64_t t, size_t i, const double *gamma)
{
    const losses_options *o = &call->options;
    const size_t classes = call->shape.classes, k = call->shape.class_stride;
    const double z = (double)o->z_loss;
    size_t c, r;
    const double S = lossi_reference_margin(x, classes, k, &r), L = log1p(S), x_r = x[r * k];
    const double lse = x_r + L, s_r = S / (1 + S), p_r = 1 / (1 + S);
    double u = lossi_factor(call, i), loss, t_r = 0;
    lossi_sum l = {0, 0}, rest = {0, 0};

    for (c = 0; c < classes; c++) {
        const double t_c = lossi_reference_target(call, q, t, c);
        lossi_add(&l, lossi_times(t_c, (x_r - x[c * k]) + L));
        if (c == r)
            t_r = t_c;
        else
            lossi_add(&rest, t_c);
    }
    lossi_add(&l, z * lse * lse);
    loss = isnan(S) ? S : lossi_total(&l);
    if (gamma != NULL) {
        const double p_t = (int64_t)r == t ? p_r : exp(x[(size_t)t * k] - x_r) / (1 + S);
        const double s = (int64_t)r == t ? s_r : 1 - p_t;
        const double a =
            (double)o->alpha * (o->class_alpha != NULL ? (double)o->class_alpha[t] : 1);
        const double power = a * pow(s, *gamma);
        u *= power * (1 + *gamma * (s > 0 ? lossi_times(p_t, loss) / s : 1));
        loss = lossi_times(power, loss);
    }
    if (o->log_sum_exp != NULL) o->log_sum_exp[i] = (float)lse;
    for (c = 0; grad != NULL && c < classes; c++) {
        const double p = c == r ? p_r : exp(x[c * k] - x_r) / (1 + S), A = lossi_total(&rest) + t_r;
        const double g = c == r && S < 1 ? lossi_total(&rest) - A * s_r
                                         : A * p - lossi_reference_target(call, q, t, c);
        lossi_store(&grad[c * k], o->accumulate, u * (g + 2 * z * lse * p));
    }
    return loss;
}

static losses_status lossi_reference_softmax(int kind, double *loss, double *grad,
                                             const double *logits, losses_targets targets,
                                             losses_shape shape, const double *gamma,
                                             const losses_options *options)
{
    lossi_call call;
    size_t n, m, c, i;
    losses_status status = lossi_prepare(&call, kind, loss, grad, logits, sizeof(double), targets,
                                         shape, gamma != NULL ? *gamma : 0, options);
    if (status != LOSSES_OK) return status;
    shape = call.shape;
    for (n = 0; n < shape.samples; n++) {
        for (m = 0; m < shape.positions; m++) {
            const size_t at = n * shape.sample_stride + m;
            const float *q = targets.type == LOSSI_F32 ? (const float *)targets.data + at : NULL;
            int64_t t = -1;
            double l = 0;
            i = n * shape.positions + m;
            if (q == NULL) t = lossi_target(targets, i);
            if (q == NULL && t == call.ignore) {
                if (call.options.log_sum_exp != NULL) call.options.log_sum_exp[i] = 0;
                for (c = 0; grad != NULL && c < shape.classes; c++)
                    lossi_store(&grad[at + c * shape.class_stride], call.options.accumulate, 0);
            } else {
                l = lossi_reference_position(&call, grad != NULL ? grad + at : NULL, logits + at, q,
                                             t, i, gamma);
            }
            lossi_reference_loss(&call, loss, i, l);
        }
    }
    return lossi_reference_end(&call, loss);
}

LOSSES_API losses_status losses_reference_cross_entropy(double *loss, double *grad,
                                                        const double *logits,
                                                        losses_targets targets, losses_shape shape,
                                                        const losses_options *options)
{
    return lossi_reference_softmax(LOSSI_CROSS_ENTROPY, loss, grad, logits, targets, shape, NULL,
                                   options);
}

LOSSES_API losses_status losses_reference_focal(double *loss, double *grad, const double *logits,
                                                losses_targets targets, losses_shape shape,
                                                double gamma, const losses_options *options)
{
    return lossi_reference_softmax(LOSSI_FOCAL, loss, grad, logits, targets, shape, &gamma,
                                   options);
}

/* Target of element i in its plane, of which q (float targets) or the packed index `packed` is the
 * start; -1 where ignored. */
static double lossi_reference_mask(const lossi_call *call, size_t at, size_t packed)
{
    int64_t t;
    if (call->targets.type == LOSSI_F32) return (double)((const float *)call->targets.data)[at];
    t = lossi_target(call->targets, packed);
    return t == call->ignore ? -1 : (double)t;
}

/* One element of binary cross-entropy (gamma NULL) or sigmoid focal. Returns the loss.
 * Identity: m^(gamma-1) p (1-p) = m^gamma v with v = p (1-p) / m, which stays finite: for t of 0 or 1
 * it is 1 - m. */
static double lossi_reference_element(const lossi_call *call, double *grad, double x, double t,
                                      size_t c, size_t i, const double *gamma)
{
    const losses_options *o = &call->options;
    const double p = lossi_logistic(x), n = lossi_logistic(-x), u = lossi_factor(call, i);
    double w, b, bce, loss, g;

    if (gamma == NULL) {
        w = o->class_weight != NULL ? (double)o->class_weight[c] : 1;
        b = o->positive_weight != NULL ? (double)o->positive_weight[c] : 1;
        loss = lossi_times(b * t, lossi_softplus(-x)) + lossi_times(1 - t, lossi_softplus(x));
        loss = lossi_times(w, loss);
        g = w * ((1 - t) * p - b * t * n);
    } else {
        const double m = t * n + (1 - t) * p, power = pow(m, *gamma);
        const double v = m > 0 || isnan(m) ? p * n / m : 1;
        const double alpha = (double)o->alpha,
                     a = alpha < 0 ? 1 : alpha * t + (1 - alpha) * (1 - t);
        bce = lossi_times(t, lossi_softplus(-x)) + lossi_times(1 - t, lossi_softplus(x));
        loss = lossi_times(a * power, bce);
        g = a * power * (((1 - t) * p - t * n) + *gamma * (1 - 2 * t) * lossi_times(v, bce));
    }
    if (grad != NULL) lossi_store(grad, o->accumulate, u * g);
    return loss;
}

static losses_status lossi_reference_sigmoid(int kind, double *loss, double *grad,
                                             const double *logits, losses_targets targets,
                                             losses_shape shape, const double *gamma,
                                             const losses_options *options)
{
    lossi_call call;
    size_t n, c, m, i = 0;
    losses_status status = lossi_prepare(&call, kind, loss, grad, logits, sizeof(double), targets,
                                         shape, gamma != NULL ? *gamma : 0, options);
    if (status != LOSSES_OK) return status;
    shape = call.shape;
    for (n = 0; n < shape.samples; n++) {
        for (c = 0; c < shape.classes; c++) {
            for (m = 0; m < shape.positions; m++, i++) {
                const size_t at = n * shape.sample_stride + c * shape.class_stride + m;
                const double t = lossi_reference_mask(&call, at, i);
                double l = 0;
                if (targets.type != LOSSI_F32 && t < 0) {
                    if (grad != NULL) lossi_store(&grad[at], call.options.accumulate, 0);
                } else {
                    l = lossi_reference_element(&call, grad != NULL ? grad + at : NULL, logits[at],
                                                t, c, i, gamma);
                }
                lossi_reference_loss(&call, loss, i, l);
            }
        }
    }
    return lossi_reference_end(&call, loss);
}

LOSSES_API losses_status losses_reference_binary_cross_entropy(double *loss, double *grad,
                                                               const double *logits,
                                                               losses_targets targets,
                                                               losses_shape shape,
                                                               const losses_options *options)
{
    return lossi_reference_sigmoid(LOSSI_BINARY, loss, grad, logits, targets, shape, NULL, options);
}

LOSSES_API losses_status losses_reference_sigmoid_focal(double *loss, double *grad,
                                                        const double *logits,
                                                        losses_targets targets, losses_shape shape,
                                                        double gamma, const losses_options *options)
{
    return lossi_reference_sigmoid(LOSSI_SIGMOID_FOCAL, loss, grad, logits, targets, shape, &gamma,
                                   options);
}

/* Identity: with V = sum p (1-t) + (1-p) t, P + T = V + 2I, so that with D = V + 2I + E the loss is V / D
 * without a subtraction, and its gradient p (1-p) ((1-t) (2I + E) - t (2V + 2I + E)) / D^2. */
LOSSES_API losses_status losses_reference_dice(double *loss, double *grad, const double *logits,
                                               losses_targets targets, losses_shape shape,
                                               const losses_options *options)
{
    lossi_call call;
    size_t n, c, m, i;
    losses_status status = lossi_prepare(&call, LOSSI_DICE, loss, grad, logits, sizeof(double),
                                         targets, shape, 0, options);
    if (status != LOSSES_OK) return status;
    shape = call.shape;
    for (n = 0; n < shape.samples; n++) {
        for (c = 0; c < shape.classes; c++) {
            const size_t at = n * shape.sample_stride + c * shape.class_stride;
            lossi_sum I = {0, 0}, V = {0, 0};
            double I2, D;
            i = n * shape.classes + c;
            for (m = 0; m < shape.positions; m++) {
                const double x = logits[at + m],
                             t = lossi_reference_mask(&call, at + m, i * shape.positions + m);
                if (targets.type != LOSSI_F32 && t < 0) continue;
                lossi_add(&I, t * lossi_logistic(x));
                lossi_add(&V, (1 - t) * lossi_logistic(x));
                lossi_add(&V, t * lossi_logistic(-x));
            }
            I2 = 2 * lossi_total(&I) + call.smooth, D = lossi_total(&V) + I2;
            lossi_reference_loss(&call, loss, i, lossi_total(&V) / D);
            for (m = 0; grad != NULL && m < shape.positions; m++) {
                const double x = logits[at + m],
                             t = lossi_reference_mask(&call, at + m, i * shape.positions + m);
                const double v = (1 - t) * I2 - t * (2 * lossi_total(&V) + I2);
                const double g = lossi_logistic(x) * lossi_logistic(-x) * v / D / D;
                lossi_store(&grad[at + m], call.options.accumulate,
                            targets.type != LOSSI_F32 && t < 0 ? 0 : lossi_factor(&call, i) * g);
            }
        }
    }
    return lossi_reference_end(&call, loss);
}
#endif /* LOSSES_NO_REFERENCE */

#ifdef __cplusplus
}
#endif
#if defined(__clang__)
#pragma float_control(pop)
#elif defined(__GNUC__)
#pragma GCC pop_options
#elif defined(_MSC_VER)
#pragma float_control(pop)
#endif
#endif /* LOSSES_IMPLEMENTATION */

/* MIT No Attribution
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
 * associated documentation files (the "Software"), to deal in the Software without restriction,
 * including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
 * and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
 * LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN
 * NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
 * WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
 * SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE. */
