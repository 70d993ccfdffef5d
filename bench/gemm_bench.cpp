// Matrix products of every scheme beside oneDNN, OpenBLAS and the ceilings of this machine. Each timing is followed at
// once by the peers' and by the probe of what bounds it; percentages and ratios are medians of those pairs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "options.h"
#include "product.h"
#include "table.h"

namespace octet::bench {
namespace {

using kernels::InputFormat;

// clang-format off
const Work kWorks[] = {
    {"W8A8",        Format::INT8, {Format::INT8},           1,   0},
    {"W8A8_g128",   Format::INT8, {Format::INT8, 128},      1, 128},
    {"FP8_DYNAMIC", Format::E4M3, {Format::E4M3},           1,   0},
    {"FP8_BLOCK",   Format::E4M3, {Format::E4M3, 128},    128, 128},
    {"BF16",        Format::BF16, {Format::BF16},           1,   0},
    {"F32",         Format::F32,  {Format::F32},            1,   0},
    {"MXFP8",       Format::E4M3, {Format::E4M3, 32, true}, 1,  32},
    {"W8A16",       Format::INT8, {Format::BF16},           1, 128},
};
const Peer kPeers[] = {
    {"oneDNN",   kHasOneDnn,   onednn_version,   make_onednn},
    {"OpenBLAS", kHasOpenBlas, openblas_version, make_openblas},
};
// clang-format on

constexpr int64_t kFewRows = 16;         // up to so many, reading the weight is what takes the time
constexpr double kBeyondCaches = 512e6;  // bytes read between two uses of a page
constexpr double kLongProduct = 16e9;    // operations: half the pairs will do

/// The largest difference between two results, relative to the largest element, over the first and the last row.
double difference(const Product& a, const Product& b, Shape s) {
  double largest = 0, difference = 0;
  for (const int64_t m : {int64_t{0}, s.m - 1}) {
    for (int64_t n = 0; n < s.n; ++n) {
      const auto i = static_cast<size_t>(m * s.n + n);
      const double ours = a.y()[i], theirs = b.y()[i] * b.row_scale(m);
      largest = std::max(largest, std::abs(theirs));
      difference = std::max(difference, std::abs(ours - theirs));
    }
  }
  return difference / largest;
}

/// The peers that can do it.
std::vector<std::pair<const Peer*, std::unique_ptr<Product>>> make_peers(const Operands& operands, size_t copies) {
  std::vector<std::pair<const Peer*, std::unique_ptr<Product>>> peers;
  for (const Peer& peer : kPeers) {
    auto product = peer.built_in ? peer.make(operands, copies) : nullptr;
    if (product) peers.emplace_back(&peer, std::move(product));
  }
  return peers;
}

void time_product(benchmark::State& state, const Work& work, Shape shape) {
  const bool few_rows = shape.m <= kFewRows;
  const Operands operands(work, shape);
  OctetProduct octet(operands, few_rows ? kBeyondCaches : 0);
  const auto peers = make_peers(operands, octet.copies());
  octet.run(0);
  for (const auto& [peer, product] : peers) {
    product->run(0);
    if (difference(octet, *product, shape) < 0.02) continue;
    return state.SkipWithError(fmt::format("{} computes something else", peer->name).c_str());
  }
  const Operands one_row(work, {1, shape.n, shape.k});
  const std::unique_ptr<OctetProduct> one =
      few_rows && shape.m > 1 ? std::make_unique<OctetProduct>(one_row, kBeyondCaches) : nullptr;

  const Ceiling& ceiling = ceiling_of(octet.arithmetic());
  const double operations = shape.operations(), bytes = operands.weight_bytes(), rows = static_cast<double>(shape.m);
  Samples samples;
  int undisturbed = 0;
  for (auto _ : state) {
    const double whole = seconds_a_call([&](size_t i) { octet.prepare_and_run(i); }, octet.copies());
    state.SetIterationTime(whole);
    const double read = few_rows ? read_ceiling(octet.memory()) : 0;
    const double peak = arithmetic_ceiling(ceiling.run, std::min(whole, 0.02));
    if (is_disturbed(ceiling, peak)) continue;
    const double kernel = seconds_a_call([&](size_t i) { octet.run(i); }, octet.copies());
    for (const auto& [peer, product] : peers) {
      const double theirs = seconds_a_call([&, &p = product](size_t i) { p->run(i); }, octet.copies());
      samples.add(fmt::format("{} GOP/s", peer->name), operations / theirs / 1e9);
      samples.add(fmt::format("kernel/{}", peer->name), theirs / kernel);
    }
    ++undisturbed;
    samples.add("us", whole * 1e6);
    samples.add("GOP/s", operations / whole / 1e9);
    samples.add("%peak", 100 * operations / whole / peak);
    samples.add("kernel GOP/s", operations / kernel / 1e9);
    samples.add("kernel %peak", 100 * operations / kernel / peak);
    samples.add("peak GOP/s", peak / 1e9);
    if (!few_rows) continue;
    samples.add("GB/s", bytes / whole / 1e9);
    samples.add("%read", 100 * bytes / whole / read);
    samples.add("read GB/s", read / 1e9);
    if (!one) continue;
    const double single = seconds_a_call([&](size_t i) { one->run(i); }, one->copies());
    const double gain = rows * single / kernel, limit = std::min(rows, peak / (operations / rows / bytes * read));
    samples.add("over M=1", gain);
    samples.add("limit", limit);
    samples.add("of limit", gain / limit);
  }
  if (undisturbed == 0) return state.SkipWithError("the machine is busy with other work: no pair was undisturbed");
  samples.report(state);
}

void register_ceilings(int pairs) {
  for (const Ceiling& ceiling : ceilings()) {
    if (ceiling.needs & ~usable_features()) continue;
    const auto run = [run = ceiling.run](benchmark::State& state) {
      Samples samples;
      for (auto _ : state) samples.add("peak GOP/s", arithmetic_ceiling(run) / 1e9);
      samples.report(state);
    };
    benchmark::RegisterBenchmark(fmt::format("ceiling/{}", ceiling.name).c_str(), run)->Iterations(pairs);
  }
  for (const ReadPattern pattern : read_patterns()) {
    const auto run = [pattern](benchmark::State& state) {
      kernels::Buffer memory(static_cast<size_t>(kBeyondCaches));
      std::fill_n(memory.data(), memory.bytes(), std::byte{1});
      Samples samples;
      for (auto _ : state) samples.add("read GB/s", read_ceiling({{memory.data(), memory.bytes()}}, pattern) / 1e9);
      samples.report(state);
    };
    benchmark::RegisterBenchmark(fmt::format("ceiling/read {}", describe(pattern)).c_str(), run)->Iterations(pairs);
  }
}

void register_product(const Work& work, Shape shape, int pairs) {
  const std::string name = fmt::format("{}/M={}/N={}/K={}", work.name, shape.m, shape.n, shape.k);
  const auto run = [&work, shape](benchmark::State& state) { time_product(state, work, shape); };
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->UseManualTime()
      ->Iterations(shape.operations() < kLongProduct ? pairs : std::max(1, pairs / 2))
      ->Unit(benchmark::kMicrosecond);
}

/// The products of a prompt, then those of decoding, alone and together.
std::vector<Shape> default_shapes(const Work& work) {
  const std::string_view name = work.name;
  if (name == "MXFP8" || name == "W8A16") return {{512, 2048, 2048}, {1, 4096, 4096}};
  std::vector<Shape> shapes{{512, 2048, 2048}, {512, 8192, 2048}, {512, 2048, 8192}, {512, 4096, 4096}};
  if (work.weight == Format::F32) return shapes;
  shapes.insert(shapes.end(), {{512, 8192, 8192}, {1, 8192, 2048}});
  for (const int64_t m : {1, 4, 8, 16}) shapes.push_back({m, 4096, 4096});
  return shapes;
}

// clang-format off
const std::vector<Columns> kTables = {
    {{"GB/s", "GB/s", 1}, {"%read", "% of read", 1}, {"us", "us", 0}, {"kernel GOP/s", "kernel GOP/s", 0},
     {"read GB/s", "read GB/s", 1}, {"peak GOP/s", "peak GOP/s", 0}, {"over M=1", "over M=1", 2}, {"limit", "limit", 2},
     {"of limit", "of limit", 2}, {"kernel/oneDNN", "kernel/oneDNN", 2}, {"kernel/OpenBLAS", "kernel/OpenBLAS", 2}},
    {{"GOP/s", "GOP/s", 0}, {"%peak", "% of peak", 1}, {"us", "us", 0}, {"kernel GOP/s", "kernel GOP/s", 0},
     {"kernel %peak", "% of peak", 1}, {"peak GOP/s", "peak GOP/s", 0}, {"oneDNN GOP/s", "oneDNN GOP/s", 0},
     {"kernel/oneDNN", "kernel/oneDNN", 3}, {"OpenBLAS GOP/s", "OpenBLAS GOP/s", 0},
     {"kernel/OpenBLAS", "kernel/OpenBLAS", 3}},
    {{"peak GOP/s", "peak GOP/s", 0}},
    {{"read GB/s", "read GB/s", 1}},
};
// clang-format on

std::vector<std::string> absent_columns() {
  std::vector<std::string> absent;
  for (const Peer& peer : kPeers) {
    if (peer.built_in) continue;
    absent.push_back(fmt::format("{} GOP/s", peer.name));
    absent.push_back(fmt::format("kernel/{}", peer.name));
  }
  return absent;
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  using namespace octet::bench;
  const Options options = take_options(argc, argv, "gemm_bench", "M,N,K", "W8A8/M=512");
  set_threads(options.threads);
  register_ceilings(options.pairs);
  for (const Work& work : kWorks) {
    for (const Shape& shape : options.shapes.empty() ? default_shapes(work) : options.shapes) {
      register_product(work, shape, options.pairs);
    }
  }
  std::string machine = fmt::format("{}, {} threads; memory is read as {}", octet::cpu_name(), threads().count(),
                                    describe(best_read_pattern()));
  for (const Peer& peer : kPeers) machine += fmt::format("; {} {}", peer.name, peer.version());
  Table table(kTables, {machine}, absent_columns());
  return run_benchmarks(argc, argv, table);
}
