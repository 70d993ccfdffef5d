#include "files/name_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "base/escape.h"

namespace octet {
namespace {

constexpr size_t kMaxPattern = 4096;  // bytes
constexpr size_t kKept = 4096;        // compiled patterns
constexpr uint32_t kMatchLimit = 100'000, kHeapLimitKib = 16'384;

struct Release {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
using Code = std::shared_ptr<const pcre2_code>;

std::string message_of(int error) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

Code compile(const std::string& pattern) {
  if (pattern.size() > kMaxPattern)
    fail("the pattern \"{}\" is longer than {} bytes", printable(pattern, 60), kMaxPattern);
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_ANCHORED | PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (!code)
    fail("the pattern \"{}\" is not understood: {}, at byte {}", printable(pattern, 200), message_of(error), at);
  return {code, Release()};
}

Code compiled(const std::string& pattern) {
  static std::mutex mutex;
  static std::unordered_map<std::string, Code> kept;
  std::lock_guard lock(mutex);
  const auto found = kept.find(pattern);
  if (found != kept.end()) return found->second;
  if (kept.size() >= kKept) kept.clear();
  return kept[pattern] = compile(pattern);
}

}  // namespace

bool pattern_matches_start(const std::string& pattern, std::string_view name) {
  const Code code = compiled(pattern);
  const std::unique_ptr<pcre2_match_data, Release> data(pcre2_match_data_create(1, nullptr));
  const std::unique_ptr<pcre2_match_context, Release> context(pcre2_match_context_create(nullptr));
  if (!data || !context) throw std::bad_alloc();
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  const int result =
      pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0, data.get(), context.get());
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  fail("the pattern \"{}\" cannot be matched with {}: {}", printable(pattern, 200), printable(name, 200),
       message_of(result));
}

}  // namespace octet
