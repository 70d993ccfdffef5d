#include "text/byte_level.h"

#include "text/decoder/list.h"
#include "text/unicode.h"

namespace octet {
namespace {

struct Nothing {};

/// Characters back to bytes, and all bytes to one token of text. A token with a character that stands for no byte is
/// taken as it is.
class ByteLevelStage : public WholeTokenStage {
 public:
  ByteLevelStage(const Nothing&, DecodeStage& next) : next_(next) {}

  void finish() override {
    text_.clear();
    utf8_.finish(text_);
    next_.take(text_, true);
    next_.finish();
  }

 protected:
  void take_token(std::string& token) override {
    bytes_.clear();
    for (size_t at = 0; at < token.size();) {
      const int byte = byte_of_character(next_code_point(token, at));
      if (byte < 0) {
        bytes_ = token;
        break;
      }
      bytes_ += static_cast<char>(byte);
    }
    text_.clear();
    utf8_.add(bytes_, text_);
    next_.take(text_, false);
  }

 private:
  DecodeStage& next_;
  LossyUtf8 utf8_;
  std::string bytes_, text_;
};

}  // namespace

std::unique_ptr<Decoder> make_byte_level_decoder(const StepJson&) {
  return std::make_unique<DecoderOf<ByteLevelStage, Nothing>>(Nothing{});
}

}  // namespace octet
