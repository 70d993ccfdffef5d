#include "eval/speed.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/error.h"
#include "eval/runs.h"
#include "numeric/random.h"
#include "run/prefill.h"

namespace octet {
namespace {

double median_seconds(int repeat, const std::function<void()>& prepare, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int i = 0; i <= repeat; ++i) {
    prepare();
    const auto start = std::chrono::steady_clock::now();
    work();
    if (i > 0) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const size_t middle = seconds.size() / 2;
  return seconds.size() % 2 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
}

// Any tokens do for timing, but not all the same: each must read its own row of the embedding.
std::vector<int32_t> some_tokens(const Model& model, int64_t count) {
  const RandomStream random(1, 0, 0);
  std::vector<int32_t> tokens{first_token(model)};
  for (int64_t i = 1; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(random.bits(static_cast<uint64_t>(i)) %
                                          static_cast<uint64_t>(model.decoder.config.vocabulary)));
  }
  return tokens;
}

void decode(Context& ctx, const Model& model, std::vector<KvCache>& caches, std::vector<int32_t>& last, int64_t steps) {
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<Input> batch;
    for (size_t i = 0; i < caches.size(); ++i) batch.push_back({{&last[i], 1}, &caches[i]});
    Tensor logits = model.decoder.logits(ctx, model.decoder.forward(ctx, batch));
    const auto vocabulary = static_cast<size_t>(logits.size(1));
    for (size_t i = 0; i < caches.size(); ++i) last[i] = sample({logits.f32() + i * vocabulary, vocabulary}, {}, {}, 0);
  }
}

}  // namespace

Speed measure_speed(Context& ctx, const Model& model, const SpeedOptions& options) {
  if (options.prefill == 0 && options.decode == 0) throw UsageError("--prefill 0 --decode 0 leaves nothing to time");
  const int64_t positions = std::max(options.prefill, options.depth + options.decode + 1);
  if (positions > model.decoder.config.max_positions) {
    throw UsageError(fmt::format("{} positions are asked for, but {} has only {}", positions, model.directory.string(),
                                 model.decoder.config.max_positions));
  }
  const Format format = cache_format_named(options.cache, model.decoder);
  Speed speed;
  if (options.prefill > 0) {
    const auto tokens = some_tokens(model, options.prefill);
    KvCache cache = model.decoder.make_cache(format, options.prefill);
    const double seconds = median_seconds(
        options.repeat, [&] { cache.set_length(0); },
        [&] { model.decoder.logits(ctx, prefill(ctx, model.decoder, cache, tokens)); });
    speed.prefill_tokens_per_second = static_cast<double>(options.prefill) / seconds;
  }
  if (options.decode > 0) {
    std::vector<KvCache> caches;
    for (int64_t i = 0; i < options.batch; ++i) {
      caches.push_back(model.decoder.make_cache(format, positions));
      if (options.depth > 0) prefill(ctx, model.decoder, caches.back(), some_tokens(model, options.depth));
    }
    std::vector<int32_t> last;
    const auto rewind = [&] {
      for (KvCache& cache : caches) cache.set_length(options.depth);
      last.assign(static_cast<size_t>(options.batch), first_token(model));
    };
    const double seconds =
        median_seconds(options.repeat, rewind, [&] { decode(ctx, model, caches, last, options.decode); });
    speed.decode_tokens_per_second = static_cast<double>(options.decode * options.batch) / seconds;
  }
  return speed;
}

}  // namespace octet
