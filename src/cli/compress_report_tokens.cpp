#include <numeric>

#include "cli/compress_report_parts.h"
#include "text/byte_level.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace octet::cli {
namespace {

using namespace report;

constexpr size_t kWorst = 20;
constexpr size_t kTextBefore = 12;                    // tokens
constexpr std::string_view kNoText = "\xef\xbf\xbd";  // U+FFFD: what bytes that are no text are decoded to

// Ends of lines and tabs as signs, and blanks too where there is nothing else: a cell would look empty.
std::string visible(const std::string& text, bool is_token) {
  if (text.empty()) return is_token ? "(no text)" : "(the beginning)";
  const bool blank = is_token && text.find_first_not_of(" \n\r\t") == std::string::npos;
  std::string result;
  for (const char c : text) {
    if (c == '\n')
      result += is_token ? "\u21b5" : "\u21b5 ";
    else if (c == '\t')
      result += "\u21e5";
    else if (c == ' ' && blank)
      result += "\u2423";
    else
      result += c;
  }
  return result;
}

// Bytes that are no text as <0xE2>.
std::string with_bytes(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t valid = valid_utf8_prefix(bytes);
    text += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    text += fmt::format("<0x{:02X}>", static_cast<uint8_t>(bytes[0]));
    bytes.remove_prefix(1);
  }
  return text;
}

// The bytes of a token whose characters stand for bytes; none where one of them does not.
std::optional<std::string> bytes_of(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const int byte = byte_of_character(next_code_point(token, at));
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

// A token that ends inside a character, or begins there, shows its bytes: they alone tell it from others.
std::string text_of(const Tokenizer& tokenizer, int32_t id) {
  const std::string text = tokenizer.decode(std::span(&id, 1));
  if (text.find(kNoText) == std::string::npos) return text;
  const std::string token = tokenizer.token_of(id);
  if (token.starts_with("<0x")) return token;
  const auto bytes = bytes_of(token);
  return bytes ? with_bytes(*bytes) : text;
}

// Of tokens that may begin or end inside a character: the end shows its bytes, the beginning is left out.
std::string text_before(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  std::string end;
  while (!ids.empty() && tokenizer.decode(ids).ends_with(kNoText)) {
    end.insert(0, text_of(tokenizer, ids.back()));
    ids = ids.first(ids.size() - 1);
  }
  while (!ids.empty() && tokenizer.decode(ids).starts_with(kNoText)) ids = ids.subspan(1);
  return tokenizer.decode(ids) + end;
}

}  // namespace

void add_worst(Page& page, const CompressReport& r) {
  if (r.worst.empty()) return;
  page.heading("The tokens that changed most");
  Table table{{"after this text", "token", "KL", "nats before", "nats after"}, {}};
  for (const CompressReport::Token& t : r.worst) {
    table.rows.push_back({visible(t.before, false), visible(t.text, true), three_digits(t.kl),
                          fmt::format("{:.3f}", t.baseline_nll), fmt::format("{:.3f}", t.nll)});
  }
  page.table(table, "Positions at which the distribution of the next token moved farthest.");
}

std::vector<CompressReport::Token> worst_tokens(const Comparison& comparison, const std::vector<int32_t>& tokens,
                                                const Tokenizer& tokenizer) {
  std::vector<size_t> order(comparison.kl.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t shown = std::min(kWorst, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](size_t a, size_t b) {
                      return comparison.kl[a] != comparison.kl[b] ? comparison.kl[a] > comparison.kl[b] : a < b;
                    });
  std::vector<CompressReport::Token> worst;
  for (size_t i = 0; i < shown; ++i) {
    const size_t at = order[i], begin = at - std::min(at, kTextBefore);
    const std::span<const int32_t> all(tokens);
    CompressReport::Token token{text_before(tokenizer, all.subspan(begin, at - begin)), text_of(tokenizer, all[at])};
    token.kl = comparison.kl[at];
    token.nll = comparison.model.nll[at];
    token.baseline_nll = comparison.baseline.nll[at];
    worst.push_back(std::move(token));
  }
  return worst;
}

}  // namespace octet::cli
