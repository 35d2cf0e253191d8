#!/bin/sh
# tests/fuzz.c under libFuzzer: two thirds of the time as fast as it goes, one third with AddressSanitizer and
# UndefinedBehaviorSanitizer. Usage: fuzz.sh SECONDS EXECUTIONS
# EXECUTIONS, if given, is how many of the fast ones instead of a time. SEED=n for other inputs.
# Prints the findings, and a closing line `N passed, N failed`: executions, and runs that ended with a finding.
seconds=${1:-60}
executions=$2
cd "$(dirname "$0")" || exit 1
dir=build/fuzz
mkdir -p $dir
passed=0
failed=0
clang=
for c in clang-19 clang; do
    echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' >$dir/try.c
    if $c -fsanitize=fuzzer $dir/try.c -o $dir/try >$dir/log 2>&1; then clang=$c; break; fi
done
if [ -z "$clang" ]; then
    echo 'fuzz: no clang with libFuzzer: make fuzz-install'
    echo '0 passed, 1 failed'
    exit 1
fi

# What guides the fast one is what branches the checks and the reference take: counting in the kernels
# would take longer than the kernels.
printf 'src:*\nfun:loss*\n' >$dir/allow
printf 'fun:*_%s\n' avx512 avx2 sse2 neon scalar >$dir/ignore
fast="-O2 -fsanitize-coverage-allowlist=$dir/allow -fsanitize-coverage-ignorelist=$dir/ignore"
slow='-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all'

build() { # a name, then flags
    name=$1
    shift
    if ! $clang -std=gnu99 -fsanitize=fuzzer -fno-sanitize-coverage=trace-cmp "$@" fuzz.c -o $dir/$name -lm >$dir/log 2>&1; then
        failed=$((failed + 1))
        echo "FAILED: does not compile: $name"
        sed 's/^/    /;20q' $dir/log
        return 1
    fi
}

fuzz() { # a name, how to say it, then options of libFuzzer
    name=$1
    label=$2
    shift 2
    rm -f $dir/finding-*
    ASAN_OPTIONS=detect_leaks=0 $dir/$name -max_len=64 -len_control=0 -entropic=0 -use_counters=0 -reduce_inputs=0 \
        -seed="${SEED:-1}" -artifact_prefix=$dir/finding- -print_final_stats=1 "$@" >$dir/log.$name 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' $dir/log.$name)
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' $dir/log.$name)
    passed=$((passed + ${runs:-0}))
    echo "$label: ${runs:-0} executions, ${rate:-0} per second"
    grep -a '^worst' $dir/log.$name
    if [ $status -ne 0 ]; then
        failed=$((failed + 1))
        echo "FAILED: $label"
        grep -a -A 12 -E '^FINDING|ERROR|runtime error' $dir/log.$name | cut -c 1-500 | head -n 30
        for f in $dir/finding-*; do
            cp "$f" $dir/input && echo "    again: tests/$dir/$name tests/$dir/input"
            break
        done
    fi
}

build fast $fast || { echo "$passed passed, $failed failed"; exit 1; }
if [ -n "$executions" ]; then
    fuzz fast "$clang -O2" -runs="$executions"
else
    fuzz fast "$clang -O2" -max_total_time=$((seconds - seconds / 3))
    if build sanitized $slow "-DLOSSI_FORCE=static __attribute__((unused))"; then
        fuzz sanitized "$clang -fsanitize=address,undefined" -max_total_time=$((seconds / 3))
    fi
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
