#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/memory.h"
#include "base/units.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "eval/speed.h"

namespace octet::cli {
namespace {

struct Options {
  ModelOptions model;
  SpeedOptions speed;
};

void print_speed(const Options& options, const Speed& speed, const LoadedDecoder& model, uint64_t anonymous) {
  const SpeedOptions& s = options.speed;
  std::string text;
  if (s.prefill > 0)
    text += fmt::format("prefill {:>6}  {:>8.1f} tokens/s\n", s.prefill, speed.prefill_tokens_per_second);
  if (s.decode > 0) {
    text += fmt::format("decode  {:>6}  {:>8.1f} tokens/s", s.decode, speed.decode_tokens_per_second);
    if (s.depth > 0) text += fmt::format("  from position {}", s.depth);
    if (s.batch > 1) text += fmt::format("  {} sequences together", s.batch);
    text += "\n";
  }
  text += fmt::format("load    {:>15}, {} to the first token\n", human_seconds(model.load_seconds),
                      human_seconds(model.load_seconds + speed.first_token_seconds));
  text += fmt::format("memory  {:>15} of its own, {} with mapped files\n", human_bytes(static_cast<double>(anonymous)),
                      human_bytes(static_cast<double>(peak_rss_bytes())));
  print(text);
}

int bench(const Options& options, const Common& common) {
  PeakMemory memory;
  Threads threads(common.threads);
  const LoadedDecoder model = load_decoder(options.model, threads);
  Context ctx(threads);
  SpeedOptions speed_options = options.speed;
  speed_options.cache = options.model.kv_cache;
  const Speed speed = measure_speed(ctx, model.decoder, speed_options);
  const uint64_t anonymous = memory.peak_anonymous_bytes();
  if (common.json) {
    print_json({{"prefill_tokens_per_second", speed.prefill_tokens_per_second},
                {"decode_tokens_per_second", speed.decode_tokens_per_second},
                {"load_seconds", model.load_seconds},
                {"first_token_seconds", model.load_seconds + speed.first_token_seconds},
                {"weight_bytes", model.decoder.weight_bytes},
                {"threads", common.threads},
                {"peak_memory_bytes", anonymous},
                {"peak_rss_bytes", peak_rss_bytes()}});
  } else {
    print_speed(options, speed, model, anonymous);
  }
  return 0;
}

}  // namespace

Run add_bench(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  SpeedOptions& speed = options->speed;
  const auto number = [&](const char* name, auto& value, int64_t least, const char* help) {
    app.add_option(name, value, help)
        ->type_name("N")
        ->check(CLI::Range(least, int64_t{1} << 24))
        ->capture_default_str();
  };
  number("--prefill", speed.prefill, 0, "tokens of a prompt, timed with the head on the last one only; 0: none");
  number("--decode", speed.decode, 0, "tokens decoded one after the other; 0: none");
  number("--depth", speed.depth, 0, "positions in the cache before the decoding starts");
  number("--batch", speed.batch, 1, "sequences decoded together");
  number("--repeat", speed.repeat, 1, "timed runs after one that warms up; the median counts");
  return [options](const Common& common) { return bench(*options, common); };
}

}  // namespace octet::cli
