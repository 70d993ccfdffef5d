#include "cli/compress_contract.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "base/units.h"
#include "cli/compress_budget.h"
#include "cli/compress_notices.h"
#include "cli/compress_report.h"
#include "cli/output.h"
#include "compress/calibrate.h"
#include "compress/compress.h"
#include "compress/contract_work.h"
#include "compress/noise_file.h"
#include "compress/save.h"

namespace octet::cli {
namespace {

Json json_of(const Candidate& c, const ContractResult& result) {
  const Comparison& comparison = c.comparison;
  Json object{{"wide_units", c.kept}, {"units", result.units.size()}, {"bytes", c.bytes}, {"holds", c.holds}};
  if (!comparison.kl.empty()) {
    object["kl_divergence"] = comparison.mean_kl;
    object["perplexity_ratio"] = comparison.ratio;
    object["perplexity_ratio_95"] = {comparison.ratio_low, comparison.ratio_high};
    object["top1_agreement"] = comparison.top1_agreement;
  }
  object["latency_seconds"] = c.latency > 0 ? Json(c.latency) : Json();
  if (!c.holds) object["miss"] = c.miss;
  return object;
}

// Contradictions are told before hours of work.
void check(const CompressArguments& given, const Contract& contract) {
  if (!given.recipe.empty())
    throw UsageError("a contract says itself which layers stay wide: it does not go with --recipe");
  if (given.dry_run) throw UsageError("a contract is found out by measuring: it does not go with --dry-run");
  if (contract.max_bytes && *contract.max_bytes == 0) throw UsageError("--max-size 0: no model is that small");
  if (contract.max_latency && *contract.max_latency == 0) throw UsageError("--max-latency 0: no model is that fast");
  std::error_code error;
  if (!given.validation.empty() && std::filesystem::equivalent(given.validation, given.calibration, error)) {
    throw UsageError(
        "--validation is the calibration text itself: a contract is verified on a text that was not calibrated on");
  }
}

// What a layer may become, the first the narrowest that is allowed.
std::vector<const Scheme*> schemes_of(const CompressArguments& given) {
  if (given.scheme.empty()) {
    return {&scheme_named("W8A8"), &scheme_named("FP8_DYNAMIC"), &scheme_named("FP8_BLOCK")};
  }
  const Scheme& scheme = scheme_named(given.scheme);
  if (!scheme.weights) throw UsageError(fmt::format("{} compresses nothing: there is nothing to keep", scheme.name));
  if (scheme.needs_calibration() && given.calibration.empty()) {
    throw UsageError(fmt::format("{} fixes ranges beforehand: give --calibration FILE", scheme.name));
  }
  return {&scheme};
}

// Of the output with every layer made, headers and what is written about it not counted.
int64_t least_bytes(const Checkpoint& checkpoint, const CompressOptions& base,
                    const std::vector<const Scheme*>& schemes) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const Scheme* scheme : schemes) {
    CompressOptions options = base;
    options.scheme = scheme;
    least = std::min(least, make_plan(checkpoint, options).bytes_after);
  }
  for (const OtherFile& file : other_files(checkpoint)) {
    if (file.left_out.empty()) least += static_cast<int64_t>(std::filesystem::file_size(file.path));
  }
  return least;
}

int cannot_be_that_small(int64_t least, const Common& common) {
  const std::string miss = fmt::format("with every layer made it takes at least {} ({} bytes) of files",
                                       human_bytes(static_cast<double>(least)), least);
  if (common.json) {
    print_json({{"output", nullptr},
                {"contract", {{"holds", false}, {"bytes_at_least", least}, {"miss", miss}}},
                {"candidates", Json::array()}});
  }
  print_notice("octet: the contract cannot be met: " + miss);
  return 3;
}

// "0.5" is taken for 50 %: a share that large is said, lest half a per cent was meant.
void tell_of_share(const CompressArguments& given, const Contract& contract) {
  constexpr double kLarge = 0.1;
  if (!contract.max_perplexity_increase || *contract.max_perplexity_increase < kLarge) return;
  if (given.max_ppl_increase.ends_with('%')) return;
  print_notice(fmt::format("octet: warning: --max-ppl-increase {0} is {1:g} %; for {0} % give {0}%",
                           printable(given.max_ppl_increase, 40), 100 * *contract.max_perplexity_increase));
}

using Notes = std::map<std::string, LayerNotes>;  // what a report shows of each candidate, by the name of its directory

// Makes one candidate after the other.
class Maker {
 public:
  Maker(const Checkpoint& checkpoint, const std::string& text, Notes& notes, Threads& threads)
      : checkpoint_(checkpoint), text_(text), notes_(notes), threads_(threads) {}

  // What a report shows of a candidate that an earlier run made.
  void take_up(const CompressOptions& candidate) const {
    notes_[candidate.output.filename().string()] = read_notes(notes_file(candidate));
  }

  void make(const CompressOptions& candidate) const {
    const Plan plan = make_plan(checkpoint_, candidate);
    const auto watch = [&](const WorkPlace& work) { return calibration_of(plan, candidate, work); };
    compress(checkpoint_, plan, candidate, watch, threads_, [](int64_t) {});
  }

 private:
  static std::filesystem::path notes_file(const CompressOptions& candidate) {
    std::filesystem::path file = candidate.output;
    return file += ".json";
  }

  Calibration calibration_of(const Plan& plan, const CompressOptions& candidate, const WorkPlace& work) const {
    if (candidate.pipeline.plain() && !candidate.needs_calibration() && !candidate.kv_cache_fp8) return {};
    if (candidate.pipeline.plain())
      return {calibrate(checkpoint_, plan, candidate, text_, work.directory, threads_), {}};
    WalkResult walked = walk_layers(checkpoint_, plan, candidate, text_, work, threads_);
    tell_of_earlier_run(walked, plan.model.layers);
    LayerNotes& notes = notes_[candidate.output.filename().string()];
    notes = {std::move(walked.smoothing), std::move(walked.noise)};
    if (candidate.watch_noise) write_notes(notes_file(candidate), notes);
    return std::move(walked.calibration);
  }

  const Checkpoint& checkpoint_;
  const std::string& text_;
  Notes& notes_;
  Threads& threads_;
};

// Why there is no report, or "".
std::string report_contract(const CompressArguments& given, const CompressOptions& options,
                            const std::filesystem::path& made, const std::string& validation,
                            const ContractResult& result, CompressReport& report, PeakMemory& memory,
                            Threads& threads) {
  report.bytes_before = Checkpoint::open(options.model).bytes();
  report.bytes_after = Checkpoint::open(made).bytes();
  report.candidates = result.candidates;
  report.chosen = result.chosen;
  report.units = result.units;
  const Comparison& measured = result.candidates.at(result.chosen).comparison;
  return try_report(given, options, made, validation, report, &measured, memory, threads);
}

// Returns the exit status.
int tell_result(const CompressOptions& options, const Contract& contract, const ContractResult& result,
                PeakMemory& memory, const Common& common) {
  const Candidate& chosen = result.candidates.at(result.chosen);
  if (common.json) {
    Json object{{"output", result.holds() ? Json(options.output.string()) : Json()},
                {"contract", json_of(chosen, result)}};
    for (const Candidate& candidate : result.candidates) object["candidates"].push_back(json_of(candidate, result));
    object["peak_memory_bytes"] = memory.peak_anonymous_bytes();
    object["peak_rss_bytes"] = peak_rss_bytes();
    print_json(object);
  } else if (result.holds()) {
    const std::string latency = contract.max_latency ? ", a token takes " + human_seconds(chosen.latency) : "";
    print(
        fmt::format("{}: {} of files, {} of {} units stay wide, perplexity at most {:+.3f} %, KL divergence {:.2e}{}\n",
                    printable(options.output.string()), human_bytes(static_cast<double>(chosen.bytes)), chosen.kept,
                    result.units.size(), 100 * (chosen.comparison.ratio_high - 1), chosen.comparison.mean_kl, latency));
  }
  if (result.holds()) return 0;
  print_notice(fmt::format("octet: the contract cannot be met; nearest, with {} of {} units wide, {}", chosen.kept,
                           result.units.size(), chosen.miss));
  return 3;
}

}  // namespace

int compress_by_contract(const CompressArguments& given, const Common& common) {
  const Contract contract = contract_of(given);
  check(given, contract);
  tell_of_share(given, contract);
  const std::vector<const Scheme*> schemes = schemes_of(given);
  PeakMemory memory;
  CompressArguments arguments = given;
  arguments.scheme = schemes[0]->name;
  const Texts texts = texts_of(given);
  Threads threads(common.threads);
  CompressOptions base = compress_options(arguments);
  base.command = command_of(given);
  base.calibration_sha256 = sha256_hex(texts.calibration);
  const Checkpoint checkpoint = Checkpoint::open(base.model);
  if (contract.max_bytes) {
    const int64_t least = least_bytes(checkpoint, base, schemes);
    if (least > *contract.max_bytes) return cannot_be_that_small(least, common);
  }
  const std::vector<int32_t> tokens = Tokenizer::load(base.model).encode(texts.validation);
  if (tokens.empty()) fail("the validation text is empty: there is nothing to verify the contract on");
  const Plan plan = make_plan(checkpoint, base);
  check_target(given, plan);
  base.context = std::min(base.context, plan.model.max_positions);
  base.activation_bytes = admit_contract(
      given, checkpoint, plan, base, {std::ssize(texts.validation), std::ssize(tokens)}, std::ssize(schemes), threads);
  CompressReport report;
  Notes notes;
  const Maker maker(checkpoint, texts.calibration, notes, threads);
  const auto start = std::chrono::steady_clock::now();
  std::string missing;  // why there is no report
  const auto finish = [&](const std::filesystem::path& made, const ContractResult& result) {
    if (given.report.empty()) return;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    LayerNotes& of_chosen = notes[candidate_name(result.candidates.at(result.chosen).kept)];
    report.smoothing = std::move(of_chosen.smoothing);
    report.noise = std::move(of_chosen.noise);
    missing = report_contract(given, base, made, texts.validation, result, report, memory, threads);
  };
  const ContractResult result =
      fulfil({checkpoint, base, schemes, contract, tokens, [&](const CompressOptions& c) { maker.make(c); },
              [&](const CompressOptions& c) { maker.take_up(c); },
              [](const std::string& line) { print_notice("octet: " + line); }, finish},
             threads);
  fail_without_report(missing, base);
  return tell_result(base, contract, result, memory, common);
}

}  // namespace octet::cli
