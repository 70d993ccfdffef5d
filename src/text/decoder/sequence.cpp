#include "text/decoder/list.h"

namespace octet {
namespace {

/// The stages of a sequence; the first takes what comes.
class Chain : public DecodeStage {
 public:
  Chain(const std::vector<std::shared_ptr<Decoder>>& steps, DecodeStage& next) : first_(&next) {
    for (size_t i = steps.size(); i-- > 0;) {
      stages_.push_back(steps[i]->start(*first_));
      first_ = stages_.back().get();
    }
  }
  void take(std::string_view text, bool ends) override { first_->take(text, ends); }
  void finish() override { first_->finish(); }

 private:
  std::vector<std::unique_ptr<DecodeStage>> stages_;  // the last one first
  DecodeStage* first_;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder_sequence(const StepJson& json) {
  using Steps = std::vector<std::shared_ptr<Decoder>>;
  Steps steps;
  for (const StepJson& child : json.children("decoders")) steps.push_back(make_decoder(child));
  return std::make_unique<DecoderOf<Chain, Steps>>(std::move(steps));
}

}  // namespace octet
