// Any calibration file, as text or as JSON lines, is either refused with an Error of one printable line, or UTF-8 that
// is no longer than the file, and begins with what is read of it where less is enough.
#include <cstdlib>

#include "base/error.h"
#include "compress/calibration_text.h"
#include "text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  for (const char* file : {"text.txt", "lines.jsonl", "lines.json"}) {
    try {
      const std::string text = octet::calibration_text(raw, file);
      if (text.size() > size + 2 || octet::valid_utf8_prefix(text) != text.size()) std::abort();
      if (!text.starts_with(octet::calibration_text(raw, file, size / 2))) std::abort();
    } catch (const octet::Error& error) {
      for (const unsigned char c : std::string_view(error.what())) {
        if (c < 0x20 || c == 0x7F) std::abort();
      }
    }
  }
  return 0;
}
