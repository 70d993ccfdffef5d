#include "compress/contract_terms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/errors_for_tests.h"

namespace octet {
namespace {

Candidate measured(double ratio_high, double kl, int64_t bytes, double latency) {
  Candidate candidate;
  candidate.comparison.ratio_high = ratio_high;
  candidate.comparison.mean_kl = kl;
  candidate.bytes = bytes;
  candidate.latency = latency;
  return candidate;
}

TEST(Contracts, AreReadInPeoplesUnits) {
  EXPECT_DOUBLE_EQ(share_named("0.5%"), 0.005);
  EXPECT_DOUBLE_EQ(share_named("0.005"), 0.005);
  EXPECT_EQ(bytes_named("700M", "--ram"), 700'000'000);
  EXPECT_EQ(bytes_named("1.5GB", "--ram"), 1'500'000'000);
  EXPECT_EQ(bytes_named("4096", "--ram"), 4096);
  EXPECT_EQ(bytes_named("2kb", "--ram"), 2000);
  EXPECT_DOUBLE_EQ(seconds_named("20ms"), 0.02);
  EXPECT_DOUBLE_EQ(seconds_named("0.02s"), 0.02);
  EXPECT_DOUBLE_EQ(seconds_named("33.5µs"), 33.5e-6);
  expect_error([] { share_named("0.5pp"); }, {"0.5pp"});
  expect_error([] { bytes_named("-3M", "--ram"); }, {"--ram -3M: is negative"});
  expect_error([] { bytes_named("abc", "--max-size"); }, {"--max-size abc: is no number"});
  for (const char* size : {"99999999999999999999", "1e999", "10000000T"}) {
    expect_error([&] { bytes_named(size, "--ram"); }, {"--ram", size, "is too large"});
  }
  expect_error([] { seconds_named("20"); }, {"20ms"});
}

TEST(Contracts, NameAllThatIsMissed) {
  const Contract contract{0.005, 1e-3, 1000, 0.02};
  EXPECT_EQ(miss_of(contract, measured(1.005, 1e-3, 1000, 0.02)), "");
  const Candidate all = measured(1.01, 2e-3, 3000, 0.03);
  EXPECT_EQ(miss_of(contract, all),
            "perplexity rises by up to 1.000 %, the KL divergence is 2.000e-03, it takes 3.00 kB (3000 bytes), "
            "a token takes 30.0 ms");
  EXPECT_FALSE(keeps_quality(contract, all));
  EXPECT_DOUBLE_EQ(times_over(contract, all), 3);
  EXPECT_TRUE(keeps_quality(contract, measured(0.99, 0, 3000, 0.03)));
}

TEST(Contracts, AreNotKeptByNaN) {
  const Contract contract{.max_kl = 1.0, .max_bytes = 10};
  const Candidate broken = measured(NAN, NAN, 5, 0);
  EXPECT_EQ(miss_of(contract, broken), "its logits are NaN or infinite on the validation text");
  EXPECT_FALSE(keeps_quality(contract, broken));
  EXPECT_TRUE(std::isinf(times_over(contract, broken)));
}

}  // namespace
}  // namespace octet
