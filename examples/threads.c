/* Losses in one's own threads: a pool of them trains a softmax on handwritten digits. Each thread takes some
 * of the samples, with its own options and report; the reports are merged in order. The library itself
 * starts no thread (unless compiled with LOSSES_OPENMP, which does for single large calls what this does). */
#define _POSIX_C_SOURCE 200112L
#define LOSSES_IMPLEMENTATION
#include "losses.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 1797, PIXELS = 64, RECORD = PIXELS + 1, CLASSES = 10, STEPS = 200, MOST = 4 };

static float pixels[SAMPLES][PIXELS], weights[PIXELS][CLASSES];
static int32_t digits[SAMPLES];
static float logits[SAMPLES][CLASSES], grad[SAMPLES][CLASSES];
static losses_report reports[MOST]; /* one for each thread */
static losses_status statuses[MOST];

static void fail(const char *why)
{
    fprintf(stderr, "threads: %s\n", why);
    exit(1);
}

static void load(const char *path)
{
    static unsigned char records[SAMPLES * RECORD];
    FILE *file = fopen(path, "rb");
    size_t i = 0, j;
    int byte;
    if (!file) fail(path);
    while ((byte = getc(file)) != EOF) {
        /* the high half counts zeros, the low half is the value after them, less 1 */
        i += (size_t)byte >> 4;
        if (i >= sizeof records) fail("too much data");
        records[i++] = (unsigned char)((byte & 15) + 1);
    }
    fclose(file);
    if (i != sizeof records) fail("too little data");
    for (i = 0; i < SAMPLES; i++) {
        for (j = 0; j < PIXELS; j++) pixels[i][j] = (float)records[i * RECORD + j] / 16;
        digits[i] = records[i * RECORD + PIXELS] - 1;
    }
}

/* --- what thread k of n does -------------------------------------------------------------------- */
static void samples(size_t k, size_t n)
{
    const size_t first = SAMPLES * k / n, end = SAMPLES * (k + 1) / n;
    losses_options options = {0};
    size_t i, j, c;
    for (i = first; i < end; i++) {
        memset(logits[i], 0, sizeof logits[i]);
        for (j = 0; j < PIXELS; j++)
            for (c = 0; c < CLASSES; c++) logits[i][c] += pixels[i][j] * weights[j][c];
    }
    options.denominator = SAMPLES; /* of the whole batch: a thread cannot know it from its part */
    options.report = &reports[k];
    statuses[k] = losses_cross_entropy(NULL, grad[first], logits[first], losses_i32(digits + first),
                                       losses_rows(end - first, CLASSES), &options);
}

/* A weight is one thread's alone, so that its sum has one order. */
static void descend(size_t k, size_t n)
{
    size_t i, j, c;
    for (j = PIXELS * k / n; j < PIXELS * (k + 1) / n; j++) {
        float sum[CLASSES] = {0};
        for (i = 0; i < SAMPLES; i++)
            for (c = 0; c < CLASSES; c++) sum[c] += pixels[i][j] * grad[i][c];
        for (c = 0; c < CLASSES; c++) weights[j][c] -= 0.5f * sum[c];
    }
}

/* --- the pool ----------------------------------------------------------------------------------- */
static struct pool {
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    void (*work)(size_t k, size_t n); /* NULL: the end */
    size_t threads, round, busy;
} pool = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, 0, 0};

static void *run(void *number)
{
    const size_t k = *(const size_t *)number;
    size_t round = 0;
    for (;;) {
        void (*work)(size_t, size_t);
        pthread_mutex_lock(&pool.lock);
        while (pool.round == round) pthread_cond_wait(&pool.start, &pool.lock);
        round = pool.round;
        work = pool.work;
        pthread_mutex_unlock(&pool.lock);
        if (work != NULL) work(k, pool.threads);
        pthread_mutex_lock(&pool.lock);
        if (--pool.busy == 0) pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
        if (work == NULL) return NULL;
    }
}

static void all(void (*work)(size_t k, size_t n)) /* returns when every thread has done it */
{
    pthread_mutex_lock(&pool.lock);
    pool.work = work;
    pool.busy = pool.threads;
    pool.round++;
    pthread_cond_broadcast(&pool.start);
    while (pool.busy > 0) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

static double train(size_t threads)
{
    pthread_t handles[MOST];
    size_t numbers[MOST], k;
    double loss = 0;
    int step;
    memset(weights, 0, sizeof weights);
    pool.threads = threads;
    pool.round = 0;
    for (k = 0; k < threads; k++) {
        numbers[k] = k;
        if (pthread_create(&handles[k], NULL, run, &numbers[k]) != 0) fail("no thread");
    }
    for (step = 0; step < STEPS; step++) {
        losses_report whole = {0, 0, 0, 0};
        all(samples);
        for (k = 0; k < threads; k++) {
            if (statuses[k] != LOSSES_OK) fail(losses_status_name(statuses[k]));
            losses_partial_report(&whole, &reports[k]);
        }
        loss = whole.sum / (double)whole.counted;
        all(descend);
    }
    all(NULL);
    for (k = 0; k < threads; k++) pthread_join(handles[k], NULL);
    return loss;
}

int main(void)
{
    static float of_one[PIXELS][CLASSES];
    size_t threads, i, c;
    load("data/digits.bin");
    printf("A softmax on %d handwritten digits, %d steps\n\n", SAMPLES, STEPS);
    printf("threads     loss   correct   weights as with one thread\n");
    for (threads = 1; threads <= MOST; threads++) {
        const double loss = train(threads);
        size_t right = 0;
        if (threads == 1) memcpy(of_one, weights, sizeof weights);
        for (i = 0; i < SAMPLES; i++) {
            size_t best = 0;
            for (c = 1; c < CLASSES; c++) best = logits[i][c] > logits[i][best] ? c : best;
            right += best == (size_t)digits[i];
        }
        printf("%7u   %.4f   %5.1f %%   %s\n", (unsigned)threads, loss,
               100.0 * (double)right / SAMPLES,
               memcmp(of_one, weights, sizeof weights) == 0 ? "to the bit" : "NO");
    }
    printf("\n");
    return 0;
}
