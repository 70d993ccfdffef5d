#include "run/sampling.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

int32_t draw(std::vector<float> logits, const Sampling& sampling, uint64_t step = 0, std::vector<int32_t> seen = {}) {
  return sample(logits, seen, sampling, step);
}

std::vector<int> histogram(const std::vector<float>& logits, const Sampling& sampling, int draws) {
  std::vector<int> counts(logits.size());
  for (int step = 0; step < draws; ++step)
    ++counts[static_cast<size_t>(draw(logits, sampling, static_cast<uint64_t>(step)))];
  return counts;
}

TEST(Sampling, TakesTheLikeliestTokenWithoutATemperatureAndTheLowestIdOfEquals) {
  EXPECT_EQ(draw({1, 3, 2}, {}), 1);
  EXPECT_EQ(draw({1, 3, 3}, {}), 1);
}

TEST(Sampling, DrawsEachTokenAsOftenAsItsProbability) {
  const std::vector<float> logits = {std::log(0.6f), std::log(0.3f), std::log(0.1f)};
  const auto counts = histogram(logits, {.temperature = 1, .seed = 7}, 20000);
  EXPECT_NEAR(counts[0] / 20000.0, 0.6, 0.015);
  EXPECT_NEAR(counts[1] / 20000.0, 0.3, 0.015);
  EXPECT_NEAR(counts[2] / 20000.0, 0.1, 0.015);
}

TEST(Sampling, GivesTheSameTokenForTheSameSeedAndStep) {
  const std::vector<float> logits(1000, 1.0f);
  const Sampling sampling{.temperature = 1, .seed = 42};
  EXPECT_EQ(draw(logits, sampling, 5), draw(logits, sampling, 5));
  EXPECT_NE(draw(logits, sampling, 5), draw(logits, sampling, 6));
  EXPECT_NE(draw(logits, sampling, 5), draw(logits, {.temperature = 1, .seed = 43}, 5));
}

TEST(Sampling, LeavesOutWhatTopKTopPAndMinPExclude) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  const auto top_k = histogram(logits, {.temperature = 1, .top_k = 2}, 2000);
  EXPECT_GT(top_k[1], 0);
  EXPECT_EQ(top_k[2] + top_k[3], 0);
  const auto top_p = histogram(logits, {.temperature = 1, .top_p = 0.75f}, 2000);  // 0.5 + 0.3 reach it
  EXPECT_GT(top_p[1], 0);
  EXPECT_EQ(top_p[2] + top_p[3], 0);
  const auto min_p = histogram(logits, {.temperature = 1, .min_p = 0.2f}, 4000);  // 0.1 and more stay
  EXPECT_GT(min_p[2], 0);
  EXPECT_EQ(min_p[3], 0);
}

TEST(Sampling, PenalisesWhatWasSeenOnceHoweverOften) {
  EXPECT_EQ(draw({2.0f, 1.9f}, {.repetition_penalty = 1.2f}, 0, {0, 0, 0}), 1);
  EXPECT_EQ(draw({-1.0f, -1.1f}, {.repetition_penalty = 1.2f}, 0, {0}), 1);
  EXPECT_EQ(draw({2.0f, 1.0f}, {.repetition_penalty = 1.2f}, 0, {0, 0, 0}), 0) << "three times would make it 1.16";
}

}  // namespace
}  // namespace octet
