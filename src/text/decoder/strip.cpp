#include "text/decoder/list.h"
#include "text/unicode.h"

namespace octet {
namespace {

struct StripRule {
  std::string content;  // one character
  size_t start, stop;   // at most so many of it go at the front and at the back of each token
};

class StripStage : public DecodeStage {
 public:
  StripStage(const StripRule& rule, DecodeStage& next) : rule_(rule), next_(next) {}

  void take(std::string_view text, bool ends) override {
    text = without_front(text);
    const std::string kept = without_back(text);
    if (ends) {
      at_front_ = true;
      stripped_ = held_ = 0;
    }
    if (ends || !kept.empty()) next_.take(kept, ends);
  }
  void finish() override { next_.finish(); }

 private:
  std::string_view without_front(std::string_view text) {
    while (at_front_ && !text.empty()) {
      if (stripped_ == rule_.start || text.substr(0, rule_.content.size()) != rule_.content) {
        at_front_ = false;
      } else {
        text.remove_prefix(rule_.content.size());
        ++stripped_;
      }
    }
    return text;
  }

  // What stands at the back and could go is held until more of the token comes.
  std::string without_back(std::string_view text) {
    std::string all;
    all.reserve(held_ * rule_.content.size() + text.size());
    for (; held_ > 0; --held_) all += rule_.content;
    all += text;
    while (held_ < rule_.stop && all.size() >= rule_.content.size() &&
           all.compare(all.size() - rule_.content.size(), rule_.content.size(), rule_.content) == 0) {
      all.resize(all.size() - rule_.content.size());
      ++held_;
    }
    return all;
  }

  const StripRule& rule_;
  DecodeStage& next_;
  bool at_front_ = true;
  size_t stripped_ = 0, held_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_strip_decoder(const StepJson& json) {
  StripRule rule;
  append_utf8(rule.content, json.character("content", U' '));
  const int64_t start = json.number("start", 0), stop = json.number("stop", 0);
  constexpr int64_t kMost = 1 << 20;
  if (start < 0 || stop < 0 || start > kMost || stop > kMost) {
    fail("{}: start {} and stop {} must be 0 to {}", json.where, start, stop, kMost);
  }
  rule.start = static_cast<size_t>(start);
  rule.stop = static_cast<size_t>(stop);
  return std::make_unique<DecoderOf<StripStage, StripRule>>(std::move(rule));
}

}  // namespace octet
