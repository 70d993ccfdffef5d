#pragma once
#include <string>
#include <string_view>

#include "base/json_fwd.h"

namespace octet {

/// Parses one YAML document (1.2's core schema: plain scalars become null, true or false, integers or numbers, quoted
/// ones stay text). Throws Error naming `where` and the line; a second document, keys twice, keys that are no text, and
/// documents that unfold into more than 100,000 nodes (of 100 bytes each, where they are long) are refused.
Json parse_yaml(std::string_view text, const std::string& where);

}  // namespace octet
