#include "train/log.h"

#include <charconv>
#include <chrono>

#include "base/error.h"
#include "base/escape.h"
#include "base/mapped_file.h"
#include "train/append_file.h"
#include "train/event_file.h"

namespace octet::train {
namespace {

constexpr const char* kMetrics = "metrics.csv";
constexpr std::string_view kHeader = "step,wall_time,tag,value\n";
constexpr std::string_view kEvents = "events.out.tfevents.", kOurs = ".octet.";

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

std::string quoted(std::string_view tag) {
  if (tag.find_first_of(",\"\r\n") == tag.npos) return std::string(tag);
  std::string out = "\"";
  for (const char c : tag) {
    if (c == '"') out += c;
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out + '"';
}

// Takes the next field off a line; false where there is none or its quotes do not end.
bool take_field(std::string_view& line, std::string& field) {
  field.clear();
  if (line.empty() || line[0] != '"') {
    const size_t end = std::min(line.find(','), line.size());
    field = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return true;
  }
  for (size_t at = 1; at < line.size(); ++at) {
    if (line[at] == '"' && (at + 1 == line.size() || line[at + 1] != '"')) {
      line.remove_prefix(std::min(at + 2, line.size()));
      return true;
    }
    at += line[at] == '"';
    field += line[at];
  }
  return false;
}

template <typename T>
bool parse_number(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<LoggedScalar> parse_line(std::string_view line) {
  LoggedScalar row;
  std::string step, time, value;
  const bool whole =
      take_field(line, step) && take_field(line, time) && take_field(line, row.tag) && take_field(line, value);
  if (!whole || !line.empty()) return std::nullopt;
  if (!parse_number(step, row.step) || !parse_number(time, row.wall_time) || !parse_number(value, row.value)) {
    return std::nullopt;
  }
  return row;
}

/// Whole lines behind the header, one after another.
class MetricsReader {
 public:
  explicit MetricsReader(const std::filesystem::path& path)
      : file_(path), name_(printable(path.string())), left_(text_of(file_)) {
    if (left_.size() < kHeader.size() && kHeader.substr(0, left_.size()) == left_) {  // killed while it began
      left_ = {};
      return;
    }
    if (left_.substr(0, kHeader.size()) != kHeader) fail("{}: is no log of Octet: its first line is another", name_);
    left_.remove_prefix(kHeader.size());
    ++line_;
    offset_ = kHeader.size();
  }

  /// The row at offset(), or none at the end; a last line that is torn is no row.
  std::optional<LoggedScalar> next() {
    offset_ += size_;
    size_ = 0;
    const size_t end = left_.find('\n');
    if (end == left_.npos) return std::nullopt;
    auto row = parse_line(left_.substr(0, end));
    ++line_;
    if (!row) fail("{}:{}: is no line of step, wall_time, tag and value", name_, line_);
    left_.remove_prefix(end + 1);
    size_ = end + 1;
    return row;
  }
  uint64_t offset() const { return offset_; }

 private:
  MappedFile file_;
  std::string name_;
  std::string_view left_;
  uint64_t offset_ = 0, size_ = 0;
  int64_t line_ = 0;
};

// Bytes of metrics.csv that hold nothing but steps up to last_step.
uint64_t kept_metrics(const std::filesystem::path& path, int64_t last_step) {
  MetricsReader reader(path);
  for (auto row = reader.next(); row; row = reader.next()) {
    if (row->step > last_step) break;
  }
  return reader.offset();
}

// Likewise of a file of events; a start_event may stand before the step it announces.
uint64_t kept_events(const std::filesystem::path& path, int64_t last_step) {
  const MappedFile file(path);
  const std::string_view bytes = text_of(file);
  uint64_t kept = 0;
  while (const auto data = front_record(bytes.substr(kept))) {
    const auto event = read_event(*data);
    if (!event || event->step > last_step + (event->is_start ? 1 : 0)) break;
    kept += data->size() + kRecordOverhead;
  }
  return kept;
}

std::vector<std::filesystem::path> event_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.compare(0, kEvents.size(), kEvents) == 0 && name.find(kOurs) != name.npos;
    if (ours && entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Readers take the files of a run in the order of their names.
std::filesystem::path new_event_file(const std::filesystem::path& directory) {
  for (int number = 0;; ++number) {
    auto path = directory / fmt::format("{}{:010d}{}{:03d}", kEvents, static_cast<int64_t>(now()), kOurs, number);
    if (!std::filesystem::exists(path)) return path;
  }
}

void make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) fail("{}: cannot be made: {}", printable(directory.string()), error.message());
}

void cut_back(const std::filesystem::path& directory, int64_t last_step) {
  const bool anew = last_step <= 0;
  const auto metrics = directory / kMetrics;
  const bool has_metrics = std::filesystem::exists(metrics);
  if (has_metrics) (void)MetricsReader(metrics);  // refuses a file of another program
  for (const auto& path : event_files(directory)) {
    const uint64_t kept = anew ? 0 : kept_events(path, last_step);
    if (kept == 0) std::filesystem::remove(path);
    if (kept > 0 && kept < std::filesystem::file_size(path)) AppendFile(path).truncate(kept);
  }
  if (has_metrics) AppendFile(metrics).truncate(anew ? 0 : kept_metrics(metrics, last_step));
}

}  // namespace

struct TrainingLog::Files {
  AppendFile events, metrics;
};

TrainingLog::TrainingLog(const std::filesystem::path& directory, int64_t last_step) {
  make_directory(directory);
  const auto metrics = directory / kMetrics;
  cut_back(directory, last_step);
  files_.reset(new Files{AppendFile(new_event_file(directory)), AppendFile(metrics)});
  if (std::filesystem::file_size(metrics) == 0) files_->metrics.append(kHeader);
  std::string begin = tf_record(version_event(now()));
  if (last_step > 0) begin += tf_record(start_event(now(), last_step + 1));
  files_->events.append(begin);
}

TrainingLog::~TrainingLog() = default;

void TrainingLog::record(int64_t step, std::span<const Scalar> scalars) {
  if (scalars.empty()) return;
  const double time = now();
  std::string lines;
  for (const Scalar& scalar : scalars) {
    lines += fmt::format("{},{:.3f},{},{}\n", step, time, quoted(scalar.tag), scalar.value);
  }
  files_->metrics.append(lines);
  files_->events.append(tf_record(scalars_event(time, step, scalars)));
}

void TrainingLog::record_text(int64_t step, std::string_view tag, std::string_view text) {
  files_->events.append(tf_record(text_event(now(), step, tag, text)));
}

std::vector<LoggedScalar> read_metrics(const std::filesystem::path& directory) {
  MetricsReader reader(directory / kMetrics);
  std::vector<LoggedScalar> rows;
  for (auto row = reader.next(); row; row = reader.next()) rows.push_back(std::move(*row));
  return rows;
}

}  // namespace octet::train
