#include "train/compare.h"

#include <gtest/gtest.h>

#include "base/errors_for_tests.h"
#include "train/log.h"

namespace octet::train {
namespace {

void write_run(const std::filesystem::path& directory, double shift, bool tensors = false, int64_t steps = 400) {
  TrainingLog log(directory);
  for (int64_t step = 1; step <= steps; ++step) {
    const double loss = 2 + 6.0 / std::sqrt(static_cast<double>(step)) + shift;
    const Scalar scalars[] = {{"train/loss", loss + 0.1 * std::sin(static_cast<double>(step))},
                              {"train/learning_rate", 1e-3},
                              {"train/tokens_per_second", 1000}};
    log.record(step, scalars);
    const Scalar validation{"validation/loss", loss + 0.01}, overflow{"overflow/model.layers.0.q_proj", 0.01};
    if (step % 50 == 0) log.record(step, {&validation, 1});
    if (tensors && step % 50 == 0) log.record(step, {&overflow, 1});
  }
}

class Compare : public testing::Test {
 protected:
  std::vector<RunCurves> read(const std::vector<std::string>& names) {
    std::vector<std::filesystem::path> paths;
    for (const auto& name : names) paths.push_back(directory_ / name);
    return read_runs(paths);
  }
  TemporaryDirectory directory_;
};

TEST_F(Compare, TabulatesLossesAndGaps) {
  write_run(directory_ / "bf16", 0);
  write_run(directory_ / "fp8", 0.1);
  const auto runs = read({"bf16", "fp8"});
  EXPECT_EQ(runs[1].name, "fp8");
  EXPECT_EQ(runs[0]["train/loss"].values.size(), 400u);
  const auto table = comparison_table(runs);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0][0], "bf16");
  EXPECT_EQ(table.rows[0][1], "400");
  EXPECT_EQ(table.rows[0][3], "–");
  EXPECT_EQ(table.rows[0][5], "2.3100");
  EXPECT_EQ(table.rows[1][5], "2.4100 (+4.329 %)");
  EXPECT_EQ(table.rows[1][6], "2.4100");
  EXPECT_EQ(table.rows[1][7], "1000");
  EXPECT_NEAR(runs[1].final_loss() - runs[0].final_loss(), 0.1, 1e-9);
}

// Of a run that has not come so far, too: the steps that both have.
TEST_F(Compare, MeasuresGapsStepByStep) {
  RunCurves first{.name = "bf16", .curves = {}}, other{.name = "fp8", .curves = {}};
  for (int step = 1; step <= 100; ++step) {
    const double loss = 10.0 / step;
    for (auto* curve : {&first.curves["loss"], &other.curves["loss"]}) curve->steps.push_back(step);
    first.curves["loss"].values.push_back(loss);
    other.curves["loss"].values.push_back(loss * (step > 38 ? 1.04 : 1.01));
  }
  Curve& cut = other.curves["loss"];
  cut.steps.resize(40);
  cut.values.resize(40);
  cut.steps.erase(cut.steps.begin());  // a step that only one has
  cut.values.erase(cut.values.begin());
  const Curve gap = gap_of(other, first, "loss");
  ASSERT_EQ(gap.steps.size(), 39u);
  EXPECT_NEAR(mean_of(gap).whole, (37 * 1 + 2 * 4) / 39.0, 1e-9);
  EXPECT_NEAR(mean_of(gap).end, 4, 1e-9);
  EXPECT_TRUE(std::isnan(mean_of(gap_of(other, first, "none")).whole));
}

TEST_F(Compare, DrawsOnePageWithEveryCurve) {
  write_run(directory_ / "bf16", 0);
  write_run(directory_ / "fp8 <b>", 0.1, true);
  const std::string page = comparison_report(read({"bf16", "fp8 <b>"}));
  for (const char* part : {"2 training runs", "Validation loss", "Gap of the validation loss", "Training loss",
                           "Learning rate", "What did not fit the format", "model.layers.0.q_proj", "fp8 &lt;b&gt;"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("fp8 <b>"), std::string::npos);
  EXPECT_EQ(page.find("Norm of the gradient"), std::string::npos);  // nobody wrote it down
  EXPECT_EQ(comparison_report(read({"bf16"})).find("Gap of"), std::string::npos);
}

TEST_F(Compare, NamesTellRunsApart) {
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directories(directory_ / name);
    write_run(directory_ / (std::string(name) + "/run"), 0, false, 2);
  }
  const auto runs = read({"a/run", "b/run/"});
  EXPECT_EQ(runs[0].name, "a/run");
  EXPECT_EQ(runs[1].name, "b/run");
  EXPECT_EQ(read({"a/run", "a/run"})[0].name, read({"a/run", "a/run"})[1].name);
}

TEST_F(Compare, RefusesWhatIsNoRun) {
  write_run(directory_ / "run", 0, false, 1);
  { TrainingLog log(directory_ / "empty"); }
  expect_error([&] { read({}); }, {"no run"});
  expect_error([&] { read({"run", "none"}); }, {"none", "metrics.csv"});
  expect_error([&] { read({"empty"}); }, {"empty", "no step"});
  expect_error([&] { read({"run", "run", "run", "run", "run", "run", "run"}); }, {"7 runs"});
}

}  // namespace
}  // namespace octet::train
