/* The cases of make exact. The random numbers are made here and their arithmetic is exact, so that the
 * inputs are the same everywhere. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "exact.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct exact_case *const at = &exact_case;

static const size_t class_counts[] = {1,  2,  3,   5,    10,   16,    17,
                                      32, 33, 100, 1000, 4097, 32000, 50257};
static const float leads[] = {10, 17, 20, 30, 40, 60, 80, 88, 95, 100, 103.5f, 110};
static const float gammas[] = {0, 0.25f, 0.5f, 1, 1.5f, 2, 3, 5};

/* --- random numbers --------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_bits(void) /* splitmix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t n) { return (size_t)(random_bits() >> 32) % n; }

static float uniform(void) { return (float)(random_bits() >> 40) / 16777216; } /* [0, 1) */

static float bell(float deviation) /* near enough to normal: the sum of four uniform ones */
{
    const double sum =
        (double)uniform() + (double)uniform() + (double)uniform() + (double)uniform();
    return (float)((sum - 2) * 1.75) * deviation;
}

/* --- building a case -------------------------------------------------------------------------- */

static size_t logits(void) { return at->shape.samples * at->shape.classes * at->shape.positions; }

static int per_element(void)
{
    return at->loss == BINARY_CROSS_ENTROPY || at->loss == SIGMOID_FOCAL || at->loss == DICE;
}

/* Starts a case: normal logits, random integer targets, and in turn mean, sum and none, with and
 * without upstream. */
static void begin(const char *family, enum exact_loss loss, losses_shape shape, float deviation)
{
    static const float upstreams[] = {1, 0.37f, -3};
    static const losses_options zero;
    size_t i;
    random_state = ++at->number; /* each case has its own */
    at->family = family;
    at->row = at->soft = 0;
    at->loss = loss;
    at->shape = shape;
    at->gamma = 0;
    at->options = zero;
    at->what[0] = 0;
    for (i = 0; i < logits(); i++) at->x[i] = bell(deviation);
    at->labels = per_element() ? logits() : shape.samples * shape.positions;
    for (i = 0; i < at->labels; i++) at->t[i] = (int32_t)below(per_element() ? 2 : shape.classes);
    at->options.reduction = (losses_reduction)(at->number % 3);
    if (at->number / 3 % 3 == 0) {
        at->options.upstream = at->upstream;
        for (i = 0; i < at->labels; i++) at->upstream[i] = upstreams[(i + at->number) % 3];
    }
}

static void say(const char *format, ...) /* adds to the case in words */
{
    const size_t n = strlen(at->what);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(at->what + n, sizeof at->what - n, format, arguments);
    va_end(arguments);
}

static void run(void)
{
    const losses_shape s = at->shape;
    const size_t positions = s.samples * s.positions;
    char what[sizeof at->what];
    strcpy(what, at->what);
    at->what[0] = 0;
    if (at->loss == DICE)
        say("%lu × %lu pixels", (unsigned long)(s.samples * s.classes), (unsigned long)s.positions);
    else if (s.positions == 1)
        say("%lu × %lu", (unsigned long)s.samples, (unsigned long)s.classes);
    else
        say("%lu × %lu × %lu", (unsigned long)s.samples, (unsigned long)s.classes,
            (unsigned long)s.positions);
    say("%s", what);
    if (at->soft || at->loss == LOG_SOFTMAX || at->loss == LOG_SOFTMAX_GRADIENT) at->labels = 0;
    at->outputs = at->loss == LOG_SUM_EXP ? positions : logits();
    at->values = at->options.reduction != LOSSES_NONE ? 1
                 : at->loss == DICE                   ? s.samples * s.classes
                 : per_element()                      ? logits()
                                                      : positions;
    if (at->loss == LOG_SOFTMAX || at->loss == LOG_SUM_EXP || at->loss == LOG_SOFTMAX_GRADIENT)
        at->values = 0, at->options.upstream = NULL;
    exact_run();
}

/* Rows, or images; enough of them to fill sixteen lanes and more, fewer of many classes. */
static losses_shape shape_of(size_t classes, int images)
{
    if (!images)
        return losses_rows(classes <= 33     ? 19
                           : classes <= 1000 ? 3
                           : classes < 5000  ? 2
                                             : 1,
                           classes);
    if (classes <= 33) return losses_images(2, classes, 21);
    return losses_images(1, classes, classes <= 100 ? 18 : 2);
}

static float *logit(size_t position, size_t class)
{
    const size_t m = at->shape.positions;
    return at->x + (position / m * at->shape.classes + class) * m + position % m;
}

/* The target leads the others, or is behind the greatest of them: by is negative. */
static void lead(float by)
{
    size_t i, c;
    for (i = 0; i < at->labels; i++) {
        const size_t t = (size_t)at->t[i];
        float most = -INFINITY;
        for (c = 0; c < at->shape.classes; c++)
            if (c != t) most = fmaxf(most, *logit(i, c));
        if (at->shape.classes > 1) *logit(i, t) = most + by;
    }
    say(by < 0 ? ", behind by %g" : ", ahead by %g", fabs((double)by));
}

static void weights(void) /* some of them 0, but not all */
{
    size_t c;
    for (c = 0; c < at->shape.classes; c++) at->weight[c] = c % 7 == 3 ? 0 : uniform() * 3 + 0.01f;
    at->options.class_weight = at->weight;
}

static void positive_weights(void)
{
    size_t c;
    for (c = 0; c < at->shape.classes; c++) at->positive[c] = uniform() * 10;
    at->options.positive_weight = at->positive;
}

enum soft { SUM_TO_1, ANY_SUM, WITH_ZEROS, ONE_HOT, SOFT_KINDS };
static const char *const soft_names[] = {"adding up to 1", "of any sum", "with zeros", "one-hot"};

static void probabilities(enum soft kind) /* per position */
{
    const size_t positions = at->shape.samples * at->shape.positions, classes = at->shape.classes;
    size_t i, c;
    for (i = 0; i < positions; i++) {
        float sum = 0;
        for (c = 0; c < classes; c++) {
            float q = uniform();
            if (kind == WITH_ZEROS && below(3) > 0) q = 0;
            if (kind == ONE_HOT) q = c == (size_t)at->t[i];
            at->q[logit(i, c) - at->x] = q;
            sum += q;
        }
        for (c = 0; c < classes && kind == SUM_TO_1; c++) at->q[logit(i, c) - at->x] /= sum;
    }
    at->soft = 1;
    say(", %s", soft_names[kind]);
}

static void soft_masks(void) /* per element; some are 0 and some are 1 */
{
    size_t i;
    for (i = 0; i < logits(); i++) at->q[i] = below(5) > 0 ? uniform() : (float)below(2);
    at->soft = 1;
}

static void ignore(void) /* some, but not all */
{
    size_t i;
    for (i = 0; i < at->labels; i++)
        if (i % 4 == 1) at->t[i] = -100;
    say(", a quarter ignored");
}

/* --- softmax losses --------------------------------------------------------------------------- */

static void ordinary(void)
{
    size_t i;
    int images, wide;
    for (i = 0; i < COUNT(class_counts); i++) {
        for (images = 0; images < 2; images++) {
            for (wide = 0; wide < 2; wide++) {
                begin("cross-entropy, 1 to 50257 classes", CROSS_ENTROPY,
                      shape_of(class_counts[i], images && class_counts[i] < 32000),
                      wide ? 6 : 1.5f);
                run();
            }
        }
    }
}

static void confident(void)
{
    static const size_t counts[] = {2, 3, 10, 17, 33, 100, 1000, 4097};
    size_t i, k;
    int behind;
    for (behind = 0; behind < 2; behind++) {
        for (i = 0; i < COUNT(counts); i++) {
            for (k = 0; k < COUNT(leads); k++) {
                begin(behind ? "... target behind by 10 to 110" : "... target ahead by 10 to 110",
                      CROSS_ENTROPY, shape_of(counts[i], (int)(i + k) % 2), 2);
                lead(behind ? -leads[k] : leads[k]);
                run();
            }
        }
    }
}

static void near_ties(void)
{
    static const size_t counts[] = {2, 3, 10, 32, 33, 100, 1000, 50257};
    static const float levels[] = {0, 1, -12.3f, 80, 10000};
    size_t i, k, j;
    for (i = 0; i < COUNT(counts); i++) {
        for (k = 0; k < COUNT(levels); k++) {
            begin("... near ties", CROSS_ENTROPY, shape_of(counts[i], (int)k % 2 && i < 7), 1);
            for (j = 0; j < logits(); j++)
                at->x[j] = levels[k] + (float)below(3) * (k == 0 ? 1e-7f : levels[k] * 1.2e-7f);
            say(", equal to about an ulp at %g", (double)levels[k]);
            run();
        }
    }
}

static void huge(void)
{
    static const size_t counts[] = {2, 3, 10, 17, 33, 1000};
    static const float sizes[] = {10000, 3e38f};
    size_t i, k, j;
    int kind;
    for (i = 0; i < COUNT(counts); i++) {
        for (k = 0; k < COUNT(sizes); k++) {
            for (kind = 0; kind < 4; kind++) {
                begin("... logits of ±1e4 and ±3e38", CROSS_ENTROPY, shape_of(counts[i], kind % 2),
                      2);
                for (j = 0; j < logits(); j++)
                    if (below(2)) at->x[j] = below(2) ? sizes[k] : -sizes[k];
                say(", ±%g", (double)sizes[k]);
                if (kind == 2) lead(0);
                if (kind == 3) at->options.reduction = LOSSES_NONE;
                run();
            }
        }
    }
}

/* Options, on ordinary logits and on targets that lead or are behind. */
static void options(void)
{
    static const size_t counts[] = {1, 2, 3, 10, 17, 33, 100, 1000, 4097, 50257};
    static const float smoothings[] = {0.001f, 0.1f, 0.5f, 1}, zs[] = {1e-4f, 0.01f, 1};
    static const float ahead[] = {0, 25, -25, 85};
    size_t i, k;
    for (i = 0; i < COUNT(counts); i++) {
        for (k = 0; k < 4; k++) {
            const losses_shape shape = shape_of(counts[i], (int)(i + k) % 2 && counts[i] < 5000);
            begin("... label smoothing", CROSS_ENTROPY, shape, 2);
            if (k > 0) lead(ahead[k]);
            at->options.label_smoothing = smoothings[(i + k) % 4];
            say(", e %g", (double)at->options.label_smoothing);
            run();
            begin("... class weights", CROSS_ENTROPY, shape, 2);
            if (k > 0) lead(ahead[k]);
            weights();
            run();
            begin("... label smoothing and class weights", CROSS_ENTROPY, shape, 2);
            if (k > 0) lead(ahead[k]);
            at->options.label_smoothing = smoothings[(i + k) % 4];
            weights();
            say(", e %g", (double)at->options.label_smoothing);
            run();
            begin("... z-loss", CROSS_ENTROPY, shape, 2);
            if (k > 0) lead(ahead[k]);
            at->options.z_loss = zs[(i + k) % 3];
            say(", z %g", (double)at->options.z_loss);
            run();
        }
    }
    for (i = 0; i < 8; i++) {
        begin("... label smoothing", CROSS_ENTROPY, shape_of(i < 4 ? 3 : 33, (int)i % 2), 2);
        for (k = 0; k < logits(); k++)
            if (below(2)) at->x[k] = (i & 2 ? 3e38f : 1e4f) * (float)((int)below(3) - 1);
        at->options.label_smoothing = 0.1f;
        at->options.reduction = LOSSES_NONE;
        say(", e 0.1, logits of ±%g", i & 2 ? 3e38 : 1e4);
        run();
    }
}

static void probability_targets(void)
{
    static const size_t counts[] = {1, 2, 3, 10, 17, 33, 100, 1000, 50257};
    size_t i, k, option;
    for (i = 0; i < COUNT(counts); i++) {
        for (k = 0; k < SOFT_KINDS; k++) {
            for (option = 0; option < 3 && !(option > 0 && counts[i] > 1000); option++) {
                begin(k == ONE_HOT ? "... one-hot probability targets" : "... probability targets",
                      CROSS_ENTROPY, shape_of(counts[i], (int)(i + k) % 2 && counts[i] < 5000), 2);
                if (option == 1 && k == ONE_HOT) lead(i % 2 ? 40 : -40);
                probabilities((enum soft)k);
                if (option == 1) weights();
                if (option == 2) at->options.label_smoothing = 0.1f;
                say(option == 1 ? ", weights" : option == 2 ? ", e 0.1" : "");
                run();
            }
        }
    }
}

static void focal(void)
{
    static const size_t counts[] = {1, 2, 3, 10, 33, 100, 1000};
    static const float ahead[] = {0, 10, 20, 40, 80, 100, -10, -20, -40, -80};
    size_t i, k, j;
    for (i = 0; i < COUNT(gammas); i++) {
        for (k = 0; k < COUNT(ahead); k++) {
            begin(k == 0  ? "focal, γ 0 to 5"
                  : k < 6 ? "... target ahead by 10 to 100"
                          : "... target behind by 10 to 80",
                  FOCAL, shape_of(counts[(i + k) % COUNT(counts)], (int)(i + k / 2) % 2), 2);
            if (k > 0) lead(ahead[k]);
            at->gamma = gammas[i];
            say(", γ %g", (double)at->gamma);
            run();
        }
        for (k = 0; k < 9; k++) {
            begin("focal, γ 0 to 5", FOCAL, shape_of(counts[(i + k) % 7], (int)(k / 2) % 2), 3);
            at->gamma = gammas[i];
            if (k % 3 != 1) at->options.alpha = 0.35f;
            if (k % 3 != 2) {
                for (j = 0; j < at->shape.classes; j++) at->weight[j] = uniform() + 0.25f;
                at->options.class_alpha = at->weight;
            }
            say(", γ %g%s%s", (double)at->gamma, k % 3 != 1 ? ", α" : "",
                k % 3 != 2 ? ", α per class" : "");
            run();
        }
    }
}

/* --- sigmoid losses and dice ------------------------------------------------------------------ */

/* Logits of many sizes, with some that lead, are behind or vanish */
static void spread(int kind)
{
    size_t i;
    for (i = 0; i < logits(); i++) {
        const float sign = at->x[i] < 0 ? -1 : 1;
        if (kind == 1) at->x[i] = sign * leads[below(COUNT(leads))];
        if (kind == 2) at->x[i] *= 1e-6f;
        if (kind == 3 && below(2)) at->x[i] = sign * (below(2) ? 1e4f : 3e38f);
    }
    if (kind > 0) say(kind == 1 ? ", ±10 to ±110" : kind == 2 ? ", near 0" : ", ±1e4 and ±3e38");
}

static losses_shape planes(size_t i)
{
    const losses_shape shapes[] = {losses_rows(7, 5), losses_images(2, 3, 37), losses_masks(3, 100),
                                   losses_rows(3, 100), losses_images(1, 2, 1000)};
    return shapes[i % COUNT(shapes)];
}

static void sigmoid_losses(void)
{
    size_t i, k, soft;
    for (soft = 0; soft < 2; soft++) {
        for (i = 0; i < 8; i++) {
            for (k = 0; k < 4; k++) {
                begin(soft ? "binary cross-entropy, probabilities" : "binary cross-entropy, masks",
                      BINARY_CROSS_ENTROPY, planes(i + k), i < 4 ? 3 : 20);
                spread((int)k);
                if (soft) soft_masks();
                if (i & 1) weights();
                if (i & 2) positive_weights();
                say("%s%s", i & 1 ? ", weights" : "", i & 2 ? ", positive weights" : "");
                run();
            }
        }
        for (i = 0; i < COUNT(gammas); i++) {
            for (k = 0; k < 8; k++) {
                begin(soft ? "sigmoid focal, probabilities" : "sigmoid focal, masks", SIGMOID_FOCAL,
                      planes(i + k), k < 4 ? 3 : 20);
                spread((int)k % 4);
                if (soft) soft_masks();
                at->gamma = gammas[i];
                at->options.alpha = (i + k) % 3 == 0 ? 0 : (i + k) % 3 == 1 ? 0.7f : -1;
                say(", γ %g, α %g", (double)at->gamma, (double)at->options.alpha);
                run();
            }
        }
    }
}

/* Where errors vary from element to element: many of them */
static void many(void)
{
    static const size_t counts[] = {2, 4, 17, 100};
    size_t i;
    int soft;
    for (i = 0; i < COUNT(gammas); i++) {
        begin("focal, γ 0 to 5", FOCAL, losses_rows(3000, i % 2 ? 2 : 5), 3);
        at->gamma = gammas[i];
        at->options.reduction = LOSSES_NONE;
        say(", γ %g", (double)at->gamma);
        run();
        for (soft = 0; soft < 2; soft++) {
            begin(soft ? "sigmoid focal, probabilities" : "sigmoid focal, masks", SIGMOID_FOCAL,
                  losses_masks(1, 20000), 4);
            if (soft) soft_masks();
            at->gamma = gammas[i];
            at->options.reduction = LOSSES_NONE;
            say(", γ %g", (double)at->gamma);
            run();
        }
    }
    for (soft = 0; soft < 2; soft++) {
        begin(soft ? "binary cross-entropy, probabilities" : "binary cross-entropy, masks",
              BINARY_CROSS_ENTROPY, losses_masks(1, 50000), 4);
        if (soft) soft_masks();
        at->options.reduction = LOSSES_NONE;
        run();
    }
    for (i = 0; i < COUNT(counts); i++) {
        const losses_shape shape = losses_rows(100000 / counts[i], counts[i]);
        begin("... probability targets", CROSS_ENTROPY, shape, 2);
        probabilities(WITH_ZEROS);
        at->options.label_smoothing = 0.1f;
        say(", e 0.1");
        run();
        begin("... one-hot probability targets", CROSS_ENTROPY, shape, 2);
        probabilities(ONE_HOT);
        at->options.label_smoothing = 0.1f;
        say(", e 0.1");
        run();
        begin("... label smoothing and class weights", CROSS_ENTROPY, shape, 2);
        weights();
        at->options.label_smoothing = 0.1f;
        say(", e 0.1");
        run();
        begin("... z-loss", CROSS_ENTROPY, shape, 2);
        at->options.z_loss = 0.01f;
        say(", z 0.01");
        run();
    }
    begin("dice, probabilities", DICE, losses_masks(5, 10000), 3);
    soft_masks();
    run();
}

static void dice(void)
{
    static const float scales[] = {0, 1, 100}, epsilons[] = {0, 1, 1e-3f};
    size_t i, k, j;
    for (k = 0; k < 4; k++) {
        for (i = 0; i < 12; i++) {
            const losses_shape shape = i % 3 == 0   ? losses_images(2, 3, 64 + i)
                                       : i % 3 == 1 ? losses_masks(4, 1 + i * 300)
                                                    : losses_rows(5, 2);
            begin(k == 0   ? "dice, masks"
                  : k == 1 ? "... all pixels right by 10 to 110"
                  : k == 2 ? "... all pixels wrong by 10 to 110"
                           : "dice, probabilities",
                  DICE, shape, i < 6 ? 2 : 8);
            for (j = 0; j < logits() && (k == 1 || k == 2); j++)
                at->x[j] = (at->t[j] == (k == 1) ? 1 : -1) * (leads[i] + uniform());
            if (k == 3) soft_masks();
            at->options.scale = scales[i % 3];
            at->options.eps = epsilons[i / 2 % 3];
            if (k == 1 || k == 2) say(", by %g", (double)leads[i]);
            say(", scale %g, eps %g", (double)at->options.scale, (double)at->options.eps);
            run();
        }
    }
}

/* --- the rest --------------------------------------------------------------------------------- */

static void log_softmax(void)
{
    size_t i, k, j;
    for (i = 0; i < COUNT(class_counts); i++) {
        const size_t classes = class_counts[i];
        float log_classes = 0; /* about */
        for (j = classes; j > 1; j /= 2) log_classes += 0.7f;
        for (k = 0; k < 4; k++) {
            const losses_shape shape = shape_of(classes, (int)(i + k) % 2 && classes < 5000);
            begin("log_softmax", LOG_SOFTMAX, shape, 2);
            if (k > 1) lead(leads[(i + k) % COUNT(leads)]);
            run();
            begin("log_sum_exp", LOG_SUM_EXP, shape, 2);
            if (k > 1) lead(leads[(i + k) % COUNT(leads)]);
            run();
        }
        for (k = 0; k < 2; k++) {
            begin("log_softmax_gradient", LOG_SOFTMAX_GRADIENT,
                  shape_of(classes, k == 1 && classes < 5000), 2);
            for (j = 0; j < logits(); j++) at->q[j] = bell(1);
            for (j = 0; j < logits(); j++) at->x[j] -= 2 + log_classes;
            run();
            begin("nll", NLL, shape_of(classes, k == 1 && classes < 5000), 2);
            for (j = 0; j < logits(); j++) at->x[j] = -fabsf(at->x[j]) - 0.1f;
            if (k == 1) weights();
            say(k == 1 ? ", weights" : "");
            run();
        }
    }
}

static void rows(void)
{
    static const size_t counts[] = {1, 2, 10, 16, 17, 33, 100, 1000, 4097, 50257};
    size_t i, k;
    for (i = 0; i < COUNT(counts); i++) {
        for (k = 0; k < 4; k++) {
            begin("one position: the row functions", k < 2 ? CROSS_ENTROPY : FOCAL,
                  losses_rows(1, counts[i]), 2);
            at->row = 1;
            at->options.reduction = LOSSES_SUM;
            if (k % 2) lead(i % 2 ? 45 : -45);
            at->gamma = k < 2 ? 0 : gammas[i % COUNT(gammas)];
            say(k < 2 ? ", cross-entropy" : ", focal, γ %g", (double)at->gamma);
            run();
        }
        begin("one position: the row functions", DICE, losses_masks(1, counts[i]), 4);
        at->row = 1;
        at->options.reduction = LOSSES_SUM;
        at->options.scale = 1;
        at->options.eps = i % 2 ? 1 : 1e-3f;
        say(", dice, smooth %g", (double)at->options.eps);
        run();
    }
}

static void ignored(void)
{
    static const enum exact_loss losses[] = {CROSS_ENTROPY,        CROSS_ENTROPY, FOCAL, NLL,
                                             BINARY_CROSS_ENTROPY, SIGMOID_FOCAL, DICE};
    static const char *const names[] = {"cross-entropy", "weighted cross-entropy", "focal",
                                        "nll",           "binary cross-entropy",   "sigmoid focal",
                                        "dice"};
    static const size_t counts[] = {2, 10, 33, 100};
    size_t i, k, j;
    for (i = 0; i < COUNT(losses); i++) {
        for (k = 0; k < COUNT(counts); k++) {
            begin("ignored positions", losses[i], shape_of(counts[k], (int)(i + k) % 2), 3);
            if (losses[i] == DICE) at->shape = losses_images(2, 2, counts[k] * 3);
            for (j = 0; j < logits(); j++) at->t[j] = (int32_t)below(2);
            at->labels = per_element() ? logits() : at->shape.samples * at->shape.positions;
            if (losses[i] == NLL)
                for (j = 0; j < logits(); j++) at->x[j] = -fabsf(at->x[j]);
            if (i == 1) weights();
            if (losses[i] == FOCAL || losses[i] == SIGMOID_FOCAL) at->gamma = 2;
            ignore();
            say(", %s", names[i]);
            run();
        }
    }
}

/* As in mixed precision: a gradient may be a normal number where the probability in it is none. */
static void scaled(void)
{
    static const enum exact_loss losses[] = {CROSS_ENTROPY, FOCAL, BINARY_CROSS_ENTROPY,
                                             SIGMOID_FOCAL, DICE};
    static const char *const names[] = {"cross-entropy", "focal", "binary cross-entropy",
                                        "sigmoid focal", "dice"};
    size_t i, k, j;
    for (i = 0; i < COUNT(losses); i++) {
        for (k = 0; k < COUNT(leads); k++) {
            begin("upstream 65536, target ahead by 10 to 110", losses[i],
                  i < 2 ? shape_of(k % 3 == 0   ? 2
                                   : k % 3 == 1 ? 10
                                                : 100,
                                   (int)k % 2)
                        : losses_images(2, 1, 50),
                  2);
            if (i < 2) lead(leads[k]);
            for (j = 0; j < logits() && i >= 2; j++)
                at->x[j] = (at->t[j] ? 1 : -1) * (leads[k] + uniform());
            if (i >= 2) say(", ahead by %g", (double)leads[k]);
            if (losses[i] == FOCAL || losses[i] == SIGMOID_FOCAL)
                at->gamma = gammas[k % COUNT(gammas)];
            if (losses[i] == DICE) at->options.scale = at->options.eps = 1;
            for (j = 0; j < at->labels; j++) at->upstream[j] = 65536;
            at->options.upstream = at->upstream;
            say(", %s", names[i]);
            if (at->gamma > 0) say(", γ %g", (double)at->gamma);
            run();
        }
    }
}

static void millions(void)
{
    static const char *const family = "mean over 10⁶";
    begin(family, CROSS_ENTROPY, losses_rows(1000000, 2), 3);
    at->options.reduction = LOSSES_MEAN;
    run();
    begin(family, CROSS_ENTROPY, losses_images(1, 2, 1000000), 3);
    at->options.reduction = LOSSES_MEAN;
    lead(30);
    run();
    begin(family, FOCAL, losses_rows(1000000, 2), 3);
    at->options.reduction = LOSSES_MEAN;
    at->gamma = 2;
    say(", focal");
    run();
    begin(family, BINARY_CROSS_ENTROPY, losses_images(1, 1, 1000000), 3);
    at->options.reduction = LOSSES_MEAN;
    say(", binary cross-entropy");
    run();
    begin(family, DICE, losses_masks(1, 1000000), 3);
    at->options.reduction = LOSSES_MEAN;
    say(", dice");
    run();
}

/* Equal terms, of which each partial sum may be rounded the same way */
static void equal_terms(void)
{
    size_t i, k;
    for (i = 0; i < 400; i++) {
        begin("one position: equal logits", DICE, losses_masks(1, 9 + i % 9), 2);
        for (k = 0; k < at->shape.positions; k++) {
            at->x[k] = (float)(2100 + 3 * i) / 1024;
            at->t[k] = i % 4 > 0;
        }
        at->row = 1;
        at->options.reduction = LOSSES_SUM;
        at->options.scale = at->options.eps = 1;
        say(", dice, %g", (double)at->x[0]);
        run();
    }
}

/* What searching for the worst has found: terms of a sum that are all rounded the same way, and results that
 * are normal numbers, or nearly, though a step on the way to them would be none */
static void searched(void)
{
    static const float far[] = {88.5f, 91, 94, 97, 100, 103};
    size_t i, k, c;
    for (i = 0; i < 120; i++) {
        const size_t classes = i < 80 ? 9 + i % 40 : 256 + 37 * i;
        begin("found by search: label smoothing", CROSS_ENTROPY, shape_of(classes, i < 80 && i % 2),
              2);
        at->options.reduction = LOSSES_NONE;
        at->options.upstream = NULL;
        at->options.label_smoothing = i % 3 == 0 ? 0.01f : i % 3 == 1 ? 0.1f : 0.5f;
        for (k = 0; k < at->labels; k++) {
            const float others = 8 * uniform() - 4;
            for (c = 0; c < classes; c++) *logit(k, c) = others;
            *logit(k, (size_t)at->t[k]) = others + 30 * uniform();
        }
        if (i % 4 == 3) weights();
        say(", equal logits, e %g", (double)at->options.label_smoothing);
        run();
    }
    for (i = 0; i < 2 * COUNT(far); i++) {
        begin("found by search: weights, far ahead", i % 2 ? FOCAL : CROSS_ENTROPY,
              shape_of(i % 4 < 2 ? 2 : 33, i % 8 < 4), 2);
        at->options.reduction = LOSSES_NONE;
        at->options.upstream = NULL;
        lead(far[i / 2]);
        for (c = 0; c < at->shape.classes; c++) at->weight[c] = (float)(16 << i) * (1 + uniform());
        if (i % 2)
            at->options.class_alpha = at->weight;
        else
            at->options.class_weight = at->weight;
        say(", %s", i % 2 ? "focal, class alpha" : "cross-entropy");
        run();
    }
    for (i = 0; i < 24; i++) {
        begin("found by search: focal, upstream 65536", FOCAL, shape_of(i % 2 ? 2 : 10, i % 4 < 2),
              2);
        at->options.reduction = LOSSES_NONE;
        at->gamma = i % 3 ? 10 : 7.5f;
        lead(4 + 0.25f * (float)i);
        for (k = 0; k < at->labels; k++) at->upstream[k] = 65536;
        at->options.upstream = at->upstream;
        say(", γ %g", (double)at->gamma);
        run();
    }
    for (i = 0; i < 24; i++) {
        begin("found by search: sigmoid focal, 0 and 1", SIGMOID_FOCAL, losses_images(2, 1, 50), 2);
        at->options.reduction = LOSSES_NONE;
        at->gamma = i % 4 == 0 ? 0 : i % 4 == 1 ? 1e-3f : i % 4 == 2 ? 0.01f : 1;
        at->soft = 1;
        for (k = 0; k < logits(); k++) {
            at->q[k] = (float)at->t[k];
            at->x[k] = (at->t[k] ? 1.f : -1.f) * (far[i / 4] + uniform());
        }
        for (k = 0; k < at->labels; k++) at->upstream[k] = 65536;
        at->options.upstream = at->upstream;
        say(", probabilities, ahead by %g, γ %g", (double)far[i / 4], (double)at->gamma);
        run();
    }
    for (i = 0; i < 24; i++) {
        const float weight = i % 4 < 2 ? 16777216 : 0x1p-80f; /* 2^24 to 2^54; 2^-80 */
        begin("found by search: binary cross-entropy, weights", BINARY_CROSS_ENTROPY,
              shape_of(2, i % 8 < 4), 50);
        at->options.reduction = LOSSES_NONE;
        at->options.upstream = NULL;
        at->soft = (int)i % 2;
        for (c = 0; c < at->shape.classes; c++)
            at->weight[c] = i % 4 < 2 ? ldexpf(weight, (int)i * 3 / 2) * (1 + uniform()) : weight;
        at->options.class_weight = at->weight;
        for (k = 0; k < logits(); k++) {
            at->q[k] = (float)at->t[k];
            at->x[k] = (at->t[k] ? 1.f : -1.f) * (104 - 100 * uniform());
        }
        say(", %s", at->soft ? "probabilities" : "masks");
        run();
    }
}

void exact_cases(void)
{
    ordinary();
    confident();
    near_ties();
    huge();
    options();
    probability_targets();
    focal();
    sigmoid_losses();
    dice();
    many();
    log_softmax();
    rows();
    ignored();
    scaled();
    millions();
    equal_terms();
    searched();
}
