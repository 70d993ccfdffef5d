#include "options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace octet::bench {
namespace {

[[noreturn]] void refuse(std::string_view option, std::string_view value, const char* wanted) {
  fmt::print(stderr, "{} {}: it takes {}\n", option, value, wanted);
  std::exit(2);
}

/// Whole numbers from 1 to 2^24, separated by commas.
std::vector<int64_t> numbers(std::string_view text, size_t count, std::string_view option, const char* wanted) {
  constexpr int64_t kMost = 1 << 24;
  std::vector<int64_t> list;
  for (const char *at = text.data(), *end = at + text.size(); at <= end;) {
    int64_t value = 0;
    const auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 1 || value > kMost || (stop != end && *stop != ',')) {
      refuse(option, text, wanted);
    }
    list.push_back(value);
    at = stop + 1;
  }
  if (list.size() != count) refuse(option, text, wanted);
  return list;
}

void print_help(const char* program, const char* shape, const char* example) {
  fmt::print(
      "usage: {0} [--shape {1}]... [--threads N] [--pairs N] [--benchmark_filter={2}] [--benchmark_format=json]\n"
      "  --shape {1}  time this shape instead of the usual ones; may be given again\n"
      "  --threads N    of Octet, its peers and the probes; all cores unless told\n"
      "  --pairs N      timings of each row, 15 unless told; the median counts\n"
      "and every option of Google Benchmark.\n",
      program, shape, example);
}

}  // namespace

Options take_options(int& argc, char** argv, const char* program, const char* shape, const char* example) {
  Options options;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i], value;
    const size_t equals = name.find('=');
    const std::string_view key = name.substr(0, equals);
    if (key == "--help") {
      print_help(program, shape, example);
      std::exit(0);
    }
    if (key != "--shape" && key != "--threads" && key != "--pairs") {
      argv[kept++] = argv[i];
      continue;
    }
    if (equals != std::string_view::npos) {
      value = name.substr(equals + 1);
    } else if (i + 1 < argc) {
      value = argv[++i];
    }
    if (key == "--shape") {
      const auto three = numbers(value, 3, key, fmt::format("{}, each from 1 to 16777216", shape).c_str());
      options.shapes.push_back({three[0], three[1], three[2]});
    } else {
      const auto number = static_cast<int>(numbers(value, 1, key, "a number from 1 to 16777216").front());
      (key == "--threads" ? options.threads : options.pairs) = number;
    }
  }
  argc = kept;
  return options;
}

}  // namespace octet::bench
