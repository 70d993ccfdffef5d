#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ceiling.h"
#include "kernels/gemm/layout.h"

namespace octet::bench {

/// The crew that Octet's kernels and the probes run on; `count` may be set once, before its first use.
Threads& threads();
void set_threads(int count);

double median(std::vector<double> values);

/// Waits until no other thread of this process runs: peers' crews spin for a while after their work.
void settle();

/// Seconds of one call, after one that is not timed: `calls` of them, and more until `least` seconds have passed.
double seconds_a_call(const std::function<void(size_t call)>& call, size_t calls, double least = 0.004);

/// Memory that is read in one go.
using Bytes = std::span<const std::byte>;

/// Operations a second of an instruction on registers, all threads at once, over about `seconds`.
double arithmetic_ceiling(ArithmeticProbe* probe, double seconds = 0.01);

/// Bytes a second of reading, all threads at once, in the pattern that was found to be the fastest here.
double read_ceiling(const std::vector<Bytes>& memory);
double read_ceiling(const std::vector<Bytes>& memory, ReadPattern pattern);
/// "2 streams, 2048 bytes ahead": the fastest pattern over huge pages, found at the first call.
ReadPattern best_read_pattern();
std::string describe(ReadPattern pattern);
std::span<const ReadPattern> read_patterns();

/// The instruction that bounds what multiplies in `arithmetic`, and its name.
struct Ceiling {
  const char* name;
  Features needs;
  ArithmeticProbe* run;
};
std::span<const Ceiling> ceilings();
const Ceiling& ceiling_of(kernels::Arithmetic arithmetic);

/// Whether somebody else's work took a processor away: `peak` is less than four fifths of the best seen so far.
bool is_disturbed(const Ceiling& ceiling, double peak);

}  // namespace octet::bench
