#pragma once
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "base/memory.h"
#include "cli/compress_arguments.h"
#include "compress/contract.h"
#include "compress/module_kinds.h"
#include "compress/sensitivity.h"
#include "compress/walk.h"
#include "eval/perplexity.h"
#include "eval/speed.h"

namespace octet::cli {

/// What the page about a compressed model shows.
struct CompressReport {
  std::string model, output, scheme, algorithm, command, validation;
  int64_t context = 0;
  struct Step {
    std::string kind, what;
  };
  std::vector<Step> steps;  // of the pipeline
  std::vector<ModuleKind> layers;
  int64_t bytes_before = 0, bytes_after = 0;
  double seconds = 0;
  uint64_t peak_memory = 0;
  uint64_t memory_before = 0, memory_after = 0;  // that the loaded model holds
  Speed speed_before, speed_after;
  Comparison comparison;
  std::vector<SmoothingNote> smoothing;
  std::vector<ModuleNoise> noise;     // in the order of the forward
  size_t modules = 0;                 // that were compressed; of some there may be no noise
  std::vector<Candidate> candidates;  // of a contract
  size_t chosen = 0;
  std::vector<Sensitivity> units;  // of a contract; as many of the first stay wide as the chosen model keeps
  struct Bound {
    std::string option, given;  // "--max-kl", "0.0005"
    double limit = 0, reached = 0;
    std::string reached_text;
  };
  std::vector<Bound> bounds;  // of a contract
  struct Token {
    std::string before, text;
    double kl = 0, nll = 0, baseline_nll = 0;
  };
  std::vector<Token> worst;
};

/// The twenty tokens whose distribution changed most, with the text that stands before them. Bytes of characters
/// that tokens split are written as <0xE2>.
std::vector<CompressReport::Token> worst_tokens(const Comparison& comparison, const std::vector<int32_t>& tokens,
                                                const Tokenizer& tokenizer);

/// What the command line bounds, and what a model reached.
std::vector<CompressReport::Bound> bounds_of(const CompressArguments& given, const Candidate& candidate);

/// Tokens that are decoded in a second: measured, or from the bytes that are read for one.
double predicted_speed(const CompressReport& report, const Candidate& candidate);

/// One self-contained page.
std::string compress_report(const CompressReport& report);
/// The same numbers.
Json compress_report_json(const CompressReport& report);

/// Throws where the folder of the report is not there: before hours of work, not after.
void check_report(const std::string& file);
/// Measures the model before and the one that stands in `made`, unless a contract did (`measured`), and writes the page
/// and the numbers beside it. Why there is none, or "": the model is complete whatever becomes of its report.
std::string try_report(const CompressArguments& given, const CompressOptions& options,
                       const std::filesystem::path& made, const std::string& validation, CompressReport& report,
                       const Comparison* measured, PeakMemory& memory, Threads& threads);
/// Throws Error where there is a reason.
void fail_without_report(const std::string& reason, const CompressOptions& options);

}  // namespace octet::cli
