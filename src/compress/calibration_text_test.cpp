#include "compress/calibration_text.h"

#include "base/errors_for_tests.h"

namespace octet {
namespace {

TEST(CalibrationText, IsTextOrTheTextOfJsonLines) {
  EXPECT_EQ(calibration_text("a\nb", "x.txt"), "a\nb");
  EXPECT_EQ(calibration_text("\xEF\xBB\xBF"
                             "a\n",
                             "x.txt"),
            "a\n");
  EXPECT_EQ(calibration_text("{\"text\": \"a\"}\n\n{\"text\": \"b\", \"id\": 3}\r\n", "x.jsonl"), "a\n\nb");
  expect_error([] { calibration_text(std::string("a\0b", 3), "x.txt"); }, {"x.txt", "zero bytes"});
  expect_error([] { calibration_text("{\"messages\": []}", "x.jsonl"); }, {"x.jsonl, line 1", "chat template"});
  expect_error([] { calibration_text("{}\n", "x.jsonl"); }, {"line 1", "no field text"});
}

TEST(CalibrationText, JsonLinesAreKnownByTheirFirstLine) {
  for (const char* file : {"x.txt", "x.json", "x", "x.ndjson"}) {
    EXPECT_EQ(calibration_text("\xEF\xBB\xBF\n {\"text\": \"a\"}\n{\"text\": \"b\"}", file), "a\n\nb") << file;
  }
  expect_error([] { calibration_text("{\"messages\": []}", "x.txt"); }, {"x.txt, line 1", "chat template"});
  expect_error([] { calibration_text("{\"text\": \"a\"}\nb\n", "x.txt"); }, {"x.txt, line 2"});
  for (const char* text :
       {"{braces} begin a text", "{\n  \"text\": \"a\"\n}\n", "[{\"text\": \"a\"}]", "{\"text\": "}) {
    EXPECT_EQ(calibration_text(text, "x.txt"), text);
    expect_error([&] { calibration_text(text, "x.json"); }, {"x.json: is not JSON lines: one object a line"});
  }
}

TEST(CalibrationText, IsUtf8) {
  expect_error([] { calibration_text("a\nna\xEFve\n", "x.txt"); }, {"x.txt, line 2, byte 3: is not UTF-8", "iconv"});
  expect_error([] { calibration_text("\xFF", "x.txt"); }, {"line 1, byte 1"});
  expect_error([] { calibration_text("\n{\"text\": \"\xE9t\"}", "x.jsonl"); }, {"line 2, byte 11"});
  EXPECT_EQ(calibration_text("caf\xC3", "x.txt"), "caf") << "the last character is cut";
}

// Of a file without end.
TEST(CalibrationText, IsReadAsFarAsItIsNeeded) {
  const std::string stories = "{\"text\": \"\xC3\xA9t\xC3\xA9\"}\n";
  size_t read = 0;
  const ReadBytes endless = [&](char* to, size_t size) {
    for (size_t i = 0; i < size; ++i) to[i] = stories[(read + i) % stories.size()];
    read += size;
    return size;
  };
  const std::string text = calibration_text(endless, "x", 300'000);
  EXPECT_GE(text.size(), 300'000);
  EXPECT_LT(text.size(), 300'010) << "the text of one line more";
  EXPECT_LT(read, 1'200'000);
  EXPECT_EQ(text.substr(0, 12), "\xC3\xA9t\xC3\xA9\n\n\xC3\xA9t\xC3\xA9");

  const std::string plain = "\xC3\xA9\xC3\xA9\xC3\xA9\n";
  EXPECT_EQ(calibration_text(plain, "x.txt", 4), "\xC3\xA9\xC3\xA9");
  EXPECT_EQ(calibration_text(plain, "x.txt", 3), "\xC3\xA9") << "no half characters";
}

TEST(CalibrationText, MayComeInPiecesOfAnySize) {
  std::string lines;
  for (int i = 0; i < 20'000; ++i) lines += "{\"text\": \"" + std::to_string(i) + "\"}\n";
  const std::string whole = calibration_text(lines, "x");
  std::string_view rest = lines;
  const ReadBytes read = [&](char* to, size_t size) {
    const size_t count = rest.copy(to, std::min<size_t>(size, 4093));
    rest.remove_prefix(count);
    return count;
  };
  EXPECT_EQ(calibration_text(read, "x"), whole);
}

}  // namespace
}  // namespace octet
