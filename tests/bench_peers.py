"""make bench-peers: the same work by PyTorch and oneDNN, each in turn with losses.h in one process.

Usage: bench_peers.py ISA CELL, "" for all. Prints ns per element, value and gradient, one thread;
replaces the peers in build/bench.tsv and build/bench.md. Says by name what is not installed.
Both get what they like best: PyTorch int64 labels and float masks, oneDNN the gradient that goes
backward as a dense array, all made beforehand, and an allocator that keeps its pages.
"""
import ctypes
import os
import re
import statistics
import subprocess
import sys
import time

# Without this glibc gives large blocks back after each call, and most of a peer's time is page
# faults: 6 instead of 1.4 ns for PyTorch on 512x50257.
KEEP = {'MALLOC_MMAP_MAX_': '0', 'MALLOC_TRIM_THRESHOLD_': str(1 << 40), 'OMP_NUM_THREADS': '1'}
if any(os.environ.get(name) != value for name, value in KEEP.items()):
    os.execve(sys.executable, [sys.executable] + sys.argv, {**os.environ, **KEEP})

isa, only = (sys.argv[1:] + ['', ''])[:2]
library = ctypes.CDLL('./build/liblosses.so')
library.losses_isa.restype = ctypes.c_char_p
if isa and library.losses_use_isa(isa.encode()) != 0:
    sys.exit(f'bench: no instruction set {isa}')
isa = library.losses_isa().decode()
ROWS = [(512, 50257), (8192, 1000), (65536, 100), (262144, 10), (64, 1000)]
TSV, MD, ONEDNN = 'build/bench.tsv', 'build/bench.md', './build/bench_onednn'
HEADER = ('section number work variant subject ns x_memcpy x_read x_exp ratio ratio_to bound '
          'reached').split()
results = []  # (work, subject, ns, ratio to losses.h)


def record(work, subject, ns, ratio):
    results.append((work, subject, ns, ratio))
    print(f'    {subject:30} {ns:10.3f}   {ratio:7.2f} x losses.h', flush=True)


def measure(work, elements, subjects):
    """Times the callables in turn like bench_measure; subjects[0] is ours."""
    inner = {}
    for name, run in subjects.items():
        inner[name] = 1
        run()
        while True:
            start = time.perf_counter()
            for _ in range(inner[name]):
                run()
            if time.perf_counter() - start >= 2e-3:
                break
            inner[name] *= 2
    times = {name: [] for name in subjects}
    began = time.perf_counter()
    while len(times['losses.h']) < 9 or (
            time.perf_counter() - began < 2 and len(times['losses.h']) < 41):
        for name, run in subjects.items():
            start = time.perf_counter_ns()
            for _ in range(inner[name]):
                run()
            times[name].append((time.perf_counter_ns() - start) / inner[name] / elements)
    for name in subjects:
        ratio = statistics.median(a / b for a, b in zip(times[name], times['losses.h']))
        record(work, name, statistics.median(times[name]), ratio)


class Targets(ctypes.Structure):
    _fields_ = [('data', ctypes.c_void_p), ('type', ctypes.c_int)]


class Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ('samples', 'classes', 'positions', 'sample_stride', 'class_stride')]


def with_torch():
    try:
        import torch
    except ImportError as error:
        return print(f'skipped: PyTorch (python3-torch): {error}')
    F = torch.nn.functional
    torch.set_num_threads(1)
    torch.manual_seed(1)
    used = re.search(r'CPU capability usage: (\w+)', torch.__config__.show())
    peer = f'PyTorch {torch.__version__}' + (f' {used.group(1)}' if used else '')
    print(f'{peer} beside losses.h, {isa}')

    def focal(x, t):
        log_p = F.log_softmax(x, 1).gather(1, t.unsqueeze(1)).squeeze(1)
        return (-(1 - log_p.exp()) ** 2 * log_p).mean()

    def sigmoid_focal(x, t):  # as in torchvision.ops
        p = torch.sigmoid(x)
        bce = F.binary_cross_entropy_with_logits(x, t, reduction='none')
        right = p * t + (1 - p) * (1 - t)
        return ((0.25 * t + 0.75 * (1 - t)) * (1 - right) ** 2 * bce).mean()

    def dice(x, t):
        p = torch.sigmoid(x)
        return (1 - (2 * (p * t).sum(1) + 1e-3) / (p.sum(1) + t.sum(1) + 1e-3)).mean()

    def compare(work, theirs, ours, sizes, shape, code, labels, gamma=None):
        if only not in f'{work}, value + gradient':
            return
        print(work)
        x = torch.randn(sizes) * 2
        x.requires_grad_()
        their_labels = labels.float() if shape[1] == 1 else labels.long()
        grad, loss = torch.zeros(sizes), ctypes.c_float()
        shape = Shape(*shape, 0, 0)
        targets = Targets(labels.data_ptr(), code)
        arguments = [ctypes.byref(loss), ctypes.c_void_p(grad.data_ptr()),
                     ctypes.c_void_p(x.data_ptr()), targets, shape]
        if gamma is not None:
            arguments.append(ctypes.c_float(gamma))

        def run_theirs():
            x.grad = None
            value = theirs(x, their_labels)
            value.backward()
            return value

        def run_ours():
            if ours(*arguments, None) != 0:
                sys.exit(f'{work}: losses.h reports an error')

        run_ours()
        value = run_theirs().item()
        distance = (x.grad - grad).abs().sum() / grad.abs().sum()
        if not (abs(value - loss.value) < 1e-3 * abs(value) and distance < 1e-3):
            sys.exit(f'{work}: loss {loss.value}, not {value}, or gradients {distance} apart')
        measure(work, x.numel(), {'losses.h': run_ours, peer: run_theirs})

    for name, theirs, ours, gamma in (
            ('cross-entropy', F.cross_entropy, library.losses_cross_entropy, None),
            ('focal', focal, library.losses_focal, 2)):
        for n, c in ROWS:
            compare(f'{name} {n}x{c}', theirs, ours, (n, c), (n, c, 1), 2,
                    torch.randint(c, (n,), dtype=torch.int32), gamma)
        compare(f'{name} 4x21x256x256', theirs, ours, (4, 21, 256, 256), (4, 21, 65536), 1,
                torch.randint(21, (4, 256, 256), dtype=torch.uint8), gamma)
    masks = torch.randint(2, (100, 65536), dtype=torch.uint8)
    for name, theirs, ours, gamma in (
            ('dice', dice, library.losses_dice, None),
            ('sigmoid focal', sigmoid_focal, library.losses_sigmoid_focal, 2),
            ('binary cross-entropy', F.binary_cross_entropy_with_logits,
             library.losses_binary_cross_entropy, None)):
        compare(f'{name} 100x256x256', theirs, ours, (100, 65536), (100, 1, 65536), 1, masks, gamma)


def with_onednn():
    if not os.path.exists(ONEDNN):
        return print('skipped: oneDNN (libdnnl-dev is not installed)')
    process = subprocess.Popen([ONEDNN, isa, only], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        fields = line.rstrip('\n').split('\t')
        if len(fields) == 4:
            if fields[1] == 'losses.h':
                print(fields[0])
            record(fields[0], fields[1], float(fields[2]), float(fields[3]))
        else:
            print(line, end='', flush=True)
    if process.wait():
        sys.exit(f'{ONEDNN} failed')


def write_tables():
    rows = []
    if os.path.exists(TSV):
        with open(TSV) as file:
            rows = [line.rstrip('\n').split('\t') for line in file][1:]
    rows = [row for row in rows if row[0] != 'peers']
    numbers = {}
    for row in rows:
        if row[0] == 'cells' and row[3] == 'value + gradient':
            numbers[row[2]] = row[1]
    with open(TSV, 'w') as file:
        for row in [HEADER] + rows + [
                ['peers', numbers.get(work, ''), work, 'value + gradient', subject, f'{ns:.4f}',
                 '', '', '', f'{ratio:.3f}', 'losses.h', '', '']
                for work, subject, ns, ratio in results]:
            file.write('\t'.join(row) + '\n')

    caption = '\nThe same work by others'
    text = ''
    if os.path.exists(MD):
        with open(MD) as file:
            text = file.read().split(caption)[0]
    peers = list(dict.fromkeys(subject for _, subject, _, _ in results if subject != 'losses.h'))
    text += (f'{caption}, value + gradient, one thread, ns per element, and how many times that\n'
             'of losses.h in the same process, with an allocator that keeps its pages. PyTorch:\n'
             'forward and backward. oneDNN: log-softmax forward and backward, without the loss.\n\n'
             f'| work | losses.h, {isa} | {" | ".join(peers)} |\n|{" --- |" * (2 + len(peers))}\n')
    for work in dict.fromkeys(work for work, _, _, _ in results):
        here = {}
        for _, subject, ns, ratio in filter(lambda result: result[0] == work, results):
            here.setdefault(subject, (ns, ratio))
        shown = [f'{here[p][0]:.2f} ({here[p][1]:.1f} ×)' if p in here else '' for p in peers]
        text += f'| {work} | {here["losses.h"][0]:.3f} | {" | ".join(shown)} |\n'
    with open(MD, 'w') as file:
        file.write(text)


with_torch()
with_onednn()
if results:
    write_tables()
