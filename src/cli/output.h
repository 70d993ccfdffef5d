#pragma once
#include <string>
#include <string_view>

#include "base/json_fwd.h"

namespace octet::cli {

/// Standard output was closed by its reader: the program ends without a word.
struct ClosedPipe {};

/// Writes to standard output, as it is. Throws ClosedPipe, or Error saying why it cannot be written.
void print(std::string_view text);

/// Text that a model or a tokenizer made: as it is for a file or a program, without what steers a terminal for a
/// terminal (control characters but newline and tab become escapes).
void print_text(std::string_view text);

/// The one JSON object of --json; text that is not UTF-8 gets U+FFFD.
void print_json(const Json& object);

/// Whether print or print_json wrote anything.
bool has_printed();

/// A file of text, or standard input for "-", read piece by piece. Throws Error if it cannot be read or has more than
/// 2 GB.
class TextInput {
 public:
  explicit TextInput(const std::string& file);
  ~TextInput();
  TextInput(const TextInput&) = delete;
  TextInput& operator=(const TextInput&) = delete;

  /// How many bytes are put at `to`; 0 only at the end.
  size_t read(char* to, size_t size);

 private:
  std::string name_;
  int fd_;
  size_t had_ = 0;
};

/// All of it. Throws Error if it cannot be read or has more than 2 GB.
std::string read_text(const std::string& file);

}  // namespace octet::cli
