#include "text/tokenizer.h"

#include "base/mapped_file.h"
#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/raw_tokenizer.h"
#include "text/step_json.h"
#include "text/unicode.h"

namespace octet {
namespace {

constexpr size_t kLargestFile = size_t{256} << 20;
constexpr size_t kLargestText = size_t{1} << 31;

}  // namespace

struct Tokenizer::Parts {
  std::string where;
  std::unique_ptr<Normalizer> normalizer;       // null: none
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: none
  std::unique_ptr<Model> model;
  std::unique_ptr<PostProcessor> post_processor;  // null: none
  std::unique_ptr<Decoder> decoder;
  AddedTokens added;

  int64_t size() const { return std::max<int64_t>(model->vocabulary().size(), int64_t{added.largest_id()} + 1); }

  // The token of an id, as in the file or as decoding takes it; nullopt where there is none.
  std::optional<std::string_view> token(int32_t id, bool decoding) const {
    if (const auto* token = added.find(id)) return decoding ? token->matched : token->content;
    if (!model->vocabulary().has(id)) return std::nullopt;
    return model->vocabulary().token(id);
  }
  bool is_special(int32_t id) const {
    const auto* token = added.find(id);
    return token && token->special;
  }

  void encode_section(std::string_view text, bool at_start, WordCache& cache, std::vector<int32_t>& ids) const;
  void encode_normalized(std::string_view text, bool at_start, WordCache& cache, std::vector<int32_t>& ids) const;
};

// A stretch of the user's text that holds no token that is matched before normalizing.
void Tokenizer::Parts::encode_section(std::string_view text, bool at_start, WordCache& cache,
                                      std::vector<int32_t>& ids) const {
  std::string normalized;
  if (normalizer) {
    normalized = text;
    normalizer->apply(normalized);
    text = normalized;
  }
  for (const auto& section : added.split(text, true)) {
    if (section.id >= 0) {
      ids.push_back(section.id);
    } else {
      encode_normalized(text.substr(section.begin, section.end - section.begin), at_start && section.begin == 0, cache,
                        ids);
    }
  }
}

void Tokenizer::Parts::encode_normalized(std::string_view text, bool at_start, WordCache& cache,
                                         std::vector<int32_t>& ids) const {
  Pieces pieces;
  pieces.text = text;
  pieces.ranges = {{0, text.size()}};
  pieces.at_start = at_start;
  if (pre_tokenizer) pre_tokenizer->apply(pieces);
  for (const Range piece : pieces.ranges) {
    if (!piece.empty()) model->encode(pieces[piece], cache, ids);
  }
}

Tokenizer::Tokenizer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& file) {
  std::error_code error;
  const auto path = std::filesystem::is_directory(file, error) ? file / "tokenizer.json" : file;
  if (!std::filesystem::exists(path, error)) {
    fail("{}: there is no such file; a model's directory must hold its tokenizer.json", path.string());
  }
  const MappedFile mapped(path);
  if (mapped.bytes().size() > kLargestFile) {
    fail("{}: has {} bytes, more than the {} that a tokenizer may have", path.string(), mapped.bytes().size(),
         kLargestFile);
  }
  return parse({reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()}, path.string());
}

Tokenizer Tokenizer::parse(std::string_view json, const std::string& where) {
  RawTokenizer raw = read_raw_tokenizer(json, where);
  auto parts = std::make_unique<Parts>();
  parts->where = where;
  parts->model = make_model(raw);
  const StepJson root{raw.rest, where};
  const auto step = [&](const char* key) { return StepJson{raw.rest.at(key), fmt::format("{}: {}", where, key)}; };
  if (root.has("normalizer")) parts->normalizer = make_normalizer(step("normalizer"));
  if (root.has("pre_tokenizer")) parts->pre_tokenizer = make_pre_tokenizer(step("pre_tokenizer"));
  parts->added = AddedTokens(root, parts->model->vocabulary(), parts->normalizer.get());
  if (root.has("post_processor")) {
    parts->post_processor = make_post_processor(step("post_processor"), parts->size());
  }
  parts->decoder = root.has("decoder") ? make_decoder(step("decoder")) : make_join_decoder();
  return Tokenizer(std::move(parts));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  if (text.size() > kLargestText) fail("a text of {} bytes is too large to encode at once", text.size());
  std::string valid;
  if (valid_utf8_prefix(text) != text.size()) {
    valid = to_valid_utf8(text);
    text = valid;
  }
  WordCache cache;
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  for (const auto& section : parts_->added.split(text, false)) {
    if (section.id >= 0) {
      ids.push_back(section.id);
    } else {
      parts_->encode_section(text.substr(section.begin, section.end - section.begin), section.begin == 0, cache, ids);
    }
  }
  if (add_special_tokens && parts_->post_processor) ids = parts_->post_processor->apply(std::move(ids));
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  StreamDecoder stream(*this, skip_special_tokens);
  std::string text;
  for (const int32_t id : ids) text += stream.next(id);
  return text + stream.finish();
}

int64_t Tokenizer::vocabulary_size() const {
  return parts_->size();
}

TokenizerSizes Tokenizer::sizes() const {
  return {parts_->size(), static_cast<int64_t>(parts_->added.size())};
}

std::optional<int32_t> Tokenizer::id_of(std::string_view token) const {
  if (const auto* added = parts_->added.find(token)) return added->id;
  const int32_t id = parts_->model->vocabulary().find(token);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::string Tokenizer::token_of(int32_t id) const {
  const auto token = parts_->token(id, false);
  if (!token) fail("{}: no token has the id {}; there are {} ids", parts_->where, id, parts_->size());
  return std::string(*token);
}

bool Tokenizer::has(int32_t id) const {
  return parts_->token(id, false).has_value();
}

bool Tokenizer::is_special(int32_t id) const {
  return parts_->is_special(id);
}

struct StreamDecoder::State : DecodeStage {
  State(const Tokenizer::Parts& p, bool skip) : parts(p), skip_special(skip), first(p.decoder->start(*this)) {}

  void take(std::string_view text, bool) override { out += text; }
  void finish() override {}

  void give(int32_t id) {
    const auto token = parts.token(id, true);
    if (token && !(skip_special && parts.is_special(id))) first->take(*token, true);
  }

  std::string fetch() {
    if (!out.empty() && out.starts_with(known)) out.erase(0, known.size());
    if (!out.empty()) known.clear();
    return std::exchange(out, {});
  }

  const Tokenizer::Parts& parts;
  bool skip_special;
  std::string out;    // what the last stage handed on since it was fetched
  std::string known;  // what the stages still hold of the text that was followed
  std::unique_ptr<DecodeStage> first;
};

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : state_(std::make_unique<State>(*tokenizer.parts_, skip_special_tokens)) {}
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

void StreamDecoder::follow(std::span<const int32_t> ids) {
  State alone(state_->parts, state_->skip_special);
  for (const int32_t id : ids) {
    state_->give(id);
    alone.give(id);
  }
  alone.first->finish();
  state_->known = alone.out.substr(state_->fetch().size());
}

std::string StreamDecoder::next(int32_t id) {
  state_->give(id);
  return state_->fetch();
}

std::string StreamDecoder::finish() {
  state_->first->finish();
  return state_->fetch();
}

}  // namespace octet
