# build/bench.tsv as build/bench.svg: ns per element of each cell, on a logarithmic scale. losses.h
# is shown with its best instruction set, the first row of a cell; peers after make bench-peers.
tsv = "build/bench.tsv"
cells = int(system("awk -F'\t' '$1 == \"cells\" && !seen[$2]++ {n++} END {print n + 0}' " . tsv))
if (cells == 0) exit
isa = system("awk -F'\t' '$1 == \"cells\" {print $5; exit}' " . tsv)
least = system("awk -F'\t' '$1 == \"cells\" && (!n || $6 < n) {n = $6} END {print n}' " . tsv)
low = 0.9 * real(least)

array subjects[6] = ["best", "memcpy", "plain -Ofast", "plain -O3", "", ""]
array titles[6] = ["losses.h, " . isa, "memcpy", "plain C, -Ofast", "plain C, -O3", "", ""]
array colours[6] = ["#1f5fbf", "#b0b0b0", "#f0b070", "#d9772b", "#5aa469", "#8e6bb0"]
slots = 4
do for [name in "PyTorch oneDNN"] {
    found = system("awk -F'\t' '$1 == \"peers\" && $2 != \"\" && $5 ~ /^" . name . "/ {print $5; exit}' " . tsv)
    if (found ne "") {
        slots = slots + 1
        subjects[slots] = found
        titles[slots] = found . (name eq "oneDNN" ? " (log-softmax only)" : "")
    }
}

# The rows of the subjects of this name: the cell's place in the chart, ns, work, output.
rows(subject) = "< awk -F'\t' -v OFS='\t' '" \
    . "$1 == \"cells\" && !($2 in at) {at[$2] = n++; $5 = \"best\"} " \
    . "$2 in at && $5 == \"" . subject . "\" {print at[$2], $6, $3, $4}' " . tsv
label(work, output) = work . (output eq "value + gradient" ? "" : ", " . output)
pitch = slots + 1.5
y(cell, slot) = -cell * pitch - slot + 1

set terminal svg size 1000, 130 + 13 * pitch * cells font "sans-serif,13" background "white"
set output "build/bench.svg"
set datafile separator "\t"
set title "ns per element, one thread, less is better; value and gradient, unless it says value"
set tmargin 6
set rmargin 4
set key outside top center horizontal Left reverse samplen 1 width 2 maxrows 2
set logscale x
set xrange [low:*]
set yrange [-cells * pitch + 1:1]
set xtics nomirror
set ytics scale 0
set format x "%g"
set border 1
set grid xtics lc "#dddddd" lt 1
set style fill solid noborder

plot for [k = 1:slots] rows(subjects[k]) \
    using (low):(y($1, k)):(low):2:(y($1, k) - 0.45):(y($1, k) + 0.45) with boxxyerror \
    lc rgb colours[k] title titles[k], \
    for [k = 1:slots] rows(subjects[k]) \
    using 2:(y($1, k)):(sprintf(" %.2g", $2)) with labels left font ",10" notitle, \
    rows("best") using (low):(y($1, (slots + 1) / 2.0)):yticlabels(label(strcol(3), strcol(4))) \
    with dots lc rgb "white" notitle
