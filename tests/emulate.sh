#!/bin/sh
# The suites, thinned, on CPUs that this machine does not have, under QEMU: that the right instruction
# set is picked there, and that it is right. Usage: emulate.sh CC, for the CPU of this machine
# Prints what was picked and what failed, what was skipped and why, and `N passed, N failed`.
cc=$1
cd "$(dirname "$0")" || exit 1
mkdir -p build
passed=0
failed=0
skipped=''

sources='main.c library.c hand.c expected.c edges.c status.c hostile.c paths.c guard.c partial.c partial_dice.c gradient.c exhaustive.c'

has() { command -v "${1%% *}" >/dev/null 2>&1; }

fail() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    tail -n 10 build/emulated.log | sed 's/^/    /'
}

# one CPU: its name, the set that it should pick, the suites (none: all), the compiler, the emulator
emulate() {
    name=$1
    set=$2
    suites=$3
    compiler=$4
    emulator=$5
    for tool in "$compiler" "$emulator"; do
        has "$tool" && continue
        skipped="$skipped
skipped: $name: no ${tool%% *}"
        return
    done
    printf 'int main(void) { return 0; }\n' >build/empty.c
    if ! $compiler -static build/empty.c -o build/emulated -lm >build/emulated.log 2>&1; then
        skipped="$skipped
skipped: $name: ${compiler%% *} has no static C library"
        return
    fi
    if ! $compiler -std=c99 -O2 -static $sources -o build/emulated -lm >build/emulated.log 2>&1; then
        fail "$name: does not compile"
        return
    fi
    picked=$($emulator ./build/emulated --isa 2>build/emulated.log)
    if [ "$picked" = "$set" ]; then
        passed=$((passed + 1))
    else
        fail "$name: picked '$picked', expected '$set'"
    fi
    start=$(date +%s)
    $emulator ./build/emulated --quick $suites >build/emulated.log 2>build/emulated.errors
    seconds=$(($(date +%s) - start))
    counts=$(tail -n 1 build/emulated.log)
    case $counts in
    [0-9]*' passed, '[0-9]*' failed')
        echo "$name: picked $picked; ${suites:-all suites}: $counts ($seconds s)"
        sed '$d' build/emulated.log | head -n 20 | sed 's/^/    /'
        passed=$((passed + ${counts%% *}))
        counts=${counts#*, }
        failed=$((failed + ${counts%% *}))
        ;;
    *)
        cat build/emulated.errors >>build/emulated.log
        fail "$name: stopped early"
        ;;
    esac
}

case $(uname -m) in
x86_64 | amd64) x86=$cc ;;
*) x86=x86_64-linux-gnu-gcc ;;
esac

# QEMU 7.2 reads the lanes that a masked load leaves out, so no guard pages there; a CPU does not. It takes
# ten minutes for its vectors; sse2 and scalar come below.
emulate 'x86-64 with AVX2 and FMA' avx2 \
    '--best hand expected edges status paths gradient exp log log1p log1p_unit' "$x86" \
    'qemu-x86_64 -cpu Haswell'
emulate 'x86-64 with SSSE3' sse2 '' "$x86" 'qemu-x86_64 -cpu Conroe'
emulate 'AArch64' neon '' aarch64-linux-gnu-gcc qemu-aarch64
# NEON of ARMv7 takes denormals for 0: only the suites that need none.
emulate 'ARMv7 with NEON and FMA' neon 'hand status guard' \
    'arm-linux-gnueabihf-gcc -mcpu=cortex-a15 -mfpu=neon-vfpv4' 'qemu-arm -cpu cortex-a15'

[ -n "$skipped" ] && echo "${skipped#?}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
