#!/bin/sh
# The rules of MISRA C:2012 that the build for microcontrollers deviates from, found by cppcheck's addon,
# against the list in ../examples/firmware/MISRA.md: none that is not there, none more often. Usage: misra.sh
# Prints the counts that differ, and `N passed, N failed`.
cd "$(dirname "$0")" || exit 1
list=../examples/firmware/MISRA.md
command -v cppcheck >/dev/null || { echo 'misra: no cppcheck: make firmware-install'; exit 1; }
mkdir -p build
cppcheck -q --addon=misra --language=c --std=c99 --platform=arm32-wchar_t4 -D__GNUC__=12 \
    -DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE -DLOSSES_IMPLEMENTATION --enable=style --template='{id} {file}:{line}' \
    ../losses.h >build/misra 2>&1
awk -v version="$(cppcheck --version)" '
FNR == NR { # MISRA.md: | 10.4 | required | 135 | why |
    if ($0 ~ /^\| [0-9]+\.[0-9]+ \|/) { listed[$2] = $6; order[++n] = $2 }
    next
}
/^misra-c2012-/ { rule = substr($1, 13); if (!(rule in found)) all[++m] = rule; found[rule]++; where[rule] = where[rule] " " $2 }
END {
    for (i = 1; i <= m; i++) {
        r = all[i]
        if (r in listed && found[r] <= listed[r] + 0) { passed++; continue }
        failed++
        print "FAILED: rule " r ": " found[r] ", in MISRA.md " listed[r] + 0 ":" substr(where[r], 1, 200)
    }
    for (i = 1; i <= n; i++) if (found[order[i]] < listed[order[i]])
        print "fewer: rule " order[i] ": " found[order[i]] + 0 ", in MISRA.md " listed[order[i]]
    if (m == 0) { failed++; print "FAILED: " version " found nothing at all" }
    print passed + 0 " passed, " failed + 0 " failed"
    exit failed > 0
}' $list build/misra
