#include "text/normalizer/characters.h"

namespace octet {

/// Drops all marks; accents must have been taken apart by NFD or NFKD before.
std::unique_ptr<Normalizer> make_strip_accents(const StepJson&) {
  return per_character([](std::string& out, char32_t c) {
    if (!is_mark(c)) append_utf8(out, c);
  });
}

}  // namespace octet
