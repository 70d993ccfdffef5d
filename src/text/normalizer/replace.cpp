#include "text/growth.h"
#include "text/normalizer/list.h"
#include "text/pattern.h"

namespace octet {
namespace {

class Replace : public Normalizer {
 public:
  explicit Replace(const StepJson& json)
      : pattern_(Pattern::from_json(json, "pattern")), content_(json.text("content")), where_(json.where) {}

  void apply(std::string& text) const override {
    std::vector<Range> matches;
    pattern_.find_all(text, matches);
    if (matches.empty()) return;
    check_growth(where_, text.size(), text.size() + matches.size() * content_.size(), 16);
    std::string out;
    out.reserve(text.size() + matches.size() * content_.size());
    size_t done = 0;
    for (const Range match : matches) {
      out.append(text, done, match.begin - done);
      out += content_;
      done = match.end;
    }
    out.append(text, done);
    text = std::move(out);
  }

 private:
  Pattern pattern_;
  std::string content_, where_;
};

}  // namespace

std::unique_ptr<Normalizer> make_replace_normalizer(const StepJson& json) {
  return std::make_unique<Replace>(json);
}

}  // namespace octet
