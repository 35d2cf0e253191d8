#!/bin/sh
# Builds the three programs and runs each as 1, 2, 3 and 4 ranks on this machine; the exit code is 0 if all
# of them have the results of one process. Usage, in examples: mpi/run.sh
for tool in mpicc mpirun; do
    command -v $tool >/dev/null && continue
    [ "$(id -u)" = 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y openmpi-bin libopenmpi-dev >/dev/null && break
    echo "no $tool: install openmpi-bin and libopenmpi-dev"
    exit 1
done
# All ranks are here: shared memory, no network; more ranks than cores; root, as in containers.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_plm=isolated OMPI_MCA_oob_tcp_if_include=lo
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none
flags="-std=c99 -O2 -Wall -Wextra -I.."
passed=0
failed=0

for program in vocabulary batch tiles; do
    # shellcheck disable=SC2086
    mpicc $flags mpi/$program.c build/mpi/losses.o -o build/mpi/$program -lm || exit 1
    for ranks in 1 2 3 4; do
        timeout 100 mpirun -n $ranks build/mpi/$program >build/mpi/out 2>&1
        ended=$?
        grep -v '^[0-9]* passed, [0-9]* failed$' build/mpi/out
        counts=$(grep '^[0-9]* passed, [0-9]* failed$' build/mpi/out)
        passed=$((passed + ${counts%% passed*} + 0))
        counts=${counts#*, }
        failed=$((failed + ${counts%% failed*} + 0))
        [ -n "$counts" ] && [ $ended = 0 ] && continue
        echo "FAILED: $program as $ranks ranks, exit code $ended"
        [ -n "$counts" ] || failed=$((failed + 1))
    done
    echo
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
