#include "base/cpu.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/errors_for_tests.h"

namespace octet {
namespace {

/// Sets OCTET_ISA and puts back what it was.
class ForcedIsa {
 public:
  explicit ForcedIsa(std::string_view name) : before_(std::getenv("OCTET_ISA") ? std::getenv("OCTET_ISA") : "") {
    setenv("OCTET_ISA", std::string(name).c_str(), 1);
  }
  ~ForcedIsa() { setenv("OCTET_ISA", before_.c_str(), 1); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  std::string before_;
};

TEST(Cpu, OctetIsaLeavesOutWhatItDoesNotName) {
  for (const auto& level : kIsaLevels) {
    const ForcedIsa forced(level.name);
    EXPECT_EQ(usable_features(), cpu_features() & level.features) << level.name;
  }
  const ForcedIsa nothing("");
  EXPECT_EQ(usable_features(), cpu_features());
}

TEST(Cpu, EveryIsaLevelHoldsTheOneBefore) {
  Features before = 0;
  for (const auto& level : kIsaLevels) {
    EXPECT_EQ(level.features & before, before) << level.name;
    before = level.features;
  }
}

TEST(Cpu, TheHighestIsaLevelLeavesOutNothing) {
  EXPECT_EQ(cpu_features() & ~std::end(kIsaLevels)[-1].features, 0u) << names_of(cpu_features());
}

TEST(Cpu, AnUnknownIsaIsRefusedWithTheNamesThatAreKnown) {
  const ForcedIsa unknown("mmx");
  expect_error([] { usable_features(); }, {"OCTET_ISA=mmx", "reference"});
}

TEST(Cpu, IsCalledWhatTheSystemCallsIt) {
  EXPECT_EQ(cpu_name_in("processor\t: 0\nmodel name\t: AMD EPYC 9R14\nmodel name\t: another\n"), "AMD EPYC 9R14");
  EXPECT_EQ(cpu_name_in("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd40"),
            "Arm processor, implementer 0x41, part 0xd40");
  EXPECT_EQ(cpu_name_in("model name\n"), "unknown processor");
  EXPECT_EQ(cpu_name_in(""), "unknown processor");
}

}  // namespace
}  // namespace octet
