#pragma once
#include <vector>

#include "product.h"

namespace octet::bench {

#ifdef OCTET_BENCH_ONEDNN
inline constexpr bool kHasOneDnn = true;
#else
inline constexpr bool kHasOneDnn = false;
#endif
#ifdef OCTET_BENCH_OPENBLAS
inline constexpr bool kHasOpenBlas = true;
#else
inline constexpr bool kHasOpenBlas = false;
#endif

struct Options {
  std::vector<Shape> shapes;  // none: those of the table in the documentation
  int threads = 0;            // 0: all cores
  int pairs = 15;             // timings of each row
};

/// Takes --shape, --threads, --pairs and --help out of argv; what is left is Google Benchmark's. Ends the program with
/// status 2 at a wrong value.
/// `shape` says what the three numbers of --shape are, `example` is a filter.
Options take_options(int& argc, char** argv, const char* program, const char* shape, const char* example);

}  // namespace octet::bench
