// Activations [M,K] on their way into a product, beside reading them once from where they lie.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/gemm/gemm.h"
#include "numeric/random.h"
#include "options.h"
#include "table.h"

namespace octet::bench {
namespace {

using kernels::InputFormat;
using kernels::PreparedInput;

struct Case {
  const char* name;
  InputFormat format;
};
const Case kCases[] = {{"int8 a token", {Format::INT8}},
                       {"int8 a group of 128", {Format::INT8, 128}},
                       {"int8 static", {Format::INT8, 0, false, 0.02f}},
                       {"fp8 a token", {Format::E4M3}},
                       {"fp8 a group of 128", {Format::E4M3, 128}},
                       {"mxfp8", {Format::E4M3, 32, true}},
                       {"bf16", {Format::BF16}}};

struct Activations {
  explicit Activations(Shape s)
      : shape(s),
        x(static_cast<size_t>(s.m * s.k) * sizeof(float)),
        up(x.bytes()),
        weight(static_cast<size_t>(s.k), 1.0f) {
    const RandomStream random(5, 0, 0);
    for (int64_t i = 0; i < s.m * s.k; ++i) {
      x.as<float>()[i] = 2 * random.uniform(static_cast<uint64_t>(i)) - 1;
      up.as<float>()[i] = 1 - x.as<float>()[i];
    }
  }
  Shape shape;
  kernels::Buffer x, up;
  std::vector<float> weight;
};

/// One way into a product: from plain activations, through a norm, or as silu(gate) · up.
struct Way {
  const char* name;
  int inputs;  // matrices read
  void (*run)(PreparedInput&, const Activations&, const InputFormat&);
};
const Way kWays[] = {
    {"", 1,
     [](PreparedInput& input, const Activations& a, const InputFormat& format) {
       input.prepare(a.x.as<float>(), a.shape.m, a.shape.k, a.shape.k, format, threads());
     }},
    {"rms norm, ", 1,
     [](PreparedInput& input, const Activations& a, const InputFormat& format) {
       input.prepare_rms_norm(a.x.as<float>(), a.shape.m, a.shape.k, a.weight.data(), 1e-5f, format, threads());
     }},
    {"swiglu, ", 2,
     [](PreparedInput& input, const Activations& a, const InputFormat& format) {
       input.prepare_swiglu(a.x.as<float>(), a.up.as<float>(), a.shape.m, a.shape.k, a.shape.k, format, threads());
     }},
};

void time_way(benchmark::State& state, const Case& what, const Way& way, Shape shape) {
  const Activations activations(shape);
  PreparedInput input;
  std::vector<Bytes> memory;
  for (int i = 0; i < 8; ++i) {  // again and again, as the timing does
    memory.push_back({activations.x.data(), activations.x.bytes()});
    if (way.inputs == 2) memory.push_back({activations.up.data(), activations.up.bytes()});
  }
  const double bytes = static_cast<double>(activations.x.bytes()) * way.inputs;
  Samples samples;
  for (auto _ : state) {
    const double seconds = seconds_a_call([&](size_t) { way.run(input, activations, what.format); }, 1);
    state.SetIterationTime(seconds);
    const double read = read_ceiling(memory);
    samples.add("GB/s", bytes / seconds / 1e9);
    samples.add("%read", 100 * bytes / seconds / read);
    samples.add("us", seconds * 1e6);
    samples.add("read GB/s", read / 1e9);
  }
  samples.report(state);
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  using namespace octet::bench;
  const Options options = take_options(argc, argv, "quantize_bench", "M,1,K", "int8");
  set_threads(options.threads);
  const std::vector<Shape> usual{{512, 1, 2048}, {512, 1, 8192}, {1, 1, 8192}};
  for (const Shape& shape : options.shapes.empty() ? usual : options.shapes) {
    for (const Case& what : kCases) {
      for (const Way& way : kWays) {
        const std::string name = fmt::format("{}{}/M={}/K={}", way.name, what.name, shape.m, shape.k);
        benchmark::RegisterBenchmark(
            name.c_str(), [&what, &way, shape](benchmark::State& state) { time_way(state, what, way, shape); })
            ->UseManualTime()
            ->Iterations(options.pairs);
      }
    }
  }
  Table table({{{"GB/s", "GB/s read", 1}, {"%read", "% of read", 1}, {"us", "us", 1}, {"read GB/s", "read GB/s", 1}}},
              {fmt::format("{}, {} threads; memory is read as {}", octet::cpu_name(), threads().count(),
                           describe(best_read_pattern()))});
  return run_benchmarks(argc, argv, table);
}
