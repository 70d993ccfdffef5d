#pragma once
#include <cstdint>
#include <string>

namespace octet {

/// Numbers as a person reads them: three digits and a unit. human_bytes(3.2e9) is "3.20 GB" (powers of 1000),
/// human_count(1.04e6) "1.04 M", human_seconds(0.0123) "12.3 ms", human_seconds(3725) "1 h 2 min".
std::string human_bytes(double bytes);
std::string human_count(double count);
std::string human_seconds(double seconds);

/// "0:07", "12:34", "1:02:03": what a clock shows; "-" for what is not finite.
std::string clock_time(double seconds);

/// At least three significant digits, never an exponent for 1e-4 … 1e15: 0.0123, 1.40, 17.3, 512.
std::string three_digits(double value);

}  // namespace octet
