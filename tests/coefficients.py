#!/usr/bin/env python3
"""The polynomials of exp and log in losses.h: minimax fits (Remez) of the coefficients that are not
given, rounded to float from the lowest up, each before the rest is fitted anew to what it left.

    python3 coefficients.py              prints them (needs mpmath)
    python3 coefficients.py ../losses.h  and fails if one does not stand there, to the letter
"""
import struct
import sys

from mpmath import atanh, cos, exp, log, lu_solve, matrix, mp, mpf, pi, sign, sqrt

mp.dps = 30
POINTS = 2000

def same(x):
    return mpf(1)


def relative(x):
    return 1 / log(1 + x)


# name, function, its coefficients that are given, the powers that are fitted, the interval, and the
# weight of the error, which is greatest where the errors of the arithmetic leave least room
FITS = [
    ("exp", lambda r: exp(r) - 1, {1: 1}, range(2, 7), log(mpf(3) / 4), log(mpf(3) / 2), same),
    ("exp_lane", lambda r: exp(r) - 1, {1: 1}, range(2, 7), -mpf("0.347"), mpf("0.347"), same),
    ("log_tail", lambda w: 2 * atanh(sqrt(w)) / sqrt(w) - 2, {0: 0}, range(1, 4), mpf(0), mpf("0.04"), sqrt),
    ("log_rest", lambda f: log(1 + f), {1: 1, 2: mpf(-0.5)}, range(3, 12), mpf(-0.25), mpf(0.5), same),
]


def to_float(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def farthest(x, want, weight, coefficients):
    """The point where sum c x^power is farthest from want, weighted, and by how much."""
    lowest, highest = min(coefficients), max(coefficients)
    c = [float(coefficients[power]) for power in range(highest, lowest - 1, -1)]
    worst, at = 0.0, 0
    for i, (xi, wi) in enumerate(zip(x, want)):
        value = 0.0
        for ci in c:
            value = value * xi + ci
        error = (wi - value * xi**lowest) * weight[i]
        if abs(error) > abs(worst):
            worst, at = error, i
    return worst, at


def minimax(x, want, weight, powers):
    """The best coefficients for want, on the points x: Remez, exchanging one point at a time.

    At the best the errors at some points, one more than there are coefficients, are equal, and the signs
    of error / x^lowest alternate: what is fitted is want / x^lowest, with x^lowest in the weight."""
    lowest, n = powers[0], len(powers) + 1
    points = [round(i * (len(x) - 1) / (n - 1)) for i in range(n)]
    plain = [[float(v) for v in values] for values in (x, want, weight)]
    while True:
        system, right = matrix(n, n), matrix(n, 1)
        for i, point in enumerate(points):
            for k, power in enumerate(powers):
                system[i, k] = x[point] ** power * weight[point]
            system[i, n - 1] = (-1) ** i * sign(x[point]) ** lowest
            right[i] = want[point] * weight[point]
        solution = lu_solve(system, right)
        coefficients, level = dict(zip(powers, solution)), solution[n - 1]
        worst, at = farthest(*plain, coefficients)
        if at in points or abs(worst) <= abs(level) * (1 + mpf(10) ** -7):
            return coefficients
        up = (worst * sign(x[at]) ** lowest > 0) == (level > 0)  # as the first of the points
        after = sum(point < at for point in points)
        if after < n and up == (after % 2 == 0):
            points[after] = at
        elif after > 0 and up == (after % 2 == 1):
            points[after - 1] = at
        elif after == 0:
            points = [at] + points[:-1]
        else:
            points = points[1:] + [at]


def fit(function, given, powers, low, high, weigh):
    turns = [(i + mpf(0.5)) / POINTS for i in range(POINTS)]  # not the ends: one may be 0
    x = [(low + high) / 2 - (high - low) / 2 * cos(pi * turn) for turn in turns]
    want, weight = [function(v) for v in x], [weigh(v) for v in x]
    rounded = dict(given)
    for power in powers:
        rest = [w - sum(c * v**p for p, c in rounded.items()) for v, w in zip(x, want)]
        best = minimax(x, rest, weight, range(power, powers[-1] + 1))
        rounded[power] = mpf(to_float(float(best[power])))
    errors = [w - sum(c * v**p for p, c in rounded.items()) for v, w in zip(x, want)]
    error = max(abs(e * w) for e, w in zip(errors, weight))
    return [float(rounded[power]) for power in powers], float(error)


def main():
    header = open(sys.argv[1]).read() if len(sys.argv) > 1 else None
    missing = 0
    for name, function, given, powers, low, high, weigh in FITS:
        coefficients, error = fit(function, given, powers, low, high, weigh)
        print(f"{name}: within {error:.1e} from {float(low):.4f} to {float(high):.4f}")
        for power, c in zip(powers, coefficients):
            text = f"{c:.8e}f".replace("e-0", "e-")
            found = header is None or text in header
            missing += not found
            print(f"    x^{power:<2} {text}" + ("" if found else "    is not in the header"))
    return missing != 0


sys.exit(main())
