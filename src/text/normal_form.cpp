#include "text/normal_form.h"

#include <utf8proc.h>

#include "base/error.h"
#include "text/unicode.h"

namespace octet {
namespace {

bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

// Code points below this are in NFC as they stand, whatever their neighbours below it are.
constexpr char32_t kFirstMark = 0x300;

void decompose(std::string_view text, bool compatible, std::vector<utf8proc_int32_t>& out) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<utf8proc_int32_t>(next_code_point(text, at));
    utf8proc_int32_t parts[64];
    int unused = 0;
    const auto count = utf8proc_decompose_char(c, parts, 64, options, &unused);
    if (count < 0 || count > 64) fail("U+{:04X} cannot be decomposed", c);
    out.insert(out.end(), parts, parts + count);
  }
}

// Marks between two letters by their combining class, equal ones in their order.
void order_marks(std::vector<utf8proc_int32_t>& points) {
  const auto rank = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (size_t begin = 0; begin < points.size();) {
    size_t end = begin;
    while (end < points.size() && rank(points[end]) != 0) ++end;
    const auto first = points.begin() + static_cast<ptrdiff_t>(begin);
    std::stable_sort(first, points.begin() + static_cast<ptrdiff_t>(end),
                     [&](auto a, auto b) { return rank(a) < rank(b); });
    begin = end + 1;
  }
}

void append_normal(std::string& out, std::string_view text, NormalForm form) {
  std::vector<utf8proc_int32_t> points;
  decompose(text, form.compatible, points);
  order_marks(points);
  auto size = static_cast<utf8proc_ssize_t>(points.size());
  if (form.composed) {
    size = utf8proc_normalize_utf32(points.data(), size,
                                    static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  }
  for (utf8proc_ssize_t i = 0; i < size; ++i) append_utf8(out, static_cast<char32_t>(points[static_cast<size_t>(i)]));
}

bool stays(std::string_view run, NormalForm form) {
  if (form.compatible || !form.composed) return false;
  for (size_t at = 0; at < run.size();) {
    if (next_code_point(run, at) >= kFirstMark) return false;
  }
  return true;
}

}  // namespace

// ASCII never changes and never joins what stands before it, so only the runs between are looked at, each with the one
// ASCII character before it, which a mark may join.
void normalize(std::string& text, NormalForm form) {
  std::string out;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    if (is_ascii(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !is_ascii(text[end])) ++end;
    const size_t begin = at > done ? at - 1 : at;
    const std::string_view run = std::string_view(text).substr(begin, end - begin);
    if (!stays(run, form)) {
      out.append(text, done, begin - done);
      append_normal(out, run, form);
      done = end;
    }
    at = end;
  }
  if (done == 0) return;
  out.append(text, done);
  text = std::move(out);
}

}  // namespace octet
