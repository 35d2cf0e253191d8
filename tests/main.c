/* Runs every suite and holds the one implementation of the library that they share. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#define LOSSES_IMPLEMENTATION
#include "../losses.h"
#include "check.h"

unsigned long check_passed, check_failed;
static char current_case[256];

void check_case(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(current_case, sizeof current_case, format, arguments);
    va_end(arguments);
}

int check_true(const char *file, int line, const char *text, int held)
{
    if (held) {
        check_passed++;
        return 1;
    }
    check_failed++;
    printf("%s:%d: %s  [%s] %s\n", file, line, text, losses_isa(), current_case);
    return 0;
}

static int same_special(double got, double want) /* both NaN, or the same infinity */
{
    return (isnan(got) && isnan(want)) || (isinf(want) && got == want);
}

static int check_values(const char *file, int line, const char *text, double got, double want, int held)
{
    if (check_true(file, line, text, held)) return 1;
    printf("    got %.17g  want %.17g\n", got, want);
    return 0;
}

int check_near(const char *file, int line, const char *text, double got, double want, double tolerance)
{
    return check_values(file, line, text, got, want,
                        same_special(got, want) || fabs(got - want) <= tolerance);
}

int check_ulp(const char *file, int line, const char *text, float got, double want, double ulps)
{
    double ulp = ldexp(1, -149); /* the spacing of floats at want */
    int exponent;
    if (!isnan(want) && !isinf(want) && want != 0) {
        frexp(want, &exponent);
        if (exponent > -125) ulp = ldexp(1, exponent - 24);
    }
    return check_values(file, line, text, (double)got, want,
                        same_special((double)got, want) ||
                            (isinf((double)got) && fabs(want) > 3.4028235e38) ||
                            fabs((double)got - want) <= ulps * ulp);
}

int check_status(const char *file, int line, const char *text, int got, int want)
{
    if (check_true(file, line, text, got == want)) return 1;
    printf("    got %s  want %s\n", losses_status_name((losses_status)got),
           losses_status_name((losses_status)want));
    return 0;
}

int main(void)
{
    test_hand();
    test_expected();
    test_edges();
    test_status();
    test_paths();
    test_gradient();
    printf("%lu passed, %lu failed\n", check_passed, check_failed);
    return check_failed != 0;
}
