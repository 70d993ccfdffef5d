#include "train/log.h"

#include <gtest/gtest.h>

#include "base/errors_for_tests.h"
#include "train/event_file.h"

namespace octet::train {
namespace {

TEST(EventFile, ChecksumIsTheCastagnoliOne) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);            // the check value of the catalogues
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(EventFile, BytesAreTensorBoardsOwn) {
  const Scalar scalars[] = {{"train/loss", 2.3125}, {"train/rate", -1e-3}};
  const std::string bytes = tf_record(version_event(1700000000.25)) + tf_record(start_event(1700000001.5, 301)) +
                            tf_record(scalars_event(1700000002.0, 301, scalars)) +
                            tf_record(text_event(1700000003.0, 70000, "recipe", "steps: 5\n"));
  EXPECT_EQ(bytes, read_bytes(OCTET_GOLDEN_DIR "/train/events.tfevents"));
}

TEST(EventFile, BrokenRecordsAreNotRead) {
  const Scalar scalar{"a", 1};
  const std::string record = tf_record(scalars_event(1, 5, {&scalar, 1}));
  EXPECT_EQ(read_event(*front_record(record + "more"))->step, 5);
  for (size_t i = 0; i < record.size(); ++i) {
    EXPECT_FALSE(front_record(std::string_view(record).substr(0, i))) << i;
    std::string broken = record;
    broken[i] = static_cast<char>(broken[i] ^ 4);
    EXPECT_FALSE(front_record(broken)) << i;
  }
  for (const char* data : {"\x08", "\x0a\x05", "\x0f", "\x09\x01"}) EXPECT_FALSE(read_event(data)) << data;
}

/// Steps of all event files of a directory, in the order in which TensorBoard reads them.
std::vector<int64_t> steps_of(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().find("tfevents") != std::string::npos) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<int64_t> steps;
  for (const auto& file : files) {
    const std::string bytes = read_bytes(file);
    size_t at = 0;
    while (const auto data = front_record(std::string_view(bytes).substr(at))) {
      const auto event = read_event(*data);
      if (event->step > 0 && !event->is_start) steps.push_back(event->step);
      at += data->size() + kRecordOverhead;
    }
    EXPECT_EQ(at, bytes.size()) << file;
  }
  return steps;
}

std::vector<int64_t> logged_steps(const std::filesystem::path& directory) {
  std::vector<int64_t> steps;
  for (const auto& row : read_metrics(directory)) steps.push_back(row.step);
  return steps;
}

void record_steps(TrainingLog& log, int64_t from, int64_t to) {
  for (int64_t step = from; step <= to; ++step) {
    const Scalar scalar{"loss", 10.0 / static_cast<double>(step)};
    log.record(step, {&scalar, 1});
  }
}

void append(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::app).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::filesystem::path last_event_file(const std::filesystem::path& directory) {
  std::filesystem::path last;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().find("tfevents") == std::string::npos) continue;
    last = std::max(last, entry.path());
  }
  return last;
}

using Steps = std::vector<int64_t>;

TEST(TrainingLog, WhatIsRecordedIsReadBack) {
  const TemporaryDirectory directory;
  {
    TrainingLog log(directory.path() / "run" / "log");
    const Scalar scalars[] = {{"train/loss", 0.1}, {"odd, \"tag\"", -1e300}, {"nan", std::nan("")}};
    log.record_text(0, "recipe", "x");
    log.record(7, scalars);
    log.record(8, {});
  }
  const auto rows = read_metrics(directory.path() / "run" / "log");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].step, 7);
  EXPECT_EQ(rows[0].tag, "train/loss");
  EXPECT_EQ(rows[0].value, 0.1);
  EXPECT_GT(rows[0].wall_time, 1.7e9);
  EXPECT_EQ(rows[1].tag, "odd, \"tag\"");
  EXPECT_EQ(rows[1].value, -1e300);
  EXPECT_TRUE(std::isnan(rows[2].value));
  EXPECT_EQ(steps_of(directory.path() / "run" / "log"), Steps{7});
}

TEST(TrainingLog, AResumedRunRepeatsNoStep) {
  const TemporaryDirectory directory;
  {
    TrainingLog log(directory.path());
    record_steps(log, 1, 9);
  }
  append(directory / "metrics.csv", "10,17000");  // killed while writing
  append(last_event_file(directory.path()), tf_record(scalars_event(1, 10, {})).substr(0, 15));
  {
    TrainingLog log(directory.path(), 6);
    EXPECT_EQ(logged_steps(directory.path()), (Steps{1, 2, 3, 4, 5, 6}));
    record_steps(log, 7, 8);
  }
  {
    TrainingLog log(directory.path(), 4);  // an older checkpoint, before the second part
    record_steps(log, 5, 6);
  }
  EXPECT_EQ(logged_steps(directory.path()), (Steps{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(steps_of(directory.path()), (Steps{1, 2, 3, 4, 5, 6}));
}

TEST(TrainingLog, EveryPlaceAtWhichARunWasKilledIsGoneOnFrom) {
  const TemporaryDirectory whole;
  {
    TrainingLog log(whole.path());
    record_steps(log, 1, 3);
  }
  const std::string metrics = read_bytes(whole / "metrics.csv"), events = read_bytes(last_event_file(whole.path()));
  for (size_t size = 0; size < std::max(metrics.size(), events.size()); ++size) {
    const TemporaryDirectory directory;
    write_bytes(directory / "metrics.csv", std::string_view(metrics).substr(0, size));
    write_bytes(directory / "events.out.tfevents.0000000001.octet.000", std::string_view(events).substr(0, size));
    TrainingLog log(directory.path(), 1);
    record_steps(log, 2, 2);
    const Steps steps = logged_steps(directory.path());
    EXPECT_EQ(steps.back(), 2);
    EXPECT_LE(steps.size(), 2u);
    EXPECT_EQ(steps_of(directory.path()).back(), 2);
  }
}

TEST(TrainingLog, ANewRunBeginsAnewAndLeavesOtherFilesAlone) {
  const TemporaryDirectory directory;
  write_bytes(directory / "events.out.tfevents.1700000000.host.1", "another program's");
  write_bytes(directory / "notes.txt", "mine");
  {
    TrainingLog log(directory.path());
    record_steps(log, 1, 3);
  }
  TrainingLog log(directory.path());
  EXPECT_TRUE(read_metrics(directory.path()).empty());
  EXPECT_EQ(read_bytes(directory / "notes.txt"), "mine");
  EXPECT_EQ(read_bytes(directory / "events.out.tfevents.1700000000.host.1"), "another program's");
}

TEST(TrainingLog, RefusesWhatIsNoLog) {
  const TemporaryDirectory directory;
  write_bytes(directory / "metrics.csv", "date,price\n1,2\n");
  for (const int64_t step : {0, 3})
    expect_error([&] { TrainingLog(directory.path(), step); }, {"metrics.csv", "no log"});
  expect_error([&] { read_metrics(directory.path()); }, {"metrics.csv", "no log"});
  write_bytes(directory / "metrics.csv", "step,wall_time,tag,value\n1,2,loss,3\n1,2,loss\n4,2,loss,3\n");
  expect_error([&] { read_metrics(directory.path()); }, {"metrics.csv:3"});
  expect_error([&] { read_metrics(directory / "none"); }, {"none"});
  write_bytes(directory / "file", "");
  expect_error([&] { TrainingLog(directory / "file" / "log"); }, {"file", "cannot be made"});
}

}  // namespace
}  // namespace octet::train
