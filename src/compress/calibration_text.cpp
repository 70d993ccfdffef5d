#include "compress/calibration_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "text/unicode.h"

namespace octet {
namespace {

constexpr size_t kPiece = 1 << 16;
constexpr std::string_view kBlanks = " \t\r", kOrderMark = "\xEF\xBB\xBF";

// The beginning of a file that grows as it is asked for.
class Source {
 public:
  explicit Source(const ReadBytes& read) : read_(read) {}

  std::string bytes;

  // false: the file has ended.
  bool more() {
    const size_t had = bytes.size();
    bytes.resize(had + kPiece);
    const size_t got = read_(bytes.data() + had, kPiece);
    bytes.resize(had + got);
    return got > 0;
  }
  void read_until(size_t size) {
    while (bytes.size() < size && more()) {
    }
  }
  size_t end_of_line(size_t from) {
    size_t end = 0;
    while ((end = bytes.find('\n', from)) == std::string::npos) {
      from = bytes.size();
      if (!more()) return bytes.size();
    }
    return end;
  }

 private:
  const ReadBytes& read_;
};

// "text" of one line of JSON.
std::string text_of_line(std::string_view line, const std::string& where) {
  const Json object = parse_json(line, where);
  if (object.is_object() && object.contains("text") && object["text"].is_string()) return object["text"];
  if (object.is_object() && object.contains("messages")) {
    fail("{}: holds messages of a chat, which need a chat template; give their text in a field text", where);
  }
  fail("{}: has no field text that is a string", where);
}

class TextReader {
 public:
  TextReader(const ReadBytes& read, const std::string& file, size_t enough)
      : source_(read), file_(file), name_(printable(file)), enough_(enough) {}

  std::string text() {
    source_.read_until(kPiece);
    if (source_.bytes.starts_with(kOrderMark)) source_.bytes.erase(0, kOrderMark.size());
    if (source_.bytes.find('\0') < kPiece) fail("{}: is not a text: it holds zero bytes", name_);
    if (are_lines()) return text_of_lines();
    if (file_.ends_with(".json")) {
      fail("{}: is not JSON lines: one object a line is wanted, each with its text in a field text", name_);
    }
    source_.read_until(enough_);
    std::string text = std::move(source_.bytes);
    text.resize(std::min(text.size(), enough_));
    text.resize(utf8_size(text, 1));
    return text;
  }

 private:
  bool are_lines() {
    if (file_.ends_with(".jsonl") || file_.ends_with(".ndjson")) return true;
    size_t first = 0;
    while ((first = source_.bytes.find_first_not_of(" \t\r\n", first)) == std::string::npos) {
      first = source_.bytes.size();
      if (!source_.more()) return false;
    }
    if (source_.bytes[first] != '{') return false;
    const size_t end = source_.end_of_line(first);
    return Json::accept(std::string_view(source_.bytes).substr(first, end - first));
  }

  std::string text_of_lines() {
    std::string text;
    std::string& bytes = source_.bytes;
    size_t begin = 0;
    for (int64_t number = 1; text.size() < enough_; ++number) {
      if (begin > kPiece) bytes.erase(0, std::exchange(begin, 0));
      if (begin >= bytes.size() && !source_.more()) break;
      const size_t end = source_.end_of_line(begin);
      const std::string_view line = std::string_view(bytes).substr(begin, end - begin);
      begin = end + 1;
      if (line.find_first_not_of(kBlanks) == std::string_view::npos) continue;
      utf8_size(line, number);
      if (!text.empty()) text += "\n\n";
      text += text_of_line(line, fmt::format("{}, line {}", name_, number));
    }
    return text;
  }

  // Of a text, whose first line has this number, without half a character at its end.
  size_t utf8_size(std::string_view text, int64_t line) const {
    const size_t valid = valid_utf8_prefix(text);
    if (valid == text.size() || utf8_step(text.substr(valid)).size == 0) return valid;
    const std::string_view before = text.substr(0, valid);
    line += std::count(before.begin(), before.end(), '\n');
    const size_t byte = valid - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    fail("{}, line {}, byte {}: is not UTF-8; convert the file, for example with iconv -f LATIN1 -t UTF-8", name_, line,
         byte);
  }

  Source source_;
  const std::string& file_;
  const std::string name_;
  const size_t enough_;
};

}  // namespace

std::string calibration_text(const ReadBytes& read, const std::string& file, size_t enough) {
  return TextReader(read, file, enough).text();
}

std::string calibration_text(std::string_view raw, const std::string& file, size_t enough) {
  const auto read = [&](char* to, size_t size) {
    const size_t count = raw.copy(to, size);
    raw.remove_prefix(count);
    return count;
  };
  return calibration_text(read, file, enough);
}

}  // namespace octet
