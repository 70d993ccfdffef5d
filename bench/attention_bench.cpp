// Attention over a key-value cache in every format, beside the ceilings of this machine: a prompt's multiplications
// beside the instruction's, one token's reading of the cache beside reading memory.
#include "kernels/attention/attention.h"

#include <fmt/format.h>

#include <algorithm>

#include "numeric/random.h"
#include "options.h"
#include "table.h"

namespace octet::bench {
namespace {

constexpr int64_t kHeads = 32, kKvHeads = 8;
constexpr double kBeyondCaches = 512e6;  // bytes read between two uses of a page
constexpr int64_t kFewQueries = 16;

struct Cache {
  const char* name;
  Format format, arithmetic;
};
constexpr Cache kCaches[] = {{"bf16", Format::BF16, Format::BF16},
                             {"fp8", Format::E4M3, Format::BF16},
                             {"int8", Format::INT8, Format::BF16},
                             {"f32", Format::F32, Format::F32}};

std::vector<float> random_floats(int64_t count) {
  const RandomStream random(3, 0, 0);
  std::vector<float> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i) x[i] = 2 * random.uniform(i) - 1;
  return x;
}

/// Caches of as many layers as are needed to read from memory, each filled with `keys` positions.
class Layers {
 public:
  Layers(const kernels::CacheLayout& layout, double bytes) : layout_(layout) {
    const int64_t size = layout.capacity * layout.kv_heads * layout.head_dim;
    const auto k = random_floats(size), v = random_floats(size);
    do {
      k_.emplace_back(layout.bytes());
      v_.emplace_back(layout.bytes());
      kernels::append_to_cache(layout, k_.back().data(), v_.back().data(), 0, layout.capacity, k.data(), v.data(),
                               threads());
    } while (2 * static_cast<double>(layout.bytes() * k_.size()) < bytes);
  }
  size_t count() const { return k_.size(); }
  void attend(size_t layer, const kernels::AttentionInput& input, float* out) const {
    const size_t i = layer % count();
    kernels::attention(layout_, k_[i].data(), v_[i].data(), input, out, threads());
  }
  std::vector<Bytes> memory() const {
    std::vector<Bytes> all;
    for (size_t i = 0; i < count(); ++i) {
      all.push_back({k_[i].data(), layout_.bytes()});
      all.push_back({v_[i].data(), layout_.bytes()});
    }
    return all;
  }

 private:
  kernels::CacheLayout layout_;
  std::vector<kernels::Buffer> k_, v_;
};

/// The last m of n positions ask, heads of k numbers.
void time_attention(benchmark::State& state, const Cache& cache, Shape shape) {
  const int64_t queries = shape.m, keys = shape.n, head_dim = shape.k;
  if (queries > keys) return state.SkipWithError("there are more queries than positions");
  const bool few = queries <= kFewQueries;
  const kernels::CacheLayout layout{cache.format, kKvHeads, head_dim, keys, 0.01f, 0.01f};
  const Layers layers(layout, few ? kBeyondCaches : 0);
  const auto q = random_floats(queries * kHeads * head_dim);
  std::vector<float> out(q.size());
  const kernels::AttentionInput input{q.data(), queries, kHeads, keys - queries, 0, 0.125f, cache.arithmetic};
  const double seen =
      static_cast<double>(queries) * (static_cast<double>(keys - queries) + 0.5 * static_cast<double>(queries + 1));
  const double operations = 4 * seen * static_cast<double>(kHeads * head_dim);
  const double bytes = 2 * static_cast<double>(layout.bytes());
  const auto arithmetic = cache.arithmetic == Format::F32 ? kernels::Arithmetic::f32 : kernels::bf16_arithmetic();
  Samples samples;
  for (auto _ : state) {
    const double seconds = seconds_a_call([&](size_t i) { layers.attend(i, input, out.data()); }, layers.count());
    state.SetIterationTime(seconds);
    samples.add("us", seconds * 1e6);
    if (few) {
      const double read = read_ceiling(layers.memory());
      samples.add("GB/s", bytes / seconds / 1e9);
      samples.add("%read", 100 * bytes / seconds / read);
      samples.add("read GB/s", read / 1e9);
    } else {
      const double peak = arithmetic_ceiling(ceiling_of(arithmetic).run, std::min(seconds, 0.02));
      samples.add("%peak", 100 * operations / seconds / peak);
      samples.add("peak GOP/s", peak / 1e9);
    }
    samples.add("GOP/s", operations / seconds / 1e9);
  }
  samples.report(state);
}

const std::vector<Columns> kTables = {
    {{"GB/s", "GB/s", 1},
     {"%read", "% of read", 1},
     {"us", "us", 0},
     {"GOP/s", "GOP/s", 0},
     {"read GB/s", "read GB/s", 1}},
    {{"GOP/s", "GOP/s", 0}, {"%peak", "% of peak", 1}, {"us", "us", 0}, {"peak GOP/s", "peak GOP/s", 0}},
};

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  using namespace octet::bench;
  const Options options = take_options(argc, argv, "attention_bench", "QUERIES,POSITIONS,HEAD_DIM", "fp8/queries=1/");
  set_threads(options.threads);
  const std::vector<Shape> usual{{512, 512, 64}, {512, 4096, 64}, {512, 4096, 128}, {1, 4096, 64}, {1, 4096, 128}};
  for (const Cache& cache : kCaches) {
    for (const Shape& shape : options.shapes.empty() ? usual : options.shapes) {
      const std::string name = fmt::format("{}/queries={}/of={}/head={}", cache.name, shape.m, shape.n, shape.k);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [&cache, shape](benchmark::State& state) { time_attention(state, cache, shape); })
          ->UseManualTime()
          ->Iterations(options.pairs);
    }
  }
  Table table(kTables,
              {fmt::format("{}, {} threads; {} heads, {} of keys and values; memory is read as {}", octet::cpu_name(),
                           threads().count(), kHeads, kKvHeads, describe(best_read_pattern()))});
  return run_benchmarks(argc, argv, table);
}
