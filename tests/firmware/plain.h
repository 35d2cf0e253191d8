#include <stddef.h>
#include <stdint.h>

float plain_cross_entropy(float *grad, const float *x, size_t classes, size_t target);
float plain_focal(float *grad, const float *x, size_t classes, size_t target, float gamma);
float plain_dice(float *grad, const float *x, const uint8_t *mask, size_t pixels, float smooth);
