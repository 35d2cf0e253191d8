/* The stack that one call takes; QEMU, with a plugin, counts the instructions between the two marks.
 * Prints after each call
 *     NAME STACK
 * and first `nothing 0`, the marks themselves. */
#include "../../losses.h"
#include "plain.h"

enum { N = 100, PATTERN = 0x5aa55aa5 };

void put(const char *text);
void mark_begin(void);
void mark_end(void);
extern uint32_t bss_end[];

static float x[N], grad[N];
static uint8_t mask[N];

__attribute__((noinline)) void mark_begin(void) { __asm__ volatile("" ::: "memory"); }
__attribute__((noinline)) void mark_end(void) { __asm__ volatile("" ::: "memory"); }

static void report(const char *name, uint32_t bytes)
{
    char text[12], *p = text + 11;
    *p = 0;
    *--p = '\n';
    do {
        *--p = (char)('0' + bytes % 10);
        bytes /= 10;
    } while (bytes != 0);
    *--p = ' ';
    put(name);
    put(p);
}

/* All below the stack pointer is painted, and then what is no longer so was used. */
#define MEASURE(name, call) \
    do { \
        volatile uint32_t *p; \
        uint32_t *stack; \
        __asm__ volatile("mov %0, sp" : "=r"(stack)); \
        for (p = bss_end; p < stack; p++) *p = PATTERN; \
        mark_begin(); \
        call; \
        mark_end(); \
        for (p = bss_end; p < stack && *p == PATTERN;) p++; \
        report(name, (uint32_t)((uintptr_t)stack - (uintptr_t)p)); \
    } while (0)

int main(void)
{
    uint32_t seed = 12345;
    int i;
    for (i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)((int32_t)(seed >> 16) - 32768) / 8192; /* -4 .. 4 */
        mask[i] = seed >> 9 & 1;
    }
    MEASURE("nothing", (void)0);
    MEASURE("losses_cross_entropy_row", losses_cross_entropy_row(grad, x, N, 3, 1));
    MEASURE("losses_focal_row", losses_focal_row(grad, x, N, 3, 2, 1));
    MEASURE("losses_dice_mask", losses_dice_mask(grad, x, mask, N, 1, 1));
    MEASURE("plain_cross_entropy", plain_cross_entropy(grad, x, N, 3));
    MEASURE("plain_focal", plain_focal(grad, x, N, 3, 2));
    MEASURE("plain_dice", plain_dice(grad, x, mask, N, 1));
#ifdef LOSSES_NO_SIMD /* without it, it does not fit */
    {
        static const uint8_t label = 3;
        float loss;
        MEASURE("losses_cross_entropy",
                losses_cross_entropy(&loss, grad, x, losses_u8(&label), losses_rows(1, N), NULL));
    }
#endif
    return 0;
}
