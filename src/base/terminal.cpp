#include "base/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace octet {
namespace {

bool is_wide(uint32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
}

bool is_combining(uint32_t c) {
  return (c >= 0x300 && c <= 0x36F) || (c >= 0xFE00 && c <= 0xFE0F);
}

}  // namespace

bool is_terminal(int fd) {
  return isatty(fd) == 1;
}

int terminal_width(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int display_width(std::string_view text) {
  int width = 0;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t j = 1; j < length && i + j < text.size(); ++j) c = c << 6 | (static_cast<uint8_t>(text[i + j]) & 0x3Fu);
    i += length;
    if (!is_combining(c)) width += is_wide(c) ? 2 : 1;
  }
  return width;
}

Paint::Paint(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  colours_ = is_terminal(fd) && !(no_color && *no_color) && !(term && std::string_view(term) == "dumb");
}

std::string Paint::with(const char* code, std::string_view text) const {
  return colours_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

}  // namespace octet
