#!/bin/sh
# What the suites reach of the library: branches and conditions of decisions (MC/DC), as clang counts them.
# Usage: coverage.sh
# Prints what is not reached and not explained in coverage.txt, and a closing line `N passed, N failed`.
cd "$(dirname "$0")" || exit 1
for tool in clang-19 llvm-cov-19 llvm-profdata-19; do
    if ! command -v $tool >/dev/null; then echo "coverage: no $tool: make coverage-install"; exit 1; fi
done
out=build/coverage
mkdir -p $out
instrument='-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc'
instrument="$instrument -Xclang -fmcdc-max-conditions=64 -Xclang -fmcdc-max-test-vectors=1000000"

# a label, then switches: the suites on the library built with these, and what they reached in $out/LABEL.json
measure() {
    label=$1
    shift
    objects=
    for suite in main hand expected edges status hostile paths guard partial partial_dice gradient exhaustive; do
        clang-19 -std=c99 -O1 "$@" -c $suite.c -o $out/$label.$suite.o || exit 1
        objects="$objects $out/$label.$suite.o"
    done
    clang-19 -std=c99 -O1 $instrument "$@" -c library.c -o $out/$label.library.o 2>$out/$label.log ||
        { cat $out/$label.log; exit 1; }
    unsupported="$unsupported$(grep -A 1 'unsupported MC/DC' $out/$label.log)
"
    clang-19 -fprofile-instr-generate $objects $out/$label.library.o -o $out/$label -lm || exit 1
    LLVM_PROFILE_FILE=$out/$label.raw $out/$label --quick >$out/$label.log || { cat $out/$label.log; exit 1; }
    llvm-profdata-19 merge $out/$label.raw -o $out/$label.profile || exit 1
    llvm-cov-19 export -instr-profile $out/$label.profile $out/$label >$out/$label.json || exit 1
}

# what is for more than 2^24 classes, for more than 64; pieces of calls and of masks, for small ones
few='-DLOSSI_EXACT=64 -DLOSSI_PIECE=64 -DLOSSI_LONG=200'
measure single -DLOSSES_NO_SIMD $few
measure single32 -DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE $few
measure sets $few
echo "branches only, in MC/DC clang 19 cannot follow these:"
echo "$unsupported" | sed -n 's/^ *[0-9][0-9]* | */    /p' | sort -u
python3 coverage.py $out/single.json $out/single32.json $out/sets.json
