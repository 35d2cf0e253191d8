/* Whole losses against exact results, on every instruction set of this CPU: `make exact`.
 *     exact --inputs    writes the inputs of all cases to build/exact.bin, for exact_peers.py
 *     exact [FAMILY]    computes, compares and prints a table, which goes to build/exact.md too;
 *                       only families with FAMILY in their names
 * Held: values within 4 ulp; gradients within 32 ulp or, where terms cancel, within 4 * 2^-24 of the
 * largest of them; nothing is NaN, and nothing is 0 where the exact result rounds to another float.
 * The reference is within 100 * 2^-53 of the result or of the largest term. The ulp of a denormal is
 * 2^-149. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define LOSSI_TEST /* offers "scalar" beside the sets of the CPU */
#define LOSSES_IMPLEMENTATION
#include "exact.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const all_sets[] = {"avx512", "avx2", "sse2", "sve",  "neon",  "neon32",
                                       "mve",    "rvv",  "vsx",  "wasm", "scalar"};

struct exact_case exact_case;
static struct exact_case *const at = &exact_case;

static unsigned long passed, failed;
static FILE *inputs, *peers;
static const char *only = "";

/* What errors are measured in: the ulp of a value, that of a gradient, 2^-24 of its largest term. Of
 * the last two the one that leaves more of its bound. */
enum unit { VALUE, GRADIENT, TERM, UNITS };
static const double bounds[UNITS] = {4, 32, 4};

/* One line of the table. */
static struct family {
    const char *name;
    int calls, compared; /* compared: with PyTorch */
    int has[UNITS];
    double worst[UNITS], peer[UNITS];
    double nearest; /* to its bound, where: */
    char where[160];
    unsigned long nans, zeros; /* of PyTorch */
} families[64];
static size_t family_count;
static double worst_reference;
static char peer_name[64];

static float loss[EXACT_MOST], out[EXACT_MOST];
static double x_wide[EXACT_MOST], q_wide[EXACT_MOST], loss_wide[EXACT_MOST], out_wide[EXACT_MOST];

/* --- calls ------------------------------------------------------------------------------------ */

static losses_targets targets(void) { return at->soft ? losses_f32(at->q) : losses_i32(at->t); }

static losses_status call_row(void)
{
    const losses_options *o = &at->options;
    const float u = o->upstream != NULL ? o->upstream[0] : 1;
    const size_t classes = at->shape.classes;
    if (at->loss == CROSS_ENTROPY) {
        loss[0] = losses_cross_entropy_row(out, at->x, classes, (size_t)at->t[0], u);
    } else if (at->loss == FOCAL) {
        loss[0] = losses_focal_row(out, at->x, classes, (size_t)at->t[0], at->gamma, u);
    } else {
        static uint8_t mask[EXACT_MOST];
        size_t i;
        for (i = 0; i < at->shape.positions; i++) mask[i] = (uint8_t)at->t[i];
        loss[0] = losses_dice_mask(out, at->x, mask, at->shape.positions, o->eps * o->scale, u);
    }
    return LOSSES_OK;
}

static losses_status call_float(void)
{
    const losses_options *o = &at->options;
    if (at->row) return call_row();
    switch (at->loss) {
    case LOG_SOFTMAX:
        return losses_log_softmax(out, at->x, at->shape);
    case LOG_SUM_EXP: {
        losses_options with = *o;
        with.log_sum_exp = out;
        return losses_cross_entropy(NULL, NULL, at->x, targets(), at->shape, &with);
    }
    case LOG_SOFTMAX_GRADIENT:
        return losses_log_softmax_gradient(out, at->q, at->x, at->shape);
    case NLL:
        return losses_nll(loss, out, at->x, targets(), at->shape, o);
    case CROSS_ENTROPY:
        return losses_cross_entropy(loss, out, at->x, targets(), at->shape, o);
    case FOCAL:
        return losses_focal(loss, out, at->x, targets(), at->shape, at->gamma, o);
    case BINARY_CROSS_ENTROPY:
        return losses_binary_cross_entropy(loss, out, at->x, targets(), at->shape, o);
    case SIGMOID_FOCAL:
        return losses_sigmoid_focal(loss, out, at->x, targets(), at->shape, at->gamma, o);
    case DICE:
        break;
    }
    return losses_dice(loss, out, at->x, targets(), at->shape, o);
}

static losses_status call_reference(void)
{
    const losses_options *o = &at->options;
    const size_t n = at->shape.samples * at->shape.classes * at->shape.positions;
    size_t i;
    for (i = 0; i < n; i++) x_wide[i] = (double)at->x[i];
    for (i = 0; i < n && at->loss == LOG_SOFTMAX_GRADIENT; i++) q_wide[i] = (double)at->q[i];
    switch (at->loss) {
    case LOG_SOFTMAX:
        return losses_reference_log_softmax(out_wide, x_wide, at->shape);
    case LOG_SUM_EXP:
        return LOSSES_OK;
    case LOG_SOFTMAX_GRADIENT:
        return losses_reference_log_softmax_gradient(out_wide, q_wide, x_wide, at->shape);
    case NLL:
        return losses_reference_nll(loss_wide, out_wide, x_wide, targets(), at->shape, o);
    case CROSS_ENTROPY:
        return losses_reference_cross_entropy(loss_wide, out_wide, x_wide, targets(), at->shape, o);
    case FOCAL:
        return losses_reference_focal(loss_wide, out_wide, x_wide, targets(), at->shape,
                                      (double)at->gamma, o);
    case BINARY_CROSS_ENTROPY:
        return losses_reference_binary_cross_entropy(loss_wide, out_wide, x_wide, targets(),
                                                     at->shape, o);
    case SIGMOID_FOCAL:
        return losses_reference_sigmoid_focal(loss_wide, out_wide, x_wide, targets(), at->shape,
                                              (double)at->gamma, o);
    case DICE:
        break;
    }
    return losses_reference_dice(loss_wide, out_wide, x_wide, targets(), at->shape, o);
}

/* --- errors ----------------------------------------------------------------------------------- */

static double distance(double got, const struct exact_number *want)
{
    return fabs((got - want->high) - want->low);
}

static double in_ulps(float got, const struct exact_number *want)
{
    int exponent = -125;
    if (want->high != 0) frexp(want->high, &exponent);
    return ldexp(distance((double)got, want), 24 - (exponent < -125 ? -125 : exponent));
}

static double in_terms(float got, const struct exact_number *want) /* in 2^-24 of the largest */
{
    return ldexp(distance((double)got, want), 24) / fmax(want->size, (double)FLT_MIN);
}

static int lost(float got, const struct exact_number *want) /* 0 for what rounds to another float */
{
    return got == 0 && fabs(want->high) > ldexp(1, -150);
}

static int both_infinite(float got, const struct exact_number *want)
{
    return isinf(got) && got == (float)want->high;
}

/* The unit of a number (values: VALUE instead of GRADIENT), and its error in that. */
static enum unit measure(float got, const struct exact_number *want, int values, double *error)
{
    const enum unit unit = values ? VALUE : GRADIENT;
    const double terms = in_terms(got, want);
    *error = isnan(got) ? HUGE_VAL : both_infinite(got, want) ? 0 : in_ulps(got, want);
    if (want->size > 0 && terms / bounds[TERM] < *error / bounds[unit]) { /* not for NaN */
        *error = terms;
        return TERM;
    }
    return unit;
}

/* The worst of the numbers of a call that are out of bounds, and, if they are few, the logits of its
 * position, element or mask. */
static void show(const char *set, int values, size_t i, double got, const struct exact_number *want,
                 size_t bad)
{
    static unsigned shown;
    const size_t m = at->shape.positions, n = at->shape.classes * m;
    const int softmax = at->loss < BINARY_CROSS_ENTROPY, each = values && at->loss != LOG_SOFTMAX;
    const size_t position = each ? i : i / n * m + i % m; /* of a softmax */
    size_t first = position / m * n + position % m, count = at->shape.classes, k;
    if (!softmax) {
        count = at->loss == DICE ? m : 1;
        first = each ? i * count : i - i % count;
    }
    if (each && at->values == 1) first = 0, count = at->shape.samples * n;
    printf("FAILED: %s: %s [%s]\n"
           "    %s %lu, the worst of %lu: got %a, want %a (%.9g): %.3g ulp",
           at->family, at->what, set, values ? "value" : "gradient", (unsigned long)i,
           (unsigned long)bad, got, want->high, want->high, in_ulps((float)got, want));
    if (want->size > 0)
        printf(", %.3g * 2^-24 of its largest term, %a", in_terms((float)got, want), want->size);
    printf("\n");
    if (shown == at->number) return; /* on another set already */
    shown = at->number;
    if (softmax && at->labels > 0) printf("    t = %ld\n", (long)at->t[position]);
    for (k = first; count <= 20 && count > 0; count--, k += softmax ? m : 1) {
        printf("    x = %a", (double)at->x[k]);
        if (at->soft || at->loss == LOG_SOFTMAX_GRADIENT) printf(", q = %a", (double)at->q[k]);
        if (at->labels > 0 && !softmax) printf(", t = %ld", (long)at->t[k]);
        printf("\n");
    }
}

/* One check for the numbers of a call */
static void check(const char *set, const float *got, const struct exact_number *want, size_t count,
                  int values, struct family *family)
{
    size_t i, bad = 0, worst_i = 0;
    double worst = 0;
    for (i = 0; i < count; i++) {
        double error;
        const enum unit unit = measure(got[i], &want[i], values, &error);
        const double part = error / bounds[unit];
        family->has[unit] = 1;
        if (error > family->worst[unit]) family->worst[unit] = error;
        if (part > family->nearest) {
            family->nearest = part;
            snprintf(family->where, sizeof family->where, "%s, %s", at->what, set);
        }
        if (part <= 1 && !lost(got[i], &want[i])) continue;
        if (bad++ == 0 || part > worst) worst_i = i, worst = part;
    }
    passed += bad == 0;
    failed += bad > 0;
    if (bad > 0) show(set, values, worst_i, (double)got[worst_i], &want[worst_i], bad);
}

/* 100 * 2^-53 of the exact result, or of the largest term */
static void check_reference(int values, const double *got, const struct exact_number *want,
                            size_t count)
{
    size_t i, bad = 0, worst_i = 0;
    double worst = 0;
    for (i = 0; i < count; i++) {
        const double natural = fmax(fmax(fabs(want[i].high), want[i].size), DBL_MIN);
        const double error = ldexp(distance(got[i], &want[i]) / natural, 53);
        if (error > worst_reference) worst_reference = error;
        if (error <= 100) continue;
        if (bad++ == 0 || !(error <= worst)) worst_i = i, worst = error;
    }
    passed += bad == 0;
    failed += bad > 0;
    if (bad > 0) show("reference", values, worst_i, got[worst_i], &want[worst_i], bad);
}

static void measure_peer(const float *got, const struct exact_number *want, size_t count,
                         int values, struct family *family)
{
    size_t i;
    for (i = 0; i < count; i++) {
        double error;
        const enum unit unit = measure(got[i], &want[i], values, &error);
        if (lost(got[i], &want[i])) family->zeros++;
        if (isnan(got[i]))
            family->nans++;
        else if (error > family->peer[unit])
            family->peer[unit] = error;
    }
}

/* --- cases ------------------------------------------------------------------------------------ */

static struct family *family_of(void)
{
    struct family *family = families;
    while (family->name != NULL && strcmp(family->name, at->family) != 0) family++;
    if (family->name == NULL) family_count++;
    family->name = at->family;
    family->calls++;
    return family;
}

static void write_array(const void *data, size_t count)
{
    if (fwrite(data, 4, count, inputs) != count) exit((perror("build/exact.bin"), 2));
}

/* exact_peers.py has the layout. */
static void write_inputs(void)
{
    const losses_options *o = &at->options;
    const size_t n = at->shape.samples * at->shape.classes * at->shape.positions;
    const size_t c = at->shape.classes, u = o->reduction == LOSSES_NONE ? at->values : 1;
    const int32_t head[] = {(int32_t)at->loss,
                            (int32_t)at->shape.samples,
                            (int32_t)at->shape.classes,
                            (int32_t)at->shape.positions,
                            at->soft,
                            (int32_t)o->reduction,
                            (int32_t)at->labels,
                            o->class_weight != NULL || o->class_alpha != NULL,
                            o->positive_weight != NULL,
                            o->upstream != NULL ? (int32_t)u : 0};
    const float numbers[] = {at->gamma,
                             o->label_smoothing,
                             o->z_loss,
                             o->alpha,
                             o->scale > 0 ? o->scale : 1000,
                             o->eps > 0 ? o->eps : 1e-6f};
    write_array(head, COUNT(head));
    write_array(numbers, COUNT(numbers));
    write_array(at->x, n);
    if (at->soft || at->loss == LOG_SOFTMAX_GRADIENT) write_array(at->q, n);
    write_array(at->t, at->labels);
    if (head[7]) write_array(at->weight, c);
    if (head[8]) write_array(at->positive, c);
    if (head[9]) write_array(at->upstream, u);
}

static int read_peer(void) /* its values and outputs of this case */
{
    const size_t n = at->values, m = at->outputs;
    int32_t counts[2];
    if (peers == NULL) return 0;
    if (fread(counts, 4, 2, peers) != 2 || (size_t)counts[0] != n || (size_t)counts[1] != m ||
        fread(loss, 4, n, peers) != n || fread(out, 4, m, peers) != m)
        exit((fprintf(stderr, "build/exact.peers is of other cases\n"), 2));
    return 1;
}

static void refused(const char *set)
{
    printf("FAILED: %s: %s [%s]: an error\n", at->family, at->what, set);
    failed++;
}

void exact_run(void)
{
    const int values = at->loss == LOG_SOFTMAX || at->loss == LOG_SUM_EXP;
    struct family *family;
    struct exact_number first;
    int compared;
    size_t i;
    if (inputs != NULL) {
        write_inputs();
        return;
    }
    compared = read_peer();
    if (strstr(at->family, only) == NULL) return;
    family = family_of();
    exact_compute();
    first = exact_values[0];
    if (exact_overflows && at->options.reduction != LOSSES_NONE) { /* in float */
        exact_values[0].high = HUGE_VAL;
        exact_values[0].low = 0;
    }
    if (compared) {
        family->compared++;
        measure_peer(loss, exact_values, at->values, 1, family);
        measure_peer(out, exact_outputs, at->outputs, values, family);
    }
    for (i = 0; i < COUNT(all_sets); i++) {
        if (losses_use_isa(all_sets[i]) != LOSSES_OK) continue;
        memset(loss, 0xff, at->values * sizeof *loss); /* NaN */
        memset(out, 0xff, at->outputs * sizeof *out);
        if (call_float() != LOSSES_OK) {
            refused(all_sets[i]);
            continue;
        }
        check(all_sets[i], loss, exact_values, at->values, 1, family);
        check(all_sets[i], out, exact_outputs, at->outputs, values, family);
    }
    if (at->row || at->loss == LOG_SUM_EXP) return; /* not in the reference */
    if (call_reference() != LOSSES_OK) {
        refused("the reference");
        return;
    }
    exact_values[0] = first;
    check_reference(1, loss_wide, exact_values, at->values);
    check_reference(0, out_wide, exact_outputs, at->outputs);
}

/* --- the table -------------------------------------------------------------------------------- */

/* From 2^23 ulp on no digit is right. */
static void print_number(FILE *to, int there, double error, double bound)
{
    const char *bold = error > bound ? "**" : "";
    if (!there)
        fprintf(to, " - |");
    else if (!(error < ldexp(1, 23)))
        fprintf(to, " %sall%s |", bold, bold);
    else
        fprintf(to, " %s%.*f%s |", bold, error < 99.95, error, bold);
}

static void print_table(FILE *to)
{
    size_t i;
    int unit, calls = 0;
    fprintf(to,
            "| inputs | calls | value, ulp | gradient, ulp | cancelling gradient | PyTorch: value |"
            " gradient | cancelling | NaN | 0 | losses.h is worst at |\n"
            "|%s\n",
            " --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (i = 0; i < family_count; i++) {
        const struct family *f = &families[i];
        calls += f->calls;
        fprintf(to, "| %s | %d |", f->name, f->calls);
        for (unit = 0; unit < UNITS; unit++)
            print_number(to, f->has[unit], f->worst[unit], bounds[unit]);
        for (unit = 0; unit < UNITS; unit++)
            print_number(to, f->has[unit] && f->compared, f->peer[unit], INFINITY);
        if (f->compared)
            fprintf(to, " %lu | %lu |", f->nans, f->zeros);
        else
            fprintf(to, " - | - |");
        fprintf(to, " %s |\n", f->where);
    }
    fprintf(to, "\n%d calls on", calls);
    for (i = 0; i < COUNT(all_sets); i++)
        if (losses_use_isa(all_sets[i]) == LOSSES_OK) fprintf(to, " %s", all_sets[i]);
    fprintf(to, "; the reference within %.1f · 2⁻⁵³; %s.\n", worst_reference,
            peer_name[0] ? peer_name : "PyTorch is not installed");
}

int main(int argc, char **argv)
{
    FILE *table;
    if (argc > 1 && strcmp(argv[1], "--inputs") == 0) {
        inputs = fopen("build/exact.bin", "wb");
        if (inputs == NULL) exit((perror("build/exact.bin"), 2));
        exact_cases();
        return fclose(inputs) != 0;
    }
    if (argc > 1) only = argv[1];
    peers = fopen("build/exact.peers", "rb");
    if (peers != NULL && fread(peer_name, sizeof peer_name, 1, peers) != 1) peers = NULL;
    peer_name[sizeof peer_name - 1] = 0;
    exact_cases();
    print_table(stdout);
    table = fopen("build/exact.md", "w");
    if (table != NULL) {
        print_table(table);
        fclose(table);
    }
    printf("%lu passed, %lu failed\n", passed, failed);
    return failed != 0;
}
