#include "ops/tape.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/gradients_for_tests.h"
#include "ops/linear.h"
#include "ops/lstm.h"
#include "ops/norm.h"

namespace octet {
namespace {

TEST(Gradients, OfRmsNorm) {
  check_gradients(
      [](Context& ctx, const std::vector<Tensor>& in) {
        return rms_norm(ctx, in[0], {in[1], 1e-5f});
      },
      {random_numbers({150, 37}, 1), random_numbers({37}, 2)});
}

TEST(Gradients, OfLayerNorm) {
  check_gradients(
      [](Context& ctx, const std::vector<Tensor>& in) {
        return layer_norm(ctx, in[0], {in[1], in[2], 1e-5f});
      },
      {random_numbers({5, 33}, 1), random_numbers({33}, 2), random_numbers({33}, 3)});
}

TEST(Gradients, OfActivations) {
  for (const char* name : {"relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid"}) {
    SCOPED_TRACE(name);
    const Activation activation = activation_named(name);
    Tensor x = random_numbers({4, 31}, 3, 3);
    for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] += x.f32()[i] > 0 ? 0.05f : -0.05f;  // off the corner of relu
    check_gradients([=](Context& ctx, const std::vector<Tensor>& in) { return activate(ctx, in[0], activation); }, {x});
  }
  EXPECT_THROW(activation_named("swish"), UsageError);
}

TEST(Gradients, OfSwiglu) {
  check_gradients([](Context& ctx, const std::vector<Tensor>& in) { return silu_multiply(ctx, in[0], in[1]); },
                  {random_numbers({7, 70}, 1, 3), random_numbers({7, 70}, 2)});
}

TEST(Gradients, OfLinearWithBias) {
  const LinearRecipe recipe;
  check_gradients(
      [&](Context& ctx, const std::vector<Tensor>& in) {
        return linear(ctx, in[0], Weight("layer", in[1], in[2], recipe, 0));
      },
      {random_numbers({50, 37}, 1), random_numbers({45, 37}, 2), random_numbers({45}, 3)});
}

TEST(Gradients, OfLinearsThatShareAnInput) {
  const LinearRecipe recipe;
  check_gradients(
      [&](Context& ctx, const std::vector<Tensor>& in) {
        const Weight a("a", in[2], Tensor(), recipe, 0), b("b", in[3], Tensor(), recipe, 1);
        auto y = norm_linears(ctx, in[0], {in[1], 1e-5f}, {&a, &b});
        return swiglu_linear(ctx, y[0], y[1], Weight("c", in[4], Tensor(), recipe, 2));
      },
      {random_numbers({9, 20}, 1), random_numbers({20}, 2), random_numbers({36, 20}, 3), random_numbers({36, 20}, 4),
       random_numbers({20, 36}, 5)});
}

TEST(Gradients, OfTheResidualAndTheEmbedding) {
  const std::vector<int32_t> ids = {3, 0, 3, 5, 1};
  check_gradients(
      [&](Context& ctx, const std::vector<Tensor>& in) {
        Tensor x = embedding(ctx, in[0], ids);
        add_to(ctx, x, rms_norm(ctx, x, {in[1], 1e-5f}));
        add_to(ctx, x, rms_norm(ctx, x, {in[1], 1e-5f}));
        return x;
      },
      {random_numbers({6, 70}, 1), random_numbers({70}, 2)});
}

void check_attention(const WholeAttention& a, const std::vector<Sequence>& sequences, int64_t rows) {
  Rope rope;
  for (int64_t i = 0; i < a.head_dim / 2; ++i) rope.frequencies.push_back(std::pow(0.3, i));
  const auto table = std::make_shared<RopeTable>(rope, 0, rows);
  check_gradients(
      [&](Context& ctx, const std::vector<Tensor>& in) {
        // A product before, so that what is rotated in place is not an input.
        Tensor q = activate(ctx, in[0], Activation::silu), k = activate(ctx, in[1], Activation::silu);
        rotate(ctx, q, a.head_dim, *table, sequences);
        rotate(ctx, k, a.head_dim, *table, sequences);
        return attention(ctx, q, k, in[2], a, sequences);
      },
      {random_numbers({rows, a.heads * a.head_dim}, 1, 2), random_numbers({rows, a.kv_heads * a.head_dim}, 2, 2),
       random_numbers({rows, a.kv_heads * a.head_dim}, 3)});
}

TEST(Gradients, OfAttention) {
  check_attention({4, 2, 16, 0, 0.3f}, {{0, 70}, {70, 9}, {79, 1}}, 80);
}
TEST(Gradients, OfAttentionWithAWindow) {
  check_attention({2, 1, 12, 40, 0.3f}, {{0, 150}}, 150);
}
TEST(Gradients, OfAttentionThatSeesEverything) {
  check_attention({2, 2, 8, 0, 0.3f, false}, {{0, 70}, {70, 20}}, 90);
}

TEST(Gradients, OfAnLstmAndOfPooling) {
  const LinearRecipe recipe;
  const std::vector<int64_t> lengths = {5, 1, 3};
  for (const bool last : {true, false}) {
    check_gradients(
        [&](Context& ctx, const std::vector<Tensor>& in) {
          const Lstm weights{Weight("input", in[1], in[3], recipe, 0), Weight("hidden", in[2], in[4], recipe, 1)};
          const Tensor states = lstm(ctx, in[0], lengths, weights);
          return last ? last_positions(ctx, states, lengths) : mean_positions(ctx, states, lengths);
        },
        {random_numbers({9, 12}, 1), random_numbers({32, 12}, 2), random_numbers({32, 8}, 3), random_numbers({32}, 4),
         random_numbers({32}, 5)});
  }
}

TEST(Gradients, OfLosses) {
  const std::vector<int32_t> targets = {3, kIgnored, 0, 8};
  check_gradients([&](Context& ctx, const std::vector<Tensor>& in) { return cross_entropy(ctx, in[0], targets); },
                  {random_numbers({4, 9}, 1, 3)});
  const std::vector<float> labels = {0, 1, 1, 0.25f};
  check_gradients([&](Context& ctx, const std::vector<Tensor>& in) { return binary_cross_entropy(ctx, in[0], labels); },
                  {random_numbers({4, 1}, 1, 3)});
  check_gradients([&](Context& ctx, const std::vector<Tensor>& in) { return mean_squared_error(ctx, in[0], labels); },
                  {random_numbers({4}, 1)});
  const Tensor teacher = random_numbers({4, 9}, 5, 3);
  check_gradients(
      [&](Context& ctx, const std::vector<Tensor>& in) {
        return mix(ctx, kl_divergence(ctx, in[0], teacher, 2), 0.7f, cross_entropy(ctx, in[0], targets), 0.3f);
      },
      {random_numbers({4, 9}, 1, 3)});
}

TEST(Losses, RefuseTargetsThatDoNotFit) {
  Threads threads(1);
  Context ctx(threads);
  const std::vector<int32_t> outside = {9}, two = {1, 2};
  EXPECT_THROW(cross_entropy(ctx, random_numbers({1, 9}, 1), outside), Error);
  EXPECT_THROW(cross_entropy(ctx, random_numbers({1, 9}, 1), two), Error);
}

// Two blocks, recorded whole or computed again.
std::vector<Tensor> gradients_of_blocks(bool again) {
  const LinearRecipe recipe;
  const auto f = [&recipe, again](Context& ctx, const std::vector<Tensor>& in) {
    Tensor x = in[0];
    for (int layer = 0; layer < 2; ++layer) {
      const auto block = [&recipe, w = in[1], norm = in[2]](Context& ctx, const Tensor& x) {
        Tensor y = x;
        const Weight weight("w", w, Tensor(), recipe, 0);
        add_to(ctx, y, norm_linears(ctx, x, {norm, 1e-5f}, {&weight})[0]);
        return y;
      };
      x = again ? checkpointed(ctx, x, block) : block(ctx, x);
    }
    return x;
  };
  return Differentiated(2, f, {random_numbers({6, 32}, 1), random_numbers({32, 32}, 2), random_numbers({32}, 3)})
      .gradients();
}

TEST(Tape, ComputesAgainToTheSameBits) {
  const auto kept = gradients_of_blocks(false), again = gradients_of_blocks(true);
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(0, std::memcmp(kept[i].raw(), again[i].raw(), static_cast<size_t>(kept[i].bytes())));
  }
}

TEST(Tape, SumsGradientsOverBackwardPasses) {
  Threads threads(2);
  Context ctx(threads);
  Tape tape;
  ctx.tape = &tape;
  const Tensor w = tape.parameter(random_numbers({4, 8}, 1));
  const std::vector<int32_t> targets = {1, 7, 0, 2};
  tape.backward(ctx, cross_entropy(ctx, w, targets), 0.5f);
  const Tensor once = tape.take_gradient(w);
  for (int i = 0; i < 2; ++i) tape.backward(ctx, cross_entropy(ctx, w, targets), 0.5f);
  for (int64_t i = 0; i < once.elements(); ++i) EXPECT_EQ(2 * once.f32()[i], tape.gradient(w).f32()[i]);
}

TEST(Tape, HandsMemoryOutAgain) {
  Threads threads(1);
  Context ctx(threads);
  Tape tape;
  ctx.tape = &tape;
  const Tensor w = tape.parameter(random_numbers({64, 64}, 1));
  const std::vector<float> targets(64 * 64, 0.5f);
  int64_t bytes = 0;
  for (int step = 0; step < 3; ++step) {
    tape.backward(ctx, mean_squared_error(ctx, activate(ctx, w, Activation::tanh), targets));
    if (step == 0) bytes = tape.pool().bytes();
  }
  EXPECT_EQ(tape.pool().bytes() <= bytes + 64 * 64 * 4, true);
}

TEST(Tape, HoldsNoMemoryForEveryLengthItHasSeen) {
  TensorPool pool;
  for (int64_t length = 1; length <= 200; ++length) {
    const Tensor one = pool.make({length * 37 % 200 + 1, 64}), other = pool.make({length, 64});
  }
  EXPECT_LE(pool.bytes(), 3 * 200 * 64 * 4);
}

TEST(Tape, RefusesWhatItCannotDifferentiate) {
  Threads threads(1);
  Context ctx(threads);
  Tape tape;
  ctx.tape = &tape;
  const Tensor w = tape.parameter(random_numbers({2, 2}, 1));
  EXPECT_THROW(tape.backward(ctx, w), Error);
  EXPECT_THROW(tape.parameter(Tensor::zeros({2}, DType::BF16)), Error);
}

}  // namespace
}  // namespace octet
