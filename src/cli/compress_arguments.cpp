#include "cli/compress_arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/escape.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "compress/calibrate.h"
#include "compress/recipe.h"
#include "compress/target.h"

namespace octet::cli {
namespace {

void refuse_two_roundings(const CompressArguments& o, const Pipeline& pipeline, const std::string& other) {
  if (pipeline.rounding == RoundingAlgorithm::nearest || o.rounding == "half_even") return;
  throw UsageError(
      fmt::format("--rounding {}: {} rounds by a rule of its own; leave one of them out", o.rounding, other));
}

// What the options say, or the best that is known where a calibration text is given and nothing said.
Pipeline pipeline_of(const CompressArguments& o, const Scheme& scheme) {
  const bool matched = o.match != "octet" || o.rounding != "half_even";
  const bool best = !o.calibration.empty() && !matched;
  Pipeline pipeline = pipeline_named(o.algorithm.empty() ? (best ? "default" : "rtn") : o.algorithm, scheme);
  if (!o.observer.empty() && ("+" + o.algorithm + "+").find("+mse+") != std::string::npos) {
    throw UsageError(fmt::format("--algorithm {} and --observer {} both say where ranges end; give one of them",
                                 o.algorithm, o.observer));
  }
  if (!o.observer.empty()) pipeline.weights = pipeline.inputs = &observer_named(o.observer);
  refuse_two_roundings(o, pipeline, "--algorithm " + o.algorithm);
  return pipeline;
}

// What stands for all of a recipe's groups where one scheme is spoken of.
constexpr Scheme kRecipeScheme{"recipe", per_channel(Format::INT8), std::nullopt, Storage::dense, false, ""};

void read_recipe_into(const CompressArguments& o, CompressOptions& options) {
  if (!o.scheme.empty() || !o.algorithm.empty() || !o.observer.empty() || !o.include.empty()) {
    throw UsageError("--recipe says itself what --scheme, --algorithm, --observer and --include would");
  }
  const Recipe recipe = read_recipe(read_text(o.recipe), o.recipe);
  for (const std::string& notice : recipe.notices) print_notice("octet: " + notice);
  options.recipe = o.recipe;
  options.groups = recipe.schemes;
  options.include_head = recipe.schemes.group_of("lm_head") != nullptr;
  options.pipeline = recipe.pipeline;
  options.kv_cache_fp8 = options.kv_cache_fp8 || recipe.kv_cache_fp8;
  refuse_two_roundings(o, options.pipeline, "the recipe");
}

double number_named(const std::string& text, const char* option) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    throw UsageError(fmt::format("{} {}: is no number", option, printable(text, 40)));
  }
  if (number < 0) throw UsageError(fmt::format("{} {}: is negative; give 0 or more", option, printable(text, 40)));
  return number;
}

}  // namespace

std::string quoted(const std::string& text) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || c >= 0x80 || std::strchr("_-./,:=@%+", c); };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string command_of(const CompressArguments& o, bool all) {
  std::string command = "octet compress " + quoted(o.model);
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) command += fmt::format(" {} {}", option, quoted(value));
  };
  add("--scheme", o.scheme.empty() ? "" : std::string(scheme_named(o.scheme).name));
  add("--recipe", o.recipe);
  add("--calibration", o.calibration);
  if (!o.calibration.empty()) {
    command += fmt::format(" --context {} --calibration-tokens {}", o.context, o.calibration_tokens);
  }
  add("--algorithm", o.algorithm);
  add("--observer", o.observer);
  for (const std::string& module : o.include) add("--include", module);
  if (o.match != "octet") add("--match", o.match);
  if (o.rounding != "half_even") add("--rounding", o.rounding);
  if (o.seed != 0) command += fmt::format(" --seed {}", o.seed);
  if (o.narrow_range) command += " --narrow-range";
  if (o.kv_cache == "fp8") add("--kv-cache", o.kv_cache);
  if (!all) return command;
  add("--max-ppl-increase", o.max_ppl_increase);
  add("--max-kl", o.max_kl);
  add("--max-size", o.max_size);
  add("--max-latency", o.max_latency);
  add("--validation", o.validation);  // this and the next say which part of the text is calibrated on
  add("--report", o.report);
  return command;
}

namespace {

// Bounds and the report change no byte of unfinished work; whether a tenth of the text is left out does.
std::string deciding_command_of(const CompressArguments& o) {
  const bool divided = o.validation.empty() && !(o.report.empty() && contract_of(o).empty());
  return command_of(o, false) + (divided ? " # nine tenths of the text" : "");
}

}  // namespace

CompressOptions compress_options(const CompressArguments& o) {
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
  options.deciding = deciding_command_of(o);
  return options;
}

Contract contract_of(const CompressArguments& o) {
  Contract contract;
  if (!o.max_ppl_increase.empty()) contract.max_perplexity_increase = share_named(o.max_ppl_increase);
  if (!o.max_kl.empty()) contract.max_kl = number_named(o.max_kl, "--max-kl");
  if (!o.max_size.empty()) contract.max_bytes = bytes_named(o.max_size, "--max-size");
  if (!o.max_latency.empty()) contract.max_latency = seconds_named(o.max_latency);
  return contract;
}

CompressArguments with_target(CompressArguments o) {
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

void check_target(const CompressArguments& o, const Plan& plan) {
  if (o.target.empty() || o.target == "this-cpu" || !plan.refused) return;
  throw UsageError(fmt::format("--target {}: {}", o.target, plan.ragged));
}

}  // namespace octet::cli
