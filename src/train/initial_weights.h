#pragma once
#include <filesystem>
#include <functional>
#include <optional>

#include "models/classifier.h"
#include "tensor/qtensor.h"

namespace octet::train {

/// What a new model starts from: matrices from a normal distribution of deviation `range`, those that write into the
/// residual stream smaller by sqrt(2 · layers) (Radford et al. 2019); biases 0, other vectors 1.
TrainableParts new_parts(uint64_t seed, double range, int64_t layers);

/// Of a classifier: an encoder as above; an LSTM's matrices have the deviation 1 / sqrt(inputs), its embedding
/// initializer_range (0.1), the biases of forget gates 1 (Jozefowicz, Zaremba, Sutskever 2015).
TrainableParts new_classifier_parts(const ClassifierKind& kind, uint64_t seed, const Json& config,
                                    const std::string& where);

/// The numbers of a checkpoint, widened, or dequantized where it is compressed. Throws Error where a tensor is missing
/// or of another shape, or has a number that is not finite.
TrainableParts parts_from(const std::filesystem::path& directory);

/// The matrix of a linear module as a checkpoint holds it; nullopt: it is not quantized.
std::function<std::optional<QTensor>(const std::string& module)> codes_of(const std::filesystem::path& directory);

}  // namespace octet::train
