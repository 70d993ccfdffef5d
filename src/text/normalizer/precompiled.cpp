#include <utf8proc.h>

#include <cstring>

#include "text/normalizer/list.h"
#include "text/unicode.h"

namespace octet {
namespace {

constexpr size_t kLongestGrapheme = 6;  // bytes; longer ones are looked up character by character

std::string from_base64(std::string_view text, const std::string& where) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    int digit;
    if (c >= 'A' && c <= 'Z') {
      digit = c - 'A';
    } else if (c >= 'a' && c <= 'z') {
      digit = c - 'a' + 26;
    } else if (c >= '0' && c <= '9') {
      digit = c - '0' + 52;
    } else if (c == '+' || c == '/') {
      digit = c == '+' ? 62 : 63;
    } else if (c == '=') {
      break;
    } else {
      fail("{}: precompiled_charsmap is not base64", where);
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

/// SentencePiece's compiled rules: a double-array trie (Darts) from strings to their place in a text of replacements.
class Precompiled : public Normalizer {
 public:
  explicit Precompiled(const StepJson& json) {
    const std::string blob = from_base64(json.text("precompiled_charsmap", ""), json.where);
    if (blob.empty()) return;
    uint32_t size = 0;
    if (blob.size() >= 4) std::memcpy(&size, blob.data(), 4);
    if (blob.size() < 4 || size > blob.size() - 4 || size % 4 != 0) {
      fail("{}: precompiled_charsmap names a trie of {} bytes, more than it has", json.where, size);
    }
    units_.resize(size / 4);
    if (size > 0) std::memcpy(units_.data(), blob.data() + 4, size);
    replacements_ = blob.substr(4 + size);
    if (valid_utf8_prefix(replacements_) != replacements_.size()) {
      fail("{}: precompiled_charsmap has replacements that are not UTF-8", json.where);
    }
  }

  void apply(std::string& text) const override {
    if (units_.empty()) return;
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    for (size_t at = 0; at < text.size();) {
      const size_t end = grapheme_end(text, at);
      append(std::string_view(text).substr(at, end - at), out);
      at = end;
    }
    text = std::move(out);
  }

 private:
  static size_t grapheme_end(std::string_view text, size_t at) {
    utf8proc_int32_t state = 0;
    auto left = static_cast<utf8proc_int32_t>(next_code_point(text, at));
    while (at < text.size()) {
      size_t after = at;
      const auto right = static_cast<utf8proc_int32_t>(next_code_point(text, after));
      if (utf8proc_grapheme_break_stateful(left, right, &state)) break;
      left = right;
      at = after;
    }
    return at;
  }

  void append(std::string_view grapheme, std::string& out) const {
    std::string_view replacement;
    if (grapheme.size() < kLongestGrapheme && look_up(grapheme, replacement)) {
      out += replacement;
      return;
    }
    for (size_t at = 0, end = 0; at < grapheme.size(); at = end) {
      end = at + utf8_length(grapheme[at]);
      const std::string_view character = grapheme.substr(at, end - at);
      out += look_up(character, replacement) ? replacement : character;
    }
  }

  // The replacement of the shortest rule that `key` begins with, which is how the library looks it up.
  bool look_up(std::string_view key, std::string_view& replacement) const {
    const auto offset = [](uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
    size_t node = offset(units_[0]);
    for (const char c : key) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte == 0) return false;
      node ^= byte;
      if (node >= units_.size()) return false;
      const uint32_t unit = units_[node];
      if ((unit & (1u << 31 | 0xff)) != byte) return false;
      node ^= offset(unit);
      if (!(unit >> 8 & 1)) continue;
      if (node >= units_.size()) return false;
      const size_t begin = units_[node] & 0x7fffffffu;
      if (begin > replacements_.size()) return false;
      const size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
      replacement = std::string_view(replacements_).substr(begin, end - begin);
      return begin == 0 || (static_cast<uint8_t>(replacements_[begin]) & 0xc0) != 0x80;
    }
    return false;
  }

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace

std::unique_ptr<Normalizer> make_precompiled(const StepJson& json) {
  return std::make_unique<Precompiled>(json);
}

}  // namespace octet
