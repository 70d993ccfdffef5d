#pragma once
#include <string>
#include <string_view>

namespace octet {

/// Whether `pattern` matches `name` from its start, as Python's re.match does. Patterns are compiled once and kept.
/// Throws Error for a pattern that is not understood, or that takes longer than any honest one.
bool pattern_matches_start(const std::string& pattern, std::string_view name);

}  // namespace octet
