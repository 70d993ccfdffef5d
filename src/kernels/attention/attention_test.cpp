#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/attention/attention_list.h"
#include "numeric/random.h"

namespace octet::kernels {
namespace {

using Rows = std::vector<Kernel<const AttentionKernel>>;

// Every row this machine can run.
Rows runnable() {
  Rows rows;
  for (const auto& row : attention_kernels()) {
    if ((row.needs & ~cpu_features()) == 0) rows.push_back(row);
  }
  return rows;
}

std::vector<float> noise(int64_t n, uint32_t tensor, float size = 1) {
  const RandomStream random(7, 0, tensor);
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = size * (random.uniform(2 * i) + random.uniform(2 * i + 1) - 1) * 2;
  return x;
}

struct Case {
  Format format = Format::BF16, arithmetic = Format::BF16;
  int64_t head_dim = 64, kv_heads = 2, group = 2, tokens = 70, window = 0;
  float k_scale = 1, v_scale = 1;
};

// A sequence in a cache. Memory that nothing was written to is full of NaN, as code and as scale.
struct Sequence {
  Case c;
  CacheLayout layout;
  std::vector<float> q, k, v;
  std::vector<std::byte> k_cache, v_cache;
  float scale;

  explicit Sequence(const Case& c)
      : c(c),
        layout{c.format, c.kv_heads, c.head_dim, c.tokens + 5, c.k_scale, c.v_scale},
        q(noise(c.tokens * c.kv_heads * c.group * c.head_dim, 0, 2)),
        k(noise(c.tokens * c.kv_heads * c.head_dim, 1, 2)),
        v(noise(c.tokens * c.kv_heads * c.head_dim, 2)),
        k_cache(layout.bytes(), std::byte{0xFF}),
        v_cache(layout.bytes(), std::byte{0xFF}),
        scale(1 / std::sqrt(static_cast<float>(c.head_dim))) {}

  int64_t heads() const { return c.kv_heads * c.group; }
  int64_t q_row() const { return heads() * c.head_dim; }
  int64_t kv_row() const { return c.kv_heads * c.head_dim; }

  void append(int64_t first, int64_t count, Threads& threads) {
    append_to_cache(layout, k_cache.data(), v_cache.data(), first, count, k.data() + first * kv_row(),
                    v.data() + first * kv_row(), threads);
  }

  std::vector<float> attend(const AttentionKernel& kernel, int64_t first, int64_t count, Threads& threads) const {
    std::vector<float> out(static_cast<size_t>(count * q_row()));
    attention_with(kernel, layout, k_cache.data(), v_cache.data(),
                   {q.data() + first * q_row(), count, heads(), first, c.window, scale, c.arithmetic}, out.data(),
                   threads);
    return out;
  }
};

// What a cache of this format gives back of a row.
std::vector<double> stored(const Sequence& s, const float* x, float scale) {
  std::vector<double> row(x, x + s.c.head_dim);
  float largest = 0;
  for (int64_t i = 0; i < s.c.head_dim; ++i) largest = std::max(largest, std::fabs(x[i]));
  for (int64_t i = 0; i < s.c.head_dim; ++i) {
    if (s.c.format == Format::BF16) row[i] = bf16_to_float(float_to_bf16(x[i]));
    if (s.c.format == Format::E4M3) row[i] = double{e4m3_to_float(float_to_e4m3(x[i] / scale))} * scale;
    if (s.c.format == Format::INT8)
      row[i] = int8_to_float(float_to_int8(x[i] / (largest / 127))) * double{largest / 127};
    if (s.c.arithmetic == Format::BF16 && s.c.format == Format::F32) row[i] = bf16_to_float(float_to_bf16(x[i]));
  }
  return row;
}

// Softmax attention in F64 on the values as stored.
std::vector<double> exact(const Sequence& s) {
  const int64_t d = s.c.head_dim;
  std::vector<double> out(s.q.size());
  for (int64_t t = 0; t < s.c.tokens; ++t) {
    for (int64_t head = 0; head < s.heads(); ++head) {
      const float* q = &s.q[(t * s.heads() + head) * d];
      const int64_t begin = s.c.window > 0 ? std::max<int64_t>(0, t + 1 - s.c.window) : 0;
      std::vector<double> scores;
      double largest = -INFINITY, sum = 0;
      for (int64_t j = begin; j <= t; ++j) {
        const auto key = stored(s, &s.k[(j * s.c.kv_heads + head / s.c.group) * d], s.c.k_scale);
        double score = 0;
        for (int64_t i = 0; i < d; ++i) {
          score += key[i] * (s.c.arithmetic == Format::BF16 ? bf16_to_float(float_to_bf16(q[i])) : q[i]);
        }
        scores.push_back(score * s.scale);
        largest = std::max(largest, scores.back());
      }
      for (double& score : scores) sum += score = std::exp(score - largest);
      for (int64_t j = begin; j <= t; ++j) {
        const auto value = stored(s, &s.v[(j * s.c.kv_heads + head / s.c.group) * d], s.c.v_scale);
        for (int64_t i = 0; i < d; ++i) out[(t * s.heads() + head) * d + i] += scores[j - begin] / sum * value[i];
      }
    }
  }
  return out;
}

const std::vector<Case> kCases = {
    {Format::F32, Format::F32, 64},
    {Format::F32, Format::BF16, 64},
    {Format::BF16, Format::F32, 64},
    {Format::BF16, Format::BF16, 64},
    {Format::E4M3, Format::F32, 64, 2, 2, 70, 0, 0.013f, 0.004f},
    {Format::E4M3, Format::BF16, 64, 2, 2, 70, 0, 0.013f, 0.004f},
    {Format::INT8, Format::F32, 64},
    {Format::INT8, Format::BF16, 64},
    {Format::BF16, Format::BF16, 1, 1, 1, 67},
    {Format::INT8, Format::BF16, 7, 3, 1, 131},
    {Format::E4M3, Format::BF16, 8, 1, 5, 129},
    {Format::F32, Format::F32, 13, 1, 3, 130},
    {Format::BF16, Format::BF16, 80, 1, 4, 200},
    {Format::BF16, Format::BF16, 96, 1, 1, 193},
    {Format::E4M3, Format::F32, 128, 1, 7, 66},
    {Format::BF16, Format::BF16, 256, 1, 1, 65},
    {Format::BF16, Format::BF16, 64, 1, 49, 66},
    {Format::BF16, Format::BF16, 32, 2, 2, 260, 1},
    {Format::INT8, Format::BF16, 32, 2, 2, 260, 63},
    {Format::BF16, Format::F32, 32, 1, 2, 260, 64},
    {Format::E4M3, Format::BF16, 32, 1, 2, 260, 101},
    {Format::F32, Format::F32, 32, 1, 2, 260, 1000},
};

std::string name_of(const Case& c, const char* kernel) {
  return fmt::format("{}: {} cache, {} products, head_dim {}, {}x{} heads, {} tokens, window {}", kernel,
                     format_info(c.format).name, format_info(c.arithmetic).name, c.head_dim, c.kv_heads, c.group,
                     c.tokens, c.window);
}

// Products in F32 lose what summing a few hundred terms loses; BF16 ones round each weight, by 2^-9 of it.
TEST(Attention, EqualsSoftmaxInFloat64OnTheStoredValues) {
  Threads threads(2);
  for (const Case& c : kCases) {
    Sequence s(c);
    s.append(0, c.tokens, threads);
    const auto expected = exact(s);
    const double bound = c.arithmetic == Format::BF16 ? 0x1p-9 : 4e-6;  // of the largest |v|, which is 2
    for (const auto& row : runnable()) {
      const auto out = s.attend(*row.run, 0, c.tokens, threads);
      double worst = 0;
      for (size_t i = 0; i < out.size(); ++i)
        worst = std::max(worst, std::isnan(out[i]) ? INFINITY : std::fabs(out[i] - expected[i]));
      EXPECT_LE(worst, 2 * bound) << name_of(c, row.name);
    }
  }
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Attention, GivesTheSameBitsForAnyChunksAndThreads) {
  Threads one(1), two(2);
  for (const Case& c : kCases) {
    Sequence whole(c);
    whole.append(0, c.tokens, two);
    for (const auto& row : runnable()) {
      const auto expected = whole.attend(*row.run, 0, c.tokens, two);
      for (const int64_t chunk : {1, 3, 32, 65}) {
        Sequence cut(c);
        std::vector<float> out;
        for (int64_t first = 0; first < c.tokens; first += chunk) {
          const int64_t count = std::min(chunk, c.tokens - first);
          cut.append(first, count, one);
          const auto part = cut.attend(*row.run, first, count, one);
          out.insert(out.end(), part.begin(), part.end());
        }
        EXPECT_TRUE(same_bits(out, expected)) << name_of(c, row.name) << ", chunks of " << chunk;
      }
    }
  }
}

TEST(Attention, NeverReadsWhatComesAfterAQueryOrBeforeItsWindow) {
  Threads threads(1);
  for (Case c : kCases) {
    c.window = c.window ? c.window : 37;
    Sequence s(c);
    s.append(0, c.tokens, threads);
    Sequence spoilt(c);
    const int64_t query = c.tokens - 2, begin = std::max<int64_t>(0, query + 1 - c.window);
    for (int64_t t = 0; t < c.tokens; ++t) {
      if (t >= begin && t <= query) continue;
      for (int64_t i = t * s.kv_row(); i < (t + 1) * s.kv_row(); ++i)
        spoilt.k[i] = spoilt.v[i] = i % 2 ? NAN : INFINITY;
    }
    spoilt.append(0, c.tokens, threads);
    for (const auto& row : runnable()) {
      EXPECT_TRUE(same_bits(spoilt.attend(*row.run, query, 1, threads), s.attend(*row.run, query, 1, threads)))
          << name_of(c, row.name);
    }
  }
}

TEST(Attention, ShowsANanInAKeyOrAValueItSees) {
  Threads threads(1);
  for (const Format format : {Format::F32, Format::BF16, Format::E4M3, Format::INT8}) {
    for (const Format arithmetic : {Format::F32, Format::BF16}) {
      for (const bool in_key : {true, false}) {
        Sequence s({format, arithmetic, 16, 1, 1, 100});
        (in_key ? s.k : s.v)[20 * 16 + 3] = NAN;
        s.append(0, 100, threads);
        for (const auto& row : runnable()) {
          const auto out = s.attend(*row.run, 0, 100, threads);
          EXPECT_TRUE(std::isfinite(out[19 * 16 + 3])) << row.name;
          for (const int64_t t : {20, 99}) EXPECT_TRUE(std::isnan(out[t * 16 + 3])) << row.name << " query " << t;
        }
      }
    }
  }
}

TEST(Attention, TakesScoresOfAnySize) {
  Threads threads(1);
  for (const auto& row : runnable()) {
    Sequence s({Format::F32, Format::F32, 16, 1, 1, 100});
    for (float& q : s.q) q *= 1e18f;
    for (float& k : s.k) k *= 1e18f;
    s.append(0, 100, threads);
    // One key has all the weight: its value comes out.
    const auto out = s.attend(*row.run, 99, 1, threads);
    int64_t best = 0;
    double largest = -INFINITY;
    for (int64_t j = 0; j < 100; ++j) {
      double score = 0;
      for (int64_t i = 0; i < 16; ++i) score += double{s.q[99 * 16 + i]} * s.k[j * 16 + i];
      if (score > largest) largest = score, best = j;
    }
    for (int64_t i = 0; i < 16; ++i) EXPECT_EQ(out[i], s.v[best * 16 + i]) << row.name;
  }
}

TEST(Attention, GivesWeightZeroToScoresOfMinusInfinity) {
  Threads threads(1);
  for (const auto& row : runnable()) {
    Sequence s({Format::F32, Format::F32, 1, 1, 1, 100});
    std::fill(s.q.begin(), s.q.end(), 1.0f);
    std::fill(s.k.begin(), s.k.begin() + 70, -INFINITY);  // a whole block of them, and a little
    std::fill(s.k.begin() + 70, s.k.end(), 0.5f);
    std::fill(s.v.begin() + 70, s.v.end(), 3.0f);
    s.append(0, 100, threads);
    EXPECT_NEAR(s.attend(*row.run, 99, 1, threads)[0], 3.0f, 1e-6) << row.name;
  }
}

TEST(Cache, HoldsAnOddNumberOfBytesPerElementAndItsScales) {
  const CacheLayout bf16{Format::BF16, 3, 7, 65};
  EXPECT_EQ(bf16.bytes(), 3u * 2 * 64 * 16 * 2);
  const CacheLayout int8{Format::INT8, 3, 16, 64};
  EXPECT_EQ(int8.bytes(), 3u * (64 * 16 + 64 * 4));
  EXPECT_EQ((CacheLayout{Format::F32, 1, 16, 0}.bytes()), 0u);
}

TEST(Cache, RefusesWhatCannotBe) {
  EXPECT_THROW((CacheLayout{Format::E5M2, 1, 16, 64}.bytes()), Error);
  EXPECT_THROW((CacheLayout{Format::BF16, 0, 16, 64}.bytes()), Error);
  EXPECT_THROW((CacheLayout{Format::BF16, 1, 0, 64}.bytes()), Error);
  EXPECT_THROW((CacheLayout{Format::BF16, 1, 16, -1}.bytes()), Error);
  EXPECT_THROW((CacheLayout{Format::BF16, INT64_MAX, 2147483647, INT64_MAX - 100}.bytes()), Error);
  EXPECT_THROW((CacheLayout{Format::BF16, 8, 64, INT64_MAX}.bytes()), Error);
}

TEST(Attention, RefusesPositionsBeyondTheCacheAndHeadsThatDoNotDivide) {
  Threads threads(1);
  Sequence s({Format::BF16, Format::BF16, 16, 2, 2, 10});
  EXPECT_THROW(s.append(10, 6, threads), Error);
  EXPECT_THROW(s.append(-1, 1, threads), Error);
  std::vector<float> out(1000);
  const auto call = [&](AttentionInput input) {
    input.q = s.q.data();
    attention(s.layout, s.k_cache.data(), s.v_cache.data(), input, out.data(), threads);
  };
  EXPECT_THROW(call({nullptr, 1, 3, 0}), Error);
  EXPECT_THROW(call({nullptr, 1, 4, 15}), Error);
  EXPECT_THROW(call({nullptr, 1, 4, 0, -1}), Error);
  EXPECT_THROW(call({nullptr, 1, 4, 0, 0, 1, Format::INT8}), Error);
  call({nullptr, 0, 4, 15});
}

}  // namespace
}  // namespace octet::kernels
