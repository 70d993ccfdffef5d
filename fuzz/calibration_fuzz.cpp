// Any calibration file, as text or as JSON lines, is either refused with an Error of one printable line, or text that
// is no longer than the file.
#include <cstdlib>

#include "base/error.h"
#include "compress/sequences.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const char* file : {"text.txt", "lines.jsonl"}) {
    try {
      const std::string text = octet::calibration_text({reinterpret_cast<const char*>(data), size}, file);
      if (text.size() > size + 2) std::abort();
    } catch (const octet::Error& error) {
      for (const unsigned char c : std::string_view(error.what())) {
        if (c < 0x20 || c == 0x7F) std::abort();
      }
    }
  }
  return 0;
}
