#pragma once
#include <cstddef>
#include <string_view>

#include "base/error.h"

namespace octet {

/// A text may grow in the steps of a tokenizer, not explode: a chain of replacements would fill any memory. Throws an
/// Error naming the step unless `after` bytes are few, or at most `times` the bytes `before` it.
inline void check_growth(std::string_view where, size_t before, size_t after, size_t times) {
  constexpr size_t kFew = size_t{16} << 20;
  if (after <= kFew || after / times <= before) return;
  fail("{}: makes {} bytes out of {}; a tokenizer's text may not grow that much", where, after, before);
}

}  // namespace octet
