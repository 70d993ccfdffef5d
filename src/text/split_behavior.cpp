#include "text/split_behavior.h"

#include "text/step_json.h"

namespace octet {
namespace {

struct Part {
  Range range;
  bool delimiter;
};

// The parts between delimiters and the delimiters themselves, in order.
template <typename Take>
void for_parts(Range piece, const std::vector<Range>& delimiters, bool invert, Take take) {
  size_t done = piece.begin;
  for (const Range d : delimiters) {
    if (done != d.begin) take(Part{{done, d.begin}, invert});
    take(Part{d, !invert});
    done = d.end;
  }
  if (done != piece.end) take(Part{{done, piece.end}, invert});
}

// Joins a part to the one before it where join(part, previous part was a delimiter) says so.
template <typename Join>
void join_parts(Range piece, const std::vector<Range>& delimiters, bool invert, std::vector<Range>& out, Join join) {
  const size_t first = out.size();
  bool previous = false;
  for_parts(piece, delimiters, invert, [&](Part part) {
    if (out.size() > first && join(part.delimiter, previous)) {
      out.back().end = part.range.end;
    } else {
      out.push_back(part.range);
    }
    previous = part.delimiter;
  });
}

// A delimiter goes to the front of the part behind it; of delimiters in a row, the last does.
void merge_with_next(Range piece, const std::vector<Range>& delimiters, bool invert, std::vector<Range>& out) {
  std::vector<Part> parts;
  for_parts(piece, delimiters, invert, [&](Part part) { parts.push_back(part); });
  for (size_t i = 0; i < parts.size(); ++i) {
    Range range = parts[i].range;
    if (parts[i].delimiter && i + 1 < parts.size() && !parts[i + 1].delimiter) range.end = parts[++i].range.end;
    out.push_back(range);
  }
}

}  // namespace

SplitBehavior split_behavior(const StepJson& json, const char* key, const char* fallback) {
  const std::string name = json.text(key, fallback);
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  fail("{}: {} {} is not supported", json.where, key, Json(name).dump());
}

void cut(Range piece, const std::vector<Range>& delimiters, SplitBehavior behavior, bool invert,
         std::vector<Range>& out) {
  const size_t first = out.size();
  switch (behavior) {
    case SplitBehavior::kRemoved:
      for_parts(piece, delimiters, invert, [&](Part part) {
        if (!part.delimiter) out.push_back(part.range);
      });
      break;
    case SplitBehavior::kIsolated:
      for_parts(piece, delimiters, invert, [&](Part part) { out.push_back(part.range); });
      break;
    case SplitBehavior::kMergedWithPrevious:
      join_parts(piece, delimiters, invert, out, [](bool now, bool before) { return now && !before; });
      break;
    case SplitBehavior::kContiguous:
      join_parts(piece, delimiters, invert, out, [](bool now, bool before) { return now == before; });
      break;
    case SplitBehavior::kMergedWithNext:
      merge_with_next(piece, delimiters, invert, out);
      break;
  }
  out.erase(std::remove_if(out.begin() + static_cast<ptrdiff_t>(first), out.end(), [](Range r) { return r.empty(); }),
            out.end());
}

}  // namespace octet
