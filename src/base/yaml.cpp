#include "base/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"

namespace octet {
namespace {

constexpr int kMostNodes = 100'000, kDeepest = 64;

class Converter {
 public:
  explicit Converter(const std::string& where) : where_(where) {}

  Json convert(const YAML::Node& node, int depth = 0) {
    if (++nodes_ > kMostNodes) fail("{}: it has more than {} nodes", where_, kMostNodes);
    if (depth > kDeepest) fail("{}: line {}: it is nested deeper than {}", where_, line_of(node), kDeepest);
    if (node.IsSequence()) {
      Json list = Json::array();
      for (const auto& item : node) list.push_back(convert(item, depth + 1));
      return list;
    }
    if (node.IsMap()) return object(node, depth);
    return node.IsScalar() ? scalar(node) : Json(nullptr);
  }

 private:
  static int line_of(const YAML::Node& node) { return node.Mark().line + 1; }

  Json object(const YAML::Node& node, int depth) {
    Json object = Json::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) fail("{}: line {}: a key must be text", where_, line_of(entry.first));
      const std::string& key = entry.first.Scalar();
      if (object.contains(key))
        fail("{}: line {}: {} is there twice", where_, line_of(entry.first), printable(key, 60));
      object[key] = convert(entry.second, depth + 1);
    }
    return object;
  }

  static Json scalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    if (node.Tag() == "!") return text;  // it was quoted
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    const char* const begin = text.data() + (text[0] == '+' ? 1 : 0);
    const char* const end = text.data() + text.size();
    int64_t integer = 0;
    if (const auto [at, error] = std::from_chars(begin, end, integer); error == std::errc() && at == end)
      return integer;
    double number = 0;
    const bool numeric = std::string_view("+-.0123456789").find(text[0]) != std::string_view::npos;
    if (const auto [at, error] = std::from_chars(begin, end, number); numeric && error == std::errc() && at == end)
      return number;
    return text;
  }

  const std::string& where_;
  int nodes_ = 0;
};

}  // namespace

Json parse_yaml(std::string_view text, const std::string& where) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1)
      fail("{}: a second document begins at a line with ---; there must be one, take the line out", where);
    return documents.empty() ? Json(nullptr) : Converter(where).convert(documents[0]);
  } catch (const YAML::Exception& e) {
    fail("{}: line {}: {}", where, e.mark.line + 1, printable(e.msg, 120));
  }
}

}  // namespace octet
