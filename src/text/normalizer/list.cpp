#include "text/normalizer/list.h"

#include "text/step_list.h"

namespace octet {
namespace {

constexpr StepRow<Normalizer> kNormalizers[] = {
    {"BertNormalizer", make_bert_normalizer},
    {"ByteLevel", make_byte_level_normalizer},
    {"Lowercase", make_lowercase},
    {"NFC", make_nfc},
    {"NFD", make_nfd},
    {"NFKC", make_nfkc},
    {"NFKD", make_nfkd},
    {"Nmt", make_nmt},
    {"Precompiled", make_precompiled},
    {"Prepend", make_prepend},
    {"Replace", make_replace_normalizer},
    {"Sequence", make_normalizer_sequence},
    {"Strip", make_strip_normalizer},
    {"StripAccents", make_strip_accents},
};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const StepJson& json) {
  return make_step(kNormalizers, json);
}

}  // namespace octet
