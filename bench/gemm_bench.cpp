// Matrix products of every scheme beside the ceilings of this machine: each timing is followed at once by the probe of
// the instruction (or of memory) that bounds it, and the percentages are medians of those pairs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "ceiling.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/layout.h"

namespace octet::bench {
namespace {

using namespace kernels;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Threads& threads() {
  static Threads crew;
  return crew;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Work {
  const char* name;
  Format weight;
  InputFormat input;
  int64_t scale_rows, group;  // of the weight
};

ArithmeticProbe* probe_of(Arithmetic arithmetic) {
  const Features usable = usable_features();
  if (arithmetic == Arithmetic::int8 && (usable & kAvx512Vnni)) return vpdpbusd_512;
  if (arithmetic == Arithmetic::bf16 && (usable & kAvx512Bf16)) return vdpbf16ps_512;
  return usable & kAvx512 ? fma_512 : fma_256;
}

/// Calls work(i) once on each thread, none before all are there.
template <typename Work>
void on_each_thread(Work work) {
  std::atomic<int> there{0};
  threads().for_range(threads().count(), 1, [&](int64_t begin, int64_t) {
    ++there;
    while (there < threads().count()) std::this_thread::yield();
    work(static_cast<int>(begin));
  });
}

/// Operations a second of the probe, all threads at once.
double ceiling(ArithmeticProbe* probe) {
  constexpr int64_t kRounds = 200000;
  std::vector<double> done(static_cast<size_t>(threads().count()));
  const double begin = seconds_now();
  on_each_thread([&](int i) { done[static_cast<size_t>(i)] = probe(kRounds); });
  double sum = 0;
  for (const double d : done) sum += d;
  return sum / (seconds_now() - begin);
}

/// Bytes a second of reading, all threads at once.
double bandwidth(const std::byte* from, size_t bytes) {
  const size_t part = bytes / static_cast<size_t>(threads().count()) / 256 * 256;
  const double begin = seconds_now();
  on_each_thread([&](int i) {
    const auto* at = from + part * static_cast<size_t>(i);
    benchmark::DoNotOptimize(usable_features() & kAvx512 ? read_512(at, part) : read_256(at, part));
  });
  return static_cast<double>(part) * threads().count() / (seconds_now() - begin);
}

std::vector<std::byte> random_codes(int64_t count, Format format) {
  std::mt19937 random(7);
  std::vector<std::byte> codes(static_cast<size_t>(count * format_info(format).bits / 8));
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(random());
    const auto width = static_cast<size_t>(format_info(format).bits / 8);
    const bool high = width > 1 && i % width == width - 1;  // numbers around 1
    codes[i] = static_cast<std::byte>(high ? 0x3F : (byte & 0x7F) > 0x77 ? byte & 0x87 : byte);
  }
  return codes;
}

/// A weight beyond the caches where M is small: enough copies to read 512 MB between two uses of a page.
void product(benchmark::State& state, const Work& work, int64_t m, int64_t n, int64_t k, bool prepare) {
  const auto codes = random_codes(n * k, work.weight);
  const int64_t group = work.group ? work.group : k;
  std::vector<float> scales(
      static_cast<size_t>((n + work.scale_rows - 1) / work.scale_rows * ((k + group - 1) / group)), 0.01f);
  const bool scaled = work.weight != Format::BF16 && work.weight != Format::F32;
  const WeightSource source{
      n, k, work.weight, codes.data(), false, scaled ? scales.data() : nullptr, nullptr, work.scale_rows, work.group};
  std::vector<PackedWeight> weights;
  do {
    weights.emplace_back(source, work.input, threads());
  } while (m <= 16 && weights.size() * weights.front().bytes() < (size_t{512} << 20));

  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(m * k)), y(static_cast<size_t>(m * n));
  for (float& value : x) value = normal(random);
  PreparedInput input;
  input.prepare(x.data(), m, k, k, work.input, threads());
  ArithmeticProbe* const probe = probe_of(weights.front().layout().arithmetic);
  const double operations = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);

  std::vector<double> rates, percents, reads, read_percents;
  size_t next = 0;
  for (auto _ : state) {
    const double begin = seconds_now();
    size_t times = 0;
    do {
      if (prepare) input.prepare(x.data(), m, k, k, work.input, threads());
      gemm(input, weights[next], nullptr, y.data(), n, threads());
      next = (next + 1) % weights.size();
      ++times;
    } while (times < weights.size());
    const double seconds = (seconds_now() - begin) / static_cast<double>(times);
    state.SetIterationTime(seconds);
    rates.push_back(operations / seconds);
    percents.push_back(100 * rates.back() / ceiling(probe));
    if (m > 16) continue;
    reads.push_back(static_cast<double>(weights.front().bytes()) / seconds);
    double peak = 0;
    for (const auto& weight : weights)
      peak += 1 / bandwidth(weight.layout().codes.data(), weight.layout().codes.bytes());
    read_percents.push_back(100 * reads.back() * peak / static_cast<double>(weights.size()));
  }
  state.counters["GOP/s"] = median(rates) / 1e9;
  state.counters["%peak"] = median(percents);
  if (m > 16) return;
  state.counters["GB/s"] = median(reads) / 1e9;
  state.counters["%read"] = median(read_percents);
}

// clang-format off
const Work kWorks[] = {
    {"W8A8",        Format::INT8, {Format::INT8},           1,   0},
    {"W8A8_g128",   Format::INT8, {Format::INT8, 128},      1, 128},
    {"FP8_DYNAMIC", Format::E4M3, {Format::E4M3},           1,   0},
    {"FP8_BLOCK",   Format::E4M3, {Format::E4M3, 128},    128, 128},
    {"MXFP8",       Format::E4M3, {Format::E4M3, 32, true}, 1,  32},
    {"W8A16",       Format::INT8, {Format::BF16},           1, 128},
    {"BF16",        Format::BF16, {Format::BF16},           1,   0},
    {"F32",         Format::F32,  {Format::F32},            1,   0},
};
// clang-format on

/// What the percentages refer to, by itself.
void register_ceilings() {
  struct Probe {
    const char* name;
    Features needs;
    ArithmeticProbe* run;
  };
  constexpr Probe kProbes[] = {{"ceiling/vpdpbusd_512", kAvx512Vnni, vpdpbusd_512},
                               {"ceiling/vdpbf16ps_512", kAvx512Bf16, vdpbf16ps_512},
                               {"ceiling/fma_512", kAvx512, fma_512},
                               {"ceiling/fma_256", kAvx2, fma_256}};
  for (const Probe& probe : kProbes) {
    if (probe.needs & ~usable_features()) continue;
    benchmark::RegisterBenchmark(probe.name,
                                 [run = probe.run](benchmark::State& state) {
                                   std::vector<double> rates;
                                   for (auto _ : state) rates.push_back(ceiling(run));
                                   state.counters["GOP/s"] = median(rates) / 1e9;
                                 })
        ->Iterations(15)
        ->Unit(benchmark::kMicrosecond);
  }
}

void register_all() {
  register_ceilings();
  for (const Work& work : kWorks) {
    for (const auto& [n, k] :
         {std::pair{2048, 2048}, std::pair{4096, 4096}, std::pair{8192, 2048}, std::pair{2048, 8192}}) {
      for (const int m : {1, 4, 8, 16, 512}) {
        for (const bool prepare : {true, false}) {
          if (!prepare && m != 512) continue;
          const std::string name =
              fmt::format("{}/M={}/N={}/K={}{}", work.name, m, n, k, prepare ? "" : "/kernel_alone");
          benchmark::RegisterBenchmark(name.c_str(),
                                       [&work, m = m, n = n, k = k, prepare = prepare](benchmark::State& state) {
                                         product(state, work, m, n, k, prepare);
                                       })
              ->UseManualTime()
              ->Iterations(15)
              ->Unit(benchmark::kMicrosecond);
        }
      }
    }
  }
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  octet::bench::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
