#include "train/evaluate_classifier.h"

#include <chrono>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "ops/tape.h"
#include "train/initial_weights.h"
#include "train/text_classifier.h"

namespace octet::train {

namespace fs = std::filesystem;

ClassifierResult evaluate_classifier(const fs::path& directory, const fs::path& data, Threads& threads) {
  constexpr int64_t kAtOnce = 64;
  const std::string where = (directory / "config.json").string();
  const Json json = read_json(directory / "config.json");
  const ClassifierKind* kind = classifier_kind_of(json);
  if (!kind) fail("{}: it is not one of a classifier", where);
  Tape tape;
  tape.set_recording(false);
  Context ctx(threads);
  ctx.tape = &tape;
  TrainableParts parts = parts_from(directory);
  parts.recipe = [](const std::string&) { return LinearRecipe(); };
  auto classifier = make_classifier(json, where, tape, parts);
  const ClassifierConfig config = classifier->config;
  TextClassifier learner(std::move(classifier));

  const Tokenizer tokenizer = Tokenizer::load(directory);
  if (tokenizer.vocabulary_size() > config.vocabulary) {
    fail("{}: tokenizer.json has token ids up to {}, but the embedding has only {} rows", directory.string(),
         tokenizer.vocabulary_size() - 1, config.vocabulary);
  }
  const auto documents = read_documents(data, labelled_data(config));
  const LabelledExamples examples(tokenizer, documents, padding_of(json, config), kind->encoder,
                                  printable(data.string()), threads);
  ClassifierResult result;
  result.documents = examples.size();
  result.tokens = static_cast<int64_t>(examples.all_ids().size());
  result.truncated = examples.truncated();
  result.without_tokens = examples.without_tokens();
  const auto start = std::chrono::steady_clock::now();
  for (int64_t begin = 0; begin < examples.size(); begin += kAtOnce) {
    std::vector<int64_t> numbers;
    for (int64_t i = begin; i < std::min(examples.size(), begin + kAtOnce); ++i) numbers.push_back(i);
    const Score score = learner.score(ctx, examples.batch(numbers));
    result.loss += score.loss * static_cast<double>(numbers.size());
    result.accuracy += static_cast<double>(score.correct);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.loss /= static_cast<double>(examples.size());
  result.accuracy /= static_cast<double>(examples.size());
  return result;
}

}  // namespace octet::train
