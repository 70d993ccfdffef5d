#pragma once
#include <span>
#include <string_view>

namespace octet {

/// Words that carry grammar and little else, in lower case: articles, pronouns, prepositions, auxiliaries and what a
/// tokenizer leaves of contractions ('s, 'll). Negations and degrees (not, never, too) are not among them: they turn
/// what is said around.
std::span<const std::string_view> english_stop_words();

/// The same for Chinese: particles, pronouns, prepositions, conjunctions, measure words, both simple and traditional
/// where they differ.
std::span<const std::string_view> chinese_stop_words();

}  // namespace octet
