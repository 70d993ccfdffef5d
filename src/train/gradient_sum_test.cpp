#include "train/gradient_sum.h"

#include <gtest/gtest.h>

#include "numeric/bf16.h"
#include "numeric/random.h"
#include "train/processes_for_tests.h"

namespace octet::train {
namespace {

const std::vector<Shape> kShapes = {{7, 5}, {1}, {3}, {40, 33}};
constexpr int kMicroBatches = 12;

float number(int micro_batch, size_t tensor, int64_t i) {
  const RandomStream random(5, static_cast<uint32_t>(micro_batch), static_cast<uint32_t>(tensor));
  const auto words = random.block(static_cast<uint64_t>(i));
  return static_cast<float>((words[0] * 0x1p-31 - 1) * std::exp2(static_cast<int>(words[1] % 12)));
}

/// What `processes` make of the micro-batches together: the gradients on the tape at the end.
std::vector<std::vector<float>> summed(Processes& processes, DType dtype) {
  Threads threads(1);
  Tape tape;
  Context ctx(threads);
  ctx.tape = &tape;
  std::vector<Parameter> parameters;
  for (const Shape& shape : kShapes) parameters.push_back({"p", tape.parameter(Tensor::zeros(shape))});
  parameters.push_back({"untouched", tape.parameter(Tensor::zeros({4}))});
  GradientSum sum(processes, dtype);
  for (int batch = processes.rank(); batch < kMicroBatches; batch += processes.count()) {
    for (size_t i = 0; i < kShapes.size(); ++i) {
      Tensor gradient(kShapes[i]);
      for (int64_t k = 0; k < gradient.elements(); ++k) gradient.f32()[k] = number(batch, i, k);
      tape.add_gradient(ctx, parameters[i].value, gradient);
    }
    sum.add(ctx, parameters);
  }
  sum.finish(ctx, parameters);
  EXPECT_TRUE(tape.gradient(parameters.back().value).empty());
  std::vector<std::vector<float>> result;
  for (size_t i = 0; i < kShapes.size(); ++i) {
    const Tensor& gradient = tape.gradient(parameters[i].value);
    EXPECT_EQ(gradient.shape(), kShapes[i]);
    result.emplace_back(gradient.f32(), gradient.f32() + gradient.elements());
  }
  return result;
}

TEST(GradientSum, AddsMicroBatchesInTheirOrder) {
  const auto alone = single_process();
  const auto plain = summed(*alone, DType::F32), rounded = summed(*alone, DType::BF16);
  for (size_t i = 0; i < kShapes.size(); ++i) {
    for (int64_t k = 0; k < elements_of(kShapes[i]); ++k) {
      float sum = number(0, i, k), of_rounded = bf16_to_float(float_to_bf16(sum));
      for (int batch = 1; batch < kMicroBatches; ++batch) {
        sum += number(batch, i, k);
        of_rounded += bf16_to_float(float_to_bf16(number(batch, i, k)));
      }
      ASSERT_EQ(plain[i][static_cast<size_t>(k)], sum);
      ASSERT_EQ(rounded[i][static_cast<size_t>(k)], bf16_to_float(float_to_bf16(of_rounded)));
    }
  }
}

TEST(GradientSum, IsTheSameHoweverManyProcessesShareTheWork) {
  const auto alone = single_process();
  for (const DType dtype : {DType::F32, DType::BF16}) {
    const auto expected = summed(*alone, dtype);
    for (const int count : {2, 3, 4, 12}) {
      in_processes(count, [&](Processes& processes) { EXPECT_EQ(summed(processes, dtype), expected) << count; });
    }
  }
}

TEST(GradientSum, LeavesInPlaceWhatSomebodyElseHolds) {
  Threads threads(1);
  Tape tape;
  Context ctx(threads);
  ctx.tape = &tape;
  const std::vector<Parameter> parameters = {{"a", tape.parameter(Tensor::zeros({2}))}};
  const auto alone = single_process();
  GradientSum sum(*alone, DType::F32);
  Tensor held({2});
  held.f32()[0] = 1, held.f32()[1] = 2;
  for (int i = 0; i < 2; ++i) {
    tape.add_gradient(ctx, parameters[0].value, held);
    sum.add(ctx, parameters);
  }
  sum.finish(ctx, parameters);
  EXPECT_EQ(held.f32()[1], 2);
  EXPECT_EQ(tape.gradient(parameters[0].value).f32()[1], 4);
}

}  // namespace
}  // namespace octet::train
