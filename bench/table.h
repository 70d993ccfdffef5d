#pragma once
#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace octet::bench {

/// Numbers of each pair of timings; a benchmark reports their medians.
class Samples {
 public:
  void add(const std::string& name, double value) { values_[name].push_back(value); }
  void report(benchmark::State& state) const;

 private:
  std::map<std::string, std::vector<double>> values_;
};

/// A number of a benchmark's counters, as the table shows it.
struct Column {
  const char* counter;
  const char* title;
  int decimals;
};

/// Columns of the rows that have the first of them.
using Columns = std::vector<Column>;

/// Prints a line a benchmark, under a heading where the columns change. A row without a column's counter shows a dash
/// there; `absent` are columns of libraries that are not built in, and say so.
class Table : public benchmark::BenchmarkReporter {
 public:
  Table(std::vector<Columns> kinds, std::vector<std::string> notes, std::vector<std::string> absent = {});
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;

 private:
  void print_heading(const Columns& columns);
  void print_row(const Run& run, const Columns& columns);
  std::vector<Columns> kinds_;
  std::vector<std::string> notes_, absent_;
  const Columns* last_ = nullptr;
};

/// Runs what --benchmark_filter leaves, into `table` unless --benchmark_format asks for another form.
int run_benchmarks(int argc, char** argv, Table& table);

}  // namespace octet::bench
