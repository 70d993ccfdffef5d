#pragma once
#include <memory>

#include "text/post_processor.h"
#include "text/step_json.h"

namespace octet {

std::unique_ptr<PostProcessor> make_bert_processing(const StepJson& json);
std::unique_ptr<PostProcessor> make_byte_level_processing(const StepJson& json);
std::unique_ptr<PostProcessor> make_post_processor_sequence(const StepJson& json);
std::unique_ptr<PostProcessor> make_roberta_processing(const StepJson& json);
std::unique_ptr<PostProcessor> make_template_processing(const StepJson& json);

/// For the parts of a Sequence.
std::unique_ptr<PostProcessor> make_post_processor(const StepJson& json);

/// An id from the file, not negative.
int32_t processor_id(const Json& id, const std::string& where);

}  // namespace octet
