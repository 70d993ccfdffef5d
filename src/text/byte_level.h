#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace octet {

/// What cuts text into words in GPT-2.
inline constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// The 256 printable characters that stand for bytes in byte-level vocabularies (Radford et al. 2019, GPT-2):
/// printable Latin-1 stands for itself, the rest for U+0100 and up.
char32_t byte_character(uint8_t byte);

/// The byte that a character stands for, or -1.
int byte_of_character(char32_t c);

/// Appends the characters of all bytes of `text`.
void append_byte_characters(std::string& out, std::string_view text);

}  // namespace octet
