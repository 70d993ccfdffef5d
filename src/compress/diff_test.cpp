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

TEST(Diff, SaysWhereTheLargestDifferenceIsForAnyNumberOfThreads) {
  const TinyModel a, b;
  auto tensors = tiny_tensors({});
  Tensor& q_proj = tensors[2].second;
  const auto k = static_cast<size_t>(q_proj.size(1));
  std::fill_n(q_proj.data<uint16_t>() + k, 2 * k, uint16_t{0x4400});      // 512
  std::fill_n(q_proj.data<uint16_t>() + 3 * k + 5, 1, uint16_t{0x4480});  // 1024
  write_safetensors(b.path() / "model.safetensors", tensors);
  for (const int count : {1, 2, 5}) {
    Threads threads(count);
    const auto differences = diff_checkpoints(Checkpoint::open(a.path()), Checkpoint::open(b.path()), threads);
    ASSERT_EQ(differences.size(), 1u);
    EXPECT_EQ(differences[0].codes_different, static_cast<int64_t>(2 * k + 1));
    EXPECT_EQ(differences[0].row, 3);
    EXPECT_EQ(differences[0].column, 5);
    EXPECT_EQ(differences[0].second, 1024);
    EXPECT_EQ(differences[0].max_error, 1024 - static_cast<double>(differences[0].first));
  }
}

TEST(Diff, ComparesACodebookWithItsWeight) {
  const TinyModel a, b;
  auto tensors = tiny_tensors({});
  Tensor& q_proj = tensors[2].second;
  std::fill_n(q_proj.data<uint16_t>(), q_proj.size(1), uint16_t{0x4400});  // 512
  write_safetensors(b.path() / "model.safetensors", tensors);
  for (const TinyModel* model : {&a, &b}) compress_with(model->options("CODEBOOK8A16", "codebook"));
  const auto differences = diff_of(a.out("codebook"), b.out("codebook"));
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].name, "model.layers.0.self_attn.q_proj.weight");
}

TEST(Diff, ComparesWhatStandsBesideTheCodes) {
  const TinyModel a, b;
  for (const TinyModel* model : {&a, &b}) {
    CompressOptions options = model->options("W8A8_ASYM", "static");
    options.calibration = options.model / "notes.txt";
    const Checkpoint checkpoint = Checkpoint::open(options.model);
    const Plan plan = make_plan(checkpoint, options);
    Calibration calibration{some_ranges(plan), {}};
    if (model == &b) calibration.ranges.inputs.find("model.layers.1.self_attn.o_proj")->second.max *= 2;
    Threads threads(2);
    compress(
        checkpoint, plan, options, [&](const WorkPlace&) { return calibration; }, threads, [](int64_t) {});
  }
  const auto differences = diff_of(a.out("static"), b.out("static"));
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].name, "model.layers.1.self_attn.o_proj.input_scale");
  EXPECT_EQ(differences[1].name, "model.layers.1.self_attn.o_proj.input_zero_point");
}

TEST(Diff, CountsTheStepsBetweenCodes) {
  const TinyModel model;
  compress_with(model.options("W8A8", "nearest"));
  CompressOptions cut = model.options("W8A8", "cut");
  cut.quantize.rounding = Rounding::toward_zero;
  compress_with(cut);
  for (const auto& d : diff_of(model.out("nearest"), model.out("cut"))) EXPECT_EQ(d.max_code_step, 1) << d.name;
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

TEST(Diff, ShowsNumbersThatAreNotFinite) {
  constexpr uint16_t kNaN = 0x7FC0, kInfinity = 0x7F80;
  const auto spoil = [](const TinyModel& model, size_t at, uint16_t bits) {
    auto tensors = tiny_tensors({});
    tensors[0].second.data<uint16_t>()[at] = bits;
    write_safetensors(model.path() / "model.safetensors", tensors);
  };
  const TinyModel model, spoiled;
  for (const size_t at : {size_t{0}, size_t{77}, size_t{48 * 128 - 1}}) {
    spoil(spoiled, at, kNaN);
    const auto nan = diff_of(model.path(), spoiled.path());
    ASSERT_EQ(nan.size(), 1u);
    EXPECT_EQ(nan[0].codes_different, 1);
    EXPECT_TRUE(std::isnan(nan[0].max_error));
    EXPECT_TRUE(diff_of(spoiled.path(), spoiled.path()).empty());
    spoil(spoiled, at, kInfinity);
    const auto infinite = diff_of(spoiled.path(), model.path());
    ASSERT_EQ(infinite.size(), 1u);
    EXPECT_TRUE(std::isinf(infinite[0].max_error));
  }
}

TEST(Diff, CountsEqualNaNsAsEqual) {
  const TinyModel a, b;
  for (const auto& [model, last] : {std::pair{&a, uint16_t{0x3F80}}, std::pair{&b, uint16_t{0x4000}}}) {
    auto tensors = tiny_tensors({});
    tensors[0].second.data<uint16_t>()[0] = 0x7FC0;
    tensors[0].second.data<uint16_t>()[9] = last;  // 1 and 2
    write_safetensors(model->path() / "model.safetensors", tensors);
  }
  const auto differences = diff_of(a.path(), b.path());
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].codes_different, 1);
  EXPECT_EQ(differences[0].max_error, 1);
}

TEST(Diff, ComparesScalars) {
  const TinyModel a, b;
  for (const auto& [model, value] : {std::pair{&a, 1.0f}, std::pair{&b, 3.5f}}) {
    auto tensors = tiny_tensors({});
    Tensor x(Shape{});
    x.f32()[0] = value;
    tensors.emplace_back("temperature", x);
    write_safetensors(model->path() / "model.safetensors", tensors);
  }
  const auto differences = diff_of(a.path(), b.path());
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].codes_different, 1);
  EXPECT_EQ(differences[0].max_error, 2.5);
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
