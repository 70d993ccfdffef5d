#include "run/stop_strings.h"

#include <algorithm>

namespace octet {
namespace {

// Length of the longest end of `text` that begins `stop`.
size_t overlap(std::string_view text, std::string_view stop) {
  for (size_t n = std::min(text.size(), stop.size()); n > 0; --n) {
    if (text.substr(text.size() - n) == stop.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

std::string StopStrings::pass(std::string_view text) {
  if (found_) return {};
  held_ += text;
  size_t end = std::string::npos;
  for (const std::string& stop : stop_) {
    if (!stop.empty()) end = std::min(end, held_.find(stop));
  }
  if (end != std::string::npos) {
    found_ = true;
    std::string passed = held_.substr(0, end);
    held_.clear();
    return passed;
  }
  size_t kept = 0;
  for (const std::string& stop : stop_) kept = std::max(kept, overlap(held_, stop));
  std::string passed = held_.substr(0, held_.size() - kept);
  held_.erase(0, passed.size());
  return passed;
}

std::string StopStrings::rest() {
  return std::exchange(held_, {});
}

}  // namespace octet
