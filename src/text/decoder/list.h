#pragma once
#include <memory>

#include "text/decoder.h"
#include "text/step_json.h"

namespace octet {

std::unique_ptr<Decoder> make_bpe_decoder(const StepJson& json);
std::unique_ptr<Decoder> make_byte_fallback(const StepJson& json);
std::unique_ptr<Decoder> make_byte_level_decoder(const StepJson& json);
std::unique_ptr<Decoder> make_ctc(const StepJson& json);
std::unique_ptr<Decoder> make_fuse(const StepJson& json);
std::unique_ptr<Decoder> make_metaspace_decoder(const StepJson& json);
std::unique_ptr<Decoder> make_replace_decoder(const StepJson& json);
std::unique_ptr<Decoder> make_decoder_sequence(const StepJson& json);
std::unique_ptr<Decoder> make_strip_decoder(const StepJson& json);
std::unique_ptr<Decoder> make_word_piece_decoder(const StepJson& json);

/// Puts `to` for each `from` in text.
void replace_all(std::string& text, std::string_view from, std::string_view to);

/// Takes back the spaces that cutting put before punctuation and English contractions.
void clean_up(std::string& text);

/// A decoder whose stage is Stage(step, next), where `step` is the decoder's own data.
template <typename Stage, typename Data>
class DecoderOf : public Decoder {
 public:
  explicit DecoderOf(Data data) : data_(std::move(data)) {}
  std::unique_ptr<DecodeStage> start(DecodeStage& next) const override { return std::make_unique<Stage>(data_, next); }

 private:
  Data data_;
};

/// A stage that needs each token whole.
class WholeTokenStage : public DecodeStage {
 public:
  void take(std::string_view text, bool ends) final {
    token_ += text;
    if (!ends) return;
    take_token(token_);
    token_.clear();
  }

 protected:
  virtual void take_token(std::string& token) = 0;

 private:
  std::string token_;
};

}  // namespace octet
