// Weighted cross-entropy from C++: names are tagged word by word, rare tags weigh more, padding is
// ignored, and a bad label becomes an exception.
#define LOSSES_IMPLEMENTATION
#include "losses.h"
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

struct Result {
    double mean;               // weighted
    std::vector<float> losses; // one for each word
    std::vector<float> grad;   // of the mean, laid out like the logits
};

static Result cross_entropy(const std::vector<float> &logits, const std::vector<int64_t> &labels,
                            const std::vector<float> &weights)
{
    const losses_shape shape = losses_rows(labels.size(), weights.size());
    if (logits.size() != labels.size() * weights.size()) {
        throw std::invalid_argument("one row of logits for each label, please");
    }
    Result result = {0, std::vector<float>(labels.size()), std::vector<float>(logits.size())};
    losses_report report;
    losses_options options = losses_options();
    options.class_weight = weights.data();
    options.report = &report;

    float mean;
    losses_status status = losses_cross_entropy(&mean, result.grad.data(), logits.data(),
                                                losses_i64(labels.data()), shape, &options);
    if (status == LOSSES_BAD_TARGET) {
        throw std::out_of_range(std::string(losses_status_name(status)) + " at word " +
                                std::to_string(report.bad_position));
    }
    if (status == LOSSES_OK) {
        result.mean = static_cast<double>(mean);
        options.reduction = LOSSES_NONE;
        status = losses_cross_entropy(result.losses.data(), NULL, logits.data(),
                                      losses_i64(labels.data()), shape, &options);
    }
    if (status != LOSSES_OK) throw std::runtime_error(losses_status_name(status));
    return result;
}

int main()
{
    const std::vector<const char *> words = {"Ada", "Lovelace", "lived", "in", "London", "<pad>"};
    const std::vector<const char *> tags = {"other", "person", "place"};
    const std::vector<float> weights = {0.5F, 2, 2};
    const int64_t padding = -100; // what the library ignores when nothing else is set
    std::vector<int64_t> labels = {1, 1, 0, 0, 2, padding};
    const std::vector<float> logits = {0.2F, 2.1F, 0.4F,  //
                                       0.9F, 1.3F, 1.1F,  //
                                       3.0F, 0.1F, -0.5F, //
                                       2.5F, 0.0F, 0.3F,  //
                                       0.3F, 1.2F, 0.8F,  //
                                       0.0F, 0.0F, 0.0F};
    try {
        const Result result = cross_entropy(logits, labels, weights);
        std::printf("word      label     loss   gradient: other   person    place\n");
        for (std::size_t i = 0; i < words.size(); i++) {
            const float *grad = &result.grad[i * tags.size()];
            std::printf("%-9s %-7s %6.3f            %8.4f %8.4f %8.4f\n", words[i],
                        labels[i] == padding ? "-" : tags[static_cast<std::size_t>(labels[i])],
                        static_cast<double>(result.losses[i]), static_cast<double>(grad[0]),
                        static_cast<double>(grad[1]), static_cast<double>(grad[2]));
        }
        std::printf("weighted mean %.4f\n", result.mean);

        labels[3] = 7;
        cross_entropy(logits, labels, weights);
    } catch (const std::out_of_range &error) {
        std::printf("a label of 7: %s\n", error.what());
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    return 1;
}
