#include "base/cpu.h"

#include <fmt/ranges.h>

#include <cstdlib>
#include <fstream>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"

namespace octet {

#if defined(__x86_64__)
namespace {

// Clang's __builtin_cpu_supports does not know this name.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

}  // namespace
#endif

Features cpu_features() {
  Features found = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) found |= kAvx2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    found |= kAvx512;
  }
  if (__builtin_cpu_supports("avx512vnni")) found |= kAvx512Vnni;
  if (__builtin_cpu_supports("avx512bf16")) found |= kAvx512Bf16;
  if ((found & kAvx512Bf16) && __builtin_cpu_is("amd")) found |= kFastBf16;
  if (__builtin_cpu_supports("avx512vbmi")) found |= kAvx512Vbmi;
  if (__builtin_cpu_supports("gfni") && (found & kAvx512)) found |= kGfni;
#endif
  return found;
}

namespace {

Features level_of(std::string_view wanted) {
  std::vector<std::string_view> names;
  for (const auto& level : kIsaLevels) {
    if (level.name == wanted) return level.features;
    names.push_back(level.name);
  }
  fail("OCTET_ISA={}: no such instruction set; it can be {}", wanted, fmt::join(names, ", "));
}

}  // namespace

Features usable_features() {
  const char* wanted = std::getenv("OCTET_ISA");
  return wanted && *wanted ? cpu_features() & level_of(wanted) : cpu_features();
}

std::string names_of(Features features) {
  std::vector<std::string_view> names;
  for (const auto& row : kFeatureNames) {
    if (features & row.feature) names.push_back(row.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  }
  return "unknown processor";
}

}  // namespace octet
