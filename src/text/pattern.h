#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

struct StepJson;

/// Bytes [begin, end) of a text.
struct Range {
  size_t begin, end;
  bool empty() const { return begin == end; }
};

/// What a step looks for: a string, or a regular expression in Oniguruma's syntax run by PCRE2.
class Pattern {
 public:
  static Pattern literal(std::string text, std::string where);
  static Pattern regex(std::string_view expression, std::string where);
  static Pattern from_json(const StepJson& step, const char* key);  ///< {"String": …} or {"Regex": …}

  /// Appends the matches in `text` (valid UTF-8) to `out`, left to right, none overlapping. Throws Error naming the
  /// pattern where the expression takes too long. Safe to call from several threads.
  void find_all(std::string_view text, std::vector<Range>& out) const;

  bool is_literal() const { return !compiled_; }
  const std::string& text() const { return text_; }  ///< of a literal

 private:
  Pattern() = default;
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
  std::string text_, where_;
};

/// From now on expressions are not compiled and match nothing. For fuzzing what surrounds them.
void stub_patterns();

}  // namespace octet
