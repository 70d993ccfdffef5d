#include "text/normal_form.h"
#include "text/normalizer/list.h"
#include "text/unicode.h"

namespace octet {
namespace {

bool between(char32_t c, char32_t first, char32_t last) {
  return c >= first && c <= last;
}

// The blocks that BERT's code lists, its gap after U+2B73F included.
bool is_chinese(char32_t c) {
  return between(c, 0x4e00, 0x9fff) || between(c, 0x3400, 0x4dbf) || between(c, 0x20000, 0x2a6df) ||
         between(c, 0x2a700, 0x2b73f) || between(c, 0x2b740, 0x2b81f) || between(c, 0x2b920, 0x2ceaf) ||
         between(c, 0xf900, 0xfaff) || between(c, 0x2f800, 0x2fa1f);
}

/// BERT's basic cleaning (Devlin et al. 2018): control characters, Chinese characters apart, accents, lower case.
class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const StepJson& json)
      : clean_(json.flag("clean_text", true)),
        chinese_apart_(json.flag("handle_chinese_chars", true)),
        lower_case_(json.flag("lowercase", true)),
        strip_accents_(json.flag("strip_accents", lower_case_)) {}

  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    bool ascii = true;
    for (size_t at = 0; at < text.size();) {
      const char32_t c = next_code_point(text, at);
      if (c >= 0x80) ascii = false;
      if (clean_ && is_dropped(c)) continue;
      if (chinese_apart_ && is_chinese(c)) {
        out += ' ';
        append_utf8(out, c);
        out += ' ';
      } else {
        const char32_t cleaned = clean_ && is_whitespace(c) ? U' ' : c;
        if (lower_case_ && cleaned < 0x80) {
          append_lower_case(out, cleaned);
        } else {
          append_utf8(out, cleaned);
        }
      }
    }
    text = std::move(out);
    if (!ascii) finish(text);
  }

 private:
  static bool is_dropped(char32_t c) {
    if (between(c, 0x20, 0x7e) || c == '\t' || c == '\n' || c == '\r') return false;
    return c == 0 || c == 0xfffd || is_other(c);
  }

  // Accents and lower case beyond ASCII.
  void finish(std::string& text) const {
    if (strip_accents_) normalize(text, {false, false});
    if (!strip_accents_ && !lower_case_) return;
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const char32_t c = next_code_point(text, at);
      if (strip_accents_ && c >= 0x300 && is_nonspacing_mark(c)) continue;
      if (lower_case_) {
        append_lower_case(out, c);
      } else {
        append_utf8(out, c);
      }
    }
    text = std::move(out);
  }

  bool clean_, chinese_apart_, lower_case_, strip_accents_;
};

}  // namespace

std::unique_ptr<Normalizer> make_bert_normalizer(const StepJson& json) {
  return std::make_unique<BertNormalizer>(json);
}

}  // namespace octet
