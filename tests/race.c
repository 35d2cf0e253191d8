/* First calls that race: threads that find the instruction set, choose others and compute, for
 * ThreadSanitizer. The results are those of one thread. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#define LOSSI_TEST
#define LOSSES_STATIC
#define LOSSES_IMPLEMENTATION
#include "../losses.h"

enum { THREADS = 8, ROUNDS = 200, SAMPLES = 17, CLASSES = 9 };

static float logits[SAMPLES * CLASSES], grads[THREADS][SAMPLES * CLASSES];
static uint8_t labels[SAMPLES];
static float losses[THREADS];

static losses_status work(float *loss, float *grad)
{
    return losses_cross_entropy(loss, grad, logits, losses_u8(labels),
                                losses_rows(SAMPLES, CLASSES), NULL);
}

static void *first_call(void *number)
{
    const size_t i = *(const size_t *)number;
    work(&losses[i], grads[i]);
    return NULL;
}

static void *choose_and_call(void *number)
{
    static const char *const sets[] = {"avx512", "avx2", NULL};
    const size_t i = *(const size_t *)number;
    size_t k;
    for (k = 0; k < ROUNDS; k++) {
        if (i % 2) losses_use_isa(sets[k % 3]); /* one class: the same bits */
        if (*losses_isa() == 0) return NULL;
        work(&losses[i], grads[i]);
    }
    return NULL;
}

static unsigned long passed, failed;

static void check(int held, const char *what)
{
    if (held) {
        passed++;
    } else {
        failed++;
        printf("FAILED: %s\n", what);
    }
}

static void race(void *(*run)(void *), const char *what)
{
    pthread_t threads[THREADS];
    size_t numbers[THREADS], i;
    int started = 1;
    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        started &= pthread_create(&threads[i], NULL, run, &numbers[i]) == 0;
    }
    for (i = 0; i < THREADS && started; i++) pthread_join(threads[i], NULL);
    check(started, what);
    for (i = 1; i < THREADS; i++) {
        check(memcmp(grads[0], grads[i], sizeof grads[0]) == 0, what);
        check(memcmp(&losses[0], &losses[i], sizeof losses[0]) == 0, what);
    }
}

int main(void)
{
    float grad[SAMPLES * CLASSES], loss;
    size_t i;
    for (i = 0; i < SAMPLES * CLASSES; i++) logits[i] = (float)(i * 7 % 23) / 4;
    for (i = 0; i < SAMPLES; i++) labels[i] = (uint8_t)(i * 5 % CLASSES);
    race(first_call, "first calls at once");
    check(work(&loss, grad) == LOSSES_OK, "a call alone");
    check(memcmp(grad, grads[0], sizeof grad) == 0 && memcmp(&loss, &losses[0], sizeof loss) == 0,
          "the same bits alone");
    race(choose_and_call, "calls beside losses_use_isa");
    printf("%lu passed, %lu failed\n", passed, failed);
    return failed != 0;
}
