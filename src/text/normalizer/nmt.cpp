#include "text/normalizer/characters.h"

namespace octet {
namespace {

bool is_dropped(char32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

bool becomes_space(char32_t c) {
  return c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
}

}  // namespace

/// SentencePiece's cleaning for translation: control characters go, odd spaces become plain ones.
std::unique_ptr<Normalizer> make_nmt(const StepJson&) {
  return per_character([](std::string& out, char32_t c) {
    if (!is_dropped(c)) append_utf8(out, becomes_space(c) ? U' ' : c);
  });
}

}  // namespace octet
