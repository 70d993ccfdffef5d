#include "text/decoder/list.h"

#include "text/step_list.h"

namespace octet {
namespace {

constexpr StepRow<Decoder> kDecoders[] = {
    {"BPEDecoder", make_bpe_decoder},
    {"ByteFallback", make_byte_fallback},
    {"ByteLevel", make_byte_level_decoder},
    {"CTC", make_ctc},
    {"Fuse", make_fuse},
    {"Metaspace", make_metaspace_decoder},
    {"Replace", make_replace_decoder},
    {"Sequence", make_decoder_sequence},
    {"Strip", make_strip_decoder},
    {"WordPiece", make_word_piece_decoder},
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(const StepJson& json) {
  return make_step(kDecoders, json);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  if (from.empty() || at == text.npos) return;
  std::string out;
  size_t done = 0;
  for (; at != text.npos; at = text.find(from, done)) {
    out.append(text, done, at - done);
    out += to;
    done = at + from.size();
  }
  out.append(text, done);
  text = std::move(out);
}

void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kChanges[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kChanges) replace_all(text, from, to);
}

}  // namespace octet
