#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "text/tokenizer.h"

namespace octet::cli {
namespace {

struct Options {
  std::string model, text, file;
  bool has_text = false, ids = false, no_special_tokens = false;
};

/// "1 2 3", "1,2,3" or "[1, 2, 3]".
std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    if (std::strchr(" \t\r\n,[]", *at)) {
      ++at;
      continue;
    }
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0) {
      const auto rest = std::string_view(at, static_cast<size_t>(end - at));
      fail("token {} of --ids is {}, which is no id; ids are whole numbers, 0 or more", ids.size() + 1,
           printable(rest, 20));
    }
    ids.push_back(id);
    at = next;
  }
  return ids;
}

void print_encoding(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool with_tokens) {
  print(fmt::format("{}\n", fmt::join(ids, " ")));
  if (!with_tokens) return;
  std::vector<std::string> tokens;
  for (const int32_t id : ids) tokens.push_back(printable(tokenizer.token_of(id)));
  print(fmt::format("{}\n", fmt::join(tokens, " ")));
}

int tokenize(const Options& options, const Common& common) {
  if (options.has_text == !options.file.empty())
    throw UsageError("give the text as --text T or --file F, one of the two");
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  std::string text = options.has_text ? options.text : read_text(options.file);
  std::vector<int32_t> ids;
  if (options.ids) ids = parse_ids(text);
  for (const int32_t id : ids) (void)tokenizer.token_of(id);  // refuses one that is not in the vocabulary

  const auto start = std::chrono::steady_clock::now();
  if (options.ids) {
    text = tokenizer.decode(ids, options.no_special_tokens);
  } else {
    ids = tokenizer.encode(text, !options.no_special_tokens);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  if (common.json) {
    print_json({{"ids", ids},
                {"text", text},
                {"tokens", ids.size()},
                {"seconds", seconds},
                {"bytes_per_second", seconds > 0 ? static_cast<double>(text.size()) / seconds : 0.0}});
  } else if (options.ids) {
    print_text(text + "\n");
  } else {
    print_encoding(tokenizer, ids, options.has_text);
  }
  return 0;
}

}  // namespace

Run add_tokenize(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "a model's directory, or its tokenizer.json")->required();
  auto* text =
      app.add_option("--text", options->text, "the text; its tokens are printed below the ids")->type_name("T");
  app.add_option("--file", options->file, "a file of text, - for standard input")->type_name("FILE");
  app.add_flag("--ids", options->ids, "the input is ids, such as 1 2 3 or [1,2,3]: print their text");
  app.add_flag("--no-special-tokens", options->no_special_tokens,
               "add no special tokens; with --ids, leave them out of the text");
  return [options, text](const Common& common) {
    options->has_text = text->count() > 0;
    return tokenize(*options, common);
  };
}

}  // namespace octet::cli
