/* Runs the suites, on every instruction set of this CPU.
 *     suites [--quick] [--finite] [--best] [SUITE ...]     all of them where none is named; --best: on the
 *                                      best instruction set of this CPU only
 *     suites --every exp               this one on all 2^32 floats, with what was found; also log, log1p
 *     suites --isa                     the best instruction set of this CPU */
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../losses.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Better ones stand before others that the same CPU may have. */
static const char *const all_sets[] = {"avx512", "avx2", "sse2", "sve",  "neon",  "neon32",
                                       "mve",    "rvv",  "vsx",  "wasm", "scalar"};
const char *check_sets[COUNT(all_sets) + 1];

unsigned long check_passed, check_failed;
int check_quick, check_every, check_finite, check_flushes;
static int best_only;
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

static int check_values(const char *file, int line, const char *text, double got, double want,
                        int held)
{
    if (check_true(file, line, text, held)) return 1;
    printf("    got %.17g  want %.17g\n", got, want);
    return 0;
}

int check_near(const char *file, int line, const char *text, double got, double want,
               double tolerance)
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

static void print_counts(void) { printf("%lu passed, %lu failed\n", check_passed, check_failed); }

void check_stop(const char *file, int line, const char *text)
{
    check_true(file, line, text, 0);
    print_counts();
    fflush(stdout);
    _Exit(1);
}

static void on_signal(int number)
{
    check_stop(__FILE__, __LINE__, number == SIGILL ? "illegal instruction" : "crash");
}

/* --- instruction sets ------------------------------------------------------------------------- */

int check_on_best_set(void) { return strcmp(losses_isa(), check_sets[0]) == 0; }

static int has_set(const char *name)
{
    size_t i;
    for (i = 0; check_sets[i] != NULL; i++)
        if (strcmp(check_sets[i], name) == 0) return 1;
    return 0;
}

static void find_sets(void)
{
    char first[32];
    size_t i, n = 0;
    strncpy(first, losses_isa(), sizeof first - 1);
    first[sizeof first - 1] = 0;
    for (i = 0; i < COUNT(all_sets); i++)
        if (losses_use_isa(all_sets[i]) == LOSSES_OK) check_sets[n++] = all_sets[i];
    losses_use_isa(NULL);
    check_case("the set in use at the start is %s", first);
    if (n == 0) check_sets[0] = "none";
    CHECK(strcmp(check_sets[0], first) == 0);
}

/* By its letters: not the string that the library or the list above has. */
static losses_status use_copy(const char *name)
{
    char copy[32];
    strncpy(copy, name, sizeof copy - 1);
    copy[sizeof copy - 1] = 0;
    return losses_use_isa(copy);
}

static int in_use(const char *name) { return strcmp(losses_isa(), name) == 0; }

static void choose_sets(void)
{
    static const char *const no_sets[] = {"",    " ",     "no such set", "Scalar", "scala",
                                          "avx", "avx22", "scalar ",     "sse",    "best"};
    const float logits[] = {0, 1, 2};
    size_t from, to, i;
    for (from = 0; check_sets[from] != NULL; from++) {
        const char *const set = check_sets[from];
        for (to = 0; check_sets[to] != NULL; to++) {
            check_case("from %s to %s", set, check_sets[to]);
            CHECK_STATUS(use_copy(set), LOSSES_OK);
            CHECK(in_use(set));
            CHECK_STATUS(use_copy(check_sets[to]), LOSSES_OK);
            CHECK(in_use(check_sets[to]));
        }
        check_case("%s survives a call", set);
        CHECK_STATUS(losses_use_isa(set), LOSSES_OK);
        CHECK_NEAR((double)losses_cross_entropy_row(NULL, logits, 3, 0, 1), 2.4076059644, 1e-6);
        CHECK(in_use(set));
        for (i = 0; i < COUNT(all_sets) + COUNT(no_sets); i++) {
            const char *const other =
                i < COUNT(all_sets) ? all_sets[i] : no_sets[i - COUNT(all_sets)];
            if (has_set(other)) continue;
            check_case("\"%s\" is refused and leaves %s", other, set);
            CHECK_STATUS(use_copy(other), LOSSES_BAD_OPTION);
            CHECK(in_use(set));
        }
        check_case("the best after %s", set);
        CHECK_STATUS(losses_use_isa(NULL), LOSSES_OK);
        CHECK(check_on_best_set());
    }
}

/* --- suites ----------------------------------------------------------------------------------- */

static const struct suite {
    const char *name;
    void (*run)(void);
    int on_every_set;
} suites[] = {
    {"hand", test_hand, 1},
    {"expected", test_expected, 1},
    {"edges", test_edges, 1},
    {"status", test_status, 1},
    {"hostile", test_hostile, 1},
    {"paths", test_paths, 1},
    {"partial", test_partial, 1},
    {"guard", test_guard, 1},
    {"partial_dice", test_partial_dice, 1},
    {"gradient", test_gradient, 0},
    {"exp", test_exp, 0},
    {"log", test_log, 0},
    {"log1p", test_log1p, 0},
    {"log1p_unit", test_log1p_unit, 0},
#ifdef LOSSES_NO_SIMD
    {"exp_one", test_exp_one, 0},
    {"log_ratio", test_log_ratio, 0},
#endif
};

static void run_suite(const struct suite *suite)
{
    size_t i;
    const int every = suite->on_every_set && !best_only;
    for (i = 0; check_sets[i] != NULL && (i == 0 || every); i++) {
        check_case("%s: %s is in use to the end", suite->name, check_sets[i]);
        CHECK_STATUS(losses_use_isa(check_sets[i]), LOSSES_OK);
        suite->run();
        check_case("%s: %s is in use to the end", suite->name, check_sets[i]);
        CHECK(in_use(check_sets[i]));
    }
    losses_use_isa(NULL);
}

static int usage(void)
{
    size_t i;
    printf("suites [--isa] [--quick] [--finite] [--best] [--every] [SUITE ...], of:");
    for (i = 0; i < COUNT(suites); i++) printf(" %s", suites[i].name);
    printf("\n");
    return 2;
}

int main(int argc, char **argv)
{
    int wanted[COUNT(suites)] = {0}, named = 0, a;
    volatile float least = FLT_MIN;
    size_t i;
    least /= 2;
    check_flushes = least == 0;
    for (a = 1; a < argc; a++) {
        for (i = 0; i < COUNT(suites) && strcmp(argv[a], suites[i].name) != 0; i++) continue;
        if (i < COUNT(suites)) {
            wanted[i] = named = 1;
        } else if (strcmp(argv[a], "--isa") == 0) {
            printf("%s\n", losses_isa());
            return 0;
        } else if (strcmp(argv[a], "--quick") == 0) {
            check_quick = 1;
        } else if (strcmp(argv[a], "--every") == 0) {
            check_every = 1;
        } else if (strcmp(argv[a], "--finite") == 0) {
            check_finite = 1;
        } else if (strcmp(argv[a], "--best") == 0) {
            best_only = 1;
        } else {
            return usage();
        }
    }
    signal(SIGSEGV, on_signal);
    signal(SIGILL, on_signal);
    find_sets();
    printf("sets:");
    for (i = 0; check_sets[i] != NULL; i++) printf(" %s", check_sets[i]);
    printf("\n");
    choose_sets();
    for (i = 0; i < COUNT(suites); i++)
        if (wanted[i] || !named) run_suite(&suites[i]);
    print_counts();
    return check_failed != 0;
}
