#include "text/normal_form.h"

#include "text/normalizer/list.h"

namespace octet {
namespace {

struct ToNormalForm : Normalizer {
  explicit ToNormalForm(NormalForm f) : form(f) {}
  void apply(std::string& text) const override { normalize(text, form); }
  NormalForm form;
};

}  // namespace

std::unique_ptr<Normalizer> make_nfc(const StepJson&) {
  return std::make_unique<ToNormalForm>(NormalForm{false, true});
}
std::unique_ptr<Normalizer> make_nfd(const StepJson&) {
  return std::make_unique<ToNormalForm>(NormalForm{false, false});
}
std::unique_ptr<Normalizer> make_nfkc(const StepJson&) {
  return std::make_unique<ToNormalForm>(NormalForm{true, true});
}
std::unique_ptr<Normalizer> make_nfkd(const StepJson&) {
  return std::make_unique<ToNormalForm>(NormalForm{true, false});
}

}  // namespace octet
