#include "base/json.h"

#include <cmath>
#include <vector>

#include "base/escape.h"
#include "base/mapped_file.h"

namespace octet {
namespace {

constexpr size_t kMaxDepth = 512;
constexpr size_t kShown = 200;  // bytes of a key or a value in a message

// Builds the value while it is read, so that a second equal key is seen where it is inserted: nlohmann alone keeps the
// last one silently, but a file with two is damaged or hostile.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(Json& root, const std::string& where, bool one_line) : root_(root), where_(where), one_line_(one_line) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto [place, inserted] = open_.back()->get_ref<Json::object_t&>().emplace(std::move(name), nullptr);
    if (!inserted) fail("{}: the key \"{}\" stands twice", where_, printable(place->first, kShown));
    member_ = &place->second;
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& e) override {
    std::string reason = json_reason(e.what());
    constexpr std::string_view kLine = "at line 1, ";  // of one line, whose number `where` may give
    if (const size_t at = reason.find(kLine); one_line_ && at != reason.npos) reason.replace(at, kLine.size(), "at ");
    fail("{}: is not JSON: {}", where_, reason);
  }

 private:
  template <typename T>
  bool put(T&& value) {
    place(std::forward<T>(value));
    return true;
  }
  template <typename T>
  Json* place(T&& value) {
    if (open_.empty()) return &(root_ = Json(std::forward<T>(value)));
    if (open_.back()->is_array()) {
      auto& array = open_.back()->get_ref<Json::array_t&>();
      return &array.emplace_back(std::forward<T>(value));
    }
    return &(*member_ = Json(std::forward<T>(value)));
  }
  bool open(Json&& container) {
    if (open_.size() == kMaxDepth) fail("{}: JSON is nested deeper than {} levels", where_, kMaxDepth);
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json& root_;
  const std::string& where_;
  const bool one_line_;
  std::vector<Json*> open_;
  Json* member_ = nullptr;
};

}  // namespace

std::string json_reason(std::string_view what) {
  const size_t end = what.find("] ");  // of "[json.exception.parse_error.101] "
  return printable(what.substr(end == std::string_view::npos ? 0 : end + 2), kShown);
}

Json parse_json(std::string_view text, const std::string& where) {
  // nlohmann takes a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos) fail("{}: is not JSON: it contains a NUL byte", where);
  Json root;
  Builder builder(root, where, text.find('\n') == std::string_view::npos);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return root;
}

Json read_json(const std::filesystem::path& path, size_t max_bytes) {
  const MappedFile file(path);
  if (file.bytes().size() > max_bytes) {
    fail("{}: has {} bytes, more than the {} that are read here", path.string(), file.bytes().size(), max_bytes);
  }
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path.string());
}

std::string json_text(const Json& value) {
  if (value.is_structured() && value.size() > 16) return value.is_array() ? "a long list" : "a large object";
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 60);
}

namespace {

template <typename T>
bool convertible(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, std::string>) return value.is_string();
  if constexpr (std::is_floating_point_v<T>) return value.is_number();
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (value.is_number_unsigned()) {
      return value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<T>::max());
    }
    if (!value.is_number_integer()) return false;
    const auto number = value.get<int64_t>();
    return number >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
           number <= static_cast<int64_t>(std::numeric_limits<T>::max());
  }
  return false;
}

// What `value` would have to be, for a message.
template <typename T>
std::string wanted(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::string>) return "text";
  if constexpr (std::is_floating_point_v<T>) return "a number";
  if constexpr (std::is_integral_v<T>) {
    using Limits = std::numeric_limits<T>;
    if (value.is_number_integer()) return fmt::format("a whole number between {} and {}", Limits::min(), Limits::max());
  }
  return "a whole number";
}

}  // namespace

template <typename T>
T json_value(const Json& object, const char* key, const T& fallback, const std::string& where) {
  if (!object.is_object()) fail("{}: is not a JSON object", where);
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!convertible<T>(*found)) {
    fail("{}: {} is {}; it must be {}", where, key, json_text(*found), wanted<T>(*found));
  }
  return found->get<T>();
}

template bool json_value(const Json&, const char*, const bool&, const std::string&);
template int json_value(const Json&, const char*, const int&, const std::string&);
template int64_t json_value(const Json&, const char*, const int64_t&, const std::string&);
template float json_value(const Json&, const char*, const float&, const std::string&);
template double json_value(const Json&, const char*, const double&, const std::string&);
template std::string json_value(const Json&, const char*, const std::string&, const std::string&);

}  // namespace octet
