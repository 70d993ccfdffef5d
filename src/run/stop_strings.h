#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace octet {

/// Lets text through until a stop string begins; holds back an end that may be the beginning of one.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stop) : stop_(std::move(stop)) {}

  /// Text that may be shown now.
  std::string pass(std::string_view text);
  /// What was held back, at the end of a generation.
  std::string rest();
  bool found() const { return found_; }

 private:
  std::vector<std::string> stop_;
  std::string held_;
  bool found_ = false;
};

}  // namespace octet
