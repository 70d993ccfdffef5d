#include "text/metaspace.h"

#include "text/step_json.h"
#include "text/unicode.h"

namespace octet {

Metaspace::Metaspace(const StepJson& json) : prepend(Prepend::kAlways), split(json.flag("split", true)) {
  append_utf8(replacement, json.character("replacement", U'▁'));
  const std::string scheme = json.text("prepend_scheme", "");
  if (scheme == "never") {
    prepend = Prepend::kNever;
  } else if (scheme == "first") {
    prepend = Prepend::kFirst;
  } else if (!scheme.empty() && scheme != "always") {
    fail("{}: prepend_scheme {} is not always, first or never", json.where, Json(scheme).dump());
  }
  if (json.flag("add_prefix_space", true)) return;  // the older key for the same thing
  if (!scheme.empty() && prepend != Prepend::kNever) {
    fail("{}: add_prefix_space is false, but prepend_scheme is {}", json.where, scheme);
  }
  prepend = Prepend::kNever;
}

}  // namespace octet
