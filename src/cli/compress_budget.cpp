#include "cli/compress_budget.h"

#include <cmath>

#include "base/memory.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/output.h"
#include "compress/duration.h"
#include "text/tokenizer.h"

namespace octet::cli {
namespace {

constexpr int64_t kFewTokens = 256;

// Of three digits, rounded up: what is said holds.
std::string at_most(int64_t bytes) {
  const double value = static_cast<double>(bytes);
  const double step = std::pow(10.0, std::floor(std::log10(std::max(value, 1.0))) - 2);
  return "at most " + human_bytes(std::ceil(value / step) * step);
}

int64_t predicted = 0;  // of this run, once it is known

uint64_t hard_limit() {
  return std::min(data_limit(), usable_memory());
}

// What stands on the way to a peak, before hours of work.
void tell_of_limit(int64_t peak) {
  predicted = peak;
  if (static_cast<uint64_t>(peak) <= hard_limit()) return;
  print_notice(
      fmt::format("octet: warning: no more than {} may be taken here{}: raise that, or give fewer --threads or a "
                  "shorter --context, or this may end for want of memory",
                  human_bytes(static_cast<double>(hard_limit())), data_limit() == hard_limit() ? " (ulimit -d)" : ""));
}

// `floor`: what is needed at other times than while layers are made; `beside`: what stands in memory meanwhile.
int64_t held_within(const std::string& ram, const MemoryPrediction& walk, int64_t floor, int64_t beside,
                    int64_t usual) {
  const MemoryPrediction all{walk.in_memory + beside, walk.spilled + beside};
  const bool fits = static_cast<uint64_t>(all.in_memory) <= hard_limit();
  if (ram.empty()) return fits && all.in_memory - all.spilled <= usual ? usual : 0;
  const int64_t budget = bytes_named(ram, "--ram");
  if (std::max(floor, all.spilled) > budget) refuse_budget(budget, std::max(floor, all.spilled));
  return activations_within(all, fits ? budget : std::max(all.spilled, std::min(budget, all.in_memory - 1)));
}

void tell_of_few_rows(int64_t rows, const CompressOptions& options) {
  if (rows < kFewTokens) {
    print_notice(fmt::format(
        "octet: warning: only {} token{} of the calibration text {} used: what is fitted to so few may fail "
        "on others; give some thousands",
        rows, rows == 1 ? "" : "s", rows == 1 ? "is" : "are"));
  }
  if (rows < kFewestStaticRows && options.needs_calibration() && options.pipeline.searches_smoothing()) {
    print_notice(
        fmt::format("octet: warning: {} tokens are too few to smooth inputs whose scale is fixed, others would "
                    "leave their range: they stay as they are; give {} or more",
                    rows, kFewestStaticRows));
  }
}

MeasuredText measured_text(const CompressOptions& options, const std::string& text) {
  return {std::ssize(text), std::ssize(Tokenizer::load(options.model).encode(text))};
}

}  // namespace

std::string time_text(double seconds) {
  return seconds < 1 ? "under a second" : "about " + human_seconds(seconds);
}

Prediction predict(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
                   const CompressOptions& options, int64_t rows, const std::string& validation, Threads& threads,
                   int64_t yet_to_come) {
  const bool reports = !given.report.empty();
  const MeasuredText text = reports ? measured_text(options, validation) : MeasuredText();
  MemoryPrediction walk = predict_memory(plan, options, rows, threads.count());
  walk.in_memory += yet_to_come;
  walk.spilled += yet_to_come;
  const int64_t report = reports ? predict_report(plan, options, text, threads.count()) : 0;
  Prediction prediction;
  prediction.held = held_within(given.ram, walk, report, 0, options.activation_bytes);
  prediction.peak = std::max(report, prediction.held > 0 ? walk.in_memory : walk.spilled);
  prediction.seconds = predict_seconds(checkpoint, plan, options, rows, threads);
  if (reports) prediction.seconds += predict_report_seconds(plan, options, text.tokens, threads);
  return prediction;
}

int64_t admit(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
              const CompressOptions& options, int64_t rows, const std::string& validation, Threads& threads) {
  const Prediction prediction = predict(given, checkpoint, plan, options, rows, validation, threads);
  if (rows > 0) tell_of_few_rows(rows, options);
  print_notice(fmt::format("octet: predicted: {} of memory{}, {}", at_most(prediction.peak),
                           prediction.held > 0 ? "" : ", activations in a file", time_text(prediction.seconds)));
  tell_of_limit(prediction.peak);
  return prediction.held;
}

int64_t admit_contract(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
                       const CompressOptions& options, const MeasuredText& text, int64_t schemes, Threads& threads) {
  if (text.tokens < kFewTokens) {
    print_notice(
        fmt::format("octet: warning: the validation text has only {} token{}: what holds on so few may not hold on "
                    "others; give some thousands",
                    text.tokens, text.tokens == 1 ? "" : "s"));
  }
  const bool walks = !options.pipeline.plain() || options.needs_calibration();
  const int64_t calibrated = walks ? options.calibration_tokens : 0;
  const MemoryPrediction walk = predict_memory(plan, options, calibrated, threads.count());
  const MeasuringPrediction measuring =
      predict_measuring(plan, options, text, threads.count(), contract_of(given), schemes);
  const int64_t kept = 2 * bytes_of_candidates(plan, text);  // and copied
  const int64_t report = given.report.empty() ? 0 : predict_report(plan, options, text, threads.count(), kept);
  const int64_t floor = std::max(measuring.peak, report);
  const int64_t held = held_within(given.ram, walk, floor, measuring.held, options.activation_bytes);
  const int64_t peak = std::max(floor, measuring.held + (held > 0 ? walk.in_memory : walk.spilled));
  const double seconds = predict_seconds(checkpoint, plan, options, calibrated, threads);
  print_notice(fmt::format("octet: predicted: {} of memory{}, {} to make each candidate", at_most(peak),
                           held > 0 ? "" : ", activations in a file", time_text(seconds)));
  tell_of_limit(peak);
  return held;
}

std::string out_of_memory() {
  const std::string needed = predicted > 0 ? at_most(predicted) + " were predicted: raise the limit to that"
                                           : "--ram 1M says how little is enough: raise the limit to that";
  return fmt::format("there is not enough memory for this: {}; {}, or give fewer --threads", memory_taken(), needed);
}

}  // namespace octet::cli
