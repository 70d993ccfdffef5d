#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/progress.h"
#include "base/terminal.h"
#include "base/units.h"
#include "cli/model_options.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "run/generate.h"

namespace octet::cli {
namespace {

constexpr int64_t kMaxTokens = 256;  // unless the user says otherwise

struct Options {
  ModelOptions model;
  std::string prompt, prompt_file = "-";
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> max_tokens, top_k;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
  bool has_prompt = false;
};

// What the user says, else what the model's makers say. Without a seed, every run is another one.
Sampling sampling_of(const Options& options, const Sampling& defaults) {
  Sampling sampling = defaults;
  sampling.temperature = options.temperature.value_or(defaults.temperature);
  sampling.top_k = options.top_k.value_or(defaults.top_k);
  sampling.top_p = options.top_p.value_or(defaults.top_p);
  sampling.min_p = options.min_p.value_or(defaults.min_p);
  sampling.repetition_penalty = options.repetition_penalty.value_or(defaults.repetition_penalty);
  sampling.seed = options.seed ? *options.seed : (uint64_t{std::random_device{}()} << 32 | std::random_device{}());
  return sampling;
}

// A range lets NaN pass: it is neither below nor above.
CLI::Validator a_number() {
  return {[](const std::string& text) { return text.find_first_of("nN") == text.npos ? "" : text + " is no number"; },
          "", ""};
}

std::vector<int32_t> encode_prompt(const Model& model, const std::string& prompt) {
  auto ids = model.tokenizer.encode(prompt, true);
  if (ids.empty() && model.decoder.config.bos >= 0) ids.push_back(model.decoder.config.bos);
  if (ids.empty()) fail("the prompt is empty and {} has no token to begin with", model.directory.string());
  return ids;
}

// What was asked for has to fit into the model's positions; what was not asked for ends with them.
int64_t tokens_to_generate(const Options& options, const Model& model, size_t prompt) {
  const int64_t left = model.decoder.config.max_positions - static_cast<int64_t>(prompt);
  const std::string name = model.directory.string();
  if (left < 1) {
    fail("the prompt has {} tokens, but {} has only {} positions; shorten it", prompt, name,
         model.decoder.config.max_positions);
  }
  if (options.max_tokens.value_or(1) > left) {
    fail("the prompt has {} tokens and --max-tokens asks for {} more, but {} has only {} positions", prompt,
         *options.max_tokens, name, model.decoder.config.max_positions);
  }
  return options.max_tokens.value_or(std::min(kMaxTokens, left));
}

int run(const Options& options, const Common& common) {
  Threads threads(common.threads);
  const std::string prompt = options.has_prompt ? options.prompt : read_text(options.prompt_file);
  const Model model = load_model(options.model, threads);
  const auto ids = encode_prompt(model, prompt);
  GenerateOptions generation{tokens_to_generate(options, model, ids.size()), sampling_of(options, model.sampling),
                             options.stop, cache_format_named(options.model.kv_cache, model.decoder)};
  Context ctx(threads);
  if (!common.json) print(prompt);
  const Generation result = generate(ctx, model, ids, generation, [&](std::string_view text) {
    if (!common.json) print_text(text);
    return true;
  });
  if (common.json) {
    print_json({{"ids", result.ids},
                {"text", result.text},
                {"prompt_ids", ids},
                {"finish_reason", result.finish_reason},
                {"seed", generation.sampling.seed},
                {"prefill_seconds", result.prefill_seconds},
                {"decode_seconds", result.decode_seconds}});
    return 0;
  }
  print("\n");
  if (is_terminal(2)) {
    print_notice(fmt::format("{} tokens of prompt in {}, {} tokens at {:.1f} a second", ids.size(),
                             human_seconds(result.prefill_seconds), result.ids.size(),
                             static_cast<double>(result.ids.size()) / std::max(result.decode_seconds, 1e-9)));
  }
  return 0;
}

}  // namespace

Run add_run(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  auto* prompt = app.add_option("--prompt", options->prompt, "the text to continue")->type_name("TEXT");
  app.add_option("--prompt-file", options->prompt_file, "a file with the text; - for standard input (the default)")
      ->type_name("FILE")
      ->excludes(prompt);
  app.add_option("--max-tokens", options->max_tokens,
                 fmt::format("tokens to generate at most (default {})", kMaxTokens))
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
      ->type_name("N");
  const auto number = [&](const char* name, auto& value, double least, double most, const char* help) {
    app.add_option(name, value, help)->check(CLI::Range(least, most))->check(a_number())->type_name("X");
  };
  number("--temperature", options->temperature, 0, 100, "0: always the likeliest token (default: the model's)");
  number("--top-k", options->top_k, 0, 1e9, "draw from the k likeliest; 0: all (default: the model's)");
  number("--top-p", options->top_p, 0, 1,
         "draw from the fewest tokens that reach this probability (default: the model's)");
  number("--min-p", options->min_p, 0, 1, "leave out tokens below this share of the likeliest (default: the model's)");
  number("--repetition-penalty", options->repetition_penalty, 0.01, 100, "above 1: say the same thing less often");
  add_seed(app, "the same seed gives the same text (default: another one each time)",
           [o = options.get()](uint64_t seed) { o->seed = seed; });
  app.add_option("--stop", options->stop, "end before this text; may be given several times")
      ->type_name("TEXT")
      ->take_all();
  return [options, prompt](const Common& common) {
    options->has_prompt = prompt->count() > 0;
    return run(*options, common);
  };
}

}  // namespace octet::cli
