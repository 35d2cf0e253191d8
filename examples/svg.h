/* Line charts as SVG, side by side in one file. The vertical axis is logarithmic. */
#ifndef SVG_H
#define SVG_H
#include <math.h>
#include <stdio.h>

typedef struct svg_curve {
    const char *name; /* NULL: not in the legend */
    const char *colour;
    int dashed;
    const float *values; /* one for each step, all > 0 */
} svg_curve;

static FILE *svg_open(const char *path, int charts)
{
    FILE *file = fopen(path, "w");
    if (!file) return NULL;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"380\" "
            "font-family=\"sans-serif\" font-size=\"13\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            charts * 520);
    return file;
}

static void svg_text(FILE *file, double x, double y, const char *anchor, const char *text)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text);
}

static void svg_line(FILE *file, double x0, double y0, double x1, double y1, const char *style)
{
    fprintf(file, "<path d=\"M%.1f %.1fL%.1f %.1f\" %s/>\n", x0, y0, x1, y1, style);
}

/* place: 0, 1, ... from the left. The horizontal axis runs from step 1 to the last one. */
static void svg_chart(FILE *file, int place, const char *title, const char *horizontal, int steps,
                      const svg_curve *curves, int count)
{
    const double left = 520 * place + 65, right = left + 435, top = 45, bottom = 325;
    double low = 1e30, high = 0, height, width;
    int curve, i, power, apart = 1, legend = 0;
    char text[64];

    for (curve = 0; curve < count; curve++) {
        for (i = 0; i < steps; i++) {
            low = fmin(low, (double)curves[curve].values[i]);
            high = fmax(high, (double)curves[curve].values[i]);
        }
    }
    low = log10(low / 1.1);
    height = (bottom - top) / (log10(high * 1.1) - low); /* of a factor of 10 */
    width = (right - left) / (steps - 1);                /* of a step */

    svg_text(file, left, top - 16, "start", title);
    for (power = -9; power < 9; power++) {
        for (i = 1; i <= 5; i += 2 * i - 1) { /* 1, 2, 5 */
            const double value = i * pow(10, power), y = bottom - height * (log10(value) - low);
            if (y < top || y > bottom) continue;
            svg_line(file, left, y, right, y, "stroke=\"#ddd\"");
            snprintf(text, sizeof text, "%g", value);
            svg_text(file, left - 8, y + 4, "end", text);
        }
    }
    while (apart * 8 < steps) apart *= 10;
    if (apart * 2 > steps) apart /= 5;
    for (i = apart; i <= steps; i += apart) {
        const double x = left + width * (i - 1);
        svg_line(file, x, bottom, x, bottom + 5, "stroke=\"black\"");
        snprintf(text, sizeof text, "%d", i);
        svg_text(file, x, bottom + 20, "middle", text);
    }
    svg_line(file, left, top, left, bottom, "stroke=\"black\"");
    svg_line(file, left, bottom, right, bottom, "stroke=\"black\"");
    svg_text(file, (left + right) / 2, bottom + 40, "middle", horizontal);

    for (curve = 0; curve < count; curve++) {
        const svg_curve *c = &curves[curve];
        snprintf(text, sizeof text, "stroke=\"%s\" stroke-width=\"1.8\"%s", c->colour,
                 c->dashed ? " stroke-dasharray=\"5 4\"" : "");
        fprintf(file, "<path fill=\"none\" %s d=\"", text);
        for (i = 0; i < steps; i++) {
            fprintf(file, "%c%.1f %.1f", i ? 'L' : 'M', left + width * i,
                    bottom - height * (log10((double)c->values[i]) - low));
        }
        fprintf(file, "\"/>\n");
        if (!c->name) continue;
        legend += 19;
        svg_line(file, right - 190, top + legend - 4, right - 160, top + legend - 4, text);
        svg_text(file, right - 152, top + legend, "start", c->name);
    }
}

static int svg_close(FILE *file) /* 0 if everything was written */
{
    const int failed = fprintf(file, "</svg>\n") < 0 || ferror(file);
    return fclose(file) != 0 || failed;
}
#endif
