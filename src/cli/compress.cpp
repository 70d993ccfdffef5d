#include <malloc.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "base/units.h"
#include "cli/compress_budget.h"
#include "cli/compress_contract.h"
#include "cli/compress_dry_run.h"
#include "cli/compress_notices.h"
#include "cli/compress_report.h"
#include "cli/model_options.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "compress/calibrate.h"
#include "compress/compress.h"
#include "compress/identity.h"
#include "compress/target.h"
#include "tensor/storage.h"

namespace octet::cli {
namespace {

// What calibration finds, or nothing, said, where a text is of no use.
Calibration calibrate_for(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
                          const CompressOptions& options, const Texts& texts, const WorkPlace& work,
                          CompressReport& report, Threads& threads) {
  const bool plain = options.pipeline.plain();
  const bool used = uses_calibration(options);
  const auto admitted = [&](int64_t rows) {
    return admit(given, checkpoint, plan, options, rows, texts.validation, threads);
  };
  if (!used && (!given.ram.empty() || !given.report.empty())) admitted(0);
  if (!options.calibration) return {};
  if (!used) {
    print_notice(
        fmt::format("octet: the calibration text is not used: rounding to the nearest watches nothing, and {} fixes no "
                    "ranges beforehand",
                    given.recipe.empty() ? options.scheme->name : "the recipe"));
    return {};
  }
  if (plain) return {calibrate(checkpoint, plan, options, texts.calibration, work.directory, threads, admitted), {}};
  if (const std::string reason = reason_not_to_use(work.directory, work.identity); !reason.empty())
    print_notice("octet: the work of an earlier run is not used: " + reason);
  WalkResult result = walk_layers(checkpoint, plan, options, texts.calibration, work, threads, admitted);
  tell_of_earlier_run(result, plan.model.layers);
  report.smoothing = std::move(result.smoothing);
  report.noise = std::move(result.noise);
  return std::move(result.calibration);
}

// Memory that is given back goes to the system at once, not to a list of free blocks: peaks stay where they are
// predicted.
void return_large_blocks() {
  StorageReuse::limit(0);
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 512 << 10);
#endif
}

void tell_result(const Plan& plan, const CompressOptions& options, const CompressResult& result, uint64_t anonymous,
                 const Common& common) {
  if (common.json) {
    Json object = json_of(plan, options);
    object["output"] = options.output.string();
    object["seconds"] = result.seconds;
    object["report_seconds"] = result.finish_seconds;
    object["sync_seconds"] = result.sync_seconds;
    object["peak_memory_bytes"] = anonymous;
    object["peak_rss_bytes"] = peak_rss_bytes();
    print_json(object);
    return;
  }
  const std::string report = options.watch_noise ? ", " + human_seconds(result.finish_seconds) + " for the report" : "";
  print(fmt::format("{}: {}, {} layers, {}{} and {} of waiting for the disk, {} of memory\n",
                    printable(options.output.string()), size_line(plan), result.layers, human_seconds(result.seconds),
                    report, human_seconds(result.sync_seconds), human_bytes(static_cast<double>(anonymous))));
}

int compress_within_memory(const CompressArguments& asked, const Common& common) {
  return_large_blocks();
  const CompressArguments given = with_target(asked);
  check_report(given.report);
  if (!contract_of(given).empty()) return compress_by_contract(given, common);
  if (!given.validation.empty() && given.report.empty()) {
    throw UsageError("--validation goes with --report, or with a contract such as --max-ppl-increase 0.5%");
  }
  PeakMemory memory;
  CompressOptions options = compress_options(given);
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Plan plan = make_plan(checkpoint, options);
  options.context = std::min(options.context, plan.model.max_positions);
  check_target(given, plan);
  if (given.strict && !plan.ragged.empty()) fail("{} (--strict)", plan.ragged);
  if (given.dry_run) {
    warn(plan, options);
    return dry_run(given, checkpoint, plan, options, common);
  }

  Threads threads(common.threads);
  const bool reports = !given.report.empty();
  const Texts texts = texts_of(given);
  options.calibration_sha256 = sha256_hex(texts.calibration);
  if (reports && given.validation.empty()) {
    print_notice(
        "octet: the report is measured on the last tenth of the calibration text, which is not calibrated on "
        "then; --validation FILE names another");
  }
  CompressReport report;
  const auto watch = [&](const WorkPlace& work) {
    return calibrate_for(given, checkpoint, plan, options, texts, work, report, threads);
  };
  std::string missing;  // why there is no report
  const auto finish = [&](const std::filesystem::path& made, const CompressResult& so_far) {
    if (!reports) return;
    report.bytes_before = plan.bytes_before;
    report.bytes_after = plan.bytes_after;
    report.seconds = so_far.seconds;
    missing = try_report(given, options, made, texts.validation, report, nullptr, memory, threads);
  };
  CompressResult result;
  {
    Progress progress(fmt::format("compressing to {}", options.scheme->name), static_cast<uint64_t>(plan.bytes_before),
                      "B");
    result = compress(
        checkpoint, plan, options, watch, threads,
        [&](int64_t bytes) { progress.advance(static_cast<uint64_t>(bytes)); }, finish);
  }
  warn(plan, options);  // only now: an error stands alone
  for (const std::string& notice : result.notices) print_notice("octet: " + notice);
  fail_without_report(missing, options);
  tell_result(plan, options, result, memory.peak_anonymous_bytes(), common);
  return 0;
}

int compress_model(const CompressArguments& asked, const Common& common) {
  try {
    return compress_within_memory(asked, common);
  } catch (const std::bad_alloc&) {
    fail("{}", out_of_memory());
  }
}

// Below the example: a row a scheme.
std::string scheme_table() {
  std::string text = "\n\nSchemes (upper or lower case)";
  for (const Scheme& scheme : kSchemes) {
    text += fmt::format("\n  {:<17} {}{}", scheme.name, scheme.help,
                        scheme.needs_calibration() ? "; needs --calibration" : "");
  }
  text += "\n  INT8              the same as W8A8\n\nAlgorithms";
  for (const AlgorithmRow& row : algorithms()) text += fmt::format("\n  {:<17} {}", row.name, row.help);
  text += "\n\nTargets";
  for (const Target& row : targets()) text += fmt::format("\n  {:<17} {}", row.name, row.help);
  text += "\n\nObservers";
  for (const RangeObserver& row : range_observers()) text += fmt::format("\n  {:<17} {}", row.name, row.help);
  return text;
}

std::vector<std::string> names_of_targets() {
  std::vector<std::string> names;
  for (const Target& row : targets()) names.emplace_back(row.name);
  return names;
}

std::vector<std::string> names_of_observers() {
  std::vector<std::string> names;
  for (const RangeObserver& row : range_observers()) names.emplace_back(row.name);
  return names;
}

std::vector<std::string> names_of_matches() {
  std::vector<std::string> names;
  for (const MatchRow& row : kMatches) names.emplace_back(row.name);
  return names;
}

}  // namespace

Run add_compress(CLI::App& app) {
  const auto options = std::make_shared<CompressArguments>();
  CompressArguments& o = *options;
  app.add_option("MODEL", o.model, "a Hugging Face directory, plain or already compressed")->required();
  app.add_option("--scheme", o.scheme, "what the layers become; below is what each means")
      ->check(CLI::IsMember(scheme_names(), CLI::ignore_case))
      ->type_name("NAME");
  app.add_option("--recipe", o.recipe, "a YAML file of modifiers, llm-compressor's among them")->type_name("FILE");
  app.add_option("-o,--output", o.output, "the directory to make")->type_name("DIR");
  app.add_option("--calibration", o.calibration,
                 "a text on which ranges are watched, for schemes that fix them beforehand")
      ->type_name("FILE");
  app.add_option("--algorithm", o.algorithm, "how good codes are found; several are joined by +")->type_name("NAME");
  app.add_option("--observer", o.observer, "what proposes the ranges of scales")
      ->type_name("NAME")
      ->check(CLI::IsMember(names_of_observers()));
  app.add_option("--max-ppl-increase", o.max_ppl_increase, "a contract: perplexity rises by this at most, e.g. 0.5%")
      ->type_name("SHARE");
  app.add_option("--max-kl", o.max_kl, "a contract: KL divergence from the model as it was, nats a token")
      ->type_name("X");
  app.add_option("--max-size", o.max_size, "a contract: of the directory's files, e.g. 700M")->type_name("BYTES");
  app.add_option("--max-latency", o.max_latency, "a contract: of one decoded token here, e.g. 20ms")->type_name("TIME");
  app.add_option("--validation", o.validation,
                 "the text that a contract is verified on and a report measured on; else the last tenth of the "
                 "calibration text, which is not calibrated on then")
      ->type_name("FILE");
  app.add_option("--ram", o.ram, "memory that may be taken at most, e.g. 4G; activations go to a file where they must")
      ->type_name("BYTES");
  app.add_option("--target", o.target,
                 "where the model is going to run: picks the scheme, or refuses one that cannot be loaded")
      ->type_name("NAME")
      ->check(CLI::IsMember(names_of_targets()));
  app.add_option("--report", o.report,
                 "write a page with what was done and what it cost, and its numbers as JSON beside it")
      ->type_name("FILE.html");
  app.add_option("--context", o.context, "tokens of a calibration sequence, at most the model's positions")
      ->type_name("N")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 20))
      ->capture_default_str();
  app.add_option("--calibration-tokens", o.calibration_tokens, "tokens of the calibration text that are used at most")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32))
      ->capture_default_str();
  app.add_option("--include", o.include, "compress lm_head too")->type_name("lm_head");
  app.add_option("--kv-cache", o.kv_cache,
                 "fp8: store scales for an FP8 key-value cache (needs --calibration); the others need none")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "fp8", "int8"}));
  app.add_option("--match", o.match, "the program whose codes come out, bit for bit")
      ->check(CLI::IsMember(names_of_matches()))
      ->capture_default_str();
  app.add_option("--rounding", o.rounding, "how codes are rounded")
      ->check(CLI::IsMember({"half_even", "half_away", "toward_zero", "stochastic"}))
      ->capture_default_str();
  add_seed(app, "of stochastic rounding", [&o](uint64_t seed) { o.seed = seed; })->default_str("0");
  app.add_flag("--narrow-range", o.narrow_range, "INT8 codes from -127 instead of -128");
  app.add_flag("--strict", o.strict, "layers that other programs refuse are an error, not a warning");
  app.add_flag("--force", o.force, "replace the output if it is there");
  app.add_flag("--dry-run", o.dry_run, "print what would be done, its size and its time, and write nothing");
  for (CLI::Option* option : app.get_options()) {  // an empty value would be taken for an option that is not there
    if (option->get_items_expected_max() > 0) option->transform(not_empty());
  }
  app.footer(app.get_footer() + scheme_table());
  return [options](const Common& common) { return compress_model(*options, common); };
}

}  // namespace octet::cli
