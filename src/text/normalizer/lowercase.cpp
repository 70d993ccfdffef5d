#include "text/normalizer/characters.h"

namespace octet {

std::unique_ptr<Normalizer> make_lowercase(const StepJson&) {
  return per_character([](std::string& out, char32_t c) { append_lower_case(out, c); });
}

}  // namespace octet
