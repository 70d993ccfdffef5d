#include "base/json.h"

#include <gtest/gtest.h>

#include "base/errors_for_tests.h"

namespace octet {
namespace {

TEST(ParseJson, ReadsWhatNlohmannReads) {
  const std::string text =
      R"( {"a": [1, -2, 3.5, 1e3, true, null, "\u00e9\n"], "b": {"c": {}, "d": [[]]}, "e": 18446744073709551615} )";
  EXPECT_EQ(parse_json(text, "x"), Json::parse(text));
  for (const char* scalar : {"1", "\"a\"", "null", "[]", "{}"}) EXPECT_EQ(parse_json(scalar, "x"), Json::parse(scalar));
}

TEST(ParseJson, RefusesAKeyThatStandsTwice) {
  expect_error([] { parse_json(R"({"a": 1, "b": {"a": 2}, "a": 3})", "some.json"); },
               {"some.json", "\"a\" stands twice"});
  expect_error([] { parse_json(R"([{"x\u001b": 1, "x\u001b": 1}])", "some.json"); }, {"x\\x1b"});
  EXPECT_NO_THROW(parse_json(R"([{"a": 1}, {"a": 2}])", "some.json"));
}

TEST(ParseJson, CountsLinesOnlyWhereThereAreSome) {
  expect_error([] { parse_json(R"({"a": )", "some.jsonl:7"); }, {"some.jsonl:7", "parse error at column"});
  expect_error([] { parse_json("{\n\"a\": ", "some.json"); }, {"some.json", "parse error at line 2, column"});
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  const std::initializer_list<std::string_view> texts = {"",    "{",    "[1,]",        "{\"a\":}", "01",
                                                         "1 2", "{} x", "\"\\ud800\"", "\"\xff\"", "1e309",
                                                         "nul", "'a'",  "[1}",         "\"a\x01\""};
  for (const auto text : texts) expect_error([&] { parse_json(text, "some.json"); }, {"some.json", "is not JSON"});
  expect_error([] { parse_json(std::string_view("{}\0{}", 5), "some.json"); }, {"NUL"});
}

TEST(ParseJson, RefusesDeepNestingWithoutUsingTheStack) {
  expect_error([] { parse_json(std::string(1'000'000, '['), "some.json"); }, {"deeper than 512"});
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  expect_error([&] { parse_json(objects, "some.json"); }, {"deeper than 512"});
  EXPECT_NO_THROW(parse_json(std::string(512, '[') + std::string(512, ']'), "some.json"));
}

TEST(ParseJson, ReadsAHundredThousandKeysQuickly) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += fmt::format("\"model.layers.{}.weight\": [1, 2], ", i);
  expect_error([&] { parse_json(text + "\"model.layers.7.weight\": 0}", "some.json"); }, {"model.layers.7.weight"});
}

TEST(JsonValue, ChecksTypeAndRange) {
  const Json object =
      parse_json(R"({"i": 3000000000, "f": 2.5, "s": "x", "b": true, "n": null, "l": ["\u001b"]})", "x");
  EXPECT_EQ(json_value<int64_t>(object, "i", 0, "x"), 3000000000);
  EXPECT_EQ(json_value<int>(object, "absent", 7, "x"), 7);
  EXPECT_EQ(json_value<int>(object, "n", 7, "x"), 7);
  EXPECT_EQ(json_value<double>(object, "f", 0, "x"), 2.5);
  expect_error([&] { json_value<int>(object, "i", 0, "c.json"); },
               {"c.json", "i is 3000000000", "between -2147483648 and 2147483647"});
  expect_error([&] { json_value<int>(object, "f", 0, "c.json"); }, {"c.json", "f is 2.5; it must be a whole number"});
  expect_error([&] { json_value<bool>(object, "s", false, "c.json"); }, {"s is \"x\"; it must be true or false"});
  expect_error([&] { json_value<std::string>(object, "l", "", "c.json"); }, {"l is [\"\\u001b\"]; it must be text"});
  expect_error([&] { json_value<double>(object, "s", 0, "c.json"); }, {"s is \"x\"; it must be a number"});
}

}  // namespace
}  // namespace octet
