#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "train/data.h"

namespace octet::train {
namespace {

constexpr size_t kMostBytes = size_t{2} << 30;
constexpr std::string_view kBlanks = " \t\r\n\v\f";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Lines one after another, without their ends, counted from 1.
class Lines {
 public:
  explicit Lines(std::string_view text) : left_(text) {}
  bool next(std::string_view& line) {
    if (left_.empty()) return false;
    const size_t end = left_.find('\n');
    line = left_.substr(0, end);
    left_.remove_prefix(end == left_.npos ? left_.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    ++number_;
    return true;
  }
  int64_t number() const { return number_; }

 private:
  std::string_view left_;
  int64_t number_ = 0;
};

std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  for (;;) {
    const size_t end = line.find('\t');
    columns.push_back(line.substr(0, end));
    if (end == line.npos) return columns;
    line.remove_prefix(end + 1);
  }
}

class Reader {
 public:
  Reader(const std::filesystem::path& file, const DataOptions& options)
      : file_(printable(file.string())), options_(options) {}

  std::vector<Document> read(std::string_view text, DataFormat format) {
    if (text.empty()) fail("{}: is empty", file_);
    if (text.find('\0') != text.npos) fail("{}: is not a text: it holds zero bytes", file_);
    if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
    if (options_.labels && format != DataFormat::jsonl && format != DataFormat::tsv) {
      fail("{}: labels are read from JSONL and TSV files; the format here is {}", file_, name_of(format));
    }
    if (format == DataFormat::text && !trimmed(text).empty()) documents_.push_back({std::string(text), -1, 1});
    if (format == DataFormat::paragraphs) paragraphs(text);
    if (format == DataFormat::lines) lines(text);
    if (format == DataFormat::jsonl) jsonl(text);
    if (format == DataFormat::tsv) tsv(text);
    if (documents_.empty() && width_ > 0) fail("{}: has no document; its one line names the columns", file_);
    if (documents_.empty()) fail("{}: has no document; every line of it is empty", file_);
    return std::move(documents_);
  }

 private:
  void paragraphs(std::string_view text) {
    Lines lines(text);
    Document document;
    const auto finish = [&] {
      if (!document.text.empty()) documents_.push_back(std::move(document));
      document = {};
    };
    for (std::string_view line; lines.next(line);) {
      if (trimmed(line).empty()) {
        finish();
        continue;
      }
      if (document.text.empty()) document.line = lines.number();
      if (!document.text.empty()) document.text += '\n';
      document.text += line;
    }
    finish();
  }

  void lines(std::string_view text) {
    Lines lines(text);
    for (std::string_view line; lines.next(line);) {
      if (!trimmed(line).empty()) documents_.push_back({std::string(line), -1, lines.number()});
    }
  }

  void jsonl(std::string_view text) {
    Lines lines(text);
    for (std::string_view line; lines.next(line);) {
      if (trimmed(line).empty()) continue;
      const std::string where = fmt::format("{}:{}", file_, lines.number());
      const Json object = parse_json(line, where);
      if (!object.is_object()) fail("{}: is {}, not an object", where, json_text(object));
      const Json& value = field(object, options_.text_field, where);
      if (!value.is_string()) fail("{}: {} is {}, not a text", where, options_.text_field, json_text(value));
      const int32_t label = options_.labels ? json_label(field(object, options_.label_field, where), where) : -1;
      add(value.get<std::string>(), label, lines.number());
    }
  }

  static const Json& field(const Json& object, const std::string& key, const std::string& where) {
    const auto found = object.find(key);
    if (found == object.end()) fail("{}: has no \"{}\"", where, printable(key));
    return *found;
  }

  int32_t json_label(const Json& value, const std::string& where) const {
    if (value.is_string()) return label_named(value.get<std::string>(), where);
    if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() > INT32_MAX)) {
      fail("{}: the label {} is no whole number of 0 and up, and no name", where, json_text(value));
    }
    return checked_label(value.get<int64_t>(), where);
  }

  void tsv(std::string_view text) {
    Lines lines(text);
    for (std::string_view line; lines.next(line);) {
      if (trimmed(line).empty()) continue;
      const auto columns = columns_of(line);
      const std::string where = fmt::format("{}:{}", file_, lines.number());
      if (width_ == 0 && begin_table(columns, where)) continue;
      if (columns.size() != width_) fail("{}: has {} columns; the first line has {}", where, columns.size(), width_);
      const int32_t label = options_.labels ? label_named(columns[label_column_], where) : -1;
      add(std::string(columns[text_column_]), label, lines.number());
    }
  }

  // Finds the columns by the first line; true if it names them and holds no document.
  bool begin_table(const std::vector<std::string_view>& first, const std::string& where) {
    width_ = first.size();
    if (options_.labels && width_ < 2) fail("{}: has one column; text and label need two, with a tab between", where);
    const auto column = [&](std::string_view name) {
      return static_cast<size_t>(std::find(first.begin(), first.end(), name) - first.begin());
    };
    const size_t text = column(options_.text_field), label = column(options_.label_field);
    if (options_.text_field_given && text == width_) fail_without(options_.text_field, first);
    if (options_.labels && options_.label_field_given && label == width_) fail_without(options_.label_field, first);
    text_column_ = text < width_ ? text : 0;
    label_column_ = label < width_ ? label : width_ - 1;
    if (options_.labels && text_column_ == label_column_) {
      fail("{}: text and label would both be column {}; text_field and label_field name them", where, text_column_ + 1);
    }
    const bool is_label = !options_.labels || find_label(first[label_column_]).has_value();
    return text < width_ || label < width_ || !is_label;
  }

  [[noreturn]] void fail_without(std::string_view name, const std::vector<std::string_view>& columns) const {
    const std::string names = fmt::format("{}", fmt::join(columns, ", "));
    fail("{}: there is no column \"{}\"; the columns are {}", file_, printable(name, 40), printable(names, 200));
  }

  std::optional<int64_t> find_label(std::string_view text) const {
    const auto& names = options_.label_names;
    const auto named = std::find(names.begin(), names.end(), trimmed(text));
    if (named != names.end()) return named - names.begin();
    text = trimmed(text);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
  }

  int32_t label_named(std::string_view text, const std::string& where) const {
    if (const auto label = find_label(text)) return checked_label(*label, where);
    if (options_.label_names.empty()) {
      fail("{}: the label {} is no whole number; label_names would say which names mean 0, 1, …", where,
           printable(text, 40));
    }
    fail("{}: the label {} is none of {}", where, printable(text, 40), fmt::join(options_.label_names, ", "));
  }

  int32_t checked_label(int64_t label, const std::string& where) const {
    int64_t classes = options_.classes;
    if (classes == 0) classes = static_cast<int64_t>(options_.label_names.size());
    if (classes == 0) classes = INT32_MAX;
    if (label < 0 || label >= classes)
      fail("{}: the label {} is out of range; it must be 0 to {}", where, label, classes - 1);
    return static_cast<int32_t>(label);
  }

  void add(std::string text, int32_t label, int64_t line) {
    if (trimmed(text).empty()) fail("{}:{}: the document is empty; take the line out", file_, line);
    documents_.push_back({std::move(text), label, line});
  }

  std::string file_;
  const DataOptions& options_;
  std::vector<Document> documents_;
  size_t width_ = 0, text_column_ = 0, label_column_ = 0;
};

DataFormat format_of(const std::filesystem::path& file, DataFormat asked) {
  if (asked != DataFormat::automatic) return asked;
  const std::string extension = file.extension().string();
  if (extension == ".jsonl" || extension == ".ndjson") return DataFormat::jsonl;
  return extension == ".tsv" ? DataFormat::tsv : DataFormat::text;
}

}  // namespace

std::vector<Document> read_documents(const std::filesystem::path& file, const DataOptions& options) {
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  if (bytes.size() > kMostBytes) {
    fail("{}: has {} bytes; {} are the most a data file may have, split it", printable(file.string()), bytes.size(),
         kMostBytes);
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return Reader(file, options).read(text, format_of(file, options.format));
}

}  // namespace octet::train
