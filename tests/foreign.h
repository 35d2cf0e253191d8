/* What tests/hash.c needs of a system: foreign_write and an entry that calls foreign_main. With a C
 * library that is stdio and main; without one, system calls of Linux; on a Cortex-M what the debugger or
 * QEMU prints; on WebAssembly a text that the host reads. */
#ifndef FOREIGN_H
#define FOREIGN_H
#include <stddef.h>
#include <stdint.h>

static int foreign_main(void); /* returns the exit status */
static void foreign_write(const char *text, size_t size);

#if __STDC_HOSTED__
#include <stdio.h>

static void foreign_write(const char *text, size_t size) { fwrite(text, 1, size, stdout); }

/* weak: of all of tests/ in one program, main.c has the main */
#if defined(__GNUC__)
__attribute__((weak))
#endif
int main(void)
{
    return foreign_main();
}

#else
/* A compiler may call these. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
    unsigned char *p = (unsigned char *)to;
    const unsigned char *q = (const unsigned char *)from;
    while (size-- > 0) *p++ = *q++;
    return to;
}

void *memset(void *to, int value, size_t size)
{
    unsigned char *p = (unsigned char *)to;
    while (size-- > 0) *p++ = (unsigned char)value;
    return to;
}

/* int64_t to float, which 32-bit CPUs leave to their compiler's library */
#if defined(__arm__)
__attribute__((pcs("aapcs"))) float __aeabi_l2f(int64_t value);
__attribute__((pcs("aapcs"))) float __aeabi_l2f(int64_t value)
#else
float __floatdisf(int64_t value);
float __floatdisf(int64_t value)
#endif
{
    return (float)((double)(int32_t)(value >> 32) * 4294967296.0 + (double)(uint32_t)value);
}

#if defined(__wasm__)
char foreign_text[1 << 20];
static size_t foreign_size;

static void foreign_write(const char *text, size_t size)
{
    if (size >= sizeof foreign_text - foreign_size) size = sizeof foreign_text - foreign_size - 1;
    memcpy(foreign_text + foreign_size, text, size);
    foreign_size += size;
}

__attribute__((export_name("status"))) int foreign_status(void) { return foreign_main(); }
__attribute__((export_name("text"))) const char *foreign_get(void) { return foreign_text; }

#elif defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
int main(void); /* called by examples/firmware/start.c */

static void foreign_write(const char *text, size_t size)
{
    char part[128]; /* each call is an interrupt of QEMU: a line at a time */
    size_t i;
    while (size > 0) {
        for (i = 0; i < sizeof part - 1 && i < size; i++) part[i] = text[i];
        part[i] = 0;
        {
            register uint32_t r0 __asm__("r0") = 0x04; /* SYS_WRITE0 */
            register const char *r1 __asm__("r1") = part;
            __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
        }
        text += i;
        size -= i;
    }
}

int main(void) { return foreign_main(); }

#else
static long foreign_call(long number, long a, long b, long c)
{
#if defined(__x86_64__)
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return number;
#elif defined(__i386__)
    __asm__ volatile("int $0x80" : "+a"(number) : "b"(a), "c"(b), "d"(c) : "memory");
    return number;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#elif defined(__arm__)
    register long r7 __asm__("r7") = number, r0 __asm__("r0") = a, r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
    return r0;
#elif defined(__riscv)
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
#elif defined(__loongarch__)
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    __asm__ volatile("syscall 0" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
#elif defined(__powerpc__)
    register long r0 __asm__("r0") = number, r3 __asm__("r3") = a, r4 __asm__("r4") = b;
    register long r5 __asm__("r5") = c;
    __asm__ volatile("sc"
                     : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5)
                     :
                     : "r6", "r7", "r8", "r9", "r10", "r11", "r12", "cr0", "ctr", "memory");
    return r3;
#elif defined(__s390x__)
    register long r1 __asm__("r1") = number, r2 __asm__("r2") = a, r3 __asm__("r3") = b;
    register long r4 __asm__("r4") = c;
    __asm__ volatile("svc 0" : "+r"(r2) : "r"(r1), "r"(r3), "r"(r4) : "memory");
    return r2;
#elif defined(__mips__)
    register long v0 __asm__("$2") = number, a0 __asm__("$4") = a, a1 __asm__("$5") = b;
    register long a2 __asm__("$6") = c;
    __asm__ volatile("syscall"
                     : "+r"(v0)
                     : "r"(a0), "r"(a1), "r"(a2)
                     : "$1", "$3", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15",
                       "$24", "$25", "memory");
    return v0;
#else
#error "no system calls for this CPU"
#endif
}

#if defined(__x86_64__)
#define FOREIGN_EXIT  60
#define FOREIGN_WRITE 1
#elif defined(__aarch64__) || defined(__riscv) || defined(__loongarch__)
#define FOREIGN_EXIT  93
#define FOREIGN_WRITE 64
#elif defined(__mips__) && __SIZEOF_POINTER__ == 8
#define FOREIGN_EXIT  5058
#define FOREIGN_WRITE 5001
#elif defined(__mips__)
#define FOREIGN_EXIT  4001
#define FOREIGN_WRITE 4004
#else
#define FOREIGN_EXIT  1
#define FOREIGN_WRITE 4
#endif

static void foreign_write(const char *text, size_t size)
{
    foreign_call(FOREIGN_WRITE, 1, (long)text, (long)size);
}

void _start(void);
#if defined(__x86_64__) || defined(__i386__)
__attribute__((force_align_arg_pointer)) /* the system does not come by a call */
#endif
void _start(void)
{
    foreign_call(FOREIGN_EXIT, foreign_main(), 0, 0);
    for (;;) continue;
}
#endif
#endif
#endif
