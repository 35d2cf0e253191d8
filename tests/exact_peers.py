"""make exact: PyTorch in float on the inputs of build/exact.bin, its results to build/exact.peers.

Both in the machine's byte order, case after case. exact.bin:
    int32   loss (as in exact.h), samples, classes, positions, whether targets are float, reduction
            (0 mean, 1 sum, 2 none), number of integer targets, whether there are class weights,
            positive weights, number of upstream values
    float   gamma, label_smoothing, z_loss, alpha, scale, eps
    float   logits [samples][classes][positions]; then what there is of: float targets, integer
            targets (int32), weights [classes], positive weights [classes], upstream
exact.peers: the peer's name in 64 bytes; for each case
    int32   number of losses, number of gradients (or log-probabilities)
    float   both
"""
import numpy
import torch

F = torch.nn.functional
REDUCTIONS = ('mean', 'sum', 'none')
torch.set_num_threads(1)


def reduce(loss, counted, reduction):
    loss = loss * counted
    if reduction == 'mean':
        return loss.sum() / counted.sum()
    return loss.sum() if reduction == 'sum' else loss


def focal(x, t, gamma, alpha, weight, reduction):
    ce = F.cross_entropy(x, t, reduction='none')
    loss = alpha * (1 - torch.exp(-ce)) ** gamma * ce
    if weight is not None:
        loss = loss * weight[t.clamp(min=0)]
    return reduce(loss, t != -100, reduction)


def sigmoid_focal(x, t, gamma, alpha, reduction):  # as in torchvision.ops
    counted, t = t != -100, t.clamp(min=0)
    p = torch.sigmoid(x)
    ce = F.binary_cross_entropy_with_logits(x, t, reduction='none')
    p_t = p * t + (1 - p) * (1 - t)
    loss = ce * ((1 - p_t) ** gamma)
    if alpha >= 0:
        loss = (alpha * t + (1 - alpha) * (1 - t)) * loss
    return reduce(loss, counted, reduction)


def dice(x, t, scale, eps, reduction):  # of each mask
    counted, t = t != -100, t.clamp(min=0)
    p = torch.sigmoid(x) * counted
    top = 2 * (p / scale * t).sum(-1)
    bottom = (p / scale).sum(-1) + (t / scale).sum(-1)
    loss = 1 - (top + eps) / (bottom + eps)
    if reduction == 'mean':
        return loss.sum() / (loss.numel() + 1e-8)
    return loss.sum() if reduction == 'sum' else loss


def binary(x, t, weight, positive, reduction):
    if (t != -100).all():
        return F.binary_cross_entropy_with_logits(
            x, t, weight=weight, reduction=reduction, pos_weight=positive)
    loss = F.binary_cross_entropy_with_logits(
        x, t.clamp(min=0), weight=weight, reduction='none', pos_weight=positive)
    return reduce(loss, t != -100, reduction)


def answers(read):
    head = read(numpy.int32, 10)
    kind, n, c, m, soft, reduction, labels, weighted, with_positive, upstreams = head.tolist()
    gamma, smoothing, z, alpha, scale, eps = read(numpy.float32, 6).tolist()
    shape = (n, c) if m == 1 and kind != 8 else (n, c, m)
    reduction = REDUCTIONS[reduction]

    def tensor(dtype, count, *sizes):
        return torch.from_numpy(read(dtype, count)).reshape(sizes) if count else None

    x = tensor(numpy.float32, n * c * m, *shape)
    q = tensor(numpy.float32, n * c * m if soft or kind == 2 else 0, *shape)
    t = tensor(numpy.int32, labels, *(shape[:1] + shape[2:] if kind < 6 else shape))
    w = tensor(numpy.float32, c * weighted, c)
    positive = tensor(numpy.float32, c * with_positive, c)
    u = tensor(numpy.float32, upstreams, upstreams)

    if kind == 0:
        return None, F.log_softmax(x, 1)
    if kind == 1:
        return None, torch.logsumexp(x, 1)
    if kind == 2:
        return None, torch._log_softmax_backward_data(q, x, 1, torch.float32)
    x.requires_grad_()
    if kind < 6:
        t = q if soft else t.long()
    else:
        t = q if soft else t.float()
        sizes = (c,) + (1,) * (len(shape) - 2)
        w, positive = (v if v is None else v.reshape(sizes) for v in (w, positive))
    if kind == 3:
        loss = F.nll_loss(x, t, w, reduction=reduction)
    elif kind == 4 and z > 0:
        loss = F.cross_entropy(x, t, w, reduction='none', label_smoothing=smoothing)
        loss = reduce(loss + z * torch.logsumexp(x, 1) ** 2, torch.ones_like(loss), reduction)
    elif kind == 4:
        loss = F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=smoothing)
    elif kind == 5:
        loss = focal(x, t, gamma, alpha or 1, w, reduction)
    elif kind == 6:
        loss = binary(x, t, w, positive, reduction)
    elif kind == 7:
        loss = sigmoid_focal(x, t, gamma, alpha or 0.25, reduction)
    else:
        loss = dice(x, t, scale, eps, reduction)
    loss.backward(torch.ones_like(loss) if u is None else u.reshape(loss.shape))
    return loss, x.grad


def main():
    with open('build/exact.bin', 'rb') as source, open('build/exact.peers', 'wb') as to:
        def read(dtype, count):
            numbers = numpy.fromfile(source, dtype, count)
            if len(numbers) < count:
                raise EOFError
            return numbers

        to.write(f'PyTorch {torch.__version__}'.encode().ljust(64, b'\0'))
        while source.peek(1):
            loss, out = answers(read)
            none = numpy.zeros(0, numpy.float32)
            numbers = [none if v is None else v.detach().numpy().ravel() for v in (loss, out)]
            numpy.array([len(v) for v in numbers], numpy.int32).tofile(to)
            for v in numbers:
                v.tofile(to)


main()
