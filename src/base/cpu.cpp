#include "base/cpu.h"

#include <fmt/ranges.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
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

Features cpu_features() {
  Features found = 0;
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
  return found;
}

#elif defined(__aarch64__)

Features cpu_features() {
  const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  Features found = 0;
  if (first & HWCAP_ASIMD) found |= kNeon;
  if (first & HWCAP_ASIMDDP) found |= kDotprod;
  if (second & HWCAP2_I8MM) found |= kI8mm;
  return found;
}

#else

Features cpu_features() {
  return 0;
}

#endif

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

namespace {

// What stands behind "key : " on its first line; empty where there is none.
std::string_view field_of(std::string_view cpuinfo, std::string_view key) {
  for (size_t begin = 0; begin < cpuinfo.size();) {
    const std::string_view line = cpuinfo.substr(begin, cpuinfo.find('\n', begin) - begin);
    const size_t colon = line.find(": ");
    if (line.substr(0, key.size()) == key && colon != line.npos) return line.substr(colon + 2);
    begin += line.size() + 1;
  }
  return {};
}

}  // namespace

std::string cpu_name_in(std::string_view cpuinfo) {
  if (const auto name = field_of(cpuinfo, "model name"); !name.empty()) return std::string(name);
  const auto maker = field_of(cpuinfo, "CPU implementer"), part = field_of(cpuinfo, "CPU part");
  return part.empty() ? "unknown processor" : fmt::format("Arm processor, implementer {}, part {}", maker, part);
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  return cpu_name_in(std::string(std::istreambuf_iterator<char>(file), {}));
}

}  // namespace octet
