#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/mapped_file.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "text/train_bpe.h"

namespace octet::cli {
namespace {

struct Options {
  std::vector<std::string> texts;
  std::string output;
  BpeOptions bpe;
  bool force = false;
};

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

// Before the work, so that nobody waits for a vocabulary that cannot be written.
void check_output(const Options& options) {
  const std::filesystem::path directory = options.output;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    if (!options.force && std::filesystem::exists(directory / name)) {
      fail("{}: is there already; --force replaces it, -o names another directory",
           printable((directory / name).string()));
    }
  }
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) fail("{}: cannot be made: {}", printable(options.output), error.message());
}

// Under two progress bars, one after the other.
TrainedBpe train_shown(std::span<const std::string_view> texts, size_t bytes, const BpeOptions& options,
                       Threads& threads) {
  std::optional<Progress> counting, joining;
  counting.emplace("counting words", bytes, "B");
  BpeProgress progress;
  progress.counted = [&](size_t more) { counting->advance(more); };
  progress.joined = [&] {
    if (!joining) {
      counting.reset();
      joining.emplace("joining pairs", static_cast<uint64_t>(options.vocabulary_size) - 256, "tokens");
    }
    joining->advance();
  };
  return train_bpe(texts, options, threads, progress);
}

int train_tokenizer(const Options& options, const Common& common) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<MappedFile>> files;
  std::vector<std::string_view> texts;
  size_t bytes = 0;
  for (const std::string& text : options.texts) {
    files.push_back(std::make_unique<MappedFile>(text));
    texts.push_back(text_of(*files.back()));
    bytes += texts.back().size();
  }
  check_output(options);

  Threads threads(common.threads);
  const TrainedBpe bpe = train_shown(texts, bytes, options.bpe, threads);
  const std::filesystem::path directory = options.output;
  write_file_atomically(directory / "tokenizer.json", tokenizer_json(bpe));
  write_file_atomically(directory / "tokenizer_config.json", tokenizer_config_json(bpe));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const auto size = static_cast<int64_t>(bpe.tokens.size());
  if (size < options.bpe.vocabulary_size) {
    print_notice(fmt::format("warning: the vocabulary has {} tokens, not {}: no other pair occurs {} times", size,
                             options.bpe.vocabulary_size, std::max<int64_t>(1, options.bpe.min_frequency)));
  }
  if (common.json) {
    print_json({{"vocab_size", size}, {"seconds", seconds}, {"merges", bpe.merges.size()}, {"bytes", bytes}});
  } else {
    print(fmt::format("{}: {} tokens from {} of text in {}\n", printable(options.output),
                      with_commas(static_cast<uint64_t>(size)), human_bytes(static_cast<double>(bytes)),
                      human_seconds(seconds)));
  }
  return 0;
}

}  // namespace

Run add_train_tokenizer(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  app.add_option("TEXT", o.texts, "files of text, each one document")->required();
  app.add_option("--vocab-size", o.bpe.vocabulary_size, "tokens, special ones and the 256 bytes among them")
      ->type_name("N")
      ->required()
      ->check(CLI::Range(int64_t{256}, int64_t{1} << 24));
  app.add_option("-o,--output", o.output, "the directory for tokenizer.json and tokenizer_config.json")
      ->type_name("DIR")
      ->required();
  app.add_option("--min-frequency", o.bpe.min_frequency, "pairs that occur less often are not joined")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, INT64_MAX))
      ->capture_default_str();
  app.add_option("--special-tokens", o.bpe.special_tokens, "the first tokens, never cut, found in no word")
      ->type_name("T")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--pattern", o.bpe.pattern, "a regular expression that cuts text into words (default: GPT-2's)")
      ->type_name("REGEX");
  app.add_flag("--force", o.force, "replace the files if they are there");
  return [options](const Common& common) { return train_tokenizer(*options, common); };
}

}  // namespace octet::cli
