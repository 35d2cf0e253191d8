/* What the three programs share: they count the bytes that are handed to MPI and those that are held, and
 * rank 0 compares all that came out with a call of one process that has everything. */
#ifndef RANKS_H
#define RANKS_H
#include "losses.h"
#include <float.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, ranks;
static size_t handed;      /* bytes of the losses' all-reduces, since it was last set to 0 */
static size_t held;        /* bytes of the arrays that the losses need on this rank */
static int passed, failed; /* on rank 0 */

/* MPI's profiling interface: this stands in for the MPI_Allreduce of the programs, which is all that their
 * losses send. It counts what a rank hands over; what travels is that once, or about once for each doubling
 * of the ranks, as MPI sees fit. The comparisons use other calls and are not counted. */
int MPI_Allreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op,
                  MPI_Comm ranks_of)
{
    int size;
    MPI_Type_size(type, &size);
    handed += (size_t)count * (size_t)size;
    return PMPI_Allreduce(from, to, count, type, op, ranks_of);
}

static void fail(const char *why)
{
    fprintf(stderr, "rank %d: %s\n", rank, why);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

static void check(losses_status status)
{
    if (status != LOSSES_OK) fail(losses_status_name(status));
}

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory) fail("no memory");
    return memory;
}

static void *hold(size_t count, size_t size)
{
    held += count * size;
    return take(count, size);
}

static void start(int *count, char ***arguments)
{
    MPI_Init(count, arguments);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
}

/* The first of a rank's rows, classes or lines, of so many; that of the next rank is where they end. */
static size_t first_of(int which, size_t all) { return all * (size_t)which / (size_t)ranks; }

/* One state as MPI's datatype: its bytes. */
static MPI_Datatype bytes(size_t size)
{
    MPI_Datatype type;
    MPI_Type_contiguous((int)size, MPI_BYTE, &type);
    MPI_Type_commit(&type);
    return type;
}

/* The order of the ranks makes a difference to the roundings only, so MPI may choose it: commute = 1. */
static MPI_Op operation(MPI_User_function *merge)
{
    MPI_Op op;
    MPI_Op_create(merge, 1, &op);
    return op;
}

/* In [-3, 3], the same number for the same place on every rank. */
static inline float noise(size_t place)
{
    uint32_t h = (uint32_t)place * 2654435761u + 12345u;
    h = (h ^ h >> 15) * 2246822519u;
    h = (h ^ h >> 13) * 3266489917u;
    h ^= h >> 16;
    return ((float)(h >> 21) + (float)(h >> 10 & 2047) + (float)(h & 1023) * 2) * (6.f / 6141) - 3;
}

static double ulps(float got, float want)
{
    const float size = fabsf(want) < FLT_MIN ? FLT_MIN : fabsf(want);
    const double ulp = ldexp(1, ilogbf(size) - 23);
    if (got == want || (got != got && want != want)) return 0;
    return fabs((double)got - (double)want) / ulp;
}

static double worse(double a, double b) { return b > a || b != b ? b : a; } /* or NaN */

static void count_check(int good, const char *what)
{
    if (good) {
        passed++;
    } else {
        failed++;
        printf("FAILED: %s with %d ranks\n", what, ranks);
    }
}

/* A rank's part of a gradient: so many rows of so many numbers, the first of which is number `first` of the
 * whole; and the loss of the whole, which every rank has. */
typedef struct part {
    size_t rows, width, first;
    float loss;
} part;

/* Loss and gradient of all ranks against those of one process (of rank 0), with rows of `stride` numbers.
 * largest: where terms of the gradient cancel, the largest of each element's, otherwise NULL. */
static void compare(const char *name, part mine, const float *grad, float loss, const float *whole,
                    size_t stride, const float *largest)
{
    const double most = largest ? 4 : 32;
    double of_loss = 0, of_grad = 0;
    int from;
    size_t i, j;
    if (rank > 0) {
        MPI_Send(&mine, (int)sizeof mine, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
        MPI_Send(grad, (int)(mine.rows * mine.width), MPI_FLOAT, 0, 0, MPI_COMM_WORLD);
        return;
    }
    for (from = 0; from < ranks; from++) {
        part p = mine;
        float *theirs = NULL;
        if (from > 0) {
            MPI_Recv(&p, (int)sizeof p, MPI_BYTE, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            theirs = take(p.rows * p.width, sizeof *theirs);
            MPI_Recv(theirs, (int)(p.rows * p.width), MPI_FLOAT, from, 0, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        }
        of_loss = worse(of_loss, ulps(p.loss, loss));
        for (i = 0; i < p.rows; i++) {
            for (j = 0; j < p.width; j++) {
                const size_t at = p.first + i * stride + j;
                const float got = (theirs ? theirs : grad)[i * p.width + j];
                double off = ulps(got, whole[at]);
                if (largest) { /* 32 ulp or 4 * 2^-24 of the largest term */
                    const double far = fabs((double)got - (double)whole[at]) * 16777216;
                    off = fmin(off / 8, far / (double)largest[at]);
                }
                of_grad = worse(of_grad, off);
            }
        }
        free(theirs);
    }
    printf("  %-36s loss %.7f, off by %.0f of 4 ulp; gradient by %.1f of %.0f%s\n", name,
           (double)mine.loss, of_loss, of_grad, most, largest ? " * 2^-24" : " ulp");
    count_check(of_loss <= 4, name);
    count_check(of_grad <= most, name);
}

/* What each rank holds and sends; nothing that is sent may be larger than `most`. Ends the program. */
static int finish(const char *what, size_t first, size_t end, size_t whole, size_t most)
{
    size_t mine[4], *all = take((size_t)ranks, sizeof mine);
    int i;
    mine[0] = first;
    mine[1] = end;
    mine[2] = held;
    mine[3] = handed;
    MPI_Gather(mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("  rank   %-14s   held on it   handed to MPI for a loss\n", what);
        for (i = 0; i < ranks; i++) {
            const size_t *r = all + 4 * i;
            printf("  %4d   %5u .. %5u   %7.0f kB   %6u bytes\n", i, (unsigned)r[0],
                   (unsigned)r[1] - 1, (double)r[2] / 1e3, (unsigned)r[3]);
            count_check(r[3] <= most, "bytes handed to MPI");
        }
        printf("  one process holds %.0f kB\n", (double)whole / 1e3);
        printf("%d passed, %d failed\n", passed, failed);
    }
    free(all);
    MPI_Bcast(&failed, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return failed > 0;
}
#endif
