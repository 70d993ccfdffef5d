#include <algorithm>
#include <random>

#include "numeric/random.h"
#include "product.h"

namespace octet::bench {
namespace {

/// Numbers around 1, none of them NaN or infinite.
std::vector<std::byte> random_codes(int64_t count, Format format) {
  const auto width = static_cast<size_t>(format_info(format).bits / 8);
  std::vector<std::byte> codes(static_cast<size_t>(count) * width);
  const RandomStream random(7, 0, 0);
  const auto byte_at = [&](size_t i, uint32_t word) {
    const auto byte = static_cast<uint8_t>(word >> (8 * (i % 4)));
    const bool top = width > 1 && i % width == width - 1;  // of BF16 and F32: the sign and most of the exponent
    const bool large = format == Format::E4M3 && (byte & 0x7F) > 0x77;
    return static_cast<std::byte>(top ? (byte & 0x80) | 0x3F : large ? byte & 0x87 : byte);
  };
  constexpr size_t kBlock = 16;  // bytes that one block of random words makes
  threads().for_range(
      static_cast<int64_t>((codes.size() + kBlock - 1) / kBlock), 1 << 12, [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; ++block) {
          const auto words = random.block(static_cast<uint64_t>(block));
          const size_t first = static_cast<size_t>(block) * kBlock, last = std::min(first + kBlock, codes.size());
          for (size_t i = first; i < last; ++i) codes[i] = byte_at(i, words[(i - first) / 4]);
        }
      });
  return codes;
}

std::vector<float> random_floats(int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(count));
  for (float& value : x) value = normal(random);
  return x;
}

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

Operands::Operands(const Work& product, Shape of)
    : work(product), shape(of), x(random_floats(of.m * of.k)), codes(random_codes(of.n * of.k, product.weight)) {
  if (work.weight == Format::BF16 || work.weight == Format::F32) return;
  const int64_t groups = work.group ? divide_up(shape.k, work.group) : 1;
  scales.assign(static_cast<size_t>(divide_up(shape.n, work.scale_rows) * groups), 0.0078125f);
}

kernels::WeightSource Operands::source() const {
  return {shape.n, shape.k,         work.weight, codes.data(), false, scales.empty() ? nullptr : scales.data(),
          nullptr, work.scale_rows, work.group};
}

OctetProduct::OctetProduct(const Operands& operands, double bytes)
    : operands_(operands), y_(static_cast<size_t>(operands.shape.m * operands.shape.n)) {
  do {
    weights_.emplace_back(operands.source(), operands.work.input, threads());
  } while (static_cast<double>(weights_.size()) * operands.weight_bytes() < bytes);
  const Shape& s = operands.shape;
  input_.prepare(operands.x.data(), s.m, s.k, s.k, operands.work.input, threads());
}

void OctetProduct::run(size_t copy) {
  kernels::gemm(input_, weights_[copy % copies()], nullptr, y_.data(), operands_.shape.n, threads());
}

void OctetProduct::prepare_and_run(size_t copy) {
  const Shape& s = operands_.shape;
  input_.prepare(operands_.x.data(), s.m, s.k, s.k, operands_.work.input, threads());
  run(copy);
}

std::vector<Bytes> OctetProduct::memory() const {
  std::vector<Bytes> all;
  for (const auto& weight : weights_) all.push_back({weight.layout().codes.data(), weight.layout().codes.bytes()});
  return all;
}

}  // namespace octet::bench
