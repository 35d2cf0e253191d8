/* The test runner: quiet per check; a failure prints where, what, the instruction set, the case that
 * was being tried (check_case), got and want. main.c defines the counters and prints the closing line. */
#ifndef CHECK_H
#define CHECK_H
#include <stddef.h>

extern unsigned long check_passed, check_failed;

/* The instruction sets that this build has on this CPU, best first; NULL behind the last. */
extern const char *check_sets[];

/* Whether the best one is in use: there a suite also tries what does not depend on the set. */
int check_on_best_set(void);

/* 1 leaves out sizes, for CPUs that are emulated: --quick. */
extern int check_quick;

/* 1 tries all floats where a suite tries some, and says what it found: --every. */
extern int check_every;

/* exp (0), log (1), log1p (2), log1p_unit (3) and, with LOSSES_NO_SIMD, exp_one (4) or log_ratio (5) of the
 * header in an instruction set, of n floats. */
void check_map(const char *set, int which, float *y, const float *x, size_t n);
/* e^x 2^k and log(u) + rest of the states */
double check_exp(double x, double k);
double check_log(double u, double rest);

/* 1 leaves out what -ffast-math excludes, NaN and infinite input: --finite. */
extern int check_finite;

/* Whether the CPU takes denormal numbers for 0, as programs linked with -ffast-math set it. */
extern int check_flushes;

/* Names the case under test, printf style: shape, seed, option. Shown with every failure until the next. */
void check_case(const char *format, ...);

/* For a signal handler: a failure in the case under test, the closing line, and the end. */
void check_stop(const char *file, int line, const char *text);

/* Each records one check and returns 1 if it held. Use the macros. */
int check_true(const char *file, int line, const char *text, int held);
int check_near(const char *file, int line, const char *text, double got, double want,
               double tolerance);
int check_ulp(const char *file, int line, const char *text, float got, double want, double ulps);
int check_status(const char *file, int line, const char *text, int got, int want);

/* |got - want| <= tolerance; a NaN only matches a NaN, an infinity only the same infinity. */
#define CHECK(condition)                 check_true(__FILE__, __LINE__, #condition, (condition) != 0)
#define CHECK_NEAR(got, want, tolerance) check_near(__FILE__, __LINE__, #got, got, want, tolerance)
/* |got - want| in units of the last place of the float nearest to want; want in double or better. */
#define CHECK_ULP(got, want, ulps)       check_ulp(__FILE__, __LINE__, #got, got, want, ulps)
#define CHECK_STATUS(call, status) \
    check_status(__FILE__, __LINE__, #call, (int)(call), (int)(status))

/* The suites. main.c calls all but test_gradient and those behind it once on every instruction set. */
void test_hand(void);         /* numbers worked out by hand                                       */
void test_expected(void);     /* numbers computed independently in many digits                    */
void test_edges(void);        /* NaN, inf, empty, ignored: the documented answers                 */
void test_status(void);       /* every way to call wrongly, and that nothing is touched           */
void test_hostile(void);      /* a table of wrong calls, at the end of readable memory         */
void test_paths(void);        /* float against reference: sizes, alignments, strides, in place    */
void test_partial(void);      /* blocks of classes, merged, against the whole */
void test_guard(void);        /* nothing outside of the arrays is read or written                 */
void test_partial_dice(void); /* masks in tiles, in any order, against the reference          */
void test_gradient(void);     /* the reference's gradients against central differences            */
/* the errors of the header's functions, against the bounds that it states */
void test_exp(void), test_log(void), test_log1p(void), test_log1p_unit(void);
void test_exp_one(void), test_log_ratio(void); /* with LOSSES_NO_SIMD */
#endif
