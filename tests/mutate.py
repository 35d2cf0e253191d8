"""Mutants of losses.h, one operator, constant or statement at a time, and whether the suites notice. Usage: mutate.py
A mutant is killed when a build of it fails to compile or to pass the quick suites, or takes too long. A survivor must
stand in mutate.txt, by the text of the line before and after. The builds, fastest first: one lane, then one lane
without double, then sixteen lanes in registers of four. What survives these meets other checks of .ci/run: all
instruction sets of this CPU, the sanitizers, and coefficients.py where there is mpmath. What only says which memory
comes into use soon, or where threads are worthwhile, changes no result, and is not mutated. From the environment: SEED, COUNT (200; 0 is all), JOBS,
LINES (first:last of the header), SHARD (i/n: the i-th of n parts of all mutants)."""
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

CC = os.environ.get('CC') or 'cc'
SEED, COUNT = int(os.environ.get('SEED') or random.randrange(10000)), int(os.environ.get('COUNT') or 200)
JOBS = int(os.environ.get('JOBS') or os.cpu_count())
SUITES = 'main hand expected edges status hostile paths guard partial partial_dice gradient exhaustive'.split()
# what is for more than 2^24 classes, for more than 64; pieces of calls and of masks, for small ones
FEW = '-DLOSSI_EXACT=64', '-DLOSSI_PIECE=64', '-DLOSSI_LONG=200'
BUILDS = ((*FEW, '-DLOSSES_NO_SIMD'), (*FEW, '-DLOSSES_NO_SIMD', '-DLOSSES_NO_DOUBLE'), (*FEW, '-DLOSSES_FILE="none.h"'))
ASAN = '-fsanitize=address,undefined'
SLOW = (FEW, (*FEW, '-DLOSSES_NO_SIMD', ASAN), (*FEW, '-DLOSSES_FILE="none.h"', ASAN))
OUT = 'build/mutate'
APART = ['-g1', '-DLOSSI_FORCE=static __attribute__((unused))']  # compiles in a third of the time
FITS = [sys.executable, 'coefficients.py']
SOON = re.compile(r'LOSS[IV]_PREFETCH|LOSSI_PARALLEL|\bsoon(_\w+)?\b')
lines = open('../losses.h').read().split('\n')
SWAPS = {'<': ('<=', '>='), '<=': ('<', '>'), '>': ('>=', '<='), '>=': ('>', '<'), '==': ('!=', ), '!=': ('==', ),
         '+': ('-', ), '-': ('+', ), '*': ('/', ), '/': ('*', ), '&&': ('||', ), '||': ('&&', ), '%': ('/', ),
         '&': ('|', ), '|': ('&', ), '+=': ('-=', ), '-=': ('+=', ), '<<': ('>>', ), '>>': ('<<', ), '!': ('', )}
TOKEN = re.compile(r'"(?:\\.|[^"])*"|\'[^\']*\'|/\*.*?\*/|[A-Za-z_]\w*|0x[0-9a-fA-F]+u?'
                   r'|\d+\.?\d*(?:e[-+]?\d+)?[fu]?|->|<<=|>>=|\+\+|--|[-+*/%&|<>=!]=|&&|\|\||<<|>>|[-+*/%&|<>!]|.')


def bodies():
    """Numbers of the lines that are code of the builds above: inside of functions and the macros of plain C."""
    code, depth, comment, other = [], 0, False, []
    for number, line in enumerate(lines):
        bare = re.sub(r'/\*.*?\*/', '', line)
        if comment or '/*' in bare:
            comment = '*/' not in bare if comment else True
            continue
        if re.match(r'#if', bare): other.append(bare)
        elif re.match(r'#else', bare): other[-1] = '#!' if re.search(r'lossr_(u8|quads)|\(__GNUC__\)', other[-1]) else bare
        elif re.match(r'#el', bare): other[-1] = bare
        elif re.match(r'#endif', bare): other.pop()
        foreign = '#!' in other or any(re.search(r'_MSC_VER|LOSSI_X87|MVE|NEON|AVX|RVV|VSX|WASM|__clang__|lossr_part|LOSSV_FUSED$|LOSSV_MANY', o) and
                      not o.startswith('#if !') and o != '#else' for o in other)
        inside = depth > 0 and not bare.startswith('#') and 'extern "C"' not in bare
        if inside and not foreign and number > 360 and not SOON.search(bare):
            code.append(number)
        if not bare.startswith('#') and not bare.endswith('\\'):
            depth += bare.count('{') - bare.count('}')
            if re.match(r'\}', bare) or 'extern "C"' in bare: depth = 0
    return code


def mutants():
    """(line number, column, what stood there, what is put there)"""
    for number in bodies():
        line = lines[number]
        at, before = 0, ''
        for token in TOKEN.findall(line):
            new = SWAPS.get(token, ())
            if token in '+-*&' and not re.search(r'[\w)\]]$', before): new = ()  # a sign, a pointer
            if token in ('*', '&') and re.search(r'\b(float|double|char|void|const|\w+_t|loss[a-z]+_[a-z]+)$', before): new = ()
            if re.match(r'\d', token):
                digits = re.match(r'0x[0-9a-f]+|[\d.]+', token).group()
                if '.' in token:
                    k = max(i for i, d in enumerate(digits[:5]) if d.isdigit())
                    new = (digits[:k] + str((int(digits[k]) + 1) % 10) + token[k + 1:], )
                else:
                    value = int(digits, 0)
                    new = tuple((hex(v) if 'x' in digits else str(v)) + token[len(digits):]
                                for v in (value + 1, value - 1) if v >= 0)
            for text in new:
                yield number, at, token, text
            at += len(token)
            if token.strip(): before = (before + token)[-40:]
        condition = re.match(r'( *(?:\} else )?if \()(.*)(\)(?: \{| [^()]*;| continue;)?)$', line)
        if condition and condition.group(2).count('(') == condition.group(2).count(')'):
            for forced in ('0', '1'):
                yield number, len(condition.group(1)), condition.group(2), forced
        statement = re.match(r'( +(?:if \(.*?\) |else |for \(.*?\) )?)((?:[\w.>\[\]*&-]+ (?:[-+|&*/]?= ).*|continue|break|[\w().]+\(.*\)|return .*);)$', line)
        if statement and not re.match(r'return', statement.group(2)) and not re.match(r' +(?:const|float|double|size_t|int|loss\w+) ', line):
            yield number, len(statement.group(1)), statement.group(2), ';'


def run(command, limit):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        return -1


def mutated(mutant):
    number, column, old, new = mutant
    return lines[number][:column] + new + lines[number][column + len(old):]


def lot(mutant):
    """By this mutants are drawn: what happens to other lines does not change it."""
    text = '%d %s %s' % (SEED, lines[mutant[0]].strip(), mutated(mutant).strip())
    return hashlib.sha256(text.encode()).digest()


def survives(job, mutant):
    number = mutant[0]
    here = '%s/%d' % (OUT, job)
    os.makedirs(here + '/tests', exist_ok=True)
    changed = list(lines)
    changed[number] = mutated(mutant)
    open(here + '/losses.h', 'w').write('\n'.join(changed))
    for name in ('library.c', 'check.h'):
        shutil.copy(name, here + '/tests')
    for build in BUILDS + SLOW:
        suites = ['%s/%d.%s.o' % (OUT, '-DLOSSES_NO_DOUBLE' in build, suite) for suite in SUITES]
        slow = [*APART, '-fno-sanitize-recover=all'] if ASAN in build else []
        if run([CC, '-std=c99', '-O1', '-w', *build, *slow, '%s/tests/library.c' % here, *suites, '-o', here + '/suites', '-lm'], 600):
            return False
        if run(['sh', '-c', 'ulimit -t %d; cd %s/tests && exec ../suites --quick' % (40 if build in SLOW else 20, here)], 600):
            return False
        if build == BUILDS[-1] and FITS and run([*FITS, here + '/losses.h'], 60):
            return False
    return True


def main():
    os.makedirs(OUT, exist_ok=True)
    for double in (0, 1):
        for suite in SUITES:
            subprocess.run([CC, '-std=c99', '-O1', *(['-DLOSSES_NO_DOUBLE'] * double), '-c', suite + '.c', '-o',
                            '%s/%d.%s.o' % (OUT, double, suite)], check=True)
    first, last = map(int, (os.environ.get('LINES') or '1:99999').split(':'))
    every = [m for m in mutants() if first <= m[0] + 1 <= last]
    part, parts = map(int, (os.environ.get('SHARD') or '1/1').split('/'))
    chosen = every[part - 1::parts]
    if 0 < COUNT < len(chosen) and not os.environ.get('SHARD'):
        chosen = sorted(chosen, key=lot)[:COUNT]
    print('%d mutants of %d, SEED=%d' % (len(chosen), len(every), SEED), flush=True)
    entries = [line.strip() for line in open('mutate.txt')]
    reasons = {(was[4:].strip(), now[4:].strip()) for was, now in zip(entries, entries[1:])
               if was.startswith('was ') and now.startswith('now ')}
    if run([sys.executable, '-c', 'import mpmath'], 60): FITS.clear()
    os.environ['ASAN_OPTIONS'] = 'detect_leaks=0'
    if not survives(0, (0, 0, '', '')):
        sys.exit('mutate: the header fails as it is')
    killed = explained = failed = 0
    free = list(range(1, JOBS + 1))

    def attempt(mutant):
        job = free.pop()
        try: return mutant, survives(job, mutant)
        finally: free.append(job)

    with ThreadPoolExecutor(JOBS) as pool:
        for mutant, alive in pool.map(attempt, chosen):
            was, now = lines[mutant[0]].strip(), mutated(mutant).strip()
            if not alive:
                killed += 1
            elif (was, now) in reasons:
                explained += 1
            else:
                failed += 1
                print('losses.h:%d survives:\nwas %s\nnow %s' % (mutant[0] + 1, was, now), flush=True)
    print('%d killed, %d explained, %d survive' % (killed, explained, failed))
    print('%d passed, %d failed' % (killed + explained, failed))
    sys.exit(failed > 0)


main()
