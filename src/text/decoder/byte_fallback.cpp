#include "text/decoder/list.h"
#include "text/unicode.h"

namespace octet {
namespace {

struct Nothing {};

/// Runs of <0xXX> become the text that their bytes are; each byte of a run that is no text becomes U+FFFD. A run is
/// judged as a whole, so it waits for its end.
class ByteFallbackStage : public WholeTokenStage {
 public:
  ByteFallbackStage(const Nothing&, DecodeStage& next) : next_(next) {}

  void finish() override {
    flush();
    next_.finish();
  }

 protected:
  void take_token(std::string& token) override {
    const int byte = byte_of(token);
    if (byte >= 0) {
      bytes_ += static_cast<char>(byte);
      return;
    }
    flush();
    next_.take(token, true);
  }

 private:
  static int byte_of(std::string_view token) {
    if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
    int value = 0;
    for (const char c : token.substr(3, 2)) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }

  void flush() {
    if (bytes_.empty()) return;
    if (valid_utf8_prefix(bytes_) == bytes_.size()) {
      next_.take(bytes_, true);
    } else {
      for (size_t i = 0; i < bytes_.size(); ++i) next_.take("\xef\xbf\xbd", true);
    }
    bytes_.clear();
  }

  DecodeStage& next_;
  std::string bytes_;
};

}  // namespace

std::unique_ptr<Decoder> make_byte_fallback(const StepJson&) {
  return std::make_unique<DecoderOf<ByteFallbackStage, Nothing>>(Nothing{});
}

}  // namespace octet
