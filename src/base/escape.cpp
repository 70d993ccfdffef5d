#include "base/escape.h"

#include <fmt/format.h>

namespace octet {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 1;
  bool valid = false;
};

// Shortest form only, no surrogates, nothing beyond U+10FFFF (Unicode 15, table 3-7).
CodePoint decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {lead, 1, false};
  uint32_t value = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {lead, 1, false};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool valid = value >= kSmallest[length] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
  return valid ? CodePoint{value, length, true} : CodePoint{lead, 1, false};
}

// Characters that move the cursor, turn the writing direction, or are not seen at all.
bool is_harmful(uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE007F);
}

std::string escaped(uint32_t c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return c < 0x80      ? fmt::format("\\x{:02x}", c)
             : c < 0x10000 ? fmt::format("\\u{:04x}", c)
                           : fmt::format("\\U{:08x}", c);
  }
}

}  // namespace

std::string printable(std::string_view text, size_t limit) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (result.size() >= limit) return result + "…";
    const CodePoint c = decode(text.substr(at));
    if (!c.valid) {
      result += fmt::format("\\x{:02x}", c.value);
    } else if (is_harmful(c.value)) {
      result += escaped(c.value);
    } else {
      result += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return result;
}

std::string html_escape(std::string_view text) {
  std::string result;
  size_t plain = 0;
  const auto flush = [&](size_t end) { result += printable(text.substr(plain, end - plain)); };
  for (size_t at = 0; at < text.size(); ++at) {
    std::string_view entity;
    switch (text[at]) {
      case '&':
        entity = "&amp;";
        break;
      case '<':
        entity = "&lt;";
        break;
      case '>':
        entity = "&gt;";
        break;
      case '"':
        entity = "&quot;";
        break;
      case '\'':
        entity = "&#39;";
        break;
      case '\n':
        entity = "\n";
        break;
      case '\t':
        entity = "\t";
        break;
      default:
        continue;
    }
    flush(at);
    result += entity;
    plain = at + 1;
  }
  flush(text.size());
  return result;
}

std::string with_commas(uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

}  // namespace octet
