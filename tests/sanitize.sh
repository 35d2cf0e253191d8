#!/bin/sh
# The suites under AddressSanitizer and UndefinedBehaviorSanitizer (gcc and clang), MemorySanitizer and
# valgrind; race.c under ThreadSanitizer. Usage: sanitize.sh
# The suites are --quick, and helpers of the header are not forced inline, to keep this short. Nothing of
# what the sanitizers look for is excluded. valgrind does not know AVX-512, and the header chooses what it
# does know; its run leaves out `guard`, which reads on purpose where nothing may be read.
# Prints the failures, what was skipped and why, and a closing line `N passed, N failed`.
cd "$(dirname "$0")" || exit 1
dir=build/sanitize
mkdir -p $dir
passed=0
failed=0
skipped=''

suites='main.c library.c hand.c expected.c edges.c status.c hostile.c paths.c guard.c partial.c partial_dice.c gradient.c exhaustive.c'
apart='-DLOSSI_FORCE=static __attribute__((unused))'

skip() { skipped="$skipped
skipped: $1"; }

fail() { # a label, what went wrong
    failed=$((failed + 1))
    echo "FAILED: $1: $2"
    grep -v '^sets: ' $dir/log | head -n 20 | cut -c 1-300
}

build() { # a label, then the compiler, its flags and sources
    label=$1
    shift
    "$@" -std=c99 -g1 "$apart" -o $dir/a.out -lm >$dir/log 2>&1 || { fail "$label" 'does not compile'; return 1; }
}

count() { # a label, then a command that closes with its counts
    label=$1
    shift
    "$@" >$dir/log 2>&1
    status=$?
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' $dir/log | tail -n 1)
    if [ -z "$counts" ]; then
        fail "$label" 'stopped early'
        return
    fi
    echo "$label: $counts"
    passed=$((passed + ${counts%% *}))
    counts=${counts#*, }
    failed=$((failed + ${counts%% *}))
    grep -A 1 '^[a-z]*\.c:' $dir/log | head -n 20
    if [ $status -ne 0 ] && [ "${counts%% *}" -eq 0 ]; then fail "$label" 'an error'; fi
}

works() { # a compiler and a flag
    echo 'int main(void) { return 0; }' >$dir/try.c
    command -v "$1" >/dev/null && "$@" $dir/try.c -o $dir/try >$dir/log 2>&1 && $dir/try >$dir/log 2>&1
}

clang=
for c in clang-19 clang; do
    if works $c -fsanitize=address; then clang=$c; break; fi
done

export ASAN_OPTIONS=detect_leaks=0 # nothing allocates
if works gcc -fsanitize=address,undefined; then
    label='gcc -fsanitize=address,undefined,float-cast-overflow,float-divide-by-zero'
    build "$label" gcc -O1 ${label#* } -fno-sanitize-recover=all $suites && count "$label" $dir/a.out --quick
else
    skip 'gcc -fsanitize=address,undefined: gcc, libasan and libubsan'
fi
if [ -n "$clang" ]; then
    label="$clang -fsanitize=address,undefined,implicit-conversion,float-cast-overflow,float-divide-by-zero,local-bounds"
    build "$label" $clang -O1 ${label#* } -fno-sanitize-recover=all $suites && count "$label" $dir/a.out --quick
    label="$clang -fsanitize=memory"
    build "$label" $clang -O1 ${label#* } -fno-sanitize-recover=all $suites && count "$label" $dir/a.out --quick
else
    skip 'clang -fsanitize=address and memory: clang-19 and libclang-rt-19-dev'
fi
for c in gcc $clang; do
    if ! works $c -fsanitize=thread; then skip "$c -fsanitize=thread"; continue; fi
    label="$c -fsanitize=thread"
    build "$label" $c -O1 -pthread ${label#* } race.c && count "$label, racing first calls" $dir/a.out
done
if command -v valgrind >/dev/null; then
    label='valgrind'
    build "$label" "${CC:-cc}" -O1 $suites &&
        count "$label" valgrind -q --error-exitcode=9 $dir/a.out --quick hand expected edges status hostile paths
else
    skip 'valgrind'
fi

[ -n "$skipped" ] && echo "${skipped#?}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
