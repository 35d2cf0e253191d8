#!/bin/sh
# The test command: the suites in each build of the library, then the include matrix (the header in
# every compiler and language standard that is here). Usage: run.sh CC CFLAGS
# JOBS=n runs n builds of the suites at a time; as many as there are processors, if not given.
# Prints the failures, what was skipped and why, and a closing line `N passed, N failed`.
cc=$1
cflags=$2
cd "$(dirname "$0")" || exit 1
rm -rf build/test
mkdir -p build/test
passed=0
failed=0
skipped=''

suites='main.c library.c hand.c expected.c edges.c status.c hostile.c paths.c guard.c partial.c partial_dice.c gradient.c exhaustive.c'
warn='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wundef -Werror'

has() { command -v "$1" >/dev/null 2>&1; }

skip() { skipped="$skipped
skipped: $1"; }

# one check: a label, then a command that must succeed; its output is shown when it fails
check() {
    label=$1
    shift
    if "$@" >build/test/log 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $label"
        sed 's/^/    /;20q' build/test/log
    fi
}

fails() { # the command fails, and says so
    says=$1
    shift
    "$@" >build/test/said 2>&1 && return 1
    grep -q "$says" build/test/said || { cat build/test/said; return 1; }
}

# --- the suites, in several builds ------------------------------------------------------------------
# label|compiler and flags
{
    echo "$cc $cflags|$cc -std=c99 $cflags"
    for other in gcc clang; do
        if has $other; then echo "$other -std=gnu17 -O3, no warnings|$other -std=gnu17 -O3 $warn"; fi
    done
    echo "$cc -O2, LOSSES_NO_REFERENCE|$cc -std=c99 -O2 -DLOSSES_NO_REFERENCE"
    if has tcc; then echo 'tcc|tcc'; fi
    echo "$cc -O0|$cc -std=c99 -O0"
    echo "$cc -O2, LOSSES_NO_SIMD|$cc -std=c99 -O2 -DLOSSES_NO_SIMD"
    echo "$cc -O2, LOSSES_NO_SIMD, small pieces|$cc -std=c99 -O2 -DLOSSES_NO_SIMD -DLOSSI_PIECE=64 -DLOSSI_LONG=200"
    echo "$cc -O2, LOSSES_NO_SIMD, LOSSES_NO_DOUBLE|$cc -std=c99 -O2 -DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE"
} >build/test/builds
for other in gcc clang tcc; do has $other || skip "$other: suites and include matrix"; done

# a directory, a label, the compiler and its flags: what there is to say, and in DIRECTORY/counts passed and failed
run_suites() {
    echo "suites: $2"
    if ! $3 $suites -o "$1/suites" -lm >"$1/log" 2>&1; then
        echo 0 1 >"$1/counts"
        echo "FAILED: does not compile: $2"
        sed 's/^/    /;20q' "$1/log"
        return
    fi
    "./$1/suites" >"$1/log" 2>&1
    counts=$(tail -n 1 "$1/log")
    case $counts in
    *' passed, '*' failed')
        echo "$counts" | awk '{ print $1, $3 }' >"$1/counts"
        sed '$d' "$1/log" | head -n 40
        ;;
    *)
        echo 0 1 >"$1/counts"
        echo "FAILED: stopped early: $2"
        tail -n 5 "$1/log"
        ;;
    esac
}

jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}
k=0
while [ $k -lt "$jobs" ]; do # each takes the next build that no other has taken
    (
        n=0
        while IFS='|' read -r label command; do
            n=$((n + 1))
            mkdir build/test/$n 2>/dev/null || continue
            run_suites build/test/$n "$label" "$command" >build/test/$n/said
            cat build/test/$n/said
        done <build/test/builds
    ) &
    k=$((k + 1))
done
wait
n=0
while read -r line; do
    n=$((n + 1))
    read -r p f <build/test/$n/counts
    passed=$((passed + p))
    failed=$((failed + f))
done <build/test/builds

# --- the include matrix ---------------------------------------------------------------------------
cat >build/test/one.c <<'END'
#define LOSSES_IMPLEMENTATION
#include "losses.h"
END
cat >build/test/user.c <<'END'
#include "losses.h"
#include "losses.h"
float use_from_c(const float *logits);
float use_from_c(const float *logits)
{
    int32_t label = 1;
    float loss = 0;
    return losses_cross_entropy(&loss, NULL, logits, losses_i32(&label), losses_rows(1, 2), NULL) ? -1 : loss;
}
END
cat >build/test/user.cpp <<'END'
#include "losses.h"
extern "C" float use_from_c(const float *logits);
int main()
{
    float logits[2] = {0, 0}, loss = 0;
    uint8_t label = 1;
    if (losses_cross_entropy(&loss, NULL, logits, losses_u8(&label), losses_rows(1, 2), NULL) != LOSSES_OK) return 1;
    return loss > 0.6931f && loss < 0.6932f && use_from_c(logits) == loss ? 0 : 2;
}
END
cat >build/test/static.c <<'END'
#define LOSSES_STATIC
#define LOSSES_IMPLEMENTATION
#include "losses.h"
float static_loss(const float *x);
float static_loss(const float *x) { return losses_cross_entropy_row(NULL, x, 2, 0, 1); }
END
cat >build/test/static_main.c <<'END'
#define LOSSES_STATIC
#define LOSSES_IMPLEMENTATION
#include "losses.h"
float static_loss(const float *x);
int main(void)
{
    float x[2] = {0, 0};
    return static_loss(x) == losses_cross_entropy_row(NULL, x, 2, 0, 1) ? 0 : 1;
}
END
cat >build/test/renamed.c <<'END'
#define LOSSES_FILE "our_losses.h"
#define LOSSES_IMPLEMENTATION
#include "our_losses.h"
int main(void)
{
    float x[2] = {0, 0};
    return losses_cross_entropy_row(NULL, x, 2, 2, 1) != losses_cross_entropy_row(NULL, x, 2, 2, 1) ? 0 : 1;
}
END
cat >build/test/hidden.c <<'END'
#include <string.h>
#define LOSSES_IMPLEMENTATION
#include "losses.h"
int main(void) /* "scalar" beside a set of the CPU is there for tests only */
{
    const char *best = losses_isa();
    int hidden = strcmp(best, "scalar") != 0;
    losses_status status = losses_use_isa("scalar");
    return status == (hidden ? LOSSES_BAD_OPTION : LOSSES_OK) && strcmp(losses_isa(), best) == 0 ? 0 : 1;
}
END
cat >build/test/pasted_main.c <<'END'
int main(void)
{
    float x[2] = {0, 0};
    return losses_cross_entropy_row(NULL, x, 2, 2, 1) != losses_cross_entropy_row(NULL, x, 2, 2, 1) ? 0 : 1;
}
END
{ echo '#define LOSSES_IMPLEMENTATION'; cat ../losses.h build/test/pasted_main.c; } >build/test/pasted.c
cp build/test/one.c build/test/one.cpp
: >build/test/one_more.h
cat >build/test/macros.c <<'END' # of system headers: I, and those that Windows has
#include <complex.h>
#include <tgmath.h>
#define far
#define near
#define small char
#define hyper int
#define IN
#define OUT
#define interface struct
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define LOSSES_IMPLEMENTATION
#include "losses.h"
END
mkdir -p build/test/renamed
cp ../losses.h build/test/renamed/our_losses.h

switches='-DLOSSES_NO_SIMD -DLOSSES_NO_REFERENCE -DLOSSES_NO_DOUBLE -DLOSSES_STATIC'
for c in gcc clang; do
    has $c || continue
    check "$c -std=c99" $c -std=c99 -O1 $warn -I.. -c build/test/one.c -o build/test/one.o
    for std in c11 c17 c2x gnu99 gnu17; do # the code is the same
        check "$c -std=$std" $c -std=$std -fsyntax-only $warn -I.. build/test/one.c
    done
    for switch in $switches '-DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE'; do
        check "$c -std=c99 $switch" $c -std=c99 -O1 $warn -I.. $switch -c build/test/one.c -o build/test/one.o
    done
    for switch in -DLOSSES_STATIC '-DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE'; do
        check "$c after macros of other headers, $switch" $c -std=c99 -I.. $switch -fsyntax-only build/test/macros.c
    done
    [ "$(uname -m)" != x86_64 ] || check "$c another file for LOSSES_FILE" \
        fails 'LOSSES_FILE is not this file' $c -std=c99 -I.. '-DLOSSES_FILE="one_more.h"' -Ibuild/test -c build/test/one.c -o build/test/other.o
    check "$c renamed file" $c -std=c99 -O0 $warn -Ibuild/test/renamed build/test/renamed.c -o build/test/renamed/a.out -lm
    check "$c renamed file runs" ./build/test/renamed/a.out
    check "$c pasted into a source file" $c -std=c99 -O0 $warn build/test/pasted.c -o build/test/pasted -lm
    check "$c pasted into a source file runs" ./build/test/pasted
    check "$c static in two files" $c -std=c99 -O0 $warn -I.. build/test/static.c build/test/static_main.c -o build/test/static -lm
    check "$c static in two files runs" ./build/test/static
    check "$c hidden set" $c -std=c99 -O0 $warn -I.. build/test/hidden.c -o build/test/hidden -lm
    check "$c hidden set is refused" ./build/test/hidden
done
for c in g++ clang++; do
    if ! has $c; then skip "$c: C++ part of the include matrix"; continue; fi
    for std in c++98 c++11 c++14 c++17 c++20; do
        extra=
        [ $std = c++98 ] && extra='-Wno-long-long -Wno-variadic-macros -Wno-c++11-long-long -Wno-unknown-warning-option'
        check "$c -std=$std" $c -std=$std -fsyntax-only $warn $extra -I.. build/test/one.cpp
    done
    for switch in $switches; do
        check "$c -std=c++11 $switch" $c -std=c++11 -O0 $warn -I.. $switch -c build/test/one.cpp -o build/test/one.o
    done
done
if has tcc; then
    check 'tcc' tcc -I.. -c build/test/one.c -o build/test/one.o
    check 'tcc LOSSES_NO_SIMD' tcc -I.. -DLOSSES_NO_SIMD -c build/test/one.c -o build/test/one.o
fi
# one implementation in C or in C++, one more C file and one C++ file, linked together
if has g++ && has gcc; then
    gcc -std=c99 -I.. -c build/test/user.c -o build/test/user.o
    for implementation in 'gcc -std=c99' 'g++ -std=c++11 -x c++'; do
        $implementation -I.. -c build/test/one.c -o build/test/one.o
        check "two .c and one .cpp, implementation by $implementation" \
            g++ -std=c++11 -I.. build/test/user.cpp build/test/user.o build/test/one.o -o build/test/linked -lm
        check 'and runs' ./build/test/linked
    done
fi

# --- names: nothing without the prefix, nothing from libm in the float path -------------------------
only() { # the lines of standard input that a grep -E pattern does not match must be none
    if grep -vE "$1" >build/test/others; then cat build/test/others; return 1; fi
}
if has nm; then
    $cc -std=c99 -O2 -I.. -c build/test/one.c -o build/test/one.o
    nm -g --defined-only build/test/one.o | awk '{print $3}' >build/test/exported
    check 'exported names have the prefix' only '^losses_' <build/test/exported
    nm build/test/one.o | awk '$1 != "U" {print $3}' | sed 's/\..*//' >build/test/all
    nm -u build/test/one.o | awk '{print $2}' >build/test/needed
    check 'private names have a prefix' only '^(losses_|lossi_)|^$' <build/test/all
    $cc -std=c99 -O2 -DLOSSES_NO_REFERENCE -I.. -c build/test/one.c -o build/test/one.o
    nm -u build/test/one.o | awk '{print $2}' >build/test/undefined
    check 'the float path needs nothing, memset and memcpy apart' only '^(memset|memcpy|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail)$' <build/test/undefined
    check 'nothing allocates' only '^(memset|memcpy|exp|expf|log1p|pow|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail)$' <build/test/needed
else
    skip 'nm: names and undefined symbols'
fi
if has gcc || has clang; then
    macros=$(command -v gcc || command -v clang)
    printf '#include <%s.h>\n' stddef stdint float math >build/test/system.c
    case $(uname -m) in # what the header includes there for its instruction sets
    x86_64) printf '#include <%s.h>\n' immintrin cpuid >>build/test/system.c ;;
    aarch64) echo '#include <arm_neon.h>' >>build/test/system.c ;;
    esac
    for source in user one; do
        pattern='^LOSSES_'; [ $source = one ] && pattern='^(LOSSES|LOSSI|LOSSV)_|^lossv(_|$)'
        $macros -std=c99 -dM -E -I.. build/test/$source.c | awk '{print $2}' | sed 's/(.*//' | sort -u >build/test/with
        $macros -std=c99 -dM -E build/test/system.c | awk '{print $2}' | sed 's/(.*//' | sort -u >build/test/without
        comm -23 build/test/with build/test/without >build/test/macros
        check "macros left by $source.c have the prefix" only "$pattern" <build/test/macros
    done
fi

[ -n "$skipped" ] && echo "${skipped#?}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
