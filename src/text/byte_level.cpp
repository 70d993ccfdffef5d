#include "text/byte_level.h"

#include <array>

#include "text/unicode.h"

namespace octet {
namespace {

constexpr char32_t kLast = 0x143;

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

struct Tables {
  std::array<char32_t, 256> characters{};
  std::array<int16_t, kLast + 1> bytes{};
  std::array<std::array<char, 2>, 256> utf8{};
  std::array<uint8_t, 256> sizes{};

  Tables() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const auto at = static_cast<size_t>(byte);
      characters[at] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
      bytes[characters[at]] = static_cast<int16_t>(byte);
      std::string text;
      append_utf8(text, characters[at]);
      sizes[at] = static_cast<uint8_t>(text.size());
      text.copy(utf8[at].data(), 2);
    }
  }
};

const Tables& tables() {
  static const Tables made;
  return made;
}

}  // namespace

char32_t byte_character(uint8_t byte) {
  return tables().characters[byte];
}

int byte_of_character(char32_t c) {
  return c <= kLast ? tables().bytes[c] : -1;
}

void append_byte_characters(std::string& out, std::string_view text) {
  const Tables& t = tables();
  const size_t before = out.size();
  out.resize(before + 2 * text.size());
  char* to = out.data() + before;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    to[0] = t.utf8[byte][0];
    to[1] = t.utf8[byte][1];
    to += t.sizes[byte];
  }
  out.resize(static_cast<size_t>(to - out.data()));
}

}  // namespace octet
