#pragma once
#include <string>

#include "base/json_fwd.h"
#include "models/classifier.h"

namespace octet::train {

/// The keys of a recipe's new model: of a classifier, or with `kind` nullptr of a language model. Throws Error naming
/// `where` and the first key that nothing reads, with the one that was perhaps meant, or a dropout, which Octet has
/// not.
void check_model_keys(const Json& model, const ClassifierKind* kind, const std::string& where);

/// Throws Error where a token id of a new model (bos_token_id, eos_token_id, pad_token_id) is not below vocab_size.
void check_token_ids(const Json& model, const std::string& where);

}  // namespace octet::train
