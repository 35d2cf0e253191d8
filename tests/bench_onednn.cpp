// oneDNN's log-softmax, forward and backward, beside the cross-entropy of losses.h: part of make bench-peers.
// Usage: bench_onednn ISA CELL, "" for all. Prints lines of work, subject, ns, ratio to losses.h,
// separated by tabs. What goes backward, -1/n at each target, is a dense array made beforehand.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#include <dnnl.hpp>
#include "bench.h"

using dnnl::memory;

namespace
{

dnnl::engine *engine;
dnnl::stream *queue;

struct peer {
    bool reference; // only oneDNN's slow fallback takes this layout
    dnnl::primitive forward, backward;
    memory x, log_p, upstream, grad;
};
peer theirs;

bool is_reference(const char *implementation)
{
    return std::strncmp(implementation, "ref", 3) == 0;
}

#if DNNL_VERSION_MAJOR >= 3
peer make(const memory::desc &desc, int axis)
{
    const dnnl::softmax_forward::primitive_desc forward(
        *engine, dnnl::prop_kind::forward_training, dnnl::algorithm::softmax_log, desc, desc, axis);
    const dnnl::softmax_backward::primitive_desc backward(*engine, dnnl::algorithm::softmax_log,
                                                          desc, desc, desc, axis, forward);
    return {is_reference(forward.impl_info_str()),
            dnnl::softmax_forward(forward),
            dnnl::softmax_backward(backward),
            {},
            {},
            {},
            {}};
}
#else
peer make(const memory::desc &desc, int axis)
{
    const dnnl::logsoftmax_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, desc, axis}, *engine);
    const dnnl::logsoftmax_backward::primitive_desc backward({desc, desc, axis}, *engine, forward);
    return {is_reference(forward.impl_info_str()),
            dnnl::logsoftmax_forward(forward),
            dnnl::logsoftmax_backward(backward),
            {},
            {},
            {},
            {}};
}
#endif

double run_theirs(const bench_call *)
{
    theirs.forward.execute(*queue, {{DNNL_ARG_SRC, theirs.x}, {DNNL_ARG_DST, theirs.log_p}});
    theirs.backward.execute(*queue, {{DNNL_ARG_DST, theirs.log_p},
                                     {DNNL_ARG_DIFF_DST, theirs.upstream},
                                     {DNNL_ARG_DIFF_SRC, theirs.grad}});
    queue->wait();
    return 0;
}

void measure(const char *work, const losses_shape &shape, const char *isa)
{
    const size_t elements = bench_elements(shape), n = shape.samples * shape.positions;
    std::vector<float> log_p(elements), upstream(elements);
    bench_draw_targets(shape, 0, 0);
    bench_call call = bench_begin(BENCH_CROSS_ENTROPY, shape, 0, BENCH_BOTH);
    call.targets = shape.positions > 1 ? losses_u8(bench_data.u8) : losses_i32(bench_data.i32);
    for (size_t i = 0; i < n; i++) {
        const size_t sample = i / shape.positions, position = i % shape.positions;
        const size_t row = sample * shape.classes + size_t(bench_data.i32[i]);
        upstream[row * shape.positions + position] = -1 / float(n);
    }

    const memory::desc desc(
        {memory::dim(shape.samples), memory::dim(shape.classes), memory::dim(shape.positions)},
        memory::data_type::f32, memory::format_tag::abc);
    theirs = make(desc, 1);
    if (theirs.reference) {
        std::printf("skipped: %s: oneDNN has only its reference code for this layout\n", work);
        return;
    }
    theirs.x = memory(desc, *engine, bench_data.logits);
    theirs.log_p = memory(desc, *engine, log_p.data());
    theirs.upstream = memory(desc, *engine, upstream.data());
    theirs.grad = memory(desc, *engine, bench_data.grad);

    char name[32];
    std::snprintf(name, sizeof name, "oneDNN %d.%d.%d", dnnl::version()->major,
                  dnnl::version()->minor, dnnl::version()->patch);
    bench_subject subjects[2];
    std::memset(subjects, 0, sizeof subjects);
    subjects[0].name = "losses.h";
    subjects[0].run = bench_ours;
    subjects[1].name = name;
    subjects[1].run = run_theirs;
    for (bench_subject &s : subjects) {
        s.isa = isa;
        s.call = &call;
    }
    const int repetitions = bench_measure(subjects, 2);
    double loss = 0;
    for (size_t i = 0; i < elements; i++) loss += double(upstream[i]) * double(log_p[i]);
    subjects[1].loss = loss;
    if (!bench_agree(work, &subjects[1], &subjects[0])) std::exit(1);
    for (const bench_subject &s : subjects)
        std::printf("%s\t%s\t%.4f\t%.3f\n", work, s.name, bench_ns(&s, repetitions),
                    bench_ratio(&s, &subjects[0], repetitions));
    std::fflush(stdout);
}

} // namespace

int main(int count, char **arguments)
{
    const char *isa = count > 1 && *arguments[1] ? arguments[1] : losses_isa();
    const char *only = count > 2 ? arguments[2] : "";
    const struct {
        const char *size;
        losses_shape shape;
    } works[] = {
        {"512x50257", losses_rows(512, 50257)}, {"8192x1000", losses_rows(8192, 1000)},
        {"65536x100", losses_rows(65536, 100)}, {"262144x10", losses_rows(262144, 10)},
        {"64x1000", losses_rows(64, 1000)},     {"4x21x256x256", losses_images(4, 21, 65536)}};
    dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(cpu);
    engine = &cpu;
    queue = &stream;
    bench_reserve(size_t(512) * 50257);
    std::printf("oneDNN's log-softmax beside losses_cross_entropy, %s\n", isa);
    for (const auto &w : works) {
        char work[64], name[96];
        std::snprintf(work, sizeof work, "cross-entropy %s", w.size);
        std::snprintf(name, sizeof name, "%s, value + gradient", work);
        if (std::strstr(name, only)) measure(work, w.shape, isa);
    }
    theirs = peer();
    return 0;
}
