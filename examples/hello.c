#define LOSSES_IMPLEMENTATION
#include "losses.h"
#include <stdio.h>

int main(void)
{
    const float logits[2 * 3] = {2, 1, 0, 0, 3, 1}; /* 2 samples, 3 classes */
    const int32_t labels[2] = {0, 2};
    float loss, grad[2 * 3];
    losses_status status =
        losses_cross_entropy(&loss, grad, logits, losses_i32(labels), losses_rows(2, 3), NULL);
    if (status != LOSSES_OK) return puts(losses_status_name(status)), 1;
    printf("loss %.4f, gradient", (double)loss);
    for (int i = 0; i < 6; i++) printf(" %.4f", (double)grad[i]);
    puts("");
}
