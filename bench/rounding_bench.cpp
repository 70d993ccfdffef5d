// What rounding a matrix costs: GPTQ's time and memory beside what its operations take at the ceiling of F32, and the
// squared error of INT8 weights beside that of compressed-tensors' own rounding.
#include <fmt/format.h>

#include "base/memory.h"
#include "numeric/random.h"
#include "options.h"
#include "quant/observer/observer.h"
#include "quant/quantize.h"
#include "quant/rounding/gptq.h"
#include "quant/rounding/nearest.h"
#include "table.h"

namespace octet::bench {
namespace {

constexpr int64_t kInputs = 1024, kErrorRows = 1024;
constexpr int kMostTimings = 3;  // of seconds each
constexpr double kGoal = 3;      // times the operations at the ceiling

// By Box and Muller.
float gaussian(const RandomStream& random, uint64_t i) {
  const float u = random.uniform(2 * i) + 0x1p-25f, angle = 6.2831853f * random.uniform(2 * i + 1);
  return std::sqrt(-2 * std::log(u)) * std::cos(angle);
}

Tensor gaussians(int64_t rows, int64_t columns, uint32_t salt, DType dtype) {
  Tensor x({rows, columns});
  const RandomStream random(3, 0, salt);
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = gaussian(random, static_cast<uint64_t>(i));
  return from_f32(x, dtype);
}

// Sums over inputs some columns of which are larger than others.
Hessian some_hessian(int64_t k) {
  Tensor x = gaussians(kInputs, k, 1, DType::F32);
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] *= 1.0f + static_cast<float>(i % k % 17) / 4;
  Hessian hessian(k);
  hessian.add(x, threads());
  return hessian;
}

// The factor and the codes of one matrix [N,K], as many as share an input being one.
void round_once(const Tensor& w, const Hessian& hessian, bool searched) {
  const Quantization q = per_channel(Format::INT8);
  const GptqFactor factor(hessian, {}, threads());
  const Tensor ranges = minmax_ranges(w, q);
  Tensor codes(w.shape(), DType::I8), scales = scales_of(ranges, q, w.dtype(), {}, "the matrix");
  if (searched) {
    round_by_gptq_with_search(w, q, ranges, w.dtype(), {}, factor, threads(), scales, codes.raw());
  } else {
    round_by_gptq(w, q, scales, {}, factor, threads(), codes.raw());
  }
}

void time_gptq(benchmark::State& state, bool searched, Shape shape) {
  const Tensor w = gaussians(shape.n, shape.k, 2, DType::BF16);
  const auto n = static_cast<double>(shape.n), k = static_cast<double>(shape.k);
  const double operations = 2.0 / 3 * k * k * k + n * k * k;
  return_freed_memory();
  const uint64_t before = anonymous_bytes();
  Samples samples;
  const Hessian hessian = some_hessian(shape.k);
  const Ceiling& ceiling = ceiling_of(kernels::Arithmetic::f32);
  for (auto _ : state) {
    return_freed_memory();
    PeakMemory memory;
    const double seconds = seconds_a_call([&](size_t) { round_once(w, hessian, searched); }, 1);
    const auto peak = static_cast<double>(memory.peak_anonymous_bytes() - before);
    const double peak_operations = arithmetic_ceiling(ceiling.run);
    state.SetIterationTime(seconds);
    samples.add("seconds", seconds);
    samples.add("goal", kGoal * operations / peak_operations);
    samples.add("times", seconds * peak_operations / operations);
    samples.add("ceiling", peak_operations / 1e9);
    samples.add("squares", peak / (4 * k * k));
    samples.add("rows", peak / 4 / k - 2 * k);
  }
  samples.report(state);
}

double squared_error(const Tensor& w, const QTensor& q) {
  const Tensor numbers = to_f32(w), decoded = dequantize(q);
  double sum = 0;
  for (int64_t i = 0; i < numbers.elements(); ++i) {
    const double d = static_cast<double>(numbers.f32()[i]) - decoded.f32()[i];
    sum += d * d;
  }
  return sum;
}

QTensor with_search(const Tensor& w, const Quantization& q) {
  QTensor result{.weights = q};
  const Tensor ranges = observe_ranges(w, q, observer_named("mse"), {}, threads());
  result.scales = scales_of(ranges, q, w.dtype(), {}, "w");
  result.codes = Tensor(w.shape(), code_dtype(q.format));
  round_to_nearest(w, 0, q, result.scales, {}, result.codes.raw());
  return result;
}

void measure_error(benchmark::State& state, bool searched, int64_t k) {
  const Tensor w = gaussians(kErrorRows, k, 7, DType::BF16);
  const Quantization q = per_channel(Format::INT8);
  const double theirs = squared_error(w, quantize(w, q, {.match = Match::compressed_tensors}, threads()));
  Samples samples;
  for (auto _ : state) {
    const double ours = squared_error(w, searched ? with_search(w, q) : quantize(w, q, {}, threads()));
    samples.add("less", 100 * (1 - ours / theirs));
    samples.add("decibels", 10 * std::log10(theirs / ours));
  }
  samples.report(state);
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  using namespace octet::bench;
  const Options options = take_options(argc, argv, "rounding_bench", "1,N,K", "GPTQ");
  set_threads(options.threads);
  for (const bool searched : {false, true}) {
    const std::string name = fmt::format("INT8 of bf16, {}/K=4096", searched ? "scale search" : "nearest");
    benchmark::RegisterBenchmark(name.c_str(), [searched](benchmark::State& state) {
      measure_error(state, searched, 4096);
    })->Iterations(1);
  }
  const std::vector<Shape> usual{{1, 2048, 8192}};
  for (const Shape& shape : options.shapes.empty() ? usual : options.shapes) {
    for (const bool searched : {false, true}) {
      const std::string name = fmt::format("GPTQ{}/N={}/K={}", searched ? ", scale search" : "", shape.n, shape.k);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [searched, shape](benchmark::State& state) { time_gptq(state, searched, shape); })
          ->UseManualTime()
          ->Iterations(std::min(options.pairs, kMostTimings));
    }
  }
  Table table({{{"less", "% less", 2}, {"decibels", "dB less", 3}},
               {{"seconds", "s", 2},
                {"goal", "3 x flop, s", 2},
                {"times", "x flop", 2},
                {"ceiling", "GFlop/s F32", 0},
                {"squares", "KxK F32", 2},
                {"rows", "other rows of K", 0}}},
              {fmt::format("{}, {} threads; error against compressed-tensors' own rounding; flop: 2/3 K^3 + N K^2",
                           octet::cpu_name(), threads().count())});
  return run_benchmarks(argc, argv, table);
}
