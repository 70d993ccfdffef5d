#include "text/oniguruma.h"

#include <vector>

#include "base/error.h"
#include "text/vocabulary.h"

namespace octet {
namespace {

constexpr std::string_view kSpace =
    R"(\x09-\x0d\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x00-\x08\x0e-\x1f\x21-\x84\x86-\x9f\xa1-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
constexpr std::string_view kWord =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
// Outside a class Oniguruma asks a table of Latin-1 first, and there superscripts and fractions are words.
constexpr std::string_view kLatin1Word = R"(\xb2\xb3\xb9\xbc-\xbe)";
// Without the letters in circles, which a class cannot take out of So.
constexpr std::string_view kNotWord = R"(\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\p{No}\p{S}\p{Z}\p{C})";
constexpr std::string_view kHex = "0-9A-Fa-f";
constexpr int kMaxDepth = 100;

struct Named {
  std::string_view name, set;
};
constexpr Named kPosixNames[] = {
    {"alnum", R"(\p{Alphabetic}\p{Nd})"},
    {"alpha", R"(\p{Alphabetic})"},
    {"digit", R"(\p{Nd})"},
    {"lower", R"(\p{Lowercase})"},
    {"upper", R"(\p{Uppercase})"},
    {"punct", R"(\p{P})"},
    {"space", kSpace},
    {"word", kWord},
    {"cntrl", R"(\p{Cc})"},
    {"xdigit", kHex},
};

class Translator {
 public:
  Translator(std::string_view in, const std::string& where) : in_(in), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) item();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail("{}: the expression {} has {}, which is not supported", where_, shown(in_), what);
  }
  bool next_is(std::string_view text) const { return in_.substr(at_, text.size()) == text; }

  void item() {
    const char c = in_[at_];
    if (c == '(') return open_group();
    if (c == ')') {
      ++at_;
      out_ += ')';
      if (!groups_.empty()) {
        atom_ = groups_.back();
        groups_.pop_back();
      }
      return;
    }
    if (c == '*' || c == '+' || c == '?') {
      out_ += c;
      ++at_;
      return;
    }
    if (c == '{' && interval()) return;
    atom_ = out_.size();
    if (c == '\\') return escape();
    if (c == '[') {
      ++at_;
      out_ += char_class(0);
      return;
    }
    out_ += c;
    ++at_;
  }

  void open_group() {
    groups_.push_back(out_.size());
    if (groups_.size() > kMaxDepth) refuse("too many nested groups");
    out_ += '(';
    ++at_;
    if (next_is("?#") || next_is("?~")) refuse("a (?# or (?~ group");
    if (!next_is("?")) return;
    // Copies (?:  (?=  (?<name>  (?flags:  up to and with what opens the group's body; m means dot-all in Oniguruma.
    const size_t end = in_.find_first_of(":=!>)", at_);
    if (end == std::string_view::npos) refuse("a group that does not end");
    const bool flags = in_[at_ + 1] != '<' && in_[at_ + 1] != 'P';
    for (; at_ < end; ++at_) out_ += flags && in_[at_] == 'm' ? 's' : in_[at_];
    if (in_[at_] == ')') return;
    out_ += in_[at_++];
  }

  // {n,m}; a + behind it repeats the whole in Oniguruma, where PCRE2 would make it possessive.
  bool interval() {
    const size_t end = in_.find('}', at_);
    if (end == std::string_view::npos) return false;
    const std::string_view inside = in_.substr(at_ + 1, end - at_ - 1);
    if (inside.empty() || inside.find_first_not_of("0123456789,") != std::string_view::npos) return false;
    if (inside[0] == ',') out_ += fmt::format("{{0{}}}", inside);
    if (inside[0] != ',') out_ += fmt::format("{{{}}}", inside);
    at_ = end + 1;
    if (at_ < in_.size() && in_[at_] == '+') {
      out_.insert(atom_, "(?:");
      out_ += ')';
    }
    return true;
  }

  void escape() {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    switch (c) {
      case 'b':
        out_ += fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", word());
        break;
      case 'B':
        out_ += fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", word());
        break;
      case 'k':
      case 'g':
      case 'A':
      case 'z':
      case 'Z':
      case 'G':
      case 'K':
      case 'R':
      case 'X':
        out_ += in_.substr(at_, 2);
        break;
      default:
        if (c >= '1' && c <= '9') {
          out_ += in_.substr(at_, 2);
          break;
        }
        return outside_class();
    }
    at_ += 2;
  }

  static std::string word() { return fmt::format("{}{}", kWord, kLatin1Word); }

  void outside_class() {
    const std::string_view two = in_.substr(at_, 2);
    std::string set;
    if (two == "\\w" || two == "\\W") {
      set = fmt::format("{}{}", two == "\\W" ? "^" : "", word());
      at_ += 2;
    } else {
      set = class_escape();
    }
    const bool single = set.size() == 1 || (set[0] == '\\' && set.find('\\', 1) == std::string::npos &&
                                            set.find('-', 1) == std::string::npos);
    out_ += single ? set : "[" + set + "]";
  }

  // The escape at in_[at_] as members of a class.
  std::string class_escape() {
    if (at_ + 1 >= in_.size()) refuse("a backslash at its end");
    const char c = in_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 's':
        return std::string(kSpace);
      case 'S':
        return std::string(kNotSpace);
      case 'w':
        return std::string(kWord);
      case 'h':
        return std::string(kHex);
      case 'd':
        return R"(\p{Nd})";
      case 'D':
        return R"(\P{Nd})";
      case 'W':
        return std::string(kNotWord);
      case 'H':
        return R"(\x00-/:-@G-`g-\x{10ffff})";
      case 'v':
        return R"(\x0b)";
      case 'u':
        return code_point(4);
      case 'x':
        if (at_ < in_.size() && in_[at_] == '{') return braced_code_point();
        return code_point(2);
      case 'p':
      case 'P':
        return property(c == 'P');
      case 'n':
      case 't':
      case 'r':
      case 'f':
      case 'a':
      case 'e':
        return std::string("\\") + c;
      default:
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
          refuse(fmt::format("the escape \\{}", c));
        }
        return static_cast<unsigned char>(c) < 0x80 ? std::string("\\") + c : std::string(1, c);
    }
  }

  std::string code_point(size_t digits) {
    const std::string_view hex = in_.substr(at_, digits);
    const size_t size = std::min(hex.find_first_not_of("0123456789abcdefABCDEF"), hex.size());
    if (size == 0) refuse("an escape without digits");
    at_ += size;
    return fmt::format("\\x{{{}}}", hex.substr(0, size));
  }

  std::string braced_code_point() {
    const size_t end = in_.find('}', at_);
    const std::string_view hex = in_.substr(at_ + 1, end == std::string_view::npos ? end : end - at_ - 1);
    if (end == std::string_view::npos || hex.empty() || hex.size() > 8 ||
        hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      refuse("an escape that is no code point");
    }
    at_ = end + 1;
    return fmt::format("\\x{{{}}}", hex);
  }

  std::string property(bool negated) {
    const size_t end = in_.find('}', at_);
    if (at_ >= in_.size() || in_[at_] != '{' || end == std::string_view::npos) refuse("\\p without a name in braces");
    std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.remove_prefix(1);
    }
    std::string lower;
    for (const char c : name) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (negated) return fmt::format("\\P{{{}}}", name);
    for (const Named& posix : kPosixNames) {
      if (lower == posix.name) return std::string(posix.set);
    }
    return fmt::format("\\p{{{}}}", name);
  }

  // What follows '[', as a whole PCRE2 expression for one character.
  std::string char_class(int depth) {
    if (depth > kMaxDepth) refuse("too many nested classes");
    std::vector<std::string> sets(1);  // joined by &&
    bool not_word = false;             // \W is among the first set
    const bool negated = next_is("^");
    if (negated) ++at_;
    for (bool first = true;; first = false) {
      if (at_ >= in_.size()) refuse("a class that does not end");
      const char c = in_[at_];
      if (c == ']' && !first) break;
      if (next_is("&&")) {
        sets.emplace_back();
        at_ += 2;
      } else if (next_is("[:")) {
        sets.back() += posix();
      } else if (c == '[') {
        ++at_;
        const std::string inner = char_class(depth + 1);
        if (inner.size() < 2 || inner[0] != '[') refuse("\\W or an intersection in a class inside a class");
        if (inner[1] == '^') {
          if (!sets.back().empty() || sets.size() == 1) refuse("a negated class inside a class");
          sets.back() = inner.substr(1, inner.size() - 2);
        } else {
          sets.back() += inner.substr(1, inner.size() - 2);
        }
      } else if (c == '\\') {
        const bool plain = sets.size() == 1 && in_.substr(at_, 2) == "\\W";
        const std::string set = class_escape();
        not_word = not_word || plain;
        if (!plain) sets.back() += set;
      } else {
        sets.back() += c == ']' ? "\\]" : std::string(1, c);
        ++at_;
      }
    }
    ++at_;
    if (not_word && sets.size() == 1) return with_not_word(sets[0], negated);
    if (not_word) sets[0] += kNotWord;
    return intersection(sets, negated);
  }

  static std::string with_not_word(const std::string& set, bool negated) {
    if (set.empty()) return fmt::format("[{}{}]", negated ? "" : "^", kWord);
    return negated ? fmt::format("(?:(?![{}])[{}])", set, kWord) : fmt::format("(?:[{}]|[^{}])", set, kWord);
  }

  static std::string intersection(const std::vector<std::string>& sets, bool negated) {
    if (sets.size() == 1) return fmt::format("[{}{}]", negated ? "^" : "", sets[0]);
    std::string ahead;
    for (size_t i = 1; i < sets.size(); ++i) ahead += fmt::format("(?=[{}])", sets[i]);
    if (negated) return fmt::format("(?:(?!{}[{}])[\\s\\S])", ahead, sets[0]);
    return fmt::format("(?:{}[{}])", ahead, sets[0]);
  }

  std::string posix() {
    const size_t end = in_.find(":]", at_);
    if (end == std::string_view::npos) refuse("a class name that does not end");
    const std::string_view name = in_.substr(at_ + 2, end - at_ - 2);
    at_ = end + 2;
    for (const Named& known : kPosixNames) {
      if (name == known.name) return std::string(known.set);
    }
    refuse("an unknown class name");
  }

  std::string_view in_;
  const std::string& where_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_ = 0;  // where the last atom begins in out_
  std::vector<size_t> groups_;
};

}  // namespace

std::string oniguruma_to_pcre2(std::string_view expression, const std::string& where) {
  constexpr size_t kMaxExpression = 64 << 10;
  if (expression.size() > kMaxExpression) {
    fail("{}: an expression of {} bytes is longer than the {} that are read", where, expression.size(), kMaxExpression);
  }
  return Translator(expression, where).run();
}

}  // namespace octet
