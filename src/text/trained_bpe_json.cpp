#include <nlohmann/json.hpp>

#include "text/train_bpe.h"

namespace octet {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

OrderedJson pre_tokenizer(const std::string& pattern) {
  if (pattern.empty()) return byte_level(true);
  const OrderedJson split = {
      {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", OrderedJson::array({split, byte_level(false)})}};
}

OrderedJson added_tokens(const TrainedBpe& bpe) {
  OrderedJson list = OrderedJson::array();
  for (const std::string& token : bpe.options.special_tokens) {
    list.push_back({{"id", list.size()},
                    {"content", token},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", true}});
  }
  return list;
}

OrderedJson model(const TrainedBpe& bpe) {
  OrderedJson vocabulary = OrderedJson::object(), merges = OrderedJson::array();
  auto& entries = vocabulary.get_ref<OrderedJson::object_t&>();  // its [] looks through all of them
  for (size_t id = 0; id < bpe.tokens.size(); ++id) entries.emplace_back(bpe.tokens[id], id);
  for (const auto& [left, right] : bpe.merges) {
    merges.push_back(bpe.tokens[static_cast<size_t>(left)] + " " + bpe.tokens[static_cast<size_t>(right)]);
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

struct Role {
  const char* key;
  std::array<const char*, 4> names;  // the first one that is there
};
constexpr Role kRoles[] = {
    {"bos_token", {"<s>", "<bos>", "<|begin_of_text|>", "<|endoftext|>"}},
    {"eos_token", {"</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"}},
    {"pad_token", {"<pad>", "[PAD]", "<|pad|>", ""}},
    {"unk_token", {"<unk>", "[UNK]", "<|unk|>", ""}},
};

}  // namespace

std::string tokenizer_json(const TrainedBpe& bpe) {
  const OrderedJson json = {{"version", "1.0"},
                            {"truncation", nullptr},
                            {"padding", nullptr},
                            {"added_tokens", added_tokens(bpe)},
                            {"normalizer", nullptr},
                            {"pre_tokenizer", pre_tokenizer(bpe.options.pattern)},
                            {"post_processor", byte_level(true)},
                            {"decoder", byte_level(true)},
                            {"model", model(bpe)}};
  return json.dump(2) + "\n";
}

std::string tokenizer_config_json(const TrainedBpe& bpe) {
  OrderedJson json = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto& special = bpe.options.special_tokens;
  for (const Role& role : kRoles) {
    for (const char* name : role.names) {
      if (*name == '\0' || std::find(special.begin(), special.end(), name) == special.end()) continue;
      json[role.key] = name;
      break;
    }
  }
  return json.dump(2) + "\n";
}

}  // namespace octet
