#include "eval/runs.h"

#include "base/error.h"

namespace octet {

std::vector<int32_t> Runs::inputs(int64_t run, int32_t first) const {
  std::vector<int32_t> inputs{first};
  for (int64_t i = 0; i + 1 < length(run); ++i) inputs.push_back(target(begin(run) + i));
  return inputs;
}

RunFeeder::RunFeeder(const Model& model, const Runs& runs, int64_t first_run, int64_t run_count, Format cache,
                     int64_t chunk)
    : model_(model), chunk_(chunk) {
  for (int64_t run = first_run; run < first_run + run_count; ++run) {
    begins_.push_back(runs.begin(run));
    inputs_.push_back(runs.inputs(run, first_token(model)));
    caches_.push_back(model.decoder.make_cache(cache, runs.length(run)));
  }
}

HiddenRows RunFeeder::next(Context& ctx) {
  HiddenRows rows;
  std::vector<Input> batch;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto length = static_cast<int64_t>(inputs_[i].size());
    const int64_t count = std::min(chunk_, length - position_);
    if (count <= 0) continue;
    batch.push_back(
        {std::span(inputs_[i]).subspan(static_cast<size_t>(position_), static_cast<size_t>(count)), &caches_[i]});
    for (int64_t p = 0; p < count; ++p) rows.tokens.push_back(begins_[i] + position_ + p);
  }
  position_ += chunk_;
  if (!batch.empty()) rows.hidden = model_.decoder.forward(ctx, batch);
  return rows;
}

int32_t first_token(const Model& model) {
  const DecoderConfig& config = model.decoder.config;
  const char* const key = config.bos >= 0 ? "bos_token_id" : "eos_token_id";
  const int32_t token = config.bos >= 0 ? config.bos : config.eos.empty() ? -1 : config.eos[0];
  if (token >= config.vocabulary) {
    fail("{}/config.json: {} is {}, outside the vocabulary of {}", model.directory.string(), key, token,
         config.vocabulary);
  }
  if (token >= 0) return token;
  fail("{}: config.json names neither bos_token_id nor eos_token_id, so there is no token to begin a text with",
       model.directory.string());
}

}  // namespace octet
