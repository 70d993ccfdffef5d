#include "text/model/list.h"

#include "text/model.h"
#include "text/raw_tokenizer.h"

namespace octet {
namespace {

struct Row {
  const char* type;
  std::unique_ptr<Model> (*make)(const StepJson&, RawTokenizer&);
};
constexpr Row kModels[] = {
    {"BPE", make_bpe},
    {"Unigram", make_unigram},
    {"WordLevel", make_word_level},
    {"WordPiece", make_word_piece},
};

// Files from before the key "type" existed: told apart by what they hold.
std::string model_type(const StepJson& json, const RawTokenizer& raw) {
  if (json.has("type")) return json.type();
  if (!raw.merges.empty()) return "BPE";
  if (raw.vocabulary_has_scores) return "Unigram";
  return json.has("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

}  // namespace

std::unique_ptr<Model> make_model(RawTokenizer& raw) {
  const auto found = raw.rest.find("model");
  if (found == raw.rest.end() || !found->is_object()) fail("{}: the key model is missing", raw.where);
  const StepJson json{*found, fmt::format("{}: model", raw.where)};
  if (raw.vocabulary.empty()) fail("{}: model.vocab is missing or empty", raw.where);
  const std::string type = model_type(json, raw);
  for (const Row& row : kModels) {
    if (type == row.type) return row.make(json, raw);
  }
  fail("{}: the type {} is not supported; supported are BPE, Unigram, WordLevel, WordPiece", json.where,
       Json(type).dump());
}

}  // namespace octet
