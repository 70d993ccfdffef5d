#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/output.h"
#include "base/sha256.h"
#include "files/checkpoint.h"
#include "train/initial_weights.h"
#include "train/setup.h"
#include "train/text_classifier.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

using Documents = std::vector<Document>;

constexpr int64_t kMostTokens = int64_t{1} << 24;

Documents read_all(const std::vector<fs::path>& files, const DataOptions& options) {
  Documents all;
  for (const fs::path& file : files) {
    auto documents = read_documents(file, options);
    all.insert(all.end(), std::make_move_iterator(documents.begin()), std::make_move_iterator(documents.end()));
  }
  return all;
}

std::string word_level(std::span<const std::string_view> texts, const TrainConfig& c, Threads& threads) {
  try {
    return train_word_level(texts, c.vocabulary, threads);
  } catch (const Error& e) {
    fail("{}: data: {}", c.recipe.string(), e.what());
  }
}

/// A vocabulary of the training texts, with their cleaning, beside the run.
fs::path make_vocabulary(const TrainConfig& c, const Documents& documents, Threads& threads) {
  std::vector<std::string_view> texts;
  for (const Document& document : documents) texts.push_back(document.text);
  const fs::path directory = c.output / "tokenizer";
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) fail("{}: cannot be made: {}", directory.string(), error.message());
  write_file_atomically(directory / "tokenizer.json", word_level(texts, c, threads));
  return directory;
}

void refuse_what_only_language_models_have(const TrainConfig& c, const Precision& precision) {
  const std::string where = c.recipe.string();
  if (!c.language_model_fields.empty())
    fail("{}: data: {} is a field of language models; this model is a classifier", where, c.language_model_fields[0]);
  if (!c.teacher.empty()) fail("{}: distillation is for language models; this model is a classifier", where);
  if (c.recompute) fail("{}: recompute is for language models; this model is a classifier", where);
  if (precision.scheme)
    fail("{}: precision {}: compressed classifiers cannot be served; take a precision without qat:", where,
         c.precision);
}

/// The recipe's keys, or the config.json of the model to go on with.
Json given_config(const TrainConfig& c) {
  return c.from.empty() ? parse_json(c.model, c.recipe.string() + ": model") : read_json(c.from / "config.json");
}

/// How the documents are read: as the recipe says, or where it does not, as the model has classes.
DataOptions data_of(const TrainConfig& c, Json given) {
  if (!given.contains("vocab_size")) given["vocab_size"] = kMostTokens;  // not known before the data is read
  if (c.data.classes == 0) return labelled_data(read_classifier_config(given, c.recipe.string() + ": model"), c.data);
  DataOptions options = c.data;
  options.labels = true;
  return options;
}

/// config.json: the recipe's keys or that of the model to go on with, completed by what data and tokenizer say.
Json model_config(const ClassifierKind& kind, const TrainConfig& c, const Tokenizer& tokenizer) {
  Json json = given_config(c);
  json.erase("architecture");
  json["architectures"] = {kind.architecture};
  json["model_type"] = kind.model_type;
  if (!json.contains("vocab_size")) json["vocab_size"] = tokenizer.vocabulary_size();
  if (!json.contains("max_position_embeddings")) json["max_position_embeddings"] = c.padding.max_length;
  if (!json.contains("pad_token_id")) json["pad_token_id"] = tokenizer.id_of("[PAD]").value_or(0);
  if (c.padding.padding_side == Side::left) json["padding_side"] = "left";
  if (c.data.classes == 0) return json;
  json.erase("num_labels");  // Transformers counts id2label
  json["id2label"] = json["label2id"] = Json::object();
  for (int64_t i = 0; i < c.data.classes; ++i) {
    const auto& names = c.data.label_names;
    const std::string name = names.empty() ? fmt::format("LABEL_{}", i) : names[static_cast<size_t>(i)];
    json["id2label"][std::to_string(i)] = name;
    json["label2id"][name] = i;
  }
  return json;
}

void check_model(const ClassifierKind& kind, const ClassifierConfig& model, const TrainConfig& c,
                 const Tokenizer& tokenizer) {
  if (tokenizer.vocabulary_size() > model.vocabulary) {
    fail("{}: the tokenizer has {} tokens and the model only {}", c.recipe.string(), tokenizer.vocabulary_size(),
         model.vocabulary);
  }
  if (c.padding.max_length > model.max_positions) {
    fail("{}: data.max_length {} is longer than the model's {} positions", c.recipe.string(), c.padding.max_length,
         model.max_positions);
  }
  if (c.padding.padding_side == Side::left && kind.encoder) {
    fail("{}: padding_side left is for LSTM classifiers; {} takes documents as they are", c.recipe.string(),
         kind.architecture);
  }
}

/// The numbers of a model to go on with. What it does not have of a classifier, because it was trained for something
/// else, begins anew.
TrainableParts parts_to_go_on_with(const TrainConfig& c) {
  const auto checkpoint = std::make_shared<Checkpoint>(Checkpoint::open(c.from));
  TrainableParts stored = parts_from(c.from), fresh = new_parts(c.seed, 0.02, 1), parts;
  parts.values = [=](const std::string& name, const Shape& shape) {
    constexpr std::string_view kModel = "bert.";
    if (checkpoint->has(name)) return stored.values(name, shape);
    if (name.starts_with(kModel) && checkpoint->has(name.substr(kModel.size())))
      return stored.values(name.substr(kModel.size()), shape);
    const bool is_new = name.starts_with(kClassifierHead) || name.find("pooler") != name.npos;
    return is_new ? fresh.values(name, shape) : stored.values(name, shape);
  };
  return parts;
}

void hash_examples(const LabelledExamples& examples, Sha256& hash) {
  hash.update(std::as_bytes(examples.all_ids()));
  hash.update(std::as_bytes(examples.labels()));
}

/// Of the largest batch that the first time through the data has.
int64_t most_tokens(const TrainConfig& c, const Examples& examples) {
  ExampleOrder order(examples.size(), c.seed, c.shuffle);
  int64_t most = 0;
  for (int64_t begin = 0; begin < examples.size(); begin += c.batch_size) {
    std::vector<int64_t> numbers;
    for (int64_t i = begin; i < begin + c.batch_size; ++i) numbers.push_back(order.at(i));
    most = std::max(most, examples.batch(numbers).tokens());
  }
  return most;
}

}  // namespace

Setup set_up_classifier(const ClassifierKind& kind, const TrainConfig& c, const Precision& precision,
                        Threads& threads) {
  refuse_what_only_language_models_have(c, precision);
  const DataOptions data = data_of(c, given_config(c));
  const Documents documents = read_all(c.train, data);
  Setup setup;
  setup.tokenizer = c.tokenizer.empty() ? make_vocabulary(c, documents, threads) : c.tokenizer;
  const Tokenizer tokenizer = Tokenizer::load(setup.tokenizer);
  if (!c.from.empty()) check_tokens(tokenizer, c.from, c);
  const Json json = model_config(kind, c, tokenizer);
  const std::string where = c.from.empty() ? c.recipe.string() + ": model" : (c.from / "config.json").string();
  const ClassifierConfig model = read_classifier_config(json, where);
  check_model(kind, model, c, tokenizer);
  if (model.classes != data.classes)
    fail("{}: the model has {} classes and the data {}", c.recipe.string(), model.classes, data.classes);

  PaddingOptions padding = c.padding;
  padding.pad_id = model.pad;
  const auto examples = [&](const Documents& from, const std::vector<fs::path>& files) {
    return std::make_unique<LabelledExamples>(tokenizer, from, padding, kind.encoder, printable(files[0].string()),
                                              threads);
  };
  Sha256 hash;
  auto train = examples(documents, c.train);
  hash_examples(*train, hash);
  setup.train = std::move(train);
  if (!c.validation.empty()) {
    auto validation = examples(read_all(c.validation, data), c.validation);
    hash_examples(*validation, hash);
    setup.validation = std::move(validation);
  }
  setup.data_hash = hash.hex();
  setup.config_json = json.dump();
  const auto shapes = classifier_shapes(json, where);
  setup.memory = estimate_memory(shapes, kind.activations(json, where, most_tokens(c, *setup.train)), c);
  TrainableParts parts = c.from.empty() ? new_classifier_parts(kind, c.seed, json, where) : parts_to_go_on_with(c);
  parts.recipe = linear_recipes(c, precision, kClassifierHead);
  setup.learner = [=](Tape& tape) {
    return std::make_unique<TextClassifier>(make_classifier(json, where, tape, parts));
  };
  return setup;
}

}  // namespace octet::train
