#define LOSSES_FILE "our_losses.h"
#define LOSSES_IMPLEMENTATION
#include "our_losses.h"
int main(void)
{
    float x[2] = {0, 0};
    return losses_cross_entropy_row(NULL, x, 2, 2, 1) != losses_cross_entropy_row(NULL, x, 2, 2, 1) ? 0 : 1;
}
