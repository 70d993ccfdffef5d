#include "train/config.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "base/yaml.h"
#include "compress/pipeline.h"
#include "train/recipe/recipe.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultEndOfText = "<|endoftext|>";  // train-tokenizer gives every tokenizer one

/// One object of the recipe. Every key that is read is remembered; finish() refuses the others.
class Section {
 public:
  Section(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail("{}: it must be keys and values", where_);
  }

  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }

  template <typename T>
  T value(const char* key, const T& fallback) {
    know(key);
    return json_value<T>(json_, key, fallback, where_);
  }
  template <typename T>
  T required(const char* key) {
    if (!has(key)) fail("{}: {} is missing", where_, key);
    return value<T>(key, T());
  }
  int64_t count(const char* key, int64_t fallback, int64_t least, int64_t most = int64_t{1} << 40) {
    const auto n = value<int64_t>(key, fallback);
    if (n < least || n > most) fail("{}: {} is {}; it must be between {} and {}", where_, key, n, least, most);
    return n;
  }
  double number(const char* key, double fallback, double least, double most) {
    const auto x = value<double>(key, fallback);
    if (!(x >= least && x <= most)) fail("{}: {} is {}; it must be between {} and {}", where_, key, x, least, most);
    return x;
  }
  Section section(const char* key) {
    know(key);
    static const Json kEmpty = Json::object();
    return {has(key) ? json_[key] : kEmpty, where_ + ": " + key};
  }
  /// One or several.
  Json items(const char* key) {
    know(key);
    if (!has(key)) return Json::array();
    return json_[key].is_array() ? json_[key] : Json::array({json_[key]});
  }
  std::vector<std::string> list(const char* key) {
    std::vector<std::string> result;
    for (const Json& item : items(key)) {
      if (!item.is_string()) fail("{}: {} must be text, not {}", where_, key, json_text(item));
      result.push_back(item.get<std::string>());
    }
    return result;
  }
  std::string json_of(const char* key) {
    know(key);
    if (!json_[key].is_object()) fail("{}: {} must be keys of config.json", where_, key);
    return json_[key].dump();
  }
  void finish() const {
    for (const auto& [key, value] : json_.items()) {
      if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
      std::string names;
      for (const std::string& name : known_) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
      fail("{}: there is no field {}; the fields are {}", where_, json_text(key), names);
    }
  }
  const std::string& where() const { return where_; }

 private:
  void know(const char* key) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  }

  const Json& json_;
  std::string where_;
  std::vector<std::string> known_;
};

/// Runs what throws on a name or a number, and says where that stands.
template <typename Read>
auto named(const Section& section, const Read& read) {
  try {
    return read();
  } catch (const Error& e) {
    fail("{}: {}", section.where(), e.what());
  }
}

DType dtype_of(Section& section, const char* key, DType fallback) {
  const auto name = section.value<std::string>(key, fallback == DType::F32 ? "float32" : "bfloat16");
  if (name == "float32") return DType::F32;
  if (name == "bfloat16") return DType::BF16;
  fail("{}: {} is {}; it can be float32 or bfloat16", section.where(), key, json_text(name));
}

constexpr const char* kCleaningFields[] = {"lower_case",        "stop_words",       "more_stop_words",
                                           "strip_punctuation", "split_characters", "collapse_spaces",
                                           "vocabulary_size",   "min_frequency"};
constexpr const char* kLabelFields[] = {"label_field", "label_names",     "classes",     "max_length",
                                        "truncate",    "truncation_side", "padding_side"};

/// What is done to a text before it is cut into words, and which words are known.
void read_vocabulary(Section& data, TrainConfig& c) {
  CleaningOptions& cleaning = c.vocabulary.cleaning;
  cleaning.lower_case = data.value<bool>("lower_case", false);
  cleaning.stop_words = named(data, [&] { return stop_words_named(data.value<std::string>("stop_words", "none")); });
  cleaning.more_stop_words = data.list("more_stop_words");
  cleaning.strip_punctuation = data.value<bool>("strip_punctuation", false);
  cleaning.split_characters = data.value<bool>("split_characters", false);
  cleaning.collapse_spaces = data.value<bool>("collapse_spaces", false);
  c.vocabulary.vocabulary_size = data.count("vocabulary_size", c.vocabulary.vocabulary_size, 3, int64_t{1} << 24);
  c.vocabulary.min_frequency = data.count("min_frequency", 1, 1);
}

void read_labels(Section& data, TrainConfig& c) {
  c.data.label_field = data.value<std::string>("label_field", c.data.label_field);
  c.data.label_field_given = data.has("label_field");
  c.data.label_names = data.list("label_names");
  const auto names = static_cast<int64_t>(c.data.label_names.size());
  c.data.classes = data.count("classes", names, data.has("classes") ? 2 : 0, int64_t{1} << 20);
  if (names > 0 && c.data.classes != names) {
    fail("{}: classes is {} and label_names names {}; they contradict one another", data.where(), c.data.classes,
         names);
  }
  if (names == 1) fail("{}: label_names names one class; a classifier needs two", data.where());
  for (auto name = c.data.label_names.begin(); name != c.data.label_names.end(); ++name) {
    if (std::count(c.data.label_names.begin(), name, *name) > 0)
      fail("{}: label_names has {} twice; each class needs a name of its own", data.where(), json_text(*name));
  }
  PaddingOptions& p = c.padding;
  p.max_length = data.count("max_length", p.max_length, 1, int64_t{1} << 20);
  p.truncate = data.value<bool>("truncate", true);
  p.truncation_side = named(data, [&] { return side_named(data.value<std::string>("truncation_side", "right")); });
  p.padding_side = named(data, [&] { return side_named(data.value<std::string>("padding_side", "right")); });
}

void read_data(Section data, const fs::path& folder, TrainConfig& c) {
  for (const std::string& file : data.list("train")) c.train.push_back(folder / file);
  for (const std::string& file : data.list("validation")) c.validation.push_back(folder / file);
  if (c.train.empty()) fail("{}: train names no file", data.where());
  c.data.format = named(data, [&] { return data_format_named(data.value<std::string>("format", "auto")); });
  c.data.text_field = data.value<std::string>("text_field", c.data.text_field);
  c.data.text_field_given = data.has("text_field");
  c.sequence_length = data.count("sequence_length", c.sequence_length, 1, int64_t{1} << 20);
  c.end_of_text = data.value<std::string>("end_of_text", kDefaultEndOfText);
  c.end_of_text_is_default = !data.has("end_of_text");
  c.shuffle = data.value<bool>("shuffle", true);
  read_vocabulary(data, c);
  read_labels(data, c);
  data.finish();
  for (const char* key : kCleaningFields) {
    if (data.has(key) && !c.tokenizer.empty())
      fail("{}: {} is for a tokenizer that is made from the training texts, and the recipe names one", data.where(),
           key);
    if (data.has(key)) c.classifier_fields.push_back(key);
  }
  for (const char* key : kLabelFields) {
    if (data.has(key)) c.classifier_fields.push_back(key);
  }
  for (const char* key : {"sequence_length", "end_of_text"}) {
    if (data.has(key)) c.language_model_fields.push_back(key);
  }
}

/// What another optimizer is set with would be read and never used.
void check_fields(const Section& o, OptimizerKind kind) {
  const bool sgd = kind == OptimizerKind::sgd;
  const auto others = sgd ? std::vector{"beta1", "beta2", "epsilon"} : std::vector{"momentum", "dampening", "nesterov"};
  for (const char* key : others) {
    if (o.has(key)) fail("{}: {} is no field of {}", o.where(), key, name_of(kind));
  }
}

void read_optimizer(Section o, TrainConfig& c) {
  OptimizerOptions& options = c.optimizer;
  options.kind = named(o, [&] { return optimizer_named(o.value<std::string>("name", "adamw")); });
  options.state = named(o, [&] { return state_format_named(o.value<std::string>("state", "f32")); });
  c.learning_rate = o.number("learning_rate", c.learning_rate, 0, 1e6);
  c.weight_decay = o.number("weight_decay", options.kind == OptimizerKind::adamw ? 0.1 : 0.0, 0, 1e3);
  options.beta1 = o.value<double>("beta1", options.beta1);
  options.beta2 = o.value<double>("beta2", options.beta2);
  options.epsilon = o.value<double>("epsilon", options.epsilon);
  options.momentum = o.value<double>("momentum", options.momentum);
  options.dampening = o.value<double>("dampening", options.dampening);
  options.nesterov = o.value<bool>("nesterov", options.nesterov);
  c.clip = o.number("clip", c.clip, 0, 1e9);
  o.finish();
  check_fields(o, options.kind);
  named(o, [&] { check(options); });
}

void read_schedule(Section s, TrainConfig& c) {
  c.schedule.decay = named(s, [&] { return decay_named(s.value<std::string>("name", "cosine")); });
  if (s.has("warmup_steps") && s.has("warmup"))
    fail("{}: warmup and warmup_steps contradict one another; give one", s.where());
  c.schedule.warmup_steps = s.count("warmup_steps", 0, 0);
  if (const double warmup = s.number("warmup", 0, 0, 1); s.has("warmup")) c.warmup = warmup;
  c.schedule.floor = s.number("floor", 0, 0, 1);
  s.finish();
}

/// [[student's layer, teacher's layer], …], 1 is the first and 0 the embedding.
std::vector<std::array<int64_t, 2>> read_layer_pairs(Section& d) {
  std::vector<std::array<int64_t, 2>> pairs;
  for (const Json& pair : d.items("hidden_layers")) {
    const bool whole =
        pair.is_array() && pair.size() == 2 && pair[0].is_number_integer() && pair[1].is_number_integer();
    if (!whole) fail("{}: hidden_layers holds {}; it must be pairs such as [1, 2]", d.where(), json_text(pair));
    pairs.push_back({pair[0].get<int64_t>(), pair[1].get<int64_t>()});
  }
  return pairs;
}

void read_distillation(Section d, const fs::path& folder, TrainConfig& c) {
  c.teacher = folder / d.required<std::string>("teacher");
  c.distillation_weight = d.number("weight", c.distillation_weight, 0, 1);
  c.temperature = d.number("temperature", c.temperature, 1e-3, 1e3);
  c.hidden_weight = d.number("hidden_weight", 0, 0, 1e6);
  c.hidden_layers = read_layer_pairs(d);
  if (!c.hidden_layers.empty() && c.hidden_weight == 0) fail("{}: hidden_layers need a hidden_weight", d.where());
  d.finish();
}

void read_quantization(Section q, TrainConfig& c) {
  const Precision precision = precision_named(c.precision);
  if (!precision.scheme) fail("{}: it is for precisions qat:SCHEME; this one is {}", q.where(), c.precision);
  c.quantized_from_start = q.value<bool>("from_start", false);
  c.quantized_steps = q.count("steps", -1, q.has("steps") ? 0 : -1);
  c.algorithm = q.value<std::string>("algorithm", c.algorithm);
  named(q, [&] { return pipeline_named(c.algorithm, *precision.scheme).plain(); });
  c.quantized_rate = q.number("learning_rate", 0, 0, 1e6);
  for (const char* key : {"steps", "algorithm", "learning_rate"}) {
    if (c.quantized_from_start && q.has(key))
      fail("{}: {} is of what follows on training in float; from_start leaves that out", q.where(), key);
  }
  q.finish();
}

/// Exactly one of two fields must be there.
void check_one(const Section& r, const char* a, const char* b) {
  if (r.has(a) && r.has(b)) fail("{}: either {} or {} can be given, only one of them", r.where(), a, b);
  if (!r.has(a) && !r.has(b)) fail("{}: either {} or {} must be given", r.where(), a, b);
}

void read_model(Section& r, const fs::path& folder, TrainConfig& c) {
  check_one(r, "model", "from");  // a new model, or one to go on with
  if (r.has("from")) c.from = folder / r.value<std::string>("from", "");
  if (r.has("model")) c.model = r.json_of("model");
  r.value<std::string>("from", "");
  if (r.has("tokenizer")) c.tokenizer = folder / r.value<std::string>("tokenizer", "");
  r.value<std::string>("tokenizer", "");
  if (c.tokenizer.empty()) c.tokenizer = c.from;
}

// What does not decide a number of the run.
constexpr const char* kFree[] = {"output", "log_every", "checkpoint_every"};

std::string fingerprint_of(Json json, int64_t accumulate) {
  for (const char* key : kFree) json.erase(key);
  if (json.contains("accumulate") || accumulate > 1) json["accumulate"] = accumulate;
  return sha256_hex(json.dump());
}

}  // namespace

TrainConfig parse_train_config(std::string_view yaml, const fs::path& recipe, int processes) {
  const Json json = parse_yaml(yaml, recipe.string());
  const fs::path folder = recipe.parent_path();
  Section r(json, recipe.string());
  TrainConfig c;
  c.recipe = recipe;
  const auto output = r.required<std::string>("output");
  if (output.empty()) fail("{}: output is empty; it must name a directory", r.where());
  c.output = folder / output;
  read_model(r, folder, c);
  c.precision = r.value<std::string>("precision", c.precision);
  named(r, [&] { return precision_named(c.precision).recipe.name; });
  c.head = r.value<bool>("head", false);
  c.dtype = dtype_of(r, "dtype", c.precision == "fp32" ? DType::F32 : DType::BF16);
  c.seed = static_cast<uint64_t>(r.count("seed", 1, 0));
  read_data(r.section("data"), folder, c);
  c.batch_size = r.count("batch_size", c.batch_size, 1, int64_t{1} << 20);
  c.accumulate = r.count("accumulate", processes, 1, int64_t{1} << 20);
  if (c.accumulate % processes != 0) {
    fail("{}: accumulate is {}: {} processes cannot share so many micro-batches evenly; make it a multiple", r.where(),
         c.accumulate, processes);
  }
  c.reduce_dtype = dtype_of(r, "reduce_dtype", DType::F32);
  c.steps = r.count("steps", 0, r.has("steps") ? 1 : 0);
  c.epochs = r.number("epochs", 0, 0, 1e6);
  if (r.has("epochs") && c.epochs == 0) fail("{}: epochs is 0; it must be more than 0", r.where());
  read_optimizer(r.section("optimizer"), c);
  read_schedule(r.section("schedule"), c);
  if (r.has("distillation")) read_distillation(r.section("distillation"), folder, c);
  r.section("distillation");
  if (r.has("quantization")) read_quantization(r.section("quantization"), c);
  r.section("quantization");
  c.recompute = r.value<bool>("recompute", false);
  c.validate_every = r.count("validate_every", 0, 0);
  c.validation_tokens = r.count("validation_tokens", c.validation_tokens, 1);
  c.checkpoint_every = r.count("checkpoint_every", 0, 0);
  c.log_every = r.count("log_every", c.log_every, 1);
  c.patience = r.count("patience", 0, 0);
  if (c.patience > 0 && (c.validate_every == 0 || c.validation.empty())) {
    fail("{}: patience needs validate_every and data.validation", r.where());
  }
  if (c.validate_every > 0 && c.validation.empty())
    fail("{}: validate_every is {}, and data.validation names no file to validate on", r.where(), c.validate_every);
  r.finish();
  check_one(r, "steps", "epochs");
  if (c.steps > 0 && c.schedule.warmup_steps > c.steps) {
    fail("{}: schedule: warmup_steps is {}; the run has {} step{}", r.where(), c.schedule.warmup_steps, c.steps,
         c.steps == 1 ? "" : "s");
  }
  c.fingerprint = fingerprint_of(json, c.accumulate);
  return c;
}

TrainConfig read_train_config(const fs::path& recipe, int processes) {
  const MappedFile file(recipe);
  const auto bytes = file.bytes();
  if (bytes.size() > (size_t{1} << 20)) fail("{}: a recipe of more than 1 MB is none", recipe.string());
  return parse_train_config({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, recipe, processes);
}

}  // namespace octet::train
