// Bytes to a tokenizer, then a short text there and back. Errors are fine; crashes, hangs and hunger are not.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kText =
      "Hello <s> w\xc3\xb6rld  123 don't\n\xe4\xbd\xa0\xe5\xa5\xbd e\xcc\x81 \xff\xe4 aaaabc\t<mask>";
  try {
    const auto tokenizer = octet::Tokenizer::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
    const auto ids = tokenizer.encode(kText, true);
    (void)tokenizer.decode(ids, false);
    (void)tokenizer.decode(ids, true);
  } catch (const octet::Error&) {
  }
  return 0;
}
