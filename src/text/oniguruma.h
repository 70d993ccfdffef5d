#pragma once
#include <string>
#include <string_view>

namespace octet {

/// An expression in Oniguruma's syntax (that of the tokenizers library) as PCRE2 with UTF, UCP and MULTILINE reads it:
/// \s \w \b by Oniguruma's tables, \h a hexadecimal digit, \u and braces, {n,m}+ not possessive, nested classes and &&.
/// Throws Error naming `where` for what has no counterpart.
std::string oniguruma_to_pcre2(std::string_view expression, const std::string& where);

}  // namespace octet
