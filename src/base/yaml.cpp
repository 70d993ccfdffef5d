#include "base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <map>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"

namespace octet {
namespace {

constexpr int64_t kMostNodes = 100'000, kBytesOfNode = 100;  // a text counts as several nodes where it is long
constexpr size_t kDeepest = 64;

Json scalar(const std::string& tag, const std::string& text) {
  if (tag == "!") return text;  // it was quoted
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* const begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* const end = text.data() + text.size();
  int64_t integer = 0;
  if (const auto [at, error] = std::from_chars(begin, end, integer); error == std::errc() && at == end) return integer;
  double number = 0;
  const bool numeric = std::string_view("+-.0123456789").find(text[0]) != std::string_view::npos;
  if (const auto [at, error] = std::from_chars(begin, end, number); numeric && error == std::errc() && at == end)
    return number;
  return text;
}

// Makes JSON of events. All is counted as it comes: of some broken texts the parser makes documents without end.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const std::string& where) : where_(where) {}

  Json take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {
    if (++documents_ > 1)
      fail("{}: a second document begins at a line with ---; there must be one, take the line out", where_);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_as_key(mark);
    put({nullptr, 1}, mark, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const int64_t nodes = 1 + static_cast<int64_t>(text.size()) / kBytesOfNode;
    if (!is_key_next()) return put({scalar(tag, text), nodes}, mark, anchor);
    remember({scalar(tag, text), nodes}, mark, anchor);
    set_key(text, nodes, mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_as_key(mark);
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) fail("{}: line {}: it stands within what it repeats", where_, mark.line + 1);
    put(known->second, mark, 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Json::array(), mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Json::object(), mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Value {
    Json json;
    int64_t nodes = 0;
  };
  struct Open {
    Value value;
    std::optional<std::string> key;  // of a map, whose value is to come
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
  };

  void count(int64_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ > kMostNodes)
      fail("{}: line {}: there are more than {} nodes by then", where_, mark.line + 1, kMostNodes);
  }

  bool is_key_next() const { return !open_.empty() && open_.back().value.json.is_object() && !open_.back().key; }

  void refuse_as_key(const YAML::Mark& mark) const {
    if (is_key_next()) fail("{}: line {}: a key must be text", where_, mark.line + 1);
  }

  void set_key(const std::string& key, int64_t nodes, const YAML::Mark& mark) {
    count(nodes, mark);
    Open& map = open_.back();
    if (map.value.json.contains(key)) fail("{}: line {}: {} is there twice", where_, mark.line + 1, printable(key, 60));
    map.key = key;
    map.value.nodes += nodes;
  }

  void open(Json empty, const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse_as_key(mark);
    count(1, mark);
    if (open_.size() > kDeepest) fail("{}: line {}: it is nested deeper than {}", where_, mark.line + 1, kDeepest);
    open_.push_back({{std::move(empty), 1}, {}, mark, anchor});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    nodes_ -= done.value.nodes;  // put() counts them again
    put(std::move(done.value), done.mark, done.anchor);
  }

  void remember(const Value& value, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == 0) return;
    count(value.nodes, mark);
    anchors_[anchor] = value;
  }

  void put(Value value, const YAML::Mark& mark, YAML::anchor_t anchor) {
    count(value.nodes, mark);
    remember(value, mark, anchor);
    if (open_.empty()) {
      root_ = std::move(value.json);
      return;
    }
    Open& parent = open_.back();
    parent.value.nodes += value.nodes;
    if (parent.value.json.is_array()) {
      parent.value.json.push_back(std::move(value.json));
    } else {
      parent.value.json[*parent.key] = std::move(value.json);
      parent.key.reset();
    }
  }

  const std::string& where_;
  Json root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Value> anchors_;
  int64_t nodes_ = 0;
  int documents_ = 0;
};

}  // namespace

Json parse_yaml(std::string_view text, const std::string& where) {
  std::istringstream stream{std::string(text)};
  Builder builder(where);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    fail("{}: line {}: {}", where, e.mark.line + 1, printable(e.msg, 120));
  }
  return builder.take();
}

}  // namespace octet
