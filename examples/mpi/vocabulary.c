/* Tensor parallel: the output matrix of a language model is split over the ranks, and so are the logits. Each
 * rank folds its classes into one state for each row; one all-reduce of these states, with
 * losses_partial_merge as its operation, gives every rank what it needs for the loss and for the gradient of
 * its own logits. What goes over the wire depends on the rows and not on the classes. */
#include "ranks.h"

enum { ROWS = 64, CLASSES = 50257 };

static int32_t labels[ROWS];
static float weights[CLASSES];
static losses_partial *states;
static MPI_Datatype state_type;
static MPI_Op merge_states;

static void merge(void *others, void *into, int *count, MPI_Datatype *type)
{
    (void)type;
    check(losses_partial_merge(into, others, (size_t)*count));
}

/* In a program these are a product with the rank's part of the output matrix. */
static void make_logits(float *logits, size_t first, size_t classes)
{
    size_t i, j;
    for (i = 0; i < ROWS; i++) {
        for (j = 0; j < classes; j++) {
            const int right = first + j == (size_t)labels[i];
            logits[i * classes + j] = 2 * noise(i * CLASSES + first + j) + (right ? 9 : 0);
        }
    }
}

/* The loss of all rows; the logits of this rank's classes become their gradient. */
static float split(float *logits, losses_shape shape, losses_block block, float gamma,
                   const losses_options *options)
{
    const losses_targets targets = losses_i32(labels);
    float loss;
    memset(states, 0, ROWS * sizeof *states);
    check(losses_partial_fold(states, logits, targets, shape, block, gamma, options));
    MPI_Allreduce(MPI_IN_PLACE, states, ROWS, state_type, merge_states, MPI_COMM_WORLD);
    check(losses_partial_finish(&loss, states, targets, shape, block, gamma, options));
    check(losses_partial_gradient(logits, states, logits, targets, shape, block, gamma, options));
    return loss;
}

/* The same by one process. */
static float together(float *logits, float gamma, const losses_options *options)
{
    const losses_targets targets = losses_i32(labels);
    const losses_shape shape = losses_rows(ROWS, CLASSES);
    float loss;
    if (gamma > 0)
        check(losses_focal(&loss, logits, logits, targets, shape, gamma, options));
    else
        check(losses_cross_entropy(&loss, logits, logits, targets, shape, options));
    return loss;
}

/* The exact gradient and, as its terms cancel, the largest term of each element; see losses_cross_entropy. The
 * gradient of the float call is within a bound of the exact one, too, but may err to the other side. */
static void find_exact(float *grad, float *largest, const losses_options *o)
{
    const double e = (double)o->label_smoothing;
    double *x = take(ROWS * CLASSES, sizeof *x), *g = take(ROWS * CLASSES, sizeof *g), loss;
    double all = 0;
    float lse[ROWS];
    losses_report report;
    losses_options exact = *o;
    size_t i, j;
    exact.log_sum_exp = lse;
    exact.report = &report;
    make_logits(grad, 0, CLASSES);
    for (i = 0; i < ROWS * CLASSES; i++) x[i] = (double)grad[i];
    check(losses_reference_cross_entropy(&loss, g, x, losses_i32(labels),
                                         losses_rows(ROWS, CLASSES), &exact));
    for (j = 0; j < CLASSES; j++) all += (double)weights[j];
    for (i = 0; i < ROWS; i++) {
        const double w_t = labels[i] < 0 ? 0 : (1 - e) * (double)weights[labels[i]];
        for (j = 0; j < CLASSES; j++) {
            const size_t at = i * CLASSES + j;
            const double p = exp(x[at] - (double)lse[i]);
            double term = fmax((w_t + e / CLASSES * all) * p, e / CLASSES * (double)weights[j]);
            if (j == (size_t)labels[i]) term = fmax(term, w_t);
            term = fmax(term, 2 * (double)o->z_loss * (double)lse[i] * p);
            largest[at] = (float)(term / report.denominator);
            grad[at] = (float)g[at];
        }
    }
    free(x);
    free(g);
}

int main(int count, char **arguments)
{
    static const char *const names[] = {"cross-entropy", "focal, gamma 2",
                                        "smoothing, class weights, z-loss"};
    float *logits, *whole = NULL, *largest = NULL;
    size_t first, classes, i;
    int way;
    start(&count, &arguments);
    first = first_of(rank, CLASSES);
    classes = first_of(rank + 1, CLASSES) - first;
    state_type = bytes(sizeof *states);
    merge_states = operation(merge);
    logits = hold(ROWS * classes, sizeof *logits);
    states = hold(ROWS, sizeof *states);
    held += sizeof weights;
    for (i = 0; i < CLASSES; i++) weights[i] = 1.5f + noise(i) / 3;
    for (i = 0; i < ROWS; i++) labels[i] = i % 10 == 3 ? -100 : (int32_t)(i * 7919 % CLASSES);
    if (rank == 0) {
        printf("Vocabulary: %d classes over %d rank%s, %d rows\n", CLASSES, ranks,
               ranks > 1 ? "s" : "", ROWS);
        whole = take(ROWS * CLASSES, sizeof *whole);
        largest = take(ROWS * CLASSES, sizeof *largest);
    }
    for (way = 0; way < 3; way++) {
        const float gamma = way == 1 ? 2 : 0;
        const losses_block block = {first, CLASSES};
        losses_options options = {0};
        part mine = {ROWS, classes, first, 0};
        float loss = 0;
        if (way == 2) {
            options.label_smoothing = 0.1f;
            options.class_weight = weights;
            options.z_loss = 1e-4f;
        }
        make_logits(logits, first, classes);
        handed = 0;
        mine.loss = split(logits, losses_rows(ROWS, classes), block, gamma, &options);
        if (rank == 0) {
            make_logits(whole, 0, CLASSES);
            loss = together(whole, gamma, &options);
            if (way == 2) find_exact(whole, largest, &options);
        }
        compare(names[way], mine, logits, loss, whole, CLASSES, way == 2 ? largest : NULL);
    }
    return finish("classes", first, first + classes,
                  (size_t)ROWS * CLASSES * sizeof *logits + sizeof weights, ROWS * sizeof *states);
}
