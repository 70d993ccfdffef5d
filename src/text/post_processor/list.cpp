#include "text/post_processor/list.h"

#include "text/step_list.h"

namespace octet {
namespace {

constexpr StepRow<PostProcessor> kPostProcessors[] = {
    {"BertProcessing", make_bert_processing},         {"ByteLevel", make_byte_level_processing},
    {"RobertaProcessing", make_roberta_processing},   {"Sequence", make_post_processor_sequence},
    {"TemplateProcessing", make_template_processing},
};

}  // namespace

std::unique_ptr<PostProcessor> make_post_processor(const StepJson& json) {
  return make_step(kPostProcessors, json);
}

std::unique_ptr<PostProcessor> make_post_processor(const StepJson& json, int64_t ids) {
  auto made = make_post_processor(json);
  for (const int32_t id : made->apply({})) {
    if (id >= ids) fail("{}: adds the id {}, which is not in the vocabulary of {} ids", json.where, id, ids);
  }
  return made;
}

int32_t processor_id(const Json& id, const std::string& where) {
  if (!id.is_number_integer() || (id.is_number_unsigned() && id.get<uint64_t>() > INT32_MAX) || id.get<int64_t>() < 0 ||
      id.get<int64_t>() > INT32_MAX) {
    fail("{}: {} is not a token id", where, id.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 60));
  }
  return id.get<int32_t>();
}

}  // namespace octet
