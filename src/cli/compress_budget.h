#pragma once
#include "cli/compress_arguments.h"
#include "compress/budget.h"
#include "compress/plan.h"

namespace octet::cli {

/// What compressing will take, before the start.
struct Prediction {
  int64_t peak = 0;  // bytes of anonymous memory
  int64_t held = 0;  // of activations that may stand in memory
  double seconds = 0;
};
/// With `rows` tokens of calibration (0: with none), and of the report, measured on `validation`; `yet_to_come`: bytes
/// that a dry run does not take, but the run will have taken. Throws UsageError naming the smallest budget where --ram
/// cannot be kept.
Prediction predict(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
                   const CompressOptions& options, int64_t rows, const std::string& validation, Threads& threads,
                   int64_t yet_to_come = 0);

/// Prints a prediction before the start. Returns how many bytes of activations may be held in memory.
int64_t admit(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
              const CompressOptions& options, int64_t rows, const std::string& validation, Threads& threads);

/// The same of a contract, before anything is measured on the validation text; how many `schemes` a layer may get.
/// Returns the bytes of activations that each candidate may hold while it is made.
int64_t admit_contract(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
                       const CompressOptions& options, const MeasuredText& text, int64_t schemes, Threads& threads);

/// "about 12.3 s".
std::string time_text(double seconds);

/// What to say where memory ran out: what is taken, what may be, and what was predicted.
std::string out_of_memory();

}  // namespace octet::cli
