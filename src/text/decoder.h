#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace octet {

struct StepJson;

/// Receives tokens one after another, each in one or more parts, and hands on what it makes of them as soon as what
/// follows cannot change it. Whole text and streamed text come out of the same stages.
class DecodeStage {
 public:
  virtual ~DecodeStage() = default;
  /// A part of the current token, its last one if `ends`. `text` is valid UTF-8.
  virtual void take(std::string_view text, bool ends) = 0;
  /// No token follows.
  virtual void finish() = 0;
};

/// Turns tokens into text. Each step is a file in decoder/ and a row of decoder/list.cpp.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// A stage at its beginning that hands on to `next`, which outlives it.
  virtual std::unique_ptr<DecodeStage> start(DecodeStage& next) const = 0;
};

/// Throws Error naming a type that is not in the list.
std::unique_ptr<Decoder> make_decoder(const StepJson& json);

/// What the library does without a decoder: tokens with a space between them.
std::unique_ptr<Decoder> make_join_decoder();

}  // namespace octet
