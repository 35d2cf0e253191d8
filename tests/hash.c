/* The same bits on every CPU: makes some 850 calls with inputs that are the same everywhere and prints for
 * each instruction set
 *     SET CLASS NORMAL ALL
 * with a hash of the bits of the results: ALL of them, and of the calls without a denormal number, an
 * infinity or NaN on the way, which NEON of ARMv7 and -ffast-math take for something else. Builds of one
 * class must agree:
 *     1  a fused multiply-add     2  none     3  LOSSES_NO_SIMD     4  and LOSSES_NO_DOUBLE
 * and a second line, with 5, 6 and 7 for 1, 2 and 3, for partial results.
 * Before that, indented, a hash for each call, to find the one that differs. Within a build it checks that
 * a call has the same bits value only, gradient only, in place, at other alignments, with other types of
 * targets, and sample by sample or position by position; returns 1 if not. */
#ifdef __FAST_MATH__ /* then only the calls of NORMAL */
#define HASH_FINITE 1
#else
#define HASH_FINITE 0
#endif
#define LOSSES_NO_REFERENCE
#define LOSSES_STATIC
#define LOSSES_IMPLEMENTATION
#include "../losses.h"
#include "foreign.h"

#define ROOM  6000 /* elements of the largest call, with its padding */
#define SLACK 64   /* for arrays that are shifted */

static uint32_t seed;

static uint32_t draw(uint32_t below) /* 0 .. below - 1; Marsaglia's xorshift */
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static float from_bits(uint32_t bits)
{
    union {
        uint32_t u;
        float f;
    } both;
    both.u = bits;
    return both.f;
}

static uint32_t to_bits(float value) /* any NaN counts as the same */
{
    union {
        uint32_t u;
        float f;
    } both;
    both.f = value;
    return (both.u & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : both.u;
}

/* 2^low <= x < 2^(high + 1) */
static float draw_float(int low, int high)
{
    const uint32_t exponent = (uint32_t)(low + 127) + draw((uint32_t)(high - low + 1));
    return from_bits(exponent << 23 | draw(1u << 23));
}

static float draw_signed(int low, int high)
{
    const uint32_t sign = draw(2) << 31;
    return from_bits(to_bits(draw_float(low, high)) | sign);
}

/* --- hashes: FNV-1a, of numbers and not of memory, so that the order of bytes does not matter ---------- */
typedef uint64_t hash;

static void hash_32(hash *h, uint32_t u)
{
    int i;
    for (i = 0; i < 32; i += 8) *h = (*h ^ (u >> i & 255)) * 0x100000001b3u;
}

static void hash_64(hash *h, uint64_t u)
{
    hash_32(h, (uint32_t)u);
    hash_32(h, (uint32_t)(u >> 32));
}

static void hash_wide(hash *h, losses_wide value)
{
#ifdef LOSSES_NO_DOUBLE
    hash_32(h, to_bits(value));
#else
    union {
        uint64_t u;
        double d;
    } both;
    both.d = value;
    hash_64(h, (both.u & 0x7fffffffffffffffu) > 0x7ff0000000000000u ? 0x7ff8000000000000u : both.u);
#endif
}

static void hash_floats(hash *h, const float *values, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) hash_32(h, to_bits(values[i]));
}

static const hash hash_start = 0xcbf29ce484222325u;

/* --- output --------------------------------------------------------------------------------------- */
static char line[160];
static size_t line_size;

static void put(const char *text)
{
    while (*text != 0 && line_size < sizeof line - 1) line[line_size++] = *text++;
}

static void put_digit(unsigned digit)
{
    const char text[2] = {"0123456789abcdef"[digit], 0};
    put(text);
}

static void put_number(unsigned long value)
{
    if (value >= 10) put_number(value / 10);
    put_digit((unsigned)(value % 10));
}

static void put_hash(hash h)
{
    int i;
    put(" ");
    for (i = 60; i >= 0; i -= 4) put_digit((unsigned)(h >> i) & 15);
}

static void end_line(void)
{
    line[line_size++] = '\n';
    foreign_write(line, line_size);
    line_size = 0;
}

/* --- calls ------------------------------------------------------------------------------------------ */
typedef enum loss_kind {
    LOG_SOFTMAX,
    LOG_SOFTMAX_GRADIENT,
    NLL,
    CROSS_ENTROPY,
    SOFT_CROSS_ENTROPY,
    FOCAL,
    BINARY,
    SIGMOID_FOCAL,
    DICE,
    CROSS_ENTROPY_ROW,
    FOCAL_ROW,
    DICE_MASK,
    LOSS_KINDS
} loss_kind;
static const char *const loss_names[] = {"log_softmax",
                                         "log_softmax_gradient",
                                         "nll",
                                         "cross_entropy",
                                         "soft_cross_entropy",
                                         "focal",
                                         "binary",
                                         "sigmoid_focal",
                                         "dice",
                                         "cross_entropy_row",
                                         "focal_row",
                                         "dice_mask"};

typedef enum logit_kind { ORDINARY, CONFIDENT, SPECIAL, WIDE, LARGE, TINY } logit_kind;
static const char *const logit_names[] = {"ordinary", "confident", "special",
                                          "wide",     "large",     "tiny"};

enum { U8, I32, I64, F32 };

/* One call, or a part of it: logits from element k on, targets from number t, losses from number l. */
typedef struct call {
    loss_kind loss;
    logit_kind logits;
    losses_shape shape;
    int type;
    float gamma;
    losses_options options;
    size_t k, t, l;
} call;

static float logits[ROOM], soft[ROOM], held[ROOM], upstream[ROOM], weights[ROOM], positives[ROOM];
static int32_t labels[ROOM];

typedef struct result {
    float losses[ROOM], grad[ROOM], log_sum_exp[ROOM];
    losses_report report;
} result;
static result whole, variant;

/* Strides as the library resolves them */
static size_t class_stride(const losses_shape *s)
{
    return s->class_stride ? s->class_stride : s->positions;
}

static size_t sample_stride(const losses_shape *s)
{
    return s->sample_stride ? s->sample_stride : s->classes * class_stride(s);
}

static size_t extent(const losses_shape *s)
{
    return (s->samples - 1) * sample_stride(s) + (s->classes - 1) * class_stride(s) + s->positions;
}

static int has_losses(const call *c)
{
    return c->loss != LOG_SOFTMAX && c->loss != LOG_SOFTMAX_GRADIENT;
}

static int is_softmax(const call *c)
{
    return c->loss <= FOCAL || c->loss == CROSS_ENTROPY_ROW || c->loss == FOCAL_ROW;
}

static int is_row(const call *c) { return c->loss >= CROSS_ENTROPY_ROW; }

static int has_log_sum_exp(const call *c)
{
    return c->loss == CROSS_ENTROPY || c->loss == SOFT_CROSS_ENTROPY || c->loss == FOCAL;
}

static size_t count_losses(const call *c)
{
    const losses_shape *s = &c->shape;
    if (!has_losses(c)) return 0;
    if (c->options.reduction != LOSSES_NONE) return 1;
    return c->loss == DICE ? s->samples * s->classes
                           : s->samples * s->positions * (is_softmax(c) ? 1 : s->classes);
}

/* Runs it with copies of its arrays, each shifted by some elements; in place, and without the losses or
 * without the gradient, where wanted. */
enum { IN_PLACE = 1, NO_LOSSES = 2, NO_GRAD = 4 };

static int run(const call *c, result *r, int how, size_t shift)
{
    static float x_room[ROOM + SLACK], q_room[ROOM + SLACK], grad_room[ROOM + SLACK];
    static float losses_room[ROOM + SLACK], upstream_room[ROOM + SLACK], lse_room[ROOM + SLACK];
    static uint8_t u8_room[ROOM + SLACK];
    static int32_t i32_room[ROOM + SLACK];
    static int64_t i64_room[ROOM + SLACK];
    const losses_shape s = c->shape;
    const size_t n = extent(&s), losses_n = count_losses(c);
    const size_t targets_n = s.samples * s.positions * (is_softmax(c) ? 1 : s.classes);
    float *const grad = grad_room + shift * 5 % 16, *const q = q_room + shift * 3 % 16;
    float *const x = how & IN_PLACE ? grad : x_room + shift, *const u =
                                                                 upstream_room + shift * 7 % 16;
    float *const loss = losses_room + shift * 9 % 16, *const lse = lse_room + shift * 11 % 16;
    float *const loss_out = how & NO_LOSSES ? NULL : loss, *const grad_out =
                                                               how & NO_GRAD ? NULL : grad;
    uint8_t *const u8 = u8_room + shift * 13 % 16;
    int32_t *const i32 = i32_room + shift * 3 % 16;
    int64_t *const i64 = i64_room + shift * 7 % 16;
    const losses_targets targets = c->type == U8    ? losses_u8(u8)
                                   : c->type == I32 ? losses_i32(i32)
                                   : c->type == I64 ? losses_i64(i64)
                                                    : losses_f32(q);
    losses_status status = LOSSES_OK;
    losses_options o = c->options;
    size_t i;

    for (i = 0; i < n; i++) grad[i] = held[c->k + i], q[i] = soft[c->k + i];
    for (i = 0; i < n; i++) x[i] = logits[c->k + i];
    for (i = 0; i < losses_n; i++) loss[i] = 7, u[i] = upstream[c->l + i];
    for (i = 0; i < targets_n; i++) {
        const int32_t label = labels[c->t + i];
        u8[i] = (uint8_t)label, i32[i] = label, i64[i] = label;
        lse[i] = 7;
    }
    if (o.upstream != NULL) o.upstream = u;
    if (has_log_sum_exp(c)) o.log_sum_exp = lse;
    o.report = &r->report;
    r->report.sum = r->report.denominator = 0;
    r->report.counted = r->report.bad_position = 0;

    switch (c->loss) {
    case LOG_SOFTMAX:
        status = losses_log_softmax(grad, x, s);
        break;
    case LOG_SOFTMAX_GRADIENT:
        status = losses_log_softmax_gradient(grad, q, x, s);
        break;
    case NLL:
        status = losses_nll(loss_out, grad_out, x, targets, s, &o);
        break;
    case CROSS_ENTROPY:
    case SOFT_CROSS_ENTROPY:
        status = losses_cross_entropy(loss_out, grad_out, x, targets, s, &o);
        break;
    case FOCAL:
        status = losses_focal(loss_out, grad_out, x, targets, s, c->gamma, &o);
        break;
    case BINARY:
        status = losses_binary_cross_entropy(loss_out, grad_out, x, targets, s, &o);
        break;
    case SIGMOID_FOCAL:
        status = losses_sigmoid_focal(loss_out, grad_out, x, targets, s, c->gamma, &o);
        break;
    case DICE:
        status = losses_dice(loss_out, grad_out, x, targets, s, &o);
        break;
    case CROSS_ENTROPY_ROW:
        loss[0] = losses_cross_entropy_row(grad_out, x, s.classes, u8[0], u[0]);
        break;
    case FOCAL_ROW:
        loss[0] = losses_focal_row(grad_out, x, s.classes, u8[0], c->gamma, u[0]);
        break;
    default:
        loss[0] = losses_dice_mask(grad_out, x, u8, s.positions, 0.5f, u[0]);
        break;
    }

    for (i = 0; i < n; i++) r->grad[i] = grad[i];
    for (i = 0; i < losses_n; i++) r->losses[i] = loss[i];
    for (i = 0; i < targets_n; i++) r->log_sum_exp[i] = lse[i];
    return status == LOSSES_OK;
}

static hash hash_result(const call *c, const result *r)
{
    hash h = hash_start;
    hash_floats(&h, r->losses, count_losses(c));
    hash_floats(&h, r->grad, extent(&c->shape));
    if (has_log_sum_exp(c)) hash_floats(&h, r->log_sum_exp, c->shape.samples * c->shape.positions);
    hash_wide(&h, r->report.sum);
    hash_wide(&h, r->report.denominator);
    hash_64(&h, r->report.counted);
    return h;
}

/* --- what is called ----------------------------------------------------------------------------------- */
static losses_shape draw_shape(loss_kind loss, unsigned size)
{
    losses_shape s;
    const unsigned n = 1 + draw(4), few = 1 + draw(40), layout = draw(6);
    if (size > 130) {
        s = size == 131   ? losses_rows(2, 1000)
            : size == 132 ? losses_rows(1, 4099)
            : size == 133 ? losses_images(1, 1000, 5)
                          : losses_images(2, 1, 2051);
    } else {
        switch (layout) {
        case 0:
            s = losses_rows(n, size);
            break;
        case 1:
            s = losses_rows(size, few);
            break;
        case 2:
            s = losses_images(n, 1 + few / 4, size);
            break;
        case 3: /* padded planes */
            s = losses_images(n, 1 + few / 8, size);
            s.class_stride = size + draw(5);
            s.sample_stride = s.classes * s.class_stride + draw(9);
            break;
        case 4: /* padded rows */
            s = losses_rows(n, size);
            s.sample_stride = size + 1 + draw(9);
            break;
        default: /* the samples of a class side by side */
            s = losses_rows(few, size);
            s.sample_stride = 1;
            s.class_stride = few;
            break;
        }
    }
    if (loss == CROSS_ENTROPY_ROW || loss == FOCAL_ROW)
        s = losses_rows(1, size > 130 ? s.classes : size);
    if (loss == DICE_MASK) s = losses_masks(1, size > 130 ? s.positions : size);
    return s;
}

static float draw_logit(logit_kind kind)
{
    const uint32_t odd = draw(256);
    if (kind == SPECIAL && odd < 12)
        return from_bits(odd < 10 ? 0xff800000u : odd < 11 ? 0x7f800000u : 0x7fc00000u);
    if (odd > 247) return from_bits(draw(2) << 31); /* a zero */
    if (kind == WIDE) return draw_signed(-4, 6);
    if (kind == LARGE) return draw_signed(draw(3) ? 60 : 0, 127);
    if (kind == TINY)
        return draw(3) ? draw_signed(-126, -20) : from_bits(draw(2) << 31 | draw(1u << 23));
    return draw_signed(-4, 1);
}

/* The call for a loss and a size, with the arrays that it reads. */
static void draw_call(call *c, loss_kind loss, unsigned size)
{
    static const logit_kind kinds[] = {ORDINARY, ORDINARY, ORDINARY, ORDINARY, CONFIDENT,
                                       SPECIAL,  WIDE,     LARGE,    TINY};
    static const float gammas[] = {0, 1, 2, 0.5f, 2.5f, 3, 5, 0.0009765625f, 30};
    static const losses_options none = {LOSSES_MEAN, 0,    0, 0, 0,    NULL, NULL, 0,   0,
                                        0,           NULL, 0, 0, NULL, 0,    NULL, NULL};
    losses_options *const o = &c->options;
    const int focal = loss == FOCAL || loss == SIGMOID_FOCAL || loss == FOCAL_ROW;
    const int soft_too = loss == BINARY || loss == SIGMOID_FOCAL || loss == DICE;
    uint32_t ignoring, highest;
    size_t i, n, m;

    c->loss = loss;
    c->logits = kinds[draw(9)];
    c->shape = draw_shape(loss, size);
    c->type = loss == SOFT_CROSS_ENTROPY || (soft_too && draw(3) == 0) ? F32 : (int)draw(3);
    c->gamma = focal ? gammas[draw(9)] : 0;
    c->k = c->t = c->l = 0;
    *o = none;
    ignoring = draw(4); /* nothing, most, some by default, some by another index */
    if (has_losses(c) && !is_row(c)) {
        o->reduction = (losses_reduction)draw(3);
        if (o->reduction == LOSSES_MEAN && draw(4) == 0)
            o->denominator = (losses_wide)draw_float(0, 9);
        o->nan_if_empty = draw(4) == 0;
        o->accumulate = draw(4) == 0;
        if (ignoring > 0 && c->type != F32) o->has_ignore_index = c->type == U8 || ignoring == 3;
        if (o->has_ignore_index) o->ignore_index = 201;
    } else {
        ignoring = 0;
        if (is_row(c)) c->type = U8, o->reduction = LOSSES_SUM;
    }
    if (draw(2) || is_row(c)) o->upstream = upstream;
    if (loss == NLL || loss == CROSS_ENTROPY || loss == SOFT_CROSS_ENTROPY || loss == BINARY)
        if (draw(2)) o->class_weight = weights;
    if (loss == BINARY && draw(2)) o->positive_weight = positives;
    if (loss == CROSS_ENTROPY || loss == SOFT_CROSS_ENTROPY) {
        if (draw(2)) o->label_smoothing = draw(4) ? draw_float(-5, -2) : 1;
        if (draw(3) == 0) o->z_loss = draw_float(-14, -4);
    }
    if (loss == FOCAL && draw(2)) o->class_alpha = weights;
    if (loss == FOCAL && draw(2)) o->alpha = draw_float(-2, 1);
    if (loss == SIGMOID_FOCAL && draw(2)) o->alpha = draw(2) ? 0.75f : -1;
    if (loss == DICE && draw(2)) o->scale = 1, o->eps = draw_float(-20, 0);

    highest = is_softmax(c) ? (uint32_t)c->shape.classes : 2;
    if (highest > 200 && c->type == U8) highest = 200;
    for (i = 0; i < extent(&c->shape); i++) {
        const uint32_t off = draw(8);
        logits[i] = draw_logit(c->logits);
        if (loss == NLL || loss == LOG_SOFTMAX_GRADIENT)
            logits[i] = from_bits(to_bits(logits[i]) | 0x80000000u);
        soft[i] = loss == LOG_SOFTMAX_GRADIENT ? draw_signed(-3, 1)
                  : draw(3)                    ? draw_float(-6, -1)
                                               : (float)draw(2);
        held[i] = draw_signed(-4, 2);
        upstream[i] = draw_signed(-3, 1);
        weights[i] = draw(8) ? draw_float(-3, 1) : 0;
        positives[i] = draw_float(-2, 1);
        labels[i] = (int32_t)draw(highest);
        if (ignoring && off < (ignoring == 1 ? 7u : 1u))
            labels[i] = o->has_ignore_index ? 201 : -100;
    }
    if (c->logits != CONFIDENT) return;
    for (n = 0; n < c->shape.samples && is_softmax(c); n++) { /* the target leads by 16 and more */
        for (m = 0; m < c->shape.positions; m++) {
            const int32_t t = labels[n * c->shape.positions + m];
            const size_t at = n * sample_stride(&c->shape) + m;
            if (t >= 0 && (size_t)t < c->shape.classes)
                logits[at + (size_t)t * class_stride(&c->shape)] = draw_float(4, 4);
        }
    }
    for (i = 0; i < extent(&c->shape) && !is_softmax(c); i++) logits[i] = draw_signed(3, 4);
}

/* Whether neither input nor result nor anything on the way is a denormal number, an infinity or NaN. */
static int is_normal(const call *c)
{
    return (c->logits == ORDINARY && c->gamma <= 5) || (c->logits == CONFIDENT && c->gamma <= 1);
}

/* --- within a build ----------------------------------------------------------------------------------- */
static int same(const float *a, const float *b, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (to_bits(a[i]) != to_bits(b[i])) return 0;
    return 1;
}

/* Whether the variant has the bits of the part of the whole that it computes. */
static int agrees(const call *part, int how)
{
    const losses_shape s = part->shape;
    size_t n, c, at;
    if (!(how & NO_LOSSES) && !same(variant.losses, whole.losses + part->l, count_losses(part)))
        return 0;
    if (has_log_sum_exp(part) &&
        !same(variant.log_sum_exp, whole.log_sum_exp + part->t, s.samples * s.positions))
        return 0;
    for (n = 0; n < s.samples && !(how & NO_GRAD); n++) {
        for (c = 0; c < s.classes; c++) {
            at = n * sample_stride(&s) + c * class_stride(&s);
            if (!same(variant.grad + at, whole.grad + part->k + at, s.positions)) return 0;
        }
    }
    return 1;
}

static unsigned long differences;

/* The same loss from three blocks of classes, which are folded, merged and finished */
#if !defined(LOSSES_NO_DOUBLE) && !LOSSI_X87 /* whose doubles have more bits */
static void hash_blocks(const call *c, hash *h)
{
    static const losses_partial none = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static losses_partial states[2][160];
    const size_t classes = c->shape.classes, k = class_stride(&c->shape);
    const size_t positions = c->shape.samples * c->shape.positions;
    const float gamma = c->loss == FOCAL ? c->gamma : 0;
    losses_options o = c->options;
    losses_shape s = c->shape;
    losses_block at = {0, 0};
    losses_status status = LOSSES_OK;
    size_t i, n;
    if (!has_log_sum_exp(c) || (c->loss == FOCAL && !(gamma > 0)) || positions > 160) return;
    at.classes = classes;
    s.class_stride = k;
    s.sample_stride = sample_stride(&c->shape);
    for (i = 0; i < 160; i++) states[0][i] = states[1][i] = none;
    if (o.upstream != NULL) o.upstream = upstream;
    o.log_sum_exp = variant.log_sum_exp;
    o.report = &variant.report;
    for (i = 0; i < extent(&c->shape); i++) variant.grad[i] = held[i];
    for (n = 0; n < 2; n++) { /* fold, then the gradient */
        for (at.first = 0, i = 0; at.first < classes && status == LOSSES_OK; i++) {
            const float *const q = soft + at.first * k, *const x = logits + at.first * k;
            const losses_targets y = c->type == F32 ? losses_f32(q) : losses_i32(labels);
            s.classes = classes / 3 + 1;
            if (s.classes > classes - at.first) s.classes = classes - at.first;
            if (n == 0)
                status = losses_partial_fold(states[i % 2], x, y, s, at, gamma, &o);
            else
                status = losses_partial_gradient(variant.grad + at.first * k, states[0], x, y, s,
                                                 at, gamma, &o);
            at.first += s.classes;
        }
        if (n == 1 || status != LOSSES_OK) break;
        at.first = 0;
        status = losses_partial_merge(states[0], states[1], positions);
        if (status == LOSSES_OK)
            status = losses_partial_finish(variant.losses, states[0],
                                           c->type == F32 ? losses_f32(soft) : losses_i32(labels),
                                           s, at, gamma, &o);
    }
    if (status != LOSSES_OK) {
        differences++;
        put("refused in blocks:");
        put(losses_status_name(status));
        end_line();
    }
    hash_64(h, hash_result(c, &variant));
}
#else
static void hash_blocks(const call *c, hash *h) { (void)c, (void)h; }
#endif

static void check(const call *c, int how, size_t shift, const char *what)
{
    if (run(c, &variant, how, shift) && agrees(c, how)) return;
    differences++;
    put("differs: ");
    put(what);
    end_line();
}

static void check_variants(const call *c, size_t shift)
{
    const losses_shape s = c->shape;
    call part = *c;
    size_t n, k;
    check(c, 0, shift, "at another alignment");
    if (!c->options.accumulate) check(c, IN_PLACE, shift + 1, "in place");
    if (has_losses(c)) check(c, NO_LOSSES, 0, "gradient only");
    if (has_losses(c)) check(c, NO_GRAD, 0, "losses only");
    if (c->type != F32 && !is_row(c)) {
        part.type = c->type == I32 ? I64 : I32;
        check(&part, 0, 0, "with another type of targets");
        part = *c;
    }
    if (is_row(c)) {
        part.loss = c->loss == CROSS_ENTROPY_ROW ? CROSS_ENTROPY
                    : c->loss == FOCAL_ROW       ? FOCAL
                                                 : DICE;
        if (part.loss == DICE) part.options.scale = 1, part.options.eps = 0.5f;
        whole.log_sum_exp[0] = 0;
        if (!run(&part, &variant, 0, 0) || !same(variant.losses, whole.losses, 1) ||
            !same(variant.grad, whole.grad, extent(&s))) {
            differences++;
            put("differs: from the call for one sample");
            end_line();
        }
        return;
    }
    if (has_losses(c) && c->options.reduction != LOSSES_NONE) return;
    part.shape.samples = 1;
    for (n = 0; n < s.samples; n++) { /* each sample, some positions or planes of it */
        const size_t parts = is_softmax(c) ? s.positions : c->loss == DICE ? s.classes : 1;
        for (k = 0; k < parts; k += 1 + parts / 6) {
            part.k = n * sample_stride(&s);
            part.t = n * s.positions * (is_softmax(c) ? 1 : s.classes);
            part.l = part.t;
            if (is_softmax(c)) {
                part.shape.positions = 1;
                part.shape.class_stride = class_stride(&s);
                part.k += k, part.t += k, part.l += k;
            } else if (c->loss == DICE) {
                part.shape.classes = 1;
                part.k += k * class_stride(&s);
                part.t += k * s.positions;
                part.l = n * s.classes + k;
            }
            check(&part, 0, k, "alone");
        }
    }
}

/* --- the program -------------------------------------------------------------------------------------- */
static void put_call(unsigned number, const call *c, hash h)
{
    put("  ");
    put(losses_isa());
    put(" ");
    put_number(number);
    put_hash(h);
    put(" ");
    put(loss_names[c->loss]);
    put(" ");
    put_number((unsigned long)c->shape.samples);
    put("x");
    put_number((unsigned long)c->shape.classes);
    put("x");
    put_number((unsigned long)c->shape.positions);
    put(" ");
    put(logit_names[c->logits]);
    end_line();
}

static void try_set(int class_of_bits)
{
    hash normal = hash_start, all = hash_start, normal_blocks = hash_start, blocks = hash_start;
    unsigned size, number = 0;
    int loss;
    seed = 2463534242u;
    for (size = 1; size <= 134; size++) {
        for (loss = 0; loss < LOSS_KINDS; loss++) {
            call c;
            hash h;
            if (size > 36 && size <= 130 && (size + (unsigned)loss) % 3 > 0) continue;
            draw_call(&c, (loss_kind)loss, size);
            if (HASH_FINITE && !is_normal(&c)) continue;
            if (!run(&c, &whole, 0, 0)) {
                differences++;
                put("refused:");
                end_line();
            }
            h = hash_result(&c, &whole);
            hash_64(&all, h);
            if (is_normal(&c)) hash_64(&normal, h);
            hash_blocks(&c, &blocks);
            if (is_normal(&c)) hash_blocks(&c, &normal_blocks);
            put_call(number++, &c, h);
            if (__STDC_HOSTED__ || number % 4 == 0) check_variants(&c, size % 16); /* time */
        }
    }
    put(losses_isa());
    put(" ");
    put_number((unsigned long)class_of_bits);
    put_hash(normal);
    put_hash(all);
    end_line();
    if (blocks == hash_start) return;
    put(losses_isa());
    put(" ");
    put_number((unsigned long)class_of_bits + 4);
    put_hash(normal_blocks);
    put_hash(blocks);
    end_line();
}

static int foreign_main(void)
{
    static const struct {
        const char *name;
        int class_of_bits;
    } sets[] = {{"avx512", 1}, {"avx2", 1}, {"sse2", 2}, {"sve", 1},  {"neon", 1},  {"neon32", 1},
                {"mve", 1},    {"rvv", 1},  {"vsx", 1},  {"wasm", 2}, {"scalar", 2}};
    size_t i;
    for (i = 0; i < sizeof sets / sizeof *sets; i++) {
        int class_of_bits = sets[i].class_of_bits;
#if defined(LOSSES_NO_DOUBLE)
        class_of_bits = 4;
#elif defined(LOSSES_NO_SIMD)
        class_of_bits = 3;
#endif
        if (losses_use_isa(sets[i].name) == LOSSES_OK) try_set(class_of_bits);
    }
    return differences > 0;
}
