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
 *   LOSSES_STATIC          everything static, for a library inside a library; where LOSSES_IMPLEMENTATION is
 *   LOSSES_API             decorates each declaration, e.g. for a DLL
 *   LOSSES_NO_SIMD         plain C, one number at a time: smallest, needs no CPU test
 *   LOSSES_NO_REFERENCE    leaves the double reference out, and with it the only use of libm (-lm)
 *   LOSSES_NO_DOUBLE       no double in any arithmetic (implies LOSSES_NO_REFERENCE, and no partial results); in
 *                          all files that include this or in none: the structs differ
 *   LOSSES_OPENMP          calls on 32768 logits or more use the cores, through OpenMP (-fopenmp), which may
 *                          allocate; else no thread is started
 *   LOSSES_FILE            the name this file was given, if it was renamed: "my_losses.h"; without it, such
 *                          a file stays with one instruction set, e.g. SSE2, and has its bits, and where
 *                          #include finds another "losses.h" it does not compile
 *
 * The same bits: builds of one class give the same results to the last bit, on every CPU, from every
 * compiler, at every optimisation level.
 *   fused           AVX-512, AVX2, NEON, MVE, RISC-V V, POWER (VSX): losses_isa() is "avx512", "avx2", "neon",
 *                   "mve", "rvv" or "vsx". NEON of ARMv7 and MVE take denormal numbers for 0, and their
 *                   results then differ
 *   plain           SSE2, WebAssembly and any other CPU: "sse2", "wasm", "scalar"
 *   LOSSES_NO_SIMD  a class of its own, though "scalar" too
 * LOSSES_NO_DOUBLE makes another class of each. The number of threads makes no difference, nor does LOSSES_OPENMP.
 * Under -Ofast and -ffast-math finite input gets right results, though clang's may be of no class (nor those of
 * its -ffp-contract=fast); a program that is linked with them takes denormal numbers for 0 throughout.
 *
 * Contents:
 *   PART 1  INTERFACE   what you call, documented           every includer
 *   PART 2  GROUND      compiler facts, types, helpers      LOSSES_IMPLEMENTATION from here on
 *   PART 3  VOCABULARY  vector words, per instruction set
 *   PART 4  KERNELS     exp, log and each loss; the plain ones again for one number at a time
 *   PART 5  CALLS       argument checks, reductions, dispatch
 *   PART 6  REFERENCE   the same losses in double, plain loops: the specification
 */
#ifndef LOSSI_INNER
#ifndef LOSSES_H
#define LOSSES_H
/* ===================================== PART 1: INTERFACE ========================================
 *
 *     float loss;
 *     losses_cross_entropy(&loss, grad, logits, losses_i32(labels), losses_rows(n, c), NULL);
 *
 * A call reads like (loss, grad) = L(logits, targets). Pass NULL for loss or for grad when you do
 * not want it; with both NULL, report and log_sum_exp are still filled. A NULL or zeroed
 * losses_options is the textbook loss. Logits are float; nothing needs to be aligned beyond its own type.
 *
 * Common to all calls:
 *   bits      A result has the same bits with and without the other output, in place or not, at any
 *             alignment, and for any integer type of the targets. What a position gets does not
 *             depend on what else is in the call: alone or in a batch, the bits are the same. But above
 *             48 classes those that lie side by side (class_stride 1) are added in another order than
 *             those that do not (with LOSSES_NO_SIMD in the same), and the mean and sum of the sigmoid
 *             losses of rows are added up in an order that goes with the strides.
 *   exact     Values are within 4 ulp and gradients within 32 ulp of the exact result for the
 *             given float inputs, also where the model is confident; focal losses with gamma above 10
 *             within gamma / 4 ulp more. An ulp is the distance between floats at the exact result. Where
 *             the terms of a gradient cancel (smoothing, probability targets, z_loss) the error is at
 *             most 4 * 2^-24 times the largest term instead, all that multiplies p_j being one term;
 *             where lse cancels (log_sum_exp, z_loss), that times 1 or the largest |x|, whichever is
 *             more. A position's loss above FLT_MAX is +inf. The bounds are measured, not proved. Searching for
 *             the worst has found values 8 ulp off (sigmoid focal of probabilities), 6 (focal without FMA;
 *             cross-entropy with smoothing or probabilities and a logit of -1e4 or less), 5 (sigmoid losses,
 *             dice with LOSSES_NO_SIMD), in rows made for it (hundreds of classes 17 behind a few equal ones)
 *             5, with focal loss 16, and cancelling gradients 6.5 * 2^-24 off, with LOSSES_NO_DOUBLE 9. Focal
 *             loss of more than 300,000 classes with LOSSES_NO_SIMD may be more than 4 ulp off. Losses,
 *             weighted, below 2^-126 are each rounded to a multiple of 2^-149 before they are added up, and a
 *             sum of nll whose terms cancel (log-probabilities above 0) is as exact as the terms.
 *   range     What multiplies a loss or a gradient (upstream / D, weights, alpha, z_loss times lse and
 *             their products, those of class weights also with target probabilities or label_smoothing /
 *             classes) is to be 0 or between 2^-90 and 2^86, with LOSSES_NO_SIMD also below 2^88 /
 *             classes: beyond, results may overflow or lose bits though the exact ones would not. A
 *             probability below 2^-166 counts as 0, so does a focal factor (sigmoid focal of
 *             probabilities: below 2^-149, with fewer bits from 2^-126 on). That shows only where
 *             something large multiplies it: an upstream of 2^22 or more with logits 115 behind, or dice
 *             with eps * scale below 1e-6; the gradient is then 0 instead of a small number. With
 *             LOSSES_NO_DOUBLE a sum above FLT_MAX is +inf, and so is its mean.
 *   NaN, inf  A NaN logit gives NaN in the value and gradient of its position (softmax losses; nll
 *             reads a_t only), element (sigmoid losses) or mask (dice) and in the reduced value, nowhere
 *             else; so does +inf in a softmax, or a position that is all -inf. A -inf logit has
 *             probability 0. An infinite loss times 0 (a weight, alpha, target probability or focal factor,
 *             or what counts as 0) is 0, NaN times 0 is NaN (but nll with a weight of 0 is 0). NaN and inf
 *             in upstream and in float targets go through the arithmetic: NaN gives NaN, inf where it
 *             multiplies anything inf or NaN, which of them is not promised; gradients that are 0 by
 *             definition (ignored, nll beside the target, the mean over nothing) stay 0.
 *   ignored   An ignored position has loss 0 and gradient 0, its logits do not matter, and it counts
 *             in no denominator.
 *   empty     The mean over nothing, or over a total weight of 0, is NaN with nan_if_empty or if the sum
 *             is NaN, otherwise 0, whatever the sum. Gradients are 0, or NaN where a logit makes them so.
 *             With the option `denominator` it is the sum divided by that, as always. Data pointers may
 *             be NULL when there is no element.
 *   errors    Arguments are checked before anything is written; after an error no output has been
 *             touched, apart from report->bad_position.
 *   aliasing  Inputs may share memory. An output may not, not even with the gaps between the strides of
 *             another array, but for one: grad may be logits itself, unless accumulating.
 *   threads   Any functions may run side by side, where no output is shared. Nothing that is passed in is
 *             kept after the call. Stack: up to 64 kB, 3 kB with LOSSES_NO_SIMD.
 *   floating  Rounding is to be to nearest: in another mode results may be NaN. Calls leave the mode and
 *   point     the traps as they are, but may raise any exception flag, also "invalid" for finite logits:
 *             not to be called with traps on. */
#include <stddef.h>
#include <stdint.h>

#define LOSSES_VERSION_MAJOR  0
#define LOSSES_VERSION_MINOR  1
#define LOSSES_VERSION_PATCH  0
#define LOSSES_VERSION        100 /* 10000 * major + 100 * minor + patch */
#define LOSSES_VERSION_STRING "0.1.0"

#if defined(__SIZEOF_DOUBLE__) && __SIZEOF_DOUBLE__ < 8 && !defined(LOSSES_NO_DOUBLE)
#define LOSSES_NO_DOUBLE /* double is float: AVR */
#endif
#if defined(__SIZEOF_SIZE_T__) && __SIZEOF_SIZE_T__ < 4 && !defined(LOSSES_NO_SIMD)
#define LOSSES_NO_SIMD
#endif
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
    LOSSES_BAD_POINTER = -1, /* a required pointer is NULL */
    LOSSES_BAD_SHAPE = -2,   /* no classes, strides that overlap, more bytes than size_t counts */
    LOSSES_BAD_OPTION = -3,  /* out of range, not finite, or of another loss, reduction or
                                kind of target */
    LOSSES_BAD_TARGET = -4,  /* a class index out of range, a mask value other than 0, 1 or ignored,
                                or a type of target that this loss does not take */
    LOSSES_BAD_OVERLAP = -5  /* an output shares memory with an input or another output, their
                                gaps included */
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
    losses_targets targets;
    targets.data = values;
    targets.type = 1;
    return targets;
}

LOSSES_INLINE losses_targets losses_i32(const int32_t *values)
{
    losses_targets targets;
    targets.data = values;
    targets.type = 2;
    return targets;
}

LOSSES_INLINE losses_targets losses_i64(const int64_t *values)
{
    losses_targets targets;
    targets.data = values;
    targets.type = 3;
    return targets;
}

LOSSES_INLINE losses_targets losses_f32(const float *values)
{
    losses_targets targets;
    targets.data = values;
    targets.type = 4;
    return targets;
}

/* Element (sample, class, position) stands at sample * sample_stride + class * class_stride + position.
 * Positions share the class axis: 1 for an N x C matrix, H*W for an N x C x H x W tensor. A stride of
 * 0 means packed: class_stride = positions, sample_stride = classes * class_stride. Strides count elements.
 * Samples and positions have no default: 0 of them are none, which is no error. An N x C matrix by
 * columns has sample_stride 1 and class_stride N. Either sample_stride steps over all classes of a sample, or
 * class_stride over all samples of a class; anything else counts as overlap. Padding between strides is never
 * read and never written. grad and float targets are laid out like the logits; integer targets, losses,
 * log_sum_exp and per-loss upstream values are always packed. */
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
    size_t bad_position; /* after LOSSES_BAD_TARGET: the first bad one in the packed targets; not
                            written where their type is bad; 0 after LOSSES_OK */
} losses_report;

/* Zeroed (= {0} in C, = {} in C++) = defaults. An option that a loss does not know must be zero, flags are 0
 * or 1; otherwise LOSSES_BAD_OPTION. Where 0 means "the default", pass alpha = FLT_MIN for an alpha of 0, and
 * eps = FLT_MIN with scale 1 for the least eps * scale. has_ignore_index is for integer targets only.
 * Upstream is dL/dloss, the factor of every gradient. */
typedef struct losses_options {
    losses_reduction reduction; /* default LOSSES_MEAN; all losses */
    losses_wide denominator;    /* > 0: LOSSES_MEAN divides by this; mean only; all losses */
    int has_ignore_index;       /* 0: integer targets equal to -100 are ignored, 1: to the next */
    int64_t ignore_index;       /* any integer, e.g. 255 for uint8_t, also a class; INT64_MIN where
                                     nothing is to be ignored; 0 without the former */
    int nan_if_empty;           /* 1: the mean over nothing is NaN, 0: it is 0; all losses */
    const float *class_weight;  /* [classes], finite, >= 0; nll, (binary) cross-entropy */
    const float *positive_weight; /* [classes], finite, >= 0; binary cross-entropy */
    float label_smoothing;        /* [0, 1]; cross-entropy */
    float z_loss;                 /* >= 0: adds z_loss * lse^2, not class-weighted; cross-entropy */
    float alpha; /* focal: >= 0, 0 means 1; sigmoid focal: <= 1, 0 means 0.25, < 0 off */
    const float *class_alpha; /* [classes], finite, >= 0, multiplies alpha; focal */
    float scale, eps;         /* > 0, 0 means 1000 and 1e-6; dice */
    const float *upstream;    /* 1 value (mean, sum) or one per loss (none); NULL = 1; all losses */
    int accumulate;           /* 1: gradients are added to grad, not stored; all losses */
    float *log_sum_exp;    /* out: [samples][positions], 0 where ignored, NaN where a logit is NaN
                               * or +inf or all are -inf; cross-entropy, focal */
    losses_report *report; /* out; all losses */
} losses_options;

/* --- the losses -------------------------------------------------------------------------------
 * loss: 1 value for mean and sum; for none one per position (softmax losses), per element (sigmoid
 * losses), or per mask, that is plane of one sample and class (dice), packed in the order of integer
 * targets. grad: laid out like the logits.
 *
 * Notation: x the logits of one position, C classes, t its target, p = softmax(x), w class weights
 * (1 if absent), lse = log sum_j e^(x_j), s(d) = 1 / (1 + e^-d), sp(d) = log(1 + e^d), e = label_smoothing,
 * [.] = 1 if true else 0. Gradients are given before upstream and the mean's 1/D. */

/* a_j = x_j - lse for every position. May run in place; no pointer may be NULL unless there is no
 * element. -inf for a -inf logit.
 * Cost: one exp per logit; reads up to four times, writes once. Error: 4 ulp. */
LOSSES_API losses_status losses_log_softmax(float *log_probabilities, const float *logits,
                                            losses_shape shape);

/* dx_j = u_j - e^(a_j) sum_c u_c, with a the log-probabilities. May run in place, on either input;
 * pointers as above. NaN in a_j makes dx_j NaN, NaN in u those of its position. sum_c |u_c| is to be below
 * 2^88. Cost: one exp per element. Error: 4 * 2^-24 of |u_j| + e^(a_j) sum_c |u_c|. */
LOSSES_API losses_status losses_log_softmax_gradient(float *grad, const float *upstream,
                                                     const float *log_probabilities,
                                                     losses_shape shape);

/* Negative log-likelihood of given log-probabilities a:  l = -w_t a_t,  dl/da_j = -w_t [j = t].
 * mean: D = sum of w_t over the counted positions. Targets: integers. Options: class_weight and those
 * of all losses. Where a_t is NaN, -inf or +inf the value is NaN, +inf or -inf, or 0 if w_t is; the
 * gradient is -w_t in all cases. Cost: one read per position; the gradient is a fill with
 * zeros. */
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
 * finite gradient, and so does, with label smoothing, any class at -inf whose weight is not 0; 0 * inf counts
 * as 0 where a weight or target probability is 0. Options: class_weight, label_smoothing, z_loss, log_sum_exp.
 * Cost: one exp per logit (up to two when accumulating). Sources: Szegedy et al. 2016 (label smoothing), de
 * Brebisson & Vincent 2016 (z-loss). */
LOSSES_API losses_status losses_cross_entropy(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              const losses_options *options);

/* Focal loss on the softmax, a = alpha * class_alpha_t, gamma >= 0 and finite:
 *     l = a (1-p_t)^gamma (-log p_t);   with d = log sum_{j != t} e^(x_j) - x_t:
 *     l = a s(d)^gamma sp(d),  h = -a s(d)^gamma (gamma p_t sp(d) + s(d))
 *     dl/dx_t = h,  dl/dx_j = -h p_j / (1 - p_t)                mean: D = number of positions
 * Targets: integers. Options: alpha, class_alpha, log_sum_exp. gamma = 0 is cross-entropy. One class: 0.
 * A target class at -inf gives the value +inf and a finite gradient. Cost: as cross-entropy, and one exp
 * and log per position unless gamma is 0, 1 or 2.
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
 * logits as in binary cross-entropy, but 0 where m^gamma counts as 0. Cost: as that, and one more exp and log
 * unless gamma is 0, 1 or 2.
 * Source: Lin et al. 2017. */
LOSSES_API losses_status losses_sigmoid_focal(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              float gamma, const losses_options *options);

/* Soft dice on logits, one loss for each mask (a plane of one sample and class), p = s(x),
 * I = sum p t, P = sum p, T = sum t over its pixels that are not ignored, E = eps * scale:
 *     l = 1 - (2I + E) / (P + T + E)
 *     dl/dx_i = p_i (1-p_i) ((2I + E) - 2 t_i (P + T + E)) / (P + T + E)^2
 * mean: D = number of masks (or denominator) + 1e-8. A mask without a counted pixel is worth 0 and is
 * not counted. Targets: masks or probabilities. Options: scale, eps; E must be a normal float. Infinite
 * logits are p = 0 and p = 1. Cost: one exp per pixel (two when accumulating).
 * Source: Milletari et al. 2016, with the linear denominator of Sudre et al. 2017. */
LOSSES_API losses_status losses_dice(float *loss, float *grad, const float *logits,
                                     losses_targets targets, losses_shape shape,
                                     const losses_options *options);

/* --- one position at a time: the kernels under the calls above ---------------------------------
 * For firmware, for rows that arrive one by one, and for your own loops: losses_cross_entropy,
 * losses_focal with alpha 1, and losses_dice of one sample with LOSSES_SUM, to the bit. Contiguous floats,
 * no options. Each returns the loss (without upstream) and, if grad is not NULL, stores upstream *
 * dloss/dlogits; grad may be logits. NaN, range and errors as above; cost as of those. An argument out of range
 * (target not < classes; gamma or smooth negative, infinite or NaN; smooth 0) returns NaN and touches nothing;
 * pointers are not checked. Without a pixel: 0. */
LOSSES_API float losses_cross_entropy_row(float *grad, const float *logits, size_t classes,
                                          size_t target, float upstream);
LOSSES_API float losses_focal_row(float *grad, const float *logits, size_t classes, size_t target,
                                  float gamma, float upstream);
/* mask: 0 or not 0, [pixels]; smooth = eps * scale */
LOSSES_API float losses_dice_mask(float *grad, const float *logits, const uint8_t *mask,
                                  size_t pixels, float smooth, float upstream);

#ifndef LOSSES_NO_DOUBLE
/* --- partial results ----------------------------------------------------------------------------
 * For losses whose logits are not in one place at one time: the parts go into small states, these are
 * merged, and the gradient of each part follows from them. Pass the same options and gamma to every
 * function; each checks them all and reads what concerns it. All else is as in the calls above.
 * States can be sent as bytes between builds with the same layout of structs and order of bytes. The bits of a
 * result depend on the parts, their order and the class of the build; a build that computes on the x87 has its
 * own.
 *
 * Classes in blocks: a vocabulary that is made a block at a time, or stands on several machines.
 * Cross-entropy, and with gamma above 0 focal loss, on one state for each position, zeroed at first:
 *     losses_partial_fold      takes a block of classes into states
 *     losses_partial_merge     takes states of the same positions and other classes into states; the arrays
 *                              must be apart
 *     losses_partial_finish    makes losses of states that have every class, each folded once, and leaves in
 *                              them what the gradient needs. May be called again: the sums stay (NaN for a
 *                              position that is all -inf)
 *     losses_partial_gradient  writes the gradient of a block, from finished states and its logits
 * Shape, logits, probabilities and grad are those of the block, class indices and weights those of the
 * whole. A block has at least one class; of the shape the finish reads samples and positions, of the block its
 * classes. Of the options all read has_ignore_index and ignore_index, the fold also label_smoothing and
 * class_weight, the gradient these and accumulate; the finish reads all that its loss has but accumulate, and
 * it alone writes log_sum_exp and the report. That a state has every class it knows by their number: which, it
 * does not. The finish does not read probabilities, but wants their pointer. Before the finish the gradient is
 * 0 (NaN where a logit is NaN or +inf).
 *
 *     losses_partial states[N] = {0};
 *     for each block of n classes: losses_partial_fold(states, x, y, losses_rows(N, n), block, 0, &o);
 *     (states of several machines: losses_partial_merge, as the operation of an all-reduce)
 *     losses_partial_finish(&loss, states, y, losses_rows(N, n), block, 0, &o);
 *     for each block: losses_partial_gradient(grad, states, x, y, losses_rows(N, n), block, 0, &o);
 *
 * Any blocks, folded and merged in any order: values are as exact as those of the whole call and within 4 ulp
 * of them (5 have been seen, once in millions), gradients
 * within 32 ulp of the exact ones, or where their terms cancel 4 * 2^-24 of the largest. A block outside of
 * the classes, or at the finish a state without every class, is LOSSES_BAD_SHAPE. Cost: the fold that of the
 * value of the block; with probabilities, or label smoothing above 1/2 or with class_weight, a second read;
 * with less smoothing up to twice that for a block with a logit 30 above the reference, or with a mean 4 above;
 * the gradient one exp per logit.
 * Source: two softmax sums are merged as in Milakov & Gimelshein 2018. */

typedef struct losses_block {
    size_t first;   /* its first class */
    size_t classes; /* of the whole */
} losses_block;

/* Of one position. Private: zero it, pass it on. With t_c the target terms w_c q'_c of the whole call, without
 * that of a class index: */
typedef struct losses_partial {
    double sum; /* of e^(x_c) over classes but the target or r, times a power of two or e^(-x_r) */
    double margins; /* label smoothing and probabilities: sum t_c (x_r - x_c) */
    double rest;    /* and sum t_c over the classes but r */
    double t_r;     /* t_c of r */
    double slope;   /* after the finish: of the gradient in e^(x_c) */
    size_t folded;  /* classes */
    size_t r;       /* that with the greatest logit, where it is kept apart */
    float x_r, x_t; /* the scale of the sum, or logit of r; logit of the target, or 0 */
    float at_r;     /* after the finish: gradient of r, or of the target where no r is apart */
    float less_t;   /* and what that of the target is less, where it is not r */
    float u;        /* upstream / D */
} losses_partial;

LOSSES_API losses_status losses_partial_fold(losses_partial *states, const float *logits,
                                             losses_targets targets, losses_shape shape,
                                             losses_block block, float gamma,
                                             const losses_options *options);
LOSSES_API losses_status losses_partial_merge(losses_partial *states, const losses_partial *others,
                                              size_t count);
LOSSES_API losses_status losses_partial_finish(float *loss, losses_partial *states,
                                               losses_targets targets, losses_shape shape,
                                               losses_block block, float gamma,
                                               const losses_options *options);
LOSSES_API losses_status losses_partial_gradient(float *grad, const losses_partial *states,
                                                 const float *logits, losses_targets targets,
                                                 losses_shape shape, losses_block block,
                                                 float gamma, const losses_options *options);

/* A mask that arrives in tiles; zeroed: no pixel yet. Private but for the first three. */
typedef struct losses_partial_mask {
    double intersection;             /* sum p t */
    double difference;               /* sum p (1-t) + (1-p) t */
    size_t counted;                  /* pixels that are not ignored */
    double slope_0, slope_1, factor; /* left by losses_partial_dice for the gradient */
} losses_partial_mask;

/* Adds a tile to each mask: states[samples][classes], shape.positions the pixels of the tile. Integer
 * targets are packed as the tile is. A tile without a pixel adds nothing. Reads: has_ignore_index,
 * ignore_index. Cost: one exp per pixel. Error of the sums: 2^-22 of each. */
LOSSES_API losses_status losses_partial_dice_fold(losses_partial_mask *states, const float *logits,
                                                  losses_targets targets, losses_shape shape,
                                                  const losses_options *options);

/* states[i] += others[i], for i < count: of the sums; the arrays must be apart. Tiles may have been folded
 * in any order and grouping. */
LOSSES_API losses_status losses_partial_dice_merge(losses_partial_mask *states,
                                                   const losses_partial_mask *others, size_t count);

/* The losses of complete masks, as losses_dice gives them to 4 ulp: loss has 1 value for mean and sum, one
 * per mask for none, or is NULL. Leaves in the states what the gradient needs; the sums stay, so that more
 * can be folded and this be called again. A mask without a counted pixel is worth 0 and is not counted.
 * Reads: reduction, denominator, nan_if_empty, scale, eps, upstream, report. */
LOSSES_API losses_status losses_partial_dice(float *loss, losses_partial_mask *states, size_t masks,
                                             const losses_options *options);

/* The gradient of a tile, from what losses_partial_dice left in the states (before it 0, NaN where a logit
 * is): as losses_dice gives it to 32 ulp, or of probabilities to 4 * 2^-24 of the larger term. grad may be
 * logits, unless accumulating. Reads: has_ignore_index, ignore_index, accumulate. Cost: one exp per pixel. */
LOSSES_API losses_status losses_partial_dice_gradient(float *grad,
                                                      const losses_partial_mask *states,
                                                      const float *logits, losses_targets targets,
                                                      losses_shape shape,
                                                      const losses_options *options);

/* Adds the sum, the denominator and counted of one report to another, for a batch that is taken in several
 * calls: the mean over all of it is sum / denominator, with the denominators that the calls found (not one
 * given to them as an option; dice adds 1e-8 in each). The two must be apart. */
LOSSES_API losses_status losses_partial_report(losses_report *report, const losses_report *other);
#endif

#ifndef LOSSES_NO_REFERENCE
/* --- the same in double, plain and slow: the specification --------------------------------------
 * Float targets, weights, upstream and log_sum_exp stay float. Within 100 * 2^-53 of the exact result
 * (of the largest term where terms cancel) where x_j - x_r is exact, as it is for floats of like size;
 * otherwise its rounding adds max |x_j - x_r| * 2^-53, in the focal losses times 1 + gamma; these have
 * 2 gamma * 2^-53 more of gamma above 10. Probabilities below 2^-1022 have fewer bits. The default eps is the
 * double 1e-6. Uses exp, log1p and pow of libm, which may set errno. */
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
/* "LOSSES_BAD_TARGET" ...; "unknown losses_status" for any other number. Never NULL; not to be freed. */
LOSSES_API const char *losses_status_name(losses_status status);

/* The instruction set in use: "avx512", "avx2", "sse2", "neon", "mve", "rvv", "vsx", "wasm" or
 * "scalar". */
LOSSES_API const char *losses_isa(void);

/* Forces one by its name (for tests), for calls that start later in any thread (a call of losses_dice that is
 * under way may go on with it); NULL = the best there is. LOSSES_BAD_OPTION, and no change, if this build or
 * machine lacks it. */
LOSSES_API losses_status losses_use_isa(const char *name);

#undef LOSSES_INLINE
#ifdef __cplusplus
}
#endif
/* You can stop reading here: the rest is how it is done. */
#endif /* LOSSES_H */

#if defined(LOSSES_IMPLEMENTATION) && !defined(LOSSI_DONE)
#define LOSSI_DONE
/* ====================================== PART 2: GROUND ==========================================
 * Compiler and CPU facts, the types that the parts share, the scalar helpers, and the readings of
 * PARTS 3 and 4 for each further instruction set. */
#include <float.h>
#ifndef LOSSES_NO_REFERENCE
#include <math.h>
#endif

#ifndef LOSSES_FILE
#define LOSSES_FILE "losses.h"
#endif
#define LOSSI_SINGLE 0 /* plain C, 1 lane   */
#define LOSSI_SCALAR 1 /* plain C, 16 lanes */
#define LOSSI_SSE2   2
#define LOSSI_AVX2   3
#define LOSSI_AVX512 4
#define LOSSI_NEON   5
#define LOSSI_RVV    6
#define LOSSI_VSX    7
#define LOSSI_WASM   8
#define LOSSI_MVE    9

/* The arithmetic below is meant as written, also where the including program is compiled with -Ofast
 * or -ffast-math: no fused multiply-add but where it says so, and nothing re-associated. clang compiles
 * what the vector headers define likewise, so that this comes before them. */
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunknown-warning-option"
#pragma clang diagnostic ignored "-Wignored-pragmas" /* some targets have only the last of these */
#pragma clang diagnostic ignored "-Wdeprecated-altivec-src-compat"
#pragma float_control(push)
#pragma float_control(precise, on)
#pragma clang fp reassociate(off) contract(off)
#elif defined(_MSC_VER)
#pragma float_control(precise, on, push)
#pragma fp_contract(off)
#endif

#define LOSSI_AGAIN 1 /* the file can be read again: a copy pasted into another file cannot */
#if defined(__has_include) && !defined(_MSC_VER)
#if !__has_include(LOSSES_FILE)
#undef LOSSI_AGAIN
#define LOSSI_AGAIN 0
#endif
#endif
#if (defined(__i386__) && !defined(__SSE2_MATH__)) || defined(__m68k__) || \
    (defined(__GNUC__) && !defined(__clang__) && \
     (__FLT_EVAL_METHOD__ == 2 || __FLT_EVAL_METHOD__ == -1)) /* gcc -mfpmath=387, both */
#define LOSSI_X87 1 /* results have more bits than their type until they are stored */
#else
#define LOSSI_X87 0
#endif
#define LOSSI_AVX 0 /* the further sets of x86 can be compiled and chosen */
#if defined(__clang__) && defined(__has_builtin)
#if __has_builtin(__builtin_elementwise_fma)
#define LOSSI_VECTORS 1 /* the compiler has vectors of its own, with a fused multiply-add */
#endif
#elif defined(__GNUC__) && !defined(__TINYC__)
#define LOSSI_VECTORS 1
#endif
#ifdef LOSSES_NO_SIMD
#define LOSSI_BASE LOSSI_SINGLE /* the set that is compiled in place */
#elif defined(__TINYC__)
#define LOSSI_BASE LOSSI_SCALAR
#elif defined(__clang__) && defined(__FAST_MATH__) && \
    (defined(__XMMINTRIN_H) || defined(__ARM_NEON_H) || \
     defined(__ARM_MVE_H)) /* too late for the above: plain C */
#define LOSSI_BASE LOSSI_SCALAR
#elif defined(_M_X64) || (defined(__x86_64__) && defined(__GNUC__))
#define LOSSI_BASE LOSSI_SSE2
#include <immintrin.h>
#if defined(_MSC_VER) && defined(__clang__) /* clang-cl hides these unless -mavx.. is given */
#include <avxintrin.h>
#include <avx2intrin.h>
#include <fmaintrin.h>
#include <avx512fintrin.h>
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
/* MinGW gcc spills 32-byte vectors to a 16-byte aligned stack (GCC PR54412) */
#if LOSSI_AGAIN && !(defined(__MINGW32__) && !defined(__clang__))
#undef LOSSI_AVX
#define LOSSI_AVX 1
#endif
#elif !defined(__ARM_BIG_ENDIAN) && /* lanes would be in another order */ \
    (defined(__aarch64__) || defined(_M_ARM64) || \
     (defined(__ARM_NEON) && defined(__ARM_FEATURE_FMA) && (__ARM_FP & 4)))
#define LOSSI_BASE LOSSI_NEON
#include <arm_neon.h>
#elif !defined(__ARM_BIG_ENDIAN) && defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)
#define LOSSI_BASE LOSSI_MVE
#include <arm_mve.h>
#elif defined(__riscv_v) && defined(LOSSI_VECTORS)
#define LOSSI_BASE LOSSI_RVV
#elif defined(__VSX__) && defined(LOSSI_VECTORS)
#define LOSSI_BASE LOSSI_VSX
#elif defined(__wasm_simd128__)
#define LOSSI_BASE LOSSI_WASM
#else
#define LOSSI_BASE LOSSI_SCALAR
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("no-fast-math", "fp-contract=off", "no-tree-loop-distribute-patterns")
#if defined(LOSSES_NO_SIMD) && defined(__ARM_FEATURE_MVE) /* see LOSSI_SINGLY */
#pragma GCC optimize("no-tree-vectorize")
#endif
#endif

#if defined(__GNUC__)
#define LOSSI_ISA(features) __attribute__((target(features)))
#if defined(LOSSI_FORCE) /* for tests that instrument the code */
#elif (LOSSI_X87 && !defined(__x86_64__)) || !defined(__OPTIMIZE__) /* the code would be large */
#define LOSSI_FORCE static __attribute__((unused))
#else
#define LOSSI_FORCE static inline __attribute__((always_inline, unused))
#endif
#define LOSSI_APART __attribute__((noinline)) /* seldom needed: once, not in every loop */
#else
#define LOSSI_ISA(features)
#if defined(_MSC_VER)
#define LOSSI_FORCE static __forceinline
#else
#define LOSSI_FORCE static inline
#endif
#define LOSSI_APART
#endif
#if defined(__GNUC__) && LOSSI_BASE > LOSSI_SINGLE && LOSSI_BASE != LOSSI_MVE
#define LOSSI_PREFETCH(p)     __builtin_prefetch(p)
#define LOSSI_PREFETCH_FAR(p) __builtin_prefetch(p, 0, 2) /* as far as the second cache */
#else
#define LOSSI_PREFETCH(p)     ((void)(p))
#define LOSSI_PREFETCH_FAR(p) ((void)(p))
#endif
#if defined(__GNUC__) && !defined(LOSSES_NO_SIMD) /* which has no choice to keep */
#define LOSSI_ATOMIC_GET(p)    __atomic_load_n(p, __ATOMIC_RELAXED)
#define LOSSI_ATOMIC_SET(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#else
#define LOSSI_ATOMIC_GET(p)    (*(volatile int *)(p)) /* an aligned int is read and written whole */
#define LOSSI_ATOMIC_SET(p, v) (*(volatile int *)(p) = (v))
#endif

#if LOSSI_BASE == LOSSI_SSE2
#define LOSSI_FENCE() _mm_sfence()
#else
#define LOSSI_FENCE() ((void)0)
#endif

#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE_SIZE__) && __GNUC__ >= 8
#define LOSSI_PRAGMA(text) _Pragma(#text)
#define LOSSI_UNROLL(n)    LOSSI_PRAGMA(GCC unroll n)
#else
#define LOSSI_UNROLL(n) LOSSI_SINGLY
#endif

#if defined(LOSSES_OPENMP)
#if !defined(_OPENMP)
#error "LOSSES_OPENMP needs a compiler that has OpenMP on: -fopenmp"
#endif
#define LOSSI_THREADS 1
#if defined(_MSC_VER) && !defined(__clang__)
#define LOSSI_OPENMP(text) __pragma(text)
#else
#define LOSSI_OPENMP(text) _Pragma(#text)
#endif
#define LOSSI_PARALLEL(worthwhile) LOSSI_OPENMP(omp parallel for schedule(static) if (worthwhile))
#else
#define LOSSI_THREADS 0
#define LOSSI_PARALLEL(worthwhile)
#endif

/* Loops that clang must not vectorise. WebAssembly: V8 11.3 gets conversions between two floats and two doubles
 * wrong. MVE: vectors take denormal numbers for 0, and clang 19 got loops over arrays of different strides wrong */
#if (defined(__wasm__) || defined(__ARM_FEATURE_MVE)) && defined(__clang__)
#define LOSSI_SINGLY _Pragma("clang loop vectorize(disable)")
#else
#define LOSSI_SINGLY
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

/* A compensated sum: high + low is the exact sum to nearly twice the precision. */
typedef struct lossi_sum {
    losses_wide high, low;
} lossi_sum;

/* A float call, checked and resolved; a kernel reads what concerns it. */
typedef struct lossi_job {
    int loss;
    losses_shape shape;
    size_t from, to; /* positions, elements (sigmoid losses) or masks (dice), in packed order */
    float *grad;     /* or NULL; may be x */
    const float *x;  /* logits */
    const float *q;  /* float targets, or the upstream of the log-softmax gradient; or NULL */
    losses_targets targets;
    int64_t ignore;
    int ignored;               /* some targets are */
    int any;                   /* masks: anything but 0 is 1 */
    losses_wide keep, uniform; /* 1 - e and e / C of label smoothing */
    float alpha, gamma;        /* sigmoid focal: alpha < 0 means off */
    float z_loss, smooth;      /* dice: smooth = eps * scale */
    const float *weight;       /* per class: class_weight, or class_alpha in focal */
    losses_wide all_weight;    /* label smoothing: the sum of the class weights */
    const float *positive;     /* per class: positive_weight */
    const float *upstream;     /* one per loss, or NULL: factor */
    float factor;              /* of every gradient: upstream / D */
    int accumulate;
    int stream; /* the gradient is more than caches hold: past them to memory */
    float *log_sum_exp;
    float *losses;        /* or NULL: each loss */
    lossi_sum sum;        /* out: of the losses */
    void *states;         /* of partial results: to be added to */
    const void *finished; /* or to be read */
    size_t block;         /* first class of the block */
} lossi_job;

/* Some positions of a softmax call, or one plane of the others: what a kernel works on at a time. */
typedef struct lossi_place {
    float *grad;    /* or NULL; may be x */
    const float *x; /* logits */
    const float *q; /* or NULL */
    /* softmax: of q from class to class, along from row to row; sigmoid losses: 1 if the elements run
     * through the classes, 0 if all are of one class */
    size_t step;
    size_t x_step, grad_step; /* of x and grad, where those are elsewhere */
    size_t count;             /* positions, elements */
    size_t first;             /* index of the first into the packed targets */
    size_t plane;             /* sigmoid losses: its (first) class; dice: its mask */
    float *loss;              /* out: one for each position */
} lossi_place;

/* Sums over pixels of a mask: B V and B I of dice (I itself is a macro of complex.h) */
typedef struct lossi_mask {
    lossi_sum V, inter;
} lossi_mask;

/* The gradient of a mask is B p (1-p) (c0 + t c01) unit, c01 = -(c0 + c1) */
typedef struct lossi_slopes {
    float c0, c1, c01, unit;
} lossi_slopes;

/* What one instruction set provides. The first two take the positions or planes of a job. */
typedef struct lossi_kernels {
    const char *name;
    void (*softmax)(lossi_job *job);
    void (*planes)(lossi_job *job);
    void (*dice_sums)(const lossi_job *job, const lossi_place *at, lossi_mask *sums);
    void (*dice_gradient)(const lossi_job *job, const lossi_place *at, const lossi_slopes *c);
    float (*cross_entropy_row)(float *grad, const float *x, size_t classes, size_t t, float u);
    float (*focal_row)(float *grad, const float *x, size_t classes, size_t t, float gamma, float u);
#ifdef LOSSI_TEST
    void (*map)(int which, float *y, const float *x, size_t n);
#endif
} lossi_kernels;

#define LOSSV_B     1.099511627776e12f     /* 2^40 */
#define LOSSV_1_B   9.094947017729282e-13f /* 2^-40 */
#define LOSSI_TINY  7.8886091e-31f         /* 2^-100 */
#define LOSSI_FEW   48                     /* classes of a row up to which rows go side by side */
#define LOSSI_GROUP 16 /* blocks between compensated additions and checks of the guess */

/* C++98 may have none of these */
#define LOSSI_SIZE_MAX  ((size_t)-1)
#define LOSSI_INT32_MAX 2147483647
#define LOSSI_INT32_MIN (-LOSSI_INT32_MAX - 1)

#define LOSSI_POWER(n) ((size_t)1 << (LOSSI_SIZE_MAX > 0xffffffu ? (n) : 15u)) /* 2^n, or fewer */
#ifndef LOSSI_LARGE
#define LOSSI_LARGE LOSSI_POWER(23u) /* floats of a gradient that goes past the caches */
#endif
#ifndef LOSSI_PIECE
#define LOSSI_PIECE 8192u /* floats of a piece, at least; a call of less than four is one */
#endif
#define LOSSI_PIECES 64 /* at most */
#ifndef LOSSI_LONG
#define LOSSI_LONG LOSSI_POWER(17u) /* pixels up to which a mask is taken whole */
#endif
#define LOSSI_NEARBY 16384 /* floats that a near cache holds: rows before their gradients */
#define LOSSI_RUN    128   /* elements that a float sums */
#define LOSSI_SOON   2048  /* floats ahead that are asked for */
#define LOSSI_NEXT   512   /* and, from the second cache, for the first */
#ifndef LOSSI_EXACT
#define LOSSI_EXACT LOSSI_POWER(24u) /* integers below are exact in float */
#endif

/* The job of a zeroed losses_options with the sum as reduction. */
LOSSI_FORCE lossi_job lossi_textbook(int loss, losses_shape shape, losses_targets targets,
                                     float *grad, const float *x, float factor)
{
    lossi_job job;
    job.loss = loss;
    job.shape = shape;
    job.from = job.to = job.block = 0;
    job.grad = grad;
    job.x = x;
    job.targets = targets;
    job.ignore = -100;
    job.ignored = job.any = job.accumulate = job.stream = 0;
    job.keep = 1;
    job.alpha = 1;
    job.uniform = job.all_weight = job.sum.high = job.sum.low = 0;
    job.gamma = job.z_loss = job.smooth = 0;
    job.q = job.weight = job.positive = job.upstream = NULL;
    job.factor = factor;
    job.log_sum_exp = job.losses = NULL;
    job.states = NULL;
    job.finished = NULL;
    return job;
}

/* Does the low half of a target tell what it is? */
LOSSI_FORCE int lossi_narrow(const lossi_job *job)
{
    return job->targets.type != LOSSI_I64 || !job->ignored ||
           (job->ignore >= LOSSI_INT32_MIN && job->ignore <= LOSSI_INT32_MAX);
}

/* What stands at element k, with `step` from class to class or from row to row */
LOSSI_FORCE lossi_place lossi_at(const lossi_job *job, size_t k, size_t step, size_t count,
                                 size_t first, float *loss)
{
    lossi_place at;
    at.grad = job->grad != NULL ? job->grad + k : NULL;
    at.x = job->x != NULL ? job->x + k : NULL; /* where there is no element */
    at.q = job->q != NULL ? job->q + k : NULL;
    at.step = at.x_step = at.grad_step = step;
    at.count = count;
    at.first = first;
    at.plane = 0;
    at.loss = loss;
    return at;
}

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

/* Four and eight bytes at any address. */
#if defined(__GNUC__) && !defined(__TINYC__)
typedef uint32_t lossi_bytes4 __attribute__((aligned(1), may_alias));
typedef uint64_t lossi_bytes8 __attribute__((aligned(1), may_alias));
LOSSI_FORCE uint32_t lossi_four(const uint8_t *p) { return *(const lossi_bytes4 *)p; }
LOSSI_FORCE uint64_t lossi_eight(const uint8_t *p) { return *(const lossi_bytes8 *)p; }
#else
LOSSI_FORCE uint32_t lossi_four(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
LOSSI_FORCE uint64_t lossi_eight(const uint8_t *p)
{
    return lossi_four(p) | (uint64_t)lossi_four(p + 4) << 32;
}
#endif

/* x87 rounds to the type of a result when it stores it, and only then; elsewhere these do nothing. */
#if LOSSI_X87
#define LOSSI_STORED volatile
#else
#define LOSSI_STORED
#endif
LOSSI_FORCE float lossi_f(float x)
{
    LOSSI_STORED float y = x;
    return y;
}

LOSSI_FORCE losses_wide lossi_w(losses_wide x)
{
    LOSSI_STORED losses_wide y = x;
    return y;
}

#define LOSSI_INF lossi_float(0x7f800000u)
#define LOSSI_NAN lossi_float(0x7fc00000u)

LOSSI_FORCE size_t lossi_least(size_t a, size_t b) { return a < b ? a : b; }

LOSSI_FORCE int lossi_finite(losses_wide x) { return x - x == 0; }

/* Integer target i; not for float targets. */
LOSSI_FORCE int64_t lossi_target(losses_targets targets, size_t i)
{
    if (targets.type == LOSSI_U8) return ((const uint8_t *)targets.data)[i];
    if (targets.type == LOSSI_I32) return ((const int32_t *)targets.data)[i];
    return ((const int64_t *)targets.data)[i];
}

/* Targets i .. i + count - 1 of a softmax loss, of which the ignored ones are off and 0. */
LOSSI_FORCE void lossi_labels(const lossi_job *job, size_t i, size_t count, size_t *t, float *on)
{
    const losses_targets y = job->targets;
    size_t l;
    if (job->ignored) {
        for (l = 0; l < count; l++) {
            const int64_t target = lossi_target(y, i + l);
            on[l] = target != job->ignore ? 1.f : 0.f;
            t[l] = target != job->ignore ? (size_t)target : 0;
        }
    } else if (y.type == LOSSI_U8) {
        for (l = 0; l < count; l++) t[l] = ((const uint8_t *)y.data)[i + l];
    } else if (y.type == LOSSI_I32) {
        for (l = 0; l < count; l++) t[l] = (size_t)((const int32_t *)y.data)[i + l];
    } else {
        for (l = 0; l < count; l++) t[l] = (size_t)((const int64_t *)y.data)[i + l];
    }
}

/* Identity (Knuth's two-sum): with s = fl(a + b) and z = s - a, a + b = s + ((a - (s - z)) + (b - z)).
 * An infinite sum stays infinite: its low part would be NaN. */
LOSSI_FORCE void lossi_add(lossi_sum *sum, losses_wide b)
{
    const losses_wide a = sum->high, s = lossi_w(a + b), z = lossi_w(s - a);
    const losses_wide error = lossi_w(lossi_w(a - lossi_w(s - z)) + lossi_w(b - z));
    sum->high = s;
    if (lossi_finite(s)) sum->low = lossi_w(sum->low + error);
}

LOSSI_FORCE losses_wide lossi_total(const lossi_sum *sum)
{
    return lossi_finite(sum->high) ? lossi_w(sum->high + sum->low) : sum->high;
}

LOSSI_FORCE void lossi_merge(lossi_sum *sum, const lossi_sum *other)
{
    lossi_add(sum, other->high);
    lossi_add(sum, other->low);
}

/* Loss of a mask from B V and B I, and the gradient's factors of p (1-p): *at_0 for t = 0, -*at_1 for t = 1.
 * Identity: with V = sum p (1-t) + (1-p) t, P + T = V + 2I, so that with D = V + 2I + E the loss is V / D
 * without a subtraction, and its gradient p (1-p) ((1-t) (2I + E) - t (2V + 2I + E)) / D^2. */
LOSSI_FORCE float lossi_dice(losses_wide v, losses_wide i, float smooth, losses_wide *at_0,
                             losses_wide *at_1)
{
    const losses_wide unit = (losses_wide)LOSSV_1_B;
    const losses_wide i2 = lossi_w(lossi_w(2 * i * unit) + (losses_wide)smooth);
    const losses_wide d = lossi_w(lossi_w(v * unit) + i2);
    v = lossi_w(lossi_w(v / d) * unit);
    *at_0 = lossi_w(lossi_w(i2 / d) / d);
    *at_1 = lossi_w(lossi_w(2 * lossi_w(v / d)) + *at_0);
    return lossi_f((float)v);
}

LOSSI_FORCE lossi_slopes lossi_slopes_of(losses_wide at_0, losses_wide at_1, float factor)
{
    lossi_slopes c;
    losses_wide K = lossi_w((losses_wide)factor * (losses_wide)LOSSV_1_B);
    c.unit = 1;
    if (lossi_w(at_0 * (K < 0 ? -K : K)) < (losses_wide)LOSSI_TINY)
        c.unit = (float)K, K = 1; /* the products would not be normal numbers */
    c.c0 = (float)lossi_w(at_0 * K);
    c.c1 = (float)lossi_w(at_1 * K);
    c.c01 = (float)lossi_w(-lossi_w(at_0 + at_1) * K);
    return c;
}

/* Takes some losses, of which i is the number of the first. In double the sum of a few floats needs no
 * compensation. */
LOSSI_FORCE void lossi_add_losses(lossi_job *job, size_t i, const float *loss, size_t count)
{
    losses_wide even = 0, odd = 0;
    size_t l;
    for (l = 0; l < count && job->losses != NULL; l++) job->losses[i + l] = loss[l];
    if (sizeof even == sizeof(float)) {
        for (l = 0; l < count; l++) lossi_add(&job->sum, (losses_wide)loss[l]);
        return;
    }
    for (l = 0; l + 2 <= count; l += 2) {
        even = lossi_w(even + (losses_wide)loss[l]);
        odd = lossi_w(odd + (losses_wide)loss[l + 1]);
    }
    if (l < count) even = lossi_w(even + (losses_wide)loss[l]);
    lossi_add(&job->sum, lossi_w(even + odd));
}

#define LOSSI_NEAR 300.f /* |x| below which x_j - x_r is the difference of two exponents */

#ifndef LOSSES_NO_DOUBLE
/* --- partial results: the scalars ---------------------------------------------------------------
 * The terms of a state are e^(x - anchor) 2^-k with its scale x_r: anchor 0 and k = x_r / ln 2 rounded up to
 * LOSSI_NEAR, so that the terms of states with common logits differ by a power of two; x_r and 0 beyond. */

/* e^(x - n ln 2), n rounded. Within 2^-50: Taylor's series of |r| <= ln(2) / 2. */
static double lossi_exp_of(double x, double *n)
{
    static const double lossi_terms[] = {
        1.0,          1.0,           1. / 2,         1. / 6,         1. / 24,
        1. / 120,     1. / 720,      1. / 5040,      1. / 40320,     1. / 362880,
        1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
    double r, w, odd = 0, y = 0;
    int i;
    *n = (double)(int32_t)(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
    r = lossi_w(lossi_w(x - lossi_w(*n * 6.93147180369123816490e-1)) -
                lossi_w(*n * 1.90821492927058770002e-10));
    w = lossi_w(r * r);
    for (i = 12; i >= 0; i -= 2) { /* side by side */
        odd = lossi_w(lossi_w(odd * w) + lossi_terms[i + 1]);
        y = lossi_w(lossi_w(y * w) + lossi_terms[i]);
    }
    return lossi_w(y + lossi_w(odd * r));
}

/* e^x 2^k, below 2^1000; 0 below 2^-1022. */
LOSSI_FORCE double lossi_exp(double x, double k)
{
    union {
        uint64_t u;
        double f;
    } power;
    double n = 0, y = 1;
    if (!(x > -1e4 && x < 1e4)) return x < 0 ? 0 : x; /* above: only in states that no fold made */
    if (x > 0 || x < 0) y = lossi_exp_of(x, &n);
    n += k;
    if (!(n > -1022)) return 0;
    power.u = (uint64_t)(uint32_t)(1023 + (int32_t)n) << 52;
    return lossi_w(y * power.f);
}

/* log(u) + rest, u finite; u itself where that is not normal. Identity: u = 2^n f, z = (f - 1) / (f + 1):
 * n ln 2 + 2 atanh z, by its series up to z^21 for |z| < 0.172. */
static double lossi_log(double u, double rest)
{
    static const double lossi_terms[] = {1. / 3,  1. / 5,  1. / 7,  1. / 9,  1. / 11,
                                         1. / 13, 1. / 15, 1. / 17, 1. / 19, 1. / 21};
    double z, w, v, odd = 0, y = 0, n;
    int32_t e;
    int i;
    union {
        uint64_t u;
        double f;
    } f;
    if (!(u >= DBL_MIN)) return u;
    f.f = u;
    e = (int32_t)((f.u + 0x95f6400000000u) >> 52) - 1023; /* f from 0.708 to 1.416 */
    f.u -= (uint64_t)e << 52;
    n = (double)e;
    z = lossi_w(lossi_w(f.f - 1) / lossi_w(f.f + 1));
    w = lossi_w(z * z);
    v = lossi_w(w * w);
    for (i = 8; i >= 0; i -= 2) {
        odd = lossi_w(lossi_w(odd * v) + lossi_terms[i + 1]);
        y = lossi_w(lossi_w(y * v) + lossi_terms[i]);
    }
    y = lossi_w(lossi_w(y + lossi_w(odd * w)) * w);
    z = lossi_w(2 * z);
    y = lossi_w(lossi_w(z * y) + lossi_w(lossi_w(n * 1.90821492927058770002e-10) + rest));
    return lossi_w(lossi_w(n * 6.93147180369123816490e-1) + lossi_w(z + y));
}

/* log(1 + x), x >= 0 and finite. Identity: 1 + x = u + error, log(1 + x) = log u + error / u. */
static double lossi_log1p(double x)
{
    const double u = lossi_w(1 + x), error = lossi_w(x - lossi_w(u - 1));
    return u > 1 ? lossi_log(u, lossi_w(error / u)) : x;
}

static double lossi_anchor(float x_r)
{
    return x_r < LOSSI_NEAR && x_r > -LOSSI_NEAR ? 0 : (double)x_r;
}

static double lossi_power(float x_r) /* k */
{
    const double k = ((double)x_r - lossi_anchor(x_r)) * 1.4426950408889634;
    return k == k ? (double)(int32_t)(k + (k < 0 ? -0.5 : 0.5)) : 0;
}

/* e^x in the terms of a state of scale x_r; 0 for -inf, whatever the scale */
static double lossi_term(float x, float x_r)
{
    if (x < -FLT_MAX) return 0;
    if (x > FLT_MAX) return (double)x;
    return lossi_exp((double)x - lossi_anchor(x_r), -lossi_power(x_r));
}

/* Whether a class index has half of the weight in the loss, so that it is the reference: no other class is kept
 * out of the sum then (r is LOSSI_NONE), and t_r is counted in rest. */
static int lossi_target_leads(const lossi_job *job)
{
    return job->weight == NULL && 2 * job->keep >= 1 - 2 * job->uniform;
}

/* a * b, where a = 0 makes an infinite b count as nothing */
static double lossi_product(double a, double b) { return a > 0 || a < 0 || b != b ? a * b : 0; }

#define LOSSI_NONE LOSSI_SIZE_MAX /* for r: no class is kept apart */

/* Takes what other classes gave into a state. The greater scale stays, and with it its r; the other r becomes one
 * of the classes. */
LOSSI_FORCE void lossi_merge_states(losses_partial *state, losses_partial less)
{
    double all, d;
    if (less.folded == 0) return;
    state->x_t += less.x_t;
    if (state->folded == 0 || less.x_r > state->x_r ||
        (!(less.x_r < state->x_r) && less.r < state->r)) {
        const losses_partial y = *state;
        state->sum = less.sum;
        state->margins = less.margins;
        state->rest = less.rest;
        state->t_r = less.t_r;
        state->r = less.r;
        state->x_r = less.x_r;
        state->folded = less.folded;
        less = y;
        if (less.folded == 0) return;
    }
    state->folded += less.folded;
    d = less.sum;
    if (less.x_r < state->x_r)
        d *= lossi_exp(lossi_anchor(less.x_r) - lossi_anchor(state->x_r),
                       lossi_power(less.x_r) - lossi_power(state->x_r));
    state->sum = lossi_w(state->sum + lossi_w(d));
    if (less.r != LOSSI_NONE) state->sum = lossi_w(state->sum + lossi_term(less.x_r, state->x_r));
    all = lossi_w(less.rest + less.t_r);
    state->rest = lossi_w(state->rest + all);
    d = less.x_r < state->x_r ? (double)state->x_r - (double)less.x_r : 0;
    state->margins =
        lossi_w(lossi_w(state->margins + less.margins) + lossi_w(lossi_product(all, d)));
}
#endif

/* A call on partial results: its classes are one block of all, or its pixels one tile */
LOSSI_FORCE int lossi_is_partial(const lossi_job *job)
{
#ifdef LOSSES_NO_DOUBLE
    (void)job;
    return 0;
#else
    return job->states != NULL || job->finished != NULL;
#endif
}

#define LOSSI_JOIN2(a, b, c) a##b##_##c
#define LOSSI_JOIN(a, b, c)  LOSSI_JOIN2(a, b, c)

#define LOSSI_INNER LOSSES_VERSION /* PART 3 checks that the same file came back */
#if LOSSI_AVX
#define LOSSI_PASS LOSSI_AVX512
#include LOSSES_FILE
#ifdef LOSSI_PASS
#error "LOSSES_FILE is not this file: define it as the name that this file was given"
#endif
#define LOSSI_PASS LOSSI_AVX2
#include LOSSES_FILE
#endif
#if defined(LOSSI_TEST) && LOSSI_BASE > LOSSI_SCALAR && LOSSI_AGAIN
#define LOSSI_PASS LOSSI_SCALAR
#include LOSSES_FILE
#endif
#undef LOSSI_INNER
#define LOSSI_PASS LOSSI_BASE
#endif /* LOSSES_IMPLEMENTATION */
#endif /* LOSSI_INNER */

#ifdef LOSSI_PASS
#if defined(LOSSI_INNER) && LOSSI_INNER != 100
#error "LOSSES_FILE names another version of losses.h"
#endif
/* ===================================== PART 3: VOCABULARY =======================================
 * lossv is LOSSV_N floats: 16, whatever the registers, 4 where there are few of them, or 1. Sums run in the
 * same 16 lanes everywhere (but for 1), of which a lossv is one of LOSSV_SUMS parts.
 * Each word is one line of arithmetic on every lane; the contract of the words that are not plain:
 *   load(p, m, fill)     p[0..m) in the first lanes and fill in the rest; all of them for m >= LOSSV_N
 *   store(p, m, v)       the first m lanes; nothing is read or written outside
 *   stream(p, v)         store to a multiple of LOSSV_N floats, past the caches
 *   here(x)              set(x), loaded where it stands: loaded early, gcc would run out of registers
 *   live(m)              1 in the first m lanes, 0 in the rest
 *   u8, i32, i64(p)      LOSSV_N integers as floats; of an int64_t its low 32 bits, signed
 *   fma(a, b, c)         a * b + c, rounded once or twice: a class of builds has one answer
 *   fma_by, fma_plus     the same, where b or c is a number
 *   fnma(a, b, c)        c - a * b likewise
 *   rest(a, q, b)        a - q * b rounded once, for q = fl(a / b)
 *   once(a, b, c)        a * b + c rounded once, or so close to it that it makes no difference
 *   abs, nabs(a)         |a|, -|a|
 *   min, max(a, b)       b where one is NaN
 *   greater(a, b)        max where b is not NaN
 *   if_lt, if_eq(a, b, x, y)  x where a < b, a == b, otherwise y
 *   any_lt(a, b)         true if a < b in some lane
 *   turns(d, base, &n)   n = N LOSSV_UNIT, N = d * log2(e) - 0.085 to the nearest integer, and LOSSV_ZERO +
 *                        (127 + N + base) LOSSV_UNIT, where 127 + N + base >= 0
 *   pow2(turns)          2^(N + base): 0 for an exponent of -127, inf for 128, anything outside of these
 *   either(a, b, c)      the bits that any of them has; with LOSSV_MANY
 *   exponent, mantissa(u)  e, m with u = m * 2^e and m in [3/4, 3/2), u positive and normal
 *   top(a)               the first 12 bits of a: products of two of these are exact
 *   turn_in(to, step, from, row)   to[c * step + r] = from[r * row + c] for 4 c and LOSSV_N r
 *   turn_out(to, row, from, step)  the reverse
 * The words lossr_... say the same of one register of LOSSV_W lanes. */
#if LOSSI_PASS == LOSSI_AVX512
#define LOSSI_NAME        "avx512"
#define LOSSI_FN(f)       LOSSI_JOIN(lossi_, f, avx512)
#define LOSSI_TARGET      LOSSI_ISA("avx512f,avx2,fma")
#define LOSSV_W           16
#define LOSSV_FUSED       1
#define LOSSV_MANY        1
#define lossr             __m512
#define LOSSV_MM(f)       _mm512_##f
/* Masked forms with all lanes on: g++ 12 warns inside some of the plain ones (PR105593). */
#define LOSSV_MZ(f, args) _mm512_maskz_##f args
#define LOSSV_ON          (__mmask16)0xffff,
#define lossr_bits(a)     _mm512_castps_si512(a)
#define lossr_float(u)    _mm512_castsi512_ps(u)
#define lossr_and(u, v)   _mm512_and_si512(u, v)
#define lossr_or(u, v)    _mm512_or_si512(u, v)
#define lossr_either(a, b, c) \
    lossr_float(_mm512_ternarylogic_epi32(lossr_bits(a), lossr_bits(b), lossr_bits(c), 0xfe))
#define lossr_lt(a, b)              _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define lossr_eq(a, b)              _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)
#define lossr_if(mask, x, y)        _mm512_mask_blend_ps(mask, y, x)
#define lossr_any(mask)             ((mask) != 0)
#define lossr_part(m)               ((__mmask16)((1u << (m)) - 1u))
#define lossr_load_part(p, m, fill) _mm512_mask_loadu_ps(_mm512_set1_ps(fill), lossr_part(m), p)
#define lossr_store_part(p, m, a)   _mm512_mask_storeu_ps(p, lossr_part(m), a)

#define LOSSV_INTS(p)   _mm512_loadu_si512(p)
#define LOSSV_BYTES(p)  _mm_loadu_si128((const __m128i *)(const void *)(p))
#define LOSSV_LOW(p)    _mm512_maskz_cvtepi64_epi32((__mmask8)255, LOSSV_INTS(p))
#define LOSSV_TWO(a, b) _mm512_maskz_inserti64x4((__mmask8)255, _mm512_castsi256_si512(a), b, 1)
#define lossr_u8(p)     lossr_convert(_mm512_maskz_cvtepu8_epi32(LOSSV_ON LOSSV_BYTES(p)))
#define lossr_i64(p)    lossr_convert(LOSSV_TWO(LOSSV_LOW(p), LOSSV_LOW((p) + 8)))

#define LOSSV_ADD(a, p, i) _mm512_insertf32x4(a, _mm_loadu_ps(p), i)
#define LOSSV_FIRST(p)     _mm512_castps128_ps512(_mm_loadu_ps(p))
#define lossr_quads(p, n) \
    LOSSV_ADD(LOSSV_ADD(LOSSV_ADD(LOSSV_FIRST(p), (p) + (n), 1), (p) + 2 * (n), 2), (p) + 3 * (n), \
              3)
#define lossr_put_quads(p, n, a) \
    (_mm_storeu_ps(p, LOSSV_QUAD(a, 0)), _mm_storeu_ps((p) + (n), LOSSV_QUAD(a, 1)), \
     _mm_storeu_ps((p) + 2 * (n), LOSSV_QUAD(a, 2)), \
     _mm_storeu_ps((p) + 3 * (n), LOSSV_QUAD(a, 3)))
#define LOSSV_QUAD(a, i) _mm512_maskz_extractf32x4_ps((__mmask8)15, a, i)

#elif LOSSI_PASS == LOSSI_AVX2
#define LOSSI_NAME        "avx2"
#define LOSSI_FN(f)       LOSSI_JOIN(lossi_, f, avx2)
#define LOSSI_TARGET      LOSSI_ISA("avx2,fma")
#define LOSSV_W           8
#define LOSSV_FUSED       1
#define lossr             __m256
#define LOSSV_MM(f)       _mm256_##f
#define LOSSV_MZ(f, args) _mm256_##f args
#define LOSSV_ON
#define lossr_bits(a)        _mm256_castps_si256(a)
#define lossr_float(u)       _mm256_castsi256_ps(u)
#define lossr_and(u, v)      _mm256_and_si256(u, v)
#define lossr_or(u, v)       _mm256_or_si256(u, v)
#define lossr_lt(a, b)       _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define lossr_eq(a, b)       _mm256_cmp_ps(a, b, _CMP_EQ_OQ)
#define lossr_if(mask, x, y) _mm256_blendv_ps(y, x, mask)
#define lossr_any(mask)      (_mm256_movemask_ps(mask) != 0)
#define lossr_part(m) \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(m)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define lossr_load_part(p, m, fill) \
    lossr_if(lossr_float(lossr_part(m)), _mm256_maskload_ps(p, lossr_part(m)), _mm256_set1_ps(fill))
#define lossr_store_part(p, m, a) _mm256_maskstore_ps(p, lossr_part(m), a)
#define lossr_u8(p) \
    lossr_convert(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define LOSSV_INTS(p)    _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define LOSSV_LOWS(p, q) lossr_bits(_mm256_shuffle_ps(lossr_float(p), lossr_float(q), 0x88))
#define lossr_i64(p) \
    lossr_convert(_mm256_permute4x64_epi64(LOSSV_LOWS(LOSSV_INTS(p), LOSSV_INTS((p) + 4)), 0xd8))

#define lossr_quads(p, n) \
    _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps((p) + (n)), 1)
#define lossr_put_quads(p, n, a) \
    (_mm_storeu_ps(p, _mm256_castps256_ps128(a)), \
     _mm_storeu_ps((p) + (n), _mm256_extractf128_ps(a, 1)))

#elif LOSSI_PASS == LOSSI_SSE2
#define LOSSI_NAME        "sse2"
#define LOSSI_FN(f)       LOSSI_JOIN(lossi_, f, sse2)
#define LOSSI_TARGET      LOSSI_ISA("sse2")
#define LOSSV_W           4
#define LOSSV_FUSED       0
#define lossr             __m128
#define LOSSV_MM(f)       _mm_##f
#define LOSSV_MZ(f, args) _mm_##f args
#define LOSSV_ON
#define lossr_bits(a)        _mm_castps_si128(a)
#define lossr_float(u)       _mm_castsi128_ps(u)
#define lossr_and(u, v)      _mm_and_si128(u, v)
#define lossr_or(u, v)       _mm_or_si128(u, v)
#define lossr_lt(a, b)       _mm_cmplt_ps(a, b)
#define lossr_eq(a, b)       _mm_cmpeq_ps(a, b)
#define lossr_if(mask, x, y) _mm_or_ps(_mm_and_ps(mask, x), _mm_andnot_ps(mask, y))
#define lossr_any(mask)      (_mm_movemask_ps(mask) != 0)
#define lossr_u8(p) \
    lossr_convert(_mm_unpacklo_epi16( \
        _mm_unpacklo_epi8(_mm_cvtsi32_si128((int)lossi_four(p)), _mm_setzero_si128()), \
        _mm_setzero_si128()))
#define LOSSV_INTS(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define lossr_i64(p) \
    lossr_convert(lossr_bits( \
        _mm_shuffle_ps(lossr_float(LOSSV_INTS(p)), lossr_float(LOSSV_INTS((p) + 2)), 0x88)))

#define lossr_quads(p, n)        _mm_loadu_ps(p)
#define lossr_put_quads(p, n, a) _mm_storeu_ps(p, a)

#elif LOSSI_PASS == LOSSI_NEON
#define LOSSI_NAME           "neon"
#define LOSSI_FN(f)          LOSSI_JOIN(lossi_, f, neon)
#define lossr_load(p)        vld1q_f32(p)
#define lossr_store(p, a)    vst1q_f32(p, a)
#define lossr_min(a, b)      lossr_if(lossr_lt(a, b), a, b)
#define lossr_max(a, b)      lossr_if(lossr_lt(b, a), a, b)
#define lossr_lt(a, b)       vcltq_f32(a, b)
#define lossr_eq(a, b)       vceqq_f32(a, b)
#define lossr_if(mask, x, y) vbslq_f32(mask, x, y)
#if defined(__GNUC__)
#define lossr_opaque(a) __asm__("" : "+w"(a))
#endif

#define lossr_u8(p)  vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(lossi_four(p))))))
#define lossr_i32(p) vcvtq_f32_s32(vld1q_s32(p))
#define lossr_i64(p) \
    vcvtq_f32_s32(vcombine_s32(vmovn_s64(vld1q_s64(p)), vmovn_s64(vld1q_s64((p) + 2))))
#if defined(__aarch64__) || defined(_M_ARM64)
#define lossr_div(a, b) vdivq_f32(a, b)
#define lossr_any(mask) (vmaxvq_u32(mask) != 0)
#else
#define lossr_div(a, b) LOSSI_FN(quotient)(a, b)
#define lossr_any(mask) \
    (vget_lane_u64(vreinterpret_u64_u32(vorr_u32(vget_low_u32(mask), vget_high_u32(mask))), 0) != 0)
#endif

#elif LOSSI_PASS == LOSSI_MVE
#define LOSSI_NAME    "mve"
#define LOSSI_FN(f)   LOSSI_JOIN(lossi_, f, mve)
#define lossr_part(m) vctp32q((uint32_t)(m))
#if defined(__clang__)
#define lossr_load(p)     vldrwq_f32(p)
#define lossr_store(p, a) vstrwq_f32(p, a)
#else /* gcc 12 takes what the intrinsics touch for one float, and other accesses past them */
typedef float32x4_t lossi_quad __attribute__((aligned(4), may_alias));
#define lossr_load(p)     (*(const lossi_quad *)(p))
#define lossr_store(p, a) (*(lossi_quad *)(p) = (a))
/* an asm that clobbers memory would do, but would have it forget what no other function can reach */
#define lossr_settle()    __atomic_signal_fence(__ATOMIC_SEQ_CST)
/* what it keeps it keeps on the stack, whence a number takes twice as long as from a core register */
#define lossr_here(x)     LOSSI_FN(anew)(x)
LOSSI_FORCE float32x4_t LOSSI_FN(anew)(float x)
{
    float32x4_t y;
    __asm__ volatile("vdup.32 %q0, %1" : "=w"(y) : "r"(x));
    return y;
}
#endif
#define lossr_load_part(p, m, fill) \
    lossr_if(lossr_part(m), vldrwq_z_f32(p, lossr_part(m)), lossr_set(fill))
#define lossr_store_part(p, m, a) vstrwq_p_f32(p, a, lossr_part(m))
#define lossr_div(a, b)           LOSSI_FN(quotient)(a, b)
#define lossr_min(a, b)           lossr_if_lt(a, b, a, b)
#define lossr_max(a, b)           lossr_if_lt(b, a, a, b)
#define lossr_greater(a, b)       vmaxnmq_f32(a, b)
#define lossr_fma_by(a, b, c)     vfmaq_n_f32(c, a, b)
#define lossr_fma_plus(a, b, c)   vfmasq_n_f32(a, b, c)
#define lossr_lt(a, b)            LOSSI_FN(less)(a, b)
#define lossr_eq(a, b)            vcmpeqq_f32(a, b)
#define lossr_if(mask, x, y)      vpselq_f32(x, y, mask)
#define lossr_any(mask)           ((mask) != 0)
#define lossr_opaque(a)           __asm__("" : "+w"(a))
#define lossr_u8(p)               vcvtq_f32_u32(vldrbq_u32(p))
#define lossr_i32(p)              vcvtq_f32_s32(vldrwq_s32(p))
#define lossr_i64(p) \
    vcvtq_f32_s32( \
        vldrwq_gather_shifted_offset_s32((const int32_t *)(const void *)(p), vidupq_n_u32(0, 2)))

#else /* plain C: one number at a time, or the compiler's own vectors */
#if LOSSI_PASS == LOSSI_RVV
#define LOSSI_NAME  "rvv"
#define LOSSI_FN(f) LOSSI_JOIN(lossi_, f, rvv)
#elif LOSSI_PASS == LOSSI_VSX
#define LOSSI_NAME  "vsx"
#define LOSSI_FN(f) LOSSI_JOIN(lossi_, f, vsx)
#elif LOSSI_PASS == LOSSI_WASM
#define LOSSI_NAME  "wasm"
#define LOSSI_FN(f) LOSSI_JOIN(lossi_, f, wasm)
#else
#define LOSSI_NAME  "scalar"
#define LOSSI_FN(f) LOSSI_JOIN(lossi_, f, scalar)
#endif
#define LOSSI_TARGET
#if LOSSI_PASS != LOSSI_SINGLE && defined(__GNUC__) && !defined(__TINYC__) && !LOSSI_X87
#define LOSSV_FUSED      (LOSSI_PASS == LOSSI_RVV || LOSSI_PASS == LOSSI_VSX)
#define LOSSV_W          (LOSSI_PASS == LOSSI_RVV ? 16 : 4) /* 16 are one group of registers there */
typedef float LOSSI_FN(reg) __attribute__((vector_size(4 * LOSSV_W)));
typedef float LOSSI_FN(unaligned) __attribute__((vector_size(4 * LOSSV_W), aligned(4), may_alias));
typedef int32_t LOSSI_FN(int) __attribute__((vector_size(4 * LOSSV_W)));
typedef uint32_t LOSSI_FN(uint) __attribute__((vector_size(4 * LOSSV_W)));
#define lossr_bits(a)    ((LOSSI_FN(uint))(a))
#define lossr_float(u)   ((LOSSI_FN(reg))(u))
#define lossr_convert(u) __builtin_convertvector((LOSSI_FN(int))(u), LOSSI_FN(reg))
#define lossr_if(mask, x, y) \
    ((LOSSI_FN(reg))(((mask) & (LOSSI_FN(int))(x)) | (~(mask) & (LOSSI_FN(int))(y))))
#define lossr_any(mask) LOSSI_FN(some)(mask)
#define lossr_set(x)    LOSSI_FN(all)(x)
#else
#define LOSSV_FUSED          0
#define LOSSV_W              1
typedef float LOSSI_FN(reg);
typedef float LOSSI_FN(unaligned);
#define lossr_bits(a)        lossi_bits(a)
#define lossr_float(u)       lossi_float(u)
#define lossr_convert(u)     ((float)(int32_t)(u))
#define lossr_if(mask, x, y) ((mask) ? (x) : (y))
#define lossr_any(mask)      (mask)
#define lossr_set(x)         (x)
#endif
#define LOSSV_PLAIN
#define lossr             LOSSI_FN(reg)
#define lossr_load(p)     (*(const LOSSI_FN(unaligned) *)(p))
#define lossr_store(p, a) (*(LOSSI_FN(unaligned) *)(p) = (a))
#if LOSSI_X87
#define LOSSV_ROUND(x) lossi_f(x)
#else
#define LOSSV_ROUND(x) (x)
#endif
#define lossr_add(a, b) LOSSV_ROUND((a) + (b))
#define lossr_sub(a, b) LOSSV_ROUND((a) - (b))
#define lossr_mul(a, b) LOSSV_ROUND((a) * (b))
#define lossr_div(a, b) LOSSV_ROUND((a) / (b))
#if !LOSSV_FUSED
#define lossr_fma(a, b, c)  lossr_add(lossr_mul(a, b), c)
#define lossr_fnma(a, b, c) lossr_sub(c, lossr_mul(a, b))
#elif defined(__clang__)
#define lossr_fma(a, b, c)  __builtin_elementwise_fma(a, b, c)
#define lossr_fnma(a, b, c) __builtin_elementwise_fma(-(a), b, c)
#else
#define lossr_fma(a, b, c)  LOSSI_FN(fused)(a, b, c)
#define lossr_fnma(a, b, c) LOSSI_FN(fused)(-(a), b, c)
#endif
#define lossr_lt(a, b)        ((a) < (b))
#define lossr_eq(a, b)        ((a) == (b))
#define lossr_min(a, b)       lossr_if((a) < (b), a, b)
#define lossr_max(a, b)       lossr_if((a) > (b), a, b)
#define lossr_masked(a, u)    lossr_float(lossr_bits(a) & (u))
#define lossr_marked(a, u)    lossr_float(lossr_bits(a) | (u))
#define lossr_shifted(a)      lossr_float(lossr_bits(a) << 23)
#define lossr_steps(a, magic) lossr_convert(lossr_bits(a) - lossr_bits(magic))
#define LOSSV_ABOVE(a)        (lossr_bits(a) - 0x3f400000u + 0x40000000u)
#define lossr_exponent(a)     lossr_convert((LOSSV_ABOVE(a) >> 23) - 128u)
#define lossr_mantissa(a)     lossr_float((LOSSV_ABOVE(a) & 0x007fffffu) + 0x3f400000u)
#endif

#if LOSSI_PASS == LOSSI_NEON || LOSSI_PASS == LOSSI_MVE
#define LOSSV_W             4
#define LOSSV_FUSED         1
#define lossr               float32x4_t
#define lossr_set(x)        vdupq_n_f32(x)
#define lossr_add(a, b)     vaddq_f32(a, b)
#define lossr_sub(a, b)     vsubq_f32(a, b)
#define lossr_mul(a, b)     vmulq_f32(a, b)
#define lossr_fma(a, b, c)  vfmaq_f32(c, a, b)
#define lossr_fnma(a, b, c) vfmsq_f32(c, a, b)
#define lossr_bits(a)       vreinterpretq_u32_f32(a)
#define lossr_float(u)      vreinterpretq_f32_u32(u)
#define lossr_masked(a, u)  lossr_float(vandq_u32(lossr_bits(a), vdupq_n_u32(u)))
#define lossr_marked(a, u)  lossr_float(vorrq_u32(lossr_bits(a), vdupq_n_u32(u)))
#define lossr_shifted(a)    lossr_float(vshlq_n_u32(lossr_bits(a), 23))
#define LOSSV_ABOVE(a)      vsubq_u32(lossr_bits(a), vdupq_n_u32(0x3f400000u - 0x40000000u))
#define LOSSV_POWER(a)      vreinterpretq_s32_u32(vshrq_n_u32(LOSSV_ABOVE(a), 23))
#define LOSSV_DIGITS(a)     vandq_u32(LOSSV_ABOVE(a), vdupq_n_u32(0x007fffffu))
#define lossr_exponent(a)   vcvtq_f32_s32(vsubq_s32(LOSSV_POWER(a), vdupq_n_s32(128)))
#define lossr_mantissa(a)   lossr_float(vaddq_u32(LOSSV_DIGITS(a), vdupq_n_u32(0x3f400000u)))
#define LOSSI_TARGET
#endif

#ifdef LOSSV_MM /* x86 */
#define lossr_set(x)       LOSSV_MM(set1_ps)(x)
#define lossr_load(p)      LOSSV_MM(loadu_ps)(p)
#define lossr_store(p, a)  LOSSV_MM(storeu_ps)(p, a)
#define lossr_stream(p, a) LOSSV_MM(stream_ps)(p, a)
#if defined(__GNUC__) /* the intrinsics would bring the including program's -Ofast with them */
#define lossr_add(a, b) ((a) + (b))
#define lossr_sub(a, b) ((a) - (b))
#define lossr_mul(a, b) ((a) * (b))
#define lossr_div(a, b) ((a) / (b))
#else
#define lossr_add(a, b) LOSSV_MM(add_ps)(a, b)
#define lossr_sub(a, b) LOSSV_MM(sub_ps)(a, b)
#define lossr_mul(a, b) LOSSV_MM(mul_ps)(a, b)
#define lossr_div(a, b) LOSSV_MM(div_ps)(a, b)
#endif
#if LOSSV_FUSED
#define lossr_fma(a, b, c)  LOSSV_MM(fmadd_ps)(a, b, c)
#define lossr_fnma(a, b, c) LOSSV_MM(fnmadd_ps)(a, b, c)
#else
#define lossr_fma(a, b, c)  lossr_add(lossr_mul(a, b), c)
#define lossr_fnma(a, b, c) lossr_sub(c, lossr_mul(a, b))
#endif
#if defined(__GNUC__) && LOSSV_W == 16
#define lossr_opaque(a) __asm__("" : "+v"(a))
#elif defined(__GNUC__)
#define lossr_opaque(a) __asm__("" : "+x"(a))
#endif
#define LOSSV_INT(u)       LOSSV_MM(set1_epi32)((int)(u))
#define lossr_masked(a, u) lossr_float(lossr_and(lossr_bits(a), LOSSV_INT(u)))
#define lossr_marked(a, u) lossr_float(lossr_or(lossr_bits(a), LOSSV_INT(u)))
#define lossr_convert(u)   LOSSV_MZ(cvtepi32_ps, (LOSSV_ON u))
#define lossr_i32(p)       lossr_convert(LOSSV_INTS(p))
#define lossr_min(a, b)    LOSSV_MZ(min_ps, (LOSSV_ON a, b))
#define lossr_max(a, b)    LOSSV_MZ(max_ps, (LOSSV_ON a, b))
#define lossr_shifted(a)   lossr_float(LOSSV_MZ(slli_epi32, (LOSSV_ON lossr_bits(a), 23)))
#define LOSSV_ABOVE(a)     LOSSV_MM(sub_epi32)(lossr_bits(a), LOSSV_INT(0x3f400000u - 0x40000000u))
#define LOSSV_POWER(a)     LOSSV_MZ(srli_epi32, (LOSSV_ON LOSSV_ABOVE(a), 23))
#define LOSSV_DIGITS(a)    lossr_and(LOSSV_ABOVE(a), LOSSV_INT(0x007fffff))
#define lossr_exponent(a)  lossr_convert(LOSSV_MM(sub_epi32)(LOSSV_POWER(a), LOSSV_INT(128)))
#define lossr_mantissa(a)  lossr_float(LOSSV_MM(add_epi32)(LOSSV_DIGITS(a), LOSSV_INT(0x3f400000)))
#endif
#ifndef lossr_stream
#define lossr_stream(p, a) lossr_store(p, a)
#endif
#ifndef lossr_greater
#define lossr_greater(a, b)     lossr_max(a, b)
#define lossr_fma_by(a, b, c)   lossr_fma(a, lossr_set(b), c)
#define lossr_fma_plus(a, b, c) lossr_fma(a, b, lossr_set(c))
#endif
#ifndef lossr_opaque
#define lossr_opaque(a) (void)0
#endif
#ifndef LOSSV_MANY /* registers: four sums of a sweep stay in them */
#define LOSSV_MANY 0
#endif
#ifdef lossr_steps
#define LOSSV_UNIT 1
#define LOSSV_ZERO 12582912.f /* 1.5 * 2^23 */
#else
#define LOSSV_UNIT            2.384185791015625e-7f /* 2^-22 */
#define LOSSV_ZERO            2
#define lossr_steps(a, magic) lossr_sub(a, magic)
#endif

#if LOSSI_PASS == LOSSI_SINGLE
#define LOSSV_N     1
#define LOSSV_ONES  1, 0
#define LOSSI_BATCH 1
#define LOSSV_STRIP 1
#define LOSSV_LANE  0
#define LOSSV_SUMS  1
#define LOSSV_GROUP LOSSI_GROUP
#define LOSSV_KEPT  LOSSI_GROUP
#elif LOSSI_PASS == LOSSI_MVE
#define LOSSV_N     4
#define LOSSV_ONES  1, 1, 1, 1, 0
#define LOSSV_STRIP 128
#define LOSSI_BATCH 1
#define LOSSV_LANE  0, 1, 2, 3
#define LOSSV_SUMS  4
#define LOSSV_GROUP 32
#define LOSSV_KEPT  (LOSSI_GROUP * LOSSV_SUMS)
#else
#define LOSSV_N     16
#define LOSSV_ONES  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0
#define LOSSV_STRIP 256 /* elements at a time */
#define LOSSI_BATCH 4   /* groups of positions at a time */
#define LOSSV_LANE  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
#define LOSSV_SUMS  1
#define LOSSV_GROUP 32          /* as LOSSI_GROUP, across; divides LOSSI_EXACT */
#define LOSSV_KEPT  LOSSV_GROUP /* the greater of this and the blocks of a group along */
#endif
#if LOSSV_N > 1
#define LOSSV_PREFETCH(p)     LOSSI_PREFETCH(p)
#define LOSSV_PREFETCH_FAR(p) LOSSI_PREFETCH_FAR(p)
#else
#define LOSSV_PREFETCH(p)     ((void)(p))
#define LOSSV_PREFETCH_FAR(p) ((void)(p))
#endif
#define LOSSI_TILE \
    (LOSSI_FEW * LOSSV_N * LOSSI_BATCH) /* floats on the stack: rows of few classes */
#define LOSSV_R (LOSSV_N / LOSSV_W)
/* statement s for each register i; not a loop where that would keep the registers in memory */
#undef LOSSV_ALL
#if LOSSV_R == 1
#define LOSSV_ALL(s) LOSSV_WITH(0, s)
#elif LOSSV_R == 2
#define LOSSV_ALL(s) LOSSV_WITH(0, s) LOSSV_WITH(1, s)
#elif LOSSV_R == 4
#define LOSSV_ALL(s) LOSSV_WITH(0, s) LOSSV_WITH(1, s) LOSSV_WITH(2, s) LOSSV_WITH(3, s)
#else
#define LOSSV_ALL(s) \
    { \
        size_t i; \
        for (i = 0; i < LOSSV_R; i++) { s; } \
    }
#endif

#ifndef LOSSV_WITH /* what is the same for every set */
#define LOSSI_OP     LOSSI_FORCE LOSSI_TARGET
#define LOSSI_KERNEL static LOSSI_TARGET
#if LOSSI_BASE == LOSSI_MVE /* inlined, so that what a row function does not need folds away */
#define LOSSI_STEP LOSSI_OP
#else
#define LOSSI_STEP LOSSI_KERNEL LOSSI_APART
#endif
#define LOSSV_LN2    0.69314718f
#define LOSSV_LN2_HI 0.693359375f /* 10 bits: times an integer up to 2^14 exact */
#define LOSSV_LN2_LO -2.12194440e-4f
#define LOSSV_WITH(number, statement) \
    { \
        enum { i = number }; \
        statement; \
    }
/* the body of a word whose value is y */
#define LOSSV_EACH(value) \
    lossv y; \
    LOSSV_ALL(y.r[i] = (value)) \
    return y
#define lossv          LOSSI_FN(v)
#define lossv_set      LOSSI_FN(set)
#define lossv_here     LOSSI_FN(here)
#define lossv_load_all LOSSI_FN(load_all)
#define lossv_load     LOSSI_FN(load)
#define lossv_store    LOSSI_FN(store)
#define lossv_stream   LOSSI_FN(stream)
#define lossv_live     LOSSI_FN(live)
#define lossv_u8       LOSSI_FN(u8)
#define lossv_i32      LOSSI_FN(i32)
#define lossv_i64      LOSSI_FN(i64)
#define lossv_add      LOSSI_FN(add)
#define lossv_sub      LOSSI_FN(sub)
#define lossv_mul      LOSSI_FN(mul)
#define lossv_div      LOSSI_FN(div)
#define lossv_fma      LOSSI_FN(fma)
#define lossv_fma_by   LOSSI_FN(fma_by)
#define lossv_fma_plus LOSSI_FN(fma_plus)
#define lossv_fnma     LOSSI_FN(fnma)
#define lossv_rest     LOSSI_FN(rest)
#define lossv_once     LOSSI_FN(once)
#define lossv_abs      LOSSI_FN(abs)
#define lossv_nabs     LOSSI_FN(nabs)
#define lossv_min      LOSSI_FN(min)
#define lossv_max      LOSSI_FN(max)
#define lossv_greater  LOSSI_FN(greater)
#define lossv_if_lt    LOSSI_FN(if_lt)
#define lossv_if_eq    LOSSI_FN(if_eq)
#define lossv_any_lt   LOSSI_FN(any_lt)
#define lossv_either   LOSSI_FN(either)
#define lossv_turns    LOSSI_FN(turns)
#define lossv_pow2     LOSSI_FN(pow2)
#define lossv_exponent LOSSI_FN(exponent)
#define lossv_mantissa LOSSI_FN(mantissa)
#define lossv_top      LOSSI_FN(top)
#define lossv_turn_in  LOSSI_FN(turn_in)
#define lossv_turn_out LOSSI_FN(turn_out)
#endif

typedef struct lossv {
    lossr r[LOSSV_R];
} lossv;

#if LOSSV_W > 1 && defined(LOSSV_PLAIN)
LOSSI_OP lossr LOSSI_FN(all)(float x)
{
    const lossr zero = {0};
    return x - zero;
}

LOSSI_OP int LOSSI_FN(some)(LOSSI_FN(int) mask)
{
    int32_t some = 0, l;
    for (l = 0; l < LOSSV_W; l++) some |= mask[l];
    return some != 0;
}

#if LOSSV_FUSED && !defined(__clang__)
LOSSI_OP lossr LOSSI_FN(fused)(lossr a, lossr b, lossr c)
{
    int l;
    for (l = 0; l < LOSSV_W; l++) c[l] = __builtin_fmaf(a[l], b[l], c[l]);
    return c;
}
#endif
#endif

#if LOSSI_PASS == LOSSI_MVE || \
    (LOSSI_PASS == LOSSI_NEON && !defined(__aarch64__) && !defined(_M_ARM64))
/* rounded right, which NEON's estimate is not; MVE has none */
LOSSI_OP lossr LOSSI_FN(quotient)(lossr a, lossr b)
{
    float x[4], y[4];
    size_t l;
    lossr_store(x, a);
    lossr_store(y, b);
    LOSSI_UNROLL(4)
    for (l = 0; l < 4; l++) x[l] /= y[l];
    return lossr_load(x);
}
#endif

#if LOSSI_PASS == LOSSI_MVE
/* vcmpltq is true of a NaN, and clang 19 makes it of a constant that is greater */
LOSSI_OP mve_pred16_t LOSSI_FN(less)(lossr a, lossr b)
{
#if defined(__clang__)
    lossr_opaque(b);
#endif
    return vcmpgtq_f32(b, a);
}

#if !defined(__clang__) /* gcc 12 takes each mask through a core register */
LOSSI_OP lossr LOSSI_FN(where_lt)(lossr a, lossr b, lossr x, lossr y)
{
    lossr z;
    mve_pred16_t mask;
    __asm__("vcmp.f32 gt, %q3, %q2\n\tvpsel %q0, %q4, %q5"
            : "=w"(z), "=Up"(mask)
            : "w"(a), "w"(b), "w"(x), "w"(y));
    return z;
}

LOSSI_OP lossr LOSSI_FN(where_eq)(lossr a, lossr b, lossr x, lossr y)
{
    lossr z;
    mve_pred16_t mask;
    __asm__("vcmp.f32 eq, %q3, %q2\n\tvpsel %q0, %q4, %q5"
            : "=w"(z), "=Up"(mask)
            : "w"(a), "w"(b), "w"(x), "w"(y));
    return z;
}
#define lossr_if_lt(a, b, x, y) LOSSI_FN(where_lt)(a, b, x, y)
#define lossr_if_eq(a, b, x, y) LOSSI_FN(where_eq)(a, b, x, y)
#endif
#endif
#ifndef lossr_settle
#define lossr_settle() ((void)0)
#endif
#ifndef lossr_if_lt
#define lossr_if_lt(a, b, x, y) lossr_if(lossr_lt(a, b), x, y)
#define lossr_if_eq(a, b, x, y) lossr_if(lossr_eq(a, b), x, y)
#endif

LOSSI_OP lossv lossv_set(float x)
{
    const lossr all = lossr_set(x);
    LOSSV_EACH(all);
}

#ifndef lossr_here
#define lossr_here lossr_set
#endif
LOSSI_OP lossv lossv_here(float x) { LOSSV_EACH(lossr_here(x)); }

LOSSI_OP lossv lossv_load_all(const float *p) { LOSSV_EACH(lossr_load(p + i * LOSSV_W)); }

#ifdef lossr_part
LOSSI_OP lossv lossv_load(const float *p, size_t m, float fill)
{
    if (m >= LOSSV_N) return lossv_load_all(p);
    lossr_settle();
    {
        LOSSV_EACH(lossr_load_part(p + i * LOSSV_W, (int)m - i * LOSSV_W, fill));
    }
}

LOSSI_OP void lossv_store(float *p, size_t m, lossv v)
{
    if (m >= LOSSV_N) {
        LOSSV_ALL(lossr_store(p + i * LOSSV_W, v.r[i]))
    } else {
        LOSSV_ALL(lossr_store_part(p + i * LOSSV_W, (int)m - i * LOSSV_W, v.r[i]))
        lossr_settle();
    }
}
#else
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(fill)(float *lanes, const float *p, size_t m, float fill)
{
    size_t l;
    for (l = 0; l < LOSSV_N; l++) lanes[l] = l < m ? p[l] : fill;
}

LOSSI_OP lossv lossv_load(const float *p, size_t m, float fill)
{
    float lanes[LOSSV_N];
    if (m >= LOSSV_N) return lossv_load_all(p);
    LOSSI_FN(fill)(lanes, p, m, fill);
    return lossv_load_all(lanes);
}

LOSSI_KERNEL LOSSI_APART void LOSSI_FN(copy)(float *p, const float *lanes, size_t m)
{
    size_t l;
    for (l = 0; l < m; l++) p[l] = lanes[l];
}

LOSSI_OP void lossv_store(float *p, size_t m, lossv v)
{
    float lanes[LOSSV_N], *to = m < LOSSV_N ? lanes : p;
    LOSSV_ALL(lossr_store(to + i * LOSSV_W, v.r[i]))
    if (m < LOSSV_N) LOSSI_FN(copy)(p, lanes, m);
}
#endif

LOSSI_OP void lossv_stream(float *p, lossv v){LOSSV_ALL(lossr_stream(p + i * LOSSV_W, v.r[i]))}

LOSSI_OP lossv lossv_live(size_t m)
{
    static const float lossi_ones[2 * LOSSV_N] = {LOSSV_ONES};
    return lossv_load_all(lossi_ones + (m < LOSSV_N ? LOSSV_N - m : 0));
}

#ifdef lossr_u8
LOSSI_OP lossv lossv_u8(const uint8_t *p) { LOSSV_EACH(lossr_u8(p + i * LOSSV_W)); }
LOSSI_OP lossv lossv_i32(const int32_t *p) { LOSSV_EACH(lossr_i32(p + i * LOSSV_W)); }
LOSSI_OP lossv lossv_i64(const int64_t *p) { LOSSV_EACH(lossr_i64(p + i * LOSSV_W)); }
#else
#define LOSSV_NUMBERS \
    float lanes[LOSSV_N]; \
    size_t l; \
    for (l = 0; l < LOSSV_N; l++) lanes[l] = (float)(int32_t)p[l]; \
    return lossv_load_all(lanes)
LOSSI_OP lossv lossv_u8(const uint8_t *p) { LOSSV_NUMBERS; }
LOSSI_OP lossv lossv_i32(const int32_t *p) { LOSSV_NUMBERS; }
LOSSI_OP lossv lossv_i64(const int64_t *p) { LOSSV_NUMBERS; }
#endif

LOSSI_OP lossv lossv_add(lossv a, lossv b) { LOSSV_EACH(lossr_add(a.r[i], b.r[i])); }
LOSSI_OP lossv lossv_sub(lossv a, lossv b) { LOSSV_EACH(lossr_sub(a.r[i], b.r[i])); }
LOSSI_OP lossv lossv_mul(lossv a, lossv b) { LOSSV_EACH(lossr_mul(a.r[i], b.r[i])); }
LOSSI_OP lossv lossv_div(lossv a, lossv b) { LOSSV_EACH(lossr_div(a.r[i], b.r[i])); }
LOSSI_OP lossv lossv_fma(lossv a, lossv b, lossv c)
{
    LOSSV_EACH(lossr_fma(a.r[i], b.r[i], c.r[i]));
}
LOSSI_OP lossv lossv_fnma(lossv a, lossv b, lossv c)
{
    LOSSV_EACH(lossr_fnma(a.r[i], b.r[i], c.r[i]));
}
LOSSI_OP lossv lossv_fma_by(lossv a, float b, lossv c)
{
    LOSSV_EACH(lossr_fma_by(a.r[i], b, c.r[i]));
}
LOSSI_OP lossv lossv_fma_plus(lossv a, lossv b, float c)
{
    LOSSV_EACH(lossr_fma_plus(a.r[i], b.r[i], c));
}
LOSSI_OP lossv lossv_greater(lossv a, lossv b) { LOSSV_EACH(lossr_greater(a.r[i], b.r[i])); }
LOSSI_OP lossv lossv_min(lossv a, lossv b) { LOSSV_EACH(lossr_min(a.r[i], b.r[i])); }
LOSSI_OP lossv lossv_max(lossv a, lossv b) { LOSSV_EACH(lossr_max(a.r[i], b.r[i])); }
LOSSI_OP lossv lossv_abs(lossv a) { LOSSV_EACH(lossr_masked(a.r[i], 0x7fffffffu)); }
LOSSI_OP lossv lossv_nabs(lossv a) { LOSSV_EACH(lossr_marked(a.r[i], 0x80000000u)); }
LOSSI_OP lossv lossv_top(lossv a) { LOSSV_EACH(lossr_masked(a.r[i], 0xfffff000u)); }
LOSSI_OP lossv lossv_if_lt(lossv a, lossv b, lossv x, lossv z)
{
    LOSSV_EACH(lossr_if_lt(a.r[i], b.r[i], x.r[i], z.r[i]));
}
LOSSI_OP lossv lossv_if_eq(lossv a, lossv b, lossv x, lossv z)
{
    LOSSV_EACH(lossr_if_eq(a.r[i], b.r[i], x.r[i], z.r[i]));
}
LOSSI_OP int lossv_any_lt(lossv a, lossv b)
{
    int any = 0;
    LOSSV_ALL(any |= lossr_any(lossr_lt(a.r[i], b.r[i])))
    return any;
}

/* Adding LOSSV_ZERO leaves the nearest multiple of LOSSV_UNIT in the last bits; with 127 + base added too, those
 * are the exponent field of 2^(N + base). In plain C N is taken from the bits: that holds with x87 too. */
LOSSI_OP lossv lossv_turns(lossv d, lossv base, lossv *n)
{
    const lossv magic =
        lossv_fma(base, lossv_set(LOSSV_UNIT), lossv_set(LOSSV_ZERO + 127 * LOSSV_UNIT));
    const lossv turns =
        lossv_fma_by(d, 1.44269504f * LOSSV_UNIT, lossv_here(-0.0849625f * LOSSV_UNIT));
    lossv sum = lossv_add(turns, magic);
    LOSSV_ALL(lossr_opaque(sum.r[i])) /* -Ofast would have sum - magic for turns */
    LOSSV_ALL(n->r[i] = lossr_steps(sum.r[i], magic.r[i]))
    return sum;
}

LOSSI_OP lossv lossv_pow2(lossv turns) { LOSSV_EACH(lossr_shifted(turns.r[i])); }

#ifdef lossr_either
LOSSI_OP lossv lossv_either(lossv a, lossv b, lossv c)
{
    LOSSV_EACH(lossr_either(a.r[i], b.r[i], c.r[i]));
}
#endif

/* 0x3f400000 is 3/4; 0x40000000 keeps what is shifted positive */
LOSSI_OP lossv lossv_exponent(lossv u) { LOSSV_EACH(lossr_exponent(u.r[i])); }
LOSSI_OP lossv lossv_mantissa(lossv u) { LOSSV_EACH(lossr_mantissa(u.r[i])); }

LOSSI_OP lossv lossv_rest(lossv a, lossv q, lossv b)
{
#if LOSSV_FUSED
    return lossv_fnma(q, b, a);
#else
    const lossv q1 = lossv_top(q), b1 = lossv_top(b), q2 = lossv_sub(q, q1), b2 = lossv_sub(b, b1);
    lossv r = lossv_sub(a, lossv_mul(q1, b1));
    r = lossv_sub(lossv_sub(r, lossv_mul(q1, b2)), lossv_mul(q2, b1));
    return lossv_sub(r, lossv_mul(q2, b2));
#endif
}

/* Identity (Knuth) as in two_sum below: p + c = s + error, which is NaN for an infinite s. */
LOSSI_OP lossv lossv_once(lossv a, lossv b, lossv c)
{
#if LOSSV_FUSED
    return lossv_fma(a, b, c);
#else
    const lossv p = lossv_mul(a, b), s = lossv_add(p, c), z = lossv_sub(s, p);
    const lossv error = lossv_add(lossv_sub(p, lossv_sub(s, z)), lossv_sub(c, z));
    return lossv_if_lt(lossv_abs(s), lossv_set(LOSSI_INF),
                       lossv_add(s, lossv_sub(error, lossv_rest(p, a, b))), s);
#endif
}

#ifdef lossr_quads
/* Four registers as rows of 4 x 4 squares -> their columns */
#define LOSSV_TURN(a, b, c, d, e, f, g, h) \
    const lossr ab = LOSSV_LO(a, b), cd = LOSSV_LO(c, d); \
    const lossr ba = LOSSV_HI(a, b), dc = LOSSV_HI(c, d); \
    const lossr e = LOSSV_SHUFFLE(ab, cd, 0x44), f = LOSSV_SHUFFLE(ab, cd, 0xee); \
    const lossr g = LOSSV_SHUFFLE(ba, dc, 0x44), h = LOSSV_SHUFFLE(ba, dc, 0xee)
#define LOSSV_LO(a, b)         LOSSV_MZ(unpacklo_ps, (LOSSV_ON a, b))
#define LOSSV_HI(a, b)         LOSSV_MZ(unpackhi_ps, (LOSSV_ON a, b))
#define LOSSV_SHUFFLE(a, b, n) LOSSV_MZ(shuffle_ps, (LOSSV_ON a, b, n))
#elif LOSSI_PASS == LOSSI_NEON
#define lossr_quads(p, n)        vld1q_f32(p)
#define lossr_put_quads(p, n, a) vst1q_f32(p, a)
#define LOSSV_TURN(a, b, c, d, e, f, g, h) \
    const float32x4x2_t ab = vtrnq_f32(a, b), cd = vtrnq_f32(c, d); \
    const lossr e = vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])); \
    const lossr f = vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])); \
    const lossr g = vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])); \
    const lossr h = vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1]))
#endif
LOSSI_OP void lossv_turn_in(float *to, size_t step, const float *from, size_t row)
{
    size_t r, k;
#ifdef lossr_quads
    for (r = 0; r < LOSSV_N; r += LOSSV_W, from += LOSSV_W * row) {
        const lossr a = lossr_quads(from, 4 * row), b = lossr_quads(from + row, 4 * row);
        const lossr c = lossr_quads(from + 2 * row, 4 * row),
                    d = lossr_quads(from + 3 * row, 4 * row);
        LOSSV_TURN(a, b, c, d, e, f, g, h);
        lossr_store(to + r, e);
        lossr_store(to + step + r, f);
        lossr_store(to + 2 * step + r, g);
        lossr_store(to + 3 * step + r, h);
    }
    (void)k;
#else
    for (r = 0; r < LOSSV_N; r++)
        for (k = 0; k < 4; k++) to[k * step + r] = from[r * row + k];
#endif
}

LOSSI_OP void lossv_turn_out(float *to, size_t row, const float *from, size_t step)
{
    size_t r, k;
#ifdef lossr_quads
    for (r = 0; r < LOSSV_N; r += LOSSV_W, to += LOSSV_W * row) {
        const lossr a = lossr_load(from + r), b = lossr_load(from + step + r);
        const lossr c = lossr_load(from + 2 * step + r), d = lossr_load(from + 3 * step + r);
        LOSSV_TURN(a, b, c, d, e, f, g, h);
        lossr_put_quads(to, 4 * row, e);
        lossr_put_quads(to + row, 4 * row, f);
        lossr_put_quads(to + 2 * row, 4 * row, g);
        lossr_put_quads(to + 3 * row, 4 * row, h);
    }
    (void)k;
#else
    for (r = 0; r < LOSSV_N; r++)
        for (k = 0; k < 4; k++) to[r * row + k] = from[k * step + r];
#endif
}

/* ====================================== PART 4: KERNELS =========================================
 * exp and log, then each loss once; where LOSSV_N is 1 the plain ones again. Throughout, a pair (high, low)
 * stands for high + low with |low| a few ulp of high at most, and B = 2^40 scales what may be too small for a
 * float. */
#ifndef lossv_pair
#define lossv_pair       LOSSI_FN(pair)
#define lossv_two_sum    LOSSI_FN(two_sum)
#define lossv_accumulate LOSSI_FN(accumulate)
#define lossv_collapse   LOSSI_FN(collapse)
#define lossv_exp        LOSSI_FN(exp)
#define lossv_exp_rest   LOSSI_FN(exp_rest)
#define lossv_log        LOSSI_FN(log)
#define lossv_log1p      LOSSI_FN(log1p)
#define lossv_margin     LOSSI_FN(margin)
#define lossv_sums       LOSSI_FN(sums)
#define lossv_elements   LOSSI_FN(elements)
#define lossv_group      LOSSI_FN(group)
#define lossv_view       LOSSI_FN(view)
#define lossv_walk       LOSSI_FN(walk)
#define lossv_strip      LOSSI_FN(strip)
#define lossv_totals     LOSSI_FN(totals)
#define lossv_weights    LOSSI_FN(weights)
#endif

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

#if LOSSV_N > 1
/* Rows, `row` apart, of some columns, to columns that are `step` apart; and back. */
LOSSI_OP void LOSSI_FN(turn)(float *columns, size_t step, const float *rows, size_t row,
                             size_t count, size_t width)
{
    size_t r, c;
    if (count == LOSSV_N && width >= 4) /* the last four may overlap with those before */
        for (c = 0; c < width; c += 4) {
            const size_t first = lossi_least(c, width - 4);
            lossv_turn_in(columns + first * step, step, rows + first, row);
        }
    else
        for (r = 0; r < count; r++) {
            LOSSI_SINGLY
            for (c = 0; c < width; c++) columns[c * step + r] = rows[r * row + c];
        }
}

LOSSI_OP void LOSSI_FN(turn_back)(float *rows, size_t row, const float *columns, size_t step,
                                  size_t count, size_t width)
{
    size_t r, c;
    if (count == LOSSV_N && width >= 4)
        for (c = 0; c < width; c += 4) {
            const size_t first = lossi_least(c, width - 4);
            lossv_turn_out(rows + first, row, columns + first * step, step);
        }
    else
        for (r = 0; r < count; r++) {
            LOSSI_SINGLY
            for (c = 0; c < width; c++) rows[r * row + c] = columns[c * step + r];
        }
}

/* floats from a multiple of LOSSV_N floats to a place */
LOSSI_OP size_t LOSSI_FN(behind)(const float *place)
{
    return (uintptr_t)place % (LOSSV_N * sizeof(float)) / sizeof(float);
}

/* n floats to where they are not soon wanted, a multiple of LOSSV_N floats */
LOSSI_OP void LOSSI_FN(stream_out)(float *to, const float *from, size_t n)
{
    size_t i = 0;
    for (; n - i >= LOSSV_N; i += LOSSV_N) lossv_stream(to + i, lossv_load_all(from + i));
    if (i < n) lossv_store(to + i, n - i, lossv_load(from + i, n - i, 0));
}

#if LOSSV_SUMS == 1
/* The sums of the lanes of LOSSV_N pairs, of pair l in lane l; always in the same order: by halves. */
LOSSI_OP lossv_pair LOSSI_FN(gather)(const float *high, const float *low)
{
    float h[LOSSV_N * LOSSV_N], l[LOSSV_N * LOSSV_N];
    lossv_pair y;
    size_t half, i;
    LOSSI_FN(turn)(h, LOSSV_N, high, LOSSV_N, LOSSV_N, LOSSV_N);
    LOSSI_FN(turn)(l, LOSSV_N, low, LOSSV_N, LOSSV_N, LOSSV_N);
    for (half = LOSSV_N / 2; half > 0; half /= 2) {
        for (i = 0; i < half; i++) {
            float *const a = h + i * LOSSV_N, *const b = l + i * LOSSV_N;
            lossv error;
            y.high = lossv_two_sum(lossv_load_all(a), lossv_load_all(a + half * LOSSV_N), &error);
            y.low = lossv_add(lossv_load_all(b), lossv_load_all(b + half * LOSSV_N));
            y.low = lossv_add(y.low, error);
            lossv_store(a, LOSSV_N, y.high);
            lossv_store(b, LOSSV_N, y.low);
        }
    }
    return y;
}
#endif
#endif

/* The sum of all lanes of LOSSV_SUMS pairs, in the same order; of the pairs nothing is left. */
LOSSI_OP void LOSSI_FN(fold)(lossv_pair *part, float *y_high, float *y_low)
{
    float high[2 * LOSSV_N], low[2 * LOSSV_N];
    lossv error;
    size_t half, i;
    LOSSI_UNROLL(4)
    for (half = LOSSV_SUMS / 2; half > 0; half /= 2) {
        LOSSI_UNROLL(4)
        for (i = 0; i < half; i++) {
            part[i].high = lossv_two_sum(part[i].high, part[i + half].high, &error);
            part[i].low = lossv_add(lossv_add(part[i].low, part[i + half].low), error);
        }
    }
    lossv_store(high + LOSSV_N, LOSSV_N, part[0].high);
    lossv_store(low + LOSSV_N, LOSSV_N, part[0].low);
    LOSSI_UNROLL(4)
    for (half = LOSSV_N / 2; half > 0; half /= 2) { /* of the lanes the first half are wanted */
        lossv_store(high, LOSSV_N, part[0].high);
        lossv_store(low, LOSSV_N, part[0].low);
        part[0].high = lossv_two_sum(part[0].high, lossv_load_all(high + half), &error);
        part[0].low = lossv_add(lossv_add(part[0].low, lossv_load_all(low + half)), error);
    }
    lossv_store(high, LOSSV_N, part[0].high);
    lossv_store(low, LOSSV_N, part[0].low);
    *y_high = high[0];
    *y_low = low[0];
}

LOSSI_OP lossi_sum LOSSI_FN(sum)(lossv_pair *pairs)
{
    float high, low;
    lossi_sum y;
    LOSSI_FN(fold)(pairs, &high, &low);
    y.high = (losses_wide)high;
    y.low = (losses_wide)low;
    return y;
}

/* e^d 2^base = s (1 + t + *rest) with s = pow2(*turns), -0.26 < t < 0.51; returns t, rest is what its
 * rounding lost. -127 ln 2 <= d + base ln 2 < 127.5 ln 2: at the lower end s is 0, above the upper one
 * infinite. A NaN comes back as t.
 * Identity: d = n ln 2 + r, s = 2^(n + base), t = e^r - 1 = r + r^2 q(r), with log(3/4) <= r <= log(3/2):
 * below 1, where 1 + t has one more bit than above, so has t, for |t| <= 1/4.
 * Bound of exp: 0.90 ulp with FMA, 0.94 without; worst at 0x41d640c2 and 0xc28ca6b7
 * The polynomial is within 2.9e-9 of e^r; coefficients by minimax fit, rounded to float from the lowest up. */
LOSSI_OP lossv lossv_exp_rest(lossv d, lossv base, lossv *turns, lossv *rest)
{
    lossv n, r, r0, r2, q, q2, t;
    *turns = lossv_turns(d, base, &n);
    r0 = lossv_fma_by(n, -LOSSV_LN2_HI / LOSSV_UNIT, d);
    r = lossv_fma_by(n, -LOSSV_LN2_LO / LOSSV_UNIT, r0);
    r2 = lossv_mul(r, r);
    q = lossv_fma_by(r, 4.16567065e-2f, lossv_here(1.66665971e-1f));
    q2 = lossv_fma_by(r, 1.47707295e-3f, lossv_here(8.35688319e-3f));
    q = lossv_fma(q2, r2, q);
    q = lossv_fma_plus(q, r, 5.00000238e-1f);
    t = lossv_fma(q, r2, r);
    r0 = lossv_fma_by(n, -LOSSV_LN2_LO / LOSSV_UNIT, lossv_sub(r0, r));
    *rest = lossv_add(lossv_fma(q, r2, lossv_sub(r, t)), lossv_fma(r0, t, r0));
    return t;
}

/* The same for any d up to there, as e^d 2^base; low must be (-127 - base) ln 2. */
LOSSI_OP lossv lossv_exp(lossv d, lossv base, lossv low)
{
    lossv turns, rest, t = lossv_exp_rest(lossv_max(low, d), base, &turns, &rest);
    const lossv s = lossv_pow2(turns);
    return lossv_fma(s, t, s);
}

/* log(1 + f) - f + low for -1/4 <= f <= 1/2:  -f^2 / 2 + f^3 P(f) + low.
 * The polynomial is within 2.1e-10 of log(1 + f); coefficients as for exp. */
LOSSI_OP lossv LOSSI_FN(log_rest)(lossv f, lossv low)
{
    const lossv f2 = lossv_mul(f, f), f4 = lossv_mul(f2, f2);
    const lossv a = lossv_fma_by(f, -2.50002116e-1f, lossv_here(3.33333462e-1f));
    const lossv b = lossv_fma_by(f, -1.66531473e-1f, lossv_here(1.99992329e-1f));
    const lossv c = lossv_fma_by(f, -1.27602905e-1f, lossv_here(1.42812356e-1f));
    lossv p = lossv_fma_by(f, -8.96454304e-2f, lossv_here(1.16992444e-1f));
    p = lossv_fma_by(f2, 3.60909887e-2f, p);
    p = lossv_fma(p, f2, c);
    p = lossv_fma(p, f4, lossv_fma(b, f2, a));
    return lossv_fma(f2, lossv_fma_plus(f, p, -0.5f), low);
}

/* log(u (1 + c)) as a pair, u = m 2^(e + shift) positive and normal, c of the order of an ulp.
 * Bound of log: 0.89 ulp with FMA, 0.95 without; worst at 0x3fbf79a1 and 0x3f3f0ea6 */
LOSSI_OP lossv_pair lossv_log(lossv u, lossv c, float shift)
{
    const lossv f = lossv_sub(lossv_mantissa(u), lossv_set(1));
    const lossv e = lossv_sub(lossv_exponent(u), lossv_set(shift));
    lossv_pair y;
    lossv error;
    y.high = lossv_two_sum(lossv_mul(e, lossv_set(LOSSV_LN2_HI)), f, &error);
    y.low = lossv_fma(e, lossv_set(LOSSV_LN2_LO), lossv_add(error, c));
    y.low = LOSSI_FN(log_rest)(f, y.low);
    return y;
}

/* log(1 + x), x a pair >= 0; inverse = 1 / (1 + x). Below 2^-25 the answer is in the low part alone; a
 * NaN comes back in the low part.
 * Identity: u = fl(1 + x), 1 + x = u + error, log(1 + x) = log u + error / u.
 * Bound of log1p: 0.89 ulp with FMA, 1.02 without; worst at 0x3efde684 and 0x3ee22492 */
LOSSI_OP lossv_pair lossv_log1p(lossv_pair x, lossv inverse)
{
    lossv error, u = lossv_two_sum(lossv_set(1), x.high, &error);
    return lossv_log(u, lossv_mul(lossv_add(error, x.low), inverse), 0);
}

/* B (s / B)^gamma, s a pair in [0, B].
 * Identity: e^(gamma log s), with gamma and the high part of the log split into halves whose
 * product is exact, for an error of 2^-24 in the exponent would be one of 2^-18 in the result. */
LOSSI_OP lossv LOSSI_FN(power)(lossv_pair s, float gamma)
{
    const lossv u = lossv_max(lossv_set(FLT_MIN), s.high), g = lossv_set(gamma), g1 = lossv_top(g);
    const lossv_pair y = lossv_log(u, lossv_div(s.low, u), 40);
    const lossv y1 = lossv_top(y.high);
    lossv x, error, t, turns, scale, rest;
    error = lossv_fma(g1, lossv_sub(y.high, y1), lossv_mul(lossv_sub(g, g1), y.high));
    error = lossv_fma(g, y.low, error);
    x = lossv_two_sum(lossv_mul(g1, y1), error, &error);
    x = lossv_max(lossv_set(-167 * LOSSV_LN2), x);
    t = lossv_exp_rest(x, lossv_set(40), &turns, &rest);
    scale = lossv_pow2(turns);
    t = lossv_add(lossv_add(lossv_fma(t, error, error), rest), t);
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
    return LOSSI_FN(power)(s, gamma);
}

/* a / b, pairs; inverse = 1 / b.high */
LOSSI_OP lossv_pair LOSSI_FN(divide)(lossv_pair a, lossv_pair b, lossv inverse)
{
    lossv_pair y;
    lossv rest;
    y.high = lossv_mul(a.high, inverse);
    rest = lossv_add(lossv_rest(a.high, y.high, b.high), a.low);
    y.low = lossv_mul(lossv_fnma(y.high, b.low, rest), inverse);
    return y;
}

/* --- the softmax losses -------------------------------------------------------------------------
 * Up to LOSSV_N positions at a time, each a lane of what follows. Their classes are swept in blocks of
 * LOSSV_N: block i holds classes LOSSV_N i .. of one position (along), or class i of each (across).
 *
 * The margin form: with a reference class r for each position, S = sum_{j != r} e^(x_j - x_r) gives
 *     lse = x_r + log1p(S),  p_r = 1 / (1 + S),  1 - p_r = S / (1 + S),  p_j = e^(x_j - x_r) / (1 + S),
 * none of which cancels where r leads. r is the target, a guess that saves the sweep for the maximum.
 * Where a logit turns out to stand more than LOSSI_AHEAD above it, the sweep goes on with the greatest
 * one as r, and what was summed and stored so far is multiplied by a constant. Where the other classes
 * have most of the weight in the loss, r is the class of the greatest logit from the start.
 *
 * x_j - x_r is never rounded: e^(x_j) and e^(x_r) are reduced separately and meet as powers of two, with
 * k = x_r / ln 2 rounded; beyond LOSSI_NEAR, where that would lose bits, x_j - x_r is exact. */
#define LOSSI_AHEAD 30.f

/* x_r and what follows from it */
typedef struct lossv_margin {
    lossv x, anchor, k; /* x_r, 0 or x_r, (x_r - anchor) / ln 2 rounded */
    lossv base, low;    /* of lossv_exp for B e^(x - anchor) 2^-k */
    lossv s, t, rest;   /* e^-(x_r - anchor) 2^k / B = s (1 + t + rest) */
} lossv_margin;

/* Sums over the classes of a position: S up to a factor, and where the loss has target terms t_c apart
 * from an index ("soft": 0 none, 1 of label smoothing, 2 of float targets), margins = sum t_c (x_z - x_c) / 2 with
 * z the first r, and rest = sum_{c != r} t_c, which only float targets need. */
typedef struct lossv_sums {
    lossv_pair S[LOSSV_SUMS], margins[LOSSV_SUMS], rest[LOSSV_SUMS]; /* in parts; or in the first */
} lossv_sums;

LOSSI_OP lossv_margin LOSSI_FN(margin_at)(lossv x)
{
    const lossv zero = lossv_set(0);
    const lossv y = lossv_max(lossv_set(-FLT_MAX), x); /* -inf - -inf is for the caller to see */
    lossv_margin m;
    lossv turns;
    m.x = x;
    m.anchor = lossv_if_lt(lossv_abs(y), lossv_set(LOSSI_NEAR), zero, y);
    lossv_turns(lossv_sub(y, m.anchor), lossv_set(512), &m.k);
    m.k = lossv_mul(m.k, lossv_set(1 / LOSSV_UNIT));
    m.base = lossv_sub(lossv_set(40), m.k);
    m.low = lossv_mul(lossv_add(m.base, lossv_set(127)), lossv_set(-LOSSV_LN2));
    m.t = lossv_exp_rest(lossv_sub(m.anchor, y), m.k, &turns, &m.rest);
    m.s = lossv_mul(lossv_pow2(turns), lossv_set(LOSSV_1_B));
    return m;
}

/* Up to LOSSV_N positions on their way through a softmax loss, each a lane. */
typedef struct lossv_group {
    lossi_place at;
    float *terms; /* where the terms go, one class terms_step after the other; or NULL */
    size_t terms_step;
    const float *soon, *soon_grad, *soon_q; /* across: used soon, classes soon_step apart */
    size_t soon_step;
    size_t t[LOSSV_N], r[LOSSV_N]; /* target (of an index) and reference class */
    float on[LOSSV_N], x_r[LOSSV_N];
    int guess, moved;  /* r is only a guess; r is not t for some position */
    int unchecked;     /* along: no logit has strayed so far */
    int known;         /* t, r and x_r are there, and not only mark and x_t */
    lossv mark;        /* across: r as a number, where it is below LOSSI_EXACT */
    lossv x_t, x_z, w; /* logits of the target and of the first r, weight of the target */
    float u[LOSSV_N], K[LOSSV_N], K2[LOSSV_N], K3[LOSSV_N]; /* upstream; of term * K * (K2 + K3) */
    float keep[LOSSV_N], uniform[LOSSV_N];                  /* u (1 - e), u e / C */
    float anchor[LOSSV_N], base[LOSSV_N], low[LOSSV_N];     /* along: of m */
    float g[LOSSV_N], g_t[LOSSV_N]; /* gradient of r; what the target's is less, if not r */
    lossv_margin m;
    lossv_sums sums;
} lossv_group;

/* Where class c of position l stands, with `step` from class to class or, along, from row to row */
LOSSI_OP size_t LOSSI_FN(element)(int along, size_t step, size_t l, size_t c)
{
    return along ? l * step + c : c * step + l;
}

/* Lanes of block i that exist */
#define LOSSV_LANES(i) (along ? job->shape.classes - (i)*LOSSV_N : at->count)

/* Positions of a group. Where a row is its own group (MVE) along is 2, LOSSV_ALONE, and this is the constant 1 */
#if LOSSV_SUMS > 1
#define LOSSV_ALONE     2
#define LOSSV_COUNT(at) (along > 1 ? 1 : (at)->count)
#else
#define LOSSV_ALONE     1
#define LOSSV_COUNT(at) (at)->count
#endif

/* Marks the class r of each position among the blocks from `begin` on, across: number of its block less
 * begin, or -1. */
LOSSI_OP lossv LOSSI_FN(mark)(const size_t *r, size_t begin)
{
    float mark[LOSSV_N];
    size_t l;
    for (l = 0; l < LOSSV_N; l++)
        mark[l] =
            r[l] >= begin && r[l] - begin < LOSSI_EXACT ? (float)(int32_t)(r[l] - begin) : -1.f;
    return lossv_load_all(mark);
}

/* The numbers of the lanes of a block, along; i, across */
LOSSI_OP lossv LOSSI_FN(number)(int along, size_t i)
{
    static const float lossi_lanes[LOSSV_N] = {LOSSV_LANE};
    const lossv first = lossv_set((float)(int32_t)(along ? i * LOSSV_N : i));
    return along ? lossv_add(first, lossv_load_all(lossi_lanes)) : first;
}

/* x at class r of its block, otherwise others */
LOSSI_OP lossv LOSSI_FN(but)(size_t r, lossv x, lossv others)
{
    const lossv lane = lossv_set((float)(int32_t)(r % LOSSV_N));
    return lossv_if_eq(LOSSI_FN(number)(1, 0), lane, x, others);
}

/* The class of the greatest logit of each position from block `from` on, across; the first of several, and
 * NaN is passed over. */
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(greatest)(size_t classes, const lossi_place *at,
                                                 const float *x, size_t from, size_t *r)
{
    const lossv one = lossv_set(1);
    float number[LOSSV_N];
    size_t i, l, begin, end;
    lossv top = lossv_set(-LOSSI_INF);
    for (l = 0; l < LOSSV_N; l++) r[l] = from;
    for (begin = from; begin < classes; begin = end) {
        lossv where = lossv_set(-1), count = lossv_set(0);
        end = classes - begin > LOSSI_EXACT ? begin + LOSSI_EXACT : classes;
        for (i = begin; i < end; i++) {
            const lossv y = lossv_load(x + i * at->x_step, at->count, 0);
            where = lossv_if_lt(top, y, count, where);
            top = lossv_if_lt(top, y, y, top);
            count = lossv_add(count, one);
        }
        lossv_store(number, LOSSV_N, where);
        for (l = 0; l < LOSSV_N; l++)
            if (number[l] >= 0) r[l] = begin + (size_t)number[l];
    }
}

/* The same of one position whose classes lie along, from class `from` of n on: first the value, in lanes
 * that do not wait for each other, then the place. */
LOSSI_KERNEL LOSSI_APART size_t LOSSI_FN(greatest_along)(const float *x, size_t from, size_t n)
{
    const lossv least = lossv_set(-LOSSI_INF);
    lossv top[4], found;
    float value[LOSSV_N];
    size_t i = from, l, end;
    top[0] = top[1] = top[2] = top[3] = least;
    for (; n - i >= 4 * LOSSV_N; i += 4 * LOSSV_N) {
        LOSSI_PREFETCH(x + i + LOSSI_SOON);
        LOSSI_PREFETCH(x + i + LOSSI_SOON + LOSSV_N);
        LOSSI_PREFETCH(x + i + LOSSI_SOON + 2 * LOSSV_N);
        LOSSI_PREFETCH(x + i + LOSSI_SOON + 3 * LOSSV_N);
        top[0] = lossv_max(lossv_load_all(x + i), top[0]);
        top[1] = lossv_max(lossv_load_all(x + i + LOSSV_N), top[1]);
        top[2] = lossv_max(lossv_load_all(x + i + 2 * LOSSV_N), top[2]);
        top[3] = lossv_max(lossv_load_all(x + i + 3 * LOSSV_N), top[3]);
    }
    for (; i < n; i += LOSSV_N) top[0] = lossv_max(lossv_load(x + i, n - i, -LOSSI_INF), top[0]);
    lossv_store(value, LOSSV_N, lossv_max(lossv_max(top[0], top[1]), lossv_max(top[2], top[3])));
    for (i = LOSSV_N / 2; i > 0; i /= 2)
        for (l = 0; l < i; l++) value[l] = value[l] > value[l + i] ? value[l] : value[l + i];
    found = lossv_set(value[0]);
    for (; from < n; from = end) {
        const lossv none = lossv_set((float)(64 * LOSSV_N)), step = lossv_set(LOSSV_N);
        lossv number = LOSSI_FN(number)(1, 0), where = none;
        end = n - from > 64 * LOSSV_N ? from + 64 * LOSSV_N : n;
        for (i = from; i < end; i += LOSSV_N) {
            const lossv y = lossv_load(x + i, n - i, LOSSI_NAN);
            where = lossv_min(lossv_if_eq(y, found, number, none), where);
            number = lossv_add(number, step);
        }
        if (!lossv_any_lt(where, none)) continue;
        lossv_store(value, LOSSV_N, where);
        for (i = LOSSV_N / 2; i > 0; i /= 2)
            for (l = 0; l < i; l++) value[l] = value[l] < value[l + i] ? value[l] : value[l + i];
        return from + (size_t)value[0];
    }
    return 0; /* all are NaN */
}

/* The same of position l from class 0 on; across, all positions are asked at once, the first time. */
LOSSI_OP size_t LOSSI_FN(greatest_of)(size_t classes, const lossi_place *at, int along, size_t l,
                                      size_t *all, int *asked)
{
    if (along) return LOSSI_FN(greatest_along)(at->x + l * at->x_step, 0, classes);
    if (!*asked) LOSSI_FN(greatest)(classes, at, at->x, 0, all), *asked = 1;
    return all[l];
}

/* The terms of logits x: B e^(x - x_r) up to a factor */
LOSSI_OP lossv LOSSI_FN(term)(lossv x, const lossv_margin *m)
{
    return lossv_exp(lossv_sub(x, m->anchor), m->base, m->low);
}

/* The classes of one position (along, number l) or of all (across): arrays, from block to block, and
 * how many of the blocks are full. */
typedef struct lossv_view {
    const float *x, *q;
    float *terms, *grad;
    size_t x_step, step, grad_step, terms_step, blocks, full;
    const float *soon, *soon_grad, *soon_q; /* what comes into use soon, or NULL */
    size_t soon_step;
    const float *weight;
    lossv keep, uniform; /* 1 - e, e / C */
} lossv_view;

LOSSI_OP lossv_view LOSSI_FN(view_of)(const lossi_job *job, const lossv_group *g, int along,
                                      int soft, size_t l)
{
    const lossi_place *at = &g->at;
    const size_t row = along ? l : 0, classes = job->shape.classes;
    /* of rows with gaps: the same classes of a later one */
    const size_t soon = at->x_step > classes ? at->x_step * (LOSSI_SOON / classes + 1) : LOSSI_SOON;
    lossv_view v;
    v.x = at->x + row * at->x_step;
    v.q = soft > 1 ? at->q + row * at->step : NULL;
    v.terms = g->terms != NULL ? g->terms + row * g->terms_step : NULL;
    v.grad = at->grad != NULL ? at->grad + row * at->grad_step : NULL;
    v.x_step = along ? (size_t)LOSSV_N : at->x_step;
    v.step = along ? (size_t)LOSSV_N : at->step;
    v.grad_step = along ? (size_t)LOSSV_N : at->grad_step;
    v.terms_step = along ? (size_t)LOSSV_N : g->terms_step;
    v.blocks = along ? (classes + (LOSSV_N - 1)) / LOSSV_N : classes;
    v.full = along ? classes / LOSSV_N : at->count == LOSSV_N ? classes : 0;
    v.soon = along ? v.x + soon : g->soon;
    v.soon_grad = !along ? g->soon_grad : v.grad != NULL && v.terms != v.x ? v.grad + soon : v.soon;
    v.soon_q = !along ? g->soon_q : v.q != NULL ? v.q + soon : NULL;
    v.soon_step = along ? (size_t)LOSSV_N : g->soon_step;
    v.weight = job->weight;
    v.keep = lossv_set(soft > 1 ? (float)job->keep : 0);
    v.uniform = lossv_set(soft ? (float)job->uniform : 0);
    return v;
}

LOSSI_OP lossv LOSSI_FN(class_weights)(const lossv_view *v, int along, size_t i, size_t n)
{
    return along ? lossv_load(v->weight + i * LOSSV_N, n, 0) : lossv_set(v->weight[i]);
}

/* Target terms w_c q'_c of the classes in block i, but for the target of an index */
LOSSI_OP lossv LOSSI_FN(target_terms)(const lossv_view *v, int along, int soft, size_t i, size_t n)
{
    lossv t = v->uniform;
    if (soft > 1) t = lossv_fma(lossv_load(v->q + i * v->step, n, 0), v->keep, t);
    if (v->weight != NULL) t = lossv_mul(t, LOSSI_FN(class_weights)(v, along, i, n));
    return along && n < LOSSV_N ? lossv_mul(t, lossv_live(n)) : t;
}

/* u ((A + Z) p_j - t_j) of the terms y of block i; keep and uniform of the view are times u here */
LOSSI_OP lossv LOSSI_FN(slope)(lossv y, lossv K, lossv K2, lossv K3, const lossv_view *v, int along,
                               int soft, size_t i, size_t n)
{
    lossv t = v->uniform;
    y = lossv_mul(y, K);
    if (!soft) return lossv_mul(y, K2);
    if (soft > 1) t = lossv_once(lossv_load(v->q + i * v->step, n, 0), v->keep, t);
    if (v->weight != NULL) t = lossv_mul(t, LOSSI_FN(class_weights)(v, along, i, n));
    return lossv_once(y, K2, lossv_fma(y, K3, lossv_sub(lossv_set(0), t)));
}

/* The sweep meets a logit too far above the reference in blocks from `from` on: r becomes the class of
 * the greatest logit, m its margin, and what has been summed and stored so far follows. Across, this
 * happens to the positions concerned and to these only: what a position gets is its own affair.
 * t is the reference class so far: it was left out, and is one of the others now. */
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(rebase)(size_t classes, const lossi_place *at, int along,
                                               size_t from, lossv over, const lossv_view *v,
                                               lossv_margin *m, size_t *r, lossv_sums *sums)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    const lossv_margin old = *m;
    float over_l[LOSSV_N], x_l[LOSSV_N], behind[LOSSV_N], e_l[LOSSV_N];
    size_t greatest[LOSSV_N], t[LOSSV_N] = {0}, i, l, lanes = along ? 1 : at->count;
    lossv base, factor, unit, e;

    lossv_store(over_l, LOSSV_N, over);
    lossv_store(x_l, LOSSV_N, old.x);
    if (along)
        greatest[0] = LOSSI_FN(greatest_along)(v->x, from * LOSSV_N, classes);
    else
        LOSSI_FN(greatest)(classes, at, v->x, from, greatest);
    for (l = 0; l < LOSSV_N; l++) behind[l] = 0;
    for (l = 0; l < lanes; l++) {
        if (!(over_l[l] > 0)) continue;
        t[l] = r[l];
        r[l] = greatest[l];
        behind[l] = t[l] < from * (along ? LOSSV_N : 1) ? 1.f : 0.f;
        x_l[l] = v->x[LOSSI_FN(element)(along, at->x_step, l, r[l])];
    }
    *m = LOSSI_FN(margin_at)(along ? lossv_set(x_l[0]) : lossv_load_all(x_l));
    /* 2^64 times the factor, which alone might not be a normal number where its products are */
    base = lossv_fma(over, lossv_set(64), lossv_sub(old.k, m->k));
    factor = lossv_exp(lossv_sub(old.anchor, m->anchor), base,
                       lossv_mul(lossv_add(base, lossv_set(127)), lossv_set(-LOSSV_LN2)));
    unit = lossv_if_eq(over, one, lossv_set(5.4210109e-20f), one);
    for (i = 0; i < (along ? LOSSV_SUMS : 1); i++) {
        lossv_pair *const S = sums->S + i;
        S->high = lossv_mul(lossv_mul(S->high, factor), unit);
        S->low = lossv_mul(lossv_mul(S->low, factor), unit);
    }
    for (i = 0; v->terms != NULL && i < from; i++) {
        float *const p = v->terms + i * v->terms_step;
        const size_t n = along ? classes - i * LOSSV_N : at->count;
        lossv_store(p, n, lossv_mul(lossv_mul(lossv_load(p, n, 0), factor), unit));
    }
    e = lossv_if_eq(lossv_load_all(behind), one, LOSSI_FN(term)(old.x, m), zero);
    lossv_accumulate(sums->S, e);
    lossv_store(e_l, LOSSV_N, e);
    for (l = 0; l < lanes && v->terms != NULL; l++)
        if (behind[l] > 0) v->terms[LOSSI_FN(element)(along, v->terms_step, l, t[l])] = e_l[l];
}

/* LOSSV_N integer targets from number i on; of 64 bits the low 32 */
LOSSI_OP lossv LOSSI_FN(integers)(losses_targets y, size_t i)
{
    if (y.type == LOSSI_U8) return lossv_u8((const uint8_t *)y.data + i);
    if (y.type == LOSSI_I32) return lossv_i32((const int32_t *)y.data + i);
    LOSSV_PREFETCH((const int64_t *)y.data + i + LOSSI_SOON);
    LOSSV_PREFETCH((const int64_t *)y.data + i + LOSSI_SOON + LOSSV_N / 2);
    return lossv_i64((const int64_t *)y.data + i);
}

/* A sweep on its way */
typedef struct lossv_walk {
    lossv anchor, base, low, most;      /* of the margin; x_r - anchor + LOSSI_AHEAD */
    lossv ones, lows, margins, rest;    /* over these blocks */
    lossv_pair most_margins, most_rest; /* and over those before, but for the last few */
    /* along: sums taken in turn, of e, or (fine) of s, and of s t; see walk_on */
    lossv of_e[4], of_st[2];
    lossv turns[4], seen; /* of exp in unchecked blocks, and all that there were */
    int unchecked;
    float *in_turn; /* the sums in memory, for registers are few */
    size_t turn;
    lossv top; /* the greatest of these blocks but r, less the anchor */
    lossv half_z, mark, number;
    size_t r, own;     /* along: the class r, and its block */
    int anchored;      /* some anchor is not 0 */
    const float *from; /* along: its logits from `begin` on, less the anchor, far below at r */
    float *kept;       /* across: where its logits are kept, or NULL */
    float *to;         /* along, for parts: where its terms go, or those that nobody reads */
    size_t begin;      /* number of its first */
} lossv_walk;

/* How many of the LOSSV_SUMS parts of a sweep along go together: all, or one, where the sums of more would not
 * stay in registers; with LOSSV_MANY there is one */
#if LOSSV_SUMS > 1
#define LOSSV_TOGETHER(soft, fine) ((size_t)((soft) || (fine) > 1 ? 1 : LOSSV_SUMS))
#else
#define LOSSV_TOGETHER(soft, fine) ((void)(soft), (void)(fine), (size_t)1)
#endif

/* Whether blocks are taken unchecked, as they are with LOSSV_MANY */
#if LOSSV_MANY
#define LOSSV_UNCHECKED(unchecked) (unchecked)
#else
#define LOSSV_UNCHECKED(unchecked) 0
#endif

/* s (1 + t) = e to the next of the sums in turn, so that few additions wait for each other: those of number
 * `turn` if that is below 4 (LOSSV_MANY), otherwise in memory, for registers are few. */
LOSSI_OP void LOSSI_FN(add_in_turn)(lossv_walk *w, int soft, int fine, lossv s, lossv t, lossv e,
                                    size_t turn)
{
    const size_t floats = LOSSV_TOGETHER(soft, fine) * LOSSV_N;
    float *const p = w->in_turn + w->turn;
    float *const q = w->in_turn + 4 * floats + w->turn % (2 * floats);
#if LOSSV_MANY
    if (turn < 4) {
        w->of_e[turn] = lossv_add(w->of_e[turn], fine ? s : e);
        if (fine) w->of_st[turn % 2] = lossv_fma(s, t, w->of_st[turn % 2]);
        return;
    }
#endif
    (void)turn;
    lossv_store(p, LOSSV_N, lossv_add(lossv_load_all(p), fine ? s : e));
    if (fine) lossv_store(q, LOSSV_N, lossv_fma(s, t, lossv_load_all(q)));
    w->turn = (w->turn + LOSSV_N) % (4 * floats);
}

/* One block of a sweep, of n lanes: logits raw, and x, which is less the anchor, and far below at r.
 * Identity: sum s (1 + t) = sum s + sum s t; the first is nearly exact, being of powers of two. Next to one
 * large term many small ones would be lost, each less than half an ulp.
 * unchecked: x may stand too far from the reference, which strayed finds out afterwards. */
LOSSI_OP void LOSSI_FN(walk_on)(lossv_walk *w, const lossv_view *v, int along, int soft, int fine,
                                int unchecked, lossv raw, lossv x, size_t i, size_t n, size_t turn)
{
    const lossv zero = lossv_set(0);
    lossv turns, s, t, e, low, sum, error;
    (void)unchecked;
    if (along) LOSSI_PREFETCH(v->x + i * v->x_step + LOSSI_NEXT);
    if (along) LOSSI_PREFETCH_FAR(v->soon + i * v->soon_step);
    if (!along) LOSSI_PREFETCH(v->soon + i * v->soon_step);
    if (!LOSSV_UNCHECKED(unchecked)) {
        x = lossv_max(w->low, x);
        w->top = lossv_greater(x, w->top);
    }
    t = lossv_exp_rest(x, w->base, &turns, &low);
    s = lossv_pow2(turns);
    if (LOSSV_UNCHECKED(unchecked)) w->turns[turn % 4] = turns;
    e = lossv_fma(s, t, s);
    if (along && fine < 2) {
        LOSSI_FN(add_in_turn)(w, soft, fine, s, t, e, turn);
    } else { /* Dekker: with the error of each addition, nearly, for e may be the larger */
        sum = lossv_add(w->ones, e);
        error = lossv_sub(e, lossv_sub(sum, w->ones));
        if (fine > 1)
            sum = lossv_two_sum(w->ones, e, &error); /* s^gamma magnifies what that leaves */
        if (fine) {                                  /* and of e */
            lossv lost = lossv_fma(s, t, lossv_sub(s, e));
            if (fine > 1) lost = lossv_fma(s, low, lost);
            error = lossv_add(error, lost);
        }
        w->lows = lossv_add(w->lows, error);
        w->ones = sum;
    }
#if LOSSV_SUMS > 1
    if (along) /* a branch would take longer than a store for nothing */
        lossv_store(w->to + (i - w->begin) * LOSSV_N, n, e);
    else
#endif
        if (v->terms != NULL) {
        if (along) LOSSI_PREFETCH_FAR(v->soon_grad + i * v->soon_step);
        if (!along) LOSSI_PREFETCH(v->soon_grad + i * v->soon_step);
        lossv_store(v->terms + i * v->terms_step, n, e);
    }
    if (soft) {
        const lossv h = lossv_fnma(raw, lossv_set(0.5f), w->half_z);
        lossv c = LOSSI_FN(target_terms)(v, along, soft, i, n), margin = lossv_mul(c, h);
        if (soft > 1 || v->weight != NULL || n < LOSSV_N) /* some c may be 0 */
            margin = lossv_if_eq(c, zero, zero, margin);
        w->margins = lossv_add(w->margins, margin);
        if (soft > 1) {
            LOSSI_PREFETCH(v->soon_q + i * v->soon_step);
            if (!along)
                c = lossv_if_eq(w->mark, w->number, zero, c);
            else if (i == w->own)
                c = LOSSI_FN(but)(w->r, zero, c);
            w->rest = lossv_add(w->rest, c);
        }
        if ((along ? i / LOSSV_SUMS : i) % 4 == 3) {
            lossv_accumulate(&w->most_margins, w->margins), w->margins = zero;
            if (soft > 1) lossv_accumulate(&w->most_rest, w->rest), w->rest = zero;
        }
    }
}

/* The sums in turn as one, with its error in lows: |rests| < ones */
LOSSI_OP void LOSSI_FN(sums_in_turn)(const lossv_walk *w, int soft, int fine, lossv *ones,
                                     lossv *lows)
{
    const size_t parts = LOSSV_TOGETHER(soft, fine), floats = parts * LOSSV_N;
    size_t a;
    LOSSI_UNROLL(4)
    for (a = 0; a < parts; a++) {
        const float *const e = w->in_turn + a * LOSSV_N, *const rest = e + 4 * floats;
        lossv rests, sum = lossv_add(lossv_load_all(e), lossv_load_all(e + floats));
        sum = lossv_add(sum,
                        lossv_add(lossv_load_all(e + 2 * floats), lossv_load_all(e + 3 * floats)));
        ones[a] = sum;
        lows[a] = lossv_set(0);
        if (!fine) continue;
        rests = lossv_add(lossv_load_all(rest), lossv_load_all(rest + floats));
        ones[a] = lossv_add(sum, rests);
        lows[a] = lossv_sub(rests, lossv_sub(ones[a], sum));
    }
}

LOSSI_OP void LOSSI_FN(walk_along)(lossv_walk *w, const lossv_view *v, int soft, int fine,
                                   int unchecked, size_t i, size_t n, size_t turn)
{
    const lossv raw = lossv_load(v->x + i * LOSSV_N, n, -LOSSI_INF);
    const lossv x = lossv_load_all(w->from + (i - w->begin) * LOSSV_N);
    LOSSI_FN(walk_on)(w, v, 1, soft, fine, unchecked, raw, x, i, n, turn);
}

#if LOSSV_MANY
LOSSI_OP void LOSSI_FN(walk_four)(lossv_walk *w, const lossv_view *v, int soft, int fine,
                                  int unchecked, size_t i)
{
    LOSSI_FN(walk_along)(w, v, soft, fine, unchecked, i, LOSSV_N, 0);
    LOSSI_FN(walk_along)(w, v, soft, fine, unchecked, i + 1, LOSSV_N, 1);
    LOSSI_FN(walk_along)(w, v, soft, fine, unchecked, i + 2, LOSSV_N, 2);
    LOSSI_FN(walk_along)(w, v, soft, fine, unchecked, i + 3, LOSSV_N, 3);
}

/* Whether some block that was taken unchecked may have had a logit more than LOSSI_AHEAD above the reference, or
 * so far below it that pow2 cannot tell; ones: the sums of their terms.
 * Identity: pow2 can tell turns from 2 to 2 + 255 * 2^-22. Of all others but 0, which gives 0, some bit is none that
 * these have. A term too far above is greater than B e^30 / sqrt(2), or infinite. */
LOSSI_OP int LOSSI_FN(strayed)(const lossv_walk *w, lossv ones)
{
    const lossv inf = lossv_set(LOSSI_INF), seen = lossv_min(w->seen, inf);
    return lossv_any_lt(seen, lossv_set(LOSSV_ZERO)) ||
           lossv_any_lt(lossv_set(LOSSV_ZERO + 255 * LOSSV_UNIT), seen) ||
           lossv_any_lt(lossv_set(2.6e24f), lossv_min(ones, inf)); /* B e^28.5 */
}
#endif

/* Begins the sums in turn, and takes the first blocks up to `whole` in fours, the sums in registers
 * (LOSSV_MANY); returns the next. */
LOSSI_OP size_t LOSSI_FN(walk_fours)(lossv_walk *w, const lossv_view *v, int soft, int fine,
                                     size_t i, size_t whole)
{
    lossv *const e = w->of_e, *const t = w->of_st;
    const size_t floats = LOSSV_TOGETHER(soft, fine) * LOSSV_N;
    float *p = w->in_turn;
    e[0] = e[1] = e[2] = e[3] = t[0] = t[1] = lossv_set(0);
#if LOSSV_MANY
    if (whole < i + 8) whole = i; /* for fewer it does not pay */
    w->seen = lossv_set(LOSSV_ZERO);
    for (; w->unchecked && i + 3 < whole; i += 4) {
        const lossv *const turns = w->turns;
        LOSSI_FN(walk_four)(w, v, soft, fine, 1, i);
        w->seen = lossv_either(w->seen, turns[0], turns[1]);
        w->seen = lossv_either(w->seen, turns[2], turns[3]);
    }
    for (; i + 3 < whole; i += 4) LOSSI_FN(walk_four)(w, v, soft, fine, 0, i);
#else
    (void)v, (void)soft, (void)whole;
#endif
    LOSSI_UNROLL(4)
    for (; p < w->in_turn + floats; p += LOSSV_N) {
        lossv_store(p, LOSSV_N, e[0]);
        lossv_store(p + floats, LOSSV_N, e[1]);
        lossv_store(p + 2 * floats, LOSSV_N, e[2]);
        lossv_store(p + 3 * floats, LOSSV_N, e[3]);
        if (fine) lossv_store(p + 4 * floats, LOSSV_N, t[0]);
        if (fine) lossv_store(p + 5 * floats, LOSSV_N, t[1]);
    }
    return i;
}

LOSSI_OP void LOSSI_FN(walk_across)(lossv_walk *w, const lossv_view *v, int soft, int fine,
                                    int anchored, size_t i, size_t n)
{
    const lossv raw = lossv_load(v->x + i * v->x_step, n, -LOSSI_INF);
    lossv x = lossv_if_eq(w->mark, w->number, lossv_set(-LOSSI_INF), raw);
    if (anchored) x = lossv_sub(x, w->anchor);
    if (w->kept != NULL) lossv_store(w->kept + (i - w->begin) * LOSSV_N, LOSSV_N, raw);
    LOSSI_FN(walk_on)(w, v, 0, soft, fine, 0, raw, x, i, n, 4);
    w->number = lossv_add(w->number, lossv_set(1));
}

LOSSI_OP float LOSSI_FN(first)(lossv a)
{
    float lanes[LOSSV_N];
    lossv_store(lanes, LOSSV_N, a);
    return lanes[0];
}

/* What a sweep needs of the margin, along of that of position l: all of it would not stay in registers. */
LOSSI_OP void LOSSI_FN(follow)(lossv_walk *w, const lossv_group *g, int along, size_t l)
{
    const lossv x = along ? lossv_set(g->x_r[l]) : g->m.x;
    w->anchor = along ? lossv_set(g->anchor[l]) : g->m.anchor;
    w->base = along ? lossv_set(g->base[l]) : g->m.base;
    w->low = along ? lossv_set(g->low[l]) : g->m.low;
    w->most = lossv_sub(lossv_add(x, lossv_set(LOSSI_AHEAD)), w->anchor);
    w->most = lossv_max(w->low, w->most); /* as top: -inf is not above -inf */
#if LOSSV_N > 1
    w->anchored = along ? !(g->anchor[l] == 0) : lossv_any_lt(lossv_set(0), lossv_abs(w->anchor));
#else
    w->anchored = 1; /* one loop is smaller */
#endif
    w->r = g->r[l];
    w->own = w->r / LOSSV_N;
}

/* t and r of a group that begin_plain began, from the mark */
LOSSI_OP void LOSSI_FN(know)(lossv_group *g)
{
    float mark[LOSSV_N];
    size_t l;
    if (g->known) return;
    lossv_store(mark, LOSSV_N, g->mark);
    for (l = 0; l < LOSSV_N; l++) g->t[l] = g->r[l] = (size_t)mark[l];
    lossv_store(g->x_r, LOSSV_N, g->x_t);
    g->known = 1;
}

/* Sweeps the classes of one position (along, number l) or of all (across). Stores the terms
 * B e^(x_j - x_r), up to the factor, and 0 for r. fine: S to nearly twice the precision of a float. */
LOSSI_OP void LOSSI_FN(sweep)(const lossi_job *job, lossv_group *g, int along, int soft, int fine,
                              size_t l, lossv_sums *sums)
{
    const lossv zero = lossv_set(0);
    const lossi_place *at = &g->at;
    const lossv_view v = LOSSI_FN(view_of)(job, g, along, soft, l);
    float kept[LOSSV_KEPT * LOSSV_N], less[LOSSI_GROUP * LOSSV_SUMS * LOSSV_N];
    float in_turn[6 * LOSSV_SUMS * LOSSV_N];
    const int guess = g->guess, keep = guess && v.terms == v.x; /* terms replace the logits */
    const size_t parts = along ? LOSSV_SUMS : 1;
    const size_t together = along ? LOSSV_TOGETHER(soft, fine) : 1, step = parts / together;
    size_t i, a, begin, end, whole;
    lossv ones[LOSSV_SUMS], lows[LOSSV_SUMS]; /* of the group */
    lossv margins[LOSSV_SUMS], rest[LOSSV_SUMS];
    lossv_pair most_margins[LOSSV_SUMS], most_rest[LOSSV_SUMS];
    lossv_walk w;

    LOSSI_FN(follow)(&w, g, along, l);
    w.half_z = along ? lossv_set(g->x_r[l]) : g->m.x; /* of the first r */
    w.half_z = lossv_mul(w.half_z, lossv_set(0.5f));
    LOSSI_UNROLL(4)
    for (a = 0; a < parts; a++) {
        sums->S[a].high = sums->S[a].low = zero;
        if (soft) sums->margins[a] = sums->rest[a] = sums->S[a];
    }
    w.in_turn = in_turn;
#if LOSSV_MANY
    w.unchecked = along && fine < 2 && g->unchecked && v.full >= 8 &&
                  (keep || v.terms != v.x); /* or logits could not be had again */
#endif
    w.kept = keep ? kept : NULL;
    for (begin = 0; begin < v.blocks; begin = end) {
        const size_t chunk = begin - begin % LOSSI_EXACT; /* numbers from here on are exact */
        int own, again;
#if LOSSV_MANY
        int strayed;
#endif
        end = begin + lossi_least(v.blocks - begin, along ? LOSSI_GROUP * parts : LOSSV_GROUP);
        whole = lossi_least(v.full - v.full % step, end);
        own = along && w.own >= begin && w.own < end;
        w.begin = begin;
        w.to = v.terms != NULL ? v.terms + begin * LOSSV_N : kept;
        w.top = lossv_set(-LOSSI_INF);
        for (i = begin; i < whole && along && (own || keep || w.anchored); i++)
            lossv_store(kept + (i - begin) * LOSSV_N, LOSSV_N, lossv_load_all(v.x + i * LOSSV_N));
        for (i = whole; i < end && along; i++)
            lossv_store(kept + (i - begin) * LOSSV_N, LOSSV_N,
                        lossv_load(v.x + i * LOSSV_N, LOSSV_LANES(i), -LOSSI_INF));
        for (i = 0; i < (end - begin) * LOSSV_N && along && w.anchored; i += LOSSV_N)
            lossv_store(less + i, LOSSV_N, lossv_sub(lossv_load_all(kept + i), w.anchor));
        if (own) {
            float *const p = (w.anchored ? less : kept) + (w.own - begin) * LOSSV_N;
            lossv_store(p, LOSSV_N, LOSSI_FN(but)(w.r, w.low, lossv_load_all(p)));
        }
        for (a = 0; a < parts; a += together) {
            w.ones = w.lows = w.margins = w.rest = zero;
            w.most_margins.high = w.most_margins.low = zero;
            w.most_rest = w.most_margins;
            w.turn = 0;
            if (soft) w.most_margins = sums->margins[a], w.most_rest = sums->rest[a];
            i = begin + a;
            if (along) {
                w.from = w.anchored ? less : own || keep ? kept : v.x + begin * LOSSV_N;
                if (fine < 2) i = LOSSI_FN(walk_fours)(&w, &v, soft, fine, i, whole);
                for (; i < whole; i += step)
                    LOSSI_FN(walk_along)(&w, &v, soft, fine, 0, i, LOSSV_N, 4);
                w.from = w.anchored ? less : kept;
                if (i < end) LOSSI_FN(walk_along)(&w, &v, soft, fine, 0, i, LOSSV_LANES(i), 4);
            } else {
                w.mark = chunk == 0 ? g->mark : LOSSI_FN(mark)(g->r, chunk);
                w.number = LOSSI_FN(number)(0, begin - chunk);
                for (; i < whole && !w.anchored; i++)
                    LOSSI_FN(walk_across)(&w, &v, soft, fine, 0, i, LOSSV_N);
                for (; i < end; i++) LOSSI_FN(walk_across)
                (&w, &v, soft, fine, 1, i, LOSSV_N > 1 ? LOSSV_LANES(i) : 1);
            }
            ones[a] = w.ones;
            lows[a] = w.lows;
            if (along && fine < 2) LOSSI_FN(sums_in_turn)(&w, soft, fine, ones + a, lows + a);
            margins[a] = w.margins;
            rest[a] = w.rest;
            if (soft) most_margins[a] = w.most_margins, most_rest[a] = w.most_rest;
        }
        again = guess && lossv_any_lt(w.most, w.top);
#if LOSSV_MANY
        strayed = w.unchecked && LOSSI_FN(strayed)(&w, ones[0]);
        if (strayed) again = 1;
#endif
        if (again) {
            for (i = begin; i < end && keep; i++) {
                lossv x = lossv_load_all(kept + (i - begin) * LOSSV_N);
                if (own && i == w.own) x = LOSSI_FN(but)(w.r, lossv_set(g->x_r[l]), x);
                lossv_store(v.terms + i * v.terms_step, LOSSV_LANES(i), x);
            }
            end = begin; /* once more */
        }
#if LOSSV_MANY
        if (strayed) {
            g->unchecked = w.unchecked = 0;
            continue;
        }
#endif
        if (again) {
            const lossv_view apart = v; /* copies: the others can stay in registers */
            const lossi_place place = *at;
            const lossv one = lossv_set(1),
                        over = along ? one : lossv_if_lt(w.most, w.top, one, zero);
            lossv_margin m = along ? LOSSI_FN(margin_at)(lossv_set(g->x_r[l])) : g->m;
            lossv_sums y = *sums;
            size_t r[LOSSV_N];
            if (!along) LOSSI_FN(know)(g);
            for (a = 0; a < (along ? 1 : LOSSV_N); a++) r[a] = g->r[l + a];
            LOSSI_FN(rebase)(job->shape.classes, &place, along, begin, over, &apart, &m, r, &y);
            for (a = 0; a < (along ? 1 : LOSSV_N); a++) g->r[l + a] = r[a];
            if (along) {
                g->x_r[l] = LOSSI_FN(first)(m.x);
                g->anchor[l] = LOSSI_FN(first)(m.anchor);
                g->base[l] = LOSSI_FN(first)(m.base);
                g->low[l] = LOSSI_FN(first)(m.low);
            } else {
                g->m = m;
            }
            LOSSI_FN(follow)(&w, g, along, l);
            *sums = y;
            g->moved = 1;
            if (!along) g->mark = LOSSI_FN(mark)(g->r, 0);
            continue;
        }
        LOSSI_UNROLL(4)
        for (a = 0; a < parts; a++) {
            lossv_pair *const S = sums->S + a;
            if (begin == 0) {
                S->high = ones[a];
                S->low = lows[a];
            } else {
                S->low = lossv_add(S->low, lows[a]);
                lossv_accumulate(S, ones[a]);
            }
            if (soft) {
                sums->margins[a] = most_margins[a];
                lossv_accumulate(sums->margins + a, margins[a]);
            }
            if (soft > 1) {
                sums->rest[a] = most_rest[a];
                lossv_accumulate(sums->rest + a, rest[a]);
            }
        }
    }
}

/* The sums of each position in its lane; those of positions that are not on may be anything. */
LOSSI_OP void LOSSI_FN(sweep_all)(const lossi_job *job, lossv_group *g, int along, int soft,
                                  int fine)
{
    (void)along;
#if LOSSV_N > 1
    if (along) {
#if LOSSV_SUMS == 1
        float tiles[6][LOSSV_N * LOSSV_N]; /* what belongs to position l in row l */
#endif
        const int alone = LOSSV_SUMS > 1 || g->at.count == 1;
        const size_t count = alone ? LOSSV_COUNT(&g->at) : LOSSV_N;
        float sums[6][LOSSV_N];
        const lossv zero = lossv_set(0);
        const size_t kinds = (size_t)soft + 1; /* of sums */
        size_t l, i;
        g->unchecked = 1;
        lossv_store(g->anchor, LOSSV_N, g->m.anchor);
        lossv_store(g->base, LOSSV_N, g->m.base);
        lossv_store(g->low, LOSSV_N, g->m.low);
        for (i = 0; i < 2 * kinds && alone; i++) lossv_store(sums[i], LOSSV_N, zero);
        for (l = 0; l < count; l++) {
            lossv_sums parts;
            if (g->on[l] > 0) {
                LOSSI_FN(sweep)(job, g, 1, soft, fine, l, &parts);
            } else {
                if (alone) continue;
                parts.S->high = parts.S->low = zero;
                if (soft) *parts.margins = *parts.rest = *parts.S;
            }
            for (i = 0; i < kinds; i++) {
                lossv_pair *const y = i == 0 ? parts.S : i == 1 ? parts.margins : parts.rest;
                if (alone) {
                    LOSSI_FN(fold)(y, sums[2 * i] + l, sums[2 * i + 1] + l);
                    continue;
                }
#if LOSSV_SUMS == 1
                lossv_store(tiles[2 * i] + l * LOSSV_N, LOSSV_N, y->high);
                lossv_store(tiles[2 * i + 1] + l * LOSSV_N, LOSSV_N, y->low);
#endif
            }
        }
        if (soft == 1) g->sums.rest[0].high = g->sums.rest[0].low = zero;
        if (g->moved) g->m = LOSSI_FN(margin_at)(lossv_load_all(g->x_r));
        for (i = 0; i < kinds; i++) {
            lossv_pair *const y = i == 0 ? g->sums.S : i == 1 ? g->sums.margins : g->sums.rest;
            if (alone) {
                y->high = lossv_load_all(sums[2 * i]);
                y->low = lossv_load_all(sums[2 * i + 1]);
                continue;
            }
#if LOSSV_SUMS == 1
            *y = LOSSI_FN(gather)(tiles[2 * i], tiles[2 * i + 1]);
#endif
        }
        return;
    }
#endif
    LOSSI_FN(sweep)(job, g, 0, soft, fine, 0, &g->sums);
    if (g->moved) lossv_store(g->x_r, LOSSV_N, g->m.x);
}

/* B S of the margin form from the sum of terms, NaN unless x_r is finite. */
LOSSI_OP lossv_pair LOSSI_FN(margin_sum)(const lossv_margin *m, lossv_pair terms)
{
    const lossv scale = lossv_mul(m->s, lossv_set(LOSSV_B));
    const lossv high = lossv_mul(terms.high, scale), low = lossv_mul(terms.low, scale);
    const lossv more = lossv_mul(high, m->t);
    lossv_pair S;
    S.high = lossv_two_sum(high, more, &S.low);
    S.low = lossv_sub(S.low, lossv_rest(more, high, m->t));
    S.low = lossv_add(S.low, lossv_fma(high, m->rest, lossv_fma(low, m->t, low)));
    S.high = lossv_two_sum(S.high, S.low, &S.low); /* of many classes the low part is large */
    S.high = lossv_add(S.high, lossv_sub(m->x, m->x));
    return S;
}

LOSSI_OP lossv_pair LOSSI_FN(unscaled)(lossv_pair a)
{
    const lossv_pair y = {lossv_mul(a.high, lossv_set(LOSSV_1_B)),
                          lossv_mul(a.low, lossv_set(LOSSV_1_B))};
    return y;
}

#if LOSSV_N > 1
/* The same as below for LOSSV_N positions of a tile and nothing special, without touching each lane; returns
 * the class weights of the targets. */
LOSSI_OP lossv LOSSI_FN(begin_plain)(const lossi_job *job, lossv_group *g)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    const lossi_place *at = &g->at;
    const size_t classes = job->shape.classes;
    lossv on = one, x = zero, w = one, number = zero;
    lossv mark = LOSSI_FN(integers)(job->targets, at->first);
    size_t c;
    if (job->ignored) {
        on = lossv_if_eq(mark, lossv_set((float)job->ignore), zero, one);
        mark = lossv_if_eq(on, one, mark, zero);
    }
    g->mark = mark;
    for (c = 0; c + 1 < classes; c += 2) { /* by two, or the numbers would wait for each other */
        const float *const p = at->x + c * at->x_step;
        x = lossv_if_eq(mark, number, lossv_load_all(p), x);
        x = lossv_if_eq(mark, lossv_add(number, one), lossv_load_all(p + at->x_step), x);
        number = lossv_add(number, lossv_set(2));
    }
    if (c < classes) x = lossv_if_eq(mark, number, lossv_load_all(at->x + c * at->x_step), x);
    number = zero;
    for (c = 0; c < classes && job->weight != NULL; c++) {
        w = lossv_if_eq(mark, number, lossv_set(job->weight[c]), w);
        number = lossv_add(number, one);
    }
    g->known = g->moved = 0;
    g->guess = 1;
    g->w = lossv_mul(lossv_set((float)job->keep * job->alpha), w);
    LOSSV_ALL(g->x_t.r[i] = g->x_z.r[i] = x.r[i]) /* as a whole x would stay in memory above */
    lossv_store(g->on, LOSSV_N, on);
    lossv_store(g->u, LOSSV_N,
                job->upstream != NULL ? lossv_load_all(job->upstream + at->first)
                                      : lossv_set(job->factor));
    g->m = LOSSI_FN(margin_at)(x);
    return w;
}
#endif

/* Reads the targets, and settles the reference classes and their margins. */
LOSSI_STEP void LOSSI_FN(begin)(const lossi_job *job, lossv_group *g, int along, int soft)
{
    const lossi_place *at = &g->at;
    const int index = soft < 2;
    /* the target is a good guess if it has half of the weight, as it has from this class weight on */
    const float lead =
        soft ? (float)(job->uniform * job->all_weight / (job->keep + 2 * job->uniform)) : 0;
    float each[LOSSV_N];
    size_t greatest[LOSSV_N], l;
    int asked = 0;
#if LOSSV_N > 1
    if (!along && index && at->count == LOSSV_N && at->x_step <= LOSSV_N * LOSSI_BATCH &&
        job->shape.classes <= LOSSI_EXACT && lossi_narrow(job)) {
        const lossv w = LOSSI_FN(begin_plain)(job, g);
        if (soft && job->weight != NULL) LOSSI_FN(know)(g);
        if (!soft ||
            !(lossv_any_lt(w, lossv_set(lead)) || lossv_any_lt(g->x_t, lossv_set(-FLT_MAX))))
            return;
    }
#endif
    g->known = 1;
    lossv_store(g->on, LOSSV_N, lossv_live(LOSSV_COUNT(at)));
    if (!index || LOSSV_COUNT(at) < LOSSV_N)
        for (l = 0; l < LOSSV_N; l++) g->t[l] = g->r[l] = 0, g->x_r[l] = 0;
    g->guess = index;
    g->moved = !index;
    g->w = lossv_set((float)job->keep * job->alpha);
    if (index) {
        lossi_labels(job, at->first, LOSSV_COUNT(at), g->t, g->on);
        for (l = 0; l < LOSSV_COUNT(at); l++) {
            g->r[l] = g->t[l];
            g->x_r[l] = at->x[LOSSI_FN(element)(along, at->x_step, l, g->t[l])];
        }
        if (job->weight != NULL) {
            for (l = 0; l < LOSSV_N; l++) each[l] = job->weight[g->t[l]];
            g->w = lossv_mul(g->w, lossv_load_all(each));
        }
    } else {
        g->w = lossv_set(0);
    }
    g->x_t = lossv_load_all(g->x_r);
    lossv_store(g->u, LOSSV_N,
                job->upstream != NULL ? lossv_load(job->upstream + at->first, LOSSV_COUNT(at), 0)
                                      : lossv_set(job->factor));
    if (soft) {
        for (l = 0; l < LOSSV_COUNT(at); l++) {
            const float w_t = index && job->weight != NULL ? job->weight[g->t[l]] : 1.f;
            if (!(g->on[l] > 0) || (index && w_t >= lead && g->x_r[l] >= -FLT_MAX)) continue;
            g->r[l] = LOSSI_FN(greatest_of)(job->shape.classes, at, along, l, greatest, &asked);
            g->x_r[l] = at->x[LOSSI_FN(element)(along, at->x_step, l, g->r[l])];
            g->moved = 1;
        }
    }
    g->mark = along ? g->w : LOSSI_FN(mark)(g->r, 0);
    g->x_z = lossv_load_all(g->x_r);
    g->m = LOSSI_FN(margin_at)(g->x_z);
}

/* What the gradient needs where its terms may cancel, from B S, Z, A - t_r and t_r */
LOSSI_OP void LOSSI_FN(slopes_of_terms)(const lossi_job *job, lossv_group *g, const lossv_pair *S,
                                        lossv Z, const losses_wide *rest, const losses_wide *t_r)
{
    const losses_wide B = (losses_wide)LOSSV_B, keep = job->keep, uniform = job->uniform;
    const lossv zero = lossv_set(0), one = lossv_set(1), tiny = lossv_set(LOSSI_TINY);
    float high[LOSSV_N], low[LOSSV_N], s[LOSSV_N], t[LOSSV_N], z[LOSSV_N], u[LOSSV_N];
    float unit[LOSSV_N], all[LOSSV_N], K[LOSSV_N], near_r[LOSSV_N], far_r[LOSSV_N];
    lossv size, K_l;
    size_t l;
    lossv_store(high, LOSSV_N, S->high);
    lossv_store(low, LOSSV_N, S->low);
    lossv_store(s, LOSSV_N, g->m.s);
    lossv_store(t, LOSSV_N, g->m.t);
    lossv_store(z, LOSSV_N, Z);
    lossv_store(u, LOSSV_N, lossv_load_all(g->u));
    LOSSI_SINGLY
    for (l = 0; l < LOSSV_N; l++) { /* no branch, for compilers that take several at a time */
        const losses_wide u_l = (losses_wide)u[l], z_l = (losses_wide)z[l];
        const losses_wide s_l = (losses_wide)s[l], t_l = (losses_wide)t[l];
        const losses_wide BS = (losses_wide)high[l] + (losses_wide)low[l], p_r = 1 / (1 + BS / B);
        const losses_wide A = rest[l] + t_r[l], a = u_l * (A + z_l), p = (s_l + s_l * t_l) * p_r;
        unit[l] = (float)p;
        all[l] = (float)a;
        K[l] = (float)(a * p);
        low[l] = (float)(a * p - (losses_wide)K[l]);
        near_r[l] = (float)(u_l * (rest[l] + z_l * p_r) - u_l * A * BS * p_r / B);
        far_r[l] = (float)(a * p_r - u_l * t_r[l]);
        s[l] = (float)(u_l * keep);
        t[l] = (float)(u_l * uniform);
    }
    K_l = lossv_load_all(K);
    size = lossv_abs(K_l);
    lossv_store(g->K, LOSSV_N, lossv_if_lt(size, tiny, lossv_load_all(unit), one));
    lossv_store(g->K2, LOSSV_N, lossv_if_lt(size, tiny, lossv_load_all(all), K_l));
    lossv_store(g->K3, LOSSV_N, lossv_if_lt(size, tiny, zero, lossv_load_all(low)));
    lossv_store(
        g->g, LOSSV_N,
        lossv_if_lt(S->high, lossv_set(LOSSV_B), lossv_load_all(near_r), lossv_load_all(far_r)));
    lossv_store(g->keep, LOSSV_N, lossv_load_all(s));
    lossv_store(g->uniform, LOSSV_N, lossv_load_all(t));
}

/* A - t_r and t_r where there are target terms apart from an index: of the index alone at first, then of all,
 * and in double. */
LOSSI_OP void LOSSI_FN(target_sums)(const lossi_job *job, const lossv_group *g, int along,
                                    lossv *rest, lossv *t_r, losses_wide *all_rest,
                                    losses_wide *all_t_r)
{
    const lossi_place *at = &g->at;
    const lossv zero = lossv_set(0),
                sum = g->sums.rest[0].high; /* if infinite, its low part is NaN */
    const lossv more = lossv_if_lt(lossv_abs(sum), lossv_set(LOSSI_INF), g->sums.rest[0].low, zero);
    const int index = at->q == NULL;
    const losses_wide uniform = index ? job->uniform : 0;
    float high[LOSSV_N], low[LOSSV_N], t[LOSSV_N], w_r[LOSSV_N], q_r[LOSSV_N];
    size_t l;
    lossv_store(high, LOSSV_N, index ? *rest : sum);
    lossv_store(low, LOSSV_N, index ? zero : more);
    lossv_store(t, LOSSV_N, *t_r);
    lossv_store(w_r, LOSSV_N, lossv_set(1));
    lossv_store(q_r, LOSSV_N, zero);
    for (l = 0; l < LOSSV_N && job->weight != NULL; l++) w_r[l] = job->weight[g->r[l]];
    for (l = 0; l < at->count && !index; l++)
        q_r[l] = at->q[LOSSI_FN(element)(along, at->step, l, g->r[l])];
    LOSSI_SINGLY
    for (l = 0; l < LOSSV_N; l++) {
        const losses_wide w_l = (losses_wide)w_r[l], q_l = (losses_wide)q_r[l];
        all_rest[l] = (losses_wide)high[l] + (losses_wide)low[l];
        all_rest[l] += uniform * (job->all_weight - w_l);
        all_t_r[l] = (losses_wide)t[l] + w_l * (job->keep * q_l + job->uniform);
        high[l] = (float)all_rest[l];
        low[l] = (float)all_t_r[l];
    }
    *rest = lossv_load_all(high);
    *t_r = lossv_load_all(low);
}

/* What the gradient needs where no terms cancel; A and Z are times u, B S and S without their low parts. */
LOSSI_OP void LOSSI_FN(slopes_of_index)(lossv_group *g, lossv u, lossv A, lossv Z, lossv rest,
                                        lossv t_r, lossv BS, lossv S, lossv inverse)
{
    const lossv one = lossv_set(1), tiny = lossv_set(LOSSI_TINY);
    /* p_j = term * unit */
    const lossv unit = lossv_mul(lossv_fma(g->m.s, g->m.t, g->m.s), inverse);
    lossv s = lossv_mul(lossv_mul(A, lossv_mul(BS, inverse)), lossv_set(LOSSV_1_B));
    s = lossv_if_lt(S, one, lossv_sub(lossv_mul(u, rest), s),
                    lossv_fnma(u, t_r, lossv_mul(A, inverse)));
    lossv_store(g->g, LOSSV_N, lossv_fma(Z, inverse, s));
    A = lossv_add(A, Z);
    s = lossv_mul(A, unit);
    /* below tiny s might not be a normal number */
    lossv_store(g->K2, LOSSV_N, lossv_if_lt(lossv_abs(s), tiny, A, one));
    lossv_store(g->K, LOSSV_N, lossv_if_lt(lossv_abs(s), tiny, unit, s));
}

/* The losses, and what the gradient needs: cross-entropy with all its options, and focal as a function of
 * it: with s = 1 - p_t,
 *     focal = a s^gamma l,  dfocal/dx = A dl/dx,  A = a s^gamma (1 + gamma p_t l / s).
 * Gradient: (A + Z) p_j - t_j with A = sum t_c and Z = 2 z lse; at r, where p_r > 1/2, that is
 * (A - t_r) - A (1 - p_r) + Z p_r with A - t_r summed over the others, so that nothing cancels. */
LOSSI_STEP void LOSSI_FN(finish)(const lossi_job *job, lossv_group *g, int along, int soft,
                                 int focal)
{
    const lossv zero = lossv_set(0), one = lossv_set(1), half = lossv_set(0.5f);
    const lossv tiny = lossv_set(LOSSI_TINY), on = lossv_load_all(g->on);
    const lossv root_B = lossv_set(9.5367432e-7f); /* 1 / B^(1/2) */
    const lossi_place *at = &g->at;
    const lossv w = g->w, x_z = g->x_z;
    const int index = at->q == NULL;
    losses_wide all_rest[LOSSV_N], all_t_r[LOSSV_N];
    float each[LOSSV_N];
    size_t l;
    lossv lse, loss, A, Z = zero, lag, leads = index ? one : zero;
    const lossv_pair scaled = LOSSI_FN(margin_sum)(&g->m, g->sums.S[0]);
    const lossv_pair S = LOSSI_FN(unscaled)(scaled);
    const lossv inverse = lossv_div(one, lossv_add(one, S.high));
    const lossv_pair L = lossv_log1p(S, inverse);
    const lossv l_r = lossv_add(L.high, L.low); /* lse - x_r */
    lossv rest, t_r, u = lossv_load_all(g->u);

    if (index && g->moved) {
        for (l = 0; l < LOSSV_N; l++) each[l] = g->r[l] == g->t[l] ? 1.f : 0.f;
        leads = lossv_load_all(each);
    }
    rest = lossv_if_eq(leads, one, zero, w);
    t_r = lossv_sub(w, rest);
    A = w;
    if (soft) {
        LOSSI_FN(target_sums)(job, g, along, &rest, &t_r, all_rest, all_t_r);
        A = lossv_add(rest, t_r);
    }
    /* half of sum t_c (x_r - x_c), which may not overflow; 0 where A is */
    lag = lossv_fnma(x_z, half, lossv_mul(g->m.x, half));
    lag = lossv_mul(A, lossv_if_eq(A, zero, lossv_min(lossv_set(FLT_MAX), lag), lag));
    if (focal) {
        lossv_pair s, sum;                                                       /* B s, 1 + S */
        lossv P, ratio = lossv_div(l_r, lossv_if_eq(S.high, zero, one, S.high)); /* p_t l / s */
        ratio = lossv_if_eq(S.high, zero, one, ratio);
        sum.high = lossv_two_sum(one, S.high, &sum.low);
        sum.low = lossv_add(sum.low, S.low);
        s = LOSSI_FN(divide)(scaled, sum, inverse);
        s.high = lossv_if_eq(leads, one, s.high, lossv_set(LOSSV_B)); /* s = 1 far behind */
        s.low = lossv_if_eq(leads, one, s.low, zero);
        P = LOSSI_FN(focus)(s, job->gamma);
        ratio = lossv_if_eq(leads, one, ratio, zero);
        /* B l_r is B S below tiny, where l_r might not be a normal number */
        loss = lossv_mul(P, lossv_mul(w, root_B));
        loss = lossv_mul(loss, lossv_if_lt(l_r, tiny, scaled.high, l_r));
        loss = lossv_mul(loss, lossv_if_lt(l_r, tiny, lossv_set(LOSSV_1_B), one));
        loss = lossv_fma(loss, root_B, lossv_add(lag, lag));
        A = lossv_mul(P, lossv_mul(lossv_mul(u, w), root_B)); /* u A, for A may be small */
        A = lossv_mul(A, lossv_fma(lossv_set(job->gamma), ratio, one));
        A = lossv_mul(A, root_B);
        u = one;
        rest = lossv_if_eq(leads, one, zero, A);
        t_r = lossv_sub(A, rest);
    } else {
        if (soft) { /* the target of an index is w of the sum, and stands at x_t */
            const lossv d = lossv_fnma(g->x_t, half, lossv_mul(x_z, half));
            lag = lossv_add(lag, lossv_collapse(g->sums.margins[0]));
            lag = lossv_add(lag, lossv_if_eq(w, zero, zero, lossv_mul(w, d)));
        }
        lag = lossv_add(lag, lag);
        loss = lossv_fma(lossv_mul(A, scaled.high), lossv_set(LOSSV_1_B), lag);
        loss = lossv_if_lt(l_r, tiny, loss, lossv_fma(A, l_r, lag));
        if (soft) { /* infinite parts of both signs are those of an infinite loss */
            const lossv most = lossv_fma(A, l_r, lossv_set(LOSSI_INF)); /* or NaN, as they are */
            loss = lossv_if_eq(loss, loss, loss, most);
        }
    }
    if (job->log_sum_exp != NULL || job->z_loss > 0) {
        lossv error;
        lse = lossv_two_sum(g->m.x, L.high, &error);
        lse = lossv_add(lse, lossv_add(error, L.low));
        if (job->z_loss > 0) { /* 0 * lse might be -0 */
            Z = lossv_mul(lossv_set(job->z_loss), lse);
            loss = lossv_fma(Z, lse, loss);
            Z = lossv_add(Z, Z);
        }
        if (job->log_sum_exp != NULL)
            lossv_store(job->log_sum_exp + at->first, LOSSV_COUNT(at),
                        lossv_if_eq(on, one, lse, zero));
    }
    lossv_store(at->loss, LOSSV_COUNT(at), lossv_if_eq(on, one, loss, zero));

    lossv_store(g->g_t, LOSSV_N, lossv_mul(u, focal ? A : w));
    if (soft) {
        LOSSI_FN(slopes_of_terms)(job, g, &scaled, Z, all_rest, all_t_r);
        return;
    }
    A = lossv_mul(u, A);
    Z = lossv_mul(u, Z);
    LOSSI_FN(slopes_of_index)(g, u, A, Z, rest, t_r, scaled.high, S.high, inverse);
}

/* Of one number for each position: that of position l in all lanes (along), or each in its lane */
LOSSI_OP lossv LOSSI_FN(lanes_of)(const float *p, int along, size_t l)
{
    return along ? lossv_set(p[l]) : lossv_load_all(p);
}

/* The terms of block i, of n lanes: as stored, or computed again */
LOSSI_OP lossv LOSSI_FN(terms_of)(const lossv_view *v, const lossv_margin *m, int stored, size_t i,
                                  size_t n)
{
    if (stored) return lossv_load(v->terms + i * v->terms_step, n, 0);
    LOSSI_PREFETCH(v->soon + i * v->soon_step);
    LOSSI_PREFETCH_FAR(v->soon_grad + i * v->soon_step);
    return LOSSI_FN(term)(lossv_load(v->x + i * v->x_step, n, -LOSSI_INF), m);
}

/* The gradient of one position (along, number l) or of all (across): u ((A + Z) p_j - t_j) where on, with
 * u (A + Z) p_j = term * K * (K2 + K3), K3 only where terms may cancel; the terms are computed again where
 * they have not been stored. simple: they have, and there is nothing to be added to. */
LOSSI_OP void LOSSI_FN(gradient)(const lossi_job *job, const lossv_group *g, int along, int soft,
                                 int simple, size_t l)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    const lossi_place *at = &g->at;
    lossv_view v = LOSSI_FN(view_of)(job, g, along, soft, l);
    const size_t r = along ? g->r[l] : 0, t = along ? g->t[l] : 0, classes = job->shape.classes;
    const int add = !simple && job->accumulate, stored = simple || v.terms != NULL;
    const float old = add && along && r < classes ? v.grad[r] : 0;
    const lossv K = LOSSI_FN(lanes_of)(g->K, along, l), K2 = LOSSI_FN(lanes_of)(g->K2, along, l);
    const lossv K3 = soft ? LOSSI_FN(lanes_of)(g->K3, along, l) : zero;
    const lossv on = lossv_load_all(g->on), g_r = lossv_load_all(g->g);
    const lossv_margin m = along && !stored ? LOSSI_FN(margin_at)(lossv_set(g->x_r[l])) : g->m;
    lossv number = zero, mark = g->mark;
    size_t i = 0;
    if (soft) {
        v.keep = LOSSI_FN(lanes_of)(g->keep, along, l);
        v.uniform = LOSSI_FN(lanes_of)(g->uniform, along, l);
    }
    if (along || !job->ignored) { /* nothing to look at in each block */
        const size_t end = lossi_least(v.full, LOSSI_EXACT);
        for (; i < end; i++) {
            lossv y = LOSSI_FN(terms_of)(&v, &m, stored, i, LOSSV_N);
            y = LOSSI_FN(slope)(y, K, K2, K3, &v, along, soft, i, LOSSV_N);
            if (!along) y = lossv_if_eq(mark, number, g_r, y), number = lossv_add(number, one);
            if (add) y = lossv_add(lossv_load_all(v.grad + i * v.grad_step), y);
            lossv_store(v.grad + i * v.grad_step, LOSSV_N, y);
        }
    }
    for (; i < v.blocks; i++) {
        const size_t n = i < v.full ? LOSSV_N : LOSSV_LANES(i);
        float *const to = v.grad + i * v.grad_step;
        lossv y = LOSSI_FN(terms_of)(&v, &m, stored, i, n);
        y = LOSSI_FN(slope)(y, K, K2, K3, &v, along, soft, i, n);
        if (!along) {
            if (i % LOSSI_EXACT == 0 && i > 0) mark = LOSSI_FN(mark)(g->r, i), number = zero;
            y = lossv_if_eq(on, one, lossv_if_eq(mark, number, g_r, y), zero);
            number = lossv_add(number, one);
        }
        if (add) y = lossv_add(lossv_load(to, n, 0), y);
        lossv_store(to, n, y);
    }
    if (along) { /* r and t of a block may be elsewhere */
        if (r < classes) v.grad[r] = add ? old + g->g[l] : g->g[l];
        if (at->q == NULL && r != t && t < classes) v.grad[t] -= g->g_t[l];
    } else if (at->q == NULL && g->moved) {
        for (i = 0; i < at->count; i++)
            if (g->on[i] > 0 && g->r[i] != g->t[i] && g->t[i] < classes)
                v.grad[g->t[i] * v.grad_step + i] -= g->g_t[i];
    }
}

LOSSI_OP void LOSSI_FN(gradients_as)(const lossi_job *job, const lossv_group *g, int along,
                                     int soft, int simple)
{
    const lossi_place *at = &g->at;
    size_t n, i;
    if (!along) {
        LOSSI_FN(gradient)(job, g, 0, soft, simple, 0);
        return;
    }
    for (n = LOSSV_COUNT(at); n > 0; n--) { /* the last terms are the nearest */
        const size_t l = n - 1;
        float *const y = at->grad + l * at->grad_step;
        if (g->on[l] > 0)
            LOSSI_FN(gradient)(job, g, 1, soft, simple, l);
        else
            for (i = 0; i < job->shape.classes && !job->accumulate; i++) y[i] = 0;
    }
}

LOSSI_STEP void LOSSI_FN(gradients)(const lossi_job *job, const lossv_group *g, int along, int soft)
{
    if (g->terms == NULL || job->accumulate)
        LOSSI_FN(gradients_as)(job, g, along, soft, 0);
    else if (soft)
        LOSSI_FN(gradients_as)(job, g, along, soft, 1);
    else
        LOSSI_FN(gradients_as)(job, g, along, 0, 1);
}

/* x - lse */
LOSSI_STEP void LOSSI_FN(log_softmax)(const lossi_job *job, lossv_group *g, int along)
{
    const lossi_place *at = &g->at;
    float L_l[LOSSV_N];
    const lossv_pair S = LOSSI_FN(unscaled)(LOSSI_FN(margin_sum)(&g->m, g->sums.S[0]));
    lossv_pair L = lossv_log1p(S, lossv_div(lossv_set(1), lossv_add(lossv_set(1), S.high)));
    size_t l, i;
    L.high = lossv_add(L.high, L.low);
    lossv_store(L_l, LOSSV_N, L.high);
    for (l = 0; l < (along ? at->count : 1); l++) {
        const lossv_view v = LOSSI_FN(view_of)(job, g, along, 0, l);
        const lossv x_r = along ? lossv_set(g->x_r[l]) : g->m.x;
        const lossv low = along ? lossv_set(L_l[l]) : L.high;
        for (i = 0; i < v.blocks; i++) {
            const lossv x = lossv_load(v.x + i * v.x_step, LOSSV_LANES(i), 0);
            LOSSI_PREFETCH_FAR(v.soon_grad + i * v.soon_step);
            lossv_store(v.grad + i * v.grad_step, LOSSV_LANES(i),
                        lossv_sub(lossv_sub(x, x_r), low));
        }
    }
}

/* u_j - e^(a_j) sum_c u_c, with a in x and u in q */
LOSSI_STEP void LOSSI_FN(log_softmax_gradient)(const lossi_job *job, const lossv_group *g,
                                               int along)
{
    const lossi_place *at = &g->at;
    size_t l, i;
    for (l = 0; l < (along ? at->count : 1); l++) {
        const lossv_view v = LOSSI_FN(view_of)(job, g, along, 2, l);
        lossv_pair total[LOSSV_SUMS];
        lossv U, t;
        for (i = 0; i < LOSSV_SUMS; i++) total[i].high = total[i].low = lossv_set(0);
        for (i = 0; i < v.blocks; i++)
            lossv_accumulate(total + (along ? i % LOSSV_SUMS : 0),
                             lossv_load(v.q + i * v.step, LOSSV_LANES(i), 0));
        U = lossv_collapse(total[0]);
        if (along) {
            const lossi_sum sum = LOSSI_FN(sum)(total);
            U = lossv_set((float)lossi_total(&sum));
        }
        for (i = 0; i < v.blocks; i++) {
            const size_t n = LOSSV_LANES(i);
            LOSSI_PREFETCH(v.soon + i * v.soon_step);
            LOSSI_PREFETCH_FAR(v.soon_grad + i * v.soon_step);
            LOSSI_PREFETCH(v.soon_q + i * v.soon_step);
            t = lossv_load(v.x + i * v.x_step, n, 0);
            t = lossv_exp(t, lossv_set(40), lossv_set(-167 * LOSSV_LN2));
            t = lossv_mul(lossv_mul(t, U), lossv_set(LOSSV_1_B));
            lossv_store(v.grad + i * v.grad_step, n,
                        lossv_sub(lossv_load(v.q + i * v.step, n, 0), t));
        }
    }
}

#ifndef LOSSES_NO_DOUBLE
/* Reads the targets for a block of classes. To fold it: the reference is the target, where it is in the block,
 * otherwise the scale of the state, or a class of the block where that has none, the first; or where margins to it
 * count the greatest of a sample, or where it is kept apart of all. For its gradient: from the finished states. */
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(begin_block)(const lossi_job *job, lossv_group *g, int along,
                                                    int soft)
{
    const lossi_place *at = &g->at;
    const size_t classes = job->shape.classes;
    const int index = at->q == NULL;
    const int own = index && (!soft || lossi_target_leads(job));
    const size_t sample = own ? lossi_least(classes, 64) : classes;
    size_t greatest[LOSSV_N], l, c;
    int asked = 0;
    g->terms = NULL;
    g->known = 1;
    g->guess = own;
    g->moved = !own; /* along, a rebase sets it otherwise */
    lossv_store(g->on, LOSSV_N, lossv_live(at->count));
    for (l = 0; l < LOSSV_N; l++) {
        g->t[l] = g->r[l] = LOSSI_NONE;
        g->x_r[l] = g->K[l] = g->K2[l] = g->K3[l] = g->g[l] = g->g_t[l] = g->u[l] = 0;
    }
    if (index) {
        lossi_labels(job, at->first, at->count, g->t, g->on);
        for (l = 0; l < at->count; l++)
            g->t[l] -= job->block; /* of no class, where it is not in here */
    }
    for (l = 0; l < at->count; l++) {
        const losses_partial *const s =
            (const losses_partial *)(job->finished != NULL ? job->finished : job->states) +
            at->first + l;
        if (job->finished != NULL) {
            const double slope = s->slope / (double)LOSSV_B;
            const int tiny = slope < (double)LOSSI_TINY && slope > -(double)LOSSI_TINY;
            const double k = lossi_power(s->x_r) * 0.6931471805599453;
            g->x_r[l] = lossi_anchor(s->x_r) < 0 || lossi_anchor(s->x_r) > 0 ? s->x_r : (float)k;
            if (k >= 300) g->x_r[l] = 299.99f; /* below LOSSI_NEAR, and rounded to the same power */
            if (k <= -300) g->x_r[l] = -299.99f;
            g->r[l] = own ? g->t[l] : s->r - job->block;
            g->K[l] = tiny ? (float)(slope * 1.2676506002282294e30) : 1; /* 2^100 */
            g->K2[l] = tiny ? LOSSI_TINY : (float)slope;
            g->K3[l] = tiny ? 0 : (float)(slope - (double)g->K2[l]);
            g->g[l] = s->at_r;
            g->g_t[l] = s->less_t;
            g->u[l] = s->u;
        } else {
            g->r[l] = g->t[l] < classes ? g->t[l] : LOSSI_NONE;
            if (soft && (!own || (g->r[l] == LOSSI_NONE && s->folded == 0)))
                g->r[l] = LOSSI_FN(greatest_of)(sample, at, along, l, greatest, &asked);
            c = g->r[l] < classes ? g->r[l] : 0;
            g->x_r[l] = g->r[l] == c || s->folded == 0
                            ? at->x[LOSSI_FN(element)(along, at->x_step, l, c)]
                            : s->x_r;
        }
    }
    lossv_store(g->keep, LOSSV_N, lossv_mul(lossv_load_all(g->u), lossv_set((float)job->keep)));
    lossv_store(g->uniform, LOSSV_N,
                lossv_mul(lossv_load_all(g->u), lossv_set((float)job->uniform)));
    g->mark = along ? lossv_set(0) : LOSSI_FN(mark)(g->r, 0);
    g->x_t = g->x_z = g->w = lossv_load_all(g->x_r);
    g->m = LOSSI_FN(margin_at)(g->x_z);
}

/* Whether the margins of a smoothed block are to be summed once more: to another class, as r has moved, or is not
 * the target and stands far behind the mean, so that they would cancel. */
LOSSI_KERNEL LOSSI_APART int LOSSI_FN(cancels)(const lossi_job *job, lossv_group *g, int along)
{
    const size_t classes = job->shape.classes;
    /* of half the margins: 4 behind */
    const float least = -2 * (float)(job->uniform * (losses_wide)classes);
    float margins[LOSSV_N];
    size_t greatest[LOSSV_N], l;
    int asked = 0, again = lossv_any_lt(g->x_z, lossv_load_all(g->x_r));
    lossv_store(margins, LOSSV_N, g->sums.margins[0].high);
    for (l = 0; l < g->at.count; l++) {
        if (!(g->on[l] > 0) || g->t[l] < classes || !(margins[l] < least)) continue;
        g->r[l] = LOSSI_FN(greatest_of)(classes, &g->at, along, l, greatest, &asked);
        g->x_r[l] = g->at.x[LOSSI_FN(element)(along, g->at.x_step, l, g->r[l])];
        again = 1;
    }
    if (!along) g->mark = LOSSI_FN(mark)(g->r, 0);
    g->m = LOSSI_FN(margin_at)(lossv_load_all(g->x_r));
    return again;
}

/* Takes the sums of a block into the states. */
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(end_block)(const lossi_job *job, const lossv_group *g,
                                                  int along, int soft)
{
    const lossi_place *at = &g->at;
    const size_t classes = job->shape.classes;
    const float *const w = job->weight;
    float high[3][LOSSV_N] = {{0}}, low[3][LOSSV_N] = {{0}}, k[LOSSV_N];
    size_t l;
    lossv_store(k, LOSSV_N, g->m.k);
    lossv_store(high[0], LOSSV_N, g->sums.S[0].high);
    lossv_store(low[0], LOSSV_N, g->sums.S[0].low);
    if (soft) {
        lossv_store(high[1], LOSSV_N, g->sums.margins[0].high);
        lossv_store(low[1], LOSSV_N, g->sums.margins[0].low);
        lossv_store(high[2], LOSSV_N, g->sums.rest[0].high);
        lossv_store(low[2], LOSSV_N, g->sums.rest[0].low);
    }
    for (l = 0; l < at->count; l++) {
        const size_t t = g->t[l], r = g->r[l];
        const float x_r = g->x_r[l];
        losses_partial y = {0, 0, 0, 0, 0, 0, LOSSI_NONE, 0, 0, 0, 0, 0};
        if (!(g->on[l] > 0)) continue;
        y.folded = classes;
        if (x_r <= FLT_MAX) {
            const double unit = lossi_exp(0, (double)k[l] - 40 - lossi_power(x_r));
            y.x_r = x_r;
            y.sum = ((double)high[0][l] + (double)low[0][l]) * unit;
        } else {
            y.sum = (double)LOSSI_NAN; /* NaN or inf */
        }
        if (t < classes) y.x_t = at->x[LOSSI_FN(element)(along, at->x_step, l, t)];
        if (soft) {
            const int known = lossi_finite((losses_wide)high[1][l]);
            y.margins = 2 * ((double)high[1][l] + (known ? (double)low[1][l] : 0));
        }
        if (g->guess) {
            if (r < classes && r != t) y.sum += lossi_term(x_r, y.x_r);
            y.rest = job->uniform * job->all_weight;
        } else {
            const losses_wide w_r = w != NULL ? (losses_wide)w[r] : 1;
            losses_wide q_r = 0;
            if (at->q != NULL) q_r = (losses_wide)at->q[LOSSI_FN(element)(along, at->step, l, r)];
            y.r = job->block + r;
            y.t_r = w_r * (job->keep * q_r + job->uniform);
            y.rest = at->q == NULL ? job->uniform * (job->all_weight - w_r)
                     : lossi_finite((losses_wide)high[2][l])
                         ? (double)high[2][l] + (double)low[2][l]
                         : (double)high[2][l];
        }
        if (x_r < -FLT_MAX) y.margins = 0; /* the others will tell */
        lossi_merge_states((losses_partial *)job->states + at->first + l, y);
    }
}
#endif

#if LOSSV_N > 1
/* A sweep for each kind of loss: a branch in each block for what it does not need takes a quarter longer. */
#define LOSSI_SWEEP(name, soft, fine) \
    LOSSI_STEP void LOSSI_FN(name)(const lossi_job *job, lossv_group *g, int along) \
    { \
        LOSSI_FN(sweep_all)(job, g, along, soft, fine); \
    }
LOSSI_SWEEP(sweep_plain, 0, 0)
LOSSI_SWEEP(sweep_fine, 0, 1)
LOSSI_SWEEP(sweep_finest, 0, 2)
LOSSI_SWEEP(sweep_smooth, 1, 1)
LOSSI_SWEEP(sweep_soft, 2, 1)
#endif

#if LOSSV_N == 1
LOSSI_KERNEL void LOSSI_FN(sweep_as)(const lossi_job *job, lossv_group *g, int along, int soft,
                                     int fine)
{
    LOSSI_FN(sweep_all)(job, g, along, soft, fine);
}
#else
LOSSI_OP void LOSSI_FN(sweep_as)(const lossi_job *job, lossv_group *g, int along, int soft,
                                 int fine)
{
    if (soft > 1)
        LOSSI_FN(sweep_soft)(job, g, along);
    else if (soft)
        LOSSI_FN(sweep_smooth)(job, g, along);
    else if (fine == 0)
        LOSSI_FN(sweep_plain)(job, g, along);
    else if (fine == 1)
        LOSSI_FN(sweep_fine)(job, g, along);
    else
        LOSSI_FN(sweep_finest)(job, g, along);
}
#endif

/* Takes n groups, each step for all of them before the next: the CPU works on one while another waits for its
 * results. */
LOSSI_STEP void LOSSI_FN(take_groups)(const lossi_job *job, lossv_group *g, size_t n, int along)
{
    const int focal = job->loss == LOSSI_FOCAL, log_softmax = job->loss == LOSSI_LOG_SOFTMAX;
    const int sweep = !lossi_is_partial(job) || g->at.grad == NULL;
    int soft = 0, fine;
    size_t i;
    if (job->uniform > 0) soft = 1;
    if (g->at.q != NULL) soft = 2;
    if (focal || log_softmax) soft = 0;
    fine = focal ? 1 + (job->gamma > 2) : soft > 0;
    if (job->loss == LOSSI_LOG_SOFTMAX_G) {
        for (i = 0; i < n; i++) LOSSI_FN(log_softmax_gradient)(job, g + i, along);
        return;
    }
    for (i = 0; i < n; i++) {
#ifndef LOSSES_NO_DOUBLE
        if (lossi_is_partial(job)) {
            LOSSI_FN(begin_block)(job, g + i, along, soft);
            continue;
        }
#endif
        if (log_softmax) g[i].terms = NULL;
        LOSSI_FN(begin)(job, g + i, along, log_softmax ? 2 : soft);
    }
    for (i = 0; i < n && sweep; i++) LOSSI_FN(sweep_as)(job, g + i, along, soft, fine);
    for (i = 0; i < n && sweep; i++) {
#ifndef LOSSES_NO_DOUBLE
        if (lossi_is_partial(job)) {
            if (soft && g[i].guess && LOSSI_FN(cancels)(job, g + i, along))
                LOSSI_FN(sweep_as)(job, g + i, along, soft, fine);
            LOSSI_FN(end_block)(job, g + i, along, soft);
            continue;
        }
#endif
        if (log_softmax)
            LOSSI_FN(log_softmax)(job, g + i, along);
        else
            LOSSI_FN(finish)(job, g + i, along, soft, focal);
    }
    for (i = 0; i < n && g->at.grad != NULL && !log_softmax; i++)
        LOSSI_FN(gradients)(job, g + i, along, soft);
}

#if LOSSV_N > 1
/* Of positions side by side, those from number l on */
LOSSI_OP void LOSSI_FN(group_at)(lossv_group *g, const lossi_place *all, size_t l, float *terms)
{
    g->at = *all;
    g->at.x += l;
    if (all->q != NULL) g->at.q += l;
    if (all->grad != NULL) g->at.grad += l;
    g->at.count = lossi_least(all->count - l, LOSSV_N);
    g->at.first += l;
    g->at.loss += l;
    g->terms = terms != NULL ? terms + l : NULL;
    g->terms_step = all->x_step;
}

/* Rows, count of them, first the number of the first. */
LOSSI_KERNEL void LOSSI_FN(rows)(const lossi_job *job, size_t first, size_t count, float *losses)
{
    const size_t classes = job->shape.classes, row = job->shape.sample_stride;
    const size_t most = LOSSV_N * LOSSI_BATCH;
    float tile[3 * LOSSI_TILE], *const q_tile = tile + LOSSI_TILE,
                                       *const grad_tile = q_tile + LOSSI_TILE;
    const lossi_place rows = lossi_at(job, first * row, row, count, first, losses);
    float *const grad = rows.grad;
    lossi_place at = rows;
    lossv_group g[LOSSI_BATCH];
    size_t l, n = 0;
    g->at = at;
    if (classes > LOSSI_FEW) {
        const size_t wide = (classes + LOSSV_N - 1) / LOSSV_N * LOSSV_N;
        const int fits = count * wide <= (job->accumulate ? 3 : 1) * LOSSI_TILE;
        g->terms = grad == NULL || (job->accumulate && !fits) ? NULL : fits ? tile : grad;
        g->terms_step = fits ? wide : row;
        LOSSI_FN(take_groups)(job, g, 1, 1);
        return;
    }
    at.x = tile; /* few classes: turned, so that they lie across */
    at.q = at.q != NULL ? q_tile : NULL;
    at.grad = grad == NULL ? NULL : job->accumulate ? grad_tile : tile;
    at.step = at.x_step = at.grad_step = most;
    for (l = 0; l < count; l += LOSSV_N, n++) {
        const size_t lanes = lossi_least(count - l, LOSSV_N);
        LOSSI_FN(turn)(tile + l, most, rows.x + l * row, row, lanes, classes);
        if (rows.q != NULL) LOSSI_FN(turn)(q_tile + l, most, rows.q + l * row, row, lanes, classes);
        if (grad != NULL && job->accumulate)
            LOSSI_FN(turn)(grad_tile + l, most, grad + l * row, row, lanes, classes);
        LOSSI_FN(group_at)(g + n, &at, l, grad != NULL ? tile : NULL);
        g[n].soon = rows.x + (l + most) * row;
        g[n].soon_grad = grad != NULL ? grad + (l + most) * row : g[n].soon;
        g[n].soon_q = rows.q != NULL ? rows.q + (l + most) * row : NULL;
        g[n].soon_step = LOSSV_N;
    }
    LOSSI_FN(take_groups)(job, g, n, 0);
    for (l = 0; l < count && grad != NULL; l += LOSSV_N) {
        const size_t lanes = lossi_least(count - l, LOSSV_N);
        LOSSI_FN(turn_back)(grad + l * row, row, at.grad + l, most, lanes, classes);
    }
}
#endif

#if LOSSV_N == 1
/* --- one number at a time ----------------------------------------------------------------------------
 * What a microcontroller links, and what its calls take where no option needs more: index targets, and
 * masks. With a = 0 or the greatest logit m, where |m| is so large that x - m is exact, and k = (m - a) / ln 2
 * rounded, E_j = B e^(x_j - a) 2^-k gives
 *     S = sum_{j != t} E_j / E_t,  p_j = E_j / sum E,  l = log1p(S),  s = 1 - p_t = S / (1 + S):
 * r is the target and the greatest logit only gives the scale. A target further behind it is taken for one
 * that is 31 behind, where l is the log of the sum less x_t to the last bit, and the rest of the way is added. */
#define LOSSV_MAGIC 8389632.f /* 2^23 + 2^10: integers added to it stand in the last bits */
#if LOSSI_X87 || defined(__FAST_MATH__)
#define LOSSV_TURNS(sum, step) ((float)(int32_t)(lossi_bits(sum) - lossi_bits(step)))
#else
#define LOSSV_TURNS(sum, step) ((sum) - (step))
#endif

LOSSI_OP float LOSSI_FN(top_lane)(float x) { return lossr_masked(x, 0xfffff000u); }

/* Two numbers, or one in two parts, that go through registers. gcc for Arm keeps room on the stack for each
 * struct of floats that a function returns, and stores some there; not for a complex number. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__arm__)
__extension__ typedef __complex__ float LOSSI_FN(lanes);
#define LOSSV_HIGH(a) __real__(a)
#define LOSSV_LOW(a)  __imag__(a)
#else
typedef struct LOSSI_FN(lanes) {
    float high, low;
} LOSSI_FN(lanes);
#define LOSSV_HIGH(a) (a).high
#define LOSSV_LOW(a)  (a).low
#endif

/* e^d 2^n, step = LOSSV_MAGIC + 127 + n; 0 below 2^-126. It must be below 2^127; NaN stays NaN. low: what is
 * lost of it, if both, otherwise 0.
 * Bound of exp_one: 1.00 ulp; worst at 0xc0bb0605. The polynomial is within 3.2e-9 of e^r. */
LOSSI_OP LOSSI_FN(lanes) LOSSI_FN(exp_lane)(float d, float step, int both)
{
    const float sum = lossr_fma(d, 1.44269504f, step), power = lossi_float(lossi_bits(sum) << 23);
    LOSSI_FN(lanes) e;
    float n, r0, r, q, t;
    if (sum <= LOSSV_MAGIC) {
        LOSSV_HIGH(e) = LOSSV_LOW(e) = lossr_sub(step, step); /* 0, and no constant in memory */
        return e;
    }
    n = LOSSV_TURNS(sum, step);
    r0 = lossr_fnma(n, LOSSV_LN2_HI, d);
    r = lossr_fnma(n, LOSSV_LN2_LO, r0);
    q = lossr_fma(1.39410351e-3f, r, 8.36884137e-3f);
    q = lossr_fma(q, r, 4.16663960e-2f);
    q = lossr_fma(q, r, 1.66665196e-1f);
    q = lossr_fma(q, r, 5.00000000e-1f);
    q = lossr_mul(q, lossr_mul(r, r));
    t = lossr_add(q, r);
    LOSSV_HIGH(e) = lossr_fma(power, t, power);
    LOSSV_LOW(e) = 0;
    if (both) {
        r0 = lossr_fnma(n, LOSSV_LN2_LO, lossr_sub(r0, r));
        r0 = lossr_add(lossr_add(lossr_sub(r, t), q), lossr_fma(r0, t, r0));
        LOSSV_LOW(e) = lossr_fma(power, r0, lossr_fma(power, t, lossr_sub(power, LOSSV_HIGH(e))));
    }
    return e;
}

static inline float LOSSI_FN(exp_one)(float d, float step)
{
    const LOSSI_FN(lanes) e = LOSSI_FN(exp_lane)(d, step, 0);
    return LOSSV_HIGH(e);
}

static inline LOSSI_FN(lanes) LOSSI_FN(exp_two)(float d, float step)
{
    return LOSSI_FN(exp_lane)(d, step, 1);
}

LOSSI_OP LOSSI_FN(lanes) LOSSI_FN(exp_both)(float d, float step, int both)
{
    LOSSI_FN(lanes) e;
    if (both) return LOSSI_FN(exp_two)(d, step);
    LOSSV_HIGH(e) = LOSSI_FN(exp_one)(d, step);
    LOSSV_LOW(e) = 0;
    return e;
}

/* u = 2^e (1 + f) with -1/4 <= f < 1/2, u below 2^126: f for e not 0. NaN has e not 0, and stays NaN. */
LOSSI_OP float LOSSI_FN(split)(float u, int32_t *e)
{
    *e = (int32_t)(lossi_bits(u) - 0x3f400000u) >> 23;
    return lossr_sub(lossr_mul(u, lossi_float(0x3f800000u - ((uint32_t)*e << 23))), 1.f);
}

/* log(1 + f) - f + n ln 2 less n times the high part of ln 2
 * Identity: log(1 + f) = 2 atanh z = f - z (f - R(z^2)), z = f / (2 + f), within 7.2e-10. */
LOSSI_OP float LOSSI_FN(log_tail)(float f, float n)
{
    const float z = lossr_div(f, lossr_add(2.f, f)), w = lossr_mul(z, z);
    float q = lossr_fma(3.04842293e-1f, w, 3.99504364e-1f);
    q = lossr_fma(q, w, 6.66670501e-1f);
    return lossr_fnma(z, lossr_fnma(q, w, f), lossr_mul(n, LOSSV_LN2_LO));
}

/* log(1 + S / E) for 0 <= S, E positive and normal, S + E below 2^126.
 * Identity: with F = 2^i E it is i ln 2 + 2 atanh z, z = (S - (F - E)) / (S - (F - E) + 2 F), |z| <= 0.2;
 * the polynomial is that of log_tail. With E = 1:
 * Bound of log_ratio: 1.99 ulp; worst at 0x3e05dc08 */
LOSSI_OP float LOSSI_FN(log_ratio)(float S, float E)
{
    const uint32_t e = lossi_bits(E);
    const int32_t i = (int32_t)(lossi_bits(lossr_add(S, E)) - e + 0x400000u) >> 23;
    const float F = lossi_float(e + ((uint32_t)i << 23)), n = (float)i;
    const float f = lossr_sub(S, lossr_sub(F, E));
    const float y = lossr_div(f, lossr_fma(0.5f, f, F)), w = lossr_mul(y, y); /* 2 z, 4 z^2 */
    float q = lossr_fma(3.04842293e-1f / 128, w, 3.99504364e-1f / 32);
    q = lossr_fma(q, w, 6.66670501e-1f / 8);
    q = lossr_fma(y, lossr_mul(q, w), lossr_mul(n, LOSSV_LN2_LO));
    return lossr_fma(n, LOSSV_LN2_HI, lossr_add(y, q));
}

/* log(u) + c + shift ln 2 as a pair; u positive and normal, or 0, of which the log is -88 */
static LOSSI_FN(lanes) LOSSI_FN(log_two)(float u, float c, float shift)
{
    LOSSI_FN(lanes) l;
    int32_t e;
    const float f = LOSSI_FN(split)(u, &e), n = lossr_add((float)e, shift);
    const float a = lossr_mul(n, LOSSV_LN2_HI);
    c = lossr_add(c, LOSSI_FN(log_tail)(f, n));
    LOSSV_HIGH(l) = lossr_add(a, f);
    LOSSV_LOW(l) = lossr_add(lossr_sub(f, lossr_sub(LOSSV_HIGH(l), a)), c);
    return l;
}

/* (a - q b) / b for q = fl(a / b) */
LOSSI_OP float LOSSI_FN(division_error)(float a, float q, float b)
{
    const float q1 = LOSSI_FN(top_lane)(q), b1 = LOSSI_FN(top_lane)(b), q2 = lossr_sub(q, q1);
    const float b2 = lossr_sub(b, b1);
    const float r = lossr_fnma(q2, b1, lossr_fnma(q1, b2, lossr_fnma(q1, b1, a)));
    return lossr_div(lossr_fnma(q2, b2, r), b);
}

/* Focal loss, high, and what the gradient of cross-entropy is multiplied by, low, from T = B S and its relative
 * error: with s = S / (1 + S) and l = log(1 + S), s^gamma l and u s^gamma (1 + gamma l / S). Where behind > 0,
 * s is 1 and l is that much more.
 * Identity: s^gamma = e^(gamma log s), log s = log S - l, or for S > 1, where that would cancel,
 * -log(1 + 1/S); with the logs as pairs and their products split as in power. */
static LOSSI_APART LOSSI_FN(lanes)
    LOSSI_FN(focal_lane)(float T, float error, float gamma, float u, float behind)
{
    const float S = lossr_mul(T, LOSSV_1_B), sum = lossr_add(1.f, S);
    LOSSI_FN(lanes) L, P;
    float K, g1, x, y, l, rest;
    if (behind > 0) gamma = 0;
    g1 = LOSSI_FN(top_lane)(gamma);
    K = lossr_fma(error, S, lossr_sub(S, lossr_sub(sum, 1.f)));
    L = LOSSI_FN(log_two)(sum, lossr_div(K, sum), 0);
    if (S > 1) {
        const float R = lossr_div(LOSSV_B, T), v = lossr_add(1.f, R);
        K = lossr_fnma(error, R, LOSSI_FN(division_error)(LOSSV_B, R, T));
        K = lossr_div(lossr_add(lossr_sub(R, lossr_sub(v, 1.f)), K), v);
        P = LOSSI_FN(log_two)(v, K, 0);
        x = -LOSSV_HIGH(P);
        rest = -LOSSV_LOW(P);
    } else {
        P = LOSSI_FN(log_two)(T, error, -40.f);
        x = lossr_sub(LOSSV_HIGH(P), LOSSV_HIGH(L));
        rest = lossr_add(lossr_sub(lossr_sub(LOSSV_HIGH(P), x), LOSSV_HIGH(L)),
                         lossr_sub(LOSSV_LOW(P), LOSSV_LOW(L)));
    }
    y = LOSSI_FN(top_lane)(x);
    rest = lossr_fma(gamma, rest, lossr_mul(lossr_sub(gamma, g1), x));
    rest = lossr_fma(g1, lossr_sub(x, y), rest);
    y = lossr_mul(g1, y);
    x = lossr_add(y, rest);
    rest = lossr_sub(rest, lossr_sub(x, y));
    P = LOSSI_FN(exp_two)(x, LOSSV_MAGIC + 127 + 40);
    y = lossr_add(LOSSV_HIGH(P), lossr_fma(LOSSV_HIGH(P), rest, LOSSV_LOW(P))); /* B s^gamma */
    l = lossr_add(LOSSV_HIGH(L), LOSSV_LOW(L));
    /* in an order that leaves it a normal number */
    u = u < 1 && u > -1 ? lossr_mul(lossr_mul(u, y), LOSSV_1_B)
                        : lossr_mul(lossr_mul(u, LOSSV_1_B), y);
    if (T > 1) gamma = lossr_mul(gamma, lossr_div(l, S));
    LOSSV_HIGH(P) = behind > 0 ? lossr_add(l, behind) : lossr_mul(lossr_mul(l, y), LOSSV_1_B);
    LOSSV_LOW(P) = lossr_fma(u, gamma, u);
    return P;
}

/* The next of elements k apart; after the last of them its end */
LOSSI_OP const float *LOSSI_FN(next)(const float *p, size_t k, const float *end)
{
    return k == 1 || p + 1 == end ? p + 1 : p + k;
}

/* A position of cross-entropy or focal, its classes k apart. Stores to grad, or adds. Returns the loss. */
LOSSI_OP float LOSSI_FN(position)(float *grad, const float *x, size_t k, size_t classes, size_t t,
                                  float gamma, float u, int focal, int accumulate)
{
    const float *p = x, *const at = x + t * k, *stop = at;
    const float *const end = x + (classes - 1) * k + 1;
    float *g = accumulate ? NULL : grad;
    float m = *at, a, d, step, behind, others, excess, target, all, low = 0, lows = 0, target_low,
          l;
    LOSSI_FN(lanes) pair;

    LOSSI_UNROLL(8)
    do {
        m = *p > m ? *p : m;
        p = LOSSI_FN(next)(p, k, end);
    } while (p != end);
    others = excess = lossr_sub(m, m); /* 0, or NaN for a position that has no answer */
    a = lossi_bits(m) << 1 < 0x87000000u ? others : m; /* |m| < 2^8 */
    m = lossr_sub(m, a);
    step = lossr_fnma(m, 1.44269504f, LOSSV_MAGIC + 127 + 40);
    target = lossr_sub(m, 31.f);
    d = lossr_sub(*at, a);
    if (!(d < target)) target = d;
    behind = lossr_sub(target, d); /* what is added to l */
    pair = LOSSI_FN(exp_both)(target, step, focal);
    target = LOSSV_HIGH(pair);
    target_low = LOSSV_LOW(pair);
    p = x;
    for (;;) { /* the classes before the target, then those after it */
        if (p != stop) {
            LOSSI_UNROLL(2)
            do {
                const LOSSI_FN(lanes) term = LOSSI_FN(exp_both)(lossr_sub(*p, a), step, focal);
                const float old = others;
                float e = LOSSV_HIGH(term);
                p = LOSSI_FN(next)(p, k, end);
                if (g != NULL) *g = e, g += k;
                if (!focal) e = lossr_sub(e, excess); /* Kahan: what was added too much */
                others = lossr_add(others, e);
                excess = lossr_sub(others, old);
                if (focal) { /* Knuth, as in two_sum */
                    low = lossr_add(LOSSV_LOW(term), lossr_sub(e, excess));
                    lows =
                        lossr_add(lows, lossr_add(low, lossr_sub(old, lossr_sub(others, excess))));
                } else {
                    excess = lossr_sub(excess, e);
                }
            } while (p != stop);
        }
        if (p == end) break;
        if (g != NULL) *g = target, g += k;
        p = LOSSI_FN(next)(p, k, end);
        stop = end;
    }
    if (focal) {
        float T, old = others;
        others = lossr_add(others, lows);
        lows = lossr_sub(lows, lossr_sub(others, old));
        T = lossr_div(lossr_mul(others, LOSSV_B), target);
        low = LOSSI_FN(division_error)(lossr_mul(others, LOSSV_B), T, target);
        low = lossr_fma(low, LOSSV_1_B,
                        lossr_div(lossr_fnma(lossr_mul(T, LOSSV_1_B), target_low, lows), target));
        low = others > 0 ? lossr_div(lossr_mul(low, target), others) : 0;
        pair = LOSSI_FN(focal_lane)(T, low, gamma, u, behind);
        l = LOSSV_HIGH(pair);
        u = LOSSV_LOW(pair);
    } else {
        l = lossr_add(LOSSI_FN(log_ratio)(others, target), behind);
    }
    all = lossr_add(others, target);
    if (grad != NULL) { /* u E_j / all */
        all = lossr_div(1.f, all);
        if (focal && lossi_bits(u) << 1 >= 0x7f000000u) all = lossr_mul(all, u), u = 1;
        if (accumulate) {
            for (p = x, g = grad; classes > 0; classes--, p += k, g += k) {
                const float e = LOSSI_FN(exp_one)(lossr_sub(*p, a), step);
                if (p != at) *g = lossr_add(*g, lossr_mul(lossr_mul(e, u), all));
            }
        } else {
            LOSSI_UNROLL(8)
            for (g = grad; classes > 0; classes--, g += k) *g = lossr_mul(lossr_mul(*g, u), all);
        }
        g = grad + t * k;
        u = lossr_mul(lossr_mul(others, u), all);
        *g = accumulate ? lossr_sub(*g, u) : -u;
    }
    return l;
}

/* Whether it will do for a position of this job. */
LOSSI_OP int LOSSI_FN(is_plain)(const lossi_job *job)
{
    return (job->loss & (LOSSI_CROSS_ENTROPY | LOSSI_FOCAL)) && job->q == NULL &&
           !(job->uniform > 0) && !(job->z_loss > 0) && job->weight == NULL && job->alpha == 1 &&
           !lossi_is_partial(job);
}

/* Position number i, of which class 0 stands at element j */
LOSSI_KERNEL float LOSSI_FN(plain)(const lossi_job *job, size_t j, size_t i)
{
    const int64_t t = lossi_target(job->targets, i);
    const size_t k = job->shape.class_stride, classes = job->shape.classes;
    float *const grad = job->grad != NULL ? job->grad + j : NULL;
    const float u = job->upstream != NULL ? job->upstream[i] : job->factor;
    size_t c;
    if (!job->ignored || t != job->ignore)
        return LOSSI_FN(position)(grad, job->x + j, k, classes, (size_t)t, job->gamma, u,
                                  job->loss == LOSSI_FOCAL, job->accumulate);
    for (c = 0; c < classes && grad != NULL && !job->accumulate; c++) grad[c * k] = 0;
    return 0;
}

/* B s(-|x|) of the float that has these bits; *inverse = s(|x|) */
LOSSI_OP float LOSSI_FN(sigmoid_lane)(uint32_t bits, float *inverse)
{
    const float d = lossi_float(bits | 0x80000000u); /* -|x| */
    const float e = LOSSI_FN(exp_one)(d, LOSSV_MAGIC + 127 + 40);
    *inverse = lossr_div(LOSSV_B, lossr_add(LOSSV_B, e));
    return lossr_mul(e, *inverse);
}

/* sum += a, *excess being what was added too much (Kahan) */
LOSSI_OP void LOSSI_FN(add_lane)(float *sum, float *excess, float a)
{
    const float old = *sum;
    a = lossr_sub(a, *excess);
    *sum = lossr_add(old, a);
    *excess = lossr_sub(lossr_sub(*sum, old), a);
}

/* A mask of n pixels, any number but 0 meaning 1, of which those equal to ignore may be left out; see dice
 * below, of which this is the hard case. */
LOSSI_OP float LOSSI_FN(mask)(float *grad, const float *x, losses_targets targets, size_t first,
                              size_t n, int ignored, int64_t ignore, float smooth, float u,
                              int accumulate)
{
    float V = 0, inter = 0, V_excess = 0, inter_excess = 0, D, c0, c1,
          *g = accumulate ? NULL : grad;
    size_t i;
    for (i = 0; i < n; i++) {
        const int64_t t = lossi_target(targets, first + i);
        const uint32_t bits = lossi_bits(x[i]);
        float large, less, bump;
        if (ignored && t == ignore) {
            if (g != NULL) g++;
            continue;
        }
        less = LOSSI_FN(sigmoid_lane)(bits, &large);
        bump = lossr_mul(less, large); /* B p (1-p); with the sign of a target */
        large = lossr_mul(large, LOSSV_B);
        if (t != 0) {
            LOSSI_FN(add_lane)(&inter, &inter_excess, bits >> 31 ? less : large);
            if (!(bits >> 31)) large = less;
            bump = -bump;
        } else if (bits >> 31) {
            large = less;
        }
        LOSSI_FN(add_lane)(&V, &V_excess, large);
        if (g != NULL) *g++ = bump;
    }
    inter = lossr_fma(inter, 2 * LOSSV_1_B, smooth);
    D = lossr_fma(V, LOSSV_1_B, inter);
    if (grad != NULL) { /* factors of p (1-p), in an order that leaves them normal numbers */
        c0 = lossr_div(lossr_div(inter, D), D);
        c1 = lossr_div(lossr_div(lossr_fma(V, 2 * LOSSV_1_B, inter), D), D);
        if (u < 1 && u > -1) c0 = lossr_mul(c0, u), c1 = lossr_mul(c1, u), u = 1;
        u = lossr_mul(u, LOSSV_1_B);
        LOSSI_UNROLL(4)
        for (i = 0; i < n; i++) {
            const int64_t t = ignored || accumulate ? lossi_target(targets, first + i) : 0;
            float y = grad[i];
            if (ignored && t == ignore) {
                if (!accumulate) grad[i] = 0;
                continue;
            }
            if (accumulate) {
                float large;
                y = LOSSI_FN(sigmoid_lane)(lossi_bits(x[i]), &large);
                y = lossr_mul(y, large);
                if (t != 0) y = -y;
            }
            y = lossr_mul(y < 0 ? lossr_mul(y, c1) : lossr_mul(y, c0), u);
            grad[i] = accumulate ? lossr_add(grad[i], y) : y;
        }
    }
    return lossr_mul(lossr_div(V, D), LOSSV_1_B);
}
#endif

#if LOSSV_N == 1
/* Position i, of which class 0 stands at element k */
LOSSI_KERNEL void LOSSI_FN(pixel)(const lossi_job *job, size_t k, size_t i, float *loss)
{
    const int plain = LOSSI_FN(is_plain)(job);
    if (!plain || job->log_sum_exp != NULL) {
        lossv_group g;
        g.at = lossi_at(job, k, job->shape.class_stride, 1, i, loss);
        if (plain) g.at.grad = NULL; /* of this, log_sum_exp alone is wanted */
        g.terms = job->accumulate ? NULL : g.at.grad;
        g.soon = g.at.x + 1;
        g.soon_grad = g.at.grad != NULL ? g.at.grad : g.soon;
        g.soon_q = g.at.q != NULL ? g.at.q + 1 : NULL;
        g.soon_step = g.terms_step = g.at.step;
        LOSSI_FN(take_groups)(job, &g, 1, 0);
    }
    if (plain) *loss = LOSSI_FN(plain)(job, k, i);
}

LOSSI_KERNEL void LOSSI_FN(softmax)(lossi_job *job)
{
    const losses_shape s = job->shape;
    const int losing = (job->loss & (LOSSI_CROSS_ENTROPY | LOSSI_FOCAL)) && !lossi_is_partial(job);
    size_t i, n, m;
    float loss;
    if (job->from >= job->to) return;
    for (i = job->from, n = i / s.positions, m = i % s.positions; i < job->to; i++) {
        LOSSI_FN(pixel)(job, n * s.sample_stride + m, i, &loss);
        if (losing) lossi_add_losses(job, i, &loss, 1);
        if (++m == s.positions) m = 0, n++;
    }
}
#else
/* Positions of one sample side by side: count of them, first the number of the first, k where it starts.
 * Where the classes are not too many they are read into a tile first, the terms replace them there, and a
 * large gradient leaves from it: planes that lie a power of two apart share few lines of the caches. The
 * value alone passes over the classes too seldom for a tile of many to pay. */
LOSSI_KERNEL void LOSSI_FN(pixels)(const lossi_job *job, size_t k, size_t first, size_t count,
                                   float *losses)
{
    lossi_place at = lossi_at(job, k, job->shape.class_stride, count, first, losses);
    float *const grad = at.grad, *terms = job->accumulate ? NULL : grad;
    float tile[3 * LOSSI_TILE];
    const size_t classes = job->shape.classes, wide = (count + (LOSSV_N - 1)) / LOSSV_N * LOSSV_N;
    lossv_group g[LOSSI_BATCH];
    size_t l, c, n = 0;
    if (classes * wide <= (size_t)(grad != NULL ? 3 : 1) * LOSSI_TILE) {
        for (c = 0; c < classes; c++) {
            const float *const x = at.x + c * at.step;
            float *const to = tile + c * wide;
            for (l = 0; count - l >= LOSSV_N; l += LOSSV_N)
                lossv_store(to + l, LOSSV_N, lossv_load_all(x + l));
            if (l < count) lossv_store(to + l, LOSSV_N, lossv_load(x + l, count - l, 0));
        }
        at.x = tile;
        at.x_step = wide;
        terms = grad != NULL ? tile : NULL;
        if (terms != NULL && job->stream && at.step % LOSSV_N == 0 && LOSSI_FN(behind)(grad) == 0)
            at.grad = tile, at.grad_step = wide;
    }
    g->at = at; /* gcc takes count for what may be 0 */
    for (l = 0; l < count; l += LOSSV_N, n++) {
        LOSSI_FN(group_at)(g + n, &at, l, terms);
        g[n].soon = job->x + k + count + l;
        g[n].soon_grad = grad == NULL || at.grad != grad ? g[n].soon : grad + l;
        g[n].soon_q = job->q != NULL ? job->q + k + count + l : NULL;
        g[n].soon_step = at.step;
    }
    LOSSI_FN(take_groups)(job, g, n, 0);
    for (c = 0; c < classes && at.grad == tile; c++)
        LOSSI_FN(stream_out)(grad + c * at.step, tile + c * wide, count);
}

/* Takes the positions of a job. The order in which losses are summed does not depend on the gradient, nor on
 * where that is: of pixels always in batches from the first of a sample on, as pieces of a job end. */
LOSSI_KERNEL void LOSSI_FN(softmax)(lossi_job *job)
{
    losses_shape s = job->shape;
    const int losing = (job->loss & (LOSSI_CROSS_ENTROPY | LOSSI_FOCAL)) && !lossi_is_partial(job);
    const size_t batch = LOSSV_N * LOSSI_BATCH;
    float losses[2 * LOSSV_N * LOSSI_BATCH];
    size_t i = job->from, most = batch, held = 0, n, m, count, l;
    if (i >= job->to) return;
    if (s.positions == 1 && (s.class_stride == 1 || s.classes == 1)) {
        /* what is added to needs room for terms elsewhere */
        const int apart = job->accumulate && s.classes <= LOSSI_TILE;
        const size_t fit = lossi_least(
            apart ? 3 * LOSSI_TILE / (s.classes + LOSSV_N) : LOSSI_NEARBY / s.classes, LOSSV_N);
        const size_t rows = s.classes <= LOSSI_FEW ? most : fit > 0 ? fit : 1;
        for (; i < job->to; i += count) {
            count = lossi_least(job->to - i, rows);
            LOSSI_FN(rows)(job, i, count, losses);
            if (losing) lossi_add_losses(job, i, losses, count);
        }
        return;
    }
    if (s.positions == 1 && s.sample_stride == 1) /* samples lie as positions do */
        s.positions = s.samples;
    if (job->grad != NULL && s.classes <= 3 * LOSSI_TILE / LOSSV_N) /* what a tile can hold */
        most = lossi_least(most, 3 * LOSSI_TILE / s.classes / LOSSV_N * LOSSV_N);
    for (n = i / s.positions, m = i % s.positions; i < job->to; i += count) {
        const size_t k = n * s.sample_stride + m;
        count = most;
        if (job->grad != NULL) count -= LOSSI_FN(behind)(job->grad + k); /* to a multiple of it */
        count = lossi_least(lossi_least(s.positions - m, count), job->to - i);
        LOSSI_FN(pixels)(job, k, i, count, losses + held);
        m += count;
        held += count;
        while (held >= batch || (held > 0 && m == s.positions)) {
            const size_t first = i + count - held, taken = lossi_least(held, batch);
            if (losing) lossi_add_losses(job, first, losses, taken);
            held -= taken;
            for (l = 0; l < held; l++) losses[l] = losses[l + taken];
        }
        if (m == s.positions) m = 0, n++;
    }
    if (job->stream) LOSSI_FENCE(); /* streamed stores are not ordered before what follows */
}
#endif

/* --- the sigmoid losses and dice ------------------------------------------------------------------
 * Elementwise, from e = e^-|z|: s(|z|) = 1 / (1 + e), s(-|z|) = e / (1 + e), sp(z) = max(z, 0) + log1p(e).
 * z = x; of a hard target z = (1-2t) x, which makes s(z) the probability of the wrong answer, and with it
 *     bce = sp(z),  dbce/dx = (1-2t) s(z),  focal = s(z)^gamma sp(z),
 * and of dice p (1-t) + (1-p) t = s(z). Of a soft target focal = m^gamma bce with m = p (1-t) + (1-p) t. */
typedef struct lossv_elements {
    lossv t, on;        /* target, and 1 or 0 where ignored */
    lossv sign, z;      /* 1 - 2t of a hard target, otherwise 1; sign * x */
    lossv e, b;         /* e, 1 + e */
    lossv inverse;      /* 1 / b */
    lossv less;         /* B s(-|z|) */
    lossv wrong, right; /* B s(z), B s(-z) */
} lossv_elements;

/* log(1 + e) for 0 <= e <= 1. Identity: log(1 + e) = log 2 + log(1 + f), f = (e - 1) / 2, beyond 1/2.
 * Bound of log1p_unit: 0.90 ulp with FMA, 0.94 without; worst at 0x3ef8d7fb and 0x3ef83d11 */
LOSSI_OP lossv LOSSI_FN(log1p_unit)(lossv e)
{
    const lossv zero = lossv_set(0), half = lossv_set(0.5f);
    const lossv f = lossv_if_lt(half, e, lossv_fma(e, half, lossv_set(-0.5f)), e);
    const lossv high = lossv_if_lt(half, e, lossv_set(LOSSV_LN2_HI), zero);
    const lossv low = lossv_if_lt(half, e, lossv_set(LOSSV_LN2_LO), zero);
    const lossv sum = lossv_add(high, f), error = lossv_sub(f, lossv_sub(sum, high));
    return lossv_add(sum, LOSSI_FN(log_rest)(f, lossv_add(error, low)));
}

/* What a few blocks need, found step by step: the steps of one block wait for each other. */
typedef struct lossv_strip {
    float high[LOSSV_STRIP], low[LOSSV_STRIP]; /* B e */
    float log[LOSSV_STRIP];                    /* log(1 + e) */
    float t[LOSSV_STRIP], on[LOSSV_STRIP];     /* on: where some may be off */
} lossv_strip;

/* Class and positive weights of the elements of a strip of rows; of few classes (LOSSV_STRIP at most) a period
 * more than a strip, so that strips may begin with any class */
typedef struct lossv_weights {
    float of_class[2 * (LOSSV_STRIP + LOSSV_N)], positive[2 * (LOSSV_STRIP + LOSSV_N)];
} lossv_weights;

/* The targets of n elements from number i on, and 1 where they count, 0 where they do not. Integers have
 * been checked: what is not ignored is 0 or 1, or not 0 in losses_dice_mask. */
LOSSI_OP void LOSSI_FN(targets_at)(lossv_strip *y, const lossi_job *job, const lossi_place *at,
                                   size_t i, size_t n)
{
    const lossv zero = lossv_set(0), one = lossv_set(1), off = lossv_set((float)job->ignore);
    const size_t first = at->first + i;
    size_t whole = LOSSV_N > 1 ? n / LOSSV_N * LOSSV_N : 0;
    size_t k = 0;
    if (at->q != NULL) {
        for (; k < n; k += LOSSV_N) {
            LOSSV_PREFETCH(at->q + i + k + LOSSI_SOON);
            lossv_store(y->t + k, LOSSV_N, lossv_load(at->q + i + k, n - k, 0));
            lossv_store(y->on + k, LOSSV_N, lossv_live(n - k));
        }
        return;
    }
    if (n % LOSSV_N != 0 || job->ignored || job->any) {
        if (!lossi_narrow(job)) whole = 0;
        for (; k < whole; k += LOSSV_N) {
            const lossv t = LOSSI_FN(integers)(job->targets, first + k);
            const lossv on = job->ignored ? lossv_if_eq(t, off, zero, one) : one;
            lossv_store(y->on + k, LOSSV_N, on);
            lossv_store(y->t + k, LOSSV_N, lossv_if_eq(t, zero, zero, on));
        }
        for (; k < n || k % LOSSV_N > 0; k++) {
            const int64_t target = k < n ? lossi_target(job->targets, first + k) : job->ignore;
            y->on[k] = target != job->ignore ? 1.f : 0.f;
            y->t[k] = target != 0 && target != job->ignore ? 1.f : 0.f;
        }
        return;
    }
    for (; k < n; k += LOSSV_N)
        lossv_store(y->t + k, LOSSV_N, LOSSI_FN(integers)(job->targets, first + k));
}

/* A strip of n elements from number i on, all or (some) not all of which count; lows: with the low parts
 * (2: to the rest of exp), logs: with the logarithms */
LOSSI_OP void LOSSI_FN(strip_at)(lossv_strip *y, const lossi_job *job, const lossi_place *at,
                                 size_t i, size_t n, int lows, int logs, int some)
{
    const lossv unit = lossv_set(LOSSV_1_B);
    const float *const x = at->x + i;
    const float *const soon = (at->grad != NULL ? at->grad : at->x) + i + LOSSI_SOON;
    size_t k;
    LOSSI_FN(targets_at)(y, job, at, i, n);
    for (k = 0; k < n; k += LOSSV_N) {
        lossv d = lossv_load(x + k, some ? n - k : LOSSV_N, 0), turns, s, t, e, rest;
        LOSSV_PREFETCH(x + k + LOSSI_NEXT);
        LOSSV_PREFETCH_FAR(x + k + LOSSI_SOON);
        LOSSV_PREFETCH_FAR(soon + k);
        t = lossv_max(lossv_set(-167 * LOSSV_LN2), lossv_nabs(d));
        t = lossv_exp_rest(t, lossv_set(40), &turns, &rest);
        s = lossv_pow2(turns);
        e = lossv_fma(s, t, s);
        lossv_store(y->high + k, LOSSV_N, e);
        if (lows) {
            const lossv low = lossv_fma(s, t, lossv_sub(s, e));
            lossv_store(y->low + k, LOSSV_N, lows > 1 ? lossv_fma(s, rest, low) : low);
        }
    }
    for (k = 0; k < n && logs; k += LOSSV_N)
        lossv_store(y->log + k, LOSSV_N,
                    LOSSI_FN(log1p_unit)(lossv_mul(lossv_load_all(y->high + k), unit)));
}

/* Block i, number k of its strip; some: of its elements may be off */
LOSSI_OP lossv_elements LOSSI_FN(elements_at)(const lossi_place *at, size_t i, size_t m,
                                              const lossv_strip *strip, size_t k, int hard,
                                              int some)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    lossv_elements y;
    lossv high = lossv_load_all(strip->high + k), large;
    y.t = lossv_load_all(strip->t + k);
    y.z = lossv_load(at->x + i, m, 0);
    y.on = y.sign = one;
    if (some) y.on = lossv_load_all(strip->on + k);
    if (hard) {
        y.sign = lossv_fnma(lossv_set(2), y.t, one);
        y.z = lossv_mul(y.sign, y.z);
    }
    y.e = lossv_mul(high, lossv_set(LOSSV_1_B));
    y.b = lossv_fma(high, lossv_set(LOSSV_1_B), one);
    y.inverse = lossv_div(one, y.b);
    y.less = lossv_mul(high, y.inverse);
    large = lossv_mul(y.inverse, lossv_set(LOSSV_B));
    y.wrong = lossv_if_lt(y.z, zero, y.less, large);
    y.right = lossv_if_lt(y.z, zero, large, y.less);
    return y;
}

/* a * b, where a = 0 makes an infinite b count as nothing */
LOSSI_OP lossv LOSSI_FN(times)(lossv a, lossv b)
{
    return lossv_mul(a, lossv_if_eq(a, lossv_set(0), lossv_min(lossv_set(FLT_MAX), b), b));
}

/* Binary cross-entropy of a block; *slope is its gradient times u; even: the weights are 1. What may be too
 * small for a float goes through B, so that the product with u, or of log(1 + e) = e with a weight, is rounded
 * once, at the end. */
LOSSI_OP lossv LOSSI_FN(binary)(const lossv_elements *y, lossv high, lossv log, lossv w, lossv wb,
                                lossv u, int hard, int even, lossv *slope)
{
    const lossv zero = lossv_set(0), one = lossv_set(1), unit = lossv_set(LOSSV_1_B);
    lossv c, l, sp, linear = zero; /* softplus; the part of l that is linear in x */
    if (hard) {
        c = even ? one : lossv_if_eq(y->t, zero, w, wb);
        *slope = lossv_mul(lossv_if_lt(y->z, zero, y->less, y->inverse), lossv_mul(c, u));
        *slope = lossv_mul(*slope, y->sign);
        *slope = lossv_if_lt(y->z, zero, lossv_mul(*slope, unit), *slope);
        sp = lossv_add(log, lossv_max(y->z, zero));
        if (even) return sp;
        l = LOSSI_FN(times)(c, sp);
    } else {
        const lossv negative = lossv_mul(wb, y->t);
        const lossv positive = lossv_mul(w, lossv_sub(one, y->t));
        const lossv minus = lossv_sub(zero, negative);
        const lossv large = lossv_if_lt(y->z, zero, minus, positive);
        const lossv lesser = lossv_if_lt(y->z, zero, positive, minus);
        *slope = lossv_mul(lossv_mul(lossv_mul(lesser, u), y->less), unit);
        *slope = lossv_fma(lossv_mul(large, u), y->inverse, *slope);
        c = lossv_add(negative, positive);
        sp = log; /* but for linear */
        linear = LOSSI_FN(times)(lossv_if_lt(y->z, zero, negative, positive), lossv_abs(y->z));
        l = lossv_fma(c, log, linear); /* negative sp(-z) + positive sp(z) */
    }
    c = lossv_fma(lossv_mul(c, high), unit, linear);
    return lossv_if_lt(sp, lossv_set(LOSSI_TINY), c, l);
}

/* 1 + e as a pair; low: of B e */
LOSSI_OP lossv_pair LOSSI_FN(sum_of)(const lossv_elements *y, lossv low)
{
    lossv_pair b;
    b.high = y->b;
    b.low = lossv_sub(y->e, lossv_sub(y->b, lossv_set(1)));
    b.low = lossv_fma(low, lossv_set(LOSSV_1_B), b.low);
    return b;
}

/* B m^gamma of a block; low: of B e. Identity: m = M / (1 + e); for a hard target M is e for z < 0 and 1
 * otherwise; for a soft one c1 + c2 e, with c1, c2 = t, 1-t for x < 0 and 1-t, t otherwise. */
LOSSI_OP lossv LOSSI_FN(focal_factor)(const lossv_elements *y, lossv high, lossv low, float gamma,
                                      int hard)
{
    const lossv zero = lossv_set(0), big = lossv_set(LOSSV_B);
    lossv_pair M;
    if (hard) {
        M.high = lossv_if_lt(y->z, zero, high, big);
        M.low = lossv_if_lt(y->z, zero, low, zero);
    } else {
        const lossv n = lossv_sub(lossv_set(1), y->t);
        const lossv n_low = lossv_sub(lossv_sub(lossv_set(1), n), y->t); /* exact in [0, 1] */
        const lossv c1 = lossv_if_lt(y->z, zero, y->t, n), c2 = lossv_if_lt(y->z, zero, n, y->t);
        const lossv product = lossv_mul(c2, high);
        M.high = lossv_two_sum(lossv_mul(c1, big), product, &M.low);
        M.low = lossv_sub(M.low, lossv_rest(product, c2, high));
        M.low = lossv_fma(c2, low, M.low);
        M.low = lossv_fma(n_low, lossv_if_lt(y->z, zero, high, big), M.low);
    }
    return LOSSI_FN(focus)(LOSSI_FN(divide)(M, LOSSI_FN(sum_of)(y, low), y->inverse), gamma);
}

/* Sigmoid focal of a block, P = B m^gamma, with weight and other for targets of 1 and 0; *slope is its gradient
 * times u. Identity: m^(gamma-1) p (1-p) = m^gamma v, v = p (1-p) / m = s(-|x|) / M, and for a hard target
 * 1 - m. */
LOSSI_OP lossv LOSSI_FN(sigmoid_focal)(const lossv_elements *y, lossv high, lossv low, lossv log,
                                       lossv P, lossv weight, lossv other, float gamma, lossv u,
                                       int hard, lossv *slope)
{
    const lossv zero = lossv_set(0), one = lossv_set(1), unit = lossv_set(LOSSV_1_B);
    const lossv negative = lossv_sub(one, y->t), g = lossv_set(gamma);
    lossv_pair p;
    lossv a, c, bce, v, tail; /* c = a u, with the sign of a hard target */
    if (hard) {
        const lossv q = lossv_mul(y->e, y->inverse); /* s(-|z|) */
        tail = bce = lossv_add(log, lossv_max(y->z, zero));
        v = lossv_mul(g, lossv_if_lt(y->z, zero, y->inverse, q)); /* 0 where bce is infinite */
        v = lossv_fma(v, lossv_min(lossv_set(FLT_MAX), bce),
                      lossv_if_lt(y->z, zero, q, y->inverse));
        a = lossv_if_eq(y->t, zero, other, weight);
        c = lossv_if_eq(y->t, zero, lossv_mul(other, u), lossv_sub(zero, lossv_mul(weight, u)));
    } else {
        const lossv c1 = lossv_if_lt(y->z, zero, y->t, negative),
                    c2 = lossv_if_lt(y->z, zero, negative, y->t);
        const lossv M = lossv_once(c2, y->e, c1);
        bce = lossv_once(c1, lossv_if_eq(c1, zero, zero, lossv_abs(y->z)), log); /* t + (1-t) = 1 */
        p.high = lossv_if_lt(y->z, zero, high, lossv_set(LOSSV_B));
        p.low = lossv_if_lt(y->z, zero, low, zero);
        p = LOSSI_FN(divide)(p, LOSSI_FN(sum_of)(y, low), y->inverse);
        v = lossv_div(lossv_mul(y->less, unit), M); /* s(-|x|) / M */
        v = lossv_if_eq(c1, zero, y->inverse, v);
        v = lossv_mul(lossv_mul(g, v), lossv_fnma(lossv_set(2), y->t, one));
        p.high = lossv_sub(lossv_mul(p.high, unit), y->t); /* p - t, which may cancel */
        p.high = lossv_fma(p.low, unit, p.high);
        v = lossv_once(v, lossv_if_eq(v, zero, lossv_min(lossv_set(FLT_MAX), bce), bce), p.high);
        tail = lossv_if_eq(c1, zero, bce, one);
        a = lossv_fma(y->t, weight, lossv_mul(negative, other));
        c = lossv_mul(a, u);
    }
    *slope = lossv_mul(lossv_mul(lossv_mul(P, v), c), unit);
    if (lossv_any_lt(tail,
                     lossv_set(LOSSI_TINY))) { /* v = (1 - 2t) (1 + gamma) e there, too small */
        v = lossv_mul(lossv_add(one, g), y->less);
        if (!hard) v = lossv_mul(v, lossv_fnma(lossv_set(2), y->t, one));
        v = lossv_mul(lossv_mul(lossv_mul(lossv_mul(P, c), v), unit), unit);
        *slope = lossv_if_lt(tail, lossv_set(LOSSI_TINY), v, *slope);
    }
    /* 1 / B after the product where that is small, before it where it is large */
    P = lossv_if_lt(bce, one, P, lossv_mul(P, unit));
    P = LOSSI_FN(times)(lossv_mul(P, a), bce);
    return lossv_if_lt(bce, one, lossv_mul(P, unit), P);
}

/* The weights of n elements of rows, the first of class c, and of a block more.
 * They repeat: after a period of LOSSV_N or more they can be had block by block. */
LOSSI_OP void LOSSI_FN(weights_of)(float *w, const float *weight, size_t classes, size_t c,
                                   size_t n)
{
    const size_t period = (LOSSV_N + classes - 1) / classes * classes;
    const size_t end = lossi_least(n + LOSSV_N, period);
    size_t k, i, run;
    for (k = 0; k < end; k += run, c = 0) {
        run = lossi_least(end - k, classes - c);
        for (i = 0; i < run; i += LOSSV_N)
            lossv_store(w + k + i, LOSSV_N, lossv_load(weight + c + i, run - i, 0));
    }
    for (; k < n + LOSSV_N; k += LOSSV_N)
        lossv_store(w + k, LOSSV_N, lossv_load_all(w + k - period));
}

/* The weights of rows, where there are some, from class c on: of n elements */
LOSSI_OP void LOSSI_FN(weigh)(const lossi_job *job, const lossi_place *at, lossv_weights *w,
                              size_t c, size_t n)
{
    const size_t classes = job->shape.classes;
    if (at->step != 1) return;
    if (job->weight != NULL) LOSSI_FN(weights_of)(w->of_class, job->weight, classes, c, n);
    if (job->positive != NULL) LOSSI_FN(weights_of)(w->positive, job->positive, classes, c, n);
}

/* Weights of a block of a plane or, from lanes, of rows */
LOSSI_OP lossv LOSSI_FN(weights_at)(const float *weight, const lossi_place *at, const float *lanes)
{
    if (weight == NULL) return lossv_set(1);
    return at->step == 1 ? lossv_load_all(lanes) : lossv_set(weight[at->plane]);
}

/* What a sigmoid loss adds to: total, or large what a float might not hold. */
typedef struct lossv_totals {
    lossv_pair total[LOSSV_SUMS];
    lossi_sum large;
} lossv_totals;

/* A strip of a sigmoid loss, n elements from number i on. focal: 2 for gamma = 2. plain: hard targets that all
 * count, whole blocks, and no option. */
LOSSI_OP void LOSSI_FN(sigmoid_strip)(const lossi_job *job, const lossi_place *at,
                                      lossv_strip *strip, lossv_weights *weights, size_t i,
                                      size_t n, int focal, int plain, lossv_totals *sums)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    const int hard = plain || at->q == NULL;
    const int some = !plain && (n % LOSSV_N != 0 || job->ignored);
    const float *const weight = plain ? NULL : job->weight;
    const float *const positive = plain ? NULL : job->positive;
    const float *const upstream = plain ? NULL : job->upstream;
    const int even = weight == NULL && positive == NULL;
    const float gamma = focal == 2 ? 2.f : job->gamma, alpha = job->alpha, factor = job->factor;
    const lossv a1 = lossv_set(alpha < 0 ? 1 : alpha), a0 = lossv_set(alpha < 0 ? 1 : 1 - alpha);
    const size_t classes = job->shape.classes;
    float *const grad = at->grad;
    size_t k, from, to, a, c = (at->plane + i) % classes;
    LOSSI_FN(strip_at)(strip, job, at, i, n, focal ? 1 + (gamma > 2) : 0, 1, some);
    if (!plain && classes > LOSSV_STRIP) LOSSI_FN(weigh)(job, at, weights, c, n), c = 0;
    for (from = 0; from < n; from = to) {
        lossv part[LOSSV_SUMS];
        int much = 0;
        to = n - from > LOSSI_RUN ? from + LOSSI_RUN : n;
        for (a = 0; a < LOSSV_SUMS; a++) part[a] = zero;
        for (k = from; k < to; k += LOSSV_N) {
            const size_t m = some ? n - k : LOSSV_N;
            const lossv_elements y = LOSSI_FN(elements_at)(at, i + k, m, strip, k, hard, some);
            const lossv high = lossv_load_all(strip->high + k),
                        log = lossv_load_all(strip->log + k);
            const lossv u = upstream != NULL ? lossv_load(upstream + at->first + i + k, m, 0)
                                             : lossv_set(factor);
            lossv slope, l;
            if (focal) {
                const lossv low = lossv_load_all(strip->low + k);
                const lossv P = LOSSI_FN(focal_factor)(&y, high, low, gamma, hard);
                l = LOSSI_FN(sigmoid_focal)(&y, high, low, log, P, a1, a0, gamma, u, hard, &slope);
            } else {
                const lossv w = LOSSI_FN(weights_at)(weight, at, weights->of_class + c + k);
                const lossv b = LOSSI_FN(weights_at)(positive, at, weights->positive + c + k);
                l = LOSSI_FN(binary)(&y, high, log, w, lossv_mul(w, b), u, hard, even, &slope);
            }
            if (some) {
                l = lossv_if_eq(y.on, one, l, zero);
                slope = lossv_if_eq(y.on, one, slope, zero);
            }
            part[k / LOSSV_N % LOSSV_SUMS] = lossv_add(part[k / LOSSV_N % LOSSV_SUMS], l);
            lossv_store(strip->log + k, LOSSV_N, l);
            if (!plain && at->loss != NULL) lossv_store(at->loss + i + k, m, l);
            if (grad == NULL) continue;
            if (!plain && job->accumulate) slope = lossv_add(lossv_load(grad + i + k, m, 0), slope);
            lossv_store(grad + i + k, m, slope);
        }
        for (a = 0; a < LOSSV_SUMS; a++) much |= lossv_any_lt(lossv_set(1.2089258e24f), part[a]);
        if (much) { /* 2^80: a float might not hold the sum */
            for (k = from; k < to; k++) lossi_add(&sums->large, (losses_wide)strip->log[k]);
            for (a = 0; a < LOSSV_SUMS; a++) part[a] = zero;
        }
        for (a = 0; a < LOSSV_SUMS; a++) lossv_accumulate(sums->total + a, part[a]);
    }
}

/* Elements [from, to) of a plane of a sigmoid loss, or (step 1) of rows of classes */
LOSSI_OP void LOSSI_FN(sigmoid)(const lossi_job *job, const lossi_place *at, size_t from, size_t to,
                                int focal, int plain, lossv_totals *sums)
{
    const size_t classes = job->shape.classes;
    lossv_strip strip;
    lossv_weights weights;
    strip.on[0] = strip.low[0] = 0;                /* for gcc */
    weights.of_class[0] = weights.positive[0] = 1; /* where one of them is NULL */
    if (!plain && classes <= LOSSV_STRIP)
        LOSSI_FN(weigh)(job, at, &weights, 0, classes + lossi_least(at->count, LOSSV_STRIP));
    for (; from < to; from += LOSSV_STRIP) {
        const size_t n = lossi_least(to - from, LOSSV_STRIP);
        LOSSI_FN(sigmoid_strip)(job, at, &strip, &weights, from, n, focal, plain, sums);
    }
}

/* Each apart, for the registers: the first n elements, or those from number n on */
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(any_binary)(const lossi_job *job, const lossi_place *at,
                                                   size_t n, lossv_totals *sums)
{
    LOSSI_FN(sigmoid)(job, at, n, at->count, 0, 0, sums);
}

LOSSI_KERNEL LOSSI_APART void LOSSI_FN(any_focal)(const lossi_job *job, const lossi_place *at,
                                                  size_t n, lossv_totals *sums)
{
    LOSSI_FN(sigmoid)(job, at, n, at->count, 1, 0, sums);
}

#if LOSSV_N > 1
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(plain_binary)(const lossi_job *job, const lossi_place *at,
                                                     size_t n, lossv_totals *sums)
{
    LOSSI_FN(sigmoid)(job, at, 0, n, 0, 1, sums);
}

LOSSI_KERNEL LOSSI_APART void LOSSI_FN(plain_focal)(const lossi_job *job, const lossi_place *at,
                                                    size_t n, lossv_totals *sums)
{
    LOSSI_FN(sigmoid)(job, at, 0, n, 1, 1, sums);
}

LOSSI_KERNEL LOSSI_APART void LOSSI_FN(plain_focal_2)(const lossi_job *job, const lossi_place *at,
                                                      size_t n, lossv_totals *sums)
{
    LOSSI_FN(sigmoid)(job, at, 0, n, 2, 1, sums);
}
#endif

/* How many elements of a place are done for being plain: whole strips, for the same sums with an option */
LOSSI_OP size_t LOSSI_FN(plain_part)(const lossi_job *job, const lossi_place *at, int focal,
                                     lossv_totals *sums)
{
    size_t n = 0;
#if LOSSV_N > 1
    if (at->q != NULL || job->ignored || job->accumulate || at->loss != NULL ||
        job->weight != NULL || job->positive != NULL || job->upstream != NULL)
        return 0;
    n = at->count % LOSSV_N == 0 ? at->count : at->count - at->count % LOSSV_STRIP;
    if (!focal)
        LOSSI_FN(plain_binary)(job, at, n, sums);
    else if (job->gamma == 2)
        LOSSI_FN(plain_focal_2)(job, at, n, sums);
    else
        LOSSI_FN(plain_focal)(job, at, n, sums);
#else
    (void)job, (void)at, (void)focal, (void)sums;
#endif
    return n;
}

/* B p (1-p); of a hard target the sign remembers it, and B stands for what does not count */
LOSSI_OP lossv LOSSI_FN(bump)(const lossv_elements *y, int some)
{
    const lossv bump = lossv_mul(y->less, lossv_mul(y->inverse, y->sign));
    return some ? lossv_if_eq(y->on, lossv_set(1), bump, lossv_set(LOSSV_B)) : bump;
}

/* The sums of dice over a strip, n elements from number i on, and, where there is room for it, the bump of
 * each. plain: hard targets that all count, whole blocks. */
LOSSI_OP void LOSSI_FN(dice_strip)(const lossi_job *job, const lossi_place *at, lossv_strip *strip,
                                   float *bump, size_t i, size_t n, int plain, lossv_pair *V,
                                   lossv_pair *inter)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    const int hard = plain || at->q == NULL;
    const int some = !plain && (n % LOSSV_N != 0 || job->ignored);
    lossv V_part[LOSSV_SUMS], inter_part[LOSSV_SUMS];
    size_t k, from, to, a;
    LOSSI_FN(strip_at)(strip, job, at, i, n, 0, 0, some);
    for (from = 0; from < n; from = to) {
        to = n - from > LOSSI_RUN ? from + LOSSI_RUN : n;
        for (a = 0; a < LOSSV_SUMS; a++) V_part[a] = inter_part[a] = zero;
        for (k = from; k < to; k += LOSSV_N) {
            const size_t m = some ? n - k : LOSSV_N;
            const lossv_elements y = LOSSI_FN(elements_at)(at, i + k, m, strip, k, hard, some);
            lossv right = hard ? y.right : y.wrong, wrong = y.wrong;
            if (!hard) wrong = lossv_fma(y.t, y.right, lossv_mul(lossv_sub(one, y.t), y.wrong));
            if (some) {
                right = lossv_if_eq(y.on, one, right, zero);
                wrong = lossv_if_eq(y.on, one, wrong, zero);
            }
            a = k / LOSSV_N % LOSSV_SUMS;
            inter_part[a] = lossv_fma(y.t, right, inter_part[a]);
            V_part[a] = lossv_add(V_part[a], wrong);
            if (bump != NULL) lossv_store(bump + k, m, LOSSI_FN(bump)(&y, some));
        }
        for (a = 0; a < LOSSV_SUMS; a++) {
            lossv_accumulate(inter + a, inter_part[a]);
            lossv_accumulate(V + a, V_part[a]);
        }
    }
}

/* B V and B I of the pixels of a place, and B p (1-p) of each to grad, where there is one to store. */
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(dice_sums)(const lossi_job *job, const lossi_place *at,
                                                  lossi_mask *sums)
{
    const int stored = at->grad != NULL && !job->accumulate;
    const int plain = at->q == NULL && !job->ignored;
    lossv_pair V[LOSSV_SUMS], inter[LOSSV_SUMS];
    lossv_strip strip;
    size_t i;
    for (i = 0; i < LOSSV_SUMS; i++) {
        V[i].high = V[i].low = lossv_set(0);
        inter[i] = V[i];
    }
    strip.on[0] = 0; /* for gcc */
    for (i = 0; i < at->count; i += LOSSV_STRIP) {
        const size_t n = lossi_least(at->count - i, LOSSV_STRIP);
        float *const bump = stored ? at->grad + i : NULL;
        if (plain && n % LOSSV_N == 0)
            LOSSI_FN(dice_strip)(job, at, &strip, bump, i, n, 1, V, inter);
        else
            LOSSI_FN(dice_strip)(job, at, &strip, bump, i, n, 0, V, inter);
    }
    sums->V = LOSSI_FN(sum)(V);
    sums->inter = LOSSI_FN(sum)(inter);
}

/* The gradient of the pixels of a place. */
LOSSI_KERNEL LOSSI_APART void LOSSI_FN(dice_gradient)(const lossi_job *job, const lossi_place *at,
                                                      const lossi_slopes *slopes)
{
    const lossv zero = lossv_set(0), off = lossv_set(LOSSV_B);
    const lossv c0 = lossv_set(slopes->c0), c1 = lossv_set(slopes->c1);
    const lossv c01 = lossv_set(slopes->c01), u = lossv_set(slopes->unit);
    /* by dice_sums: the bumps, in grad */
    const int stored = !job->accumulate && !lossi_is_partial(job);
    const int hard = at->q == NULL, plain = hard && stored && !job->ignored;
    lossv_strip strip;
    size_t i, k;
    strip.t[0] = strip.on[0] = 0; /* for gcc */
    for (i = 0; i < at->count; i += LOSSV_STRIP) {
        const size_t n = lossi_least(at->count - i, LOSSV_STRIP);
        float *const to = at->grad + i;
        const int some = n % LOSSV_N != 0 || job->ignored;
        if (plain && n % LOSSV_N == 0) { /* nothing to look at in each block */
            for (k = 0; k < n; k += LOSSV_N) {
                const lossv y = lossv_load_all(to + k), c = lossv_if_lt(y, zero, c1, c0);
                lossv_store(to + k, LOSSV_N, lossv_mul(lossv_mul(y, c), u));
            }
            continue;
        }
        if (!stored) LOSSI_FN(strip_at)(&strip, job, at, i, n, 0, 0, some);
        for (k = 0; k < n; k += LOSSV_N) {
            lossv y = lossv_load(to + k, n - k, 0), c;
            if (!stored) {
                const lossv_elements e =
                    LOSSI_FN(elements_at)(at, i + k, n - k, &strip, k, hard, some);
                y = LOSSI_FN(bump)(&e, some);
            }
            c = hard ? lossv_if_lt(y, zero, c1, c0)
                     : lossv_once(lossv_load(at->q + i + k, n - k, 0), c01, c0);
            c = lossv_if_eq(y, off, zero, lossv_mul(lossv_mul(y, c), u));
            if (job->accumulate) c = lossv_add(lossv_load(to + k, n - k, 0), c);
            lossv_store(to + k, n - k, c);
        }
    }
}

/* Takes the elements of a sigmoid loss: by planes or by rows of classes, and these all at once where they are
 * packed and alike. */
LOSSI_KERNEL void LOSSI_FN(planes)(lossi_job *job)
{
    losses_shape s = job->shape;
    const int row = s.positions == 1 && s.class_stride == 1;
    const int focal = job->loss == LOSSI_SIGMOID_FOCAL;
    size_t i, plane, m, n, c, count, whole;
    lossv_totals sums;
    lossi_sum sum;
    if (job->from >= job->to) return;
    sums.large.high = sums.large.low = 0;
    for (n = 0; n < LOSSV_SUMS; n++) sums.total[n].high = sums.total[n].low = lossv_set(0);
    if (row) {
        s.positions = s.classes;
        s.classes = 1;
        if (s.sample_stride == s.positions) s.positions *= s.samples, s.samples = 1;
    }
    plane = job->from / s.positions;
    m = job->from % s.positions;
    n = plane / s.classes;
    c = plane % s.classes;
    for (i = job->from; i < job->to; i += count, m = 0) {
        const size_t k = n * s.sample_stride + c * s.class_stride + m;
        lossi_place at;
        count = lossi_least(s.positions - m, job->to - i);
        at = lossi_at(job, k, row && job->shape.classes > 1 ? 1 : 0, count, i, NULL);
        at.plane = row ? m % job->shape.classes : c;
        if (job->losses != NULL) at.loss = job->losses + i;
        whole = LOSSI_FN(plain_part)(job, &at, focal, &sums);
        if (whole < count)
            (focal ? LOSSI_FN(any_focal) : LOSSI_FN(any_binary))(job, &at, whole, &sums);
        if (++c == s.classes) c = 0, n++;
    }
    sum = LOSSI_FN(sum)(sums.total);
    lossi_merge(&sum, &sums.large); /* its low part is finite */
    lossi_add(&job->sum, sum.high);
    if (lossi_finite(sum.low)) lossi_add(&job->sum, sum.low);
}

/* --- one position at a time: the same with every option folded away -------------------------------- */
LOSSI_OP float LOSSI_FN(row)(float *grad, const float *x, size_t classes, size_t t, float gamma,
                             float u, int focal)
{
#if LOSSV_N == 1
    return LOSSI_FN(position)(grad, x, 1, classes, t, gamma, u, focal, 0);
#else
    const int64_t target = (int64_t)t;
    float loss[LOSSV_N], tile[LOSSI_FEW * LOSSV_N];
    lossi_job job = lossi_textbook(focal ? LOSSI_FOCAL : LOSSI_CROSS_ENTROPY,
                                   losses_rows(1, classes), losses_i64(&target), grad, x, u);
    lossv_group g;
    g.at = lossi_at(&job, 0, classes, 1, 0, loss);
    g.terms = grad;
    g.terms_step = classes;
    g.soon = g.soon_grad = tile;
    g.soon_q = NULL;
    g.soon_step = 0;
    job.gamma = gamma;
    if (classes > LOSSI_FEW) {
        LOSSI_FN(take_groups)(&job, &g, 1, LOSSV_ALONE);
        return loss[0];
    }
    g.at.x_step = g.at.grad_step = g.terms_step = LOSSV_N; /* as in rows: turned */
    g.at.x = tile;
    if (grad != NULL) g.at.grad = g.terms = tile;
    LOSSI_FN(turn)(tile, LOSSV_N, x, classes, 1, classes);
    LOSSI_FN(take_groups)(&job, &g, 1, 0);
    if (grad != NULL) LOSSI_FN(turn_back)(grad, classes, tile, LOSSV_N, 1, classes);
    return loss[0];
#endif
}

LOSSI_KERNEL float LOSSI_FN(cross_entropy_row)(float *grad, const float *x, size_t classes,
                                               size_t t, float u)
{
    return LOSSI_FN(row)(grad, x, classes, t, 0, u, 0);
}

LOSSI_KERNEL float LOSSI_FN(focal_row)(float *grad, const float *x, size_t classes, size_t t,
                                       float gamma, float u)
{
    return LOSSI_FN(row)(grad, x, classes, t, gamma, u, 1);
}

#ifdef LOSSI_TEST
/* y = exp, log, log1p, log1p_unit or, one number at a time, exp_one, log_ratio of x, for tests and
 * measurements; exp of 88.376 at most, exp_one below 127 ln 2, log_ratio to 1 below 2^125 */
LOSSI_KERNEL void LOSSI_FN(map)(int which, float *y, const float *x, size_t n)
{
    const lossv zero = lossv_set(0), one = lossv_set(1);
    size_t i;
    for (i = 0; i < n && which == 0; i += LOSSV_N) {
        const lossv a = lossv_min(lossv_set(88.376f), lossv_load(x + i, n - i, 0));
        lossv_store(y + i, n - i, lossv_exp(a, zero, lossv_set(-127 * LOSSV_LN2)));
    }
#if LOSSV_N == 1
    for (i = 0; i < n && which > 3; i++)
        y[i] =
            which == 4 ? LOSSI_FN(exp_one)(x[i], LOSSV_MAGIC + 127) : LOSSI_FN(log_ratio)(x[i], 1);
#endif
    for (i = 0; i < n && which > 0 && which < 4; i += LOSSV_N) {
        const lossv a = lossv_load(x + i, n - i, 1);
        lossv_pair z = {zero, zero};
        if (which == 2) {
            z.high = a;
            z = lossv_log1p(z, lossv_div(one, lossv_add(one, a)));
        } else if (which == 3) {
            z.high = LOSSI_FN(log1p_unit)(a);
        } else {
            z = lossv_log(a, zero, 0);
        }
        lossv_store(y + i, n - i, lossv_add(z.high, z.low));
    }
}
#endif

#ifdef LOSSI_INNER
static const lossi_kernels LOSSI_FN(kernels) = {
#else
static const lossi_kernels lossi_base = {
#endif

    LOSSI_NAME,          LOSSI_FN(softmax),       LOSSI_FN(planes),
    LOSSI_FN(dice_sums), LOSSI_FN(dice_gradient), LOSSI_FN(cross_entropy_row),
    LOSSI_FN(focal_row),
#ifdef LOSSI_TEST
    LOSSI_FN(map),
#endif
};

#undef LOSSV_ABOVE
#undef LOSSV_ALL
#undef LOSSV_ALONE
#undef LOSSV_COUNT
#undef LOSSV_FUSED
#undef LOSSV_GROUP
#undef LOSSV_INTS
#undef LOSSV_KEPT
#undef LOSSV_LANE
#undef LOSSV_MANY
#undef LOSSV_MM
#undef LOSSV_MZ
#undef LOSSV_N
#undef LOSSV_ON
#undef LOSSV_ONES
#undef LOSSV_PLAIN
#undef LOSSV_PREFETCH
#undef LOSSV_R
#undef LOSSV_STRIP
#undef LOSSV_SUMS
#undef LOSSV_TOGETHER
#undef LOSSV_UNCHECKED
#undef LOSSV_UNIT
#undef LOSSV_ZERO
#undef LOSSV_W
#undef lossr
#undef lossr_add
#undef lossr_and
#undef lossr_any
#undef lossr_bits
#undef lossr_convert
#undef lossr_div
#undef lossr_either
#undef lossr_eq
#undef lossr_exponent
#undef lossr_float
#undef lossr_fma
#undef lossr_fma_by
#undef lossr_fma_plus
#undef lossr_fnma
#undef lossr_greater
#undef lossr_here
#undef lossr_i64
#undef lossr_if
#undef lossr_if_eq
#undef lossr_if_lt
#undef lossr_i32
#undef lossr_load
#undef lossr_load_part
#undef lossr_lt
#undef lossr_mantissa
#undef lossr_marked
#undef lossr_masked
#undef lossr_max
#undef lossr_min
#undef lossr_mul
#undef lossr_opaque
#undef lossr_or
#undef lossr_part
#undef lossr_put_quads
#undef lossr_quads
#undef lossr_set
#undef lossr_settle
#undef lossr_shifted
#undef lossr_steps
#undef lossr_store
#undef lossr_store_part
#undef lossr_stream
#undef lossr_sub
#undef lossr_u8
#undef LOSSI_BATCH
#undef LOSSI_TILE
#undef LOSSI_NAME
#undef LOSSI_FN
#undef LOSSI_TARGET
#undef LOSSI_PASS
#endif /* LOSSI_PASS */

#if defined(LOSSES_IMPLEMENTATION) && !defined(LOSSI_INNER) && !defined(LOSSI_CALLS)
#define LOSSI_CALLS
/* ======================================= PART 5: CALLS ==========================================
 * Every loss of the float and of the double path begins with lossi_check, which checks all there is to
 * check and resolves the options, and ends with lossi_reduce, which reduces. */
#ifdef LOSSES_NO_DOUBLE
#define LOSSI_WIDE_MAX FLT_MAX
#else
#define LOSSI_WIDE_MAX DBL_MAX
#endif

typedef struct lossi_span {
    const void *data;
    size_t bytes;
} lossi_span;

typedef struct lossi_call {
    size_t classes;    /* of the targets and weights: the shape's, or more than a block's */
    lossi_span states; /* or NULL */
    int finish;        /* the states stand for the logits */

    losses_shape shape; /* strides resolved */
    losses_targets targets;
    losses_options options; /* NULL and defaults resolved */
    int64_t ignore;
    size_t counted;
    int ignored;                     /* some targets are */
    losses_wide denominator, smooth; /* smooth = eps * scale of dice */
    int empty;                       /* the mean is over nothing */
    lossi_sum sum;
} lossi_call;

static int lossi_overlap(lossi_span a, lossi_span b)
{
    const uintptr_t p = (uintptr_t)a.data, q = (uintptr_t)b.data;
    if (a.data == NULL || b.data == NULL || a.bytes == 0 || b.bytes == 0) return 0;
    return p <= q ? q - p < a.bytes : p - q < b.bytes;
}

/* *product = a * b + c, or 0 returned where that is more than size_t holds */
static int lossi_fits(size_t *product, size_t a, size_t b, size_t c)
{
    if (b != 0 && a > (LOSSI_SIZE_MAX - c) / b) return 0;
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
    if (n == 0 || m == 0) { /* dice has a loss for each mask all the same */
        shape->sample_stride = shape->class_stride = 0;
        return lossi_fits(&bytes, n, bytes, 0) ? LOSSES_OK : LOSSES_BAD_SHAPE;
    }
    if (shape->class_stride == 0) shape->class_stride = m;
    if (!lossi_fits(&row, c - 1, shape->class_stride, m)) return LOSSES_BAD_SHAPE;
    if (shape->sample_stride == 0 &&
        !lossi_fits(&shape->sample_stride, c, shape->class_stride, 0)) {
        if (n > 1) return LOSSES_BAD_SHAPE;
        shape->sample_stride = row;
    }
    if (!lossi_fits(&column, n - 1, shape->sample_stride, m) ||
        !lossi_fits(extent, n - 1, shape->sample_stride, row) ||
        !lossi_fits(&bytes, *extent, sizeof(double), 0)) {
        return LOSSES_BAD_SHAPE;
    }
    if ((c == 1 || shape->class_stride >= m) && (n == 1 || shape->sample_stride >= row))
        return LOSSES_OK;
    if (shape->sample_stride >= m && shape->class_stride >= column) return LOSSES_OK;
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

/* A call is cut into pieces by its shape alone, so that sums have the same bits whoever takes which of them.
 * Its items lie in lines of some length; a piece begins at a multiple of `group` items in its line. */
typedef struct lossi_cut {
    size_t items, length, group;
    int pieces;
} lossi_cut;

static lossi_cut lossi_cut_up(size_t items, size_t length, size_t group, size_t floats)
{
    lossi_cut cut;
    size_t pieces = 1;
    if (floats / LOSSI_PIECE >= 4) {
        pieces = lossi_least(floats / LOSSI_PIECE, LOSSI_PIECES);
        pieces = lossi_least(pieces, (items - 1) / group + 1);
    }
    cut.items = items;
    cut.length = length;
    cut.group = group;
    cut.pieces = (int)pieces;
    return cut;
}

/* Where piece i begins, and the one before it ends */
static size_t lossi_cut_at(const lossi_cut *cut, int i)
{
    const size_t pieces = (size_t)cut->pieces, number = (size_t)i;
    size_t groups, at;
    if (i == cut->pieces) return cut->items;
    groups = (cut->items - 1) / cut->group + 1;
    at = (number * (groups / pieces) + lossi_least(number, groups % pieces)) * cut->group;
    at = lossi_least(at, cut->items);
    return at - at % cut->length % cut->group;
}

/* Pieces that may be under way before their sums are added up, in order */
#define LOSSI_AT_ONCE (LOSSI_THREADS ? LOSSI_PIECES : 1)

static losses_status lossi_options(lossi_call *call, int loss, losses_wide gamma)
{
    losses_options *o = &call->options;
    const losses_wide most = (losses_wide)FLT_MAX;
    const int integers = call->targets.type != LOSSI_F32;
    const int focal = (loss & (LOSSI_FOCAL | LOSSI_SIGMOID_FOCAL)) != 0;
    const int entropy = loss == LOSSI_CROSS_ENTROPY, dice = loss == LOSSI_DICE;
    const size_t c = call->classes;
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

/* Bytes of a word that are not 0, as 0x80 in each. */
static uint64_t lossi_nonzero_bytes(uint64_t u)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
    return (((u & low) + low) | u) & ~low;
}

/* Of sixteen targets how many are ignored, or -1 if one is bad: neither that nor at most `most` (masks: 0 or 1).
 * Without counting ignored ones are bad too. ignore must fit 32 bits unless they have 64. */
LOSSI_FORCE int lossi_sixteen(losses_targets targets, int type, size_t i, int mask, uint32_t most,
                              int64_t ignore, int counting)
{
    uint64_t odd_64 = 0, off_64 = 0;
    uint32_t odd = 0, off = 0; /* of 32 bits compilers take several at a time */
    size_t k;
    targets.type = type;
    if (type == LOSSI_I32) LOSSI_PREFETCH((const int32_t *)targets.data + i + LOSSI_SOON);
    if (type == LOSSI_I64) LOSSI_PREFETCH((const int64_t *)targets.data + i + LOSSI_SOON);
    if (type == LOSSI_I64) LOSSI_PREFETCH((const int64_t *)targets.data + i + LOSSI_SOON + 8);
    for (k = 0; k < 16; k++) { /* nothing of an ignored one is odd */
        const int64_t t = lossi_target(targets, i + k);
        if (type == LOSSI_I64) {
            const uint64_t u = (uint64_t)t;
            uint64_t is = 0, wrong = mask ? u : 0;
            if (counting && t == ignore) is = 1;
            if (!mask && u > most) wrong = 1;
            odd_64 |= wrong & (is - 1);
            off_64 += is;
        } else {
            const uint32_t u = (uint32_t)t;
            uint32_t is = 0, wrong = mask ? u : 0;
            if (counting && (int32_t)t == (int32_t)ignore) is = 1;
            if (!mask && u > most) wrong = 1;
            odd |= wrong & (is - 1);
            off += is;
        }
    }
    return (odd_64 | odd) > (mask ? 1u : 0u) ? -1 : (int)(off_64 + off);
}

LOSSI_FORCE int lossi_sixteen_at(losses_targets targets, size_t i, uint32_t most, int64_t ignore,
                                 int counting)
{
    const int mask = most == 1;
    if (targets.type == LOSSI_U8) /* of masks in words of eight */
        return lossi_sixteen(targets, LOSSI_U8, i, 0, most, ignore, counting);
    if (targets.type == LOSSI_I32)
        return mask ? lossi_sixteen(targets, LOSSI_I32, i, 1, most, ignore, counting)
                    : lossi_sixteen(targets, LOSSI_I32, i, 0, most, ignore, counting);
    return mask ? lossi_sixteen(targets, LOSSI_I64, i, 1, most, ignore, counting)
                : lossi_sixteen(targets, LOSSI_I64, i, 0, most, ignore, counting);
}

/* Of targets first .. first + n - 1, valid up to highest or ignored: how many are ignored; stops at the first
 * bad one and puts its index into *bad, n + first if there is none. Eight bytes of a mask at a time. */
static size_t lossi_scan_run(losses_targets targets, int64_t ignore, size_t first, size_t n,
                             size_t highest, size_t *bad)
{
    const uint32_t most = (uint32_t)lossi_least(highest, LOSSI_SIZE_MAX & LOSSI_INT32_MAX);
    const uint64_t every = 0x0101010101010101u;
    size_t i = first, ignored = 0;
    *bad = first + n;
    if (targets.type == LOSSI_U8 && highest == 1) {
        const uint8_t *p = (const uint8_t *)targets.data;
        if (ignore < 0 || ignore > 255) {
            for (; first + n - i >= 32; i += 32) {
                const uint64_t u = lossi_eight(p + i) | lossi_eight(p + i + 8);
                LOSSI_PREFETCH(p + i + 4 * LOSSI_SOON);
                if (((u | lossi_eight(p + i + 16) | lossi_eight(p + i + 24)) & ~every) != 0) break;
            }
        } else {
            for (; first + n - i >= 8; i += 8) {
                const uint64_t u = lossi_eight(p + i);
                const uint64_t other = lossi_nonzero_bytes(u ^ (uint64_t)ignore * every);
                if (lossi_nonzero_bytes(u & ~every) & other) break;
                ignored += (size_t)((((other >> 7) & every) ^ every) * every >> 56);
            }
        }
    }
    /* as long as none is ignored, then the others */
    while (first + n - i >= 16 && (uint64_t)ignore > highest &&
           lossi_sixteen_at(targets, i, most, ignore, 0) == 0)
        i += 16;
    if (targets.type == LOSSI_I64 || (ignore >= LOSSI_INT32_MIN && ignore <= LOSSI_INT32_MAX)) {
        for (; first + n - i >= 16; i += 16) {
            const int off = lossi_sixteen_at(targets, i, most, ignore, 1);
            if (off < 0) break;
            ignored += (size_t)off;
        }
    }
    for (; i < first + n; i++) {
        const int64_t t = lossi_target(targets, i);
        if (t == ignore)
            ignored++;
        else if ((uint64_t)t > highest) {
            *bad = i;
            break;
        }
    }
    return ignored;
}

/* What the mean divides by: this, or the option. */
static void lossi_divide_by(lossi_call *call, int loss, losses_wide denominator)
{
    call->empty = !(denominator > 0) && !(call->options.denominator > 0);
    if (call->options.denominator > 0) denominator = call->options.denominator;
    if (loss == LOSSI_DICE) denominator = lossi_w(denominator + (losses_wide)1e-8);
    call->denominator = denominator;
}

typedef struct lossi_scanned {
    size_t ignored, masks, bad; /* masks: where a target counts; bad: no index if none is */
    lossi_sum weight;
} lossi_scanned;

/* Targets from .. to - 1, of masks of `each` */
static lossi_scanned lossi_scan_piece(const lossi_call *call, size_t from, size_t to, size_t each,
                                      size_t highest, const float *weight)
{
    lossi_scanned y = {0, 0, LOSSI_SIZE_MAX, {0, 0}};
    size_t n, i, bad;
    for (i = from; i < to; i += n) {
        size_t ignored;
        n = lossi_least(to - i, each);
        ignored = lossi_scan_run(call->targets, call->ignore, i, n, highest, &bad);
        if (bad < i + n) {
            y.bad = bad;
            return y;
        }
        y.ignored += ignored;
        y.masks += n > ignored;
    }
    for (i = from; i < to && weight != NULL; i++) {
        const int64_t t = lossi_target(call->targets, i);
        if (t != call->ignore) lossi_add(&y.weight, (losses_wide)weight[t]);
    }
    return y;
}

/* n targets from number `first` on, in pieces */
static lossi_scanned lossi_scan_all(const lossi_call *call, size_t first, size_t n, size_t each,
                                    size_t group, size_t highest, const float *weight)
{
    const lossi_cut cut = lossi_cut_up(n, n, group, weight != NULL ? n : n / 8);
    lossi_scanned parts[LOSSI_AT_ONCE], y = {0, 0, LOSSI_SIZE_MAX, {0, 0}};
    int i, k, end;
    if (cut.pieces == 1) return lossi_scan_piece(call, first, first + n, each, highest, weight);
    for (i = 0; i < cut.pieces; i = end) {
        end = cut.pieces - i > LOSSI_AT_ONCE ? i + LOSSI_AT_ONCE : cut.pieces;
        LOSSI_PARALLEL(1)
        for (k = i; k < end; k++)
            parts[k - i] =
                lossi_scan_piece(call, first + lossi_cut_at(&cut, k),
                                 first + lossi_cut_at(&cut, k + 1), each, highest, weight);
        for (k = i; k < end; k++) {
            if (parts[k - i].bad < LOSSI_SIZE_MAX) return parts[k - i];
            y.ignored += parts[k - i].ignored;
            y.masks += parts[k - i].masks;
            lossi_merge(&y.weight, &parts[k - i].weight);
        }
    }
    return y;
}

/* Checks the targets and counts what the mean divides by. */
static losses_status lossi_scan(lossi_call *call, int loss, size_t *bad)
{
    const int softmax = (loss & LOSSI_SOFTMAX) != 0, integers = call->targets.type != LOSSI_F32;
    const int dice = loss == LOSSI_DICE;
    const size_t m = call->shape.positions, n = call->shape.samples, c = call->shape.classes;
    const size_t all = n * m * (softmax ? 1 : c), each = dice ? m : all;
    const size_t round = m > LOSSI_LONG ? each : all; /* long masks one by one */
    const size_t highest = softmax ? call->classes - 1 : 1;
    const float *weight = softmax && integers ? call->options.class_weight : NULL;
    losses_wide denominator;
    size_t i;

    call->counted = !dice ? all : m > 0 ? n * c : 0;
    call->ignored = 0;
    denominator = (losses_wide)call->counted;
    if (integers) {
        call->counted = 0;
        for (i = 0; i < all; i += round) {
            const lossi_scanned found =
                lossi_scan_all(call, i, round, each, round > each ? each : 16, highest, weight);
            if (found.bad < LOSSI_SIZE_MAX) {
                *bad = found.bad;
                return LOSSES_BAD_TARGET;
            }
            call->ignored |= found.ignored > 0;
            call->counted += !dice          ? all - found.ignored
                             : round > each ? found.masks
                                            : each > found.ignored;
            denominator = weight != NULL ? lossi_total(&found.weight) : (losses_wide)call->counted;
        }
    }
    lossi_divide_by(call, loss, denominator);
    return LOSSES_OK;
}

/* size: of a logit, loss and gradient, that of float or double. call->classes and states are there.
 * Not inlined, nor is lossi_job_of: its stack is free again when a kernel runs, which needs much. */
static LOSSI_APART losses_status lossi_check(lossi_call *call, int loss, const void *losses,
                                             const void *grad, const void *logits, size_t size,
                                             losses_targets targets, losses_shape shape,
                                             losses_wide gamma, const losses_options *options)
{
    static const losses_options defaults = {LOSSES_MEAN, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                                            0,           NULL, 0, 0, NULL, 0,    NULL, NULL};
    const size_t target_size[] = {0, 1, 4, 8, 4};
    const losses_options *const o = &call->options;
    size_t extent, positions, elements, values, checked, classes, i, k;
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
    if (o->reduction != LOSSES_NONE) values = 1;
    classes = call->classes * sizeof(float);
    checked = targets.type == LOSSI_F32 ? extent : loss & LOSSI_SOFTMAX ? positions : elements;
    { /* the stack of these is free again when the targets are scanned */
        const lossi_span out[] = {{losses, values * size},
                                  {grad, extent * size},
                                  {o->log_sum_exp, positions * sizeof(float)},
                                  {o->report, sizeof(losses_report)},
                                  call->states};
        const lossi_span in[] = {
            {logits, extent * size},    {targets.data, checked * target_size[targets.type]},
            {o->class_weight, classes}, {o->positive_weight, classes},
            {o->class_alpha, classes},  {o->upstream, values * sizeof(float)},
            {options, sizeof *options}};
        for (i = 0; i < 5; i++) {
            for (k = 0; k < 7; k++) {
                if (i == 1 && k == 0 && grad == logits && !o->accumulate) continue;
                if (i == 4 && k == 0 && call->finish) continue;
                if (lossi_overlap(out[i], in[k])) return LOSSES_BAD_OVERLAP;
            }
            for (k = 0; k < i; k++)
                if (lossi_overlap(out[i], out[k])) return LOSSES_BAD_OVERLAP;
        }
    }

    if (extent == 0 && !(loss == LOSSI_DICE && losses != NULL && o->reduction == LOSSES_NONE))
        call->shape.samples = 0; /* however many there are without a position */
    status = lossi_scan(call, loss, &i);
    if (status == LOSSES_BAD_TARGET && o->report != NULL) o->report->bad_position = i;
    return status;
}

/* The same for all classes at once */
static losses_status lossi_prepare(lossi_call *call, int loss, const void *losses, const void *grad,
                                   const void *logits, size_t size, losses_targets targets,
                                   losses_shape shape, losses_wide gamma,
                                   const losses_options *options)
{
    call->classes = shape.classes;
    call->states.data = NULL;
    call->states.bytes = 0;
    call->finish = 0;
    return lossi_check(call, loss, losses, grad, logits, size, targets, shape, gamma, options);
}

/* The factor of the gradients of loss i: upstream / D, and 0 in the mean over nothing. */
static losses_wide lossi_factor(const lossi_call *call, size_t i)
{
    const losses_options *o = &call->options;
    losses_wide u =
        o->upstream == NULL ? 1 : (losses_wide)o->upstream[o->reduction == LOSSES_NONE ? i : 0];
    if (o->reduction != LOSSES_MEAN) return u;
    return call->empty ? 0 : lossi_w(u / call->denominator);
}

/* Reduces and reports; returns what goes to loss[0], unless the reduction is none. */
static losses_wide lossi_reduce(const lossi_call *call)
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
    if (!call->empty) return lossi_w(sum / call->denominator);
    return o->nan_if_empty ? (losses_wide)LOSSI_NAN : sum == sum ? 0 : sum;
}

/* The log-softmax calls: an output laid out like two inputs (or one, twice), in place or apart. */
static losses_status lossi_check_log_softmax(const void *out, const void *a, const void *b,
                                             size_t size, losses_shape *shape)
{
    size_t extent;
    losses_status status = lossi_measure(shape, &extent);
    const lossi_span spans[] = {{out, extent * size}, {a, extent * size}, {b, extent * size}};
    if (extent == 0) shape->samples = 0; /* however many there are without a position */
    if (status != LOSSES_OK || extent == 0) return status;
    if (out == NULL || a == NULL || b == NULL) return LOSSES_BAD_POINTER;
    if (out != a && lossi_overlap(spans[0], spans[1])) return LOSSES_BAD_OVERLAP;
    if (out != b && lossi_overlap(spans[0], spans[2])) return LOSSES_BAD_OVERLAP;
    return LOSSES_OK;
}

/* --- dispatch ----------------------------------------------------------------------------------- */
static const lossi_kernels *const lossi_table[] = {
#if LOSSI_AVX
    &lossi_kernels_avx512,
    &lossi_kernels_avx2,
#endif
    &lossi_base,
#if defined(LOSSI_TEST) && LOSSI_BASE > LOSSI_SCALAR && LOSSI_AGAIN
    &lossi_kernels_scalar,
#endif
};
#define LOSSI_SETS (int)(sizeof lossi_table / sizeof lossi_table[0])

/* The first of the table that this machine can run: the CPU must have it, and the system must save its
 * registers (xgetbv). */
static int lossi_best(void)
{
#if LOSSI_AVX
    unsigned a, b, c, d, saved;
#if defined(_MSC_VER)
    int r[4];
    __cpuid(r, 0);
    a = (unsigned)r[0];
    if (a < 7) return 2;
    __cpuidex(r, 7, 0);
    b = (unsigned)r[1];
    __cpuid(r, 1);
    c = (unsigned)r[2];
    d = 0;
#else
    unsigned features;
    __cpuid(0, a, b, c, d);
    if (a < 7) return 2;
    __cpuid_count(7, 0, a, features, c, d);
    __cpuid(1, a, b, c, d);
    b = features;
#endif
    (void)a, (void)d;
    if (!(c >> 27 & 1) || !(c >> 12 & 1) || !(b >> 5 & 1)) return 2; /* OSXSAVE, FMA, AVX2 */
#if defined(_MSC_VER)
    saved = (unsigned)_xgetbv(0);
#else
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(saved), "=d"(d) : "c"(0)); /* xgetbv */
#endif
    if ((saved & 0x06) != 0x06) return 2;
    return (saved & 0xe6) == 0xe6 && (b >> 16 & 1) ? 0 : 1; /* AVX-512F */
#else
    return 0;
#endif
}

static int lossi_choice = -1; /* index into the table; a race writes equal values */

static const lossi_kernels *lossi_use(void)
{
    int i = LOSSI_SETS > 1 ? LOSSI_ATOMIC_GET(&lossi_choice) : 0;
    if (i < 0) {
        i = lossi_best();
        LOSSI_ATOMIC_SET(&lossi_choice, i);
    }
    return lossi_table[i];
}

static int lossi_same_name(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) a++, b++;
    return *a == *b;
}

LOSSES_API const char *losses_isa(void) { return lossi_use()->name; }

#ifdef LOSSI_TEST
LOSSI_FORCE void lossi_map(int which, float *y, const float *x, size_t n)
{
    lossi_use()->map(which, y, x, n);
}
#endif

LOSSES_API losses_status losses_use_isa(const char *name)
{
    int i = lossi_best();
    while (name != NULL && i < LOSSI_SETS && !lossi_same_name(name, lossi_table[i]->name)) i++;
    if (i == LOSSI_SETS) return LOSSES_BAD_OPTION;
    if (LOSSI_SETS > 1) LOSSI_ATOMIC_SET(&lossi_choice, i);
    return LOSSES_OK;
}

LOSSES_API const char *losses_status_name(losses_status status)
{
    static const char *const lossi_names[] = {
        "LOSSES_OK",         "LOSSES_BAD_POINTER", "LOSSES_BAD_SHAPE",
        "LOSSES_BAD_OPTION", "LOSSES_BAD_TARGET",  "LOSSES_BAD_OVERLAP",
    };
    const int i = (int)status;
    return i <= 0 && i >= -5 ? lossi_names[-i] : "unknown losses_status";
}

/* --- the float calls ---------------------------------------------------------------------------- */
static losses_status lossi_end(const lossi_call *call, float *loss)
{
    const losses_wide value = lossi_reduce(call);
    if (loss != NULL && call->options.reduction != LOSSES_NONE) *loss = (float)value;
    return LOSSES_OK;
}

/* The job of a checked call; first: the first class of the shape */
static LOSSI_APART lossi_job lossi_job_of(const lossi_call *call, int loss, float *out, float *grad,
                                          const float *x, float gamma, size_t first)
{
    const losses_options *o = &call->options;
    const int focal = (loss & (LOSSI_FOCAL | LOSSI_SIGMOID_FOCAL)) != 0;
    const int each = o->reduction == LOSSES_NONE; /* upstream has one per loss, or none at all */
    lossi_job job = lossi_textbook(loss, call->shape, call->targets, grad, x,
                                   each ? 1 : (float)lossi_factor(call, 0));
    if (call->targets.type == LOSSI_F32) job.q = (const float *)call->targets.data;
    job.ignore = call->ignore;
    job.ignored = call->ignored;
    job.keep = 1 - (losses_wide)o->label_smoothing;
    job.uniform = (losses_wide)o->label_smoothing / (losses_wide)call->classes;
    if (focal) job.alpha = o->alpha;
    job.gamma = gamma < 1e30f ? gamma : 1e30f; /* the same power, and no overflow on the way */
    job.z_loss = o->z_loss;
    job.smooth = (float)call->smooth;
    job.weight = loss == LOSSI_FOCAL ? o->class_alpha : o->class_weight;
    job.block = first;
    if (job.weight != NULL) job.weight += first;
    job.all_weight = (losses_wide)job.shape.classes;
    if (job.uniform > 0 && job.weight != NULL) {
        lossi_sum all = {0, 0};
        size_t c;
        for (c = 0; c < job.shape.classes; c++) lossi_add(&all, (losses_wide)job.weight[c]);
        job.all_weight = lossi_total(&all);
    }
    job.positive = o->positive_weight;
    if (each) {
        job.upstream = o->upstream;
        job.losses = out;
    }
    job.accumulate = o->accumulate;
    job.stream = LOSSI_BASE != LOSSI_SINGLE && grad != NULL && grad != x && !o->accumulate &&
                 call->shape.samples * call->shape.classes * call->shape.positions >= LOSSI_LARGE;
    job.log_sum_exp = o->log_sum_exp;
    return job;
}

static lossi_cut lossi_cut_of(const lossi_job *job)
{
    const losses_shape s = job->shape;
    const size_t positions = s.samples * s.positions, all = positions * s.classes;
    size_t group = 64;
    if (job->loss == LOSSI_DICE) { /* long masks one after the other, each in pieces of its own */
        const size_t masks = s.samples * s.classes;
        int apart = s.positions > LOSSI_LONG;
#if LOSSI_BASE == LOSSI_SINGLE /* a mask of integers is taken whole */
        apart = apart && lossi_is_partial(job);
#endif
        return lossi_cut_up(masks, masks, 1, apart ? 0 : all);
    }
    if (job->loss & (LOSSI_BINARY | LOSSI_SIGMOID_FOCAL))
        return lossi_cut_up(all, s.positions > 1 ? s.positions : all, 128, all);
    if (s.positions == 1 && s.class_stride == 1 && s.classes > LOSSI_FEW)
        group = s.classes < LOSSI_NEARBY ? lossi_least(LOSSI_NEARBY / s.classes, 16) : 1;
    return lossi_cut_up(positions, s.positions > 1 ? s.positions : positions, group, all);
}

/* Takes a job through its kernel, piece by piece; nll without a gradient looks at few of the logits. */
static void lossi_spread(lossi_job *job, void (*kernel)(lossi_job *job))
{
    const lossi_cut cut = lossi_cut_of(job);
    lossi_sum parts[LOSSI_AT_ONCE];
    int i, k, end;
    if (cut.pieces == 1) {
        job->to = cut.items;
        kernel(job);
        return;
    }
    for (i = 0; i < cut.pieces; i = end) {
        end = cut.pieces - i > LOSSI_AT_ONCE ? i + LOSSI_AT_ONCE : cut.pieces;
        LOSSI_PARALLEL(job->loss != LOSSI_NLL || job->grad != NULL || cut.items / LOSSI_PIECE >= 4)
        for (k = i; k < end; k++) {
            lossi_job piece = *job;
            piece.sum.high = piece.sum.low = 0;
            piece.from = lossi_cut_at(&cut, k);
            piece.to = lossi_cut_at(&cut, k + 1);
            kernel(&piece);
            parts[k - i] = piece.sum;
        }
        for (k = i; k < end; k++) lossi_merge(&job->sum, &parts[k - i]);
    }
}

/* Mask i of a job */
static lossi_place lossi_mask_at(const lossi_job *job, size_t i)
{
    const losses_shape s = job->shape;
    lossi_place at = lossi_at(job, i / s.classes * s.sample_stride + i % s.classes * s.class_stride,
                              0, s.positions, i * s.positions, NULL);
    at.plane = i;
    return at;
}

/* Pixels from .. to - 1 of a mask */
static lossi_place lossi_mask_part(const lossi_place *at, size_t from, size_t to)
{
    lossi_place part = *at;
    part.x += from;
    if (at->grad != NULL) part.grad += from;
    if (at->q != NULL) part.q += from;
    part.first += from;
    part.count = to - from;
    return part;
}

/* The sums and the gradient of a mask of any length; spread: with more threads, where it is long */
static void lossi_mask_sums(const lossi_job *job, const lossi_place *at, lossi_mask *sums,
                            int spread)
{
    const lossi_kernels *const kernels = lossi_use();
    const lossi_cut cut = lossi_cut_up(at->count, at->count, 128, at->count);
    lossi_mask parts[LOSSI_AT_ONCE];
    int i, k, end;
    (void)spread;
    if (at->count <= LOSSI_LONG) {
        kernels->dice_sums(job, at, sums);
        return;
    }
    sums->V.high = sums->V.low = sums->inter.high = sums->inter.low = 0;
    for (i = 0; i < cut.pieces; i = end) {
        end = cut.pieces - i > LOSSI_AT_ONCE ? i + LOSSI_AT_ONCE : cut.pieces;
        LOSSI_PARALLEL(spread)
        for (k = i; k < end; k++) {
            const lossi_place part =
                lossi_mask_part(at, lossi_cut_at(&cut, k), lossi_cut_at(&cut, k + 1));
            kernels->dice_sums(job, &part, &parts[k - i]);
        }
        for (k = i; k < end; k++) {
            lossi_merge(&sums->V, &parts[k - i].V);
            lossi_merge(&sums->inter, &parts[k - i].inter);
        }
    }
}

static void lossi_mask_gradient(const lossi_job *job, const lossi_place *at,
                                const lossi_slopes *slopes, int spread)
{
    const lossi_kernels *const kernels = lossi_use();
    const lossi_cut cut = lossi_cut_up(at->count, at->count, 128, at->count);
    int k;
    (void)spread;
    if (at->count <= LOSSI_LONG) {
        kernels->dice_gradient(job, at, slopes);
        return;
    }
    LOSSI_PARALLEL(spread)
    for (k = 0; k < cut.pieces; k++) {
        const lossi_place part =
            lossi_mask_part(at, lossi_cut_at(&cut, k), lossi_cut_at(&cut, k + 1));
        kernels->dice_gradient(job, &part, slopes);
    }
}

/* Loss and gradient of a mask */
static float lossi_mask_loss(const lossi_job *job, const lossi_place *at, int spread)
{
    lossi_mask sums;
    losses_wide at_0, at_1;
    float loss;
    const float u = job->upstream != NULL ? job->upstream[at->plane] : job->factor;
#if LOSSI_BASE == LOSSI_SINGLE
    if (at->q == NULL)
        return lossi_mask_scalar(at->grad, at->x, job->targets, at->first, at->count, job->ignored,
                                 job->ignore, job->smooth, u, job->accumulate);
    spread = 0;
#endif
    if (at->count == 0) return 0;
    lossi_mask_sums(job, at, &sums, spread);
    loss = lossi_dice(lossi_total(&sums.V), lossi_total(&sums.inter), job->smooth, &at_0, &at_1);
    if (at->grad != NULL) {
        const lossi_slopes slopes = lossi_slopes_of(at_0, at_1, u);
        lossi_mask_gradient(job, at, &slopes, spread);
    }
    return loss;
}

static void lossi_masks(lossi_job *job)
{
    size_t i;
    for (i = job->from; i < job->to; i++) {
        const lossi_place at = lossi_mask_at(job, i);
        const float loss = lossi_mask_loss(job, &at, 1);
        lossi_add_losses(job, i, &loss, 1);
    }
}

/* What all losses are, but for the kernel. */
static losses_status lossi_loss(int loss, void (*kernel)(lossi_job *job), float *out, float *grad,
                                const float *x, losses_targets targets, losses_shape shape,
                                float gamma, const losses_options *options)
{
    lossi_call call;
    const losses_status status = lossi_prepare(&call, loss, out, grad, x, sizeof *x, targets, shape,
                                               (losses_wide)gamma, options);
    if (status == LOSSES_OK) {
        lossi_job job = lossi_job_of(&call, loss, out, grad, x, gamma, 0);
        lossi_spread(&job, kernel);
        call.sum = job.sum;
        return lossi_end(&call, out);
    }
    return status;
}

/* The log-softmax calls, which have no loss: q is upstream */
static losses_status lossi_log_softmax(int loss, float *out, const float *x, const float *q,
                                       losses_shape shape)
{
    const losses_status status = lossi_check_log_softmax(out, x, q, sizeof *x, &shape);
    if (status == LOSSES_OK) {
        lossi_job job = lossi_textbook(loss, shape, losses_u8(NULL), out, x, 1);
        job.q = loss == LOSSI_LOG_SOFTMAX ? NULL : q;
        lossi_spread(&job, lossi_use()->softmax);
    }
    return status;
}

LOSSES_API losses_status losses_log_softmax(float *log_probabilities, const float *logits,
                                            losses_shape shape)
{
    return lossi_log_softmax(LOSSI_LOG_SOFTMAX, log_probabilities, logits, logits, shape);
}

LOSSES_API losses_status losses_log_softmax_gradient(float *grad, const float *upstream,
                                                     const float *log_probabilities,
                                                     losses_shape shape)
{
    return lossi_log_softmax(LOSSI_LOG_SOFTMAX_G, grad, log_probabilities, upstream, shape);
}

static void lossi_nll(lossi_job *job)
{
    const losses_shape s = job->shape;
    const size_t k = s.class_stride;
    size_t i, n, m, c;
    if (job->from >= job->to) return;
    n = job->from / s.positions, m = job->from % s.positions;
    for (i = job->from; i < job->to; i++) {
        const size_t at = n * s.sample_stride + m;
        const int64_t t = lossi_target(job->targets, i);
        const float w = t == job->ignore ? 0 : job->weight != NULL ? job->weight[t] : 1;
        float a = t == job->ignore ? 0 : job->x[at + (size_t)t * k];
        a = w > 0 ? lossi_f(-w * a) : 0;
        lossi_add(&job->sum, (losses_wide)a);
        if (job->losses != NULL) job->losses[i] = a;
        if (job->grad != NULL) {
            float *const grad = job->grad + at;
            const float u = job->upstream != NULL ? job->upstream[i] : job->factor;
            for (c = 0; c < s.classes && !job->accumulate; c++) grad[c * k] = 0;
            if (t != job->ignore) grad[(size_t)t * k] -= lossi_f(w * u);
        }
        if (++m == s.positions) m = 0, n++;
    }
}

LOSSES_API losses_status losses_nll(float *loss, float *grad, const float *log_probabilities,
                                    losses_targets targets, losses_shape shape,
                                    const losses_options *options)
{
    return lossi_loss(LOSSI_NLL, lossi_nll, loss, grad, log_probabilities, targets, shape, 0,
                      options);
}

LOSSES_API losses_status losses_cross_entropy(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              const losses_options *options)
{
    return lossi_loss(LOSSI_CROSS_ENTROPY, lossi_use()->softmax, loss, grad, logits, targets, shape,
                      0, options);
}

LOSSES_API losses_status losses_focal(float *loss, float *grad, const float *logits,
                                      losses_targets targets, losses_shape shape, float gamma,
                                      const losses_options *options)
{
    return lossi_loss(LOSSI_FOCAL, lossi_use()->softmax, loss, grad, logits, targets, shape, gamma,
                      options);
}

LOSSES_API losses_status losses_binary_cross_entropy(float *loss, float *grad, const float *logits,
                                                     losses_targets targets, losses_shape shape,
                                                     const losses_options *options)
{
    return lossi_loss(LOSSI_BINARY, lossi_use()->planes, loss, grad, logits, targets, shape, 0,
                      options);
}

LOSSES_API losses_status losses_sigmoid_focal(float *loss, float *grad, const float *logits,
                                              losses_targets targets, losses_shape shape,
                                              float gamma, const losses_options *options)
{
    return lossi_loss(LOSSI_SIGMOID_FOCAL, lossi_use()->planes, loss, grad, logits, targets, shape,
                      gamma, options);
}

LOSSES_API losses_status losses_dice(float *loss, float *grad, const float *logits,
                                     losses_targets targets, losses_shape shape,
                                     const losses_options *options)
{
    return lossi_loss(LOSSI_DICE, lossi_masks, loss, grad, logits, targets, shape, 0, options);
}

#if LOSSI_BASE == LOSSI_SINGLE /* so that a linker keeps nothing else */
#define LOSSI_ROW(function) lossi_##function##_scalar
#else
#define LOSSI_ROW(function) lossi_use()->function
#endif

LOSSES_API float losses_cross_entropy_row(float *grad, const float *logits, size_t classes,
                                          size_t target, float upstream)
{
    if (target >= classes) return LOSSI_NAN;
    return LOSSI_ROW(cross_entropy_row)(grad, logits, classes, target, upstream);
}

LOSSES_API float losses_focal_row(float *grad, const float *logits, size_t classes, size_t target,
                                  float gamma, float upstream)
{
    if (target >= classes || !(gamma >= 0 && gamma <= FLT_MAX)) return LOSSI_NAN;
    return LOSSI_ROW(focal_row)(grad, logits, classes, target, gamma < 1e30f ? gamma : 1e30f,
                                upstream);
}

LOSSES_API float losses_dice_mask(float *grad, const float *logits, const uint8_t *mask,
                                  size_t pixels, float smooth, float upstream)
{
    if (!(smooth > 0 && smooth <= FLT_MAX)) return LOSSI_NAN;
#if LOSSI_BASE == LOSSI_SINGLE
    return lossi_mask_scalar(grad, logits, losses_u8(mask), 0, pixels, 0, 0, smooth, upstream, 0);
#else
    lossi_job job = lossi_textbook(LOSSI_DICE, losses_masks(1, pixels), losses_u8(mask), grad,
                                   logits, upstream);
    const lossi_place at = lossi_at(&job, 0, 0, pixels, 0, NULL);
    job.smooth = smooth;
    job.any = 1;
    return lossi_mask_loss(&job, &at, 0);
#endif
}

#ifndef LOSSES_NO_DOUBLE
/* --- partial results ---------------------------------------------------------------------------- */
/* The checks of a merge */
static losses_status lossi_apart(const void *to, const void *from, size_t count, size_t size)
{
    lossi_span a = {to, 0}, b = {from, 0};
    if (!lossi_fits(&a.bytes, count, size, 0)) return LOSSES_BAD_SHAPE;
    b.bytes = a.bytes;
    if (count > 0 && (to == NULL || from == NULL)) return LOSSES_BAD_POINTER;
    return lossi_overlap(a, b) ? LOSSES_BAD_OVERLAP : LOSSES_OK;
}

/* finish: the states stand for the logits */
static losses_status lossi_prepare_block(lossi_call *call, int finish, const void *losses,
                                         const void *grad, const losses_partial *states,
                                         const void *x, losses_targets targets, losses_shape shape,
                                         losses_block block, float gamma,
                                         const losses_options *options)
{
    size_t positions;
    if (shape.classes > block.classes || block.first > block.classes - shape.classes ||
        !lossi_fits(&positions, block.classes, sizeof(double), 0) ||
        !lossi_fits(&positions, shape.samples, shape.positions, 0) ||
        !lossi_fits(&call->states.bytes, positions, sizeof *states, 0)) {
        return LOSSES_BAD_SHAPE;
    }
    if (positions > 0 && states == NULL) return LOSSES_BAD_POINTER;
    call->classes = block.classes;
    call->states.data = states;
    call->finish = finish;
    return lossi_check(call, gamma > 0 ? LOSSI_FOCAL : LOSSI_CROSS_ENTROPY, losses, grad, x,
                       sizeof(float), targets, shape, (losses_wide)gamma, options);
}

LOSSES_API losses_status losses_partial_fold(losses_partial *states, const float *logits,
                                             losses_targets targets, losses_shape shape,
                                             losses_block block, float gamma,
                                             const losses_options *options)
{
    lossi_call call;
    const losses_status status = lossi_prepare_block(&call, 0, NULL, NULL, states, logits, targets,
                                                     shape, block, gamma, options);
    if (status == LOSSES_OK) {
        const int kind = gamma > 0 ? LOSSI_FOCAL : LOSSI_CROSS_ENTROPY;
        lossi_job job = lossi_job_of(&call, kind, NULL, NULL, logits, gamma, block.first);
        job.states = states;
        lossi_spread(&job, lossi_use()->softmax);
    }
    return status;
}

LOSSES_API losses_status losses_partial_merge(losses_partial *states, const losses_partial *others,
                                              size_t count)
{
    const losses_status status = lossi_apart(states, others, count, sizeof *states);
    size_t i;
    if (status != LOSSES_OK) return status;
    for (i = 0; i < count; i++) lossi_merge_states(states + i, others[i]);
    return LOSSES_OK;
}

/* e^x of the class that is kept apart, in the terms of the state */
static double lossi_term_apart(const losses_partial *y, int index)
{
    if (y->sum != y->sum || y->x_r < -FLT_MAX) return 1; /* there is no answer */
    return lossi_term(index && y->r == LOSSI_NONE ? y->x_t : y->x_r, y->x_r);
}

/* Finishes the state of position i, of target t (t = classes: probabilities), e as above. Returns the loss. With
 * s = 1 - p of the class that is kept apart; see finish and slopes_of_terms of PART 4. */
static double lossi_finish_state(const lossi_call *call, losses_partial *y, size_t t, size_t i,
                                 float gamma, double e)
{
    const losses_options *const o = &call->options;
    const int index = t < call->classes, own = index && y->r == LOSSI_NONE;
    const int leads = own || y->r == t;
    const float *const w = gamma > 0 ? o->class_alpha : o->class_weight;
    const double u = (double)(float)lossi_factor(call, i), z = (double)o->z_loss;
    const double smooth = (double)o->label_smoothing;
    const double x_r = (double)y->x_r, x_t = (double)y->x_t, x = own ? x_t : x_r;
    const double t_r = own ? smooth / (double)call->classes : y->t_r; /* of the class apart */
    const double rest = own ? y->rest - t_r : y->rest;
    double w_t = 0, S, L, A, s, p, loss, lse, above, Z, all;
    if (index) w_t = (w != NULL ? (double)w[t] : 1) * (1 - smooth);
    if (y->x_r < -FLT_MAX) y->sum = (double)LOSSI_NAN; /* all are -inf */
    all = y->sum + e;
    if (e > 1e-200) {
        S = y->sum / e;
        L = lossi_log1p(S);
        s = S / (1 + S);
        p = 1 / (1 + S);
        lse = x + L;
        above = x - x_r + L;
    } else { /* far behind */
        S = DBL_MAX;
        lse = lossi_anchor(y->x_r) + lossi_power(y->x_r) * 0.6931471805599453 + lossi_log(all, 0);
        L = lse - x;
        s = 1;
        p = 0;
        above = lse - x_r;
    }
    A = rest + t_r + w_t;
    if (gamma > 0) {
        const double g = (double)gamma, log_s = S > 1 ? -lossi_log1p(1 / S) : lossi_log(S, 0) - L;
        A *= (double)o->alpha;
        A *= s > 0 ? lossi_exp(g * log_s, 0) : s;
        loss = lossi_product(A, L);
        A *= 1 + g * (s > 0 ? lossi_product(p, L) / s : 1);
    } else { /* sum t_c (lse - x_c) */
        loss = y->margins + lossi_product(rest + t_r, above) + lossi_product(w_t, L);
        if (!leads) loss += lossi_product(w_t, x_r - x_t);
    }
    Z = 2 * z * lse;
    y->u = (float)u;
    y->at_r = (float)(u * (rest + (leads ? 0 : w_t) - A * s + Z * p));
    y->less_t = leads ? 0 : (float)(u * w_t);
    y->slope = u * (A + Z) / all;
    loss += z * lse * lse;
    if (o->log_sum_exp != NULL) o->log_sum_exp[i] = (float)lse;
    return loss;
}

LOSSES_API losses_status losses_partial_finish(float *loss, losses_partial *states,
                                               losses_targets targets, losses_shape shape,
                                               losses_block block, float gamma,
                                               const losses_options *options)
{
    const int index = targets.type != LOSSI_F32;
    lossi_call call;
    size_t i, k, positions;
    double e[16];
    losses_status status;
    block.first = 0;
    status = lossi_prepare_block(&call, 1, loss, NULL, states, states, targets,
                                 losses_images(shape.samples, 1, shape.positions), block, gamma,
                                 options);
    if (status != LOSSES_OK) return status;
    positions = call.shape.samples * call.shape.positions;
    for (i = 0; i < positions; i++)
        if (states[i].folded != block.classes &&
            !(index && lossi_target(targets, i) == call.ignore)) {
            return LOSSES_BAD_SHAPE;
        }
    for (i = 0; i < positions; i++) {
        const int64_t t = index ? lossi_target(targets, i) : -1;
        float l = 0;
        if (i % 16 == 0) /* side by side */
            for (k = i; k < i + 16 && k < positions; k++)
                e[k - i] = lossi_term_apart(states + k, index);
        if (index && t == call.ignore) {
            states[i].slope = 0;
            states[i].at_r = states[i].less_t = states[i].u = 0;
            if (call.options.log_sum_exp != NULL) call.options.log_sum_exp[i] = 0;
        } else {
            l = (float)lossi_finish_state(&call, states + i, index ? (size_t)t : block.classes, i,
                                          gamma, e[i % 16]);
        }
        lossi_add(&call.sum, (losses_wide)l);
        if (loss != NULL && call.options.reduction == LOSSES_NONE) loss[i] = l;
    }
    return lossi_end(&call, loss);
}

LOSSES_API losses_status losses_partial_gradient(float *grad, const losses_partial *states,
                                                 const float *logits, losses_targets targets,
                                                 losses_shape shape, losses_block block,
                                                 float gamma, const losses_options *options)
{
    lossi_call call;
    const losses_status status = lossi_prepare_block(&call, 0, NULL, grad, states, logits, targets,
                                                     shape, block, gamma, options);
    if (status == LOSSES_OK && grad == NULL && call.shape.samples > 0) return LOSSES_BAD_POINTER;
    if (status == LOSSES_OK) {
        lossi_job job =
            lossi_job_of(&call, LOSSI_CROSS_ENTROPY, NULL, grad, logits, 0, block.first);
        job.upstream = NULL;
        job.finished = states;
        lossi_spread(&job, lossi_use()->softmax);
    }
    return status;
}

static void lossi_fold_masks(lossi_job *job)
{
    losses_partial_mask *const states = (losses_partial_mask *)job->states;
    size_t i, bad;
    for (i = job->from; i < job->to; i++) {
        const lossi_place at = lossi_mask_at(job, i);
        size_t counted = at.count;
        lossi_mask sums;
        lossi_mask_sums(job, &at, &sums, 1);
        if (job->ignored)
            counted -= lossi_scan_run(job->targets, job->ignore, at.first, counted, 1, &bad);
        states[i].intersection += lossi_total(&sums.inter) * (double)LOSSV_1_B;
        states[i].difference += lossi_total(&sums.V) * (double)LOSSV_1_B;
        states[i].counted += counted;
    }
}

static void lossi_slope_masks(lossi_job *job)
{
    const losses_partial_mask *const states = (const losses_partial_mask *)job->finished;
    size_t i;
    for (i = job->from; i < job->to; i++) {
        const lossi_place at = lossi_mask_at(job, i);
        const lossi_slopes slopes =
            lossi_slopes_of(states[i].slope_0, states[i].slope_1, (float)states[i].factor);
        lossi_mask_gradient(job, &at, &slopes, 1);
    }
}

/* A call on the tiles of some masks: folds them into the states, where those are written, or gives the
 * gradient. Its checks are those of losses_dice, and of the states. */
static losses_status lossi_tiles(const losses_partial_mask *states, losses_partial_mask *written,
                                 float *grad, const float *logits, losses_targets targets,
                                 losses_shape shape, const losses_options *options)
{
    lossi_call call;
    losses_status status;
    size_t masks;
    if (!lossi_fits(&masks, shape.samples, shape.classes, 0) ||
        !lossi_fits(&call.states.bytes, masks, sizeof *states, 0)) {
        return LOSSES_BAD_SHAPE;
    }
    if (masks > 0 && shape.positions > 0 && (states == NULL || (written == NULL && grad == NULL)))
        return LOSSES_BAD_POINTER;
    call.classes = shape.classes;
    call.states.data = states;
    call.finish = 0;
    status = lossi_check(&call, LOSSI_DICE, NULL, grad, logits, sizeof *logits, targets, shape, 0,
                         options);
    if (status == LOSSES_OK) {
        lossi_job job = lossi_job_of(&call, LOSSI_DICE, NULL, grad, logits, 0, 0);
        job.states = written;
        job.finished = states;
        lossi_spread(&job, written != NULL ? lossi_fold_masks : lossi_slope_masks);
    }
    return status;
}

LOSSES_API losses_status losses_partial_dice_fold(losses_partial_mask *states, const float *logits,
                                                  losses_targets targets, losses_shape shape,
                                                  const losses_options *options)
{
    return lossi_tiles(states, states, NULL, logits, targets, shape, options);
}

LOSSES_API losses_status losses_partial_dice_merge(losses_partial_mask *states,
                                                   const losses_partial_mask *others, size_t count)
{
    const losses_status status = lossi_apart(states, others, count, sizeof *states);
    size_t i;
    if (status != LOSSES_OK) return status;
    for (i = 0; i < count; i++) {
        states[i].intersection += others[i].intersection;
        states[i].difference += others[i].difference;
        states[i].counted += others[i].counted;
    }
    return LOSSES_OK;
}

LOSSES_API losses_status losses_partial_dice(float *loss, losses_partial_mask *states, size_t masks,
                                             const losses_options *options)
{
    lossi_call call;
    size_t i;
    losses_status status;
    if (!lossi_fits(&call.states.bytes, masks, sizeof *states, 0)) return LOSSES_BAD_SHAPE;
    if (masks > 0 && states == NULL) return LOSSES_BAD_POINTER;
    call.classes = 1;
    call.states.data = states;
    call.finish = 0;
    status = lossi_check(&call, LOSSI_DICE, loss, NULL, NULL, sizeof *loss, losses_u8(NULL),
                         losses_masks(masks, 0), 0, options);
    if (status != LOSSES_OK) return status;
    for (i = 0; i < masks; i++) call.counted += states[i].counted > 0;
    lossi_divide_by(&call, LOSSI_DICE, (losses_wide)call.counted);
    for (i = 0; i < masks; i++) {
        losses_partial_mask *const state = states + i;
        const float value =
            lossi_dice(state->difference * (double)LOSSV_B, state->intersection * (double)LOSSV_B,
                       (float)call.smooth, &state->slope_0, &state->slope_1);
        state->factor = lossi_factor(&call, i);
        if (loss != NULL && call.options.reduction == LOSSES_NONE) loss[i] = value;
        lossi_add(&call.sum, (losses_wide)value);
    }
    return lossi_end(&call, loss);
}

LOSSES_API losses_status losses_partial_dice_gradient(float *grad,
                                                      const losses_partial_mask *states,
                                                      const float *logits, losses_targets targets,
                                                      losses_shape shape,
                                                      const losses_options *options)
{
    return lossi_tiles(states, NULL, grad, logits, targets, shape, options);
}

LOSSES_API losses_status losses_partial_report(losses_report *report, const losses_report *other)
{
    const losses_status status = lossi_apart(report, other, 1, sizeof *report);
    if (status != LOSSES_OK) return status;
    report->sum += other->sum;
    report->denominator += other->denominator;
    report->counted += other->counted;
    return LOSSES_OK;
}
#endif

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
        lossi_check_log_softmax(log_probabilities, logits, logits, sizeof *logits, &shape);
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
        lossi_check_log_softmax(grad, upstream, log_probabilities, sizeof *grad, &shape);
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
    double value = lossi_reduce(call);
    if (loss != NULL && call->options.reduction != LOSSES_NONE) *loss = value;
    return LOSSES_OK;
}

/* NLL of one position. Returns the loss. */
static double lossi_reference_nll(const lossi_call *call, double *grad, const double *a, int64_t t,
                                  size_t i)
{
    const float *const w = call->options.class_weight;
    const size_t k = call->shape.class_stride;
    const double w_t = w != NULL ? (double)w[t] : 1, l = w_t == 0 ? 0 : -w_t * a[(size_t)t * k];
    size_t c; /* grad may be a */
    for (c = 0; grad != NULL && c < call->shape.classes; c++)
        lossi_store(&grad[c * k], call->options.accumulate,
                    c == (size_t)t ? -w_t * lossi_factor(call, i) : 0);
    return l;
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
            } else if (kind == LOSSI_NLL) {
                l = lossi_reference_nll(&call, grad != NULL ? grad + at : NULL, logits + at, t, i);
            } else {
                l = lossi_reference_position(&call, grad != NULL ? grad + at : NULL, logits + at, q,
                                             t, i, gamma);
            }
            lossi_reference_loss(&call, loss, i, l);
        }
    }
    return lossi_reference_end(&call, loss);
}

LOSSES_API losses_status losses_reference_nll(double *loss, double *grad,
                                              const double *log_probabilities,
                                              losses_targets targets, losses_shape shape,
                                              const losses_options *options)
{
    return lossi_reference_softmax(LOSSI_NLL, loss, grad, log_probabilities, targets, shape, NULL,
                                   options);
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

/* Target of an element that stands at `at` (float targets) or has the packed index `packed`; -1 where
 * ignored. */
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
            lossi_sum inter = {0, 0}, V = {0, 0};
            double I2, D;
            i = n * shape.classes + c;
            for (m = 0; m < shape.positions; m++) {
                const double x = logits[at + m],
                             t = lossi_reference_mask(&call, at + m, i * shape.positions + m);
                if (targets.type != LOSSI_F32 && t < 0) continue;
                lossi_add(&inter, t * lossi_logistic(x));
                lossi_add(&V, (1 - t) * lossi_logistic(x));
                lossi_add(&V, t * lossi_logistic(-x));
            }
            I2 = 2 * lossi_total(&inter) + call.smooth, D = lossi_total(&V) + I2;
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
#pragma clang diagnostic pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#elif defined(_MSC_VER)
#pragma float_control(pop)
#endif
#endif /* PARTS 5 and 6 */

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
