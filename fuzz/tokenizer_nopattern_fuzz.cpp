// As tokenizer_fuzz, without compiling expressions: faster by far, and what surrounds them is what is tested.
#include "text/pattern.h"
#include "tokenizer_fuzz.cpp"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  octet::stub_patterns();
  return 0;
}
