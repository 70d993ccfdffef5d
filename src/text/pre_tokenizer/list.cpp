#include "text/pre_tokenizer/list.h"

#include "text/step_list.h"

namespace octet {
namespace {

constexpr StepRow<PreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", make_bert_pre_tokenizer},
    {"ByteLevel", make_byte_level_pre_tokenizer},
    {"CharDelimiterSplit", make_char_delimiter_split},
    {"Digits", make_digits},
    {"Metaspace", make_metaspace_pre_tokenizer},
    {"Punctuation", make_punctuation},
    {"Sequence", make_pre_tokenizer_sequence},
    {"Split", make_split},
    {"Whitespace", make_whitespace},
    {"WhitespaceSplit", make_whitespace_split},
};

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const StepJson& json) {
  return make_step(kPreTokenizers, json);
}

}  // namespace octet
