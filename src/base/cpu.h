#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

/// Groups of instructions that kernels ask for, as bits.
enum Feature : uint32_t {
  kAvx2 = 1u << 0,        // AVX2, FMA and F16C
  kAvx512 = 1u << 1,      // AVX-512 F, BW, DQ, VL
  kAvx512Vnni = 1u << 2,  // vpdpbusd
  kAvx512Bf16 = 1u << 3,  // vdpbf16ps
  kAvx512Vbmi = 1u << 4,  // vpermb, vpermi2b
  kGfni = 1u << 5,        // gf2p8affineqb on 512 bits
  kFastBf16 = 1u << 6,    // vdpbf16ps as fast as an FMA: AMD's; Intel's takes four times as long
  kNeon = 1u << 7,        // Arm's 128-bit vectors (Advanced SIMD)
  kDotprod = 1u << 8,     // sdot
  kI8mm = 1u << 9,        // usmmla, usdot
};
using Features = uint32_t;

struct FeatureName {
  Feature feature;
  std::string_view name;
};
constexpr FeatureName kFeatureNames[] = {
    {kAvx2, "avx2"},
    {kAvx512, "avx512"},
    {kAvx512Vnni, "avx512_vnni"},
    {kAvx512Bf16, "avx512_bf16"},
    {kAvx512Vbmi, "avx512_vbmi"},
    {kGfni, "gfni"},
    {kFastBf16, "fast_vdpbf16ps"},
    {kNeon, "neon"},
    {kDotprod, "dotprod"},
    {kI8mm, "i8mm"},
};

/// What OCTET_ISA may be set to on this processor: kernels that need more than its features are refused.
struct IsaLevel {
  std::string_view name;
  Features features;
};
constexpr IsaLevel kIsaLevels[] = {
    {"reference", 0},
#if defined(__x86_64__)
    {"avx2", kAvx2},
    {"avx512", kAvx2 | kAvx512},
    {"avx512_vnni", kAvx2 | kAvx512 | kAvx512Vnni},
    {"avx512_bf16", kAvx2 | kAvx512 | kAvx512Vnni | kAvx512Bf16 | kAvx512Vbmi | kGfni | kFastBf16},
#elif defined(__aarch64__)
    {"neon", kNeon},
    {"neon_dotprod", kNeon | kDotprod},
    {"neon_i8mm", kNeon | kDotprod | kI8mm},
#endif
};

/// What the CPU has and the operating system saves.
Features cpu_features();

/// cpu_features() limited by the environment variable OCTET_ISA. Throws Error for a name not in kIsaLevels.
Features usable_features();

/// "avx512_vnni, gfni" for a set of features.
std::string names_of(Features features);

/// The processor's name as it calls itself.
std::string cpu_name();
/// The same from the text of /proc/cpuinfo: x86 has a name there, Arm the numbers of a maker and of a part.
std::string cpu_name_in(std::string_view cpuinfo);

}  // namespace octet
