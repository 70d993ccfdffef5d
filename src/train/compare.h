#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "report/table.h"

namespace octet::train {

/// Numbers of one tag, in the order of their steps.
struct Curve {
  std::vector<double> steps, values;
};

/// What metrics.csv holds of one run.
struct RunCurves {
  std::string name;
  std::map<std::string, Curve> curves;  ///< by tag
  double seconds = 0;                   ///< from the first record to the last, what a killed run did not do left out

  const Curve& operator[](const std::string& tag) const;  ///< an empty one where there is none
  /// The mean over the last twentieth of the steps, of one step alone too noisy to compare.
  double final_loss() const;
};

/// Reads the directories of runs, which are named after their directories, as short as tells them apart. Throws Error
/// on none or more than six, on one that is no run, and on one without a loss.
std::vector<RunCurves> read_runs(std::span<const std::filesystem::path> directories);

/// How far a run's numbers of a tag lie above another's, in percent, at the steps that both have.
Curve gap_of(const RunCurves& run, const RunCurves& reference, const std::string& tag);
/// Of a gap: over all steps, and over the last twentieth of them. NaN without any.
struct MeanGap {
  double whole, end;
};
MeanGap mean_of(const Curve& gap);

/// A row a run: steps, losses, the gap of the training loss to the first run's in percent (the BF16 run that stands
/// beside others), speed, time.
report::Table comparison_table(std::span<const RunCurves> runs);

/// One self-contained page: the table, curves of the runs over each other, their gaps to the first run, and per tensor
/// the share of values that overflowed or underflowed (tags overflow/TENSOR and underflow/TENSOR).
std::string comparison_report(std::span<const RunCurves> runs);

}  // namespace octet::train
