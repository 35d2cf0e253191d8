/* The library as the benchmark sees it: compiled like a user's, with its exp within reach. */
#define LOSSI_TEST
#define LOSSES_IMPLEMENTATION
#include "../losses.h"
#include "bench.h"

void bench_map_exp(float *y, const float *x, size_t n) { lossi_map(0, y, x, n); }
