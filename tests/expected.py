#!/usr/bin/env python3
"""Writes the table of expected.c: cases and their exact answers, from the textbook in 120 digits.

    python3 expected.py > expected.inc      (needs mpmath)
    python3 expected.py --torch             compares with PyTorch in double, prints the difference

Values are the definitions with softmax, log and sigmoid taken literally, gradients their textbook
closed forms, and the gradient of each small softmax, element or mask is also differentiated
numerically. Inputs are floats, written so that they read back exactly.
"""
import itertools
import random
import struct
import sys
from dataclasses import dataclass, field

from mpmath import exp, fabs, fsum, log, mp, mpf

mp.dps = 120
DIGITS_LOST = mpf(10) ** -30  # numerical differentiation agrees at least this well
STEP = mpf(10) ** -25


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


# --- the losses ----------------------------------------------------------------------------------
# Each returns its value, its gradient, and the natural size of each gradient element: the sum of
# the absolute values of its terms, or None for all where they do not cancel.


def softmax(x):
    e = [exp(v) for v in x]
    total = fsum(e)
    return [v / total for v in e]


def log_sum_exp(x):
    return log(fsum(exp(v) for v in x))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def cross_entropy(x, k, z=0, cancels=True):
    """-sum_c k_c log p_c + z lse^2; k: one-hot, smoothed or probabilities, times the weights."""
    p, lse, total = softmax(x), log_sum_exp(x), fsum(k)
    value = -fsum(kc * log(pc) for kc, pc in zip(k, p)) + z * lse**2
    terms = [(pj * total, -kj, 2 * z * lse * pj) for pj, kj in zip(p, k)]
    return value, [fsum(t) for t in terms], [fsum(map(fabs, t)) for t in terms] if cancels else None


def focal(x, t, gamma, a):
    if len(x) == 1:
        return mpf(0), [mpf(0)], None
    p = softmax(x)
    value = -a * (1 - p[t]) ** gamma * log(p[t])
    slope = -a * (1 - p[t]) ** gamma / p[t]
    if gamma:
        slope += a * gamma * (1 - p[t]) ** (gamma - 1) * log(p[t])
    return value, [slope * p[t] * ((j == t) - pj) for j, pj in enumerate(p)], None


def binary_cross_entropy(x, t, w, b):
    p = sigmoid(x)
    value = -w * (b * t * log(p) + (1 - t) * log(1 - p))
    terms = (w * (1 - t) * p, -w * b * t * (1 - p))
    return value, [fsum(terms)], [fsum(map(fabs, terms))]


def sigmoid_focal(x, t, gamma, alpha):
    p = sigmoid(x)
    a = 1 if alpha < 0 else alpha * t + (1 - alpha) * (1 - t)
    m = 1 - (p * t + (1 - p) * (1 - t))
    bce = -(t * log(p) + (1 - t) * log(1 - p))
    terms = [a * m**gamma * p * (1 - t), -a * m**gamma * (1 - p) * t]
    if gamma:
        terms.append(a * gamma * m ** (gamma - 1) * (1 - 2 * t) * p * (1 - p) * bce)
    return a * m**gamma * bce, [fsum(terms)], [fsum(map(fabs, terms))]


def dice(x, t, smooth):
    p = [sigmoid(v) for v in x]
    top = 2 * fsum(a * b for a, b in zip(p, t)) + smooth
    bottom = fsum(p) + fsum(t) + smooth
    terms = [
        (pi * (1 - pi) * top / bottom**2, -2 * ti * pi * (1 - pi) / bottom) for pi, ti in zip(p, t)
    ]
    soft = any(ti not in (0, 1) for ti in t)
    sizes = [fsum(map(fabs, t)) for t in terms] if soft else None
    return 1 - top / bottom, [fsum(t) for t in terms], sizes


def differentiated(loss, x, answer):
    """The answer of loss(x), its gradient compared with central differences."""
    value, grad, sizes = answer
    for j in range(len(x)):
        up, down = list(x), list(x)
        up[j] += STEP
        down[j] -= STEP
        slope = (loss(up)[0] - loss(down)[0]) / (2 * STEP)
        assert fabs(slope - grad[j]) <= DIGITS_LOST * (sizes or [fabs(g) for g in grad])[j]
    return answer


# --- one case: a call, and what it must give -----------------------------------------------------

SOFTMAX = ("NLL", "CROSS_ENTROPY", "FOCAL")
LARGEST = 1024  # elements with their padding: the walker's buffers


@dataclass
class Case:
    call: str
    shape: tuple  # samples, classes, positions[, sample_stride, class_stride]
    logits: list
    labels: list = None
    type: str = "I32"
    soft: list = None  # probabilities laid out like the logits; upstream of LOG_SOFTMAX_GRADIENT
    gamma: float = 0.0
    options: dict = field(default_factory=dict)
    start: list = None  # what grad holds before, with accumulate
    lse: bool = False

    def __post_init__(self):
        for name in ("logits", "soft", "start"):
            if getattr(self, name) is not None:
                setattr(self, name, [f32(v) for v in getattr(self, name)])
        for name in ("class_weight", "positive_weight", "class_alpha", "upstream"):
            if name in self.options:
                self.options[name] = [f32(v) for v in self.options[name]]
        for name in ("label_smoothing", "z_loss", "alpha", "scale", "eps"):
            if name in self.options:
                self.options[name] = f32(self.options[name])
        self.gamma = f32(self.gamma)
        samples, classes, positions = self.shape[:3]
        assert len(self.logits) == samples * classes * positions
        assert samples * self.strides()[0] <= LARGEST

    def strides(self):
        _, classes, positions = self.shape[:3]
        return self.shape[3:] or (classes * positions, positions)

    def units(self):
        """What one loss is made of: the packed indices of its logits."""
        samples, classes, positions = self.shape[:3]
        if self.call == "DICE":
            start = range(0, samples * classes * positions, positions)
            return [list(range(s, s + positions)) for s in start]
        if self.call in ("BINARY_CROSS_ENTROPY", "SIGMOID_FOCAL"):
            return [[e] for e in range(samples * classes * positions)]
        return [
            [(n * classes + c) * positions + p for c in range(classes)]
            for n in range(samples)
            for p in range(positions)
        ]

    def ignored(self, k):
        return self.labels is not None and self.labels[k] == self.options.get("ignore_index", -100)

    def of_class(self, name, c, default=1):
        values = self.options.get(name)
        return mpf(values[c]) if values else mpf(default)

    def softmax_unit(self, x, k, indices):
        classes, call = self.shape[1], self.call
        w = [self.of_class("class_weight", c) for c in range(classes)]
        e = mpf(self.options.get("label_smoothing", 0))
        z = mpf(self.options.get("z_loss", 0))
        if self.soft:
            target = [wc * ((1 - e) * mpf(self.soft[i]) + e / classes) for wc, i in zip(w, indices)]
            return cross_entropy(x, target, z), 1
        t = self.labels[k]
        if call == "NLL":
            return (-w[t] * x[t], [-w[t] * (j == t) for j in range(classes)], None), w[t]
        if call == "FOCAL":
            a = mpf(self.options.get("alpha", 1)) * self.of_class("class_alpha", t)
            return focal(x, t, self.gamma, a), 1
        target = [(1 - e) * w[t] * (c == t) + e / classes * w[c] for c in range(classes)]
        return cross_entropy(x, target, z, cancels=bool(e or z)), w[t]

    def unit(self, x, k, indices):
        """(value, gradient, sizes), and the weight in the denominator, of loss number k."""
        if self.call in SOFTMAX:
            return self.softmax_unit(x, k, indices)
        t = [mpf((self.soft or self.labels)[i]) for i in indices]
        if self.call == "DICE":
            eps = self.options.get("eps", mpf(10) ** -6)
            return dice(x, t, mpf(eps) * mpf(self.options.get("scale", 1000))), 1
        if self.call == "SIGMOID_FOCAL":
            return sigmoid_focal(x[0], t[0], self.gamma, mpf(self.options.get("alpha", 0.25))), 1
        c = indices[0] // self.shape[2] % self.shape[1]
        weights = self.of_class("class_weight", c), self.of_class("positive_weight", c)
        return binary_cross_entropy(x[0], t[0], *weights), 1

    def expect(self):
        """loss, grad, size, lse, sum, denominator, counted, as the table has them."""
        x = [mpf(v) for v in self.logits]
        if self.call.startswith("LOG_SOFTMAX"):
            return self.expect_log_softmax(x)
        units, answers = self.units(), []
        lse, lse_size = [], []
        for k, indices in enumerate(units):
            if self.call == "DICE":
                indices = [i for i in indices if not self.ignored(i)]
            elif self.ignored(k):
                indices = []
            if not indices:
                answers.append(None)
                lse.append(mpf(0))
                lse_size.append(mpf(0))
                continue
            own = [x[i] for i in indices]
            answer, weight = self.unit(own, k, indices)
            if len(own) <= 10:
                differentiated(lambda v: self.unit(v, k, indices)[0], own, answer)
            answers.append((indices, weight) + answer)
            lse.append(log_sum_exp(own))
            lse_size.append(fabs(max(own)) + fabs(lse[-1] - max(own)))

        counted = [a for a in answers if a]
        total = fsum(a[2] for a in counted)
        denominator = mpf(self.options.get("denominator", 0)) or fsum(a[1] for a in counted)
        if self.call == "DICE":
            denominator += mpf("1e-8")
        reduction = self.options.get("reduction", "LOSSES_MEAN")
        none = reduction == "LOSSES_NONE"
        upstream = self.options.get("upstream", [1] * (len(units) if none else 1))
        grad = [mpf(v) for v in self.start or [0] * len(x)]
        size = [fabs(v) for v in grad]
        for k, answer in enumerate(answers):
            factor = mpf(upstream[k if none else 0])
            if reduction == "LOSSES_MEAN":
                factor /= denominator
            if answer:
                indices, _, _, slopes, sizes = answer
                for i, slope, s in zip(indices, slopes, sizes or map(fabs, slopes)):
                    grad[i] += factor * slope
                    size[i] += fabs(factor) * s
        values = [a[2] if a else mpf(0) for a in answers]
        if not none:
            values = [total / denominator if reduction == "LOSSES_MEAN" else total]
        return {
            "loss": values,
            "grad": grad,
            "size": needed(size, grad),
            "lse": lse if self.lse else None,
            "lse_size": needed(lse_size, lse) if self.lse else None,
            "sum": total,
            "denominator": denominator,
            "counted": len(counted),
        }

    def expect_log_softmax(self, x):
        grad, size = [mpf(0)] * len(x), [mpf(0)] * len(x)
        for indices in self.units():
            if self.call == "LOG_SOFTMAX":
                for i, p in zip(indices, softmax([x[i] for i in indices])):
                    grad[i] = log(p)
                    size[i] = fabs(grad[i])
            else:
                u = [mpf(self.soft[i]) for i in indices]
                for i, uj in zip(indices, u):
                    grad[i] = uj - exp(x[i]) * fsum(u)
                    size[i] = fabs(uj) + exp(x[i]) * fsum(map(fabs, u))
        return {"grad": grad, "size": needed(size, grad)}


def needed(size, values):
    """size, or None where every element is its own natural size."""
    own = all(s <= fabs(v) * (1 + DIGITS_LOST) for s, v in zip(size, values))
    return None if own else size


# --- the cases -----------------------------------------------------------------------------------

GAMMAS = (0, 0.5, 1, 2, 5)
LEADS = (10, 20, 40, 80, -10, -40, -80)
REDUCTIONS = ("LOSSES_MEAN", "LOSSES_SUM", "LOSSES_NONE")
TYPES = ("U8", "I32", "I64")
ROWS = ((3, 1, 1), (3, 2, 1), (3, 3, 1), (2, 10, 1), (1, 32, 1), (1, 33, 1))
WIDE = ((1, 100, 1),)
IMAGES = ((2, 3, 5), (1, 10, 2), (1, 2, 17))
PADDED = ((2, 10, 1, 13, 1), (2, 3, 5, 23, 7))


class Draw:
    """Reproducible inputs; half of the time on a coarse grid, where ties and exact sums occur."""

    def __init__(self, seed):
        self.bits = random.Random(seed).getrandbits
        self.turn = 0

    def below(self, n):
        return self.bits(32) * n >> 32

    def between(self, low, high):
        return f32(round(low + (high - low) * (self.bits(24) / 2**24), 3))

    def reals(self, n, low, high):
        return [self.between(low, high) for _ in range(n)]

    def logits(self, shape, limit=6):
        self.turn += 1
        values = self.reals(shape[0] * shape[1] * shape[2], -limit, limit)
        return [round(v * 8) / 8 for v in values] if self.turn % 2 else values

    def labels(self, n, classes):
        return [self.below(classes) for _ in range(n)]

    def probabilities(self, case_units, n, total=1.0):
        """Each unit sums to about total; about one entry in four is zero."""
        values = [0.0] * n
        for indices in case_units:
            raw = [self.bits(10) if self.bits(2) else 0 for _ in indices]
            raw[0] += 1
            for i, v in zip(indices, raw):
                values[i] = total * v / sum(raw)
        return values


def elements(shape):
    return shape[0] * shape[1] * shape[2]


def index_case(draw, call, shape, type="I32", ignored=(), **rest):
    """A case with class indices. The positions in ignored get the value that is ignored, if others
    remain: the mean over nothing is not for this table."""
    options = rest.setdefault("options", {})
    labels = draw.labels(shape[0] * shape[2], shape[1])
    for position in ignored if len(labels) > 1 else ():
        labels[position] = options.get("ignore_index", -100)
    logits = draw.logits(shape)
    if call == "NLL":
        logits = [-fabs(v) - 0.125 for v in logits]
    return Case(call, shape, logits, labels, type, **rest)


def mask_case(draw, call, shape, type="U8", ignored=(), soft=False, **rest):
    options = rest.setdefault("options", {})
    n = elements(shape)
    logits = draw.logits(shape)
    if soft:
        corners = [0.0, 1.0, 0.5]
        values = [corners[draw.below(3)] if draw.bits(1) else draw.between(0, 1) for _ in range(n)]
        return Case(call, shape, logits, soft=values, **rest)
    labels = draw.labels(n, 2)
    for element in ignored:
        labels[element] = options.get("ignore_index", -100)
    return Case(call, shape, logits, labels, type, **rest)


def log_softmax_cases():
    draw = Draw(1)
    for shape in ROWS + WIDE + IMAGES + PADDED:
        case = Case("LOG_SOFTMAX", shape, draw.logits(shape))
        yield case
        if shape in WIDE:
            continue
        log_p = [round(float(v), 3) for v in case.expect()["grad"]]
        yield Case("LOG_SOFTMAX_GRADIENT", shape, log_p, soft=draw.reals(len(log_p), -2, 2))
    for classes in (2, 10):
        for lead in LEADS[:4]:
            yield Case("LOG_SOFTMAX", (1, classes, 1), tail_row(classes, lead)[0])


def nll_cases():
    draw = Draw(2)
    for shape in ROWS[:4] + IMAGES + PADDED:
        count = shape[0] * shape[2]
        for reduction, type in list(zip(REDUCTIONS, TYPES))[:: 1 if count > 1 else 2]:
            options = {"reduction": reduction, "class_weight": draw.reals(shape[1], 0.25, 2)}
            options["upstream"] = draw.reals(count if reduction == "LOSSES_NONE" else 1, -2, 2)
            if type == "U8":
                options.update(has_ignore_index=1, ignore_index=255)
            yield index_case(draw, "NLL", shape, type, ignored=(1,), options=options)


def cross_entropy_cases():
    draw = Draw(3)
    for turn, shape in enumerate(ROWS + IMAGES + PADDED + WIDE):  # plain
        for turn in (turn, turn + 1) if shape not in WIDE else (turn,):
            rest = {"options": {"reduction": REDUCTIONS[turn % 3]}, "lse": turn % 3 == 1}
            yield index_case(draw, "CROSS_ENTROPY", shape, TYPES[turn % 3], **rest)
    some = ((3, 3, 1), (1, 33, 1), (2, 10, 1, 13, 1), (2, 3, 5, 23, 7))
    for shape, which in itertools.product(some, range(6)):
        classes, count = shape[1], shape[0] * shape[2]
        weights = draw.reals(classes, 0, 2)
        if count > 1:
            weights[draw.below(classes)] = 0.0
        options, rest = {}, {}
        if which == 0:
            options = {"class_weight": weights}
        elif which == 1:
            options = {"label_smoothing": 0.1, "reduction": "LOSSES_NONE"}
            options["upstream"] = draw.reals(count, -2, 2)
        elif which == 2:
            options = {"z_loss": 1e-2, "reduction": "LOSSES_SUM", "upstream": [1.5]}
        elif which == 3:
            options = {"class_weight": weights, "label_smoothing": 0.3, "z_loss": 0.125}
            options.update(has_ignore_index=1, ignore_index=5000000000)
            rest = {"ignored": (1,), "type": "I64", "lse": True}
        elif which == 4:
            options = {"denominator": 2.5, "accumulate": 1, "upstream": [-0.75]}
            rest = {"start": draw.reals(elements(shape), -1, 1), "ignored": (0,)}
        else:
            options = {"class_weight": weights, "label_smoothing": 1.0, "reduction": "LOSSES_SUM"}
            options.update(has_ignore_index=1, ignore_index=1)
            rest = {"ignored": (2 % count,), "type": "U8"}
        yield index_case(draw, "CROSS_ENTROPY", shape, options=options, **rest)


def probability_cases():
    draw = Draw(4)
    shapes = ROWS[:4] + ROWS[5:] + IMAGES[:1] + PADDED
    for shape, which in itertools.product(shapes, range(4)):
        classes, count = shape[1], shape[0] * shape[2]
        options, rest, total = {}, {}, 1.0
        if which == 0:
            rest = {"lse": True}
        elif which == 1:
            options = {"class_weight": draw.reals(classes, 0, 2), "label_smoothing": 0.2}
            options.update(reduction="LOSSES_NONE", upstream=draw.reals(count, -2, 2))
        elif which == 2:
            options, total = {"z_loss": 0.03125, "reduction": "LOSSES_SUM"}, 0.625
        else:
            options = {"class_weight": draw.reals(classes, 0, 2), "label_smoothing": 0.05}
            options.update(z_loss=1e-3, accumulate=1, upstream=[3.0], denominator=7.0)
            rest, total = {"start": draw.reals(elements(shape), -1, 1)}, 1.75
        case = Case("CROSS_ENTROPY", shape, draw.logits(shape), options=options, **rest)
        case.soft = [f32(v) for v in draw.probabilities(case.units(), elements(shape), total)]
        yield case


def focal_cases():
    draw = Draw(5)
    gammas = (0, 0.5, 1, 2, 5, 1.7)
    for number, shape in enumerate(ROWS + IMAGES + PADDED + WIDE):
        for turn, gamma in enumerate(gammas):
            if (number + turn) % (6 if shape in WIDE else 2):
                continue
            type = TYPES[turn % 3]
            options, rest = {"reduction": REDUCTIONS[turn % 3]}, {}
            if turn % 2:
                options["alpha"] = 0.25
            if turn > 2:
                options["class_alpha"] = draw.reals(shape[1], 0.25, 2)
                count = shape[0] * shape[2] if turn == 5 else 1
                options["upstream"] = draw.reals(count, -2, 2)
            if turn == 2:
                rest = {"ignored": (0,), "lse": True}
            if turn == 4:
                options["accumulate"] = 1
                rest = {"start": draw.reals(elements(shape), -1, 1)}
            yield index_case(draw, "FOCAL", shape, type, gamma=gamma, options=options, **rest)


def binary_cross_entropy_cases():
    draw = Draw(6)
    for shape in ((4, 1, 1), (3, 3, 1), (1, 1, 33), (2, 2, 5, 15, 7)):
        for turn, soft in itertools.product(range(3), (False, True)):
            options, rest = {"reduction": REDUCTIONS[turn]}, {}
            if turn == 0:
                options["class_weight"] = draw.reals(shape[1], 0.25, 2)
                options["positive_weight"] = draw.reals(shape[1], 0.25, 4)
            if turn == 1:
                options.update(accumulate=1, upstream=[1.25])
                rest["start"] = draw.reals(elements(shape), -1, 1)
                options["class_weight"] = draw.reals(shape[1], 0, 2)
            if turn == 2:
                options["upstream"] = draw.reals(elements(shape), -2, 2)
                options["positive_weight"] = draw.reals(shape[1], 0, 2)
            if not soft and turn:
                rest["ignored"] = (0, 2)
                if turn == 1:
                    options.update(has_ignore_index=1, ignore_index=255)
            type = ("I64", "U8", "I32")[turn]
            rest.update(options=options, soft=soft)
            yield mask_case(draw, "BINARY_CROSS_ENTROPY", shape, type, **rest)


def sigmoid_focal_cases():
    draw = Draw(7)
    for number, shape in enumerate(((3, 3, 1), (1, 1, 17), (2, 2, 5, 15, 7))):
        for turn, gamma in enumerate((0, 0.5, 1, 2, 5, 1.7)):
            if number and (number + turn) % 2:
                continue
            for soft in (False, True):
                options, rest = {"reduction": REDUCTIONS[turn % 3]}, {}
                if turn % 3:
                    options["alpha"] = (None, -1.0, 0.9)[turn % 3]
                if turn == 2:
                    options["upstream"] = draw.reals(elements(shape), -2, 2)
                if turn == 3:
                    options.update(denominator=4.0, accumulate=1, upstream=[2.0])
                    rest["start"] = draw.reals(elements(shape), -1, 1)
                if turn == 4 and not soft:
                    options.update(has_ignore_index=1, ignore_index=255)
                    rest["ignored"] = (1, 3)
                rest.update(gamma=gamma, options=options)
                yield mask_case(draw, "SIGMOID_FOCAL", shape, TYPES[turn % 3], soft=soft, **rest)


def dice_cases():
    draw = Draw(8)
    for shape in ((1, 1, 1), (2, 1, 4), (1, 1, 33), (2, 2, 5, 15, 7)):
        masks = shape[0] * shape[1]
        for turn, soft in itertools.product(range(4), (False, True)):
            options, rest = {}, {}
            if turn == 1:
                options = {"scale": 1.0, "eps": 1.0, "reduction": "LOSSES_NONE"}
                options["upstream"] = draw.reals(masks, -2, 2)
            if turn == 2:
                options = {"scale": 100.0, "eps": 0.01, "reduction": "LOSSES_SUM", "accumulate": 1}
                options["upstream"] = [0.5]
                rest["start"] = draw.reals(elements(shape), -1, 1)
            if turn == 3:
                options = {"denominator": 12.0, "eps": 0.001}
            if not soft and turn and elements(shape) > 1:
                rest["ignored"] = range(shape[2] - 1, shape[2] + 1) if masks > 1 else (2, 3, 20)
            type = ("U8", "I32", "I64", "I32")[turn]
            rest.update(options=options, soft=soft)
            yield mask_case(draw, "DICE", shape, type, **rest)
    # a mask without a counted pixel is not among the masks
    logits = [0.5, -1.25, 2.0, -3.0]
    yield Case("DICE", (2, 1, 2), logits, [1, 0, -100, -100])


def tail_row(classes, lead):
    """The target leads the best of the others by exactly lead; the others are irregular."""
    target = classes // 3
    others = [f32(-((0.37 * j) % 1.3)) for j in range(classes - 1)]
    return others[:target] + [float(lead)] + others[target:], target


def tail_cases():
    total = {"reduction": "LOSSES_SUM"}
    for classes, lead in itertools.product((2, 10, 100), LEADS):
        logits, target = tail_row(classes, lead)
        rest = {"logits": logits, "labels": [target], "lse": classes == 10, "options": total}
        yield Case("CROSS_ENTROPY", (1, classes, 1), **rest)
        for gamma in GAMMAS:
            yield Case("FOCAL", (1, classes, 1), gamma=gamma, **rest)


def tail_image_cases():
    """The tail rows again, each a pixel."""
    none = {"reduction": "LOSSES_NONE"}
    for classes in (3, 10):
        rows = [tail_row(classes, lead) for lead in LEADS]
        logits = [row[0][c] for c in range(classes) for row in rows]
        rest = {"logits": logits, "labels": [row[1] for row in rows], "options": none}
        yield Case("CROSS_ENTROPY", (1, classes, len(rows)), **rest)
        for gamma in GAMMAS:
            yield Case("FOCAL", (1, classes, len(rows)), gamma=gamma, **rest)


def tail_sigmoid_cases():
    logits = [s * x for x in (10.0, 20.0, 40.0, 80.0) for s in (1, -1) for _ in (0, 1)]
    masks = [t for _ in range(len(logits) // 2) for t in (0, 1)]
    shape = (1, 1, len(logits))
    for reduction in REDUCTIONS:
        options = {"reduction": reduction}
        yield Case("BINARY_CROSS_ENTROPY", shape, logits, masks, "U8", options=options)
        yield Case("BINARY_CROSS_ENTROPY", shape, logits, soft=masks, options=options)
    for gamma, alpha in itertools.product(GAMMAS, (0, -1)):
        options = {"reduction": "LOSSES_NONE"}
        if alpha:
            options["alpha"] = alpha
        yield Case("SIGMOID_FOCAL", shape, logits, masks, "U8", gamma=gamma, options=options)
        yield Case("SIGMOID_FOCAL", shape, logits, soft=masks, gamma=gamma, options=options)


def tail_dice_cases():
    """Right at every pixel, wrong at one, wrong at all; and masks without a positive pixel."""
    for x, options in itertools.product((20.0, 40.0), ({}, {"scale": 1.0, "eps": 1.0})):
        mask = [1, 0, 0, 1, 0, 0]
        right = [x - 0.5 * i if t else 0.25 * i - x for i, t in enumerate(mask)]
        options = dict(options, reduction="LOSSES_NONE")
        for logits in (right, right[:5] + [x], [-v for v in right]):
            yield Case("DICE", (1, 1, 6), logits, mask, "U8", options=options)
            yield Case("DICE", (1, 1, 6), logits, soft=mask, options=options)
        empty = [-fabs(v) for v in right] + [fabs(v) for v in right]
        yield Case("DICE", (2, 1, 6), empty, [0] * 12, "U8", options=options)


FAMILIES = (
    ("log-softmax and its gradient", log_softmax_cases),
    ("negative log-likelihood", nll_cases),
    ("cross-entropy, class indices", cross_entropy_cases),
    ("cross-entropy, probabilities", probability_cases),
    ("focal", focal_cases),
    ("binary cross-entropy", binary_cross_entropy_cases),
    ("sigmoid focal", sigmoid_focal_cases),
    ("dice", dice_cases),
    ("the tail: the target 10 to 80 ahead or behind", tail_cases),
    ("the tail in images", tail_image_cases),
    ("the tail of the sigmoid losses", tail_sigmoid_cases),
    ("the tail of dice", tail_dice_cases),
)


# --- the table -----------------------------------------------------------------------------------


def float_text(x):
    """The shortest decimal that reads back as the float x, as a C constant of type float."""
    assert f32(x) == x
    if x == int(x) and fabs(x) < 1e6:
        return str(int(x))
    return next(t for t in (f"{x:.{d}g}" for d in range(1, 10)) if f32(float(t)) == x) + "f"


def double_text(x):
    """The double nearest to x, shortest decimal that reads back."""
    text = repr(float(x))
    return text[:-2] if text.endswith(".0") else text


def tidy_size(x):
    """A natural size needs no more than three digits."""
    return f"{float(x):.3g}"


def pieces(case):
    """The initialisers of a case in order: text, or (type, texts) for an array."""
    want = case.expect()
    yield f".call = {case.call}"
    yield ".shape = {" + ", ".join(map(str, case.shape + (0, 0)[: 5 - len(case.shape)])) + "}"
    yield ".logits = ", ("float", [float_text(v) for v in case.logits])
    if case.labels is not None:
        yield f".type = {case.type}"
        yield ".labels = ", ("int64_t", [str(v) for v in case.labels])
    if case.soft is not None:
        yield ".soft = ", ("float", [float_text(v) for v in case.soft])
    if case.gamma:
        yield f".gamma = {float_text(case.gamma)}"
    for name, value in case.options.items():
        if isinstance(value, list):
            yield f".options.{name} = ", ("float", [float_text(v) for v in value])
        elif isinstance(value, float):  # the denominator is a losses_wide
            text = double_text if name == "denominator" else float_text
            yield f".options.{name} = {text(value)}"
        elif value != "LOSSES_MEAN":
            yield f".options.{name} = {value}"
    if case.start is not None:
        yield ".start = ", ("float", [float_text(v) for v in case.start])
    for name in ("loss", "grad", "lse"):
        if want.get(name) is not None:
            yield f".{name} = ", ("double", [double_text(v) for v in want[name]])
    for name in ("size", "lse_size"):
        if want.get(name) is not None:
            yield f".{name} = ", ("double", [tidy_size(v) for v in want[name]])
    for name in ("sum", "denominator"):
        if name in want:
            yield f".{name} = {double_text(want[name])}"
    if "counted" in want:
        yield f".counted = {want['counted']}"


def wrapped(text, indent, first=None):
    """text, broken at spaces to 100 columns."""
    lines, line = [], " " * (indent if first is None else first)
    for word in text.split(" "):
        if len(line) + len(word) > 99:
            lines.append(line.rstrip())
            line = " " * indent
        line += word + " "
    return "\n".join(lines + [line.rstrip()])


MACRO = {"float": "F", "double": "D", "int64_t": "I"}


def write_table(families):
    tables = [(title, [list(pieces(case)) for case in cases]) for title, cases in families]
    seen, shared = {}, {}
    for _, records in tables:  # long arrays that occur more than once get a name
        for piece in itertools.chain.from_iterable(records):
            if not isinstance(piece, str) and len(piece[1][1]) >= 6:
                key = (piece[1][0], tuple(piece[1][1]))
                seen[key] = seen.get(key, 0) + 1
                if seen[key] == 2:
                    shared[key] = f"shared_{len(shared)}"
    print("/* Cases and their exact answers, for expected.c. To make it again:")
    print(" *     python3 expected.py > expected.inc        (needs mpmath) */")
    for (type, texts), name in shared.items():
        print(wrapped(f"static const {type} {name}[] = {{{', '.join(texts)}}};", 1, 0))
    print("static const struct expected_case expected_cases[] = {")
    number = 0
    for title, records in tables:
        print(f"    /* {title} */")
        for record in records:
            texts = []
            for piece in record:
                if not isinstance(piece, str):
                    type, values = piece[1]
                    array = shared.get((type, tuple(values)), f"{MACRO[type]}({', '.join(values)})")
                    piece = piece[0] + array
                texts.append(piece)
            print(wrapped(f"/* {number} */ {{{', '.join(texts)}}},", 5, 1))
            number += 1
    print("};")


# --- PyTorch -------------------------------------------------------------------------------------


def torch_answer(case):
    """(loss, grad) of a case in PyTorch, double, with its own functions where it has them."""
    import torch
    import torch.nn.functional as F

    def tensor(values):
        return torch.tensor(values, dtype=torch.float64)

    samples, classes, positions = case.shape[:3]
    options, shape = case.options, case.shape[:3]
    x = tensor(case.logits).reshape(shape).requires_grad_()
    soft = None if case.soft is None else tensor(case.soft).reshape(shape)
    if case.call == "LOG_SOFTMAX":
        return None, F.log_softmax(x, 1).flatten()
    if case.call == "LOG_SOFTMAX_GRADIENT":
        return None, torch._log_softmax_backward_data(soft, x.detach(), 1, torch.float64).flatten()

    ignore = options.get("ignore_index", -100)
    reduction = options.get("reduction", "LOSSES_MEAN")[7:].lower()
    fixed = options.get("denominator")
    word = "sum" if fixed else reduction
    weight = tensor(options["class_weight"]) if "class_weight" in options else None
    if case.call in SOFTMAX and soft is None:
        labels = torch.tensor(case.labels).reshape(samples, positions)
        kept = labels != ignore
    elif soft is None:
        labels = tensor(case.labels).reshape(shape)
        kept = labels != ignore
        soft = labels * kept
    else:
        kept = torch.ones((samples, positions) if case.call in SOFTMAX else shape, dtype=torch.bool)

    def reduce(each, count):
        return {"none": each, "sum": each.sum(), "mean": each.sum() / count}[word]

    if case.call == "NLL":
        loss = F.nll_loss(x, labels, weight, ignore_index=ignore, reduction=word)
    elif case.call == "CROSS_ENTROPY":
        rest = {"reduction": word, "label_smoothing": options.get("label_smoothing", 0.0)}
        if case.soft is None:
            loss = F.cross_entropy(x, labels, weight, ignore_index=ignore, **rest)
            count = weight[labels[kept]].sum() if weight is not None else kept.sum()
        else:
            loss, count = F.cross_entropy(x, soft, weight, **rest), samples * positions
        loss = loss + reduce(options.get("z_loss", 0) * torch.logsumexp(x, 1) ** 2 * kept, count)
    elif case.call == "FOCAL":
        log_p = -F.cross_entropy(x, labels, ignore_index=ignore, reduction="none")
        alpha = tensor(options.get("class_alpha", [1] * classes))[labels.clamp(0, classes - 1)]
        alpha = alpha * options.get("alpha", 1)
        loss = reduce(-alpha * (1 - log_p.exp()) ** case.gamma * log_p * kept, kept.sum())
    elif case.call == "DICE":
        p = x.sigmoid() * kept
        smooth = options.get("eps", 1e-6) * options.get("scale", 1000)
        each = 1 - (2 * (p * soft).sum(2) + smooth) / (p.sum(2) + soft.sum(2) + smooth)
        loss = reduce(each * kept.any(2), kept.any(2).sum().double() + 1e-8)
    else:
        broad = [1, classes, 1]
        positive = tensor(options.get("positive_weight", [1] * classes)).reshape(broad)
        each = F.binary_cross_entropy_with_logits(x, soft, pos_weight=positive, reduction="none")
        if weight is not None:
            each = each * weight.reshape(broad)
        if case.call == "SIGMOID_FOCAL":
            p, alpha = x.sigmoid(), options.get("alpha", 0.25)
            each = each * (1 - (p * soft + (1 - p) * (1 - soft))) ** case.gamma
            if alpha >= 0:
                each = each * (alpha * soft + (1 - alpha) * (1 - soft))
        loss = reduce(each * kept, kept.sum())
    if fixed:
        loss = loss / (fixed + (1e-8 if case.call == "DICE" else 0))
    upstream = tensor(options.get("upstream", [1] * loss.numel())).reshape(loss.shape)
    loss.backward(upstream)
    grad = x.grad.flatten()
    return loss.detach().flatten(), grad + tensor(case.start) if case.start else grad


def compare_with_torch(families):
    """Prints the worst difference, relative to the answer or to 1 if that is larger: PyTorch's own
    error in the tail is absolute. It has no answer (NaN) at 1 - p = 0 for 0 < gamma < 1."""
    for title, cases in families:
        worst = compared = missing = 0
        for case in cases:
            want = case.expect()
            loss, grad = torch_answer(case)
            pairs = list(zip(grad.tolist(), want["grad"]))
            pairs += zip(loss.tolist(), want["loss"]) if loss is not None else []
            assert len(pairs) == len(want["grad"]) + len(want.get("loss", []))
            for got, exact in pairs:
                if got != got:
                    missing += 1
                    continue
                worst = max(worst, float(fabs(got - exact) / max(1, fabs(exact))))
                compared += 1
        print(f"{title}: worst {worst:.2g} of {compared} numbers, {missing} NaN in PyTorch")


if __name__ == "__main__":
    FAMILY_CASES = [(title, list(cases())) for title, cases in FAMILIES]
    if "--torch" in sys.argv[1:]:
        compare_with_torch(FAMILY_CASES)
    else:
        write_table(FAMILY_CASES)
