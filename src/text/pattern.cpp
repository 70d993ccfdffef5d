#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <chrono>

#include "text/oniguruma.h"
#include "text/step_json.h"
#include "text/unicode.h"
#include "text/vocabulary.h"

namespace octet {
namespace {

std::atomic<bool> patterns_are_stubbed{false};

// Steps that one match may take: enough for a run of tens of megabytes, the end for an expression that backtracks
// without bound.
constexpr uint32_t kBaseSteps = 2'000'000, kStepsPerByte = 16;
constexpr uint32_t kHeapKibibytes = 256 << 10;
constexpr size_t kFirstStack = 32 << 10, kLargestStack = 1 << 20;  // past it the interpreter goes on

/// What a thread needs to run any expression; made once a thread.
struct Runner {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(kFirstStack, kLargestStack, nullptr);

  Runner() {
    if (!data || !context || !stack) throw std::bad_alloc();
    pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_heap_limit(context, kHeapKibibytes);
  }
  ~Runner() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

std::string message_of(int code) {
  PCRE2_UCHAR text[200] = {};
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

}  // namespace

void stub_patterns() {
  patterns_are_stubbed = true;
}

struct Pattern::Compiled {
  std::string expression;
  pcre2_code* code = nullptr;
  bool jit = false;

  Compiled(std::string_view oniguruma, const std::string& where) : expression(oniguruma) {
    if (patterns_are_stubbed) return;
    const std::string translated = oniguruma_to_pcre2(oniguruma, where);
    int error = 0;
    size_t offset = 0;
    std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
        pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context.get(), 100);
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, context.get());
    if (!code) fail("{}: the expression {} does not compile: {}", where, shown(oniguruma), message_of(error));
    jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  }
  ~Compiled() { pcre2_code_free(code); }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  // One search from `from`; false where there is none. Throws Error where it takes too long.
  bool search(std::string_view text, size_t from, Runner& runner, const std::string& where, Range& found) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int rc = jit ? pcre2_jit_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, runner.data, runner.context)
                 : PCRE2_ERROR_JIT_STACKLIMIT;
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
      rc =
          pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, runner.data, runner.context);
    }
    if (rc == PCRE2_ERROR_NOMATCH) return false;
    if (rc < 0) fail("{}: the expression {} fails on this text: {}", where, shown(expression), message_of(rc));
    const size_t* bounds = pcre2_get_ovector_pointer(runner.data);
    found = {std::min(bounds[0], bounds[1]), bounds[1]};
    return true;
  }
};

Pattern Pattern::literal(std::string text, std::string where) {
  Pattern pattern;
  pattern.text_ = std::move(text);
  pattern.where_ = std::move(where);
  return pattern;
}

Pattern Pattern::regex(std::string_view expression, std::string where) {
  Pattern pattern;
  pattern.compiled_ = std::make_shared<const Compiled>(expression, where);
  pattern.where_ = std::move(where);
  return pattern;
}

Pattern Pattern::from_json(const StepJson& step, const char* key) {
  const Json& value = step.at(key);
  const std::string where = fmt::format("{}.{}", step.where, key);
  if (value.is_string()) return literal(value.get<std::string>(), where);
  const StepJson inside{value, where};
  if (inside.has("String")) return literal(inside.text("String"), where);
  if (inside.has("Regex")) return regex(inside.text("Regex"), where);
  fail("{}: is neither a String nor a Regex", where);
}

void Pattern::find_all(std::string_view text, std::vector<Range>& out) const {
  if (!compiled_) {
    if (text_.empty()) return;
    for (size_t at = text.find(text_); at != text.npos; at = text.find(text_, at + text_.size())) {
      out.push_back({at, at + text_.size()});
    }
    return;
  }
  if (!compiled_->code) return;
  thread_local Runner runner;
  pcre2_set_match_limit(runner.context,
                        static_cast<uint32_t>(std::min<size_t>(kBaseSteps + kStepsPerByte * text.size(), 1u << 30)));
  // Each match stays below its limit, yet all of them together may not end: five seconds, and twenty a megabyte.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5) +
                        std::chrono::microseconds(20) * static_cast<int64_t>(text.size());
  size_t from = 0, matches = 0;
  std::optional<size_t> last_end;
  Range found{};
  while (from <= text.size() && compiled_->search(text, from, runner, where_, found)) {
    if (found.empty() && last_end == found.end) {  // an empty match right behind a match does not count
      from += from < text.size() ? utf8_length(text[from]) : 1;
    } else {
      out.push_back(found);
      from = found.end;
      last_end = found.end;
    }
    if (++matches % 256 == 0 && std::chrono::steady_clock::now() > deadline) {
      fail("{}: the expression {} takes too long on this text", where_, shown(compiled_->expression));
    }
  }
}

}  // namespace octet
