/* make bench: how fast each loss is in each instruction set, beside memcpy, reading, exp and plain
 * loops over libm in the same run. Usage: bench ISA CELL, "" for all; CELL is a part of a name.
 * Writes build/bench.tsv and build/bench.md. Exit status 1 if a result is wrong. */
#include <stdlib.h>
#include <string.h>
#include "bench.h"

typedef enum against { AGAINST_MEMCPY, AGAINST_READ, AGAINST_EXP, AGAINST_CROSS_ENTROPY } against;
static const char *const against_name[] = {"memcpy", "read", "exp", "cross-entropy"};
static const char *const loss_name[] = {"cross-entropy", "focal", "binary cross-entropy",
                                        "sigmoid focal", "dice"}; /* by bench_loss */
static const char *const output_name[] = {"value", "value + gradient", "in place"};

typedef struct cell {
    bench_loss loss;
    const char *size; /* the shape in words */
    losses_shape shape;
    bench_output output;
    double bound; /* on the time over that of the best instruction set's ... */
    against against;
    double bound_avx2; /* where there is one of its own; else 0 */
} cell;

/* clang-format off */
static const cell cells[] = {
#define ROWS(n, c) #n "x" #c, {n, c, 1, 0, 0}
#define IMAGES     "4x21x256x256", {4, 21, 65536, 0, 0}
#define MASKS      "100x256x256", {100, 1, 65536, 0, 0}
    {BENCH_CROSS_ENTROPY, ROWS(512, 50257), BENCH_VALUE, 1.15, AGAINST_READ, 0},
    {BENCH_CROSS_ENTROPY, ROWS(512, 50257), BENCH_BOTH, 1.05, AGAINST_MEMCPY, 1.15},
    {BENCH_CROSS_ENTROPY, ROWS(512, 50257), BENCH_IN_PLACE, 0.75, AGAINST_MEMCPY, 0},
    {BENCH_CROSS_ENTROPY, ROWS(8192, 1000), BENCH_VALUE, 1.2, AGAINST_MEMCPY, 0},
    {BENCH_CROSS_ENTROPY, ROWS(8192, 1000), BENCH_BOTH, 1.4, AGAINST_MEMCPY, 0},
    {BENCH_CROSS_ENTROPY, ROWS(65536, 100), BENCH_BOTH, 2.0, AGAINST_MEMCPY, 0},
    {BENCH_CROSS_ENTROPY, ROWS(262144, 10), BENCH_BOTH, 6.0, AGAINST_MEMCPY, 0},
    {BENCH_CROSS_ENTROPY, ROWS(64, 1000), BENCH_BOTH, 1.5, AGAINST_EXP, 0},
    {BENCH_CROSS_ENTROPY, IMAGES, BENCH_BOTH, 2.0, AGAINST_MEMCPY, 0},
    {BENCH_FOCAL, ROWS(512, 50257), BENCH_BOTH, 1.1, AGAINST_CROSS_ENTROPY, 0},
    {BENCH_FOCAL, ROWS(8192, 1000), BENCH_BOTH, 1.1, AGAINST_CROSS_ENTROPY, 0},
    {BENCH_FOCAL, ROWS(65536, 100), BENCH_BOTH, 1.1, AGAINST_CROSS_ENTROPY, 0},
    {BENCH_FOCAL, ROWS(262144, 10), BENCH_BOTH, 1.1, AGAINST_CROSS_ENTROPY, 0},
    {BENCH_FOCAL, ROWS(64, 1000), BENCH_BOTH, 1.1, AGAINST_CROSS_ENTROPY, 0},
    {BENCH_FOCAL, IMAGES, BENCH_BOTH, 1.1, AGAINST_CROSS_ENTROPY, 0},
    {BENCH_DICE, MASKS, BENCH_BOTH, 1.6, AGAINST_MEMCPY, 0},
    {BENCH_SIGMOID_FOCAL, MASKS, BENCH_BOTH, 2.6, AGAINST_MEMCPY, 0},
    {BENCH_BINARY, MASKS, BENCH_BOTH, 2.0, AGAINST_MEMCPY, 0},
};
/* clang-format on */
#define CELLS (int)(sizeof cells / sizeof *cells)

static const char *const known[] = {"avx512", "avx2", "sse2", "neon", "scalar"};
#define KNOWN (int)(sizeof known / sizeof *known)
static const char *sets[KNOWN]; /* those to measure, the best first */
static int set_count;

static FILE *tsv, *md;
static int agree = 1, reached, missed;

static int has(const char *isa) { return losses_use_isa(isa) == LOSSES_OK; }

static void choose_sets(const char *only)
{
    for (int i = 0; i < KNOWN; i++)
        if ((!*only || !strcmp(known[i], only)) && has(known[i])) sets[set_count++] = known[i];
    if (set_count) return;
    fprintf(stderr, "bench: no instruction set %s\n", only);
    exit(2);
}

static const char *work_of(const cell *c)
{
    static char name[64];
    snprintf(name, sizeof name, "%s %s", loss_name[c->loss], c->size);
    return name;
}

static const char *name_of(const cell *c)
{
    static char name[96];
    snprintf(name, sizeof name, "%s, %s", work_of(c), output_name[c->output]);
    return name;
}

/* --- one cell --------------------------------------------------------------------------------- */
static bench_subject subjects[4 + 3 * KNOWN];
static int subject_count;

static bench_subject *add(const char *name, const char *isa, double (*run)(const bench_call *),
                          const bench_call *call)
{
    bench_subject *s = &subjects[subject_count++];
    s->name = name;
    s->isa = isa;
    s->run = run;
    s->call = call;
    return s;
}

static void print_header(void)
{
    printf("\n%-34s %10s", "", "ns/element");
    for (int k = 0; k < 4; k++) printf("  x %s", against_name[k]);
    puts("   target");
}

/* One line on the terminal and one in the TSV: a subject and its ratios to the four yardsticks. */
static void print_subject(const cell *c, const bench_subject *s, bench_subject *const yardsticks[4],
                          double bound, int repetitions)
{
    printf("    %-30s %10.3f", s->name, bench_ns(s, repetitions));
    fprintf(tsv, "cells\t%d\t%s\t%s\t%s\t%.4f", (int)(c - cells), work_of(c),
            output_name[c->output], s->name, bench_ns(s, repetitions));
    for (int k = 0; k < 4; k++) {
        const int width = (int)strlen(against_name[k]) + 4;
        if (!yardsticks[k]) {
            printf("%*s", width, "");
            continue;
        }
        printf("%*.2f", width, bench_ratio(s, yardsticks[k], repetitions));
        if (k < 3) fprintf(tsv, "\t%.3f", bench_ratio(s, yardsticks[k], repetitions));
    }
    const char *base = against_name[c->against];
    const double ratio = bench_ratio(s, yardsticks[c->against], repetitions);
    fprintf(tsv, "\t%.3f\t%s", ratio, base);
    if (bound > 0) {
        const int held = ratio <= bound;
        printf("   <= %.2f x %s: %s", bound, base, held ? "reached" : "MISSED");
        fprintf(tsv, "\t%.2f\t%s\n", bound, held ? "yes" : "no");
        *(held ? &reached : &missed) += 1;
    } else {
        fprintf(tsv, "\t\t\n");
    }
    puts("");
}

static double bound_on(const cell *c, const char *isa)
{
    if (c->bound_avx2 > 0 && !strcmp(isa, "avx2")) return c->bound_avx2;
    return isa == sets[0] ? c->bound : 0;
}

static void measure(const cell *c)
{
    const int masks = c->loss >= BENCH_BINARY;
    const int bytes = c->shape.positions > 1;
    const float gamma = c->loss == BENCH_FOCAL || c->loss == BENCH_SIGMOID_FOCAL ? 2 : 0;
    bench_subject *ours[KNOWN], *exps[KNOWN], *entropies[KNOWN];
    bench_draw_targets(c->shape, masks, 0);
    bench_call call = bench_begin(c->loss, c->shape, gamma, c->output);
    call.targets = bytes ? losses_u8(bench_data.u8) : losses_i32(bench_data.i32);
    bench_call entropy = call, yard = call;
    entropy.loss = BENCH_CROSS_ENTROPY;
    yard.output = BENCH_BOTH;

    subject_count = 0;
    bench_subject *copy = add("memcpy", NULL, bench_memcpy, &yard);
    bench_subject *read = add("read", NULL, bench_read, &yard);
    for (int i = 0; i < set_count; i++) {
        ours[i] = add(sets[i], sets[i], bench_ours, &call);
        exps[i] = add("exp", sets[i], bench_exp, &yard);
        entropies[i] = NULL;
        if (c->against == AGAINST_CROSS_ENTROPY)
            entropies[i] = add("cross-entropy", sets[i], bench_ours, &entropy);
    }
    bench_subject *plain[2];
    plain[0] = add("plain -O3", NULL, bench_plain_o3, &call);
    plain[1] = add("plain -Ofast", NULL, bench_plain_ofast, &call);
    const int n = bench_measure(subjects, subject_count);

    printf("%s: %d repetitions\n", name_of(c), n);
    for (int i = 0; i < set_count; i++) {
        bench_subject *const yardsticks[4] = {copy, read, exps[i], entropies[i]};
        print_subject(c, ours[i], yardsticks, bound_on(c, sets[i]), n);
        agree &= bench_agree(name_of(c), ours[i], plain[0]);
    }
    bench_subject *const yardsticks[4] = {copy, read, exps[0], entropies[0]};
    for (int k = 0; k < 2; k++) print_subject(c, plain[k], yardsticks, 0, n);
    print_subject(c, copy, yardsticks, 0, n);
    print_subject(c, read, yardsticks, 0, n);
    print_subject(c, exps[0], yardsticks, 0, n);
    agree &= bench_agree(name_of(c), plain[1], plain[0]);
    fflush(stdout);

    fprintf(md, "| %s | %s |", work_of(c), output_name[c->output]);
    for (int i = 0; i < set_count; i++) fprintf(md, " %.3f |", bench_ns(ours[i], n));
    const double ratio = bench_ratio(ours[0], yardsticks[c->against], n);
    const double bound = bound_on(c, sets[0]);
    const char *mark = ratio <= bound ? "" : "**";
    fprintf(md, " %.2f | %s%.2f × %s%s (≤ %.2f) |", bench_ratio(ours[0], copy, n), mark, ratio,
            against_name[c->against], mark, bound);
    fprintf(md, " %.2f | %.2f |\n", bench_ns(plain[0], n), bench_ns(plain[1], n));
}

/* --- all of them ------------------------------------------------------------------------------ */
static void print_machine(void)
{
    char line[256], cpu[256] = "unknown CPU";
    FILE *info = fopen("/proc/cpuinfo", "r");
    while (info && fgets(line, sizeof line, info)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !value) continue;
        snprintf(cpu, sizeof cpu, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (info) fclose(info);
#ifdef __clang__
    const char *compiler = "";
#else
    const char *compiler = "gcc ";
#endif
    printf("%s; %s%s, library at %s, one thread\n", cpu, compiler, __VERSION__, BENCH_FLAGS);
    fprintf(md, "%s; %s%s, library at %s, one thread. ", cpu, compiler, __VERSION__, BENCH_FLAGS);
}

static void begin_tables(void)
{
    fputs("section\tnumber\twork\tvariant\tsubject\tns\tx_memcpy\tx_read\tx_exp\tratio\tratio_to\t"
          "bound\treached\n",
          tsv);
    fputs("Nanoseconds per element, medians.\n"
          "Ratios are those of the best instruction set in the same run, bold where the target is\n"
          "missed; \"read\" sums the logits, \"exp\" maps the header's own exp over them. Plain: "
          "loops\n"
          "over libm, `-march=native`.\n\n| work | output |",
          md);
    for (int i = 0; i < set_count; i++) fprintf(md, " %s |", sets[i]);
    fputs(" × memcpy | target | plain -O3 | plain -Ofast |\n| --- | --- |", md);
    for (int i = 0; i < set_count + 4; i++) fputs(" --- |", md);
    fputs("\n", md);
}

static FILE *create(const char *name)
{
    FILE *file = fopen(name, "w");
    if (file) return file;
    perror(name);
    exit(2);
}

int main(int count, char **arguments)
{
    const char *isa = count > 1 ? arguments[1] : "", *only = count > 2 ? arguments[2] : "";
    size_t most = 512 * 50257; /* what the options need */
    choose_sets(isa);
    for (int i = 0; i < CELLS; i++)
        if (strstr(name_of(&cells[i]), only) && bench_elements(cells[i].shape) > most)
            most = bench_elements(cells[i].shape);
    tsv = create("build/bench.tsv");
    md = create("build/bench.md");
    print_machine();
    fflush(stdout);
    bench_reserve(most);

    begin_tables();
    print_header();
    int measured = 0;
    for (int i = 0; i < CELLS; i++)
        if (strstr(name_of(&cells[i]), only)) measure(&cells[i]), measured++;
    measured += bench_options(sets[0], only, tsv);
    if (!measured) fprintf(stderr, "bench: no work is called %s\n", only);
    printf("\n%d targets reached, %d missed\n", reached, missed);
    if (fclose(tsv) || fclose(md)) {
        perror("build/bench.tsv or .md");
        return 2;
    }
    return !agree || !measured;
}
