#!/bin/sh
# The same bits from any number of threads: threads.c without LOSSES_OPENMP, and with it and 1 to 7 threads;
# with LOSSES_NO_SIMD and with clang likewise; under ThreadSanitizer, which must be quiet, and must not be
# where the header is broken on purpose. Usage: threads.sh CC CFLAGS
# Prints the failures, what was skipped and why, and a closing line `N passed, N failed`.
cd "$(dirname "$0")" || exit 1
cc=${1:-cc}
cflags=${2:--O2}
dir=build/threads
rm -rf $dir
mkdir -p $dir
passed=0
failed=0
skipped=''

skip() { skipped="$skipped
skipped: $1"; }

pass() { passed=$((passed + $1)); }

fail() { # what went wrong, and a file that says more
    failed=$((failed + 1))
    echo "FAILED: $1"
    if [ -n "$2" ]; then head -n 20 "$2" | cut -c 1-200; fi
}

works() { # a compiler and its flags
    echo 'int main(void) { return 0; }' >$dir/try.c
    command -v "$1" >/dev/null && "$@" $dir/try.c -o $dir/try >$dir/log 2>&1 && $dir/try >$dir/log 2>&1
}

compare() { # a label, then a compiler and its flags: one thread against many
    label=$1
    shift
    "$@" -std=gnu99 threads.c -o $dir/one >$dir/log 2>&1 || { fail "$label: does not compile" $dir/log; return; }
    "$@" -std=gnu99 -DLOSSES_OPENMP -fopenmp threads.c $wrapped -o $dir/many >$dir/log 2>&1 || {
        fail "$label: does not compile with OpenMP" $dir/log
        return
    }
    $dir/one $short >$dir/want || fail "$label: one thread" $dir/want
    for threads in 1 2 3 4 7; do
        OMP_NUM_THREADS=$threads OMP_DYNAMIC=false $dir/many $short >$dir/got || {
            grep FAILED $dir/got >$dir/log
            fail "$label: $threads threads" $dir/log
        }
        diff $dir/want $dir/got >$dir/log
        calls=$(tail -n 1 $dir/got)
        calls=${calls%% *}
        wrong=$(grep -c '^>' $dir/log)
        if [ "$wrong" -gt 0 ]; then fail "$label: $threads threads: $wrong of $calls calls differ" $dir/log; fi
        pass $((calls - wrong))
    done
    echo "$label: $calls calls, with 1, 2, 3, 4 and 7 threads"
}

short=
wrapped='-DWRAPPED -Wl,--wrap=GOMP_parallel'
if works "$cc" -fopenmp $wrapped && "$cc" --version 2>&1 | grep -qv clang; then
    compare "$cc" "$cc" $cflags
    short=--short
    compare "$cc, LOSSES_NO_SIMD" "$cc" $cflags -DLOSSES_NO_SIMD
else
    skip "$cc -fopenmp"
fi
wrapped=
short=--short
clang=
for c in clang-19 clang; do
    if works $c -fopenmp; then clang=$c; break; fi
done
if [ -n "$clang" ]; then
    compare "$clang" $clang $cflags
else
    skip 'clang -fopenmp: clang and libomp-dev'
fi

echo 'int main(void) { return 0; }' >$dir/try.c
"$cc" -DLOSSES_IMPLEMENTATION -DLOSSES_OPENMP -x c -c ../losses.h -o $dir/try.o >$dir/log 2>&1 &&
    fail 'LOSSES_OPENMP without OpenMP compiles' || pass 1

# libgomp is not instrumented: its barriers would look like none. libomp says through libarcher what it does.
# (ignore_noninstrumented_modules=1, which libarcher suggests, would leave out memcpy in the header too.)
echo 'called_from_lib:libomp.so' >$dir/suppressions
race() { # a header, and flags: counts the races that are found
    mkdir -p $dir/race/tests
    cp "$1" $dir/race/losses.h
    cp threads.c $dir/race/tests
    shift
    races=0
    $clang -std=gnu99 -O1 -g "$@" -DLOSSES_OPENMP -fopenmp -fsanitize=thread $dir/race/tests/threads.c \
        -o $dir/race/many >$dir/log 2>&1 || { fail 'does not compile with ThreadSanitizer' $dir/log; return; }
    OMP_NUM_THREADS=3 TSAN_OPTIONS="suppressions=$dir/suppressions exitcode=0" \
        $dir/race/many --short >$dir/log 2>&1
    grep -q ' calls$' $dir/log || fail 'ThreadSanitizer: stopped early' $dir/log
    races=$(grep -c 'WARNING: ThreadSanitizer: data race' $dir/log)
}

if [ -n "$clang" ] && works $clang -fopenmp -fsanitize=thread; then
    for simd in '' -DLOSSES_NO_SIMD; do
        race ../losses.h $simd
        if [ "$races" -eq 0 ]; then pass 1; else fail "ThreadSanitizer: $races races" $dir/log; fi
    done
    for bug in 's/parts\[k - i\] = piece\.sum;/parts[0] = piece.sum;/' \
        's/dice_sums(job, &part, &parts\[k - i\])/dice_sums(job, \&part, parts)/' \
        's/piece\.to = lossi_cut_at(&cut, k + 1);/piece.to = lossi_cut_at(\&cut, k + 1) + (k + 1 < cut.pieces);/'; do
        sed "$bug" ../losses.h >$dir/broken.h
        if cmp -s ../losses.h $dir/broken.h; then fail "nothing to break: $bug"; continue; fi
        race $dir/broken.h -DLOSSES_NO_SIMD
        if [ "$races" -gt 0 ]; then pass 1; else fail "ThreadSanitizer does not see: $bug"; fi
    done
    echo "$clang -fsanitize=thread: quiet, and not for 3 races on purpose"
else
    skip 'ThreadSanitizer: clang and libomp-dev'
fi

[ -n "$skipped" ] && echo "${skipped#?}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
