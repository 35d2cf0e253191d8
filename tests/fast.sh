#!/bin/sh
# The library compiled with -Ofast, as some programs are, under suites that are not: finite input is to be
# answered as ever. Usage: fast.sh
# Prints the failures, what was skipped and why, and a closing line `N passed, N failed`.
cd "$(dirname "$0")" || exit 1
mkdir -p build/fast
passed=0
failed=0
skipped=''

count() { # a label, then a command that closes with its counts
    label=$1
    shift
    "$@" >build/fast/log 2>&1
    counts=$(tail -n 1 build/fast/log)
    case $counts in
    *' passed, '*' failed')
        echo "$label: $counts"
        passed=$((passed + ${counts%% *}))
        counts=${counts#*, }
        failed=$((failed + ${counts%% *}))
        grep -A 1 '^[a-z]*\.c:' build/fast/log | head -n 20
        ;;
    *)
        failed=$((failed + 1))
        echo "FAILED: $label"
        tail -n 5 build/fast/log
        ;;
    esac
}

for suite in main hand expected edges status hostile paths guard partial partial_dice gradient exhaustive; do
    ${CC:-cc} -std=c99 -O1 -c $suite.c -o build/fast/$suite.o || exit 1
    suites="$suites build/fast/$suite.o"
done
for compiler in gcc clang clang-19; do
    if ! command -v $compiler >/dev/null; then
        skipped="$skipped
skipped: $compiler -Ofast: not here"
        continue
    fi
    if ! $compiler -Ofast -c library.c -o build/fast/library.o >build/fast/log 2>&1; then
        failed=$((failed + 1))
        echo "FAILED: does not compile: $compiler -Ofast"
        continue
    fi
    ${CC:-cc} $suites build/fast/library.o -o build/fast/suites -lm || exit 1
    count "$compiler -Ofast" ./build/fast/suites --finite
done
# -Ofast when linking has the CPU take denormal numbers for 0, in the whole program
if ${CC:-cc} -Ofast $suites build/fast/library.o -o build/fast/suites -lm 2>build/fast/log; then
    count 'linked with -Ofast' ./build/fast/suites --finite
fi

[ -n "$skipped" ] && echo "${skipped#?}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
