#pragma once
#include <cstddef>
#include <span>
#include <string_view>

namespace octet {

/// Letters to insert, remove or replace that turn one word into the other (Levenshtein).
size_t edit_distance(std::string_view a, std::string_view b);

/// The first of the nearest names; empty: none is nearer than half of its letters.
std::string_view closest(std::string_view word, std::span<const std::string_view> names);

}  // namespace octet
