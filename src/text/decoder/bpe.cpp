#include "text/decoder/list.h"

namespace octet {
namespace {

/// The suffix that ends a word becomes a space, that of the last token nothing; so one token always waits.
class BpeStage : public WholeTokenStage {
 public:
  BpeStage(const std::string& suffix, DecodeStage& next) : suffix_(suffix), next_(next) {}

  void finish() override {
    hand_on("");
    next_.finish();
  }

 protected:
  void take_token(std::string& token) override {
    hand_on(" ");
    waiting_ = std::move(token);
  }

 private:
  void hand_on(std::string_view instead) {
    if (!waiting_) return;
    replace_all(*waiting_, suffix_, instead);
    next_.take(*waiting_, true);
  }

  const std::string& suffix_;
  DecodeStage& next_;
  std::optional<std::string> waiting_;
};

}  // namespace

std::unique_ptr<Decoder> make_bpe_decoder(const StepJson& json) {
  return std::make_unique<DecoderOf<BpeStage, std::string>>(json.text("suffix", "</w>"));
}

}  // namespace octet
