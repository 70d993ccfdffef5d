#include "text/unicode.h"

#include <utf8proc.h>

#include <cstring>

namespace octet {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool between(char32_t c, char32_t first, char32_t last) {
  return c >= first && c <= last;
}

struct Lead {
  int size;
  uint8_t low, high;  // of the second byte
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

}  // namespace

Utf8Step utf8_step(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const Lead lead = lead_of(byte(0));
  if (lead.size == 0) return {0, -1};
  if (lead.size == 1) return {byte(0), 1};
  char32_t c = byte(0) & (0x7f >> lead.size);
  for (int i = 1; i < lead.size; ++i) {
    if (static_cast<size_t>(i) == bytes.size()) return {0, 0};
    const uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xbf;
    if (byte(i) < low || byte(i) > high) return {0, -i};
    c = c << 6 | (byte(i) & 0x3f);
  }
  return {c, lead.size};
}

size_t valid_utf8_prefix(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    uint64_t eight = 0;
    if (at + 8 <= bytes.size()) {
      std::memcpy(&eight, bytes.data() + at, 8);
      if ((eight & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const Utf8Step step = utf8_step(bytes.substr(at));
    if (step.size <= 0) break;
    at += static_cast<size_t>(step.size);
  }
  return at;
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  LossyUtf8 lossy;
  lossy.add(bytes, out);
  lossy.finish(out);
  return out;
}

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[at + i])); };
  const char32_t first = byte(0);
  char32_t c = first;
  size_t size = 1;
  if (first >= 0xf0) {
    c = (first & 7) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    size = 4;
  } else if (first >= 0xe0) {
    c = (first & 15) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    size = 3;
  } else if (first >= 0x80) {
    c = (first & 31) << 6 | (byte(1) & 0x3f);
    size = 2;
  }
  at += size;
  return c;
}

size_t previous_code_point(std::string_view text, size_t end) {
  do {
    --end;
  } while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80);
  return end;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

void LossyUtf8::add(std::string_view bytes, std::string& out) {
  std::string joined;
  if (!waiting_.empty()) {
    joined = std::move(waiting_);
    waiting_.clear();
    joined += bytes;
    bytes = joined;
  }
  while (!bytes.empty()) {
    const size_t valid = valid_utf8_prefix(bytes);
    out += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) return;
    const Utf8Step step = utf8_step(bytes);
    if (step.size == 0) {
      waiting_ = bytes;
      return;
    }
    out += kReplacement;
    bytes.remove_prefix(static_cast<size_t>(-step.size));
  }
}

void LossyUtf8::finish(std::string& out) {
  if (!waiting_.empty()) out += kReplacement;
  waiting_.clear();
}

bool is_whitespace(char32_t c) {
  return between(c, 9, 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || between(c, 0x2000, 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return between(c, 33, 47) || between(c, 58, 64) || between(c, 91, 96) || between(c, 123, 126);
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

bool is_number(char32_t c) {
  if (c < 0x80) return between(c, '0', '9');
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool is_mark(char32_t c) {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_MN;
}

bool is_other(char32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_CN || kind >= UTF8PROC_CATEGORY_CC;
}

bool is_word(char32_t c) {
  if (c < 0x80) return between(c, '0', '9') || between(c, 'A', 'Z') || between(c, 'a', 'z') || c == '_';
  const auto kind = category(c);
  if (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NL) return true;  // L, M, Nd, Nl
  if (kind == UTF8PROC_CATEGORY_PC || c == 0x200c || c == 0x200d) return true;
  return between(c, 0x24b6, 0x24e9) || between(c, 0x1f130, 0x1f149) || between(c, 0x1f150, 0x1f169) ||
         between(c, 0x1f170, 0x1f189);  // the letters in circles and squares, which are Alphabetic
}

void append_lower_case(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(between(c, 'A', 'Z') ? c + 32 : c);
  } else if (c == 0x130) {
    out += "i\xcc\x87";  // the one letter whose lower case has two code points
  } else {
    append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace octet
