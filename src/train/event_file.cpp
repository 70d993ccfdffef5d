#include "train/event_file.h"

namespace octet::train {
namespace {

// Wire types of protocol buffers.
constexpr uint32_t kVarint = 0, kDouble = 1, kBytes = 2, kFloat = 5;

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

template <typename T>
void append_fixed(std::string& out, T value) {  // little-endian, as every machine Octet runs on
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <typename T>
T read_fixed(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// A message of protocol buffers, field after field.
class Message {
 public:
  Message& number(uint32_t field, int64_t value) {
    varint(field << 3 | kVarint);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message& real(uint32_t field, double value) {
    varint(field << 3 | kDouble);
    append_fixed(bytes_, value);
    return *this;
  }
  Message& single(uint32_t field, float value) {
    varint(field << 3 | kFloat);
    append_fixed(bytes_, value);
    return *this;
  }
  Message& text(uint32_t field, std::string_view value) {
    varint(field << 3 | kBytes);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(uint32_t field, const Message& inner) { return text(field, inner.bytes_); }
  std::string take() { return std::move(bytes_); }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

bool read_varint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (uint32_t shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

Message event(double wall_time, int64_t step) {
  Message message;
  message.real(1, wall_time);
  if (step != 0) message.number(2, step);
  return message;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  return ~crc;
}

std::string tf_record(std::string_view data) {
  std::string record;
  append_fixed(record, static_cast<uint64_t>(data.size()));
  append_fixed(record, masked_crc(record));
  record += data;
  append_fixed(record, masked_crc(data));
  return record;
}

std::optional<std::string_view> front_record(std::string_view bytes) {
  if (bytes.size() < kRecordOverhead) return std::nullopt;
  const auto size = read_fixed<uint64_t>(bytes);
  if (read_fixed<uint32_t>(bytes.substr(8)) != masked_crc(bytes.substr(0, 8))) return std::nullopt;
  if (size > bytes.size() - kRecordOverhead) return std::nullopt;
  const std::string_view data = bytes.substr(12, size);
  if (read_fixed<uint32_t>(bytes.substr(12 + size)) != masked_crc(data)) return std::nullopt;
  return data;
}

std::string version_event(double wall_time) {
  return event(wall_time, 0).text(3, "brain.Event:2").take();
}

std::string start_event(double wall_time, int64_t step) {
  constexpr int64_t kStart = 1;
  return event(wall_time, step).message(7, Message().number(1, kStart)).take();
}

std::string scalars_event(double wall_time, int64_t step, std::span<const Scalar> scalars) {
  Message summary;
  for (const Scalar& scalar : scalars) {
    summary.message(1, Message().text(1, scalar.tag).single(2, static_cast<float>(scalar.value)));
  }
  return event(wall_time, step).message(5, summary).take();
}

std::string text_event(double wall_time, int64_t step, std::string_view tag, std::string_view text) {
  constexpr int64_t kString = 7;
  const Message metadata = Message().message(1, Message().text(1, "text"));
  const Message shape = Message().message(2, Message().number(1, 1));
  const Message tensor = Message().number(1, kString).message(2, shape).text(8, text);
  const Message value = Message().text(1, tag).message(8, tensor).message(9, metadata);
  return event(wall_time, step).message(5, Message().message(1, value)).take();
}

std::optional<EventHead> read_event(std::string_view data) {
  EventHead head;
  while (!data.empty()) {
    uint64_t key = 0, value = 0;
    if (!read_varint(data, key)) return std::nullopt;
    size_t skipped = 0;
    switch (key & 7) {
      case kVarint:
        if (!read_varint(data, value)) return std::nullopt;
        if (key >> 3 == 2) head.step = static_cast<int64_t>(value);
        break;
      case kDouble:
        skipped = 8;
        break;
      case kFloat:
        skipped = 4;
        break;
      case kBytes:
        if (!read_varint(data, value)) return std::nullopt;
        skipped = value;
        head.is_start |= key >> 3 == 7;
        break;
      default:
        return std::nullopt;
    }
    if (skipped > data.size()) return std::nullopt;
    data.remove_prefix(skipped);
  }
  return head;
}

}  // namespace octet::train
