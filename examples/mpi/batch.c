/* Data parallel: each rank has some rows of a batch, and many of the labels are to be ignored. The mean over
 * all rows is not the mean of the ranks' means: the ranks first add up what they will divide by, 8 bytes, and
 * give that as the denominator, so that each writes its rows' gradient of the one mean. The reports, merged,
 * are those of the whole batch. */
#include "ranks.h"

enum { ROWS = 250, CLASSES = 1000 };

static float weights[CLASSES];

static void add(void *others, void *into, int *count, MPI_Datatype *type)
{
    const losses_report *from = others;
    losses_report *to = into;
    int i;
    (void)type;
    for (i = 0; i < *count; i++) check(losses_partial_report(to + i, from + i));
}

static void make_rows(float *logits, int32_t *labels, size_t first, size_t rows)
{
    size_t i, j;
    for (i = 0; i < rows; i++) {
        const size_t row = first + i;
        /* more of them where the batch begins, and none that counts among the first 70 */
        labels[i] = row < 70 || row % 7 == 2 ? -100 : (int32_t)(row * 7919 % CLASSES);
        for (j = 0; j < CLASSES; j++) {
            const int right = j == (size_t)labels[i];
            logits[i * CLASSES + j] = 2 * noise(row * CLASSES + j) + (right ? (float)row / 30 : 0);
        }
    }
}

/* The mean over the rows of all ranks; the logits of this one's rows become their gradient. */
static float mean(float *logits, const int32_t *labels, size_t rows, const float *class_weight,
                  MPI_Datatype report_type, MPI_Op add_reports, losses_report *report)
{
    losses_options options = {0};
    double denominator = 0;
    float share;
    size_t i;
    for (i = 0; i < rows; i++) {
        if (labels[i] == -100) continue;
        denominator += class_weight ? (double)class_weight[labels[i]] : 1;
    }
    MPI_Allreduce(MPI_IN_PLACE, &denominator, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    options.denominator = denominator; /* 0, where nothing counts: the mean is 0 */
    options.class_weight = class_weight;
    options.report = report;
    check(losses_cross_entropy(&share, logits, logits, losses_i32(labels),
                               losses_rows(rows, CLASSES), &options));
    MPI_Allreduce(MPI_IN_PLACE, report, 1, report_type, add_reports, MPI_COMM_WORLD);
    return denominator > 0 ? (float)(report->sum / denominator) : 0;
}

int main(int count, char **arguments)
{
    float *logits, *whole = NULL, own = 0, of_means = 0;
    int32_t *labels, *all_labels = NULL;
    size_t first, rows, i;
    int weighted;
    MPI_Datatype report_type;
    MPI_Op add_reports;
    start(&count, &arguments);
    first = first_of(rank, ROWS);
    rows = first_of(rank + 1, ROWS) - first;
    report_type = bytes(sizeof(losses_report));
    add_reports = operation(add);
    logits = hold(rows * CLASSES, sizeof *logits);
    labels = hold(rows, sizeof *labels);
    for (i = 0; i < CLASSES; i++) weights[i] = 1.5f + noise(i) / 3;
    held += sizeof weights;
    if (rank == 0) {
        printf("Batch: %d rows over %d rank%s, %d classes\n", ROWS, ranks, ranks > 1 ? "s" : "",
               CLASSES);
        whole = take((size_t)ROWS * CLASSES, sizeof *whole);
        all_labels = take(ROWS, sizeof *all_labels);
    }
    for (weighted = 0; weighted < 2; weighted++) {
        const char *const name = weighted ? "cross-entropy, class weights" : "cross-entropy";
        losses_options options = {0};
        losses_report report = {0}, of_whole;
        part mine = {0};
        float loss = 0;
        mine.rows = 1;
        mine.width = rows * CLASSES;
        mine.first = first * CLASSES;
        options.class_weight = weighted ? weights : NULL;
        make_rows(logits, labels, first, rows);
        check(losses_cross_entropy(&own, NULL, logits, losses_i32(labels),
                                   losses_rows(rows, CLASSES), &options));
        MPI_Reduce(&own, &of_means, 1, MPI_FLOAT, MPI_SUM, 0, MPI_COMM_WORLD);
        handed = 0;
        mine.loss =
            mean(logits, labels, rows, options.class_weight, report_type, add_reports, &report);
        if (rank == 0) {
            make_rows(whole, all_labels, 0, ROWS);
            options.report = &of_whole;
            check(losses_cross_entropy(&loss, whole, whole, losses_i32(all_labels),
                                       losses_rows(ROWS, CLASSES), &options));
            count_check(report.counted == of_whole.counted, "rows counted");
        }
        compare(name, mine, logits, loss, whole, 0, NULL);
        if (rank == 0)
            printf("    %u rows counted; the mean of the ranks' own means would be %.4f\n",
                   (unsigned)report.counted, (double)of_means / ranks);
    }
    return finish("rows", first, first + rows,
                  (size_t)ROWS * (CLASSES * sizeof *logits + sizeof *labels) + sizeof weights,
                  sizeof(double) + sizeof(losses_report));
}
