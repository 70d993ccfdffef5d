#pragma once

// The one exponential of all vector kernels: exp(x) = 2^n · e^r with n = round(x / ln 2) and r = x - n · ln 2, ln 2 in
// two parts; e^r = 1 + r + r² · q(r) for |r| <= ln 2 / 2, q the minimax polynomial of degree 4 for the relative error,
// which is 3.1e-9. At most 2 ulp in all. Arguments are clamped to where the result is 0 and infinity already.
namespace octet::kernels {

inline constexpr float kExpLowest = -105.0f, kExpHighest = 89.0f;
inline constexpr float kOneOverLn2 = 0x1.715476p+0f;
inline constexpr float kLn2High = 0x1.62e43p-1f, kLn2Low = -0x1.05c61p-29f;
inline constexpr float kExpQ[] = {0x1.fffffcp-2f, 0x1.55549p-3f, 0x1.5558f4p-5f, 0x1.123a6cp-7f, 0x1.6a234ep-10f};

}  // namespace octet::kernels
