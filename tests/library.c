/* The one implementation of the library that the suites share. */
#include <string.h>
#define LOSSI_TEST       /* offers "scalar" beside the sets of the CPU */
#define LOSSI_LARGE 1000 /* so that gradients of a test go past the caches too */
#define LOSSES_IMPLEMENTATION
#include "../losses.h"
#include "check.h"

void check_map(const char *set, int which, float *y, const float *x, size_t n)
{
    int i = 0;
    while (strcmp(lossi_table[i]->name, set) != 0) i++;
    lossi_table[i]->map(which, y, x, n);
}

#ifndef LOSSES_NO_DOUBLE
double check_exp(double x, double k) { return lossi_exp(x, k); }
double check_log(double u, double rest) { return lossi_log(u, rest); }
#endif
