#include "train/data.h"

#include "base/error.h"
#include "numeric/random.h"

namespace octet::train {
namespace {

// What tells the order of examples from other random numbers of the same seed.
constexpr uint32_t kOrder = 0x6f726472;

}  // namespace

void clean_documents(std::span<Document> documents, const TextCleaner& cleaner, Threads& threads) {
  threads.for_range(static_cast<int64_t>(documents.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::string& text = documents[static_cast<size_t>(i)].text;
      text = cleaner.clean(text);
    }
  });
}

std::vector<int32_t> encode_documents(const Tokenizer& tokenizer, std::span<const Document> documents,
                                      int32_t end_of_text, Threads& threads) {
  std::vector<std::vector<int32_t>> parts(documents.size());
  threads.for_range(static_cast<int64_t>(documents.size()), 4, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      parts[i] = tokenizer.encode(documents[i].text);
      if (end_of_text >= 0) parts[i].push_back(end_of_text);
    }
  });
  size_t size = 0;
  for (const auto& part : parts) size += part.size();
  std::vector<int32_t> tokens;
  tokens.reserve(size);
  for (auto& part : parts) {
    tokens.insert(tokens.end(), part.begin(), part.end());
    part = {};
  }
  return tokens;
}

// Fisher and Yates, from the end; numbers of 64 bits leave no bias that could be seen.
std::vector<int64_t> shuffled(int64_t n, uint64_t seed, uint32_t epoch) {
  const RandomStream random(seed, epoch, kOrder);
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  for (int64_t i = n - 1; i > 0; --i) {
    const auto words = random.block(static_cast<uint64_t>(i));
    const uint64_t number = uint64_t{words[0]} << 32 | words[1];
    const auto other =
        static_cast<uint64_t>(static_cast<unsigned __int128>(number) * static_cast<uint64_t>(i + 1) >> 64);
    std::swap(order[static_cast<size_t>(i)], order[other]);
  }
  return order;
}

ExampleOrder::ExampleOrder(int64_t n, uint64_t seed, bool shuffle) : n_(n), seed_(seed), shuffle_(shuffle) {
  if (n < 1) fail("there are no examples to train on");
}

int64_t ExampleOrder::at(int64_t position) {
  const int64_t epoch = position / n_, place = position % n_;
  if (!shuffle_) return place;
  if (cached_ != epoch) {
    order_ = shuffled(n_, seed_, static_cast<uint32_t>(epoch));
    cached_ = epoch;
  }
  return order_[static_cast<size_t>(place)];
}

PackedTokens::PackedTokens(std::vector<int32_t> tokens, int64_t sequence_length)
    : tokens_(std::move(tokens)), length_(sequence_length), stride_(sequence_length) {
  if (length_ < 1) fail("sequences of {} tokens cannot be; sequence_length must be at least 1", length_);
  const auto count = static_cast<int64_t>(tokens_.size());
  if (count <= length_) {
    fail(
        "the data has {} tokens; one sequence of {} and the token after it need {}: give more text or a smaller "
        "sequence_length",
        count, length_, length_ + 1);
  }
  size_ = (count - 1) / length_;
}

std::span<const int32_t> PackedTokens::inputs(int64_t sequence) const {
  return std::span(tokens_).subspan(static_cast<size_t>(sequence * stride_), static_cast<size_t>(length_));
}

std::span<const int32_t> PackedTokens::targets(int64_t sequence) const {
  return std::span(tokens_).subspan(static_cast<size_t>(sequence * stride_ + 1), static_cast<size_t>(length_));
}

PackedTokens PackedTokens::beginning_with(int32_t first) const {
  PackedTokens result = *this;
  const int64_t own = std::max<int64_t>(1, length_ - 1);  // tokens of the text that are inputs of a sequence
  result.stride_ = length_ + 1;
  result.size_ = (static_cast<int64_t>(tokens_.size()) - 1) / own;
  result.tokens_.clear();
  for (int64_t i = 0; i < result.size_; ++i) {
    const auto begin = tokens_.begin() + i * own;
    result.tokens_.push_back(first);
    result.tokens_.insert(result.tokens_.end(), begin, begin + length_);
  }
  return result;
}

Batch PackedTokens::batch(std::span<const int64_t> sequences) const {
  Batch batch;
  for (const int64_t sequence : sequences) {
    batch.inputs.push_back(inputs(sequence));
    const auto next = targets(sequence);
    batch.targets.insert(batch.targets.end(), next.begin(), next.end());
  }
  return batch;
}

}  // namespace octet::train
