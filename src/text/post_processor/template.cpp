#include "text/post_processor/list.h"
#include "text/vocabulary.h"

namespace octet {
namespace {

constexpr size_t kMostSpecials = 1024;

/// The template for a single text: special tokens, and the text where "A" stands.
class TemplateProcessing : public PostProcessor {
 public:
  explicit TemplateProcessing(const StepJson& json) {
    size_t texts = 0, specials = 0;
    for (const StepJson& piece : json.children("single")) {
      if (piece.has("Sequence")) {
        const StepJson sequence{piece.at("Sequence"), piece.where + ".Sequence"};
        if (sequence.text("id") != "A") fail("{}: a template for one text has a second one", sequence.where);
        if (++texts > 1) fail("{}: the template has the text twice", sequence.where);
        parts_.push_back({true, {}});
      } else {
        const StepJson token{piece.at("SpecialToken"), piece.where + ".SpecialToken"};
        parts_.push_back({false, ids_of(json, token.text("id"))});
        specials += parts_.back().ids.size();
        if (specials > kMostSpecials) fail("{}: the template has over {} special tokens", json.where, kMostSpecials);
      }
    }
  }

  std::vector<int32_t> apply(std::vector<int32_t> ids) const override {
    std::vector<int32_t> out;
    for (const Part& part : parts_) {
      const auto& from = part.is_text ? ids : part.ids;
      out.insert(out.end(), from.begin(), from.end());
    }
    return out;
  }

 private:
  struct Part {
    bool is_text;
    std::vector<int32_t> ids;
  };

  static std::vector<int32_t> ids_of(const StepJson& json, const std::string& name) {
    const StepJson tokens{json.at("special_tokens"), json.where + ".special_tokens"};
    if (!tokens.has(name.c_str())) fail("{}: has no {}, which the template uses", tokens.where, shown(name));
    const StepJson token{tokens.at(name.c_str()), fmt::format("{}[{}]", tokens.where, shown(name))};
    const Json& list = token.at("ids");
    if (!list.is_array()) fail("{}: ids is not a list", token.where);
    std::vector<int32_t> out;
    for (const Json& id : list) out.push_back(processor_id(id, token.where));
    return out;
  }

  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<PostProcessor> make_template_processing(const StepJson& json) {
  return std::make_unique<TemplateProcessing>(json);
}

}  // namespace octet
