#include "text/metaspace.h"

#include "text/decoder/list.h"

namespace octet {
namespace {

/// The visible character back to a space; the one that encoding put before the first token goes.
class MetaspaceStage : public WholeTokenStage {
 public:
  MetaspaceStage(const Metaspace& options, DecodeStage& next) : options_(options), next_(next) {}
  void finish() override { next_.finish(); }

 protected:
  void take_token(std::string& token) override {
    const bool drop = first_ && options_.prepend != Metaspace::Prepend::kNever;
    first_ = false;
    replace_all(token, options_.replacement, drop ? "" : " ");
    next_.take(token, true);
  }

 private:
  const Metaspace& options_;
  DecodeStage& next_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Decoder> make_metaspace_decoder(const StepJson& json) {
  return std::make_unique<DecoderOf<MetaspaceStage, Metaspace>>(Metaspace(json));
}

}  // namespace octet
