#include "text/raw_tokenizer.h"

#include "base/json.h"

namespace octet {
namespace {

constexpr size_t kMaxDepth = 256;

/// Receives the parser's events; builds `rest` itself and keeps model.vocab and model.merges out of it.
class Reader {
 public:
  Reader(RawTokenizer& out) : out_(out) {}

  bool null() { return value(nullptr); }
  bool boolean(bool b) { return value(b); }
  bool number_integer(int64_t n) { return in_flat_part() ? flat_number(n, static_cast<double>(n)) : value(n); }
  bool number_unsigned(uint64_t n) {
    if (!in_flat_part()) return value(n);
    return flat_number(n > INT64_MAX ? INT64_MAX : static_cast<int64_t>(n), static_cast<double>(n));
  }
  bool number_float(double x, const std::string&) {
    if (!in_flat_part()) return value(x);
    if (part_ != Part::kScoredToken || !have_token_) wrong_form();
    return flat_number(0, x);
  }
  bool string(std::string& text) {
    switch (part_) {
      case Part::kNone:
        return value(text);
      case Part::kScoredToken:
        if (have_token_) wrong_form();
        return token(text);
      case Part::kMerges:
        return merge_line(text);
      case Part::kMergePair:
        return merge_half(text);
      default:
        wrong_form();
    }
  }
  bool binary(nlohmann::json::binary_t&) { return false; }

  bool start_object(size_t) {
    if (part_ != Part::kNone) wrong_form();
    if (next_is("vocab")) {
      part_ = Part::kVocabulary;
      return true;
    }
    return open(Json::object());
  }
  bool end_object() {
    if (part_ == Part::kVocabulary) {
      if (have_token_) wrong_form();
      part_ = Part::kNone;
      return true;
    }
    return close();
  }
  bool start_array(size_t) {
    if (part_ == Part::kScoredTokens || part_ == Part::kMerges) {
      part_ = part_ == Part::kMerges ? Part::kMergePair : Part::kScoredToken;
      items_ = 0;
      return true;
    }
    if (part_ != Part::kNone) wrong_form();
    if (next_is("vocab")) {
      out_.vocabulary_has_scores = true;
      part_ = Part::kScoredTokens;
      return true;
    }
    if (next_is("merges")) {
      part_ = Part::kMerges;
      return true;
    }
    return open(Json::array());
  }
  bool end_array() {
    switch (part_) {
      case Part::kScoredTokens:
      case Part::kMerges:
        part_ = Part::kNone;
        return true;
      case Part::kScoredToken:
      case Part::kMergePair:
        if (items_ != 2) wrong_form();
        part_ = part_ == Part::kMergePair ? Part::kMerges : Part::kScoredTokens;
        return true;
      default:
        return close();
    }
  }

  bool key(std::string& name) {
    if (part_ == Part::kVocabulary) return token(name);
    if (stack_.back()->contains(name)) fail("{}: the key {} stands twice", out_.where, shown(name));
    const bool flat = stack_.size() == 2 && model_ == stack_.back() && (name == "vocab" || name == "merges");
    if (stack_.size() == 1 && name == "model") model_is_next_ = true;
    slot_ = &(*stack_.back())[name];
    flat_key_ = flat ? name : "";
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& e) {
    fail("{}: is not valid JSON near byte {}: {}", out_.where, position, json_reason(e.what()));
  }

 private:
  enum class Part { kNone, kVocabulary, kScoredTokens, kScoredToken, kMerges, kMergePair };

  [[noreturn]] void wrong_form() const {
    const bool merges = part_ == Part::kMerges || part_ == Part::kMergePair;
    fail("{}: model.{} is not of the form that the tokenizers library writes", out_.where, merges ? "merges" : "vocab");
  }
  bool in_flat_part() const { return part_ != Part::kNone; }
  bool next_is(const char* key) {
    if (flat_key_ != key) return false;
    flat_key_.clear();
    return true;
  }

  bool token(std::string_view text) {
    if (part_ == Part::kVocabulary && have_token_) wrong_form();
    out_.vocabulary.push_back({static_cast<uint32_t>(out_.text.size()), static_cast<uint32_t>(text.size()), 0, 0.0});
    out_.text += text;
    have_token_ = true;
    ++items_;
    return true;
  }
  bool flat_number(int64_t id, double score) {
    if (!have_token_ || (part_ != Part::kVocabulary && part_ != Part::kScoredToken)) wrong_form();
    auto& entry = out_.vocabulary.back();
    entry.id = part_ == Part::kVocabulary ? id : static_cast<int64_t>(out_.vocabulary.size()) - 1;
    entry.score = score;
    have_token_ = false;
    ++items_;
    return true;
  }

  bool merge_line(std::string_view line) {
    if (line.substr(0, 8) == "#version") return true;  // as in merges.txt
    const size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos) {
      fail("{}: model.merges has {}, which is not two tokens and a space", out_.where, shown(line));
    }
    return merge(line.substr(0, space), line.substr(space + 1));
  }
  bool merge_half(const std::string& text) {
    if (items_ == 0) first_half_ = text;
    if (items_ == 1) merge(first_half_, text);
    if (++items_ > 2) wrong_form();
    return true;
  }
  bool merge(std::string_view left, std::string_view right) {
    out_.merges.push_back({static_cast<uint32_t>(out_.merge_text.size()), static_cast<uint32_t>(left.size()),
                           static_cast<uint32_t>(right.size())});
    out_.merge_text += left;
    out_.merge_text += right;
    return true;
  }

  // Where the next value of `rest` goes.
  Json& place() {
    if (stack_.empty()) return out_.rest;
    if (!stack_.back()->is_array()) return *slot_;
    stack_.back()->push_back(nullptr);
    return stack_.back()->back();
  }
  template <typename T>
  bool value(T&& x) {
    if (in_flat_part()) wrong_form();
    place() = std::forward<T>(x);
    model_is_next_ = false;
    flat_key_.clear();
    return true;
  }
  bool open(Json empty) {
    if (stack_.size() >= kMaxDepth) fail("{}: JSON is nested deeper than {} levels", out_.where, kMaxDepth);
    if (!flat_key_.empty())
      fail("{}: model.{} is not of the form that the tokenizers library writes", out_.where, flat_key_);
    Json& here = place();
    here = std::move(empty);
    if (model_is_next_) model_ = &here;
    model_is_next_ = false;
    stack_.push_back(&here);
    return true;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }

  RawTokenizer& out_;
  std::vector<Json*> stack_;  // the open objects and lists; a parent never moves while its child is open
  Json* slot_ = nullptr;      // of the last key
  Json* model_ = nullptr;
  bool model_is_next_ = false;
  std::string flat_key_;  // "vocab" or "merges" when its value comes next
  Part part_ = Part::kNone;
  bool have_token_ = false;  // a token without its number
  int items_ = 0;            // of the innermost list
  std::string first_half_;
};

}  // namespace

RawTokenizer read_raw_tokenizer(std::string_view json, const std::string& where) {
  RawTokenizer raw;
  raw.where = where;
  Reader reader(raw);
  try {
    nlohmann::json::sax_parse(json.data(), json.data() + json.size(), &reader);
  } catch (const nlohmann::json::exception& e) {
    fail("{}: is not valid JSON: {}", where, json_reason(e.what()));
  }
  if (!raw.rest.is_object()) fail("{}: is not a JSON object", where);
  return raw;
}

}  // namespace octet
