/* Dice over tiles: a photograph of coins is split into bands of lines, one for each rank, which reads no other.
 * The dice of a mask divides sums over all of it, so that no band has a loss of its own; the sums of the bands,
 * merged, give the loss and the gradient of the whole. Three masks here: what is brighter than a threshold. */
#include "ranks.h"

enum { WIDTH = 384, HEIGHT = 303, MASKS = 3, UNSURE = 255 };

static const float threshold[MASKS] = {80, 110, 140};

static void merge(void *others, void *into, int *count, MPI_Datatype *type)
{
    (void)type;
    check(losses_partial_dice_merge(into, others, (size_t)*count));
}

/* So many bytes of a picture, from that number on after its heading of so many lines. */
static void read_part(const char *path, int heading, size_t first, unsigned char *to, size_t count)
{
    FILE *file = fopen(path, "rb");
    int c;
    if (!file) fail(path);
    while (heading > 0 && (c = getc(file)) != EOF) heading -= c == '\n';
    if (fseek(file, (long)first, SEEK_CUR) != 0 || fread(to, 1, count, file) != count) fail(path);
    fclose(file);
}

/* Logits and truth of some lines: [MASKS][lines * WIDTH]. Nobody is sure about the edges of the coins. */
static void make_band(float *logits, uint8_t *truth, size_t first, size_t lines)
{
    const size_t pixels = lines * WIDTH;
    unsigned char *photo = take(pixels, 1), *coins = take(pixels / 8, 1);
    size_t i, k;
    read_part("data/coins.pgm", 3, first * WIDTH, photo, pixels);
    read_part("data/coins_mask.pbm", 2, first * WIDTH / 8, coins, pixels / 8);
    for (i = 0; i < pixels; i++) { /* eight pixels in a byte, the first in its highest bit */
        const int coin = coins[i / 8] >> (7 - i % 8) & 1;
        const int left = i % WIDTH > 0 ? coins[(i - 1) / 8] >> (7 - (i - 1) % 8) & 1 : coin;
        for (k = 0; k < MASKS; k++) {
            truth[k * pixels + i] = (uint8_t)(coin == left ? coin : UNSURE);
            logits[k * pixels + i] = ((float)photo[i] - threshold[k]) / 8;
        }
    }
    free(photo);
    free(coins);
}

int main(int count, char **arguments)
{
    const size_t all = WIDTH * HEIGHT;
    float *logits, *whole = NULL, loss = 0, each[MASKS];
    uint8_t *truth, *whole_truth;
    losses_partial_mask *states;
    losses_options options = {0};
    losses_shape shape;
    losses_targets targets;
    size_t first, lines, k;
    MPI_Datatype state_type;
    part mine = {0};
    start(&count, &arguments);
    first = first_of(rank, HEIGHT);
    lines = first_of(rank + 1, HEIGHT) - first;
    options.has_ignore_index = 1;
    options.ignore_index = UNSURE;
    shape = losses_masks(MASKS, lines * WIDTH);
    logits = hold(MASKS * lines * WIDTH, sizeof *logits);
    truth = hold(MASKS * lines * WIDTH, sizeof *truth);
    states = hold(MASKS, sizeof *states);
    state_type = bytes(sizeof *states);
    make_band(logits, truth, first, lines);
    targets = losses_u8(truth);

    check(losses_partial_dice_fold(states, logits, targets, shape, &options));
    MPI_Allreduce(MPI_IN_PLACE, states, MASKS, state_type, operation(merge), MPI_COMM_WORLD);
    check(losses_partial_dice(&mine.loss, states, MASKS, &options));
    check(losses_partial_dice_gradient(logits, states, logits, targets, shape, &options));

    if (rank == 0) {
        printf("Tiles: a photograph of %d lines over %d rank%s, %d masks\n", HEIGHT, ranks,
               ranks > 1 ? "s" : "", MASKS);
        options.reduction = LOSSES_NONE;
        check(losses_partial_dice(each, states, MASKS, &options));
        for (k = 0; k < MASKS; k++)
            printf("  brighter than %3.0f: dice loss %.4f\n", (double)threshold[k],
                   (double)each[k]);
        options.reduction = LOSSES_MEAN;
        whole = take(MASKS * all, sizeof *whole);
        whole_truth = take(MASKS * all, sizeof *whole_truth);
        make_band(whole, whole_truth, 0, HEIGHT);
        check(losses_dice(&loss, whole, whole, losses_u8(whole_truth), losses_masks(MASKS, all),
                          &options));
    }
    mine.rows = MASKS;
    mine.width = lines * WIDTH;
    mine.first = first * WIDTH;
    compare("dice, mean of the masks", mine, logits, loss, whole, all, NULL);
    return finish("lines", first, first + lines, MASKS * all * (sizeof *logits + sizeof *truth),
                  MASKS * sizeof *states);
}
