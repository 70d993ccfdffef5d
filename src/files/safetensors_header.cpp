#include "files/safetensors_header.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"

namespace octet {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxDimensions = 64;  // as many as torch and numpy know
constexpr size_t kShown = 200;

// Takes the header token by token: it can be 100 MB long, and nothing of it is kept but what belongs to a tensor.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(SafetensorsHeader& header, const std::string& where) : header_(header), where_(where) {}

  bool start_object(size_t) override {
    switch (at_) {
      case At::start:
        return go(At::top);
      case At::entry:
        return begin_entry();
      default:
        refuse("an object");
    }
  }
  bool end_object() override {
    switch (at_) {
      case At::metadata:
        return go(At::top);
      case At::tensor:
        end_tensor();
        return go(At::top);
      default:
        return go(At::end);
    }
  }
  bool start_array(size_t) override {
    if (at_ == At::shape) return go(At::shape_numbers);
    if (at_ == At::offsets) return go(At::offset_numbers);
    refuse("a list");
  }
  bool end_array() override {
    if (at_ == At::offset_numbers && offsets_ != 2)
      fail("{}: {} has {} data_offsets, not 2", where_, tensor(), offsets_);
    return go(At::tensor);
  }
  bool key(string_t& name) override {
    if (at_ == At::top) return entry_ = std::move(name), go(At::entry);
    if (at_ == At::metadata) return key_ = std::move(name), go(At::metadata_value);
    return begin_field(name);
  }
  bool string(string_t& value) override {
    if (at_ == At::dtype) return info_.dtype = dtype(value), go(At::tensor);
    if (at_ != At::metadata_value) refuse("\"" + printable(value, 60) + "\"");
    if (!header_.metadata.emplace(key_, std::move(value)).second) {
      fail("{}: __metadata__ has the key \"{}\" twice", where_, printable(key_, kShown));
    }
    return go(At::metadata);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (at_ == At::shape_numbers) return add_size(value);
    if (at_ != At::offset_numbers) refuse(std::to_string(value));
    if (offsets_ < 2) (offsets_ == 0 ? begin_ : end_) = value;
    return ++offsets_, true;
  }
  bool number_integer(number_integer_t value) override { refuse(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { refuse(printable(text, 60)); }
  bool boolean(bool value) override { refuse(value ? "true" : "false"); }
  bool null() override { refuse("null"); }
  bool binary(binary_t&) override { return false; }
  bool parse_error(size_t at, const std::string&, const nlohmann::detail::exception& e) override {
    fail("{}: the header is not JSON, at byte {} of it: {}", where_, at, json_reason(e.what()));
  }

 private:
  enum class At {
    start,
    top,
    entry,
    tensor,
    dtype,
    shape,
    shape_numbers,
    offsets,
    offset_numbers,
    metadata,
    metadata_value,
    end
  };

  bool go(At next) { return at_ = next, true; }
  std::string tensor() const { return "tensor " + printable(entry_, kShown); }

  [[noreturn]] void refuse(const std::string& value) const {
    switch (at_) {
      case At::start:
        fail("{}: the header is {}, not a JSON object", where_, value);
      case At::entry:
        fail("{}: {} is {} where an object has to be", where_, tensor(), value);
      case At::metadata_value:
        fail("{}: __metadata__ has {} under \"{}\", where only strings may be", where_, value, printable(key_, kShown));
      case At::dtype:
        fail("{}: the dtype of {} is {}, not a name", where_, tensor(), value);
      case At::shape:
      case At::shape_numbers:
        fail("{}: the shape of {} has {} where a list of whole numbers from 0 has to be", where_, tensor(), value);
      default:
        fail("{}: the data_offsets of {} have {} where two whole numbers from 0 have to be", where_, tensor(), value);
    }
  }

  bool begin_entry() {
    if (entry_ == "__metadata__") {
      if (std::exchange(has_metadata_, true)) fail("{}: __metadata__ stands twice in the header", where_);
      return go(At::metadata);
    }
    info_ = {};
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return go(At::tensor);
  }

  bool begin_field(const std::string& name) {
    if (name == "dtype") return once(has_dtype_, name), go(At::dtype);
    if (name == "shape") return once(has_shape_, name), go(At::shape);
    if (name != "data_offsets") fail("{}: {} has the unknown key \"{}\"", where_, tensor(), printable(name, kShown));
    once(has_offsets_, name);
    offsets_ = 0;
    return go(At::offsets);
  }

  void once(bool& seen, const std::string& name) const {
    if (std::exchange(seen, true)) fail("{}: {} has the key \"{}\" twice", where_, tensor(), name);
  }

  DType dtype(const std::string& name) const {
    if (const auto known = dtype_named(name)) return *known;
    if (name == "F4" || name == "F6_E2M3" || name == "F6_E3M2") {
      fail("{}: {} has dtype {}: elements of less than 8 bits are not read; take an 8-bit or 16-bit checkpoint", where_,
           tensor(), name);
    }
    if (name == "F8_E4M3FNUZ" || name == "F8_E5M2FNUZ") {
      fail("{}: {} has dtype {}: the FNUZ variants of FP8 are not read", where_, tensor(), name);
    }
    fail("{}: {} has the unknown dtype {}", where_, tensor(), printable(name, kShown));
  }

  bool add_size(uint64_t size) {
    if (info_.shape.size() == kMaxDimensions)
      fail("{}: {} has more than {} dimensions", where_, tensor(), kMaxDimensions);
    if (size > INT64_MAX) fail("{}: {} has a dimension of {}, which no file can hold", where_, tensor(), size);
    info_.shape.push_back(static_cast<int64_t>(size));
    return true;
  }

  void end_tensor() {
    const char* missing = !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : !has_offsets_ ? "data_offsets" : nullptr;
    if (missing) fail("{}: {} has no {}", where_, tensor(), missing);
    int64_t bytes = bytes_of(info_.dtype);
    for (const int64_t size : info_.shape) {
      if (__builtin_mul_overflow(bytes, size, &bytes)) {
        fail("{}: the shape {} of {} is larger than any file", where_, text_of(info_.shape), tensor());
      }
    }
    if (end_ < begin_) fail("{}: the data of {} ends at {}, before it begins at {}", where_, tensor(), end_, begin_);
    if (end_ - begin_ != static_cast<uint64_t>(bytes)) {
      fail("{}: {} of shape {} and dtype {} needs {} bytes, but its data_offsets span {}", where_, tensor(),
           text_of(info_.shape), name_of(info_.dtype), with_commas(static_cast<uint64_t>(bytes)),
           with_commas(end_ - begin_));
    }
    if (end_ > INT64_MAX) fail("{}: the data of {} ends at byte {}, which no file can hold", where_, tensor(), end_);
    info_.name = std::move(entry_);
    info_.offset = static_cast<int64_t>(begin_);
    info_.bytes = bytes;
    header_.tensors.push_back(std::move(info_));
  }

  SafetensorsHeader& header_;
  const std::string& where_;
  At at_ = At::start;
  std::string entry_, key_;
  TensorInfo info_;
  uint64_t begin_ = 0, end_ = 0;
  int offsets_ = 0;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false, has_metadata_ = false;
};

uint64_t length_of_header(std::span<const std::byte> file, const std::string& where) {
  constexpr std::string_view kPointer = "version https://git-lfs";
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.substr(0, kPointer.size()) == kPointer) {
    fail("{}: is the pointer that Git LFS leaves, not the file; fetch it with git lfs pull", where);
  }
  if (file.empty()) fail("{}: is empty; fetch it again", where);
  if (file.size() < kLengthBytes) {
    fail("{}: has {} bytes, fewer than the 8 that a safetensors file begins with; fetch it again", where, file.size());
  }
  uint64_t length;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kMaxHeader) {
    fail("{}: is not a safetensors file: its header would be {} bytes long, and at most {} are allowed", where,
         with_commas(length), with_commas(kMaxHeader));
  }
  if (length > file.size() - kLengthBytes) {
    fail("{}: the header needs {} bytes but the file ends after {}; the download was cut short, fetch it again", where,
         with_commas(length), with_commas(file.size() - kLengthBytes));
  }
  return length;
}

void check_names(const std::vector<TensorInfo>& tensors, const std::string& where) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const auto& info : tensors) names.push_back(info.name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end()) fail("{}: tensor {} stands twice in the header", where, printable(*twin, kShown));
}

// The data section is covered whole: nothing can hide in it, and no byte belongs to two tensors.
void check_places(const std::vector<TensorInfo>& tensors, int64_t data_bytes, const std::string& where) {
  int64_t end = 0;
  for (const auto& info : tensors) {
    const auto name = [&] { return printable(info.name, kShown); };
    if (info.offset < end) fail("{}: the data of tensor {} overlaps that of the tensor before it", where, name());
    if (info.offset > end) {
      fail("{}: {} bytes before the data of tensor {} belong to no tensor", where, with_commas(info.offset - end),
           name());
    }
    end = info.offset + info.bytes;  // at most INT64_MAX, checked when it was read
    if (end > data_bytes) {
      fail("{}: tensor {} needs {} bytes but the file ends after {}; the download was cut short, fetch it again", where,
           name(), with_commas(info.bytes), with_commas(std::max<int64_t>(data_bytes - info.offset, 0)));
    }
  }
  if (end != data_bytes)
    fail("{}: {} bytes after the last tensor belong to none", where, with_commas(data_bytes - end));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& where) {
  const uint64_t length = length_of_header(file, where);
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (text.substr(0, 1) != "{") fail("{}: is not a safetensors file: its header does not begin with {{", where);
  // nlohmann takes a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos) fail("{}: the header is not JSON: it contains a NUL byte", where);
  SafetensorsHeader header;
  HeaderReader reader(header, where);
  Json::sax_parse(text.begin(), text.end(), &reader);
  header.data_begin = kLengthBytes + length;

  check_names(header.tensors, where);
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  check_places(header.tensors, static_cast<int64_t>(file.size() - header.data_begin), where);
  return header;
}

std::string safetensors_header(std::vector<TensorInfo>& tensors, const std::map<std::string, std::string>& metadata) {
  std::string text(kLengthBytes, '\0');
  text += '{';
  if (!metadata.empty()) text += "\"__metadata__\":" + Json(metadata).dump();
  int64_t offset = 0;
  for (auto& info : tensors) {
    info.offset = offset;
    info.bytes = elements_of(info.shape) * bytes_of(info.dtype);
    offset += info.bytes;
    if (text.size() > kLengthBytes + 1) text += ',';
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", Json(info.name).dump(),
                        name_of(info.dtype), Json(info.shape).dump(), info.offset, offset);
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size() - kLengthBytes;
  if (length > kMaxHeader)
    fail("{} tensors do not fit one safetensors header; write more than one file", tensors.size());
  std::memcpy(text.data(), &length, sizeof length);
  return text;
}

}  // namespace octet
