// Any bytes are either refused with an Error of one printable line, or a file whose every tensor lies inside it.
#include <cstdlib>

#include "base/error.h"
#include "files/safetensors_header.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_message(std::string_view message) {
  check(message.size() < 2000);
  for (const unsigned char c : message) check(c >= 0x20 && c != 0x7F);
}

void check_header(const octet::SafetensorsHeader& header, size_t file_bytes) {
  int64_t end = 0;
  for (const auto& info : header.tensors) {
    check(info.offset == end);
    check(octet::elements_of(info.shape) * octet::bytes_of(info.dtype) == info.bytes);
    end += info.bytes;
  }
  check(header.data_begin + static_cast<size_t>(end) == file_bytes);
}

// What was read can be written, and says the same when it is read again.
void check_written(octet::SafetensorsHeader header) {
  const auto tensors = header.tensors;
  std::string text = octet::safetensors_header(header.tensors, header.metadata);
  for (const auto& info : tensors) text.append(static_cast<size_t>(info.bytes), '\0');
  const auto again = octet::parse_safetensors_header(std::as_bytes(std::span(text)), "again");
  check(again.metadata == header.metadata && again.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    check(again.tensors[i].name == tensors[i].name && again.tensors[i].shape == tensors[i].shape);
    check(again.tensors[i].dtype == tensors[i].dtype && again.tensors[i].offset == tensors[i].offset);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The first byte chooses whether the length is put before the rest, so that mutations need not keep it right.
  if (size == 0) return 0;
  std::string file(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 != 0) {
    const size_t end = file.rfind('}');
    const uint64_t length = end == std::string::npos ? file.size() : end + 1;
    file.insert(0, reinterpret_cast<const char*>(&length), sizeof length);
  }
  try {
    auto header = octet::parse_safetensors_header(std::as_bytes(std::span(file)), "fuzz");
    check_header(header, file.size());
    check_written(std::move(header));
  } catch (const octet::Error& error) {
    check_message(error.what());
  }
  return 0;
}
