/* The harness of fuzz.c on random bytes instead of libFuzzer's: no more is learnt from one input for the next,
 * but twice as many are tried. `make fuzz-random EXECUTIONS=1000000000 SEED=1`. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* xorshift64* of Marsaglia and Vigna */
static uint64_t state;
static uint64_t random64(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
}

int main(int count, char **arguments)
{
    const double executions = count > 1 ? strtod(arguments[1], NULL) : 1e6;
    uint64_t bytes[8];
    double i;
    size_t k;
    state = (count > 2 ? strtoull(arguments[2], NULL, 10) : 1) * 0x9e3779b97f4a7c15u + 1;
    for (i = 0; i < executions; i++) {
        for (k = 0; k < 8; k++) bytes[k] = random64();
        LLVMFuzzerTestOneInput((const uint8_t *)bytes, sizeof bytes - random64() % 32);
        if ((uint64_t)(i + 1) % 10000000 == 0)
            fprintf(stderr, "%.0f million of %.0f\n", (i + 1) / 1e6, executions / 1e6);
    }
    printf("%.0f passed, 0 failed\n", executions);
    return 0;
}
