#include "table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "measure.h"

namespace octet::bench {
namespace {

constexpr size_t kNameWidth = 46, kLeastWidth = 8;

size_t width_of(const Column& column, bool absent) {
  return std::max({std::strlen(column.title), kLeastWidth, absent ? std::strlen("not built in") : 0});
}

}  // namespace

void Samples::report(benchmark::State& state) const {
  for (const auto& [name, values] : values_) state.counters[name] = median(values);
}

Table::Table(std::vector<Columns> kinds, std::vector<std::string> notes, std::vector<std::string> absent)
    : kinds_(std::move(kinds)), notes_(std::move(notes)), absent_(std::move(absent)) {}

bool Table::ReportContext(const Context&) {
  for (const std::string& note : notes_) fmt::print("{}\n", note);
  return true;
}

void Table::print_heading(const Columns& columns) {
  fmt::print("\n{:{}}", "", kNameWidth);
  for (const Column& column : columns) {
    const bool absent = std::find(absent_.begin(), absent_.end(), column.counter) != absent_.end();
    fmt::print("  {:>{}}", column.title, width_of(column, absent));
  }
  fmt::print("\n");
}

void Table::print_row(const Run& run, const Columns& columns) {
  fmt::print("{:{}}", run.run_name.function_name, kNameWidth);
  for (const Column& column : columns) {
    const bool absent = std::find(absent_.begin(), absent_.end(), column.counter) != absent_.end();
    const size_t width = width_of(column, absent);
    const auto counter = run.counters.find(column.counter);
    if (counter != run.counters.end()) {
      fmt::print("  {:>{}.{}f}", counter->second.value, width, column.decimals);
    } else {
      fmt::print("  {:>{}}", absent ? "not built in" : "-", width);
    }
  }
  fmt::print("\n");
}

void Table::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.error_occurred) {
      fmt::print("{:{}}  {}\n", run.run_name.function_name, kNameWidth, run.error_message);
      continue;
    }
    for (const Columns& columns : kinds_) {
      if (run.counters.find(columns.front().counter) == run.counters.end()) continue;
      if (last_ != &columns) print_heading(columns);
      last_ = &columns;
      print_row(run, columns);
      break;
    }
  }
  std::fflush(stdout);
}

int run_benchmarks(int argc, char** argv, Table& table) {
  bool other_form = false;
  for (int i = 1; i < argc; ++i) other_form |= std::strncmp(argv[i], "--benchmark_format", 18) == 0;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks(other_form ? nullptr : &table);
  return 0;
}

}  // namespace octet::bench
