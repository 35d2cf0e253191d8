/* The gradients of the double reference against central differences of its values. */
#include <math.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#if defined(LOSSES_NO_REFERENCE) || defined(LOSSES_NO_DOUBLE)
void test_gradient(void) {}
#else
enum { SAMPLES = 2, CLASSES = 4, POSITIONS = 3, ELEMENTS = SAMPLES * CLASSES * POSITIONS };

static const int32_t indices[SAMPLES * POSITIONS] = {0, 3, 1, -100, 2, 2};
static const int32_t mask[ELEMENTS] = {0, 1, 1, 0, -100, 1, 0, 0, 1, 1, 0, 1,
                                       1, 0, 0, 1, 1,    0, 1, 0, 0, 0, 1, 0};
static const float weights[CLASSES] = {0.5f, 2.f, 1.f, 0.25f};
static float soft[ELEMENTS];

typedef losses_status loss_call(double *loss, double *grad, const double *x, losses_targets targets,
                                const losses_options *options);

static losses_shape shape(void) { return losses_images(SAMPLES, CLASSES, POSITIONS); }
static double gamma_now;

static losses_status nll(double *loss, double *grad, const double *x, losses_targets t,
                         const losses_options *o)
{
    return losses_reference_nll(loss, grad, x, t, shape(), o);
}
static losses_status cross_entropy(double *loss, double *grad, const double *x, losses_targets t,
                                   const losses_options *o)
{
    return losses_reference_cross_entropy(loss, grad, x, t, shape(), o);
}
static losses_status focal(double *loss, double *grad, const double *x, losses_targets t,
                           const losses_options *o)
{
    return losses_reference_focal(loss, grad, x, t, shape(), gamma_now, o);
}
static losses_status binary(double *loss, double *grad, const double *x, losses_targets t,
                            const losses_options *o)
{
    return losses_reference_binary_cross_entropy(loss, grad, x, t, shape(), o);
}
static losses_status sigmoid_focal(double *loss, double *grad, const double *x, losses_targets t,
                                   const losses_options *o)
{
    return losses_reference_sigmoid_focal(loss, grad, x, t, shape(), gamma_now, o);
}
static losses_status dice(double *loss, double *grad, const double *x, losses_targets t,
                          const losses_options *o)
{
    return losses_reference_dice(loss, grad, x, t, shape(), o);
}

/* (f(x + h) - f(x - h)) / 2h is f'(x) + O(h^2) + O(2^-53 f / h): with h = 1e-5 about 1e-10. */
static void check_gradient(const char *name, loss_call *call, losses_targets targets,
                           losses_options o)
{
    const double h = 1e-5;
    double x[ELEMENTS], grad[ELEMENTS], above, below;
    size_t i;
    for (i = 0; i < ELEMENTS; i++) x[i] = 3 * sin(1.7 * (double)i + 0.3);
    check_case("%s, gamma %g", name, gamma_now);
    if (!CHECK_STATUS(call(NULL, grad, x, targets, &o), LOSSES_OK)) return;
    for (i = 0; i < ELEMENTS; i++) {
        const double at = x[i];
        x[i] = at + h;
        call(&above, NULL, x, targets, &o);
        x[i] = at - h;
        call(&below, NULL, x, targets, &o);
        x[i] = at;
        CHECK_NEAR(grad[i], (above - below) / (2 * h), 2e-9);
    }
}

void test_gradient(void)
{
    static const double gammas[] = {0, 0.5, 1, 2, 3.7};
    losses_options zero, o;
    size_t i;
    memset(&zero, 0, sizeof zero);
    for (i = 0; i < ELEMENTS; i++) soft[i] = (float)(i * 7 % 11) / 10;

    o = zero;
    check_gradient("nll", nll, losses_i32(indices), o);
    check_gradient("cross_entropy", cross_entropy, losses_i32(indices), o);
    check_gradient("cross_entropy, probabilities", cross_entropy, losses_f32(soft), o);
    o.reduction = LOSSES_SUM;
    o.class_weight = weights;
    check_gradient("weighted nll", nll, losses_i32(indices), o);
    check_gradient("weighted cross_entropy", cross_entropy, losses_i32(indices), o);
    o.label_smoothing = 0.2f;
    o.z_loss = 0.03f;
    check_gradient("cross_entropy, all options", cross_entropy, losses_i32(indices), o);
    check_gradient("cross_entropy, all options, probabilities", cross_entropy, losses_f32(soft), o);

    o = zero;
    check_gradient("binary_cross_entropy", binary, losses_i32(mask), o);
    o.class_weight = weights;
    o.positive_weight = weights;
    check_gradient("weighted binary_cross_entropy", binary, losses_i32(mask), o);
    check_gradient("weighted binary_cross_entropy, probabilities", binary, losses_f32(soft), o);

    for (i = 0; i < sizeof gammas / sizeof gammas[0]; i++) {
        gamma_now = gammas[i];
        o = zero;
        check_gradient("sigmoid_focal", sigmoid_focal, losses_i32(mask), o);
        check_gradient("sigmoid_focal, probabilities", sigmoid_focal, losses_f32(soft), o);
        o.alpha = -1;
        check_gradient("sigmoid_focal, alpha off", sigmoid_focal, losses_f32(soft), o);
        o.alpha = 0.7f;
        o.class_alpha = weights;
        check_gradient("focal", focal, losses_i32(indices), o);
    }
    gamma_now = 0;

    o = zero;
    check_gradient("dice", dice, losses_i32(mask), o);
    o.scale = o.eps = 1;
    check_gradient("dice, scale and eps 1", dice, losses_f32(soft), o);
}
#endif
