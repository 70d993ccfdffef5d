#pragma once
#include <nlohmann/json_fwd.hpp>

namespace octet {
using Json = nlohmann::json;  // keys sorted
}
