#include "cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/terminal.h"

namespace octet::cli {
namespace {

bool printed = false;
constexpr size_t kLargestText = size_t{2} << 30;

}  // namespace

void print(std::string_view text) {
  printed = true;
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) throw ClosedPipe();
    if (written < 0) fail("standard output cannot be written: {}", std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void print_text(std::string_view text) {
  if (!is_terminal(STDOUT_FILENO)) return print(text);
  std::string safe;
  while (!text.empty()) {
    const bool is_c1 = text.size() > 1 && text[0] == '\xC2' && static_cast<uint8_t>(text[1]) < 0xA0;
    const bool is_control = (text[0] >= 0 && text[0] < 0x20 && text[0] != '\n' && text[0] != '\t') || text[0] == 0x7F;
    const size_t size = is_c1 ? 2 : 1;
    safe += is_c1 || is_control ? printable(text.substr(0, size)) : std::string(text.substr(0, size));
    text.remove_prefix(size);
  }
  print(safe);
}

void print_json(const Json& object) {
  print(object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

bool has_printed() {
  return printed;
}

TextInput::TextInput(const std::string& file) : name_(file), fd_(STDIN_FILENO) {
  if (file == "-") {
    name_ = "standard input";
    return;
  }
  fd_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) fail("{}: cannot be opened: {}", name_, std::strerror(errno));
}

TextInput::~TextInput() {
  if (fd_ != STDIN_FILENO) ::close(fd_);
}

size_t TextInput::read(char* to, size_t size) {
  for (;;) {
    const ssize_t got = ::read(fd_, to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("{}: cannot be read: {}", name_, std::strerror(errno));
    had_ += static_cast<size_t>(got);
    if (had_ > kLargestText) fail("{}: has more than 2 GB of text; give it in pieces", name_);
    return static_cast<size_t>(got);
  }
}

std::string read_text(const std::string& file) {
  TextInput input(file);
  std::string text;
  constexpr size_t kPiece = size_t{1} << 20;
  for (;;) {
    const size_t had = text.size();
    text.resize(had + kPiece);
    const size_t got = input.read(text.data() + had, kPiece);
    text.resize(had + got);
    if (got == 0) return text;
  }
}

}  // namespace octet::cli
