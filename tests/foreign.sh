#!/bin/sh
# The same bits on every CPU: builds hash.c with gcc and clang, for this machine and for others under QEMU,
# and compares what it prints. Usage: foreign.sh
# Prints the hashes of each class and which builds gave them, what differs and in which calls, what was
# skipped and why, and `N passed, N failed`.
cd "$(dirname "$0")" || exit 1
out=build/foreign

# --- one build, called by the loop below: its number and its line of the list ---------------------------
# Leaves NUMBER.calls and NUMBER.result: the line, what became of it, and a line for each set.
if [ "$1" = one ]; then
    IFS='|' read -r number name compared set class emulator compiler <<END
$2
END
    status=
    for tool in "${compiler%% *}" "${emulator%% *}"; do
        [ -z "$tool" ] || command -v "$tool" >/dev/null || status="no $tool"
    done
    case $compiler in
    *-linux-gnu*-gcc*) libraries=-lgcc ;;
    *) libraries= ;;
    esac
    if [ -n "$status" ]; then
        :
    elif ! $compiler hash.c -o "$out/$number" $libraries 2>"$out/$number.log"; then
        status='does not compile'
    elif $emulator "./$out/$number" >"$out/$number.calls" 2>>"$out/$number.log"; then
        status=ran
    else
        status='stops early'
        grep -q '^differs' "$out/$number.calls" && status='differs within itself'
    fi
    {
        echo "$number|$name|$compared|$set|$class|$status"
        [ -f "$out/$number.calls" ] && grep '^[a-z0-9]* [0-9] [0-9a-f]* [0-9a-f]*$' "$out/$number.calls"
    } >"$out/$number.result"
    exit 0
fi

# --- the builds -----------------------------------------------------------------------------------------
# name|calls that are compared|best set, or - for any|class|emulator|compiler and flags
# Compared: all, or normal ones: without denormal numbers, infinity and NaN.
rm -rf $out
mkdir -p $out
clang=clang-19
i386=qemu-i386
case $(uname -m) in x86_64 | amd64) i386= ;; esac
bare='-ffreestanding -nostdlib -static -fno-stack-protector'
lld="$bare -fuse-ld=lld-19"
mips='-mno-abicalls -fno-pic -G0 -Wl,-e,_start'
# QEMU 7.2 stops at a conversion that clang makes of plain loops
rvv="$clang --target=riscv64-linux -march=rv64gcv -mabi=lp64d -O2 -fno-vectorize -fno-slp-vectorize $lld"
node="node --no-liftoff --single-threaded $out/wasm.js" # the optimizing compiler, the same each time
wasm="$clang --target=wasm32 -ffreestanding -nostdlib -Wl,--no-entry"

cat >$out/wasm.js <<'END'
const module_ = new WebAssembly.Module(require('fs').readFileSync(process.argv[2]));
const { memory, status, text } = new WebAssembly.Instance(module_).exports;
process.exitCode = status();
const bytes = new Uint8Array(memory.buffer, text());
process.stdout.write(Buffer.from(bytes.subarray(0, bytes.indexOf(0))));
END

cat >$out/builds <<END
gcc -O3 gnu17|all|-|-||gcc -std=gnu17 -O3
gcc -O2 gnu17, scalar too|all|-|-||gcc -std=gnu17 -O2 -DLOSSI_TEST
clang -O3 gnu17|all|-|-||clang -std=gnu17 -O3
clang -O2 c99|all|-|-||clang -std=c99 -O2
$clang -O2 gnu17|all|-|-||$clang -std=gnu17 -O2
gcc -O1 c99|all|-|-||gcc -std=c99 -O1
clang -O1 gnu17|all|-|-||clang -std=gnu17 -O1
g++ -Os|all|-|-||g++ -std=c++17 -x c++ -Os
gcc -O0 c99|all|-|-||gcc -std=c99 -O0
clang -O0 c99|all|-|-||clang -std=c99 -O0
tcc|all|scalar|2||tcc
gcc NO_SIMD|all|scalar|3||gcc -std=gnu17 -O3 -DLOSSES_NO_SIMD
gcc NO_SIMD, -march=native|all|scalar|3||gcc -std=gnu17 -O2 -march=native -DLOSSES_NO_SIMD
clang NO_SIMD, -march=native|all|scalar|3||clang -std=gnu17 -O2 -march=native -DLOSSES_NO_SIMD
gcc NO_SIMD, -Ofast|normal|scalar|3||gcc -Ofast -DLOSSES_NO_SIMD
gcc, x87 beside the vectors|all|-|-||gcc -std=gnu17 -O2 -mfpmath=387
gcc NO_SIMD, x87|all|scalar|3||gcc -std=gnu17 -O2 -mfpmath=387 -DLOSSES_NO_SIMD
gcc NO_SIMD, SSE2 and x87|all|scalar|3||gcc -std=c99 -O1 -mfpmath=both -DLOSSES_NO_SIMD
gcc NO_SIMD, NO_DOUBLE|all|scalar|4||gcc -std=c99 -O2 -DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE
clang NO_SIMD, NO_DOUBLE|all|scalar|4||clang -std=c99 -O2 -DLOSSES_NO_SIMD -DLOSSES_NO_DOUBLE
x86-64 with AVX2 and FMA|all|avx2|1|qemu-x86_64 -cpu Haswell|$clang --target=x86_64-linux -O2 $lld
x86-64 with SSSE3|all|sse2|2|qemu-x86_64 -cpu Conroe|$clang --target=x86_64-linux -O1 $lld
i386 with SSE2|all|scalar|2|$i386|$clang --target=i386-linux -msse2 -O2 $lld
i386 with x87|all|scalar|2|$i386|$clang --target=i386-linux -mno-sse -O2 $lld
i386 with x87, gcc gnu17|all|scalar|2|$i386|i686-linux-gnu-gcc -std=gnu17 -O1 $bare
i386 with x87, NO_SIMD, gcc gnu17|all|scalar|3|$i386|i686-linux-gnu-gcc -std=gnu17 -O2 -DLOSSES_NO_SIMD $bare
AArch64|all|neon|1|qemu-aarch64|$clang --target=aarch64-linux -O2 $lld
AArch64, gcc gnu17|all|neon|1|qemu-aarch64|aarch64-linux-gnu-gcc -std=gnu17 -O2 $bare
AArch64, NO_SIMD, gcc gnu17|all|scalar|3|qemu-aarch64|aarch64-linux-gnu-gcc -std=gnu17 -O2 -DLOSSES_NO_SIMD $bare
AArch64, big-endian|all|-|-|qemu-aarch64_be|$clang --target=aarch64_be-linux -O2 $lld
ARMv7 with NEON and FMA|normal|neon|1|qemu-arm -cpu cortex-a15|$clang --target=armv7a-linux-gnueabihf -mcpu=cortex-a15 -mfpu=neon-vfpv4 -O2 $lld
ARMv7 with NEON and FMA, gcc gnu17|normal|neon|1|qemu-arm -cpu cortex-a15|arm-linux-gnueabihf-gcc -std=gnu17 -mcpu=cortex-a15 -mfpu=neon-vfpv4 -O2 $bare
ARMv7 with VFP|all|scalar|2|qemu-arm -cpu cortex-a15|$clang --target=armv7a-linux-gnueabihf -mcpu=cortex-a15 -mfpu=vfpv3-d16 -O1 $lld
RISC-V 64|all|scalar|2|qemu-riscv64|$clang --target=riscv64-linux -march=rv64gc -mabi=lp64d -O1 $lld
RISC-V 64, NO_SIMD|all|scalar|3|qemu-riscv64|$clang --target=riscv64-linux -march=rv64gc -mabi=lp64d -O1 -DLOSSES_NO_SIMD $lld
RISC-V 32|all|scalar|2|qemu-riscv32|$clang --target=riscv32-linux -march=rv32gc -mabi=ilp32d -O1 $lld
RISC-V with vectors of 128 bits|all|rvv|1|qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=128|$rvv
RISC-V with vectors of 256 bits|all|rvv|1|qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=256|$rvv
RISC-V with vectors of 1024 bits|all|rvv|1|qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=1024|$rvv
POWER9|all|vsx|1|qemu-ppc64le -cpu power9|$clang --target=powerpc64le-linux -mcpu=power9 -O2 $lld
POWER7, big-endian|all|vsx|1|qemu-ppc64 -cpu power7|$clang --target=powerpc64-linux -mabi=elfv2 -mcpu=power7 -O1 $lld
s390x|all|scalar|2|qemu-s390x|$clang --target=s390x-linux -O1 $lld
s390x, NO_SIMD|all|scalar|3|qemu-s390x|$clang --target=s390x-linux -O1 -DLOSSES_NO_SIMD $lld
LoongArch|all|scalar|2|qemu-loongarch64|$clang --target=loongarch64-linux -mno-lsx -O1 $lld
MIPS 32, big-endian|all|scalar|2|qemu-mips -cpu 24Kf|$clang --target=mips-linux -march=mips32r2 $mips -O1 $lld
WebAssembly|all|scalar|2|$node|$wasm -O2
WebAssembly with SIMD|all|wasm|2|$node|$wasm -msimd128 -O2
WebAssembly, NO_SIMD|all|scalar|3|$node|$wasm -O2 -DLOSSES_NO_SIMD
END
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
awk '{ printf "%02d|%s\n%c", NR, $0, 0 }' $out/builds | xargs -0 -n 1 -P "$jobs" sh "$0" one

# --- what they say --------------------------------------------------------------------------------------
# A class has the hash that most of its builds have; one that has it alone says nothing.
cat $out/[0-9]*.result | awk -F '|' '
NF > 1 { # a build
    number = $1; name = $2; compared = $3; want = $4; want_class = $5; first = 1
    if ($6 ~ /^no /) { skipped = skipped "skipped: " name ": " $6 "\n"; next }
    if ($6 != "ran") failure(name ": " $6); else passed++
    next
}
{ # one of its sets
    split($0, set, " ")
    if (first && want != "-" && (set[1] != want || set[2] != want_class))
        failure(name ": " set[1] " of class " set[2] ", not " want " of class " want_class)
    else if (first && want != "-")
        passed++
    first = 0
    n++
    label[n] = set[1] " of " name; class[n] = set[2]; whole[n] = compared == "all"
    normal[n] = set[3]; all[n] = set[4]; file[n] = number; isa[n] = set[1]
    votes[set[2] " " set[3]]++
    if (whole[n]) votes[set[2] " " set[3] " " set[4]]++
}
function failure(text) { failed++; failures = failures "FAILED: " text "\n" }
function winner(c, parts,    key, k, best) {
    for (key in votes)
        if (split(key, k, " ") == parts && k[1] == c && votes[key] > votes[best]) best = key
    return best
}
END {
    for (c = 1; c <= 7; c++) {
        two = winner(c, 2); three = winner(c, 3); members = ""; count = 0
        for (i = 1; i <= n; i++) {
            if (class[i] != c) continue
            good = class[i] " " normal[i] == two && (!whole[i] || class[i] " " normal[i] " " all[i] == three)
            if (good && votes[two] > 1) { passed++; count++; members = members "    " label[i] "\n"; model = i; continue }
            failure(label[i] ": " (votes[two] > 1 ? "not the bits of class " c : "alone in class " c))
            odd[i] = c
        }
        split(three, k, " ")
        printf "class %d: normal %s, all %s, in %d:\n%s", c, k[2], k[3], count, members
        for (i in odd) if (odd[i] == c && count) pairs = pairs file[i] " " isa[i] " " file[model] " " isa[model] "\n"
    }
    printf "%s%s", skipped, failures
    printf "%d %d\n%s", passed, failed, pairs >"'$out/summary'"
}'
{
    read -r passed failed
    while read -r odd set model model_set; do # the first calls that differ
        sed -n "s/^  $model_set //p" "$out/$model.calls" >$out/model
        sed -n "s/^  $set //p" "$out/$odd.calls" | diff $out/model - | sed -n "s/^> /    $set of build $odd: call /p" | head -n 4
    done
} <$out/summary
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
