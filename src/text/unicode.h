#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace octet {

/// One step through bytes that may not be UTF-8. size > 0: a code point of `size` bytes. size < 0: -size bytes that
/// begin none (the maximal subpart, Unicode 15 section 3.9). size == 0: a code point cut off by the end of the bytes.
struct Utf8Step {
  char32_t code_point;
  int size;
};
Utf8Step utf8_step(std::string_view bytes);

/// Bytes at the front of `bytes` that are valid UTF-8.
size_t valid_utf8_prefix(std::string_view bytes);

/// `bytes` with each maximal invalid subpart replaced by U+FFFD.
std::string to_valid_utf8(std::string_view bytes);

/// The code point at text[at], and `at` moved behind it. `text` is valid UTF-8 and at < text.size().
char32_t next_code_point(std::string_view text, size_t& at);

/// Bytes of the code point that begins with this byte, in valid UTF-8.
inline size_t utf8_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/// First byte of the code point that ends before `end`, in valid UTF-8 and 0 < end.
size_t previous_code_point(std::string_view text, size_t end);

void append_utf8(std::string& out, char32_t code_point);

/// UTF-8 that arrives in pieces: what is complete comes out, the rest waits.
class LossyUtf8 {
 public:
  void add(std::string_view bytes, std::string& out);
  void finish(std::string& out);  ///< what still waits becomes U+FFFD

 private:
  std::string waiting_;
};

bool is_whitespace(char32_t c);       ///< White_Space
bool is_punctuation(char32_t c);      ///< ASCII punctuation, or category P
bool is_number(char32_t c);           ///< category N
bool is_mark(char32_t c);             ///< category M
bool is_nonspacing_mark(char32_t c);  ///< category Mn
bool is_other(char32_t c);            ///< category C
bool is_word(char32_t c);             ///< \w: Alphabetic, M, Nd, Pc and the joiners
void append_lower_case(std::string& out, char32_t c);

}  // namespace octet
