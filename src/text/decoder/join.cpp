#include "text/decoder/list.h"

namespace octet {
namespace {

struct Nothing {};

class JoinStage : public DecodeStage {
 public:
  JoinStage(const Nothing&, DecodeStage& next) : next_(next) {}

  void take(std::string_view text, bool ends) override {
    if (at_begin_ && !first_) next_.take(" ", false);
    next_.take(text, false);
    first_ = false;
    at_begin_ = ends;
  }
  void finish() override { next_.finish(); }

 private:
  DecodeStage& next_;
  bool first_ = true, at_begin_ = true;
};

}  // namespace

std::unique_ptr<Decoder> make_join_decoder() {
  return std::make_unique<DecoderOf<JoinStage, Nothing>>(Nothing{});
}

}  // namespace octet
