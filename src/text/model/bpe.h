#pragma once
#include <array>
#include <mutex>
#include <optional>

#include "text/model.h"
#include "text/model/merge_table.h"
#include "text/step_json.h"

namespace octet {

/// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) as the tokenizers library runs it: characters become
/// tokens, byte tokens <0xXX> or the unknown token, then pairs join by rank.
class Bpe : public Model {
 public:
  Bpe(const StepJson& json, RawTokenizer& raw);

  void encode(std::string_view piece, WordCache& cache, std::vector<int32_t>& ids) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  static constexpr int32_t kAbsent = -1;
  static constexpr size_t kDirect = 0x3000;  // code points whose token is kept at hand, ▁ among them

  void read_merges(const RawTokenizer& raw);
  void read_bytes();
  int32_t character(std::string_view piece, size_t begin, size_t end) const;
  void encode_word(std::string_view word, uint32_t kind, WordCache& cache, std::vector<int32_t>& ids) const;
  void encode_long(std::string_view piece, WordCache& cache, std::vector<int32_t>& ids) const;
  void append_symbols(std::string_view piece, std::vector<int32_t>& ids) const;
  bool append_bytes(std::string_view character, std::vector<int32_t>& ids) const;
  int32_t unknown() const;
  const PairTable& joints() const;

  std::string where_;
  Vocabulary vocabulary_;
  MergeTable merges_;
  std::string prefix_, suffix_, unknown_token_;
  bool has_unknown_ = false, fuse_unknown_ = false, byte_fallback_ = false, ignore_merges_ = false;
  bool can_be_cut_ = true;  // merges join characters only, so joints() tells where none can reach across
  std::array<int32_t, kDirect> direct_;
  std::array<int32_t, 256> bytes_;
  mutable std::once_flag joints_once_;
  mutable PairTable joints_;
};

}  // namespace octet
