#pragma once
#include <string>
#include <string_view>

namespace octet {

bool is_terminal(int fd);

/// Columns of the terminal behind `fd`; 80 where there is none.
int terminal_width(int fd);

/// Columns that `text` (UTF-8, no control characters) takes: wide East Asian characters and most emoji take two.
int display_width(std::string_view text);

/// Paints text for one stream: only on a terminal, and not where NO_COLOR is set or TERM is dumb.
class Paint {
 public:
  explicit Paint(int fd);
  std::string bold(std::string_view text) const { return with("1", text); }
  std::string dim(std::string_view text) const { return with("2", text); }
  std::string red(std::string_view text) const { return with("31", text); }
  std::string green(std::string_view text) const { return with("32", text); }
  std::string yellow(std::string_view text) const { return with("33", text); }
  bool colours() const { return colours_; }

 private:
  std::string with(const char* code, std::string_view text) const;
  bool colours_;
};

}  // namespace octet
