#include "base/yaml.h"

#include <gtest/gtest.h>

#include "base/errors_for_tests.h"
#include "base/json.h"

namespace octet {
namespace {

TEST(Yaml, BecomesJson) {
  const Json json = parse_yaml("a: 1\nb: [1.5, -2e-3, true, null, word, '7']\nc: {d: ~}\ne: 0.1\nf: 1.2.3\n", "x");
  EXPECT_EQ(json,
            parse_json(R"({"a":1,"b":[1.5,-2e-3,true,null,"word","7"],"c":{"d":null},"e":0.1,"f":"1.2.3"})", "y"));
}

TEST(Yaml, RefusesWhatIsBroken) {
  for (const char* text : {"a: [1", "a: 1\na: 2", "[1, 2]: 3", "a: *b", "\t- x: y"}) {
    EXPECT_THROW(parse_yaml(text, "x"), Error) << text;
  }
  EXPECT_THROW(parse_yaml(std::string(5000, '['), "x"), Error);
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 8; ++i) {
    laughs += fmt::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 10; ++j) laughs += fmt::format("*a{}, ", i - 1);
    laughs += "x]\n";
  }
  EXPECT_THROW(parse_yaml(laughs, "x"), Error);
}

TEST(Yaml, RepeatsWhatHasAName) {
  EXPECT_EQ(parse_yaml("a: &x [1, {b: &y 2}]\nc: *x\n&z d: *y\ne: *z\n", "x"),
            parse_json(R"({"a": [1, {"b": 2}], "c": [1, {"b": 2}], "d": 2, "e": "d"})", "y"));
  expect_error([] { parse_yaml("a: &x\n- *x\n", "recipe.yaml"); }, {"recipe.yaml: line 2", "within what it repeats"});
  std::string names = "a: [&x []";
  for (int i = 0; i < 200'000; ++i) names += ", *x";
  EXPECT_THROW(parse_yaml(names + "]\n", "x"), Error);
  EXPECT_THROW(parse_yaml("a: &x " + std::string(1'000'000, 'w') + "\nb: [*x, *x, *x, *x, *x, *x, *x, *x, *x]\n", "x"),
               Error);
}

// Of this text the parser makes documents until memory ends.
TEST(Yaml, EndsWhereTheParserDoesNot) {
  expect_error([] { parse_yaml(",: &kv &kvh\n! (h\n", "recipe.yaml"); }, {"recipe.yaml: ", "document"});
}

TEST(Yaml, IsOneDocument) {
  EXPECT_EQ(parse_yaml("--- # of a run\na: 1\n...\n", "x"), parse_json(R"({"a": 1})", "y"));
  EXPECT_EQ(parse_yaml("", "x"), Json(nullptr));
  expect_error([] { parse_yaml("a: 1\n---\na: 2\n", "recipe.yaml"); }, {"recipe.yaml", "second document", "---"});
}

TEST(Yaml, NamesFileAndLine) {
  try {
    parse_yaml("a: 1\nb: [\n", "recipe.yaml");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).rfind("recipe.yaml: line ", 0), 0u) << e.what();
  }
}

}  // namespace
}  // namespace octet
