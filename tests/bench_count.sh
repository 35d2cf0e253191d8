#!/bin/sh
# Instructions per element, value and gradient, of each instruction set that QEMU emulates: for CPUs that
# are not here. Usage: bench_count.sh CC, for the CPU of this machine (x86-64)
cc=$1
cd "$(dirname "$0")" || exit 1
mkdir -p build
for tool in qemu-x86_64 qemu-aarch64 aarch64-linux-gnu-gcc; do
    command -v $tool >/dev/null || { echo "skipped: no $tool (make emulators-install)"; exit 0; }
done
$cc -O2 -fPIC -shared bench_count_plugin.c -o build/count.so || exit 1
$cc -std=c99 -O2 -static bench_count.c -o build/count-x86 -lm || exit 1
aarch64-linux-gnu-gcc -std=c99 -O2 -static bench_count.c -o build/count-arm -lm || exit 1

executed() { # emulator and program, set, cell, times
    $1 $2 "$3" "$4" "$5" 2>&1 >build/elements | awk '/^executed/ {print $2}'
}
per_element() { # one call: the difference of two counts
    one=$(executed "$1" "$2" "$3" "$4" 1)
    three=$(executed "$1" "$2" "$3" "$4" 3)
    awk -v a="$one" -v b="$three" -v n="$(cat build/elements)" 'BEGIN {printf "%.2f", (b - a) / 2 / n}'
}
x86='qemu-x86_64 -cpu Haswell -plugin build/count.so'
arm='qemu-aarch64 -plugin build/count.so'
echo 'instructions per element      avx2    sse2    neon   sse2 / avx2   neon / avx2'
for cell in 1x50257 16x1000 64x100 256x10 1x21x1024 dice bce sigmoid-focal; do
    avx2=$(per_element "$x86" build/count-x86 avx2 $cell 2>/dev/null)
    sse2=$(per_element "$x86" build/count-x86 sse2 $cell 2>/dev/null)
    neon=$(per_element "$arm" build/count-arm neon $cell 2>/dev/null)
    echo "$cell $avx2 $sse2 $neon" |
        awk '{printf "%-24s %9s %7s %7s %10.2f x %10.2f x\n", $1, $2, $3, $4, $3 / $2, $4 / $2}'
done
