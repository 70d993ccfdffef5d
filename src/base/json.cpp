#include "base/json.h"

#include <cmath>
#include <set>
#include <vector>

#include "base/mapped_file.h"

namespace octet {
namespace {

constexpr int kMaxDepth = 512;

// nlohmann keeps the last of two equal keys silently; a checkpoint with two is damaged or hostile.
struct Strictness {
  const std::string& where;
  std::vector<std::set<std::string>> keys{};

  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) fail("{}: JSON is nested deeper than {} levels", where, kMaxDepth);
    switch (event) {
      case Json::parse_event_t::object_start:
        keys.emplace_back();
        break;
      case Json::parse_event_t::object_end:
        keys.pop_back();
        break;
      case Json::parse_event_t::key:
        if (const auto& key = value.get_ref<const std::string&>(); !keys.back().insert(key).second) {
          fail("{}: the key {} stands twice", where, Json(key).dump(-1, ' ', true, Json::error_handler_t::replace));
        }
        break;
      default:
        break;
    }
    return true;
  }
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  Strictness strictness{where};
  try {
    return Json::parse(text.begin(), text.end(), std::ref(strictness));
  } catch (const nlohmann::json::exception& e) {
    fail("{}: is not JSON: {}", where, e.what());
  }
}

Json read_json(const std::filesystem::path& path, size_t max_bytes) {
  const MappedFile file(path);
  if (file.bytes().size() > max_bytes) {
    fail("{}: has {} bytes, more than the {} that are read here", path.string(), file.bytes().size(), max_bytes);
  }
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path.string());
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

}  // namespace

template <typename T>
T json_value(const Json& object, const char* key, const T& fallback, const std::string& where) {
  if (!object.is_object()) fail("{}: is not a JSON object", where);
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!convertible<T>(*found)) {
    fail("{}: {} is {}, which cannot be used here", where, key,
         found->dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 60));
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
