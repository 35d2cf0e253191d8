/* Start-up of a bare Cortex-M without a C library: vector table, FPU, RAM; and two words to the debugger
 * or to QEMU (semihosting): a text to print, and the end of the program. */
#include <stdint.h>

extern uint32_t data_in_flash[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
int main(void);
void put(const char *text);
void reset(void);

static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void put(const char *text) { semihosting(0x04, text); } /* SYS_WRITE0 */

static void stop(uint32_t exit_code)
{
    const uint32_t reason[2] = {0x20026, exit_code}; /* ADP_Stopped_ApplicationExit */
    semihosting(0x20, reason);                       /* SYS_EXIT_EXTENDED */
    for (;;) {}
}

void reset(void)
{
    const uint32_t *from = data_in_flash;
    volatile uint32_t *to; /* volatile: gcc would call memcpy and memset, which are not there */
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xe000ed88 |= 15u << 20; /* CPACR: the FPU is off after a reset */
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#ifndef __ARM_FEATURE_UNALIGNED
    *(volatile uint32_t *)0xe000ed14 |= 1u
                                        << 3; /* CCR: unaligned access faults, as on a Cortex-M0 */
#endif
    for (to = data_start; to < data_end;) *to++ = *from++;
    for (to = bss_start; to < bss_end;) *to++ = 0;
    stop((uint32_t)main());
}

static void fault(void)
{
    put("fault\n");
    stop(99);
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top,     (void *)reset, (void *)fault, (void *)fault,
    (void *)fault, (void *)fault, (void *)fault, (void *)fault};
