#include "files/safetensors.h"

#include <sys/stat.h>

#include "files/files_for_tests.h"
#include "files/safetensors_header.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
const fs::path kGolden = fs::path(OCTET_GOLDEN_DIR) / "files";

// What the reader says about a file of these bytes has to contain "bad.safetensors" and each of `parts`.
void expect_refused(std::string_view bytes, std::initializer_list<std::string_view> parts) {
  const TemporaryDirectory directory;
  write_bytes(directory / "bad.safetensors", bytes);
  expect_error([&] { SafetensorsFile(directory / "bad.safetensors"); }, {"bad.safetensors"});
  expect_error([&] { SafetensorsFile(directory / "bad.safetensors"); }, parts);
}

void expect_header_refused(std::string_view header, std::initializer_list<std::string_view> parts, size_t data = 0) {
  expect_refused(safetensors_bytes(header, std::string(data, 'x')), parts);
}

// A header of one tensor "t" of four bytes, with one field replaced.
void expect_field_refused(const char* field, std::string_view value, std::initializer_list<std::string_view> parts) {
  std::map<std::string, std::string> fields{{"dtype", "\"F32\""}, {"shape", "[1]"}, {"data_offsets", "[0,4]"}};
  fields[field] = value;
  std::string text;
  for (const auto& [key, content] : fields) text += fmt::format("{}\"{}\":{}", text.empty() ? "" : ",", key, content);
  expect_header_refused("{\"t\":{" + text + "}}", parts, 4);
}

TEST(Safetensors, ReadsEveryDtypeThatTheSafetensorsPackageWrites) {
  const SafetensorsFile file(kGolden / "every_dtype.safetensors");
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  const Shape shapes[] = {{2, 3}, {}, {0, 4}, {5}};
  size_t number = 0;
  for (const DTypeRow& row : kDTypes) {
    const std::string name = fmt::format("all.{}", row.name);
    const auto info =
        std::find_if(file.tensors().begin(), file.tensors().end(), [&](const auto& t) { return t.name == name; });
    ASSERT_NE(info, file.tensors().end()) << name;
    const Tensor tensor = file.view(*info);
    EXPECT_EQ(tensor.dtype(), row.dtype);
    EXPECT_EQ(tensor.shape(), shapes[number % 4]) << name;
    for (int64_t i = 0; i < tensor.bytes(); ++i) {
      const size_t counted = number + static_cast<size_t>(i);
      EXPECT_EQ(static_cast<size_t>(tensor.raw()[i]), row.dtype == DType::BOOL ? counted % 2 : counted % 120) << name;
    }
    ++number;
  }
  EXPECT_EQ(file.tensors().size(), std::size(kDTypes) + 1);
  EXPECT_TRUE(std::any_of(file.tensors().begin(), file.tensors().end(),
                          [](const auto& t) { return t.name == "odd \"name\" \\ \u00e9 \u6f22 \t\x01"; }));
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(SafetensorsFile(kGolden / "no_tensors.safetensors").tensors().empty());
}

TEST(Safetensors, GivesTensorsInTheOrderOfTheirOffsets) {
  const TemporaryDirectory directory;
  write_bytes(directory / "f", safetensors_bytes(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},)"
                                                 R"("e":{"dtype":"F32","shape":[7,0],"data_offsets":[3,3]},)"
                                                 R"("a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}   )",
                                                 "xyz"));
  const SafetensorsFile file(directory / "f");
  std::string order;
  for (const auto& info : file.tensors()) order += info.name;
  EXPECT_EQ(order, "abe");
  EXPECT_EQ(static_cast<char>(file.view(file.tensors()[1]).raw()[0]), 'y');
}

TEST(Safetensors, ViewsAreAlignedEvenWhereTheFileIsNot) {
  const TemporaryDirectory directory;
  const float values[] = {1.5f, -2.f};
  write_bytes(directory / "f", safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                                 R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
                                                 "x" + std::string(reinterpret_cast<const char*>(values), 8)));
  const SafetensorsFile file(directory / "f");
  const Tensor view = file.view(file.tensors()[1]);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.raw()) % alignof(float), 0u);
  EXPECT_EQ(view.f32()[1], -2.f);
}

TEST(Safetensors, ViewsOutliveTheirFile) {
  auto file = std::make_unique<SafetensorsFile>(kGolden / "by_torch.safetensors");
  const Tensor view = file->view(file->tensors()[0]);
  file->drop(file->tensors()[0]);
  file.reset();
  EXPECT_EQ(view.f32()[5], 5.f);
}

TEST(Safetensors, RefusesAFileTooShortForAHeader) {
  expect_refused("", {"empty"});
  expect_refused("1234567", {"7 bytes", "8"});
  expect_refused(std::string(8, '\0'), {"does not begin with {"});
}

TEST(Safetensors, RefusesAHeaderLengthThatCannotBe) {
  expect_refused(std::string(7, '\0') + '\x80' + "{}", {"9,223,372,036,854,775,808", "100,000,000"});
  expect_refused(std::string(8, '\xff') + "{}", {"18,446,744,073,709,551,615"});
  expect_refused(std::string("\x40\x42\x0f\0\0\0\0\0{}", 10), {"needs 1,000,000 bytes", "ends after 2", "cut short"});
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", {"Git LFS", "git lfs pull"});
}

TEST(Safetensors, RefusesAHeaderThatIsNotAJsonObject) {
  for (const char* header : {"[]", "1", "\"a\"", "null", " {}", "\xef\xbb\xbf{}"})
    expect_header_refused(header, {"does not begin with {"});
  for (const char* header : {"{", "{\"a\"", "{} x", "{}{}", "{\"a\":}", "{\"\xff\":1}", "{'a':1}"})
    expect_header_refused(header, {"header"});
  expect_header_refused("{} x", {"not JSON"});
  expect_header_refused("{\"a\xff\":{}}", {"not JSON"});
  expect_header_refused(std::string_view("{}\0\0", 4), {"NUL"});
  expect_header_refused("{\"a\":" + std::string(100'000, '['), {"tensor a", "a list"});
}

TEST(Safetensors, RefusesMetadataThatIsNotStrings) {
  expect_header_refused(R"({"__metadata__":{"a":1}})", {"__metadata__", "\"a\"", "only strings"});
  expect_header_refused(R"({"__metadata__":{"a":{"b":"c"}}})", {"__metadata__"});
  expect_header_refused(R"({"__metadata__":["a"]})", {"__metadata__"});
  expect_header_refused(R"({"__metadata__":{"a":"1","a":"2"}})", {"\"a\" twice"});
  expect_header_refused(R"({"__metadata__":{},"__metadata__":{}})", {"__metadata__ stands twice"});
}

TEST(Safetensors, RefusesATensorThatStandsTwice) {
  const std::string tensor = R"("t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_header_refused("{" + tensor + "," + tensor + "}", {"tensor t stands twice"}, 1);
  expect_header_refused(R"({"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                        {"tensor t", "\"dtype\" twice"}, 1);
}

TEST(Safetensors, RefusesFieldsThatAreMissingOrUnknown) {
  expect_header_refused(R"({"t":{"shape":[1],"data_offsets":[0,1]}})", {"tensor t has no dtype"}, 1);
  expect_header_refused(R"({"t":{"dtype":"U8","data_offsets":[0,1]}})", {"tensor t has no shape"}, 1);
  expect_header_refused(R"({"t":{"dtype":"U8","shape":[1]}})", {"tensor t has no data_offsets"}, 1);
  expect_header_refused(R"({"t":{}})", {"tensor t has no dtype"});
  expect_header_refused(R"({"t":5})", {"tensor t is 5"});
  expect_field_refused("strides", "[1]", {"tensor t", "unknown key \"strides\""});
}

TEST(Safetensors, RefusesDtypesItDoesNotRead) {
  expect_field_refused("dtype", "\"F4\"", {"tensor t", "F4", "less than 8 bits"});
  expect_field_refused("dtype", "\"F6_E2M3\"", {"tensor t", "less than 8 bits"});
  expect_field_refused("dtype", "\"F8_E4M3FNUZ\"", {"tensor t", "F8_E4M3FNUZ"});
  expect_field_refused("dtype", "\"C64\"", {"tensor t", "unknown dtype C64"});
  expect_field_refused("dtype", R"("f32\u001b[31m")", {"unknown dtype f32\\x1b[31m"});
  for (const char* value : {"7", "null", "[\"F32\"]", "{}"}) expect_field_refused("dtype", value, {"tensor t"});
}

TEST(Safetensors, RefusesShapesThatCannotBe) {
  for (const char* value : {"[-1]", "[1.0]", "[1e0]", "[\"1\"]", "[[1]]", "1", "null", "[true]", "[null]", "{}"}) {
    expect_field_refused("shape", value, {"shape of tensor t"});
  }
  expect_field_refused("shape", "[18446744073709551616]", {"tensor t"});
  expect_field_refused("shape", "[9223372036854775808]", {"tensor t", "no file can hold"});
  expect_field_refused("shape", "[4294967296,4294967296]", {"tensor t", "larger than any file"});
  expect_field_refused("shape", "[65536,65536,65536,65536]", {"tensor t", "larger than any file"});
  expect_field_refused("shape", "[4611686018427387904]", {"tensor t", "larger than any file"});
  expect_field_refused("shape", "[9223372036854775807,9223372036854775807,0]", {"tensor t", "larger than any file"});
  expect_field_refused("shape", "[2]", {"tensor t", "[2]", "F32", "needs 8 bytes", "span 4"});
  expect_field_refused("shape", "[0]", {"tensor t", "needs 0 bytes", "span 4"});
  std::string ones = "[1";
  for (int i = 0; i < 10'000; ++i) ones += ",1";
  expect_field_refused("shape", ones + "]", {"tensor t", "64 dimensions"});
}

TEST(Safetensors, RefusesOffsetsThatCannotBe) {
  for (const char* value : {"[0,-4]", "[0,4.0]", "[\"0\",4]", "[0,[4]]", "4", "null", "{}"}) {
    expect_field_refused("data_offsets", value, {"tensor t"});
  }
  expect_field_refused("data_offsets", "[0,1e400]", {"not JSON", "number overflow"});
  expect_field_refused("data_offsets", "[0]", {"tensor t", "1 data_offsets"});
  expect_field_refused("data_offsets", "[]", {"tensor t", "0 data_offsets"});
  expect_field_refused("data_offsets", "[0,4,8]", {"tensor t", "3 data_offsets"});
  expect_field_refused("data_offsets", "[4,0]", {"tensor t", "before it begins"});
  expect_field_refused("data_offsets", "[0,9007199254740993]", {"tensor t", "span 9,007,199,254,740,993"});
  expect_field_refused("data_offsets", "[9007199254740993,9007199254740997]", {"tensor t"});
  expect_field_refused("data_offsets", "[18446744073709551611,18446744073709551615]", {"tensor t", "no file can hold"});
  expect_field_refused("data_offsets", "[1,5]", {"tensor t", "1 bytes before"});
}

std::string two_tensors(int a_end, int b_begin, int b_end) {
  return fmt::format(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[0,{}]}},)"
                     R"("b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                     a_end, a_end, b_end - b_begin, b_begin, b_end);
}

TEST(Safetensors, RefusesOverlapsGapsAndStrayBytes) {
  expect_header_refused(two_tensors(8, 4, 12), {"tensor b overlaps"}, 12);
  expect_header_refused(two_tensors(8, 0, 8), {"tensor b overlaps"}, 8);
  expect_header_refused(two_tensors(8, 9, 12), {"1 bytes before", "tensor b"}, 12);
  expect_header_refused(two_tensors(8, 8, 12), {"3 bytes after the last tensor"}, 15);
  expect_header_refused("{}", {"3 bytes after the last tensor"}, 3);
}

TEST(Safetensors, RefusesATensorThatEndsAfterTheFile) {
  expect_header_refused(two_tensors(8, 8, 5'767'176),
                        {"tensor b needs 5,767,168 bytes", "ends after 1,044,992", "cut short"}, 8 + 1'044'992);
  expect_header_refused(two_tensors(8, 8, 12), {"tensor a needs 8 bytes", "ends after 0"});
}

TEST(Safetensors, RefusesWhatIsNoRegularFile) {
  const TemporaryDirectory directory;
  expect_error([&] { SafetensorsFile(directory.path()); }, {"not a regular file"});
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  expect_error([&] { SafetensorsFile(directory / "fifo"); }, {"fifo", "not a regular file"});
  fs::create_symlink("loop", directory / "loop");
  expect_error([&] { SafetensorsFile(directory / "loop"); }, {"loop"});
  expect_error([&] { SafetensorsFile(directory / "absent"); }, {"absent", "No such file"});
}

TEST(Safetensors, MakesNamesInMessagesSafeAndShort) {
  expect_header_refused(R"({"a\u001b]0;pwned\u0007\u202e":{}})", {"a\\x1b]0;pwned\\x07\\u202e"});
  expect_header_refused("{\"" + std::string(1'000'000, 'n') + "\":{}}", {"nnn…"});
}

TEST(Safetensors, ReadsAHundredThousandTensorsWithinASecond) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    header += fmt::format(
        "\"model.layers.{}.mlp.experts.weight\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{},{}]}},", i, i,
        i + 1);
  }
  const std::string twin = R"("model.layers.5.mlp.experts.weight":{"dtype":"U8","shape":[0],"data_offsets":[7,7]}})";
  expect_header_refused(header + twin, {"model.layers.5.mlp", "twice"}, 100'000);
  header.back() = '}';
  const std::string bytes = safetensors_bytes(header, std::string(100'000, 'x'));
  EXPECT_EQ(parse_safetensors_header(std::as_bytes(std::span(bytes)), "f").tensors.size(), 100'000u);
}

TEST(SafetensorsWriter, WritesTheBytesThatTheSafetensorsPackageWrites) {
  const TemporaryDirectory directory;
  for (const char* name : {"every_dtype.safetensors", "no_tensors.safetensors", "by_torch.safetensors"}) {
    const SafetensorsFile golden(kGolden / name);
    SafetensorsWriter writer(directory / name, golden.tensors(), golden.metadata());
    for (const auto& info : golden.tensors()) writer.write(golden.view(info).raw(), static_cast<size_t>(info.bytes));
    writer.finish();
    EXPECT_EQ(read_bytes(directory / name), read_bytes(kGolden / name)) << name;
  }
}

TEST(SafetensorsWriter, CountsTheBytes) {
  const TemporaryDirectory directory;
  {
    SafetensorsWriter writer(directory / "f", {{"a", DType::F32, {2}}});
    writer.write("1234567", 7);
    expect_error([&] { writer.finish(); }, {"f: 1 bytes", "missing"});
    expect_error([&] { writer.write("12", 2); }, {"more bytes"});
  }
  EXPECT_FALSE(fs::exists(directory / "f"));
}

TEST(SafetensorsWriter, SaysThatTheDeviceIsFull) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "/dev/full is not there";
  SafetensorsWriter writer("/dev/full", {{"a", DType::U8, {4 << 20}}});
  const std::string bytes(4 << 20, 'x');
  expect_error([&] { writer.write(bytes.data(), bytes.size()); }, {"/dev/full", "no space left"});
}

}  // namespace
}  // namespace octet
