#include "ops/linear.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "numeric/random.h"
#include "ops/elementwise.h"

namespace octet {
namespace {

Threads& two_threads() {
  static Threads threads(2);
  return threads;
}

Tensor some_numbers(Shape shape, uint32_t tensor) {
  const RandomStream random(1, 0, tensor);
  Tensor x(std::move(shape));
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = random.uniform(static_cast<uint64_t>(i)) * 2 - 1;
  return x;
}

// A weight of ones and a scale, quantized as `activations` say: what matters here is how its input is prepared.
Weight quantized_weight(std::optional<Quantization> activations, int64_t n, int64_t k) {
  QTensor q{per_channel(Format::INT8), activations, Tensor({n, k}, DType::I8), some_numbers({n, 1}, 7)};
  for (int64_t i = 0; i < n * k; ++i) q.codes.data<int8_t>()[i] = static_cast<int8_t>(i % 251 - 125);
  for (int64_t i = 0; i < n; ++i) q.scales.f32()[i] = 0.01f + std::abs(q.scales.f32()[i]);
  q.input_scale = 0.02f;
  q.input_zero_point = activations && !activations->symmetric ? -3 : 0;
  return Weight("layer", q, some_numbers({n}, 8), DType::BF16, two_threads());
}

std::vector<Weight> every_kind(int64_t n, int64_t k) {
  const Tensor w = some_numbers({n, k}, 9);
  std::vector<Weight> weights;
  for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) {
    weights.emplace_back("layer", from_f32(w, dtype), Tensor(), two_threads());
  }
  weights.push_back(quantized_weight(std::nullopt, n, k));
  weights.push_back(quantized_weight(per_token(Format::INT8), n, k));
  weights.push_back(quantized_weight(per_tensor(Format::INT8), n, k));
  weights.push_back(quantized_weight(with_zero_point(per_tensor(Format::INT8)), n, k));
  return weights;
}

struct Watcher : Observer {
  void linear_input(std::string_view, const Tensor&) override { ++inputs; }
  void keys_and_values(std::string_view, const Tensor&, const Tensor&) override {}
  int inputs = 0;
};

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_TRUE(std::equal(a.f32(), a.f32() + a.elements(), b.f32()));
}

TEST(Composites, AreTheirPlainPartsToTheBit) {
  constexpr int64_t kM = 5, kN = 37, kK = 70;
  const Tensor x = some_numbers({kM, kK}, 1), gate = some_numbers({kM, kK}, 2), up = some_numbers({kM, kK}, 3);
  const RmsNorm norm{some_numbers({kK}, 4), 1e-5f};
  Context fused(two_threads()), plain(two_threads());
  Watcher watcher;
  plain.observer = &watcher;  // is shown every input, so nothing is fused
  const auto weights = every_kind(kN, kK);
  for (const Weight& w : weights) {
    expect_same(norm_linears(fused, x, norm, {&w, &w})[1], norm_linears(plain, x, norm, {&w, &w})[1]);
    expect_same(swiglu_linear(fused, gate, up, w), swiglu_linear(plain, gate, up, w));
  }
  EXPECT_EQ(watcher.inputs, 3 * static_cast<int>(weights.size()));
}

TEST(Composites, PrepareTheInputAnewWhereWeightsWantDifferentFormats) {
  const Tensor x = some_numbers({3, 64}, 1);
  const RmsNorm norm{some_numbers({64}, 4), 1e-5f};
  Context ctx(two_threads());
  const auto weights = every_kind(16, 64);
  const auto mixed = norm_linears(ctx, x, norm, {&weights[0], &weights[4], &weights[1], &weights[4]});
  expect_same(mixed[1], norm_linears(ctx, x, norm, {&weights[4]})[0]);
  expect_same(mixed[2], norm_linears(ctx, x, norm, {&weights[1]})[0]);
  expect_same(mixed[3], mixed[1]);
}

TEST(Embedding, RefusesIdsOutsideTheTable) {
  const Tensor table = some_numbers({4, 3}, 1);
  const std::vector<int32_t> good = {3, 0}, negative = {-1}, large = {4};
  EXPECT_EQ(embedding_rows(table, good).f32()[0], table.f32()[9]);
  EXPECT_THROW(embedding_rows(table, negative), Error);
  EXPECT_THROW(embedding_rows(table, large), Error);
}

TEST(Weight, RefusesDtypesWithoutArithmetic) {
  EXPECT_THROW(Weight("layer", Tensor::zeros({2, 2}, DType::I64), Tensor(), two_threads()), Error);
}

}  // namespace
}  // namespace octet
