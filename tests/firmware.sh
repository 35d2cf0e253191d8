#!/bin/sh
# What the row functions cost on a microcontroller, and that they have the same bits there: builds them for
# five Cortex-M cores with gcc and clang, -Os and -O2, runs them in QEMU beside the plain loops over libm,
# and for RISC-V and AVR builds them only. Usage: firmware.sh
# Prints a table, what misses the gates below, what was skipped and why, and `N passed, N failed`.
cd "$(dirname "$0")" || exit 1
out=build/firmware
switches='-DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE'
rows='losses_cross_entropy_row losses_focal_row losses_dice_mask'
plain='plain_cross_entropy plain_focal plain_dice'
sections='-std=c99 -ffunction-sections -fdata-sections'
# warnings as the strictest firmware projects have them
warnings='-Wall -Wextra -Wconversion -Wsign-conversion -Wdouble-promotion -Wundef -Wcast-align=strict -Wvla -pedantic'

# What has to be linked to have these functions: bytes of text and of RAM, and what is left undefined.
# closure ELF 'LINKER AND FLAGS' 'FUNCTIONS' OBJECTS AND LIBRARIES
closure() {
    elf=$1
    linker=$2
    functions=$3
    shift 3
    wanted=-Wl,-e,${functions%% *}
    for f in $functions; do wanted="$wanted -Wl,-u,$f"; done
    $linker -nostartfiles -Wl,--gc-sections,--unresolved-symbols=ignore-all $wanted "$@" -o "$elf" || return 1
    $nm -u "$elf" >"$elf.undefined"
    $size "$elf" | awk 'NR == 2 { printf "%d %d ", $1, $2 + $3 }'
    awk '{ printf "%s%s", NR > 1 ? "," : "", $2 } END { print NR > 0 ? "" : "-" }' "$elf.undefined"
}

# --- one build, called by the loop below ----------------------------------------------------------------
# Leaves NUMBER.result with lines `CORE COMPILER OPTION WHAT ...`: text NAME TEXT RAM UNDEFINED,
# run NAME STACK INSTRUCTIONS, bits EQUAL DIFFERENT, failed WHY
build() {
    core=$1
    compiler=$2
    option=$3
    own=$switches
    case $core in
    M0) machine=mps2-an385 cpu='-mcpu=cortex-m0' ;; # QEMU has no Cortex-M0; an M3 runs all that it does
    M3) machine=mps2-an385 cpu='-mcpu=cortex-m3' ;;
    M4F) machine=mps2-an386 cpu='-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard' ;;
    M7) machine=mps2-an500 cpu='-mcpu=cortex-m7 -mfpu=fpv5-d16 -mfloat-abi=hard' ;;
    M55*) machine=mps3-an547 cpu='-mcpu=cortex-m55 -mfloat-abi=hard' ;;
    esac
    [ "$core" = M55-MVE ] && own=-DLOSSES_NO_DOUBLE
    nm=arm-none-eabi-nm size=arm-none-eabi-size
    link="arm-none-eabi-gcc $cpu -mthumb"
    compile=$link
    [ "$compiler" = gcc ] || compile="$compiler --target=arm-none-eabi $cpu -mthumb"
    compile="$compile -$option $sections"
    bare="$compile -ffreestanding $own"
    case $compiler in gcc) bare_loops="$bare -fno-tree-loop-distribute-patterns" ;; *) bare_loops=$bare ;; esac

    $bare -x c -DLOSSES_IMPLEMENTATION -c ../losses.h -o "$b.losses.o" || return 1
    $compile -c firmware/plain.c -o "$b.plain.o" || return 1
    for file in firmware/measure firmware/check ../examples/firmware/start; do
        $bare_loops -c $file.c -o "$b.${file##*/}.o" || return 1
    done
    for f in $rows losses_cross_entropy; do
        echo "$1 $2 $3 text $f $(closure "$b.elf" "$link -nostdlib" $f "$b.losses.o" -lgcc)"
    done
    echo "$1 $2 $3 text losses_all $(closure "$b.elf" "$link -nostdlib" "$rows" "$b.losses.o" -lgcc)"
    for f in $plain; do
        echo "$1 $2 $3 text $f $(closure "$b.elf" "$link --specs=nano.specs" $f "$b.plain.o" -lm)"
    done
    echo "$1 $2 $3 text plain_all $(closure "$b.elf" "$link --specs=nano.specs" "$plain" "$b.plain.o" -lm)"

    script="-nostartfiles -Wl,--gc-sections -T ../examples/firmware/link.ld $b.start.o"
    qemu="timeout 100 qemu-system-arm -M $machine -display none -monitor none -serial none -nic none"
    qemu="$qemu -semihosting-config enable=on,target=native -kernel"
    $link --specs=nano.specs $script "$b.measure.o" "$b.plain.o" "$b.losses.o" -lm -o "$b.measure" || return 1
    marks=$($nm "$b.measure" | awk '$3 == "mark_begin" { s = $1 } $3 == "mark_end" { e = $1 }
                                    END { print "start=" s ",stop=" e }')
    $qemu "$b.measure" -plugin "./$out/count.so,$marks" >"$b.run" 2>&1 || return 1
    awk -v build="$1 $2 $3" '/^since start/ { n = $3 }
        /^nothing/ { none = n } /^(losses|plain)_/ { print build, "run", $1, $2, n - none }' "$b.run"
    [ "$core" = M55-MVE ] && return 0
    if ! $link -nostdlib $script "$b.check.o" "$b.losses.o" -lgcc -o "$b.check" 2>"$b.log"; then
        echo "$1 $2 $3 failed the image of the row functions alone does not link"
        return 0
    fi
    $qemu "$b.check" 2>&1 | grep -v '^qemu-system-arm: warning' >"$b.bits"
    diff $out/bits "$b.bits" >"$b.diff"
    awk -v build="$1 $2 $3" -v all="$(wc -l <$out/bits)" '/^</ { n++ } END { print build, "bits", all - n, n + 0 }' \
        "$b.diff"
}

if [ "$1" = one ]; then
    b=$out/$2
    set -- $3
    build "$@" >"$b.result" 2>"$b.log" || echo "$1 $2 $3 failed $(tail -n 1 "$b.log")" >>"$b.result"
    exit 0
fi

# --- the builds -----------------------------------------------------------------------------------------
rm -rf $out
mkdir -p $out
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null || { echo "firmware: no $tool: make firmware-install"; exit 1; }
done
compilers=gcc
if command -v clang-19 >/dev/null; then compilers='gcc clang-19'; else skipped='skipped: clang-19: not here
'; fi
${CC:-cc} -O2 -fPIC -shared bench_count_plugin.c -o $out/count.so || exit 1
${CC:-cc} -std=c99 -O2 $switches -x c -DLOSSES_IMPLEMENTATION -c ../losses.h -o $out/losses.o || exit 1
${CC:-cc} -std=c99 -O2 $switches firmware/check.c $out/losses.o -o $out/check || exit 1
$out/check >$out/bits || exit 1
{
    for compiler in $compilers; do
        for option in Os O2; do
            for core in M0 M3 M4F M7 M55; do echo "$core $compiler $option"; done
        done
    done
    echo 'M55-MVE gcc O2'
} | awk '{ printf "%02d\n%s%c", NR, $0, 0 }' >$out/builds
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
tr '\n' '\0' <$out/builds | xargs -0 -n 2 -P "$jobs" sh "./${0##*/}" one

# --- what they say --------------------------------------------------------------------------------------
version=$(arm-none-eabi-gcc -dumpversion)
cat $out/*.result | awk -v version="${version%%.*}" -v skipped="$skipped" -v differing="$(grep -c 'differs within' $out/bits)" '
function short(name) { sub(/^(losses|plain)_/, "", name); sub(/_(row|mask)$/, "", name); return name }
function result(good, why) { if (good) passed++; else { failed++; failures = failures "FAILED: " why "\n" } }
function gate(build, name, what, value, most) { # measured with gcc 12: another may miss them
    if (value != "" && value <= most) passed++
    else if (version == 12) result(0, build " " name ": " what " " value ", at most " most)
    else warnings = warnings "warning, gcc " version ": " build " " name ": " what " " value ", at most " most "\n"
}
{ build = $1 " " $2 " " $3; key = build " " $5 }
!(build in seen) && $1 != "M55-MVE" { seen[build] = 1; builds[++n] = build }
$4 == "text" {
    text[key] = $6; ram[key] = $7
    if ($1 == "M55-MVE" || $5 ~ /^plain/) next
    if ($5 == "losses_cross_entropy") { needs[key] = $8; next }
    result($8 == "-", build " " $5 ": undefined: " $8)
    result($7 == 0, build " " $5 ": " $7 " bytes of RAM")
}
$4 == "run" { stack[key] = $6; each[key] = $7 / 100 }
$4 == "bits" { passed += $5; failed += $6; if ($6) failures = failures "FAILED: " build ": other bits in " $6 " of the cases\n" }
$4 == "failed" { sub(/.* failed /, ""); result(0, build ": " $0) }
function row(ours, theirs) {
    return sprintf("%6s %5s %6s %6.1f   %6s %5s %6s %6.1f", text[ours], ram[ours], stack[ours], each[ours], text[theirs], ram[theirs], stack[theirs], each[theirs])
}
END {
    names = split("cross_entropy_row focal_row dice_mask", name, " ")
    print "                                         losses.h                    plain loop, newlib"
    print "                              text   RAM  stack   each     text   RAM  stack   each"
    for (i = 1; i <= n; i++) {
        b = builds[i]
        for (k = 1; k <= names; k++) {
            s = short(name[k])
            printf "%-15s %-12s %s\n", k == 1 ? b : "", s, row(b " losses_" name[k], b " plain_" s)
        }
        printf "%-15s %-12s %6s %5s %15s %6s %5s\n", "", "all three", text[b " losses_all"], ram[b " losses_all"], "", text[b " plain_all"], ram[b " plain_all"]
        k = b " losses_cross_entropy"
        printf "%-15s %-12s %6s %5s %6s %6.1f   needs %s\n", "", "the call", text[k], ram[k], stack[k], each[k], needs[k]
    }
    b = "M4F gcc Os"
    gate(b, "losses_cross_entropy_row", "text", text[b " losses_cross_entropy_row"], 560)
    gate(b, "the three row functions", "text", text[b " losses_all"], 1152)
    for (k = 1; k <= names; k++) gate(b, name[k], "stack", stack[b " losses_" name[k]], 64)
    b = "M4F gcc O2"
    gate(b, "losses_cross_entropy_row", "instructions per class", each[b " losses_cross_entropy_row"], 48)
    gate(b, "losses_dice_mask", "instructions per pixel", each[b " losses_dice_mask"], 58)
    result(differing == 0, "the host: calls that differ in place, or for the loss alone: " differing)
    mve = each["M55-MVE gcc O2 losses_cross_entropy_row"]
    if (mve == "" || mve > 17) printf "not met: M55 with MVE: %s instructions per class, at most 17\n", mve
    else passed++
    printf "%s%s%s", skipped, warnings, failures
    printf "%d passed, %d failed\n", passed, failed
    exit failed > 0
}'
