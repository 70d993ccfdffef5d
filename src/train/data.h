#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/threads.h"
#include "text/cleaning.h"
#include "text/tokenizer.h"
#include "train/learner.h"

namespace octet::train {

/// How the documents of a file are found.
enum class DataFormat : uint8_t {
  automatic,   ///< by the file's name: .jsonl, .tsv, else text
  text,        ///< the whole file is one document
  paragraphs,  ///< documents stand between blank lines
  lines,       ///< a document a line, blank lines left out
  jsonl,       ///< an object a line
  tsv          ///< columns between tabs; a first line that names the columns is found by itself
};

/// Throws UsageError listing the names: "auto", "text", "paragraphs", "lines", "jsonl", "tsv".
DataFormat data_format_named(std::string_view name);
std::string_view name_of(DataFormat format);

/// What is read of a file.
struct DataOptions {
  DataFormat format = DataFormat::automatic;
  std::string text_field = "text";    ///< of JSONL; of TSV a column's name, else the first column
  std::string label_field = "label";  ///< of JSONL; of TSV a column's name, else the last column
  bool text_field_given = false;      ///< then a TSV must have the column
  bool label_field_given = false;
  bool labels = false;                   ///< documents have labels; without, label is -1
  std::vector<std::string> label_names;  ///< what labels are called; empty: they are numbers, 0 and up
  int64_t classes = 0;                   ///< labels must be smaller; 0: as many as label_names, or not limited
};

struct Document {
  std::string text;
  int32_t label = -1;
  int64_t line = 0;  ///< where it begins in its file, for messages
};

/// Reads every document of `file`, which has at most 2 GB. Throws one-line Errors that name file and line: missing
/// file, zero bytes, broken JSON, missing column, a label out of range, an empty document, no document at all.
std::vector<Document> read_documents(const std::filesystem::path& file, const DataOptions& options);

/// Cleans the text of every document, on all threads. One may be empty then.
void clean_documents(std::span<Document> documents, const TextCleaner& cleaner, Threads& threads);

/// The tokens of documents one after another, `end_of_text` (where it is not negative) behind each. Documents are
/// encoded on all threads; the order is the documents'.
std::vector<int32_t> encode_documents(const Tokenizer& tokenizer, std::span<const Document> documents,
                                      int32_t end_of_text, Threads& threads);

/// A permutation of 0 … n-1 that depends on (seed, epoch) alone.
std::vector<int64_t> shuffled(int64_t n, uint64_t seed, uint32_t epoch);

/// An endless stream of examples 0 … n-1, one epoch after another, each in an order of its own: where a run stands is
/// one number.
class ExampleOrder {
 public:
  /// Without `shuffle` every epoch goes from 0 to n-1. n >= 1.
  ExampleOrder(int64_t n, uint64_t seed, bool shuffle = true);
  /// The example at `position` >= 0 of the stream.
  int64_t at(int64_t position);
  int64_t epoch(int64_t position) const { return position / n_; }

 private:
  int64_t n_;
  uint64_t seed_;
  bool shuffle_;
  int64_t cached_ = -1;
  std::vector<int64_t> order_;
};

/// What a model is trained on, by numbers 0 … size-1.
class Examples {
 public:
  virtual ~Examples() = default;
  virtual int64_t size() const = 0;
  /// These examples in this order; it points into their tokens.
  virtual Batch batch(std::span<const int64_t> examples) const = 0;
};

/// Sequences of T tokens for a language model: inputs are tokens i·T … i·T+T-1, targets the tokens one further. Every
/// token but the first is a target once; what is left over at the end makes no sequence.
class PackedTokens : public Examples {
 public:
  /// Throws Error where there are not T+1 tokens, saying how many there are.
  PackedTokens(std::vector<int32_t> tokens, int64_t sequence_length);
  int64_t size() const override { return size_; }  ///< sequences
  Batch batch(std::span<const int64_t> sequences) const override;
  int64_t sequence_length() const { return length_; }
  std::span<const int32_t> inputs(int64_t sequence) const;   ///< [T]
  std::span<const int32_t> targets(int64_t sequence) const;  ///< [T]
  /// The same tokens in sequences that begin with `first`, as texts do that a model is given when it serves.
  PackedTokens beginning_with(int32_t first) const;

 private:
  std::vector<int32_t> tokens_;
  int64_t length_, size_, stride_;  // from one sequence to the next
};

enum class Side : uint8_t { left, right };
Side side_named(std::string_view name);  ///< "left", "right"; Throws UsageError

/// How documents become sequences of a classifier.
struct PaddingOptions {
  int64_t max_length = 128;            ///< tokens
  bool truncate = true;                ///< longer documents are cut; false: they are an Error
  Side truncation_side = Side::right;  ///< where tokens are taken away
  /// right: models stop where a document ends, so that padding changes nothing. left: every document is filled up to
  /// max_length from the left, and models read the padding as they read tokens.
  Side padding_side = Side::right;
  int32_t pad_id = 0;
};

/// Documents as ids, cut to length, with their labels.
class LabelledExamples : public Examples {
 public:
  /// Throws Error naming the document on one without a label, or too long where nothing is cut. Special tokens that the
  /// tokenizer adds stay when the text between them is cut. A document of which no token is left (cleaning may take
  /// away all of it) is one pad_id. `where` names the file in messages.
  LabelledExamples(const Tokenizer& tokenizer, std::span<const Document> documents, const PaddingOptions& options,
                   bool add_special_tokens, const std::string& where, Threads& threads);
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  Batch batch(std::span<const int64_t> examples) const override;
  std::span<const int32_t> ids(int64_t example) const;
  std::span<const int32_t> all_ids() const { return ids_; }
  std::span<const int32_t> labels() const { return labels_; }
  int64_t longest() const;                                    ///< tokens of one document
  int64_t truncated() const { return truncated_; }            ///< documents that were cut
  int64_t without_tokens() const { return without_tokens_; }  ///< documents of which nothing is left

 private:
  std::vector<int32_t> ids_, labels_;
  std::vector<int64_t> begins_;  // [N+1]
  int64_t truncated_ = 0, without_tokens_ = 0;
};

}  // namespace octet::train
