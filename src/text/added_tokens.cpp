#include "text/added_tokens.h"

#include "text/step_json.h"
#include "text/unicode.h"

namespace octet {
namespace {

constexpr size_t kLongestToken = 64 << 10;

AddedTokens::Token read_token(const StepJson& json) {
  AddedTokens::Token token;
  token.content = json.text("content");
  token.special = json.flag("special", false);
  token.single_word = json.flag("single_word", false);
  token.lstrip = json.flag("lstrip", false);
  token.rstrip = json.flag("rstrip", false);
  token.normalized = json.flag("normalized", !token.special);
  if (token.content.size() > kLongestToken) {
    fail("{}: content has {} bytes, more than the {} an added token may have", json.where, token.content.size(),
         kLongestToken);
  }
  return token;
}

}  // namespace

AddedTokens::AddedTokens(const StepJson& root, const Vocabulary& vocabulary, const Normalizer* normalizer) {
  if (!root.has("added_tokens")) return;
  const auto list = root.children("added_tokens");
  const int64_t limit = static_cast<int64_t>(vocabulary.size()) * 2 + static_cast<int64_t>(list.size()) * 2 + 4096;
  for (const StepJson& json : list) {
    Token token = read_token(json);
    if (token.content.empty() || by_content_.count(token.content)) continue;
    json.at("id");
    const int64_t id = json.number("id", -1);
    const int32_t known = vocabulary.find(token.content);
    if (known < 0 && (id < 0 || id > limit)) {
      fail("{}: {} has the id {}, which is not one of 0 to {}", json.where, shown(token.content), id, limit);
    }
    token.id = known >= 0 ? known : static_cast<int32_t>(id);
    if (known < 0 && (vocabulary.has(token.id) || by_id_.count(token.id))) {
      fail("{}: {} has the id {}, which belongs to {}", json.where, shown(token.content), id,
           shown(vocabulary.has(token.id) ? vocabulary.token(token.id) : tokens_[by_id_.at(token.id)].content));
    }
    largest_id_ = std::max(largest_id_, token.id);
    by_content_[token.content] = tokens_.size();
    by_id_[token.id] = tokens_.size();
    tokens_.push_back(std::move(token));
  }
  for (Token& token : tokens_) {
    token.matched = token.content;
    if (token.normalized && normalizer) normalizer->apply(token.matched);
  }
  for (const bool special : {true, false}) {  // of equal ones special tokens come first
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (token.special == special) (token.normalized ? normalized_ : raw_).add(token.matched, static_cast<int32_t>(i));
    }
  }
}

void AddedTokens::Matcher::add(std::string_view content, int32_t token) {
  if (content.empty()) return;
  size_t size = 0;
  if (longest(content, size) >= 0 && size == content.size()) return;
  trie_.add(content, token);
  first_[static_cast<uint8_t>(content[0])] = true;
  empty_ = false;
}

int32_t AddedTokens::Matcher::longest(std::string_view text, size_t& size) const {
  int32_t token = -1;
  trie_.prefixes(text, [&](size_t prefix, int32_t value) {
    size = prefix;
    token = value;
  });
  return token;
}

bool AddedTokens::stands_alone(std::string_view text, size_t begin, size_t end) const {
  const auto is_word_at = [&](size_t at) { return is_word(next_code_point(text, at)); };
  return (begin == 0 || !is_word_at(previous_code_point(text, begin))) && (end == text.size() || !is_word_at(end));
}

std::vector<AddedTokens::Section> AddedTokens::split(std::string_view text, bool normalized) const {
  std::vector<Section> out;
  const Matcher& matcher = normalized ? normalized_ : raw_;
  size_t done = 0;  // everything before is in `out`
  for (size_t at = 0; at < text.size() && !matcher.empty();) {
    size_t size = 0;
    const int32_t index = matcher.may_begin(text[at]) ? matcher.longest(text.substr(at), size) : -1;
    if (index < 0) {
      ++at;
      continue;
    }
    const Token& token = tokens_[static_cast<size_t>(index)];
    size_t begin = at, end = at + size;
    at = end;
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.lstrip) {
      for (size_t before = begin; before > done; begin = before) {
        before = previous_code_point(text, before);
        size_t c = before;
        if (!is_whitespace(next_code_point(text, c))) break;
      }
    }
    for (size_t after = end; token.rstrip && after < text.size(); end = after) {
      if (!is_whitespace(next_code_point(text, after))) break;
    }
    if (done < begin) out.push_back({done, begin, -1});
    out.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) out.push_back({done, text.size(), -1});
  return out;
}

const AddedTokens::Token* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

const AddedTokens::Token* AddedTokens::find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

}  // namespace octet
