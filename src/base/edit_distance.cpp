#include "base/edit_distance.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace octet {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string_view closest(std::string_view word, std::span<const std::string_view> names) {
  constexpr size_t kLongest = 100;  // of a word that could be one of the names
  std::string_view found;
  size_t least = kLongest;
  if (word.size() > kLongest) return found;
  for (const std::string_view name : names) {
    const size_t distance = edit_distance(word, name);
    if (distance >= least || 2 * distance > name.size()) continue;
    least = distance;
    found = name;
  }
  return found;
}

}  // namespace octet
