#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace octet {

/// Text from a file made safe for a terminal: control characters, invalid UTF-8, and what turns the writing direction
/// or is not seen become escapes (\n, \x1b, \u202e). Cut with "…" after about `limit` bytes.
std::string printable(std::string_view text, size_t limit = SIZE_MAX);

/// Text for the inside of an HTML element or a quoted attribute; what printable() escapes, it escapes too, except
/// newlines and tabs.
std::string html_escape(std::string_view text);

/// 5,767,168
std::string with_commas(uint64_t number);

}  // namespace octet
