#pragma once
#include <memory>

#include "text/model.h"
#include "text/step_json.h"

namespace octet {

std::unique_ptr<Model> make_bpe(const StepJson& json, RawTokenizer& raw);
std::unique_ptr<Model> make_unigram(const StepJson& json, RawTokenizer& raw);
std::unique_ptr<Model> make_word_level(const StepJson& json, RawTokenizer& raw);
std::unique_ptr<Model> make_word_piece(const StepJson& json, RawTokenizer& raw);

}  // namespace octet
