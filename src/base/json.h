#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json_fwd.h"

namespace octet {

/// Parses JSON from outside. Throws Error naming `where`; nesting deeper than 512 and duplicate keys are refused.
Json parse_json(std::string_view text, const std::string& where);

/// Reads and parses a file of at most `max_bytes`.
Json read_json(const std::filesystem::path& path, size_t max_bytes = size_t{256} << 20);

/// object[key] as T, or `fallback` where it is absent or null. Throws Error naming `where` and key on another type
/// or a number that T cannot hold.
template <typename T>
T json_value(const Json& object, const char* key, const T& fallback, const std::string& where);

/// What an exception of nlohmann says, for a message: without its number.
std::string json_reason(std::string_view what);

/// A value for a message: one line, short, safe for a terminal.
std::string json_text(const Json& value);

}  // namespace octet
