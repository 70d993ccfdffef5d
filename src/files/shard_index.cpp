#include "files/shard_index.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace octet {
namespace {

constexpr size_t kMaxShards = 100'000;
constexpr size_t kMaxDepth = 512;
constexpr size_t kShown = 200;

// Takes the index token by token, because it can name a million tensors, and looks at nothing but weight_map.
class IndexReader : public nlohmann::json_sax<Json> {
 public:
  explicit IndexReader(const std::string& where) : where_(where) {}

  bool found() const { return found_; }
  std::map<std::string, size_t>& tensors() { return tensors_; }
  const std::map<std::string, size_t, std::less<>>& shards() const { return shards_; }

  bool start_object(size_t) override {
    if (in_map_) refuse("an object");
    in_map_ = depth_ == 1 && key_ == "weight_map";
    if (in_map_ && std::exchange(found_, true)) fail("{}: the key \"weight_map\" stands twice", where_);
    return deeper();
  }
  bool start_array(size_t) override { return other("a list") && deeper(); }
  bool end_object() override { return in_map_ = false, --depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    if (depth_ == 1 || in_map_) key_ = std::move(name);
    return true;
  }
  bool string(string_t& value) override {
    if (!in_map_) return other("a text");
    const size_t shard = shards_.emplace(std::move(value), shards_.size()).first->second;
    if (shards_.size() > kMaxShards) fail("{}: names more than {} shards", where_, with_commas(kMaxShards));
    const auto [place, added] = tensors_.emplace(std::move(key_), shard);
    if (!added) fail("{}: the key \"{}\" stands twice", where_, printable(place->first, kShown));
    return true;
  }
  bool null() override { return other("null"); }
  bool boolean(bool) override { return other("a truth value"); }
  bool number_integer(number_integer_t) override { return other("a number"); }
  bool number_unsigned(number_unsigned_t) override { return other("a number"); }
  bool number_float(number_float_t, const string_t&) override { return other("a number"); }
  bool binary(binary_t&) override { return false; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& e) override {
    fail("{}: is not JSON: {}", where_, json_reason(e.what()));
  }

 private:
  [[noreturn]] void refuse(const char* value) const {
    fail("{}: weight_map has {} for tensor {}, not a file name", where_, value, printable(key_, kShown));
  }
  bool other(const char* value) const {
    if (in_map_) refuse(value);
    if (depth_ == 0 || (depth_ == 1 && key_ == "weight_map")) fail("{}: has no object weight_map", where_);
    return true;
  }
  bool deeper() {
    if (++depth_ > kMaxDepth) fail("{}: JSON is nested deeper than {} levels", where_, kMaxDepth);
    return true;
  }

  const std::string& where_;
  std::map<std::string, size_t> tensors_;
  std::map<std::string, size_t, std::less<>> shards_;  // by name; numbered as they appear
  std::string key_;
  size_t depth_ = 0;
  bool in_map_ = false, found_ = false;
};

// A shard lies in the checkpoint's directory or below it, whatever the index says.
void check_shard_name(const std::string& shard, const std::string& where) {
  const std::filesystem::path path(shard);
  bool inside = !shard.empty() && path.is_relative() && shard.find('\0') == std::string::npos;
  for (const auto& part : path) inside = inside && part != "..";
  if (!inside)
    fail("{}: names the shard \"{}\", which is not a file name inside this directory", where, printable(shard, kShown));
}

}  // namespace

ShardIndex read_shard_index(const std::filesystem::path& path) {
  constexpr size_t kMaxBytes = size_t{256} << 20;
  const std::string where = printable(path.string());
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.size() > kMaxBytes) fail("{}: has more than {} bytes", where, with_commas(kMaxBytes));
  // nlohmann takes a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos) fail("{}: is not JSON: it contains a NUL byte", where);
  IndexReader reader(where);
  Json::sax_parse(text.begin(), text.end(), &reader);
  if (!reader.found()) fail("{}: has no object weight_map", where);
  if (reader.tensors().empty()) fail("{}: weight_map names no tensor", where);

  ShardIndex index;
  std::vector<size_t> sorted(reader.shards().size());
  for (const auto& [shard, number] : reader.shards()) {
    check_shard_name(shard, where);
    sorted[number] = index.shards.size();
    index.shards.push_back(shard);
  }
  index.shard_of = std::move(reader.tensors());
  for (auto& [tensor, shard] : index.shard_of) shard = sorted[shard];
  return index;
}

}  // namespace octet
