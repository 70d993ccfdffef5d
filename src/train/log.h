#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet::train {

/// One number of one step, such as {"train/loss", 2.31}.
struct Scalar {
  std::string_view tag;
  double value;
};

/// What a run writes down as it goes: events that TensorBoard shows and metrics.csv with the columns
/// step,wall_time,tag,value. Every record is handed to the system whole, so that a killed run leaves readable files.
class TrainingLog {
 public:
  /// Writes into `directory`, which is made. What is there of steps after `last_step` (of a run that went further than
  /// its last checkpoint, torn records included) is cut off, so that a resumed run repeats no step; last_step 0 takes
  /// away what Octet wrote there and begins anew. Throws Error where it cannot be written or what is there is no log.
  explicit TrainingLog(const std::filesystem::path& directory, int64_t last_step = 0);
  ~TrainingLog();
  TrainingLog(const TrainingLog&) = delete;
  TrainingLog& operator=(const TrainingLog&) = delete;

  /// Appends the scalars of a step (>= 0). Steps do not go down.
  void record(int64_t step, std::span<const Scalar> scalars);
  /// Appends a text, such as the recipe, to the events.
  void record_text(int64_t step, std::string_view tag, std::string_view text);

 private:
  struct Files;
  std::unique_ptr<Files> files_;
};

/// One line of metrics.csv.
struct LoggedScalar {
  int64_t step;
  double wall_time;  ///< seconds since 1970
  std::string tag;
  double value;
};

/// Reads DIRECTORY/metrics.csv, a torn last line left out. Throws Error naming the line that is not one.
std::vector<LoggedScalar> read_metrics(const std::filesystem::path& directory);

}  // namespace octet::train
