#include "compress/noise_file.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/output.h"

namespace octet {
namespace {

// JSON has no NaN and no infinity.
Json number(double x) {
  return std::isfinite(x) ? Json(x) : Json();
}

double number_of(const Json& x) {
  return x.is_number() ? x.get<double>() : std::nan("");
}

Json json_of(const ModuleNoise& n) {
  return {{"module", n.module},
          {"clipping", number(n.clipping)},
          {"rounding", number(n.rounding)},
          {"activations", number(n.activations)},
          {"carried", number(n.carried)},
          {"reach", number(n.reach)},
          {"clipped", number(n.clipped)},
          {"channels", n.channels},
          {"quotients", n.quotients},
          {"grid", n.grid}};
}

ModuleNoise noise_of_json(const Json& json) {
  ModuleNoise n{.module = json.at("module").get<std::string>()};
  n.clipping = number_of(json.at("clipping"));
  n.rounding = number_of(json.at("rounding"));
  n.activations = number_of(json.at("activations"));
  n.carried = number_of(json.at("carried"));
  n.reach = number_of(json.at("reach"));
  n.clipped = number_of(json.at("clipped"));
  n.channels = json.at("channels").get<std::vector<float>>();
  n.quotients = json.at("quotients").get<std::vector<float>>();
  n.grid = json.at("grid").get<std::vector<float>>();
  return n;
}

}  // namespace

void write_notes(const std::filesystem::path& path, const LayerNotes& notes) {
  Json json{{"smoothing", Json::array()}, {"noise", Json::array()}};
  for (const SmoothingNote& s : notes.smoothing) {
    json["smoothing"].push_back({s.leader, number(s.strength), number(s.error), number(s.error_before)});
  }
  for (const ModuleNoise& n : notes.noise) json["noise"].push_back(json_of(n));
  write_file_atomically(path, json.dump());
}

LayerNotes read_notes(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  try {
    const MappedFile file(path);
    const auto bytes = file.bytes();
    const Json json = parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
    LayerNotes notes;
    for (const Json& s : json.at("smoothing")) {
      notes.smoothing.push_back(
          {s.at(0).get<std::string>(), number_of(s.at(1)), number_of(s.at(2)), number_of(s.at(3))});
    }
    for (const Json& n : json.at("noise")) notes.noise.push_back(noise_of_json(n));
    return notes;
  } catch (const Error&) {
    return {};
  } catch (const Json::exception&) {
    return {};
  }
}

}  // namespace octet
