#pragma once
#include <string>

namespace octet {

/// Unicode's normalization forms (Unicode Standard Annex 15).
struct NormalForm {
  bool compatible;  ///< NFKC, NFKD
  bool composed;    ///< NFC, NFKC
};

/// Brings valid UTF-8 into a normal form. Time grows in proportion to the text (n log n in a run of marks).
void normalize(std::string& text, NormalForm form);

}  // namespace octet
