#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

struct TokenizerSizes {
  int64_t vocabulary;  ///< largest id + 1
  int64_t added;       ///< added tokens
};

/// Text to ids and back, as tokenizer.json says and the tokenizers library does it. Safe to use from several threads.
class Tokenizer {
 public:
  /// Reads tokenizer.json, or DIR/tokenizer.json. Throws Error naming the file and the key on anything that is broken
  /// or that Octet does not support.
  static Tokenizer load(const std::filesystem::path& file);
  static Tokenizer parse(std::string_view json, const std::string& where);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Bytes that are not UTF-8 count as U+FFFD. Special tokens that stand in the text are always found; those of the
  /// post-processor (such as the one that begins a text) are added on request. Time grows in proportion to the text.
  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens = false) const;

  /// Ids without a token are left out. Bytes that make no text become U+FFFD.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens = true) const;

  int64_t vocabulary_size() const;  ///< largest id + 1
  TokenizerSizes sizes() const;
  std::optional<int32_t> id_of(std::string_view token) const;
  std::string token_of(int32_t id) const;  ///< as in the vocabulary; Error if there is none
  bool has(int32_t id) const;
  bool is_special(int32_t id) const;

 private:
  friend class StreamDecoder;
  struct Parts;
  explicit Tokenizer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// Decodes one id at a time. What next() returned, joined, and then finish() is what decode() makes of all ids; no
/// part ends inside a code point. The tokenizer must outlive it.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);
  StreamDecoder(StreamDecoder&&) noexcept;
  ~StreamDecoder();
  /// Before the first next(): ids whose text is known already, such as a prompt. What comes next is decoded as what
  /// follows them (a word keeps the space before it), and their own text is left out.
  void follow(std::span<const int32_t> ids);
  std::string next(int32_t id);
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octet
