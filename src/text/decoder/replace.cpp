#include "text/decoder/list.h"
#include "text/growth.h"
#include "text/pattern.h"

namespace octet {
namespace {

struct ReplaceRule {
  Pattern pattern;
  std::string content, where;
};

class ReplaceStage : public DecodeStage {
 public:
  ReplaceStage(const ReplaceRule& rule, DecodeStage& next) : rule_(rule), next_(next) {}

  void take(std::string_view text, bool ends) override {
    waiting_ += text;
    const bool literal = rule_.pattern.is_literal();
    if (!ends && !literal) return;  // an expression may reach to the end of the token
    std::vector<Range> matches;
    rule_.pattern.find_all(waiting_, matches);
    check_growth(rule_.where, waiting_.size(), waiting_.size() + matches.size() * rule_.content.size(), 1);
    std::string out;
    size_t done = 0;
    for (const Range match : matches) {
      out.append(waiting_, done, match.begin - done);
      out += rule_.content;
      done = match.end;
    }
    const size_t kept = ends ? 0 : begun(std::string_view(waiting_).substr(done));
    out.append(waiting_, done, waiting_.size() - done - kept);
    waiting_.erase(0, waiting_.size() - kept);
    next_.take(out, ends);
  }
  void finish() override { next_.finish(); }

 private:
  // Bytes at the back of `text` that may be the beginning of a match.
  size_t begun(std::string_view text) const {
    const std::string& wanted = rule_.pattern.text();
    size_t size = wanted.empty() ? 0 : std::min(wanted.size() - 1, text.size());
    while (size > 0 && text.substr(text.size() - size) != std::string_view(wanted).substr(0, size)) --size;
    return size;
  }

  const ReplaceRule& rule_;
  DecodeStage& next_;
  std::string waiting_;
};

}  // namespace

std::unique_ptr<Decoder> make_replace_decoder(const StepJson& json) {
  return std::make_unique<DecoderOf<ReplaceStage, ReplaceRule>>(
      ReplaceRule{Pattern::from_json(json, "pattern"), json.text("content"), json.where});
}

}  // namespace octet
