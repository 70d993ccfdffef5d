#include "compress/recipe_mappings.h"

#include <algorithm>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "files/name_pattern.h"

namespace octet {
namespace {

// Where factors can go, and what then has to be multiplied by them.
struct Place {
  bool SmoothingPlaces::*flag;
  std::string_view from;
  std::vector<std::string_view> to;
};
const Place kPlaces[] = {
    {&SmoothingPlaces::attention, "input_layernorm", {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
    {&SmoothingPlaces::values, "self_attn.v_proj", {"self_attn.o_proj"}},
    {&SmoothingPlaces::mlp, "post_attention_layernorm", {"mlp.gate_proj", "mlp.up_proj"}},
    {&SmoothingPlaces::up, "mlp.up_proj", {"mlp.down_proj"}},
};
constexpr int kSomeLayers[] = {0, 1, 7, 38};  // a pattern that matches these is taken to match all

bool matches(const std::string& target, std::string_view part, int layer) {
  const std::string name = fmt::format("model.layers.{}.{}", layer, part);
  if (target.starts_with("re:")) return pattern_matches_start(target.substr(3), name);
  return target == part || target == part.substr(part.rfind('.') + 1);
}

int layers_matched(const std::string& target, std::string_view part) {
  return static_cast<int>(std::count_if(std::begin(kSomeLayers), std::end(kSomeLayers),
                                        [&](int layer) { return matches(target, part, layer); }));
}

struct Mapping {
  std::vector<std::string> from, to;
};

std::vector<std::string> names_of(const Json& list, const std::string& where) {
  if (list.is_string()) return {list.get<std::string>()};
  if (!list.is_array() || list.empty()) fail("{} has {} where names of layers have to be", where, json_text(list));
  std::vector<std::string> names;
  for (const Json& name : list) {
    if (!name.is_string()) fail("{} has {} where the name of a layer has to be", where, json_text(name));
    names.push_back(name.get<std::string>());
  }
  return names;
}

Mapping read_mapping(const Json& mapping, const std::string& where) {
  if (mapping.is_array() && mapping.size() == 2) return {names_of(mapping[1], where), names_of(mapping[0], where)};
  const bool named = mapping.is_object() && mapping.contains("smooth_layer") && mapping.contains("balance_layers");
  if (!named)
    fail("{}: {} is no pair of balance layers and the layer that takes their factors", where, json_text(mapping));
  for (const auto& [key, value] : mapping.items()) {
    if (key == "smooth_layer" || key == "balance_layers" || value.is_null()) continue;
    fail("{}: {} is not a field that is known", where, printable(key, 60));
  }
  return {names_of(mapping["smooth_layer"], where), names_of(mapping["balance_layers"], where)};
}

void check_balance(const Place& place, const Mapping& mapping, const std::string& where) {
  for (const std::string_view part : place.to) {
    const bool named = std::any_of(mapping.to.begin(), mapping.to.end(), [&](const std::string& target) {
      return layers_matched(target, part) == static_cast<int>(std::size(kSomeLayers));
    });
    if (!named) fail("{}: factors of {} reach {} too, which the balance layers leave out", where, place.from, part);
  }
  for (const std::string& target : mapping.to) {
    const bool reached = std::any_of(place.to.begin(), place.to.end(),
                                     [&](std::string_view part) { return layers_matched(target, part) > 0; });
    if (!reached) fail("{}: {} is no layer that the factors of {} reach", where, printable(target, 100), place.from);
  }
}

}  // namespace

SmoothingPlaces read_mappings(const Json& mappings, const std::string& where) {
  if (!mappings.is_array()) fail("{} is {}, not a list", where, json_text(mappings));
  SmoothingPlaces places{false, false, false, false};
  for (const Json& entry : mappings) {
    const Mapping mapping = read_mapping(entry, where);
    for (const std::string& target : mapping.from) {
      const auto place = std::find_if(std::begin(kPlaces), std::end(kPlaces),
                                      [&](const Place& p) { return layers_matched(target, p.from) > 0; });
      if (place == std::end(kPlaces)) {
        fail("{}: {} cannot take factors; input_layernorm, v_proj, post_attention_layernorm and up_proj can", where,
             printable(target, 100));
      }
      if (layers_matched(target, place->from) != static_cast<int>(std::size(kSomeLayers))) {
        fail("{}: {} is in some layers only; all layers are smoothed alike here", where, printable(target, 100));
      }
      check_balance(*place, mapping, where);
      places.*(place->flag) = true;
    }
  }
  return places;
}

}  // namespace octet
