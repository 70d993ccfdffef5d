#include <gtest/gtest.h>

#include "base/json.h"
#include "text/tokenizer.h"

namespace octet {
namespace {

using Ids = std::vector<int32_t>;

std::string streamed(const Tokenizer& tokenizer, const Ids& ids, bool skip) {
  StreamDecoder stream(tokenizer, skip);
  std::string text;
  for (const int32_t id : ids) text += stream.next(id);
  return text + stream.finish();
}

void expect_goldens(const std::string& group) {
  const Json goldens = read_json(std::filesystem::path(OCTET_GOLDEN_DIR) / "text" / (group + ".json"));
  for (const Json& golden : goldens) {
    const auto name = golden.at("name").get<std::string>();
    const Tokenizer tokenizer = Tokenizer::parse(golden.at("tokenizer").dump(), name);
    for (const Json& c : golden.at("cases")) {
      const auto special = c.at("special").get<Ids>();
      const std::string what = name + ": " + c.dump();
      if (c.contains("text")) {
        const auto text = c.at("text").get<std::string>();
        EXPECT_EQ(tokenizer.encode(text), c.at("ids").get<Ids>()) << what;
        EXPECT_EQ(tokenizer.encode(text, true), special) << what;
      }
      EXPECT_EQ(tokenizer.decode(special, false), c.at("decoded").get<std::string>()) << what;
      EXPECT_EQ(tokenizer.decode(special, true), c.at("skipped").get<std::string>()) << what;
      EXPECT_EQ(streamed(tokenizer, special, false), c.at("decoded").get<std::string>()) << what;
    }
  }
}

TEST(TextGoldens, NormalizersAgreeWithTheLibrary) {
  expect_goldens("normalizers");
}
TEST(TextGoldens, PreTokenizersAgreeWithTheLibrary) {
  expect_goldens("pre_tokenizers");
}
TEST(TextGoldens, ModelsAgreeWithTheLibrary) {
  expect_goldens("models");
}
TEST(TextGoldens, AddedTokensAgreeWithTheLibrary) {
  expect_goldens("added_tokens");
}
TEST(TextGoldens, DecodersAgreeWithTheLibrary) {
  expect_goldens("decoders");
}

}  // namespace
}  // namespace octet
