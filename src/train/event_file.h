#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "train/log.h"

namespace octet::train {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
uint32_t crc32c(std::string_view bytes);

/// A TFRecord: length, masked CRC-32C of the length, data, masked CRC-32C of the data.
std::string tf_record(std::string_view data);

/// The data of the record at the front of `bytes`, or none where it is cut off or its checksums are wrong.
std::optional<std::string_view> front_record(std::string_view bytes);
constexpr size_t kRecordOverhead = 16;  ///< bytes of a record besides its data

// Messages of TensorFlow's event.proto and summary.proto, serialized.

/// The first record of every file.
std::string version_event(double wall_time);
/// Says that the run goes on here: what readers have of this step and later ones does not count.
std::string start_event(double wall_time, int64_t step);
std::string scalars_event(double wall_time, int64_t step, std::span<const Scalar> scalars);
std::string text_event(double wall_time, int64_t step, std::string_view tag, std::string_view text);

/// What is read of an event.
struct EventHead {
  int64_t step = 0;
  bool is_start = false;  ///< a start_event
};
/// None where the bytes are no message.
std::optional<EventHead> read_event(std::string_view data);

}  // namespace octet::train
