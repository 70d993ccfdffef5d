#include "base/error.h"
#include "train/data.h"

namespace octet::train {
namespace {

// What the tokenizer puts before and behind every text, such as [CLS] and [SEP].
struct Around {
  std::vector<int32_t> before, behind;
};

Around special_tokens_around(const Tokenizer& tokenizer) {
  const std::string probe = "a";
  const auto bare = tokenizer.encode(probe, false), full = tokenizer.encode(probe, true);
  const auto at = std::search(full.begin(), full.end(), bare.begin(), bare.end());
  if (at == full.end() && !bare.empty()) return {};
  return {{full.begin(), at}, {at + static_cast<ptrdiff_t>(bare.size()), full.end()}};
}

std::span<const int32_t> cut(std::span<const int32_t> ids, size_t size, Side side) {
  if (ids.size() <= size) return ids;
  return side == Side::right ? ids.first(size) : ids.last(size);
}

}  // namespace

LabelledExamples::LabelledExamples(const Tokenizer& tokenizer, std::span<const Document> documents,
                                   const PaddingOptions& options, bool add_special_tokens, const std::string& where,
                                   Threads& threads) {
  Around around;
  if (add_special_tokens) around = special_tokens_around(tokenizer);
  const auto special = static_cast<int64_t>(around.before.size() + around.behind.size());
  if (options.max_length <= special) {
    fail("max_length is {}; it must be more than the {} special tokens around a text", options.max_length, special);
  }
  const auto room = static_cast<size_t>(options.max_length - special);

  std::vector<std::vector<int32_t>> parts(documents.size());
  threads.for_range(static_cast<int64_t>(documents.size()), 16, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      parts[i] = tokenizer.encode(documents[i].text);
    }
  });
  begins_.push_back(0);
  for (size_t i = 0; i < documents.size(); ++i) {
    const Document& document = documents[i];
    if (document.label < 0) fail("{}:{}: the document has no label", where, document.line);
    if (parts[i].size() > room && !options.truncate) {
      fail("{}:{}: the document has {} tokens; max_length leaves room for {}: raise it or let longer ones be cut",
           where, document.line, parts[i].size(), room);
    }
    truncated_ += parts[i].size() > room;
    const auto kept = cut(parts[i], room, options.truncation_side);
    if (options.padding_side == Side::left) ids_.insert(ids_.end(), room - kept.size(), options.pad_id);
    ids_.insert(ids_.end(), around.before.begin(), around.before.end());
    ids_.insert(ids_.end(), kept.begin(), kept.end());
    ids_.insert(ids_.end(), around.behind.begin(), around.behind.end());
    if (kept.empty()) {
      ++without_tokens_;
      const bool has_token = special > 0 || options.padding_side == Side::left;
      if (!has_token) ids_.push_back(options.pad_id);  // a model needs at least one
    }
    begins_.push_back(static_cast<int64_t>(ids_.size()));
    labels_.push_back(document.label);
    parts[i] = {};
  }
  if (labels_.empty()) fail("{}: has no document", where);
}

std::span<const int32_t> LabelledExamples::ids(int64_t example) const {
  const auto i = static_cast<size_t>(example);
  return std::span(ids_).subspan(static_cast<size_t>(begins_[i]), static_cast<size_t>(begins_[i + 1] - begins_[i]));
}

Batch LabelledExamples::batch(std::span<const int64_t> examples) const {
  Batch batch;
  for (const int64_t example : examples) {
    batch.inputs.push_back(ids(example));
    batch.targets.push_back(labels_[static_cast<size_t>(example)]);
  }
  return batch;
}

int64_t LabelledExamples::longest() const {
  int64_t longest = 0;
  for (size_t i = 1; i < begins_.size(); ++i) longest = std::max(longest, begins_[i] - begins_[i - 1]);
  return longest;
}

}  // namespace octet::train
