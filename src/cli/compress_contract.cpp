#include "cli/compress_contract.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/compress_report.h"
#include "cli/output.h"
#include "compress/calibrate.h"
#include "compress/compress.h"

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
  if (c.latency > 0) object["latency_seconds"] = c.latency;
  if (!c.holds) object["miss"] = c.miss;
  return object;
}

}  // namespace

int compress_by_contract(const CompressArguments& given, const Common& common) {
  if (!given.recipe.empty())
    throw UsageError("a contract says itself which layers stay wide: it does not go with --recipe");
  if (given.dry_run) throw UsageError("a contract is found out by measuring: it does not go with --dry-run");
  PeakMemory memory;
  CompressArguments options = given;
  std::vector<const Scheme*> schemes;
  for (const char* const name : {"W8A8", "FP8_DYNAMIC"}) {
    if (given.scheme.empty()) schemes.push_back(&scheme_named(name));
  }
  if (given.scheme.empty())
    options.scheme = "W8A8";
  else
    schemes.push_back(&scheme_named(given.scheme));
  if (schemes[0]->needs_calibration()) {
    throw UsageError(fmt::format(
        "{} fixes ranges beforehand; a contract takes schemes whose inputs are scaled at run time, or not at all",
        schemes[0]->name));
  }
  const Texts texts = texts_of(given);
  Threads threads(common.threads);
  const CompressOptions base = compress_options(options);
  const Checkpoint checkpoint = Checkpoint::open(base.model);
  CompressReport report;
  const auto make = [&](const CompressOptions& candidate) {
    const Plan plan = make_plan(checkpoint, candidate);
    const auto watch = [&](const WorkPlace& work) {
      if (candidate.pipeline.plain()) return Calibration{};
      WalkResult walked = walk_layers(checkpoint, plan, candidate, texts.calibration, work, threads);
      report.smoothing = std::move(walked.smoothing);
      report.noise = std::move(walked.noise);
      return std::move(walked.calibration);
    };
    compress(checkpoint, plan, candidate, watch, threads, [](int64_t) {});
  };
  const std::vector<int32_t> tokens = Tokenizer::load(base.model).encode(texts.validation);
  const ContractResult result = fulfil({checkpoint, base, schemes, contract_of(given), tokens, make,
                                        [](const std::string& line) { print_notice("octet: " + line); }},
                                       threads);
  const Candidate& chosen = result.candidates.at(result.chosen);
  if (!given.report.empty() && result.holds()) {
    report.bytes_before = checkpoint.bytes();
    report.bytes_after = chosen.bytes;
    report.peak_memory = memory.peak_anonymous_bytes();
    report.candidates = result.candidates;
    report.chosen = result.chosen;
    write_report(given, base, texts.validation, report, &chosen.comparison, threads);
  }
  if (common.json) {
    Json object{{"output", base.output.string()}, {"contract", json_of(chosen, result)}};
    for (const Candidate& candidate : result.candidates) object["candidates"].push_back(json_of(candidate, result));
    object["peak_memory_bytes"] = memory.peak_anonymous_bytes();
    object["peak_rss_bytes"] = peak_rss_bytes();
    print_json(object);
  } else if (result.holds()) {
    print(fmt::format("{}: {}, {} of {} units stay wide, perplexity at most {:+.3f} %, KL divergence {:.2e}\n",
                      printable(base.output.string()), human_bytes(static_cast<double>(chosen.bytes)), chosen.kept,
                      result.units.size(), 100 * (chosen.comparison.ratio_high - 1), chosen.comparison.mean_kl));
  }
  if (result.holds()) return 0;
  print_notice(fmt::format("octet: the contract cannot be met; nearest, with {} of {} units wide, {}", chosen.kept,
                           result.units.size(), chosen.miss));
  return 3;
}

}  // namespace octet::cli
