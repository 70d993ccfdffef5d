#include "run/generate.h"

#include <algorithm>
#include <chrono>

#include "run/prefill.h"
#include "run/stop_strings.h"

namespace octet {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Generation generate(Context& ctx, const Model& model, std::span<const int32_t> prompt, const GenerateOptions& options,
                    const std::function<bool(std::string_view)>& on_text) {
  Generation result;
  const Decoder& decoder = model.decoder;
  KvCache cache = decoder.make_cache(options.cache, static_cast<int64_t>(prompt.size()) + options.max_tokens);
  std::vector<int32_t> seen(prompt.begin(), prompt.end());
  StreamDecoder stream(model.tokenizer);
  stream.follow(prompt);
  StopStrings stop(options.stop);
  const auto show = [&](const std::string& text) {
    result.text += text;
    return text.empty() || on_text(text);
  };

  auto start = std::chrono::steady_clock::now();
  Tensor hidden = prefill(ctx, decoder, cache, prompt);
  result.prefill_seconds = seconds_since(start);
  start = std::chrono::steady_clock::now();
  bool wanted = true;
  while (wanted && static_cast<int64_t>(result.ids.size()) < options.max_tokens) {
    Tensor logits = decoder.logits(ctx, hidden);
    const std::span<float> row(logits.f32(), static_cast<size_t>(logits.size(1)));
    const int32_t token = sample(row, seen, options.sampling, result.ids.size());
    if (std::find(model.end_tokens.begin(), model.end_tokens.end(), token) != model.end_tokens.end()) {
      result.finish_reason = "stop";
      break;
    }
    result.ids.push_back(token);
    seen.push_back(token);
    wanted = show(stop.pass(stream.next(token)));
    if (stop.found()) {
      result.finish_reason = "stop";
      break;
    }
    if (static_cast<int64_t>(result.ids.size()) == options.max_tokens) break;
    const Input next{{&token, 1}, &cache};
    hidden = decoder.forward(ctx, {&next, 1});
  }
  result.decode_seconds = seconds_since(start);
  if (wanted && !stop.found()) show(stop.pass(stream.finish()) + stop.rest());
  return result;
}

}  // namespace octet
