#include "eval/speed.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/error.h"
#include "numeric/random.h"
#include "run/model.h"
#include "run/prefill.h"

namespace octet {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct RunSeconds {
  double median = 0, slowest = 0;
};

RunSeconds time_runs(int repeat, const std::function<void()>& prepare, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int i = 0; i <= repeat; ++i) {
    prepare();
    const auto start = std::chrono::steady_clock::now();
    work();
    if (i > 0) seconds.push_back(seconds_since(start));
  }
  std::sort(seconds.begin(), seconds.end());
  const size_t middle = seconds.size() / 2;
  const double median = seconds.size() % 2 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
  return {median, seconds.back()};
}

// Any token does for timing, so a model that names none to begin with is timed too.
int32_t first_token(const DecoderConfig& config) {
  return config.bos >= 0 && config.bos < config.vocabulary ? config.bos : 0;
}

// Not all the same: each must read its own row of the embedding.
std::vector<int32_t> some_tokens(const DecoderConfig& config, int64_t count) {
  const RandomStream random(1, 0, 0);
  std::vector<int32_t> tokens{first_token(config)};
  for (int64_t i = 1; i < count; ++i) {
    tokens.push_back(
        static_cast<int32_t>(random.bits(static_cast<uint64_t>(i)) % static_cast<uint64_t>(config.vocabulary)));
  }
  return tokens;
}

void decode_steps(Context& ctx, const Decoder& decoder, std::vector<KvCache>& caches, std::vector<int32_t>& last,
                  int64_t steps) {
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<Input> batch;
    for (size_t i = 0; i < caches.size(); ++i) batch.push_back({{&last[i], 1}, &caches[i]});
    Tensor logits = decoder.logits(ctx, decoder.forward(ctx, batch));
    const auto vocabulary = static_cast<size_t>(logits.size(1));
    for (size_t i = 0; i < caches.size(); ++i) last[i] = sample({logits.f32() + i * vocabulary, vocabulary}, {}, {}, 0);
  }
}

// Nothing is warm yet.
double seconds_of_first_token(Context& ctx, const Decoder& decoder, Format format) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<KvCache> caches;
  caches.push_back(decoder.make_cache(format, 1));
  std::vector<int32_t> last{first_token(decoder.config)};
  decode_steps(ctx, decoder, caches, last, 1);
  return seconds_since(start);
}

}  // namespace

Speed measure_speed(Context& ctx, const Decoder& decoder, const SpeedOptions& options) {
  if (options.prefill == 0 && options.decode == 0) throw UsageError("--prefill 0 --decode 0 leaves nothing to time");
  const int64_t positions = std::max(options.prefill, options.depth + options.decode + 1);
  if (positions > decoder.config.max_positions) {
    throw UsageError(
        fmt::format("{} positions are asked for, but the model has only {}", positions, decoder.config.max_positions));
  }
  const Format format = cache_format_named(options.cache, decoder);
  Speed speed;
  speed.first_token_seconds = seconds_of_first_token(ctx, decoder, format);
  if (options.prefill > 0) {
    const auto tokens = some_tokens(decoder.config, options.prefill);
    KvCache cache = decoder.make_cache(format, options.prefill);
    const RunSeconds seconds = time_runs(
        options.repeat, [&] { cache.set_length(0); },
        [&] { decoder.logits(ctx, prefill(ctx, decoder, cache, tokens)); });
    speed.prefill_tokens_per_second = static_cast<double>(options.prefill) / seconds.median;
  }
  if (options.decode > 0) {
    std::vector<KvCache> caches;
    for (int64_t i = 0; i < options.batch; ++i) {
      caches.push_back(decoder.make_cache(format, positions));
      if (options.depth > 0) prefill(ctx, decoder, caches.back(), some_tokens(decoder.config, options.depth));
    }
    std::vector<int32_t> last;
    const auto rewind = [&] {
      for (KvCache& cache : caches) cache.set_length(options.depth);
      last.assign(static_cast<size_t>(options.batch), first_token(decoder.config));
    };
    const RunSeconds seconds =
        time_runs(options.repeat, rewind, [&] { decode_steps(ctx, decoder, caches, last, options.decode); });
    const auto decoded = static_cast<double>(options.decode * options.batch);
    speed.decode_tokens_per_second = decoded / seconds.median;
    speed.slowest_decode_tokens_per_second = decoded / seconds.slowest;
  }
  return speed;
}

}  // namespace octet
