#include "text/post_processor/list.h"

namespace octet {
namespace {

/// [CLS] text [SEP]; RoBERTa's <s> text </s> differs in pairs only.
struct Enclose : PostProcessor {
  int32_t before, after;

  std::vector<int32_t> apply(std::vector<int32_t> ids) const override {
    ids.insert(ids.begin(), before);
    ids.push_back(after);
    return ids;
  }
};

// ["[CLS]", 101]
int32_t pair_id(const StepJson& json, const char* key) {
  const Json& pair = json.at(key);
  if (!pair.is_array() || pair.size() != 2) fail("{}: {} is not a token and its id", json.where, key);
  return processor_id(pair[1], fmt::format("{}.{}", json.where, key));
}

std::unique_ptr<PostProcessor> enclose(const StepJson& json) {
  auto step = std::make_unique<Enclose>();
  step->before = pair_id(json, "cls");
  step->after = pair_id(json, "sep");
  return step;
}

}  // namespace

std::unique_ptr<PostProcessor> make_bert_processing(const StepJson& json) {
  return enclose(json);
}
std::unique_ptr<PostProcessor> make_roberta_processing(const StepJson& json) {
  return enclose(json);
}

}  // namespace octet
