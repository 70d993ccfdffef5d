#include "measure.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <thread>

namespace octet::bench {
namespace {

using kernels::Arithmetic;

// clang-format off
constexpr Ceiling kCeilings[] = {
    {"vpdpbusd_512",  kAvx512 | kAvx512Vnni, vpdpbusd_512},
    {"vdpbf16ps_512", kAvx512 | kAvx512Bf16, vdpbf16ps_512},
    {"fma_512",       kAvx512,               fma_512},
    {"fma_256",       kAvx2,                 fma_256},
};
constexpr ReadPattern kPatterns[] = {
    {1, 0}, {1, 2048}, {1, 4096}, {2, 0}, {2, 2048}, {4, 0}, {4, 1024}, {8, 0}, {8, 1024},
};
// clang-format on

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Whether a thread of this process other than the caller's is on a processor or waits for one.
bool others_run() {
  const std::string self = std::to_string(gettid());
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    if (entry.path().filename() == self) continue;
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line)) continue;
    const size_t name_end = line.rfind(')');
    if (name_end != std::string::npos && line.compare(name_end, 3, ") R") == 0) return true;
  }
  return false;
}

int wanted_threads = 0;

/// Seconds from when all threads are there until the last has done its work(i).
template <typename Work>
double seconds_on_each_thread(Work work) {
  const int count = threads().count();
  std::vector<double> begins(static_cast<size_t>(count)), ends(begins);
  std::atomic<int> there{0};
  threads().for_range(count, 1, [&](int64_t i, int64_t) {
    ++there;
    while (there < count) std::this_thread::yield();
    begins[static_cast<size_t>(i)] = seconds_now();
    work(static_cast<int>(i));
    ends[static_cast<size_t>(i)] = seconds_now();
  });
  return *std::max_element(ends.begin(), ends.end()) - *std::min_element(begins.begin(), begins.end());
}

}  // namespace

Threads& threads() {
  static Threads crew(wanted_threads > 0 ? wanted_threads : usable_cores());
  return crew;
}

void set_threads(int count) {
  wanted_threads = count;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void settle() {
  for (int i = 0; i < 1000 && others_run(); ++i) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

double seconds_a_call(const std::function<void(size_t call)>& call, size_t calls, double least) {
  settle();
  call(0);
  const double begin = seconds_now();
  for (size_t done = 1;; ++done) {
    call(done);
    const double seconds = seconds_now() - begin;
    if (done >= calls && seconds >= least) return seconds / static_cast<double>(done);
  }
}

double arithmetic_ceiling(ArithmeticProbe* probe, double seconds) {
  const auto rate = [&](int64_t rounds) {
    std::vector<double> done(static_cast<size_t>(threads().count()));
    const double taken = seconds_on_each_thread([&](int i) { done[static_cast<size_t>(i)] = probe(rounds); });
    double sum = 0;
    for (const double d : done) sum += d;
    return std::pair{sum / taken, taken};
  };
  constexpr int64_t kFew = 20000;
  settle();
  const double taken = rate(kFew).second;
  return rate(std::max(kFew, static_cast<int64_t>(kFew * seconds / taken))).first;
}

double read_ceiling(const std::vector<Bytes>& memory, ReadPattern pattern) {
  const auto count = static_cast<size_t>(threads().count()), unit = kReadUnit * static_cast<size_t>(pattern.streams);
  ReadProbe* const read = usable_features() & kAvx512 ? read_512 : read_256;
  settle();
  const double seconds = seconds_on_each_thread([&](int i) {
    for (const Bytes& bytes : memory) {
      const size_t part = bytes.size() / count / unit * unit;
      benchmark::DoNotOptimize(read(bytes.data() + part * static_cast<size_t>(i), part, pattern));
    }
  });
  double bytes = 0;
  for (const Bytes& span : memory) bytes += static_cast<double>(span.size() / count / unit * unit * count);
  return bytes / seconds;
}

double read_ceiling(const std::vector<Bytes>& memory) {
  return read_ceiling(memory, best_read_pattern());
}

ReadPattern best_read_pattern() {
  static const ReadPattern best = [] {
    const kernels::Buffer memory(size_t{256} << 20);
    std::fill_n(memory.data(), memory.bytes(), std::byte{1});
    std::vector<double> rates[std::size(kPatterns)];
    for (int round = 0; round < 5; ++round) {
      for (size_t i = 0; i < std::size(kPatterns); ++i) {
        rates[i].push_back(read_ceiling({{memory.data(), memory.bytes()}}, kPatterns[i]));
      }
    }
    return kPatterns[std::max_element(std::begin(rates), std::end(rates),
                                      [](auto& a, auto& b) { return median(a) < median(b); }) -
                     std::begin(rates)];
  }();
  return best;
}

std::string describe(ReadPattern pattern) {
  return fmt::format("{} stream{}{}", pattern.streams, pattern.streams > 1 ? "s" : "",
                     pattern.ahead ? fmt::format(", {} bytes ahead", pattern.ahead) : "");
}

std::span<const ReadPattern> read_patterns() {
  return kPatterns;
}

std::span<const Ceiling> ceilings() {
  return kCeilings;
}

bool is_disturbed(const Ceiling& ceiling, double peak) {
  static std::map<ArithmeticProbe*, double> best;
  const auto [at, first] = best.try_emplace(ceiling.run, peak);
  for (int i = 0; first && i < 5; ++i) at->second = std::max(at->second, arithmetic_ceiling(ceiling.run));
  at->second = std::max(at->second, peak);
  return peak < 0.8 * at->second;
}

const Ceiling& ceiling_of(Arithmetic arithmetic) {
  const size_t first = arithmetic == Arithmetic::int8 ? 0 : arithmetic == Arithmetic::bf16 ? 1 : 2;
  for (size_t i = first; i < std::size(kCeilings); ++i) {
    if ((kCeilings[i].needs & ~usable_features()) == 0) return kCeilings[i];
  }
  return kCeilings[std::size(kCeilings) - 1];
}

}  // namespace octet::bench
