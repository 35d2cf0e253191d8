/* What Frama-C's Eva runs (proof.sh): every call, on all rows of 0 to 4 samples and 1 to 5 classes, and on images of
 * two positions and up to 8 elements, packed or padded, in turn, in arrays of exactly that many elements. Floats have any bits; options, the pointers among them that may
 * be NULL, and the arguments of rows any value. Eva follows all of these at once, and raises an alarm for each access,
 * shift, division or conversion of which it cannot tell that C defines it.
 *
 * Targets that are masks have any bits. Of class indices there are three cases, which are all there are: each is a
 * class; each is a class or ignored, and one is ignored; at least one is neither, and then the call must refuse and
 * touch no output. Where each is a class, ignore_index is any integer, in turn a class, less, or more, or there is
 * none; otherwise one of each kind.
 *
 * Each shape has every type of targets, with labels that are ignored one of them, in turn. In turn, too: no gradient,
 * one in place, one apart; a loss for each position, or their sum or mean; whether the gradient is added. So the
 * shapes, types, labels and bits are all there, and each of these with most of the others, but not all at once.
 * The tests and the fuzzer (edges.c, guard.c, fuzz.c) take the products, and sizes beyond these, by samples. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "__fc_builtin.h"

/* What Eva does not know; libm returns anything. */
#define LOSSI_FORCE                   static
#define __atomic_load_n(p, order)     (*(p))
#define __atomic_store_n(p, value, o) (*(p) = (value))
#define __builtin_prefetch(p)         ((void)(p))
static double any_double(void);
#define exp(x)    ((void)(x), any_double())
#define expm1(x)  ((void)(x), any_double())
#define log1p(x)  ((void)(x), any_double())
#define pow(x, y) ((void)(x), (void)(y), any_double())
#define LOSSES_IMPLEMENTATION
#include "losses.h"

enum { SAMPLES = 4, CLASSES = 5, POSITIONS = 2 };

static void *owned[16];
static int owned_count;

/* That many bytes of anything, until free_all */
static void *some(size_t bytes)
{
    char *const p = malloc(bytes);
    if (bytes > 0) Frama_C_make_unknown(p, bytes);
    owned[owned_count++] = p;
    return p;
}

static void free_all(void)
{
    while (owned_count > 0) free(owned[--owned_count]);
}

static double any_double(void)
{
    double x = 0;
    Frama_C_make_unknown((char *)&x, sizeof x);
    return x;
}

static float any_float(void)
{
    float x = 0;
    Frama_C_make_unknown((char *)&x, sizeof x);
    return x;
}

static int any_int(void) { return Frama_C_int_interval(INT32_MIN, INT32_MAX); }
static size_t any_size(void) { return Frama_C_unsigned_long_interval(0, SIZE_MAX); }
static int perhaps(void) { return Frama_C_int_interval(0, 1); }
static float *perhaps_some(size_t n)
{
    float *const p = some(n * sizeof *p);
    return perhaps() ? p : NULL;
}

/* --- one call ----------------------------------------------------------------------------------- */
static int is_softmax(int loss) { return (loss & LOSSI_SOFTMAX) != 0; }

static losses_status call_float(int loss, float *out, float *grad, const float *x,
                                losses_targets targets, losses_shape shape, const losses_options *o)
{
    switch (loss) {
    case LOSSI_NLL:
        return losses_nll(out, grad, x, targets, shape, o);
    case LOSSI_CROSS_ENTROPY:
        return losses_cross_entropy(out, grad, x, targets, shape, o);
    case LOSSI_FOCAL:
        return losses_focal(out, grad, x, targets, shape, any_float(), o);
    case LOSSI_BINARY:
        return losses_binary_cross_entropy(out, grad, x, targets, shape, o);
    case LOSSI_SIGMOID_FOCAL:
        return losses_sigmoid_focal(out, grad, x, targets, shape, any_float(), o);
    default:
        return losses_dice(out, grad, x, targets, shape, o);
    }
}

#ifdef PROOF_REFERENCE
typedef double number;
static losses_status call(int loss, double *out, double *grad, const double *x,
                          losses_targets targets, losses_shape shape, const losses_options *o)
{
    switch (loss) {
    case LOSSI_NLL:
        return losses_reference_nll(out, grad, x, targets, shape, o);
    case LOSSI_CROSS_ENTROPY:
        return losses_reference_cross_entropy(out, grad, x, targets, shape, o);
    case LOSSI_FOCAL:
        return losses_reference_focal(out, grad, x, targets, shape, any_double(), o);
    case LOSSI_BINARY:
        return losses_reference_binary_cross_entropy(out, grad, x, targets, shape, o);
    case LOSSI_SIGMOID_FOCAL:
        return losses_reference_sigmoid_focal(out, grad, x, targets, shape, any_double(), o);
    default:
        return losses_reference_dice(out, grad, x, targets, shape, o);
    }
}
#define log_softmax          losses_reference_log_softmax
#define log_softmax_gradient losses_reference_log_softmax_gradient
#else
typedef float number;
#define call                 call_float
#define log_softmax          losses_log_softmax
#define log_softmax_gradient losses_log_softmax_gradient
#endif

/* --- shapes ------------------------------------------------------------------------------------- */
enum { NO_GRAD, IN_PLACE, APART };
static unsigned turn; /* what the cases of a shape do not try all of, they take in turn */

/* Calls try with every shape, and how many elements there are from its first to its last. */
static void shapes(void (*try)(int loss, losses_shape shape, size_t extent), int loss)
{
    size_t n, c, m;
    for (m = 0; m <= 2; m++) {
        for (n = 0; n <= (m == 0 ? 1 : 4 / m); n++) {
            for (c = 1; c <= 5 && (m < 2 || n * m * c <= 8); c++) {
                losses_shape shape = losses_images(n, c, m);
                const size_t padding = (n + c + m) % 2, each = (c - 1) * (m + padding) + m;
                if (padding > 0) {
                    shape.class_stride = m + 1;
                    shape.sample_stride = each + 1;
                }
                turn++;
                try(loss, shape, n * m == 0 ? 0 : (n - 1) * (each + padding) + each);
            }
        }
    }
}

static losses_options any_options(losses_shape shape, int reduction, size_t values)
{
    losses_options o;
    Frama_C_make_unknown((char *)&o, sizeof o);
    o.reduction = reduction == LOSSES_NONE ? LOSSES_NONE : perhaps() ? LOSSES_MEAN : LOSSES_SUM;
    o.accumulate = turn / 6 % 2; /* anything else is among what `missing` tries */
    o.class_weight = perhaps_some(shape.classes);
    o.positive_weight = perhaps_some(shape.classes);
    o.class_alpha = perhaps_some(shape.classes);
    o.upstream = perhaps_some(values);
    o.log_sum_exp = perhaps_some(shape.samples * shape.positions);
    o.report = (losses_report *)some(sizeof *o.report);
    if (perhaps()) o.report = NULL;
    return o;
}

static int64_t any_class(losses_shape shape)
{
    return Frama_C_int_interval(0, (int)shape.classes - 1);
}

/* A target, in the type of the others */
static void put(losses_targets targets, size_t i, int64_t t)
{
    if (targets.type == LOSSI_U8)
        ((uint8_t *)targets.data)[i] = (uint8_t)t;
    else if (targets.type == LOSSI_I32)
        ((int32_t *)targets.data)[i] = (int32_t)t;
    else
        ((int64_t *)targets.data)[i] = t;
}

static int holds(int type, int64_t t)
{
    return type == LOSSI_I64 || (type == LOSSI_U8 ? t == (uint8_t)t : t == (int32_t)t);
}

/* One call; with index targets, of which number `ignored` is ignored, if there is such a one */
static void one(int loss, losses_shape shape, size_t extent, int type, size_t ignored)
{
    const int64_t kinds[] = {
        -100, (int64_t)shape.classes - 1, 0, 255, -1, INT64_MIN, INT32_MAX, (int64_t)1 << 32};
    const size_t positions = shape.samples * shape.positions, elements = positions * shape.classes;
    const int index = is_softmax(loss) && type != LOSSI_F32;
    const int way = turn % 3, reduction = turn / 3 % 2 ? LOSSES_NONE : LOSSES_SUM;
    const size_t values = reduction != LOSSES_NONE ? 1
                          : is_softmax(loss)       ? positions
                          : loss == LOSSI_DICE     ? shape.samples * shape.classes
                                                   : elements;
    const size_t count = type == LOSSI_F32 ? extent : index ? positions : elements;
    number *const x = some(extent * sizeof *x), *const out = some(values * sizeof *x);
    number *const grad = way == NO_GRAD ? NULL : way == IN_PLACE ? x : some(extent * sizeof *x);
    losses_options o = any_options(shape, reduction, values);
    losses_targets targets;
    losses_status status;
    size_t i;

    targets.type = type;
    targets.data = some(count * (type == LOSSI_U8 ? 1 : type == LOSSI_I64 ? 8 : 4));
    for (i = 0; i < positions && index; i++) put(targets, i, any_class(shape));
    if (index && ignored < positions) {
        int64_t kind = kinds[turn % 8];
        if (!holds(type, kind)) kind = 254;
        o.has_ignore_index = 1;
        o.ignore_index = kind;
        for (i = 0; i < positions; i++)
            if (i == ignored || perhaps()) put(targets, i, kind);
    } else if (index && turn % 4 < 3) {
        o.has_ignore_index = 1;
        o.ignore_index = turn % 4 == 0 ? any_class(shape)
                         : turn % 4 == 1
                             ? Frama_C_long_long_interval(INT64_MIN, -1)
                             : Frama_C_long_long_interval((int64_t)shape.classes, INT64_MAX);
    } else if (index) {
        o.has_ignore_index = 0;
    }
    status = call(loss, perhaps() ? out : NULL, grad, x, targets, shape, &o);
    if (status == LOSSES_OK) Frama_C_show_each_took(loss);
    free_all();
}

static void take(int loss, losses_shape shape, size_t extent)
{
    const size_t positions = shape.samples * shape.positions;
    int type, ignoring = LOSSI_U8 + (int)(shape.samples + shape.classes) % 3;
    for (type = LOSSI_U8; type <= LOSSI_F32; type++, turn++) {
        one(loss, shape, extent, type, positions);
        if (is_softmax(loss) && type == ignoring && positions > 0)
            one(loss, shape, extent, type, turn % positions);
    }
}

/* Target number `bad` is from low to high, which is neither a class nor ignored. */
static void one_bad(int loss, losses_shape shape, size_t extent, int type, size_t bad,
                    int64_t ignore, int64_t low, int64_t high)
{
    const size_t positions = shape.samples * shape.positions;
    number *const x = some(extent * sizeof *x), *const grad = some(extent * sizeof *x);
    number *const out = some(positions * sizeof *x);
    losses_options o = any_options(shape, LOSSES_NONE, positions);
    losses_targets targets;
    losses_status status;
    size_t i;
    targets.type = type;
    targets.data = some(positions * (type == LOSSI_U8 ? 1 : type == LOSSI_I64 ? 8 : 4));
    put(targets, bad, Frama_C_long_long_interval(low, high));
    for (i = 0; i < positions; i++) out[i] = 7;
    for (i = 0; i < extent; i++) grad[i] = 7;
    o.has_ignore_index = ignore != -100;
    o.ignore_index = ignore != -100 ? ignore : 0;
    status = call(loss, out, grad, x, targets, shape, &o);
    /*@ assert status != LOSSES_OK; */
    for (i = 0; i < positions; i++) { /*@ assert out[i] == 7; */
    }
    for (i = 0; i < extent; i++) { /*@ assert grad[i] == 7; */
    }
    Frama_C_show_each_refused(loss);
    free_all();
}

static void refuse(int loss, losses_shape shape, size_t extent)
{
    const int64_t c = (int64_t)shape.classes;
    size_t i;
    int type;
    for (i = 0; i < shape.samples * shape.positions; i++) {
        for (type = LOSSI_U8; type <= LOSSI_I64; type++, turn++) {
            const int64_t low = type == LOSSI_U8 ? 0 : type == LOSSI_I32 ? INT32_MIN : INT64_MIN;
            const int64_t high = type == LOSSI_U8 ? 255 : type == LOSSI_I32 ? INT32_MAX : INT64_MAX;
            if (turn % 4 == 0)
                one_bad(loss, shape, extent, type, i, c, c + 1, high);
            else if (type == LOSSI_U8 || turn % 4 == 1)
                one_bad(loss, shape, extent, type, i, -100, c, high);
            else if (turn % 4 == 2)
                one_bad(loss, shape, extent, type, i, -100, -99, -1);
            else
                one_bad(loss, shape, extent, type, i, c, low, -1);
        }
    }
}

/* --- what proof.sh starts ------------------------------------------------------------------------ */
void nll(void) { shapes(take, LOSSI_NLL); }
void cross_entropy(void) { shapes(take, LOSSI_CROSS_ENTROPY); }
void focal(void) { shapes(take, LOSSI_FOCAL); }
void binary_cross_entropy(void) { shapes(take, LOSSI_BINARY); }
void sigmoid_focal(void) { shapes(take, LOSSI_SIGMOID_FOCAL); }
void dice(void) { shapes(take, LOSSI_DICE); }
void bad_targets(void) { shapes(refuse, LOSSI_CROSS_ENTROPY); }

static void plain(int unused, losses_shape shape, size_t extent)
{
    int way;
    for (way = 0; way < 3; way++) { /* apart, in place of the one and of the other */
        number *const a = some(extent * sizeof *a), *const b = some(extent * sizeof *a);
        number *const out = way == 0 ? some(extent * sizeof *a) : way == 1 ? a : b;
        losses_status status = log_softmax(out, a, shape);
        if (status == LOSSES_OK) Frama_C_show_each_took(unused);
        status = log_softmax_gradient(out, a, b, shape);
        if (status == LOSSES_OK) Frama_C_show_each_took(unused);
        free_all();
    }
}

void log_softmax_both(void) { shapes(plain, 0); }

void rows(void)
{
    size_t n;
    int way;
    for (n = 0; n <= 5; n++) {
        for (way = 0; way < 3; way++) {
            float *const x = some(n * sizeof *x), l;
            float *const grad = way == NO_GRAD ? NULL : way == IN_PLACE ? x : some(n * sizeof *x);
            l = losses_cross_entropy_row(grad, x, n, any_size(), any_float());
            l = losses_focal_row(grad, x, n, any_size(), any_float(), any_float());
            l = losses_dice_mask(grad, x, some(n), n, any_float(), any_float());
            Frama_C_show_each_took(l);
            free_all();
        }
    }
}

static void one_without(losses_shape shape, const number *x, const void *t, int type)
{
    losses_options o;
    losses_targets targets;
    losses_status status;
    targets.data = t;
    targets.type = type;
    Frama_C_make_unknown((char *)&o, sizeof o);
    o.class_weight = o.positive_weight = o.class_alpha = o.upstream = NULL;
    o.log_sum_exp = NULL;
    o.report = NULL;
    status = call(LOSSI_CROSS_ENTROPY, NULL, NULL, x, targets, shape, &o);
    /*@ assert status != LOSSES_OK; */
    status = call(LOSSI_NLL, NULL, NULL, x, targets, shape, &o);
    /*@ assert status != LOSSES_OK; */
    status = call(LOSSI_DICE, NULL, NULL, x, targets, shape, &o);
    /*@ assert status != LOSSES_OK; */
    Frama_C_show_each_refused(type);
    free_all();
}

/* NULL for logits or targets, a type of targets that is none, no class, and shapes of any five numbers */
void missing(void)
{
    losses_shape shape = losses_images(3, 4, 2), any;
    number *const grad = NULL;
    size_t extent;
    losses_status status;
    one_without(shape, NULL, some(24 * 8), LOSSI_I64);
    one_without(shape, NULL, some(24 * 8), any_int());
    one_without(shape, some(24 * sizeof(number)), NULL, any_int());
    one_without(shape, some(24 * sizeof(number)), some(24 * 8), Frama_C_int_interval(INT32_MIN, 0));
    one_without(shape, some(24 * sizeof(number)), some(24 * 8), Frama_C_int_interval(5, INT32_MAX));
    shape.classes = 0;
    one_without(shape, some(24 * sizeof(number)), some(24 * 8), LOSSI_I32);
    status = log_softmax(grad, some(24 * sizeof(number)), losses_images(3, 4, 2));
    /*@ assert status != LOSSES_OK; */
    status = log_softmax(some(24 * sizeof(number)), grad, losses_images(3, 4, 2));
    /*@ assert status != LOSSES_OK; */
    status = log_softmax_gradient(some(24 * sizeof(number)), grad, some(24 * sizeof(number)),
                                  losses_images(3, 4, 2));
    /*@ assert status != LOSSES_OK; */
    Frama_C_make_unknown((char *)&any, sizeof any);
    status = lossi_measure(&any, &extent);
    Frama_C_show_each_took(status);
    Frama_C_show_each_took(losses_status_name((losses_status)any_int()));
    Frama_C_show_each_took(losses_use_isa("scalar"), losses_use_isa("other"), losses_isa());
}
