#pragma once
#include <vector>

#include "text/pattern.h"
#include "text/pre_tokenizer.h"
#include "text/unicode.h"

namespace octet {

struct StepJson;

/// What becomes of the delimiters that a piece is cut at, as the tokenizers library names it.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

SplitBehavior split_behavior(const StepJson& json, const char* key, const char* fallback);

/// Appends the parts of `piece` cut at `delimiters` (in order, inside the piece) to `out`; empty parts are left out.
void cut(Range piece, const std::vector<Range>& delimiters, SplitBehavior behavior, bool invert,
         std::vector<Range>& out);

/// Cuts every piece where find(text, delimiters) puts delimiters; their positions count from the piece's begin.
template <typename Find>
void cut_pieces(Pieces& pieces, SplitBehavior behavior, bool invert, Find find) {
  std::vector<Range> out, delimiters;
  for (const Range piece : pieces.ranges) {
    delimiters.clear();
    find(pieces[piece], delimiters);
    for (Range& d : delimiters) d = {d.begin + piece.begin, d.end + piece.begin};
    cut(piece, delimiters, behavior, invert, out);
  }
  if (out.empty() || pieces.ranges.empty() || out[0].begin != pieces.ranges[0].begin) pieces.at_start = false;
  pieces.ranges = std::move(out);
}

/// Cuts at each character for which is(c) holds.
template <typename Is>
void cut_at_characters(Pieces& pieces, SplitBehavior behavior, Is is) {
  cut_pieces(pieces, behavior, false, [&](std::string_view text, std::vector<Range>& delimiters) {
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      if (is(next_code_point(text, at))) delimiters.push_back({begin, at});
    }
  });
}

}  // namespace octet
