"""What the tests do not reach, from what llvm-cov exports. Usage: coverage.py EXPORT.json ...
Branches and the conditions of decisions (MC/DC) are summed over the builds, by function and place. What counts is plain
C, in one lane and in sixteen, the calls and the reference; what is not covered there must stand in coverage.txt, by
function and source text. Of the machine's instruction sets it prints how much is."""
import json
import re
import sys

SETS = 'avx512|avx2|sse2|neon|rvv|vsx|wasm'
source = open('../losses.h').read().split('\n')


def text(place):
    line, column, last, end = place
    part = source[line - 1][column - 1:] if line != last else source[line - 1][column - 1:end - 1]
    for middle in range(line, last):
        part += ' ' + (source[middle] if middle < last - 1 else source[middle][:end - 1]).strip()
    return re.sub(r'\s+', ' ', part.replace('\\', '')).strip()


seen = {}  # (set, function, what, place, which side or condition) -> reached
for name in sys.argv[1:]:
    for function in json.load(open(name))['data'][0]['functions']:
        label = function['name'].split(':')[-1]
        kind = re.search('_(' + SETS + ')$', label)
        kind = kind.group(1) if kind else 'plain C'
        if '/losses.h' not in function['filenames'][0] or re.match('lossi_map', label):
            continue
        label = re.sub('_(' + SETS + '|scalar)$', '', label)
        for *place, taken, passed, _, _, _ in function['branches']:
            for side, count in ('true', taken), ('false', passed):
                key = kind, label, 'branch', tuple(place), side
                seen[key] = seen.get(key, False) or count > 0
        for record in function['mcdc_records']:
            for number, shown in enumerate(record[-1]):
                key = kind, label, 'condition', tuple(record[:4]), number + 1
                seen[key] = seen.get(key, False) or shown

reasons = {}  # (function, text) -> reason
for line in open('coverage.txt'):
    if line.strip() and not line.startswith('#'):
        function, part, reason = line.rstrip('\n').split(' | ')
        reasons[function.strip(), part.strip()] = reason

for kind in sorted({key[0] for key in seen} - {'plain C'}):
    mine = [key for key in seen if key[0] == kind]
    print('%s: %d of %d branches and conditions' % (kind, sum(seen[key] for key in mine), len(mine)))
passed = failed = 0
used = set()
for key in sorted(seen, key=lambda key: (key[3], str(key))):
    kind, function, what, place, side = key
    if kind != 'plain C' or text(place) in ('0', '1'):
        continue
    if seen[key]:
        passed += 1
    elif (function, text(place)) in reasons:
        passed += 1
        used.add((function, text(place)))
    else:
        failed += 1
        print('losses.h:%d: %s: %s %s not covered: %s' % (place[0], function, what, side, text(place)))
for function, part in set(reasons) - used:
    failed += 1
    print('coverage.txt: covered, or not there: %s | %s' % (function, part))
print('%d explained' % len(used))
print('%d passed, %d failed' % (passed, failed))
sys.exit(failed > 0)
