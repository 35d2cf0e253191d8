#include "losses.h"
extern "C" float use_from_c(const float *logits);
int main()
{
    float logits[2] = {0, 0}, loss = 0;
    uint8_t label = 1;
    if (losses_cross_entropy(&loss, NULL, logits, losses_u8(&label), losses_rows(1, 2), NULL) != LOSSES_OK) return 1;
    return loss > 0.6931f && loss < 0.6932f && use_from_c(logits) == loss ? 0 : 2;
}
