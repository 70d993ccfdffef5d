#include "text/decoder/list.h"

namespace octet {
namespace {

struct CtcRule {
  std::string pad, word_delimiter;
  bool cleanup;
};

/// Connectionist temporal classification (Graves et al. 2006): repeats and padding go.
class CtcStage : public WholeTokenStage {
 public:
  CtcStage(const CtcRule& rule, DecodeStage& next) : rule_(rule), next_(next) {}
  void finish() override { next_.finish(); }

 protected:
  void take_token(std::string& token) override {
    if (previous_ == token) return;
    previous_ = token;
    replace_all(token, rule_.pad, "");
    if (rule_.cleanup) {
      clean_up(token);
      replace_all(token, rule_.word_delimiter, " ");
    }
    if (!token.empty()) next_.take(token, true);
  }

 private:
  const CtcRule& rule_;
  DecodeStage& next_;
  std::optional<std::string> previous_;
};

}  // namespace

std::unique_ptr<Decoder> make_ctc(const StepJson& json) {
  return std::make_unique<DecoderOf<CtcStage, CtcRule>>(
      CtcRule{json.text("pad_token", "<pad>"), json.text("word_delimiter_token", "|"), json.flag("cleanup", true)});
}

}  // namespace octet
