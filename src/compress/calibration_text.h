#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace octet {

/// Puts at most `size` bytes of a file at `to` and returns how many; 0 only at its end.
using ReadBytes = std::function<size_t(char* to, size_t size)>;

/// What a calibration file says: its text, or the `text` fields of JSON lines with blank lines between. JSON lines are
/// known by their name (.jsonl, .ndjson) or by a first line that is a JSON object. No more is read than it takes to
/// have `enough` bytes of text: of a text that many, of JSON lines as many whole ones. A byte order mark, and half a
/// character at the end of a text, are left out. Throws Error for what is not UTF-8 or not text, for JSON that is not
/// lines, and for chats (`messages`), which need a template.
std::string calibration_text(const ReadBytes& read, const std::string& file, size_t enough = SIZE_MAX);
std::string calibration_text(std::string_view raw, const std::string& file, size_t enough = SIZE_MAX);

}  // namespace octet
