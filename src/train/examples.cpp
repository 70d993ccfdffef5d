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
                                   Threads& threads)
    : options_(options) {
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
    ids_.insert(ids_.end(), around.before.begin(), around.before.end());
    ids_.insert(ids_.end(), kept.begin(), kept.end());
    ids_.insert(ids_.end(), around.behind.begin(), around.behind.end());
    if (kept.empty()) {
      ++without_tokens_;
      if (special == 0) ids_.push_back(options.pad_id);  // a model needs at least one
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

LabelledBatch LabelledExamples::batch(std::span<const int64_t> examples) const {
  LabelledBatch batch{.batch = static_cast<int64_t>(examples.size())};
  for (const int64_t example : examples) {
    batch.lengths.push_back(static_cast<int64_t>(ids(example).size()));
    batch.labels.push_back(label(example));
    batch.length = std::max(batch.length, batch.lengths.back());
  }
  if (options_.pad_to_max_length) batch.length = options_.max_length;
  batch.ids.assign(static_cast<size_t>(batch.batch * batch.length), options_.pad_id);
  for (size_t row = 0; row < examples.size(); ++row) {
    const auto from = ids(examples[row]);
    const auto length = static_cast<size_t>(batch.length);
    const size_t shift = options_.padding_side == Side::left ? length - from.size() : 0;
    std::copy(from.begin(), from.end(), batch.ids.begin() + static_cast<ptrdiff_t>(row * length + shift));
  }
  return batch;
}

}  // namespace octet::train
