#!/bin/sh
# Frama-C's Eva over the calls in plain C, for all that proof.c lets in: no alarm; and an alarm for each of the bugs
# below. Usage: proof.sh
# ENTRY=reference takes the analyses that have that in their line.
# Prints a line for each and a closing line `N passed, N failed`. JOBS=n runs n at a time.
cd "$(dirname "$0")" || exit 1
if ! command -v frama-c >/dev/null; then echo 'proof: no frama-c: make proof-install'; exit 1; fi
out=build/proof
rm -rf $out
mkdir -p $out

# Every float is allowed. Loops are followed turn by turn, and where a function can return an error, what comes
# after it is followed for each answer.
returns='lossi_measure:16,lossi_options:8,lossi_check:8,lossi_prepare:8,lossi_check_log_softmax:8,lossi_loss:4'
returns="$returns,lossi_log_softmax:4,lossi_planes_scalar:64" # the last has rows of all samples as one, or not
returns="$returns,lossi_pixel_scalar:4"                 # the short way of a plain call, or the general one
returns="$returns,lossi_position_scalar:99"             # how many classes stand before the target
returns="$returns,lossi_take_groups_scalar:16"          # each kind of loss
reference='lossi_reference_softmax:4,lossi_reference_sigmoid:4,losses_reference_dice:4'
reference="$reference,losses_reference_log_softmax:4,losses_reference_log_softmax_gradient:4"
eva="-machdep gcc_x86_64 -kernel-warn-key parser:decimal-float=inactive -warn-special-float none \
    -eva -eva-no-alloc-returns-null -eva-alloc-builtin fresh -eva-min-loop-unroll 48 -eva-ilevel 8 \
    -eva-warn-undefined-pointer-comparison none -eva-split-return auto \
    -eva-split-return-function lossi_check:0:1:2:3:4:5,lossi_prepare:0 -eva-no-results"

# a label, an entry of proof.c, a directory with losses.h, and switches: alarms and calls, in $out/LABEL.result
analyse() {
    each=$returns
    begun=$(date +%s)
    [ "$4" = -DLOSSES_NO_DOUBLE ] || each=$returns,$reference
    frama-c $eva -eva-slevel-function $each -cpp-extra-args="-I$3 -DLOSSES_NO_SIMD $4" -main "$2" proof.c >"$out/$1.log" 2>&1
    alarms=$(grep -ac '^\[eva:alarm\]' "$out/$1.log")
    calls=$(grep -ac 'Frama_C_show_each' "$out/$1.log")
    grep -aq 'ANALYSIS SUMMARY' "$out/$1.log" && [ "$calls" -gt 0 ] || alarms=unfinished
    echo "$alarms $calls $(($(date +%s) - begun))" >"$out/$1.result"
}

# a label, an entry, and the sed command that puts a bug into a copy of the header
seed() {
    mkdir -p "$out/$1"
    sed "$3" ../losses.h >"$out/$1/losses.h"
    if cmp -s ../losses.h "$out/$1/losses.h"; then
        echo 'unchanged 0 0' >"$out/$1.result"
    else
        analyse "$1" "$2" "$out/$1" -DPROOF_REFERENCE
    fi
}

plan() { # one line for each analysis, the long ones first
    families='cross_entropy focal sigmoid_focal binary_cross_entropy nll dice'
    for entry in $families missing log_softmax_both rows bad_targets; do echo "analyse $entry $entry .. ''"; done
    for entry in $families missing log_softmax_both; do
        echo "analyse reference.$entry $entry .. -DPROOF_REFERENCE"
    done
    for entry in rows nll dice; do echo "analyse no_double.$entry $entry .. -DLOSSES_NO_DOUBLE"; done
    echo "seed bug.label bad_targets 's/(uint64_t)t > highest/(uint64_t)t > highest + 1/'"
    echo "seed bug.bound log_softmax_both 's/for (c = 1; c < classes; c++)/for (c = 1; c <= classes; c++)/'"
    echo "seed bug.null missing 's/(logits == NULL || /(/'"
}

jobs=${JOBS:-1}
plan | grep -E "${ENTRY:-.}" >$out/plan
k=0
while [ $k -lt "$jobs" ]; do # each takes the next line that no other has taken
    (
        n=0
        while read -r line; do
            n=$((n + 1))
            if mkdir $out/taken.$n 2>/dev/null; then eval "$line"; fi
        done <$out/plan
    ) &
    k=$((k + 1))
done
wait
passed=0
failed=0
while read -r kind label entry rest; do
    read -r alarms calls seconds <"$out/$label.result"
    case $kind.$alarms in
    analyse.0) passed=$((passed + 1)) && echo "$label: no alarm, $calls answers, $seconds s" ;;
    *.unfinished | *.unchanged | analyse.* | seed.0)
        failed=$((failed + 1))
        echo "FAILED: $label: $alarms alarms, $calls answers"
        grep -a -A 6 '^\[eva:alarm\]' "$out/$label.log" 2>/dev/null | head -n 20
        ;;
    *) passed=$((passed + 1)) && echo "$label: $alarms alarms, as there must be" ;;
    esac
done <$out/plan
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
