#include <CLI/CLI.hpp>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/compress_report.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "compress/budget.h"
#include "compress/calibrate.h"
#include "compress/compress.h"
#include "compress/contract.h"
#include "compress/estimate.h"
#include "compress/recipe.h"
#include "compress/sequences.h"
#include "compress/target.h"

namespace octet::cli {
namespace {

struct Options {
  std::string model, scheme, recipe, output, calibration, algorithm, observer, match = "octet", rounding = "half_even",
                                                                               kv_cache = "auto";
  std::vector<std::string> include;
  std::string max_ppl_increase, max_kl, max_size, max_latency, validation, report, ram, target;
  bool narrow_range = false, strict = false, force = false, dry_run = false;
  uint64_t seed = 0;
  int64_t context = 512, calibration_tokens = 65536;
};

// The same result again, whatever the threads and wherever it goes.
std::string command_of(const Options& o) {
  std::string command = "octet compress " + o.model;
  if (!o.scheme.empty()) command += fmt::format(" --scheme {}", scheme_named(o.scheme).name);
  if (!o.recipe.empty()) command += " --recipe " + o.recipe;
  if (!o.calibration.empty()) {
    command += fmt::format(" --calibration {} --context {} --calibration-tokens {}", o.calibration, o.context,
                           o.calibration_tokens);
  }
  if (!o.algorithm.empty()) command += " --algorithm " + o.algorithm;
  if (!o.observer.empty()) command += " --observer " + o.observer;
  for (const std::string& module : o.include) command += " --include " + module;
  if (o.match != "octet") command += " --match " + o.match;
  if (o.rounding != "half_even") command += " --rounding " + o.rounding;
  if (o.seed != 0) command += fmt::format(" --seed {}", o.seed);
  if (o.narrow_range) command += " --narrow-range";
  if (o.kv_cache == "fp8") command += " --kv-cache " + o.kv_cache;
  return command;
}

// What the options say, or the best that is known where a calibration text is given and nothing said.
Pipeline pipeline_of(const Options& o, const Scheme& scheme) {
  const bool matched = o.match != "octet" || o.rounding != "half_even";
  const bool best = !o.calibration.empty() && !matched && o.kv_cache != "fp8";
  Pipeline pipeline = pipeline_named(o.algorithm.empty() ? (best ? "default" : "rtn") : o.algorithm, scheme);
  if (!o.observer.empty()) pipeline.weights = pipeline.inputs = &observer_named(o.observer);
  return pipeline;
}

// What stands for all of a recipe's groups where one scheme is spoken of.
constexpr Scheme kRecipeScheme{"recipe", per_channel(Format::INT8), std::nullopt, Storage::dense, false, ""};

void read_recipe_into(const Options& o, CompressOptions& options) {
  if (!o.scheme.empty() || !o.algorithm.empty() || !o.include.empty()) {
    throw UsageError("--recipe says itself what --scheme, --algorithm and --include would");
  }
  const Recipe recipe = read_recipe(read_text(o.recipe), o.recipe);
  for (const std::string& notice : recipe.notices) print_notice("octet: " + notice);
  options.recipe = o.recipe;
  options.groups = recipe.schemes;
  options.include_head = recipe.schemes.group_of("lm_head") != nullptr;
  options.pipeline = recipe.pipeline;
  options.kv_cache_fp8 = options.kv_cache_fp8 || recipe.kv_cache_fp8;
}

CompressOptions compress_options(const Options& o) {
  if (o.scheme.empty() && o.recipe.empty()) {
    throw UsageError("--scheme or --recipe says what to make: octet compress --help lists the schemes");
  }
  if (o.output.empty() && !o.dry_run) throw UsageError("-o DIR says where the compressed model goes");
  CompressOptions options;
  options.model = o.model;
  options.output = o.output;
  options.scheme = o.recipe.empty() ? &scheme_named(o.scheme) : &kRecipeScheme;
  options.quantize.match = match_named(o.match);
  options.quantize.rounding = rounding_named(o.rounding);
  options.quantize.int8_range = o.narrow_range ? Int8Range::narrow : Int8Range::full;
  options.quantize.seed = o.seed;
  for (const std::string& module : o.include) {
    if (module != "lm_head") throw UsageError(fmt::format("--include takes lm_head, not {}", printable(module)));
    options.include_head = true;
  }
  options.kv_cache_fp8 = o.kv_cache == "fp8";
  if (o.recipe.empty()) options.pipeline = pipeline_of(o, *options.scheme);
  options.watch_noise = !o.report.empty();
  options.force = o.force;
  if (!o.recipe.empty()) read_recipe_into(o, options);
  if (!o.calibration.empty()) options.calibration = o.calibration;
  options.context = o.context;
  options.calibration_tokens = o.calibration_tokens;
  options.command = command_of(o);
  return options;
}

void warn(const Plan& plan, const CompressOptions& options) {
  for (const std::string& warning : plan.warnings) print_notice("octet: warning: " + warning);
  if (options.scheme->octet_only) {
    print_notice(fmt::format("octet: {} is Octet's own (quant_method \"octet\"): other programs do not load it",
                             options.scheme->name));
  }
}

Json json_of(const Plan& plan, const CompressOptions& options) {
  return {{"scheme", options.scheme->name},
          {"bytes_before", plan.bytes_before},
          {"bytes_after", plan.bytes_after},
          {"layers", plan.modules.size()},
          {"warnings", plan.warnings}};
}

std::string size_line(const Plan& plan) {
  return fmt::format("{} to {} ({:.1f} %)", human_bytes(static_cast<double>(plan.bytes_before)),
                     human_bytes(static_cast<double>(plan.bytes_after)),
                     100.0 * static_cast<double>(plan.bytes_after) / static_cast<double>(plan.bytes_before));
}

// A row for every kind of layer: how many, their shape, and what becomes of them.
void print_plan(const Plan& plan, double seconds) {
  struct Row {
    int count = 0;
    std::string shape, becomes;
  };
  std::map<std::string, Row> rows;
  for (const ModulePlan& module : plan.modules) {
    const size_t layer = module.name.find("layers.");
    const size_t name = layer == std::string::npos ? 0 : module.name.find('.', layer + 7) + 1;
    Row& row = rows[module.name.substr(name)];
    ++row.count;
    row.shape = text_of({module.n, module.k});
    row.becomes = module.to ? description_of(*module.to) : "BF16";
  }
  std::string text;
  for (const auto& [name, row] : rows) {
    text += fmt::format("{:<20} {:>4} x {:<16} {}\n", printable(name), row.count, row.shape, row.becomes);
  }
  text += fmt::format("{:<20} {}\n{:<20} about {} here\n", "size", size_line(plan), "time", human_seconds(seconds));
  print(text);
}

int dry_run(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options, const Common& common) {
  Threads threads(common.threads);
  const double seconds = estimate_seconds(checkpoint, plan, options, threads);
  if (!common.json) {
    print_plan(plan, seconds);
    return 0;
  }
  Json object = json_of(plan, options);
  object["dry_run"] = true;
  object["seconds"] = seconds;
  print_json(object);
  return 0;
}

// The peak and the time, before the start. Returns how many bytes of activations are held in memory.
int64_t admit(const std::string& ram, const Plan& plan, const CompressOptions& options, int64_t rows,
              Threads& threads) {
  const MemoryPrediction memory = predict_memory(plan, options, rows, threads.count());
  int64_t held = memory.in_memory - memory.spilled <= options.activation_bytes ? options.activation_bytes : 0;
  if (!ram.empty()) held = activations_within(memory, bytes_named(ram));
  const int64_t peak = held > 0 ? memory.in_memory : memory.spilled;
  print_notice(fmt::format("octet: predicted: at most {} of memory{}, about {}", human_bytes(static_cast<double>(peak)),
                           held > 0 ? "" : ", activations in a file",
                           human_seconds(predict_seconds(plan, options, rows, threads))));
  return held;
}

// What calibration finds, or nothing, said, where a text is of no use.
Calibration calibrate_for(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                          const std::string& text, const std::string& ram, const WorkPlace& work,
                          CompressReport& report, Threads& threads) {
  if (!options.calibration) return {};
  const bool plain = options.pipeline.plain();
  if (plain && !options.needs_calibration() && !options.kv_cache_fp8) {
    print_notice(
        fmt::format("octet: rounding to nearest for {} fixes no ranges beforehand: the calibration text is not used",
                    options.scheme->name));
    return {};
  }
  if (plain) return {calibrate(checkpoint, plan, options, text, threads), {}};
  WalkResult result = walk_layers(checkpoint, plan, options, text, work, threads,
                                  [&](int64_t rows) { return admit(ram, plan, options, rows, threads); });
  if (result.resumed > 0) {
    print_notice(fmt::format("octet: went on with {} of {} layers that an earlier run had finished", result.resumed,
                             plan.model.layers));
  }
  report.smoothing = std::move(result.smoothing);
  report.noise = std::move(result.noise);
  return std::move(result.calibration);
}

double number_named(const std::string& text, const char* option) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= 0)) {
    throw UsageError(fmt::format("{} {}: is no number", option, printable(text, 40)));
  }
  return number;
}

Contract contract_of(const Options& o) {
  Contract contract;
  if (!o.max_ppl_increase.empty()) contract.max_perplexity_increase = share_named(o.max_ppl_increase);
  if (!o.max_kl.empty()) contract.max_kl = number_named(o.max_kl, "--max-kl");
  if (!o.max_size.empty()) contract.max_bytes = bytes_named(o.max_size);
  if (!o.max_latency.empty()) contract.max_latency = seconds_named(o.max_latency);
  return contract;
}

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

// The text that a contract is verified on, and what is left to calibrate on.
struct Texts {
  std::string calibration, validation;
};
Texts texts_of(const Options& o) {
  Texts texts;
  if (!o.calibration.empty()) texts.calibration = calibration_text(read_text(o.calibration), o.calibration);
  if (!o.validation.empty()) {
    texts.validation = calibration_text(read_text(o.validation), o.validation);
    return texts;
  }
  if (texts.calibration.empty()) {
    throw UsageError(
        "a contract is verified on a text: give --validation FILE, or --calibration FILE of which the last tenth is "
        "kept for it");
  }
  size_t border = texts.calibration.size() / 10 * 9;
  while (border > 0 && (static_cast<unsigned char>(texts.calibration[border]) & 0xC0) == 0x80) --border;
  texts.validation = texts.calibration.substr(border);
  texts.calibration.resize(border);
  return texts;
}

// Known before hours of work, not after.
void check_report(const std::string& file) {
  const auto folder = std::filesystem::path(file).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    fail("{}: there is no such directory for the report", printable(folder.string()));
  }
}

// Measures the model before and after, unless a contract did, and writes the page and the numbers beside it.
void write_report(const Options& given, const CompressOptions& options, const std::string& validation,
                  CompressReport& report, const Comparison* measured, Threads& threads) {
  Context ctx(threads);
  const Model model = load_plain_model(options.output.string(), threads);
  const Model before = load_plain_model(options.model.string(), threads);
  const std::vector<int32_t> tokens = model.tokenizer.encode(validation);
  report.context = std::min<int64_t>(options.context, model.decoder.config.max_positions);
  if (measured) {
    report.comparison = *measured;
  } else {
    Progress progress("measuring for the report", tokens.size(), "tokens");
    PerplexityOptions perplexity{.context = report.context};
    perplexity.progress = [&](int64_t count) { progress.advance(static_cast<uint64_t>(count)); };
    report.comparison = compare(ctx, model, before, tokens, perplexity);
  }
  const SpeedOptions speed{.prefill = std::min<int64_t>(128, report.context / 2), .decode = 16};
  report.speed_before = measure_speed(ctx, before.decoder, speed);
  report.speed_after = measure_speed(ctx, model.decoder, speed);
  report.worst = worst_tokens(report.comparison, tokens, model.tokenizer);
  report.model = given.model;
  report.output = given.output;
  report.scheme = given.recipe.empty() ? std::string(options.scheme->name) : "the recipe " + given.recipe;
  report.algorithm = given.recipe.empty()
                         ? given.algorithm.empty() ? options.pipeline.plain() ? "rtn" : "default" : given.algorithm
                         : "its modifiers";
  report.command = options.command;
  report.validation = given.validation.empty() ? "the last tenth of " + given.calibration : given.validation;
  write_file_atomically(given.report, compress_report(report));
  write_file_atomically(std::filesystem::path(given.report).replace_extension(".json"),
                        compress_report_json(report).dump(1) + "\n");
}

int compress_by_contract(const Options& given, const Common& common) {
  if (!given.recipe.empty())
    throw UsageError("a contract says itself which layers stay wide: it does not go with --recipe");
  if (given.dry_run) throw UsageError("a contract is found out by measuring: it does not go with --dry-run");
  PeakMemory memory;
  Options options = given;
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

// The scheme that a target runs fastest, or whether it can load the one that is asked for.
Options with_target(Options o) {
  if (o.target.empty()) return o;
  const Target& target = target_named(o.target);
  if (!o.recipe.empty()) throw UsageError("--target picks a scheme; a recipe names its own");
  if (o.scheme.empty()) {
    o.scheme = target.fastest;
    print_notice(fmt::format("octet: {} is what {} runs fastest ({})", o.scheme, target.name, target.help));
  }
  const TargetVerdict verdict = verdict_of(target, scheme_named(o.scheme));
  if (!verdict.refused.empty()) {
    throw UsageError(fmt::format("--target {}: {}; it runs {} fastest", target.name, verdict.refused, target.fastest));
  }
  if (!verdict.slow.empty()) print_notice("octet: warning: " + verdict.slow);
  return o;
}

int compress_model(const Options& asked, const Common& common) {
  const Options given = with_target(asked);
  check_report(given.report);
  if (!contract_of(given).empty()) return compress_by_contract(given, common);
  if (!given.validation.empty() && given.report.empty()) {
    throw UsageError("--validation goes with --report, or with a contract such as --max-ppl-increase 0.5%");
  }
  PeakMemory memory;
  const CompressOptions options = compress_options(given);
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Plan plan = make_plan(checkpoint, options);
  if (given.strict && !plan.ragged.empty()) fail("{} (--strict)", plan.ragged);
  if (given.dry_run) {
    warn(plan, options);
    return dry_run(checkpoint, plan, options, common);
  }

  Threads threads(common.threads);
  const bool reports = !given.report.empty();
  Texts texts;
  if (reports)
    texts = texts_of(given);
  else if (!given.calibration.empty())
    texts.calibration = calibration_text(read_text(given.calibration), given.calibration);
  CompressReport report;
  const auto watch = [&](const WorkPlace& work) {
    return calibrate_for(checkpoint, plan, options, texts.calibration, given.ram, work, report, threads);
  };
  CompressResult result;
  {
    Progress progress(fmt::format("compressing to {}", options.scheme->name), static_cast<uint64_t>(plan.bytes_before),
                      "B");
    result = compress(checkpoint, plan, options, watch, threads,
                      [&](int64_t bytes) { progress.advance(static_cast<uint64_t>(bytes)); });
  }
  warn(plan, options);  // only now: an error stands alone
  for (const std::string& notice : result.notices) print_notice("octet: " + notice);
  const uint64_t anonymous = memory.peak_anonymous_bytes();
  if (reports) {
    report.bytes_before = plan.bytes_before;
    report.bytes_after = plan.bytes_after;
    report.seconds = result.seconds;
    report.peak_memory = anonymous;
    write_report(given, options, texts.validation, report, nullptr, threads);
  }
  if (common.json) {
    Json object = json_of(plan, options);
    object["output"] = options.output.string();
    object["seconds"] = result.seconds;
    object["sync_seconds"] = result.sync_seconds;
    object["peak_memory_bytes"] = anonymous;
    object["peak_rss_bytes"] = peak_rss_bytes();
    print_json(object);
  } else {
    print(fmt::format("{}: {}, {} layers, {} and {} of waiting for the disk, {} of memory\n",
                      printable(options.output.string()), size_line(plan), result.layers, human_seconds(result.seconds),
                      human_seconds(result.sync_seconds), human_bytes(static_cast<double>(anonymous))));
  }
  return 0;
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
  const auto options = std::make_shared<Options>();
  Options& o = *options;
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
                 "the text that a contract is verified on; else the last tenth of the calibration text")
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
  app.add_option("--context", o.context, "tokens of a calibration sequence")
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
  app.add_option("--seed", o.seed, "of stochastic rounding")->type_name("N")->capture_default_str();
  app.add_flag("--narrow-range", o.narrow_range, "INT8 codes from -127 instead of -128");
  app.add_flag("--strict", o.strict, "layers that other programs refuse are an error, not a warning");
  app.add_flag("--force", o.force, "replace the output if it is there");
  app.add_flag("--dry-run", o.dry_run, "print what would be done, its size and its time, and write nothing");
  app.footer(app.get_footer() + scheme_table());
  return [options](const Common& common) { return compress_model(*options, common); };
}

}  // namespace octet::cli
