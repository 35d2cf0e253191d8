#!/bin/sh
# The rules of MISRA C:2012 that the build for microcontrollers deviates from, found by cppcheck's addon,
# against the list in ../examples/firmware/MISRA.md. Usage: misra.sh [--write]
# Fails for a rule that is not in the list; prints what else differs, and `N passed, N failed`. With --write,
# puts the counts that it found into the list.
cd "$(dirname "$0")" || exit 1
list=../examples/firmware/MISRA.md
command -v cppcheck >/dev/null || { echo 'misra: no cppcheck: make firmware-install'; exit 1; }
mkdir -p build
cppcheck -q --addon=misra --language=c --std=c99 --platform=arm32-wchar_t4 -D__GNUC__=12 \
    -DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE -DLOSSES_IMPLEMENTATION --enable=style --template='{id} {file}:{line}' \
    ../losses.h >build/misra 2>&1
if [ "$1" = --write ]; then
    awk 'FNR == NR { if (sub(/^misra-c2012-/, "")) found[$1]++; next }
         /^\| [0-9]+\.[0-9]+ \|/ { sub(/\| [0-9]+ \|/, "| " found[$2] + 0 " |") } { print }' build/misra $list >build/misra.md
    cp build/misra.md $list
fi
awk '
FNR == NR { if (/^\| [0-9]+\.[0-9]+ \|/) { listed[$2] = $6; rules[++n] = $2 } next } # | 10.4 | required | 135 | why |
sub(/^misra-c2012-/, "") { if (!($1 in found) && !($1 in listed)) new[++m] = $1; found[$1]++; where[$1] = where[$1] " " $2 }
END {
    for (i = 1; i <= n; i++) {
        r = rules[i]
        if (found[r] + 0 != listed[r]) print "rule " r ": in " found[r] + 0 " places, MISRA.md says " listed[r]
        passed += found[r] > 0
    }
    if (passed == 0) { m++; new[m] = "?" } # cppcheck found nothing at all
    for (i = 1; i <= m; i++) print "FAILED: rule " new[i] " is not listed:" substr(where[new[i]], 1, 200)
    print passed + 0 " passed, " m + 0 " failed"
    exit m > 0
}' $list build/misra
