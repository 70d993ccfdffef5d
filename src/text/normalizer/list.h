#pragma once
#include <memory>

#include "text/normalizer.h"
#include "text/step_json.h"

namespace octet {

std::unique_ptr<Normalizer> make_bert_normalizer(const StepJson& json);
std::unique_ptr<Normalizer> make_byte_level_normalizer(const StepJson& json);
std::unique_ptr<Normalizer> make_lowercase(const StepJson& json);
std::unique_ptr<Normalizer> make_nfc(const StepJson& json);
std::unique_ptr<Normalizer> make_nfd(const StepJson& json);
std::unique_ptr<Normalizer> make_nfkc(const StepJson& json);
std::unique_ptr<Normalizer> make_nfkd(const StepJson& json);
std::unique_ptr<Normalizer> make_nmt(const StepJson& json);
std::unique_ptr<Normalizer> make_precompiled(const StepJson& json);
std::unique_ptr<Normalizer> make_prepend(const StepJson& json);
std::unique_ptr<Normalizer> make_replace_normalizer(const StepJson& json);
std::unique_ptr<Normalizer> make_normalizer_sequence(const StepJson& json);
std::unique_ptr<Normalizer> make_strip_normalizer(const StepJson& json);
std::unique_ptr<Normalizer> make_strip_accents(const StepJson& json);

}  // namespace octet
