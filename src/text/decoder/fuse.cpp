#include "text/decoder/list.h"

namespace octet {
namespace {

struct Nothing {};

/// Makes one token of all.
class FuseStage : public DecodeStage {
 public:
  FuseStage(const Nothing&, DecodeStage& next) : next_(next) {}

  void take(std::string_view text, bool) override { next_.take(text, false); }
  void finish() override {
    next_.take("", true);
    next_.finish();
  }

 private:
  DecodeStage& next_;
};

}  // namespace

std::unique_ptr<Decoder> make_fuse(const StepJson&) {
  return std::make_unique<DecoderOf<FuseStage, Nothing>>(Nothing{});
}

}  // namespace octet
