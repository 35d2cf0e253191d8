/* Writes, as a header for learn.c, the digits network's first layer and the digits. Usage: export FILE
 * Trains the network on this machine, with the functions of ../digits.c, and rounds that layer to 8 bits. */
#define main main_of_digits
#include "../digits.c"
#undef main

static void write_weights(FILE *file, const float *weight, float scale)
{
    size_t j;
    fprintf(file, "{");
    for (j = 0; j < HIDDEN; j++) fprintf(file, "%ld,", lroundf(weight[j] * scale));
    fprintf(file, "}");
}

int main(int argc, char **argv)
{
    static model m = {.name = "digits network", .call = plain, .outputs = 10};
    FILE *file;
    float largest = 0;
    size_t i, j;
    load("data/digits.bin");
    train(&m, digits);
    for (i = W1; i < W2; i++) largest = fmaxf(largest, fabsf(m.weights[i]));

    file = argc == 2 ? fopen(argv[1], "w") : NULL;
    if (!file) fail("cannot write the header");
    fprintf(file, "/* made by export.c */\n");
    fprintf(file, "enum { SAMPLES = %d, TRAIN = %d, PIXELS = %d, HIDDEN = %d };\n", SAMPLES, TRAIN,
            PIXELS, HIDDEN);
    fprintf(file, "#define WEIGHT_UNIT %.9gf\n", (double)(largest / 127));
    fprintf(file, "static const int8_t weights[PIXELS][HIDDEN] = {\n");
    for (i = 0; i < PIXELS; i++) {
        write_weights(file, m.weights + W1 + i * HIDDEN, 127 / largest);
        fprintf(file, ",\n");
    }
    fprintf(file, "};\nstatic const int8_t biases[HIDDEN] = ");
    write_weights(file, m.weights + B1, 127 / largest);
    fprintf(file, ";\n/* 64 pixels of 0..16 and the digit; those from TRAIN on are held out */\n"
                  "static const uint8_t digits[SAMPLES][PIXELS + 1] = {\n");
    for (i = 0; i < SAMPLES; i++) {
        fprintf(file, "{");
        for (j = 0; j < PIXELS; j++) fprintf(file, "%d,", (int)(pixels[i][j] * 16));
        fprintf(file, "%d},\n", (int)digits[i]);
    }
    fprintf(file, "};\n");
    if (fclose(file) != 0) fail("cannot write the header");
    return 0;
}
