#include "files/checkpoint.h"

#include "files/files_for_tests.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

Tensor numbers(float first) {
  return tensor_with<float>({2}, DType::F32, {first, first + 1});
}

// A checkpoint of two shards, each with one tensor.
struct Sharded {
  TemporaryDirectory directory;
  Sharded() {
    write_bytes(directory / "config.json", "{}");
    write_tensors(directory / "model-1.safetensors", {{"a", numbers(1)}});
    write_tensors(directory / "model-2.safetensors", {{"b", numbers(3)}});
    index(R"({"metadata":{"total_size":16},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}})");
  }
  void index(std::string_view text) { write_bytes(directory / "model.safetensors.index.json", text); }
  void expect_refused(std::initializer_list<std::string_view> parts) {
    expect_error([&] { Checkpoint::open(directory.path()); }, parts);
  }
};

TEST(Checkpoint, ReadsASingleFile) {
  const TemporaryDirectory directory;
  write_bytes(directory / "config.json", "{\"a\": 1}");
  write_tensors(directory / "model.safetensors", {{"a", numbers(1)}, {"b", numbers(3)}});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  EXPECT_EQ(checkpoint.config_text(), "{\"a\": 1}");
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checkpoint.tensor("b").f32()[1], 4.f);
  EXPECT_EQ(checkpoint.bytes(), 16);
  EXPECT_TRUE(checkpoint.has("a"));
  EXPECT_FALSE(checkpoint.has("c"));
  checkpoint.drop("a");
  expect_error([&] { checkpoint.tensor("c\x1b"); }, {"holds no tensor c\\x1b"});
}

TEST(Checkpoint, ReadsShardsByTheirIndex) {
  const Sharded sharded;
  const Checkpoint checkpoint = Checkpoint::open(sharded.directory.path());
  EXPECT_EQ(checkpoint.files().size(), 2u);
  EXPECT_EQ(checkpoint.tensor("b").f32()[0], 3.f);
  EXPECT_NE(checkpoint.where("b").find("model-2.safetensors"), std::string::npos);
}

TEST(Checkpoint, SaysHowToGetAModelOfTheHub) {
  expect_error([] { Checkpoint::open("no-such-org/some-model"); },
               {"no such directory", "download", "no-such-org/some-model"});
  expect_error([] { Checkpoint::open("/no/such/directory"); }, {"/no/such/directory", "no such directory"});
}

TEST(Checkpoint, SaysWhatADirectoryLacks) {
  const TemporaryDirectory directory;
  const auto expect_refused = [&](std::initializer_list<std::string_view> parts) {
    expect_error([&] { Checkpoint::open(directory.path()); }, parts);
  };
  expect_refused({"no config.json"});
  write_bytes(directory / "config.json", "{}");
  expect_refused({"neither model.safetensors nor model.safetensors.index.json"});
  write_bytes(directory / "pytorch_model.bin", "x");
  expect_refused({".bin only", "safetensors"});
  write_bytes(directory / "model-00001-of-00002.safetensors", "x");
  expect_refused({"model-00001-of-00002.safetensors", "index.json"});
  std::filesystem::create_symlink("no-such-blob", directory / "model.safetensors");
  expect_refused({"model.safetensors", "a symbolic link that leads nowhere"});
  expect_error([&] { Checkpoint::open(directory / "config.json"); }, {"config.json", "is a file"});
}

TEST(Checkpoint, RefusesAConfigOfUnreasonableSize) {
  const TemporaryDirectory directory;
  write_bytes(directory / "config.json", std::string((16 << 20) + 1, ' '));
  expect_error([&] { Checkpoint::open(directory.path()); }, {"config.json", "16,777,216"});
}

TEST(Checkpoint, RefusesShardsOutsideOfItsDirectory) {
  Sharded sharded;
  for (const char* name :
       {"../model-1.safetensors", "/etc/passwd", "a/../../b", "", "..", R"(model-1.safetensors\u0000x)"}) {
    sharded.index(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name));
    sharded.expect_refused({"index.json", "not a file name inside"});
  }
}

TEST(Checkpoint, RefusesAnIndexThatIsDamaged) {
  Sharded sharded;
  sharded.index("{");
  sharded.expect_refused({"index.json", "not JSON"});
  for (const char* text : {"7", "\"x\"", "null", "{}", R"({"weight_map":[]})", R"({"weight_map":7})",
                           R"({"a":{"weight_map":{"a":"model-1.safetensors"}}})", R"({"weight_map":{}})"}) {
    sharded.index(text);
    sharded.expect_refused({"index.json", "weight_map"});
  }
  sharded.index(R"({"weight_map":{"a":7}})");
  sharded.expect_refused({"index.json", "tensor a", "a number"});
  sharded.index(R"({"weight_map":{"a":{"b":"c"}}})");
  sharded.expect_refused({"index.json", "tensor a", "an object"});
  sharded.index(R"({"weight_map":{"a":"model-1.safetensors"},"weight_map":{}})");
  sharded.expect_refused({"index.json", "weight_map", "twice"});
  sharded.index("{\"metadata\":" + std::string(100'000, '['));
  sharded.expect_refused({"index.json", "nested"});
  sharded.index(std::string_view("{}\0", 3));
  sharded.expect_refused({"index.json", "NUL"});
  sharded.index(R"({"weight_map":{"a":"model-1.safetensors","a":"model-2.safetensors"}})");
  sharded.expect_refused({"index.json", "\"a\" stands twice"});
}

TEST(Checkpoint, RefusesAnIndexThatContradictsItsShards) {
  Sharded sharded;
  sharded.index(R"({"weight_map":{"a":"model-1.safetensors","b":"model-3.safetensors"}})");
  sharded.expect_refused({"model-3.safetensors", "not there"});
  sharded.index(R"({"weight_map":{"a":"model-2.safetensors","b":"model-1.safetensors"}})");
  sharded.expect_refused({"lists tensor a in model-2.safetensors"});
  sharded.index(R"({"weight_map":{"a":"model-1.safetensors","c":"model-2.safetensors"}})");
  sharded.expect_refused({"lists tensor c in model-2.safetensors"});
}

TEST(Checkpoint, RefusesATensorInTwoShards) {
  Sharded sharded;
  write_tensors(sharded.directory / "model-2.safetensors", {{"a", numbers(1)}, {"b", numbers(3)}});
  sharded.expect_refused({"model-2.safetensors", "tensor a", "model-1.safetensors too"});
}

TEST(Checkpoint, RefusesAMillionShardsAtOnce) {
  Sharded sharded;
  std::string text = R"({"weight_map":{)";
  for (int i = 0; i < 1'000'000; ++i) text += fmt::format(R"("t{}":"s{}",)", i, i);
  sharded.index(text + R"("z":"z"}})");
  sharded.expect_refused({"more than 100,000 shards"});
}

}  // namespace
}  // namespace octet
