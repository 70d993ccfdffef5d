#pragma once
#include <memory>

#include "text/pre_tokenizer.h"
#include "text/step_json.h"

namespace octet {

std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer(const StepJson& json);
std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(const StepJson& json);
std::unique_ptr<PreTokenizer> make_char_delimiter_split(const StepJson& json);
std::unique_ptr<PreTokenizer> make_digits(const StepJson& json);
std::unique_ptr<PreTokenizer> make_metaspace_pre_tokenizer(const StepJson& json);
std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(const StepJson& json);
std::unique_ptr<PreTokenizer> make_punctuation(const StepJson& json);
std::unique_ptr<PreTokenizer> make_split(const StepJson& json);
std::unique_ptr<PreTokenizer> make_whitespace(const StepJson& json);
std::unique_ptr<PreTokenizer> make_whitespace_split(const StepJson& json);

}  // namespace octet
