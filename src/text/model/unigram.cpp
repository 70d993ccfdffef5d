#include "text/model/list.h"
#include "text/raw_tokenizer.h"
#include "text/trie.h"
#include "text/unicode.h"

namespace octet {
namespace {

constexpr double kUnknownPenalty = 10.0;

/// Unigram language model (Kudo 2018, arXiv:1804.10959): the cut with the largest sum of scores, by Viterbi's search.
class Unigram : public Model {
 public:
  Unigram(const StepJson& json, RawTokenizer& raw)
      : where_(json.where), byte_fallback_(json.flag("byte_fallback", false)) {
    if (!raw.vocabulary_has_scores) fail("{}: vocab must be a list of tokens with scores", where_);
    double lowest = std::numeric_limits<double>::infinity();
    scores_.reserve(raw.vocabulary.size());
    for (const auto& entry : raw.vocabulary) {
      if (!std::isfinite(entry.score)) fail("{}: vocab has a score that is not finite", where_);
      lowest = std::min(lowest, entry.score);
      scores_.push_back(entry.score);
      trie_.add(std::string_view(raw.text).substr(entry.begin, entry.size), static_cast<int32_t>(entry.id));
    }
    unknown_score_ = lowest - kUnknownPenalty;
    vocabulary_ = Vocabulary(std::move(raw.text), raw.vocabulary, true, raw.where);
    const int64_t unknown = json.number("unk_id", -1);
    if (unknown < -1 || unknown >= vocabulary_.size()) fail("{}: unk_id {} is not in vocab", where_, unknown);
    unknown_ = static_cast<int32_t>(unknown);
    for (int byte = 0; byte < 256; ++byte) {
      bytes_[static_cast<size_t>(byte)] = byte_fallback_ ? vocabulary_.find(fmt::format("<0x{:02X}>", byte)) : -1;
    }
  }

  void encode(std::string_view piece, WordCache& cache, std::vector<int32_t>& ids) const override {
    const bool keep = piece.size() <= WordCache::kLongestWord;
    if (keep && cache.find(piece, 0, ids)) return;
    const size_t from = ids.size();
    append_best(piece, ids);
    if (keep) cache.add(piece, 0, ids, from);
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  struct Node {
    double score = 0;
    uint32_t begin = UINT32_MAX;  // of the token that ends here on the best way
    int32_t id = -1;
  };

  static void offer(Node& node, double score, size_t begin, int32_t id) {
    if (node.begin == UINT32_MAX || score > node.score) node = {score, static_cast<uint32_t>(begin), id};
  }

  void append_best(std::string_view piece, std::vector<int32_t>& ids) const {
    std::vector<Node> nodes(piece.size() + 1);
    for (size_t at = 0; at < piece.size();) {
      const double score = nodes[at].score;
      const size_t character = utf8_length(piece[at]);
      bool single = false;
      trie_.prefixes(piece.substr(at), [&](size_t size, int32_t id) {
        offer(nodes[at + size], scores_[static_cast<size_t>(id)] + score, at, id);
        single = single || size == character;
      });
      if (!single) offer(nodes[at + character], unknown_score_ + score, at, needed_unknown());
      at += character;
    }
    append_path(piece, nodes, ids);
  }

  int32_t needed_unknown() const {
    if (unknown_ < 0) fail("{}: the text needs an unknown token, but unk_id is missing", where_);
    return unknown_;
  }

  // From the last token to the first; neighbouring unknown tokens become one.
  void append_path(std::string_view piece, const std::vector<Node>& nodes, std::vector<int32_t>& ids) const {
    std::vector<Node> path;
    std::vector<size_t> ends;
    for (size_t end = piece.size(); end > 0; end = nodes[end].begin) {
      const Node& node = nodes[end];
      if (!path.empty() && node.id == unknown_ && path.back().id == unknown_) {
        path.back().begin = node.begin;
        continue;
      }
      path.push_back(node);
      ends.push_back(end);
    }
    for (size_t i = path.size(); i-- > 0;) {
      const std::string_view text = piece.substr(path[i].begin, ends[i] - path[i].begin);
      const int32_t id = path[i].id == unknown_ ? vocabulary_.find(text) : path[i].id;
      if (id >= 0) {
        ids.push_back(id);
      } else if (!append_bytes(text, ids)) {
        ids.push_back(unknown_);
      }
    }
  }

  bool append_bytes(std::string_view text, std::vector<int32_t>& ids) const {
    if (!byte_fallback_) return false;
    const auto id = [&](char c) { return bytes_[static_cast<uint8_t>(c)]; };
    if (std::any_of(text.begin(), text.end(), [&](char c) { return id(c) < 0; })) return false;
    for (const char c : text) ids.push_back(id(c));
    return true;
  }

  std::string where_;
  bool byte_fallback_;
  Trie trie_;
  Vocabulary vocabulary_;
  std::vector<double> scores_;  // by id
  double unknown_score_ = 0;
  int32_t unknown_ = -1;
  std::array<int32_t, 256> bytes_;
};

}  // namespace

std::unique_ptr<Model> make_unigram(const StepJson& json, RawTokenizer& raw) {
  return std::make_unique<Unigram>(json, raw);
}

}  // namespace octet
