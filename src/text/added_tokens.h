#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/normalizer.h"
#include "text/trie.h"
#include "text/vocabulary.h"

namespace octet {

struct StepJson;

/// The tokens that are found in the text itself before, or after, it is normalized.
class AddedTokens {
 public:
  struct Token {
    std::string content;
    std::string matched;  ///< what is looked for, and what decoding gives: the content, normalized if the token is
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
  };

  /// A stretch of text: a token, or (id < 0) what lies between.
  struct Section {
    size_t begin, end;
    int32_t id;
  };

  AddedTokens() = default;

  /// `list` holds the key added_tokens. A token that the vocabulary has keeps that id. Throws Error naming the token on
  /// an id that is another's, negative or too large.
  AddedTokens(const StepJson& list, const Vocabulary& vocabulary, const Normalizer* normalizer);

  /// Cuts text where tokens that are matched before (`normalized` false) or after normalizing stand.
  std::vector<Section> split(std::string_view text, bool normalized) const;

  const Token* find(std::string_view content) const;
  const Token* find(int32_t id) const;
  int32_t largest_id() const { return largest_id_; }  ///< -1 where there is none
  size_t size() const { return tokens_.size(); }

 private:
  class Matcher {
   public:
    void add(std::string_view content, int32_t token);
    /// Index of the longest token that text begins with, or -1.
    int32_t longest(std::string_view text, size_t& size) const;
    bool may_begin(char c) const { return first_[static_cast<uint8_t>(c)]; }
    bool empty() const { return empty_; }

   private:
    Trie trie_;
    bool first_[256] = {};
    bool empty_ = true;
  };

  bool stands_alone(std::string_view text, size_t begin, size_t end) const;

  std::vector<Token> tokens_;
  std::unordered_map<std::string, size_t> by_content_;
  std::unordered_map<int32_t, size_t> by_id_;
  Matcher raw_, normalized_;
  int32_t largest_id_ = -1;
};

}  // namespace octet
