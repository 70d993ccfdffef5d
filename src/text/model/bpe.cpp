#include "text/model/bpe.h"

#include "text/model/list.h"
#include "text/raw_tokenizer.h"
#include "text/unicode.h"

namespace octet {
namespace {

// Words found whole in the vocabulary (ignore_merges) and words made by merges are different entries of the cache.
constexpr uint32_t kWhole = 0, kMerged = 1;

std::string byte_token(int byte) {
  return fmt::format("<0x{:02X}>", byte);
}

}  // namespace

Bpe::Bpe(const StepJson& json, RawTokenizer& raw)
    : where_(json.where),
      prefix_(json.text("continuing_subword_prefix", "")),
      suffix_(json.text("end_of_word_suffix", "")),
      unknown_token_(json.text("unk_token", "")),
      has_unknown_(json.has("unk_token")),
      fuse_unknown_(json.flag("fuse_unk", false)),
      byte_fallback_(json.flag("byte_fallback", false)),
      ignore_merges_(json.flag("ignore_merges", false)) {
  if (raw.vocabulary_has_scores) fail("{}: vocab must be an object of tokens and ids", where_);
  if (json.has("dropout") && json.at("dropout").is_number() && json.at("dropout").get<double>() != 0) {
    fail("{}: dropout is not 0; a tokenizer for use must not drop merges at random", where_);
  }
  vocabulary_ = Vocabulary(std::move(raw.text), raw.vocabulary, false, raw.where);
  raw.vocabulary = {};
  read_bytes();
  read_merges(raw);
}

void Bpe::read_bytes() {
  direct_.fill(kAbsent);
  std::string text;
  for (char32_t c = 0; c < kDirect; ++c) {
    text.clear();
    append_utf8(text, c);
    direct_[c] = vocabulary_.find(text);
  }
  for (int byte = 0; byte < 256; ++byte) bytes_[static_cast<size_t>(byte)] = vocabulary_.find(byte_token(byte));
}

void Bpe::read_merges(const RawTokenizer& raw) {
  std::vector<bool> is_symbol(static_cast<size_t>(vocabulary_.size()));  // tokens that stand for bytes or the unknown
  for (const int32_t id : bytes_) {
    if (byte_fallback_ && id >= 0) is_symbol[static_cast<size_t>(id)] = true;
  }
  if (const int32_t id = has_unknown_ ? vocabulary_.find(unknown_token_) : kAbsent; id >= 0) {
    is_symbol[static_cast<size_t>(id)] = true;
  }
  can_be_cut_ = prefix_.empty() && suffix_.empty();
  merges_ = MergeTable(raw.merges.size());
  std::string joined;
  for (size_t i = 0; i < raw.merges.size(); ++i) {
    const std::string_view left = raw.left(raw.merges[i]), right = raw.right(raw.merges[i]);
    const auto known = [&](std::string_view token) {
      const int32_t id = vocabulary_.find(token);
      if (id < 0) fail("{}: merges[{}] names {}, which vocab does not have", where_, i, shown(token));
      return id;
    };
    const int32_t left_id = known(left), right_id = known(right);
    int32_t result;
    if (prefix_.empty()) {
      result = known(std::string_view(raw.merge_text).substr(raw.merges[i].begin, left.size() + right.size()));
    } else {
      // The library cuts as many bytes as the prefix has off the right half, whether they are the prefix or not.
      joined = left;
      joined += right.substr(std::min(prefix_.size(), right.size()));
      result = known(joined);
    }
    if (left.empty() || right.empty()) fail("{}: merges[{}] joins an empty token", where_, i);
    if (is_symbol[static_cast<size_t>(left_id)] || is_symbol[static_cast<size_t>(right_id)]) can_be_cut_ = false;
    merges_.add(left_id, right_id, result);
  }
}

// Pairs of characters at which some merge joins. Where two characters are no such pair, no merge ever reaches across:
// the left token of a merge ends in its last character, the right one begins with its first.
const PairTable& Bpe::joints() const {
  std::call_once(joints_once_, [&] {
    joints_ = PairTable(merges_.size());
    for (uint32_t i = 0; i < merges_.size(); ++i) {
      const auto [left_id, right_id] = merges_.pair(i);
      const std::string_view left = vocabulary_.token(left_id), right = vocabulary_.token(right_id);
      const int32_t last = vocabulary_.find(left.substr(previous_code_point(left, left.size())));
      const int32_t first = vocabulary_.find(right.substr(0, utf8_length(right[0])));
      if (last >= 0 && first >= 0) joints_.set(last, first, 1);
    }
  });
  return joints_;
}

int32_t Bpe::character(std::string_view piece, size_t begin, size_t end) const {
  size_t at = begin;
  const char32_t c = next_code_point(piece, at);
  if (c < kDirect) return direct_[c];
  return vocabulary_.find(piece.substr(begin, end - begin));
}

int32_t Bpe::unknown() const {
  const int32_t id = vocabulary_.find(unknown_token_);
  if (id < 0) fail("{}: unk_token {} is needed but vocab does not have it", where_, shown(unknown_token_));
  return id;
}

bool Bpe::append_bytes(std::string_view character, std::vector<int32_t>& ids) const {
  if (!byte_fallback_) return false;
  const auto id = [&](char c) { return bytes_[static_cast<uint8_t>(c)]; };
  if (std::any_of(character.begin(), character.end(), [&](char c) { return id(c) < 0; })) return false;
  for (const char c : character) ids.push_back(id(c));
  return true;
}

// One token a character; characters without one become bytes or unknown, which waits to be fused with the next.
void Bpe::append_symbols(std::string_view piece, std::vector<int32_t>& ids) const {
  bool unknown_waits = false;
  std::string decorated;
  for (size_t begin = 0, end = 0; begin < piece.size(); begin = end) {
    end = begin + utf8_length(piece[begin]);
    std::string_view text = piece.substr(begin, end - begin);
    int32_t id;
    const bool with_prefix = begin > 0 && !prefix_.empty(), with_suffix = end == piece.size() && !suffix_.empty();
    if (with_prefix || with_suffix) {
      decorated = fmt::format("{}{}{}", with_prefix ? prefix_ : "", text, with_suffix ? suffix_ : "");
      text = decorated;
      id = vocabulary_.find(text);
    } else {
      id = character(piece, begin, end);
    }
    if (id >= 0) {
      if (unknown_waits) ids.push_back(unknown());
      unknown_waits = false;
      ids.push_back(id);
    } else if (!append_bytes(text, ids) && has_unknown_) {
      if (unknown_waits && !fuse_unknown_) ids.push_back(unknown());
      unknown_waits = true;
    }
  }
  if (unknown_waits) ids.push_back(unknown());
}

void Bpe::encode_word(std::string_view word, uint32_t kind, WordCache& cache, std::vector<int32_t>& ids) const {
  const bool keep = word.size() <= WordCache::kLongestWord;
  if (keep && cache.find(word, kind, ids)) return;
  const size_t from = ids.size();
  append_symbols(word, ids);
  merges_.merge(ids, from);
  if (keep) cache.add(word, kind, ids, from);
}

void Bpe::encode(std::string_view piece, WordCache& cache, std::vector<int32_t>& ids) const {
  if (piece.size() > WordCache::kLongestWord) {
    if (const int32_t whole = ignore_merges_ ? vocabulary_.find(piece) : kAbsent; whole >= 0) {
      ids.push_back(whole);
      return;
    }
    return encode_long(piece, cache, ids);
  }
  if (!ignore_merges_) return encode_word(piece, kMerged, cache, ids);
  if (cache.find(piece, kWhole, ids)) return;
  const size_t from = ids.size();
  if (const int32_t whole = vocabulary_.find(piece); whole >= 0) {
    ids.push_back(whole);
  } else {
    append_symbols(piece, ids);
    merges_.merge(ids, from);
  }
  cache.add(piece, kWhole, ids, from);
}

// Cuts at every place that no merge can reach across, so a document without a pre-tokenizer is encoded word by word.
void Bpe::encode_long(std::string_view piece, WordCache& cache, std::vector<int32_t>& ids) const {
  if (!can_be_cut_) return encode_word(piece, kMerged, cache, ids);
  const PairTable& joins = joints();
  size_t word = 0;
  int32_t previous = kAbsent;
  for (size_t begin = 0, end = 0; begin < piece.size(); begin = end) {
    end = begin + utf8_length(piece[begin]);
    const int32_t id = character(piece, begin, end);
    // Characters without a token of their own may wait to be fused: never a cut beside them.
    if (id >= 0 && previous >= 0 && joins.get(previous, id) == PairTable::kNone) {
      encode_word(piece.substr(word, begin - word), kMerged, cache, ids);
      word = begin;
    }
    previous = id;
  }
  encode_word(piece.substr(word), kMerged, cache, ids);
}

std::unique_ptr<Model> make_bpe(const StepJson& json, RawTokenizer& raw) {
  return std::make_unique<Bpe>(json, raw);
}

}  // namespace octet
