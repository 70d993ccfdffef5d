#include "compress/diff.h"

#include "compress/compress_for_tests.h"

namespace octet {
namespace {

std::vector<TensorDifference> diff_of(const std::filesystem::path& a, const std::filesystem::path& b) {
  Threads threads(2);
  return diff_checkpoints(Checkpoint::open(a), Checkpoint::open(b), threads);
}

TEST(Diff, FindsNothingBetweenEqualCheckpoints) {
  const TinyModel model;
  for (const char* scheme : {"W8A8", "W8A16", "FP8_BLOCK"}) {
    compress_with(model.options(scheme, std::string(scheme) + "1"));
    compress_with(model.options(scheme, std::string(scheme) + "2"));
    EXPECT_TRUE(diff_of(model.out(std::string(scheme) + "1"), model.out(std::string(scheme) + "2")).empty()) << scheme;
  }
}

TEST(Diff, CountsCodesThatAnotherRoundingChanges) {
  const TinyModel model;
  compress_with(model.options("W8A8", "nearest"));
  CompressOptions cut = model.options("W8A8", "cut");
  cut.quantize.rounding = Rounding::toward_zero;
  compress_with(cut);
  const auto differences = diff_of(model.out("nearest"), model.out("cut"));
  ASSERT_EQ(differences.size(), 14u);
  for (const TensorDifference& d : differences) {
    EXPECT_GT(d.codes_different, d.codes / 3) << d.name;
    EXPECT_EQ(d.scales_different, 0);
    EXPECT_NEAR(d.max_error, 1.0 / 127.5, 1e-3);
  }
}

TEST(Diff, ComparesNumbersAcrossFormats) {
  const TinyModel model;
  compress_with(model.options("W8A8", "w8a8"));
  const auto differences = diff_of(model.path(), model.out("w8a8"));
  ASSERT_EQ(differences.size(), 14u);
  EXPECT_EQ(differences[0].name, "model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(differences[0].why, "BF16 and I8");
  EXPECT_GT(differences[0].max_error, 0);
  EXPECT_LT(differences[0].max_error, 0.8 / 127.5);
}

TEST(Diff, NamesWhatOnlyOneHas) {
  const TinyModel model, untied({.tied = false});
  const auto differences = diff_of(model.path(), untied.path());
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].name, "lm_head.weight");
  EXPECT_EQ(differences[0].why, "only in the second");
}

}  // namespace
}  // namespace octet
