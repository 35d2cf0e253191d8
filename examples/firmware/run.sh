#!/bin/sh
# Builds learn.c for three Cortex-M cores and runs it in QEMU; the exit code is 0 if it learned on all.
# Usage, in examples: firmware/run.sh
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null && continue
    [ "$(id -u)" = 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y gcc-arm-none-eabi qemu-system-arm >/dev/null && break
    echo "no $tool: install gcc-arm-none-eabi and qemu-system-arm"
    exit 1
done
failed=0

learn() { # core, QEMU machine, flags
    echo "== $1"
    elf=build/firmware/$1.elf
    arm-none-eabi-gcc -mthumb $3 -std=c99 -Os -Wall -Wextra -I.. -I. -ffreestanding -nostdlib -ffunction-sections \
        -fdata-sections -Wl,--gc-sections -T firmware/link.ld firmware/start.c firmware/learn.c -lgcc -o "$elf" &&
        {
            arm-none-eabi-nm -S --radix=d "$elf"
            arm-none-eabi-size "$elf"
        } | awk '$4 ~ /^(digits|weights|biases)$/ { data += $2 }
            END { print $1 - data " bytes of code, " data " of data; RAM: " $2 + $3 " and the stack" }' &&
        timeout 300 qemu-system-arm -M $2 -display none -monitor none -serial none \
            -semihosting-config enable=on,target=native -kernel "$elf" 2>&1 && return
    failed=1
    echo "FAILED: $1 has not learned"
}
learn cortex-m4f mps2-an386 '-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard'
learn cortex-m3 mps2-an385 '-mcpu=cortex-m3'
learn cortex-m55 mps3-an547 '-mcpu=cortex-m55 -mfloat-abi=hard'
exit $failed
